//! The server: start, run, stop.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;

use tokio::runtime::Builder;
use tokio::sync::{mpsc, watch};

use crate::app::App;
use crate::batcher;
use crate::connection::serve;
use crate::routes::router;
use crate::{Model, ServeError, ServerConfig};

/// Threads for connections; encoding has separate threads.
const CONNECTION_THREADS: usize = 2;
/// Threads for tokenising long texts and serialising long responses.
const HEAVY_THREADS: usize = 4;

/// A server that listens on an address.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    app: Arc<App>,
    stop: watch::Sender<bool>,
}

/// Stops a server from any thread.
#[derive(Clone)]
pub struct Stopper(watch::Sender<bool>);

impl Stopper {
    /// Makes the server refuse new connections and finish accepted requests.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

/// Stops the server if the encoding thread panics, because no request would ever be answered.
struct StopOnPanic<'a> {
    app: &'a App,
    stop: &'a watch::Sender<bool>,
}

impl Drop for StopOnPanic<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.app.queue.abandon();
            self.stop.send_replace(true);
        }
    }
}

impl Server {
    /// Listens on an address; port 0 selects a free port.
    ///
    /// # Errors
    ///
    /// Settings out of range, and an address that is not available.
    pub fn bind(address: SocketAddr, config: ServerConfig) -> Result<Self, ServeError> {
        let app = Arc::new(App::new(config)?);
        let bind = |source| ServeError::Bind { address, source };
        let listener = TcpListener::bind(address).map_err(bind)?;
        listener.set_nonblocking(true).map_err(bind)?;
        Ok(Self {
            address: listener.local_addr().map_err(bind)?,
            listener,
            app,
            stop: watch::Sender::new(false),
        })
    }

    /// The address on which it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A handle that stops the server.
    pub fn stopper(&self) -> Stopper {
        Stopper(self.stop.clone())
    }

    /// Serves until it is [stopped](Stopper::stop), then finishes accepted requests.
    ///
    /// `load` loads the models; until it returns, the server answers probes as alive but not ready. Then `ready` is
    /// called with the address. If the server is stopped earlier, `run` returns without waiting for `load`.
    ///
    /// # Errors
    ///
    /// Errors of `load`, no model or two models of the same name, and threads that cannot be started.
    pub fn run<E: From<ServeError> + Send + 'static>(
        self,
        load: impl FnOnce() -> Result<Vec<Model>, E> + Send + 'static,
        ready: impl FnOnce(SocketAddr) + Send + 'static,
    ) -> Result<(), E> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(CONNECTION_THREADS)
            .max_blocking_threads(HEAVY_THREADS)
            .thread_name("gensen-serve")
            .enable_all()
            .build()
            .map_err(ServeError::Threads)?;
        let Self {
            listener,
            address,
            app,
            stop,
        } = self;
        let (report, mut outcome) = mpsc::channel(1);
        let encoding = {
            let (app, stop) = (Arc::clone(&app), stop.clone());
            let encode = move || {
                let models = load().and_then(|models| Ok(app.install(models)?));
                match models {
                    Ok(models) => {
                        ready(address);
                        let end = StopOnPanic {
                            app: &app,
                            stop: &stop,
                        };
                        batcher::run(&app, &models);
                        drop(end);
                    }
                    Err(error) => {
                        // Fails only if the server has stopped.
                        let _ = report.blocking_send(error);
                        stop.send_replace(true);
                    }
                }
            };
            let thread = thread::Builder::new().name("gensen-encode".to_owned());
            thread.spawn(encode).map_err(ServeError::Threads)?
        };
        let served = runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener);
            let listener = listener.map_err(|source| ServeError::Bind { address, source })?;
            let mut stopped = stop.subscribe();
            let stopping = async {
                // `stop` holds the sender, so this cannot fail.
                let _ = stopped.wait_for(|&stops| stops).await;
                app.stop();
                std::future::pending::<()>().await;
            };
            let router = router(Arc::clone(&app));
            tokio::select! {
                () = stopping => {}
                () = serve(listener, router, &app, stop.subscribe()) => {}
            }
            Ok::<(), ServeError>(())
        });
        // Closes connections that are still open.
        runtime.shutdown_background();
        app.queue.close();
        served?;
        match outcome.try_recv() {
            Ok(error) => return Err(error),
            // Still loading; the loading thread is detached.
            Err(mpsc::error::TryRecvError::Empty) if app.models().is_err() => return Ok(()),
            Err(_) => {}
        }
        match encoding.join() {
            Ok(()) => Ok(()),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}
