//! From hidden states to a sentence's vector.

use super::cpu::States;
use crate::model_folder::Pooling;
use crate::packed::Steps;

/// One sentence's rows in the states of a packed batch.
pub(super) struct SentenceStates<'a> {
    pub(super) states: &'a States,
    pub(super) steps: &'a Steps,
    /// The sentence's place in sorted order.
    pub(super) rank: usize,
    /// Its words.
    pub(super) length: usize,
    /// The hidden size of a direction.
    pub(super) hidden: usize,
}

impl<'a> SentenceStates<'a> {
    fn row(&self, states: &'a [f32], step: usize) -> &'a [f32] {
        let row = self.steps.start(step) + self.rank;
        &states[row * self.hidden..(row + 1) * self.hidden]
    }

    /// Writes all hidden states, `[length, width]`: forward, then backward.
    pub(super) fn copy_to(&self, out: &mut [f32], width: usize) {
        for (step, out) in out.chunks_exact_mut(width).enumerate() {
            let (forward, reverse) = out.split_at_mut(self.hidden);
            forward.copy_from_slice(self.row(&self.states.forward, step));
            if let Some(states) = &self.states.reverse {
                reverse.copy_from_slice(self.row(states, step));
            }
        }
    }

    /// Writes the sentence's vector.
    pub(super) fn pool(&self, pooling: Pooling, out: &mut [f32]) {
        let reverse = self.states.reverse.as_deref();
        let last = self.length.saturating_sub(1);
        if pooling == Pooling::Last {
            let (first_half, second_half) = match reverse {
                Some(_) => out.split_at_mut(self.hidden),
                None => (&mut [][..], out),
            };
            if let Some(states) = reverse {
                first_half.copy_from_slice(self.row(states, 0));
            }
            return second_half.copy_from_slice(self.row(&self.states.forward, last));
        }
        let directions = [Some(self.states.forward.as_slice()), reverse];
        for (states, out) in std::iter::zip(
            directions.into_iter().flatten(),
            out.chunks_exact_mut(self.hidden),
        ) {
            out.copy_from_slice(self.row(states, 0));
            for step in 1..self.length {
                let row = self.row(states, step);
                match pooling {
                    Pooling::Mean => out.iter_mut().zip(row).for_each(|(o, x)| *o += x),
                    _ => out.iter_mut().zip(row).for_each(|(o, x)| *o = o.max(*x)),
                }
            }
            if pooling == Pooling::Mean {
                let length = self.length as f32;
                out.iter_mut().for_each(|o| *o /= length);
            }
        }
    }
}
