//! What an operator sets about HTTP: `[server]`, `[admin]` and `[replay]`.

use std::net::{Ipv4Addr, SocketAddr};

use http::HeaderName;
use serde::{Deserialize, Deserializer, Serialize};

use crate::domain::{Credential, Lasting, Size};

/// `[server]`: the app listener and its limits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Where apps connect.
    pub listen: SocketAddr,
    /// The largest request body that is held and read.
    pub max_body: Size,
    /// What becomes of a larger one.
    pub larger_bodies: LargerBodies,
    /// How long answers under way may go on after a stop was asked for.
    pub drain: Lasting,
    /// How long a client may take over its request's head.
    pub header_timeout: Lasting,
    /// How long a client may be silent in the middle of its request's body.
    pub body_timeout: Lasting,
    /// The largest request head.
    pub max_head: Size,
    /// The most header lines in a request.
    pub max_headers: usize,
    /// Connections served at once; more wait to be accepted.
    pub max_connections: usize,
    /// `X-Cache-Similarity` is sent on semantic hits.
    pub show_similarity: bool,
    /// More request headers whose values make requests different, besides the ones that are known to.
    pub key_headers: Vec<String>,
    /// Which request controls clients may use.
    pub controls: Controls,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8686)),
            max_body: Size::mib(10),
            larger_bodies: LargerBodies::Forward,
            drain: Lasting::seconds(30),
            header_timeout: Lasting::seconds(15),
            body_timeout: Lasting::seconds(30),
            max_head: Size(64 << 10),
            max_headers: 100,
            max_connections: 4096,
            show_similarity: true,
            key_headers: Vec::new(),
            controls: Controls::default(),
        }
    }
}

impl Settings {
    /// The header names of `key_headers`; what is no header name is left out (the configuration check says so).
    #[must_use]
    pub fn extra_key_headers(&self) -> Vec<HeaderName> {
        self.key_headers.iter().filter_map(|name| name.parse().ok()).collect()
    }
}

/// What becomes of a request whose body is larger than is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LargerBodies {
    /// It goes to its upstream as it comes; the cache takes no part.
    Forward,
    /// It is answered with 413, on every path.
    Refuse,
}

/// `[server.controls]`: request controls that clients may use. One that is switched off is ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Controls {
    /// `Cache-Control`.
    pub cache_control: bool,
    /// `X-Cache-Mode`.
    pub mode: bool,
    /// `X-Cache-TTL`.
    pub ttl: bool,
    /// `X-Cache-Namespace`.
    pub namespace: bool,
    /// `X-Cache-Tags`.
    pub tags: bool,
    /// `X-Cache-Min-Similarity`.
    pub min_similarity: bool,
    /// `X-Residency`.
    pub residency: bool,
    /// `X-Cache-Feedback`.
    pub feedback: bool,
}

impl Default for Controls {
    fn default() -> Self {
        Self {
            cache_control: true,
            mode: true,
            ttl: true,
            namespace: true,
            tags: true,
            min_similarity: true,
            residency: true,
            feedback: true,
        }
    }
}

/// `[admin]`: the operators' listener.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdminSettings {
    /// Where operators connect.
    pub listen: SocketAddr,
    /// The bearer token they must show; required when the listener is not loopback.
    #[serde(deserialize_with = "nonempty")]
    pub token: Option<Credential>,
}

impl Default for AdminSettings {
    fn default() -> Self {
        Self { listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8687)), token: None }
    }
}

/// An empty token would let everybody in, so it counts as none.
fn nonempty<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Credential>, D::Error> {
    Ok(Option::<Credential>::deserialize(from)?.filter(|token| !token.expose().is_empty()))
}

/// `[replay]`: at which pace streams are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReplaySettings {
    /// The least time between two pieces of a replayed stream; zero sends it at once.
    pub pace: Lasting,
    /// The least time between two events of a live stream; zero sends them as they come.
    pub live: Lasting,
    /// The longest that a paced replay may take in all, and that an event of a live stream may wait; the pace quickens
    /// to keep to it.
    pub longest: Lasting,
}

impl Default for ReplaySettings {
    fn default() -> Self {
        Self { pace: Lasting::default(), live: Lasting::default(), longest: Lasting::seconds(5) }
    }
}
