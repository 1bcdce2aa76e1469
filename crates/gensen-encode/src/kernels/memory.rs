//! Memory for large arrays, used again step after step.
//!
//! A training step's arrays are as large as the last one's. The system clears every page that it
//! hands out, on one thread, and takes it back when it is freed: at small sizes, a tenth of a step.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Shorter arrays are the allocator's business.
const SMALLEST: usize = 1 << 16;
/// Arrays remembered at most; those that have lain, or been away, longest are forgotten first.
const MOST: usize = 32;

/// Arrays at hand, and the capacities of those handed out: it takes back no more than it gave.
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

/// An array of `len` numbers, whatever they are: the caller writes each before reading it.
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

/// Keeps an array for the next who asks for one of its size.
pub fn give(numbers: Vec<f32>) {
    let mut shelf = shelf();
    let capacity = numbers.capacity();
    if let Some(place) = shelf.away.iter().position(|&away| away == capacity) {
        shelf.away.remove(place);
        push(&mut shelf.arrays, numbers);
    }
}

/// An array that [`give`] gets when it is dropped.
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
