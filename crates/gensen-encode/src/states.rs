//! Hidden states of a batch, and pooling: from them to a sentence's vector.

use std::ops::Range;

use crate::Pooling;

/// The top layer's states of a batch of sentences.
#[derive(Clone, Debug)]
pub struct States {
    /// From the first word to the last.
    pub forward: DirectionStates,
    /// From the last word to the first, if the encoder has this direction.
    pub reverse: Option<DirectionStates>,
    /// The hidden size of a direction.
    pub hidden: usize,
}

/// One direction's.
#[derive(Clone, Debug)]
pub struct DirectionStates {
    /// Rows of states, `stride` apart; a row may be that of several words.
    pub values: Vec<f32>,
    /// From a row to the next, at least the hidden size.
    pub stride: usize,
    /// For each word of each sentence, one sentence after the other, its row.
    pub rows: Vec<u32>,
}

impl DirectionStates {
    fn word(&self, word: usize, hidden: usize) -> &[f32] {
        &self.values[self.rows[word] as usize * self.stride..][..hidden]
    }
}

impl States {
    /// Copies the state at a word of the batch, `[width]`: forward, then backward.
    pub fn copy_word(&self, word: usize, out: &mut [f32]) {
        let (forward, reverse) = out.split_at_mut(self.hidden);
        forward.copy_from_slice(self.forward.word(word, self.hidden));
        if let Some(states) = &self.reverse {
            reverse.copy_from_slice(states.word(word, self.hidden));
        }
    }

    /// Writes the vector of the sentence whose words are these of the batch. With
    /// [`Pooling::MaxPadded`] the maximum over its own words: what it is padded to depends on others.
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
