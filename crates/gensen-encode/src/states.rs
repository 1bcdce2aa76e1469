//! The hidden states of a batch, and pooling them to vectors.

use std::ops::Range;

use crate::Pooling;

/// The top layer's states of a batch of sentences.
#[derive(Clone, Debug)]
pub struct States {
    /// The direction from the first word to the last.
    pub forward: DirectionStates,
    /// The direction from the last word to the first, in bidirectional encoders.
    pub reverse: Option<DirectionStates>,
    /// The hidden size of one direction.
    pub hidden: usize,
}

/// The states of one direction.
#[derive(Clone, Debug)]
pub struct DirectionStates {
    /// Rows of states, `stride` apart; several words may share a row.
    pub values: Vec<f32>,
    /// The distance between rows, at least the hidden size.
    pub stride: usize,
    /// The row of each word, one sentence after the other.
    pub rows: Vec<u32>,
}

impl DirectionStates {
    fn word(&self, word: usize, hidden: usize) -> &[f32] {
        &self.values[self.rows[word] as usize * self.stride..][..hidden]
    }
}

impl States {
    /// Copies the state of a word, `[width]`: forward, then backward. Words are counted over the
    /// batch.
    pub fn copy_word(&self, word: usize, out: &mut [f32]) {
        let (forward, reverse) = out.split_at_mut(self.hidden);
        forward.copy_from_slice(self.forward.word(word, self.hidden));
        if let Some(states) = &self.reverse {
            reverse.copy_from_slice(states.word(word, self.hidden));
        }
    }

    /// Pools the states of the words of one sentence. [`Pooling::MaxPadded`] is the maximum over
    /// its words here: the padding depends on other sentences.
    pub(crate) fn pool(&self, words: Range<usize>, pooling: Pooling, out: &mut [f32]) {
        let last = words.end - 1;
        if pooling == Pooling::Last {
            let (first_half, second_half) = match &self.reverse {
                Some(_) => out.split_at_mut(self.hidden),
                None => (&mut [][..], out),
            };
            if let Some(states) = &self.reverse {
                first_half.copy_from_slice(states.word(words.start, self.hidden));
            }
            return second_half.copy_from_slice(self.forward.word(last, self.hidden));
        }
        let directions = [Some(&self.forward), self.reverse.as_ref()];
        for (states, out) in std::iter::zip(
            directions.into_iter().flatten(),
            out.chunks_exact_mut(self.hidden),
        ) {
            out.copy_from_slice(states.word(words.start, self.hidden));
            for word in words.clone().skip(1) {
                let state = states.word(word, self.hidden);
                match pooling {
                    Pooling::Mean => out.iter_mut().zip(state).for_each(|(o, x)| *o += x),
                    _ => out.iter_mut().zip(state).for_each(|(o, x)| *o = o.max(*x)),
                }
            }
            if pooling == Pooling::Mean {
                let length = words.len() as f32;
                out.iter_mut().for_each(|o| *o /= length);
            }
        }
    }
}
