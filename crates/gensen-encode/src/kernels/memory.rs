//! Reuse of large arrays from step to step and from window to window: a pool for our own operations,
//! and a setting of the C library's allocator for all others.
//!
//! Every step needs arrays of the same sizes. Memory that is returned to the system after each use
//! is zeroed page by page when it is allocated again, on one thread: a tenth of a step's time with
//! small models, a fifth with 512 sentences.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Shorter arrays are left to the allocator.
const SMALLEST: usize = 1 << 16;
/// The maximum length of each list below; the oldest entry is dropped first.
const MOST: usize = 32;

/// The free arrays, and the capacities of those in use: only arrays that came from here are taken
/// back.
struct Shelf {
    arrays: Vec<Vec<f32>>,
    away: Vec<usize>,
}

static SHELF: Mutex<Shelf> = Mutex::new(Shelf {
    arrays: Vec::new(),
    away: Vec::new(),
});

fn shelf() -> MutexGuard<'static, Shelf> {
    SHELF.lock().unwrap_or_else(PoisonError::into_inner)
}

fn push<T>(list: &mut Vec<T>, item: T) {
    if list.len() == MOST {
        list.remove(0);
    }
    list.push(item);
}

/// An array of `len` arbitrary values: the caller must write each before reading it.
pub fn take(len: usize) -> Vec<f32> {
    if len < SMALLEST {
        return vec![0.0; len];
    }
    let mut shelf = shelf();
    let fitting = shelf.arrays.iter().enumerate().filter(|(_, numbers)| {
        let capacity = numbers.capacity();
        len <= capacity && capacity / 2 <= len
    });
    let smallest = fitting.min_by_key(|(_, numbers)| numbers.capacity());
    let place = smallest.map(|(place, _)| place);
    let kept = place.map(|place| shelf.arrays.remove(place));
    push(&mut shelf.away, kept.as_ref().map_or(len, Vec::capacity));
    drop(shelf);
    match kept {
        Some(mut numbers) => {
            numbers.resize(len, 0.0);
            numbers
        }
        None => vec![0.0; len],
    }
}

/// Returns an array of [`take`] to the pool.
pub fn give(numbers: Vec<f32>) {
    let mut shelf = shelf();
    let capacity = numbers.capacity();
    if let Some(place) = shelf.away.iter().position(|&away| away == capacity) {
        shelf.away.remove(place);
        push(&mut shelf.arrays, numbers);
    }
}

/// Makes the C library's allocator keep freed memory for later allocations of any size, for the
/// whole process. A program calls it once, before it trains or encodes; a server, whose requests
/// vary in size, does not. glibc only; a no-op elsewhere.
///
/// By default, glibc returns each array of more than 32 MiB to the system when it is freed.
pub fn keep_freed() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: `mallopt` sets numbers of the allocator under the allocator's own lock.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, i32::MAX);
        libc::mallopt(libc::M_TRIM_THRESHOLD, i32::MAX);
    }
}

/// An array of the pool that is returned to it when dropped.
pub struct Buffer(Vec<f32>);

impl Buffer {
    /// See [`take`].
    pub fn new(len: usize) -> Self {
        Self(take(len))
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.0
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.0
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        give(std::mem::take(&mut self.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_array_comes_back_for_its_size_and_not_for_a_much_smaller_one() {
        // Sizes that no other test of this program uses.
        let size = 7_654_321;
        let numbers = take(size);
        let place = numbers.as_ptr();
        give(numbers);
        let third = take(size / 3);
        assert_ne!(third.as_ptr(), place, "three times as much");
        let shorter = take(size - 10);
        assert_eq!((shorter.as_ptr(), shorter.len()), (place, size - 10));
    }
}
