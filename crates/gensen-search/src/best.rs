//! Top-k selection.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// A place and its score. Higher scores are better, and of equal scores the lower place. No two
/// places are equal in this order, so the result does not depend on the order of comparisons.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ScoredPlace<P> {
    pub(crate) score: f32,
    pub(crate) place: P,
}

impl<P: Ord> Ord for ScoredPlace<P> {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_score = self.score.total_cmp(&other.score);
        by_score.then_with(|| other.place.cmp(&self.place))
    }
}

impl<P: Ord> PartialOrd for ScoredPlace<P> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<P: Ord> PartialEq for ScoredPlace<P> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<P: Ord> Eq for ScoredPlace<P> {}

/// The best of all pushed places, at most `most`.
#[derive(Clone, Debug)]
pub(crate) struct TopK<P> {
    heap: BinaryHeap<Reverse<ScoredPlace<P>>>,
    most: usize,
}

impl<P: Ord + Copy> TopK<P> {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            heap: BinaryHeap::new(),
            most,
        }
    }

    /// The minimum score of a new entry; `-inf` while there are fewer than `most`.
    pub(crate) fn bar(&self) -> f32 {
        match self.heap.peek() {
            Some(Reverse(worst)) if self.heap.len() >= self.most => worst.score,
            None if self.most == 0 => f32::INFINITY,
            _ => f32::NEG_INFINITY,
        }
    }

    pub(crate) fn push(&mut self, score: f32, place: P) {
        let scored = ScoredPlace { score, place };
        if self.heap.len() < self.most {
            self.heap.push(Reverse(scored));
        } else if let Some(mut worst) = self.heap.peek_mut()
            && scored > worst.0
        {
            worst.0 = scored;
        }
    }

    /// Merges another selection.
    pub(crate) fn merge(mut self, other: Self) -> Self {
        for Reverse(scored) in other.heap {
            self.push(scored.score, scored.place);
        }
        self
    }

    /// The places, best first.
    pub(crate) fn into_sorted(self) -> Vec<ScoredPlace<P>> {
        let sorted = self.heap.into_sorted_vec();
        sorted.into_iter().map(|Reverse(scored)| scored).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_are_kept_whatever_the_order() {
        let scores = [0.5, 0.1, 0.9, 0.5, 0.7, 0.5, -1.0];
        let places = |order: &mut dyn Iterator<Item = usize>, most| {
            let mut best = TopK::new(most);
            order.for_each(|place| best.push(scores[place], place));
            let sorted = best.into_sorted();
            sorted.iter().map(|s| s.place).collect::<Vec<_>>()
        };
        for most in [0, 1, 3, 4, 10] {
            let forward = places(&mut (0..7), most);
            assert_eq!(forward, places(&mut (0..7).rev(), most));
            assert_eq!(forward, [2, 4, 0, 3, 5, 1, 6][..most.min(7)]);
        }
        let mut best = TopK::new(1);
        assert_eq!(best.bar(), f32::NEG_INFINITY);
        best.push(0.25, 1);
        assert_eq!(best.bar(), 0.25);
        let mut other = TopK::new(1);
        other.push(0.5, 0);
        assert_eq!(best.merge(other).bar(), 0.5);
        assert_eq!(TopK::<usize>::new(0).bar(), f32::INFINITY);
    }
}
