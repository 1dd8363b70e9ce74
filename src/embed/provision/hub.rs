//! Files of the model hub (<https://huggingface.co/docs/hub/models-downloading>), over HTTP.
//!
//! The one file that names ureq, a blocking client: provisioning runs on a blocking thread, before any server.
//! `HF_ENDPOINT` names a mirror and `HF_TOKEN` an access token, as for the hub's own tools.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ureq::http::{HeaderMap, Response, StatusCode};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Body};

use super::files;
use super::progress::{Progress, Step};

const PUBLIC: &str = "https://huggingface.co";
/// A closed network must be noticed quickly: another way to get the files waits.
const CONNECT: Duration = Duration::from_secs(4);
/// The longest silence inside an answer.
const SILENCE: Duration = Duration::from_secs(30);
/// How often a broken download is taken up again before it is given up.
const ATTEMPTS: usize = 4;
const REDIRECTS: usize = 6;

/// The hub, or a mirror of it.
#[derive(Debug)]
pub(super) struct Hub {
    agent: Agent,
    endpoint: String,
    token: Option<String>,
}

/// Why a file did not come.
#[derive(Debug, thiserror::Error)]
pub(super) enum HubError {
    /// Nothing answers there.
    #[error("{0}")]
    Unreachable(String),
    /// It answered with something else.
    #[error("{0}")]
    Refused(String),
    /// It broke off again and again; what came is kept for the next attempt.
    #[error("it broke off: {0}")]
    Cut(String),
    /// It is not the file that was expected.
    #[error("it has SHA-256 {found}, {expected} was expected; it was thrown away")]
    Mismatch {
        /// What it must be.
        expected: String,
        /// What it was.
        found: String,
    },
    /// The disk failed.
    #[error("{0}")]
    Disk(#[from] io::Error),
}

impl Hub {
    /// The hub that the environment names, else the public one.
    pub(super) fn from_environment() -> Self {
        let set = |name: &str| std::env::var(name).ok().map(|value| value.trim().to_owned()).filter(|v| !v.is_empty());
        Self::at(&set("HF_ENDPOINT").unwrap_or_else(|| PUBLIC.to_owned()), set("HF_TOKEN"))
    }

    /// The hub at this URL.
    pub(super) fn at(endpoint: &str, token: Option<String>) -> Self {
        let tls = TlsConfig::builder()
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .root_certs(RootCerts::PlatformVerifier)
            .build();
        let agent = Agent::config_builder()
            .tls_config(tls)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .timeout_resolve(Some(CONNECT))
            .timeout_connect(Some(CONNECT))
            .timeout_recv_response(Some(SILENCE))
            .timeout_per_read(Some(SILENCE))
            .user_agent(concat!("dejavu/", env!("CARGO_PKG_VERSION")))
            .build()
            .new_agent();
        Self { agent, endpoint: endpoint.trim_end_matches('/').to_owned(), token }
    }

    /// Fetches one file of a repository to `place`. What came before of it, kept in `partial`, is not fetched
    /// again. Its SHA-256 must be `expected`, or, where that is `None`, the one the hub itself gives for it (it
    /// gives one for large files only).
    ///
    /// # Errors
    /// When it cannot be had or is not what it must be.
    pub(super) fn fetch(
        &self,
        repository: &str,
        file: &str,
        expected: Option<&str>,
        partial: &Path,
        place: &Path,
        progress: Progress,
    ) -> Result<(), HubError> {
        let url = format!("{}/{repository}/resolve/main/{file}", self.endpoint);
        let part = partial.join(format!("{}.part", files::hex(blake3::hash(url.as_bytes()).as_bytes())));
        fs::create_dir_all(partial)?;
        let step = progress.step(&format!("{repository}/{file}"), None);
        let mut broken = String::new();
        for _ in 0..ATTEMPTS {
            match self.resume(&url, &part, &step) {
                Ok(told) => {
                    let expected = expected.map(str::to_owned).or(told);
                    return adopt(&part, expected.as_deref(), place);
                }
                Err(HubError::Cut(why)) => broken = why,
                Err(other) => return Err(other),
            }
        }
        Err(HubError::Cut(broken))
    }

    /// Gets the rest of a file, and what its SHA-256 is if the hub says.
    fn resume(&self, url: &str, part: &Path, step: &Step) -> Result<Option<String>, HubError> {
        let have = fs::metadata(part).map_or(0, |data| data.len());
        let (response, told) = self.follow(url, have)?;
        let mut file = match response.status() {
            StatusCode::PARTIAL_CONTENT => OpenOptions::new().append(true).open(part)?,
            StatusCode::OK => File::create(part)?,
            // Nothing lies beyond what is here; whether that is all, the sum tells.
            StatusCode::RANGE_NOT_SATISFIABLE if have > 0 => return Ok(told),
            other => return Err(HubError::Refused(format!("{url} answered {other}"))),
        };
        let mut reached = file.metadata()?.len();
        if let Some(rest) = length(response.headers()) {
            step.expect(reached + rest);
        }
        let mut body = response.into_body().into_reader();
        let mut buffer = vec![0; 1 << 16];
        loop {
            let count = body.read(&mut buffer).map_err(|why| HubError::Cut(why.to_string()))?;
            if count == 0 {
                return Ok(told);
            }
            file.write_all(&buffer[..count])?;
            reached += count as u64;
            step.reached(reached);
        }
    }

    /// Asks for what lies beyond `have` bytes, following redirects by hand: the answer on the way to the storage
    /// tells the sum, and the token is for the hub alone.
    fn follow(&self, url: &str, have: u64) -> Result<(Response<Body>, Option<String>), HubError> {
        let mut url = url.to_owned();
        let mut told = None;
        for _ in 0..REDIRECTS {
            let mut request = self.agent.get(&url);
            if let Some(token) = self.token.as_ref().filter(|_| url.starts_with(&self.endpoint)) {
                request = request.header("authorization", format!("Bearer {token}"));
            }
            if have > 0 {
                request = request.header("range", format!("bytes={have}-"));
            }
            let response = request.call().map_err(|why| HubError::Unreachable(format!("{url}: {why}")))?;
            told = told.or_else(|| linked_sum(response.headers()));
            let next = response.headers().get("location").and_then(|to| to.to_str().ok());
            match next.filter(|_| response.status().is_redirection()) {
                Some(next) if next.starts_with('/') => url = format!("{}{next}", self.endpoint),
                Some(next) => url = next.to_owned(),
                None => return Ok((response, told)),
            }
        }
        Err(HubError::Refused(format!("{url} redirects without end")))
    }
}

/// Moves a complete download to its place, if it is what it must be.
fn adopt(part: &Path, expected: Option<&str>, place: &Path) -> Result<(), HubError> {
    if let Some(expected) = expected {
        let found = files::sha256(part)?;
        if found != expected {
            fs::remove_file(part)?;
            return Err(HubError::Mismatch { expected: expected.to_owned(), found });
        }
    }
    if let Some(folder) = place.parent() {
        fs::create_dir_all(folder)?;
    }
    Ok(fs::rename(part, place)?)
}

/// The hub gives the SHA-256 of large files in `X-Linked-Etag`.
fn linked_sum(headers: &HeaderMap) -> Option<String> {
    let sum = headers.get("x-linked-etag")?.to_str().ok()?.trim_matches('"');
    (sum.len() == 64 && sum.bytes().all(|b| b.is_ascii_hexdigit())).then(|| sum.to_ascii_lowercase())
}

fn length(headers: &HeaderMap) -> Option<u64> {
    headers.get("content-length")?.to_str().ok()?.parse().ok()
}
