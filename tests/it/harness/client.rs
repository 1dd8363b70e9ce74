//! A client as apps have it, which shows everything it got.

use std::io::Read;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::{Value, json};

/// Makes requests.
#[derive(Debug, Clone)]
pub struct Client(reqwest::Client);

/// A request to be.
#[derive(Debug)]
pub struct Ask {
    client: reqwest::Client,
    method: Method,
    url: String,
    headers: HeaderMap,
    body: Body,
}

#[derive(Debug)]
enum Body {
    Json(Value),
    Bytes(Bytes),
}

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// It broke off.
    pub cut: bool,
}

/// An answer under way.
pub struct Live {
    pub status: u16,
    pub headers: HeaderMap,
    body: BoxStream<'static, Result<Bytes, reqwest::Error>>,
}

impl Client {
    pub fn new() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self(reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap())
    }

    pub fn post(&self, url: &str, body: Value) -> Ask {
        let ask = Ask {
            client: self.0.clone(),
            method: Method::POST,
            url: url.to_owned(),
            headers: HeaderMap::new(),
            body: Body::Json(body),
        };
        ask.header("content-type", "application/json")
    }

    pub fn request(&self, method: &str, url: &str, body: Bytes) -> Ask {
        Ask {
            client: self.0.clone(),
            method: method.parse().unwrap(),
            url: url.to_owned(),
            headers: HeaderMap::new(),
            body: Body::Bytes(body),
        }
    }
}

impl Ask {
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.append(name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap());
        self
    }

    /// With an API key.
    pub fn key(self, key: &str) -> Self {
        self.header("authorization", &format!("Bearer {key}"))
    }

    /// With another field in its JSON body.
    pub fn field(mut self, name: &str, value: impl Into<Value>) -> Self {
        let Body::Json(body) = &mut self.body else { panic!("not a JSON body") };
        body[name] = value.into();
        self
    }

    /// Asks for the answer in pieces, or whole.
    pub fn stream(self, stream: bool) -> Self {
        self.field("stream", stream)
    }

    /// Asks for a stream that ends with a count of tokens.
    pub fn with_usage(self) -> Self {
        self.stream(true).field("stream_options", json!({ "include_usage": true }))
    }

    /// Sends it and reads the head of the answer.
    pub async fn open(self) -> Live {
        let body = match self.body {
            Body::Json(value) => Bytes::from(value.to_string()),
            Body::Bytes(bytes) => bytes,
        };
        let request = self.client.request(self.method, self.url).headers(self.headers).body(body);
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        Live { status, headers, body: answer.bytes_stream().boxed() }
    }

    /// Whether it can be sent at all, over a connection of its own.
    pub async fn try_send(&self) -> bool {
        let address = self.url.trim_start_matches("http://").split('/').next().unwrap().to_owned();
        tokio::net::TcpStream::connect(address).await.is_ok()
    }

    /// Sends it and reads the whole answer.
    pub async fn send(self) -> Reply {
        let mut live = self.open().await;
        let mut body = BytesMut::new();
        let mut cut = false;
        while let Some(piece) = live.body.next().await {
            match piece {
                Ok(bytes) => body.extend_from_slice(&bytes),
                Err(_) => {
                    cut = true;
                    break;
                }
            }
        }
        Reply { status: live.status, headers: live.headers, body: body.freeze(), cut }
    }
}

/// What gzipped bytes say, whole or not.
pub fn gunzip(bytes: &[u8]) -> String {
    let mut text = String::new();
    flate2::read::GzDecoder::new(bytes).read_to_string(&mut text).unwrap();
    text
}

impl Live {
    /// Reads on until what has come holds this text.
    pub async fn read_until(&mut self, text: &str) -> String {
        let mut seen = String::new();
        while !seen.contains(text) {
            let piece = self.body.next().await.expect("the answer goes on").expect("the answer is whole");
            seen.push_str(std::str::from_utf8(&piece).unwrap());
        }
        seen
    }

    /// Reads to the end; `Err` holds what came of an answer that broke off.
    pub async fn rest(mut self) -> Result<String, String> {
        let mut seen = String::new();
        while let Some(piece) = self.body.next().await {
            match piece {
                Ok(bytes) => seen.push_str(std::str::from_utf8(&bytes).unwrap()),
                Err(_) => return Err(seen),
            }
        }
        Ok(seen)
    }
}

impl Reply {
    /// A header's value; empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// `X-Cache-Status`.
    pub fn outcome(&self) -> &str {
        self.header("x-cache-status")
    }

    /// `X-Cache-Reason`.
    pub fn reason(&self) -> &str {
        self.header("x-cache-reason")
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The JSON values of a stream: of its events, or of its lines.
    pub fn events(&self) -> Vec<Value> {
        let lines = self.text().lines().map(|line| line.strip_prefix("data: ").unwrap_or(line));
        lines.filter(|line| line.starts_with('{')).map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// What the model said, whatever the protocol and the shape.
    pub fn said(&self) -> String {
        assert_eq!(self.status, 200, "{}", self.text());
        assert!(!self.cut, "cut after {}", self.text());
        self.events_or_whole().iter().map(words).collect()
    }

    fn events_or_whole(&self) -> Vec<Value> {
        match serde_json::from_slice(&self.body) {
            Ok(whole) => vec![whole],
            Err(_) => self.events(),
        }
    }
}

fn words(value: &Value) -> &str {
    let places = [
        "/choices/0/message/content",
        "/choices/0/delta/content",
        "/choices/0/text",
        "/message/content",
        "/response",
        "/delta/text",
        "/content/0/text",
    ];
    places.iter().find_map(|place| value.pointer(place)?.as_str()).unwrap_or("")
}
