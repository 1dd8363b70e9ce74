//! The wire to other servers: the one file that names reqwest and rustls.
//!
//! It adds nothing to a request and takes nothing from an answer: no redirects, no proxies, no decompression, no
//! cookies. Connections are pooled, and HTTP/2 is spoken where TLS negotiates it.

use std::error::Error as _;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, Method};
use tokio::time::timeout;

use super::headers::strip_hop_by_hop;
use super::upload::Upload;
use crate::domain::Head;

/// How long to wait for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// For a connection.
    pub connect: Duration,
    /// For the head of an answer.
    pub answer: Duration,
    /// For the next bytes of a body. The whole of a body may take any time.
    pub idle: Duration,
}

/// Which servers are believed to be who they say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// Those the operating system trusts.
    System,
    /// None: for plain `http` only. Spares reading the system's certificates, which a small container may lack.
    PlainOnly,
}

/// A client for one kind of server. Cheap to clone; clones share their connections.
#[derive(Debug, Clone)]
pub struct Transport {
    client: reqwest::Client,
    limits: Limits,
}

/// What a server answered.
pub struct Response {
    /// Status and end-to-end headers.
    pub head: Head,
    /// The body as it comes, under back-pressure. It ends after the first error.
    pub body: BoxStream<'static, Result<Bytes, Failure>>,
}

/// Why there is no answer, or no more of it. The texts name no URL and no credential.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// No connection, or none that held until the head came.
    #[error("{0}")]
    Unreachable(String),
    /// No head, or no more bytes, in time.
    #[error("silent for {}", humantime::format_duration(*.0))]
    Silent(Duration),
    /// The body broke off.
    #[error("{0}")]
    Broken(String),
}

/// The client could not be made: in practice, no trusted certificates were found.
#[derive(Debug, thiserror::Error)]
#[error("no HTTP client: {0}")]
pub struct NoTransport(String);

impl Transport {
    /// Makes a client.
    ///
    /// # Errors
    /// When the system's trusted certificates cannot be read, with [`Trust::System`].
    pub fn new(limits: Limits, trust: Trust) -> Result<Self, NoTransport> {
        // Whoever comes second finds the same provider in place, so that refusal says nothing.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(limits.connect)
            .pool_idle_timeout(Duration::from_secs(60))
            .tcp_keepalive(Duration::from_secs(30));
        let builder = match trust {
            Trust::System => builder,
            Trust::PlainOnly => builder.tls_certs_only([]),
        };
        let client = builder.build().map_err(|error| NoTransport(innermost(&error)))?;
        Ok(Self { client, limits })
    }

    /// Sends one request, whose headers go out as they are, and waits for the answer's head.
    ///
    /// # Errors
    /// [`Failure::Unreachable`] and [`Failure::Silent`].
    pub async fn call(&self, method: Method, url: &str, headers: HeaderMap, body: Bytes) -> Result<Response, Failure> {
        let bodiless = body.is_empty() && matches!(method, Method::GET | Method::HEAD | Method::OPTIONS);
        let mut request = self.client.request(method, url).headers(headers);
        if !bodiless {
            request = request.body(body);
        }
        let answer = timeout(self.limits.answer, request.send()).await;
        self.answered(answer.map_err(|_| Failure::Silent(self.limits.answer))?)
    }

    /// Sends one request whose body comes in pieces, the first of which is here, and waits for the answer's head for as long as pieces go out.
    ///
    /// # Errors
    /// [`Failure::Unreachable`] and [`Failure::Silent`]; a body that was sent before cannot be sent again.
    pub async fn upload(
        &self,
        method: Method,
        url: &str,
        mut headers: HeaderMap,
        first: Bytes,
        upload: &Upload,
    ) -> Result<Response, Failure> {
        let again = || Failure::Unreachable("the request's body was sent already".to_owned());
        let rest = upload.take().ok_or_else(again)?;
        if let Some(length) = upload.length() {
            headers.insert(CONTENT_LENGTH, (first.len() as u64 + length).into());
        }
        let body = reqwest::Body::wrap_stream(stream::iter([Ok(first)]).chain(rest));
        let sending = self.client.request(method, url).headers(headers).body(body).send();
        tokio::pin!(sending);
        let mut sent = upload.pieces();
        loop {
            match timeout(self.limits.answer, &mut sending).await {
                Ok(answer) => return self.answered(answer),
                Err(_) if upload.pieces() == sent => return Err(Failure::Silent(self.limits.answer)),
                Err(_) => sent = upload.pieces(),
            }
        }
    }

    fn answered(&self, answer: reqwest::Result<reqwest::Response>) -> Result<Response, Failure> {
        let answer = answer.map_err(|error| Failure::Unreachable(innermost(&error)))?;
        let mut headers = answer.headers().clone();
        strip_hop_by_hop(&mut headers);
        let head = Head { status: answer.status(), headers };
        Ok(Response { head, body: watched(answer.bytes_stream().boxed(), self.limits.idle) })
    }
}

impl Response {
    /// The whole body, when it is no longer than `most` bytes.
    ///
    /// # Errors
    /// When it breaks off or is longer.
    pub async fn collect(mut self, most: usize) -> Result<Bytes, Failure> {
        let mut whole = Vec::new();
        while let Some(chunk) = self.body.next().await {
            whole.extend_from_slice(&chunk?);
            if whole.len() > most {
                return Err(Failure::Broken(format!("the answer is longer than {most} bytes")));
            }
        }
        Ok(whole.into())
    }
}

/// Turns silence into an error, and ends after the first error.
fn watched(
    body: BoxStream<'static, Result<Bytes, reqwest::Error>>,
    idle: Duration,
) -> BoxStream<'static, Result<Bytes, Failure>> {
    stream::unfold(Some(body), move |body| async move {
        let mut body = body?;
        match timeout(idle, body.next()).await {
            Ok(Some(Ok(bytes))) => Some((Ok(bytes), Some(body))),
            Ok(Some(Err(error))) => Some((Err(Failure::Broken(innermost(&error))), None)),
            Ok(None) => None,
            Err(_) => Some((Err(Failure::Silent(idle)), None)),
        }
    })
    .boxed()
}

/// What went wrong at the bottom ("Connection refused (os error 111)"): the layers above repeat the URL.
fn innermost(error: &reqwest::Error) -> String {
    let mut deepest = None;
    let mut next = error.source();
    while let Some(cause) = next {
        deepest = Some(cause);
        next = cause.source();
    }
    match deepest {
        Some(cause) => cause.to_string(),
        None if error.is_timeout() => "timed out".to_owned(),
        None => "the request failed".to_owned(),
    }
}
