//! Connections: accepting, timeouts, graceful shutdown.

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::{Sleep, sleep};

use crate::app::App;

/// Size of a connection's read buffer in bytes; bounds a request's head.
const BUFFER: usize = 1 << 16;
/// Pause after a failed `accept`, for example when file descriptors run out.
const RETRY: Duration = Duration::from_millis(100);

/// Serves connections until `stop` is true, then finishes accepted requests.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    app: &Arc<App>,
    mut stop: watch::Receiver<bool>,
) {
    let places = Arc::new(Semaphore::new(app.config.limits.connections));
    // The channel closes when the last connection ends.
    let (open, mut closed) = mpsc::channel::<()>(1);
    loop {
        let accepted = tokio::select! {
            _ = stop.wait_for(|&stops| stops) => break,
            accepted = accept(&listener, &places) => accepted,
        };
        let (stream, place) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!("cannot accept a connection: {error}");
                sleep(RETRY).await;
                continue;
            }
        };
        let connection = connection(stream, router.clone(), Arc::clone(app), stop.clone());
        let open = open.clone();
        tokio::spawn(async move {
            connection.await;
            drop((place, open));
        });
    }
    // New connections are refused from here on.
    drop(listener);
    drop(open);
    let limit = app.config.timeouts.stop;
    let finished = tokio::time::timeout(limit, closed.recv()).await;
    if finished.is_err() {
        tracing::warn!(
            "closing connections that are still open after {} seconds",
            limit.as_secs_f32()
        );
    }
}

/// Accepts a connection when the number of open ones is below the limit.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> io::Result<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await;
    let place = place.map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    // Disables Nagle's algorithm.
    stream.set_nodelay(true)?;
    Ok((stream, place))
}

/// Serves one connection.
async fn connection(
    stream: TcpStream,
    router: Router,
    app: Arc<App>,
    mut stop: watch::Receiver<bool>,
) {
    let io = TokioIo::new(Timed {
        stream,
        limit: app.config.timeouts.write,
        stalled: None,
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(app.config.timeouts.head)
        .max_buf_size(BUFFER)
        .serve_connection(io, TowerToHyperService::new(router));
    let mut connection = pin!(connection);
    let stopped = async { stop.wait_for(|&stops| stops).await.is_ok() };
    let outcome = tokio::select! {
        outcome = connection.as_mut() => outcome,
        _ = stopped => {
            // Answers the request in progress, and reads no further one.
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = outcome {
        // The client disconnected, timed out, or does not speak HTTP.
        tracing::debug!("connection: {error}");
    }
}

/// A stream whose writes time out when the peer reads nothing.
struct Timed {
    stream: TcpStream,
    limit: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Timed {
    /// Returns the outcome of a write, or an error if it has been pending for too long.
    fn watch<T>(
        &mut self,
        written: Poll<io::Result<T>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let limit = self.limit;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(limit)));
        ready!(stalled.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Timed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Timed {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watch(written, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.watch(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
