//! Work on the pool that releases the GIL and that Ctrl-C interrupts.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use gensen_data::panics;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use crate::pool;

/// Interval at which signals are checked while waiting.
const LOOK: Duration = Duration::from_millis(50);

/// State shared by the work and its caller.
#[derive(Debug, Default)]
pub(crate) struct JobState {
    stopped: AtomicBool,
    done: AtomicUsize,
}

impl JobState {
    /// Whether the caller was interrupted.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// Sets the amount done.
    pub(crate) fn set_done(&self, done: usize) {
        self.done.store(done, Ordering::Relaxed);
    }
}

/// Runs `work` on the pool without the GIL, and waits for it. `progress` is a Python callable that receives the
/// amount done.
///
/// If a signal handler raises (Ctrl-C), this returns at once; the work polls [`JobState::is_stopped`] and ends soon
/// after.
pub(crate) fn run<T: Send + 'static>(
    py: Python<'_>,
    progress: Option<&Bound<'_, PyAny>>,
    work: impl FnOnce(&JobState) -> T + Send + 'static,
) -> PyResult<T> {
    let shared = Arc::new(JobState::default());
    let (sender, mut receiver) = sync_channel(1);
    let theirs = Arc::clone(&shared);
    pool::current(py)?.spawn(move || {
        let result = panics::catch(|| work(&theirs));
        // The receiver is gone after Ctrl-C.
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

/// A panic, which only a bug can cause, as an exception.
pub(crate) fn bug(panic: &(dyn Any + Send)) -> PyErr {
    let message = panics::message(panic);
    PyRuntimeError::new_err(format!(
        "this is a bug in gensen, please report it: {message}"
    ))
}
