//! The thread pool.
//!
//! A child process that `fork` makes has none of its parent's threads, so the pool belongs to one
//! process, and another process makes its own. Nothing of this crate runs on rayon's global pool.

use std::sync::{Arc, Mutex, PoisonError};

use pyo3::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

struct Current {
    process: u32,
    pool: Arc<ThreadPool>,
}

/// Only threads that hold the GIL lock it, and a thread that forks holds the GIL: it is never
/// locked in a child.
static CURRENT: Mutex<Option<Current>> = Mutex::new(None);

/// The pool of this process.
pub(crate) fn current(_: Python<'_>) -> PyResult<Arc<ThreadPool>> {
    let mut current = CURRENT.lock().unwrap_or_else(PoisonError::into_inner);
    let process = std::process::id();
    if let Some(known) = &*current
        && known.process == process
    {
        return Ok(Arc::clone(&known.pool));
    }
    let pool = Arc::new(build(0)?);
    replace(&mut current, process, &pool);
    Ok(pool)
}

/// Replaces the pool by one with this many threads; 0 for one per core, or `RAYON_NUM_THREADS`.
pub(crate) fn set_threads(_: Python<'_>, threads: usize) -> PyResult<()> {
    let mut current = CURRENT.lock().unwrap_or_else(PoisonError::into_inner);
    let pool = Arc::new(build(threads)?);
    replace(&mut current, std::process::id(), &pool);
    Ok(())
}

/// Builds a separate pool.
pub(crate) fn build(threads: usize) -> PyResult<ThreadPool> {
    ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|k| format!("gensen-{k}"))
        .build()
        .map_err(|error| pyo3::exceptions::PyOSError::new_err(error.to_string()))
}

fn replace(current: &mut Option<Current>, process: u32, pool: &Arc<ThreadPool>) {
    let pool = Arc::clone(pool);
    let old = current.replace(Current { process, pool });
    if let Some(old) = old.filter(|old| old.process != process) {
        // Its threads exist only in the parent: dropping the pool would wait for them for ever.
        std::mem::forget(old);
    }
}
