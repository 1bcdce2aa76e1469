//! Distributing work to threads, with errors that do not depend on the number of threads.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;

use crate::error::DataError;

/// Runs `work` on every item that `produce` sends, on `threads` threads, each with its own state
/// made by `start`. `work` also gets the item's number.
///
/// `produce` runs on the calling thread; sending returns `false` once a worker has failed. At most
/// one item per thread is queued, which bounds memory. Items are taken in order, so the error
/// returned is that of the first item that fails, whatever the number of threads.
pub(crate) fn for_each<T: Send, S>(
    threads: usize,
    produce: impl FnOnce(&mut dyn FnMut(T) -> bool) -> Result<(), DataError>,
    start: impl Fn() -> Result<S, DataError> + Sync,
    work: impl Fn(&mut S, usize, T) -> Result<(), DataError> + Sync,
) -> Result<(), DataError> {
    let threads = threads.max(1);
    let failed = AtomicBool::new(false);
    let first_error: Mutex<Option<(usize, DataError)>> = Mutex::new(None);
    let fail = |number: usize, error: DataError| {
        failed.store(true, Ordering::Relaxed);
        let mut first = first_error.lock().unwrap_or_else(PoisonError::into_inner);
        if first.as_ref().is_none_or(|(earlier, _)| number < *earlier) {
            *first = Some((number, error));
        }
    };
    thread::scope(|scope| {
        let (sender, receiver) = mpsc::sync_channel::<(usize, T)>(threads);
        // Owned by the workers only: if they all panic, sending fails instead of waiting for ever.
        let receiver = Arc::new(Mutex::new(receiver));
        let (fail, failed, start, work) = (&fail, &failed, &start, &work);
        for _ in 0..threads {
            let receiver = Arc::clone(&receiver);
            scope.spawn(move || {
                let mut state = match start() {
                    Ok(state) => Some(state),
                    Err(error) => {
                        fail(0, error);
                        None
                    }
                };
                loop {
                    let item = receiver
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .recv();
                    let Ok((number, item)) = item else { break };
                    // After a failure the queue is drained without work: all items before the
                    // failed one have been taken already.
                    if let Some(state) = &mut state
                        && !failed.load(Ordering::Relaxed)
                        && let Err(error) = work(state, number, item)
                    {
                        fail(number, error);
                    }
                }
            });
        }
        drop(receiver);
        let mut next = 0;
        let produced = produce(&mut |item| {
            let number = next;
            next += 1;
            !failed.load(Ordering::Relaxed) && sender.send((number, item)).is_ok()
        });
        drop(sender);
        if let Err(error) = produced {
            fail(next, error);
        }
    });
    match first_error
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner)
    {
        Some((_, error)) => Err(error),
        None => Ok(()),
    }
}
