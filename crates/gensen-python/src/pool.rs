//! The thread pool.
//!
//! A forked child has none of its parent's threads, so a pool belongs to one process, and a child creates its own.
//! Nothing in this crate runs on rayon's global pool.

use std::sync::{Arc, Mutex, PoisonError};

use pyo3::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

struct Current {
    process: u32,
    pool: Arc<ThreadPool>,
}

/// Locked only while holding the GIL. The thread that forks holds the GIL too, so no child finds this locked.
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

/// Replaces this process's pool by one with `threads` threads; 0 is `RAYON_NUM_THREADS` or one per core.
pub(crate) fn set_threads(_: Python<'_>, threads: usize) -> PyResult<()> {
    let mut current = CURRENT.lock().unwrap_or_else(PoisonError::into_inner);
    let pool = Arc::new(build(threads)?);
    replace(&mut current, std::process::id(), &pool);
    Ok(())
}

/// Builds a pool.
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
        // Dropping it would wait for threads that exist only in the parent.
        std::mem::forget(old);
    }
}
