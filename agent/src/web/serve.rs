//! Accepting connections, within bounds, until it ends.

use std::{convert::Infallible, future::ready, net::TcpListener, sync::Arc, time::Duration};

use http_body_util::Full;
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{net::TcpStream, sync::Semaphore, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Most connections at a time: browsers open a few, some of them in advance.
const CONNECTIONS: usize = 16;
/// How long a browser may take to send its request. Connections opened in advance are closed then.
pub const REQUEST_DEADLINE: Duration = Duration::from_secs(20);
/// The longest request line and headers, in bytes.
const MAX_HEAD: usize = 32 * 1024;

/// Answers what a browser asks.
pub trait Site: Send + Sync + 'static {
    /// Whether whoever has connected is served; asked before the first byte is read.
    fn admits(&self, connection: &TcpStream) -> impl Future<Output = bool> + Send {
        let _ = connection;
        ready(true)
    }

    /// The answer to a request. Dropped when the browser goes away meanwhile.
    fn respond(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> impl Future<Output = Response<Full<Bytes>>> + Send;
}

/// What differs between the sites.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How long a request and its answer may take together.
    pub connection: Duration,
}

/// Serves until `stop`, then frees the port at once; answers on their way are still delivered.
pub async fn serve<S: Site>(
    listeners: Vec<TcpListener>,
    site: Arc<S>,
    limits: Limits,
    stop: CancellationToken,
) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    let accepting = TaskTracker::new();
    for listener in listeners {
        let listener = match tokio::net::TcpListener::from_std(listener) {
            Ok(listener) => listener,
            Err(error) => {
                tracing::warn!(%error, "a web server does not listen at one of its addresses");
                continue;
            }
        };
        let (site, stop, slots) = (Arc::clone(&site), stop.clone(), Arc::clone(&slots));
        accepting.spawn(async move {
            // Dropped at `stop`, and with it the port's socket.
            stop.run_until_cancelled(accept(listener, site, limits, slots)).await;
        });
    }
    accepting.close();
    accepting.wait().await;
}

async fn accept<S: Site>(
    listener: tokio::net::TcpListener,
    site: Arc<S>,
    limits: Limits,
    slots: Arc<Semaphore>,
) {
    while let Ok(slot) = Arc::clone(&slots).acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _)) => {
                let site = Arc::clone(&site);
                tokio::spawn(async move {
                    let _ = timeout(limits.connection, converse(stream, site)).await;
                    drop(slot);
                });
            }
            // Out of descriptors, or the connection is gone already; in the first case it will pass.
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

async fn converse<S: Site>(stream: TcpStream, site: Arc<S>) {
    if !site.admits(&stream).await {
        return;
    }
    let service = service_fn(move |request: Request<Incoming>| {
        let site = Arc::clone(&site);
        async move { Ok::<_, Infallible>(site.respond(request).await) }
    });
    let served = http1::Builder::new()
        .keep_alive(false)
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST_DEADLINE)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a browser's connection ended early");
    }
}
