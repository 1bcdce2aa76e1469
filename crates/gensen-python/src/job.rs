//! Runs work on the thread pool without the GIL, interruptible by Ctrl-C.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use gensen_data::panics;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use crate::pool;

/// The interval at which Python checks for signals while it waits.
const LOOK: Duration = Duration::from_millis(50);

/// State shared by the work and the thread that waits for it.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    stopped: AtomicBool,
    done: AtomicUsize,
}

impl Shared {
    /// Whether the work should stop, because nothing waits for its result.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// Sets the amount done.
    pub(crate) fn set_done(&self, done: usize) {
        self.done.store(done, Ordering::Relaxed);
    }
}

/// Runs `work` on the pool, without the GIL, and waits for it. `progress`, a Python callable, is called with
/// the amount done.
///
/// A signal whose handler raises (Ctrl-C) ends the wait at once; the work, which polls
/// [`Shared::is_stopped`], ends soon after.
pub(crate) fn run<T: Send + 'static>(
    py: Python<'_>,
    progress: Option<&Bound<'_, PyAny>>,
    work: impl FnOnce(&Shared) -> T + Send + 'static,
) -> PyResult<T> {
    let shared = Arc::new(Shared::default());
    let (sender, mut receiver) = sync_channel(1);
    let theirs = Arc::clone(&shared);
    pool::current(py)?.spawn(move || {
        let result = panics::catch(|| work(&theirs));
        // Fails after Ctrl-C, when nothing waits any more.
        let _ = sender.send(result);
    });
    loop {
        let receiver = &mut receiver;
        let outcome = py.detach(move || receiver.recv_timeout(LOOK));
        let look = || {
            py.check_signals()?;
            if let Some(progress) = progress {
                progress.call1((shared.done.load(Ordering::Relaxed),))?;
            }
            Ok(())
        };
        match outcome {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(panic)) => return Err(bug(&*panic)),
            Err(RecvTimeoutError::Timeout) => look().inspect_err(|_: &PyErr| {
                shared.stopped.store(true, Ordering::Relaxed);
            })?,
            Err(RecvTimeoutError::Disconnected) => {
                return Err(PyRuntimeError::new_err("the work ended without a result"));
            }
        }
    }
}

/// The Python exception for a panic, which only a bug can cause.
pub(crate) fn bug(panic: &(dyn Any + Send)) -> PyErr {
    let said = panics::message(panic);
    PyRuntimeError::new_err(format!("a bug of gensen, please report it: {said}"))
}
