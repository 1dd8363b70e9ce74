//! The accept loop. `axum::serve` is not used: it installs no timer, so its header timeout is inert, and it has no
//! limits on connections or heads and no deadline on draining.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Settings;

/// How long to wait after the system refused to hand out a connection (no file descriptors left, mostly).
const AFTER_REFUSAL: Duration = Duration::from_millis(100);

/// A bound socket, not yet serving.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    limits: Limits,
}

/// What one listener bears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    header_timeout: Duration,
    max_head: usize,
    max_headers: usize,
    max_connections: usize,
    drain: Duration,
}

impl From<&Settings> for Limits {
    fn from(settings: &Settings) -> Self {
        // hyper panics on a smaller buffer, and on an empty header table.
        const LEAST_HEAD: usize = 8192;
        Self {
            header_timeout: settings.header_timeout.0,
            max_head: settings.max_head.as_usize().max(LEAST_HEAD),
            max_headers: settings.max_headers.max(1),
            max_connections: settings.max_connections.clamp(1, Semaphore::MAX_PERMITS),
            drain: settings.drain.0,
        }
    }
}

impl Listener {
    /// Binds `address`; port 0 takes a free one.
    ///
    /// # Errors
    /// When the system refuses, for instance since the port is taken.
    pub async fn bind(address: SocketAddr, limits: Limits) -> io::Result<Self> {
        Ok(Self { socket: TcpListener::bind(address).await?, limits })
    }

    /// The address bound.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Serves until `stop` is cancelled, then lets answers under way finish, for as long as the drain deadline
    /// allows, and cuts the rest.
    pub async fn serve(self, router: Router, stop: CancellationToken) {
        let Self { socket, limits } = self;
        let room = Arc::new(Semaphore::new(limits.max_connections));
        let graceful = GracefulShutdown::new();
        let connections = TaskTracker::new();
        let cut = CancellationToken::new();
        let server = Arc::new(connection_server(limits));
        loop {
            let accepted = async {
                let place = Arc::clone(&room).acquire_owned().await;
                (accept(&socket).await, place)
            };
            let (stream, place) = tokio::select! {
                () = stop.cancelled() => break,
                accepted = accepted => accepted,
            };
            let (service, watcher) = (TowerToHyperService::new(router.clone()), graceful.watcher());
            let (server, cut) = (Arc::clone(&server), cut.clone());
            connections.spawn(async move {
                let serving = server.serve_connection(TokioIo::new(stream), service).into_owned();
                tokio::select! {
                    // A connection that ends badly is the client's affair; what it asked for was logged where handled.
                    _ = watcher.watch(serving) => {}
                    () = cut.cancelled() => {}
                }
                drop(place);
            });
        }
        drop(socket);
        connections.close();
        if tokio::time::timeout(limits.drain, graceful.shutdown()).await.is_err() {
            tracing::warn!(connections = connections.len(), "the drain deadline passed: cutting what is left");
        }
        cut.cancel();
        connections.wait().await;
    }
}

fn connection_server(limits: Limits) -> auto::Builder<TokioExecutor> {
    let mut server = auto::Builder::new(TokioExecutor::new());
    server
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_headers(limits.max_headers)
        .max_buf_size(limits.max_head);
    server
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Some(Duration::from_secs(20)))
        .max_header_list_size(u32::try_from(limits.max_head).unwrap_or(u32::MAX));
    server
}

async fn accept(socket: &TcpListener) -> TcpStream {
    loop {
        match socket.accept().await {
            Ok((stream, _)) => {
                // Pieces of a stream are small and must not wait for each other.
                let _ = stream.set_nodelay(true);
                return stream;
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(AFTER_REFUSAL).await;
            }
        }
    }
}
