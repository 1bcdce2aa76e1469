//! Catching panics of libraries that report errors in no other way.

use std::any::Any;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::thread::{self, ThreadId};

type Messages = Arc<Mutex<Vec<String>>>;

/// The collectors of panic messages with their threads, the newest last.
static LISTENERS: Mutex<Vec<(ThreadId, Messages)>> = Mutex::new(Vec::new());

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere cannot leave a vector half changed: each lock covers one push, take or
    // retain.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs `work` and returns a panic as an error. The panic's message still goes to the panic hook
/// (standard error by default), unless this is inside [`quietly`].
///
/// After a panic, data that `work` was changing may be inconsistent.
///
/// # Errors
///
/// The payload of the panic; [`message`] gives its text.
#[allow(
    clippy::disallowed_methods,
    reason = "the one place that catches panics"
)]
pub fn catch<T>(work: impl FnOnce() -> T) -> thread::Result<T> {
    panic::catch_unwind(AssertUnwindSafe(work))
}

/// The text of a panic's payload.
pub fn message(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic without a message")
}

/// Runs `work` and returns its result with the messages of all panics during it, which are not
/// printed: those of this thread, and of threads that are not inside a call of their own.
///
/// ```
/// use gensen_data::panics;
///
/// let (done, said) = panics::quietly(|| panics::catch(|| panic!("driver {} is too old", 1)));
/// let panic = done.map(|()| "nothing").unwrap_err();
/// assert_eq!(panics::message(&*panic), "driver 1 is too old");
/// assert!(said[0].contains("driver 1 is too old"));
/// ```
pub fn quietly<T>(work: impl FnOnce() -> T) -> (T, Vec<String>) {
    listen_once();
    let messages = Messages::default();
    lock(&LISTENERS).push((thread::current().id(), Arc::clone(&messages)));
    let listener = Listener(messages);
    let done = work();
    let said = std::mem::take(&mut *lock(&listener.0));
    (done, said)
}

/// Collects messages until it is dropped.
struct Listener(Messages);

impl Drop for Listener {
    fn drop(&mut self) {
        lock(&LISTENERS).retain(|(_, other)| !Arc::ptr_eq(other, &self.0));
    }
}

/// Installs a panic hook, once per process, that gives the message to the newest listener of the
/// panicking thread, else to the newest of all, else to the hook before it.
#[allow(
    clippy::disallowed_methods,
    reason = "the one place that hooks into panics"
)]
fn listen_once() {
    static HOOKED: Once = Once::new();
    HOOKED.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |panic| match listener() {
            Some(messages) => lock(&messages).push(panic.to_string()),
            None => before(panic),
        }));
    });
}

fn listener() -> Option<Messages> {
    let thread = thread::current().id();
    let listeners = lock(&LISTENERS);
    let own = listeners.iter().rev().find(|(id, _)| *id == thread);
    let (_, messages) = own.or(listeners.last())?;
    Some(Arc::clone(messages))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_listener_is_told() {
        let ((inner, inner_said), outer_said) = quietly(|| {
            let inner = quietly(|| catch(|| panic!("in the middle")));
            assert!(catch(|| panic!("around it")).is_err());
            (inner.0.map(|()| "no panic"), inner.1)
        });
        assert_eq!(message(&*inner.unwrap_err()), "in the middle");
        let says = |said: &[String], what| said.iter().any(|said| said.contains(what));
        assert!(says(&inner_said, "in the middle") && !says(&inner_said, "around it"));
        assert!(says(&outer_said, "around it") && !says(&outer_said, "in the middle"));
    }

    #[test]
    fn a_listener_is_gone_after_a_panic() {
        let own = || {
            let thread = thread::current().id();
            let listeners = lock(&LISTENERS);
            listeners.iter().filter(|(id, _)| *id == thread).count()
        };
        assert_eq!(quietly(own).0, 1);
        assert!(catch(|| quietly(|| panic!("through the listener"))).is_err());
        assert_eq!(own(), 0);
    }
}
