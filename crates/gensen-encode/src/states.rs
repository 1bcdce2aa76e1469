//! From hidden states to a sentence's vector.

use crate::model_folder::Pooling;

/// The states of a batch of sentences.
pub(super) struct States {
    /// From the first word to the last.
    pub(super) forward: DirectionStates,
    /// From the last word to the first.
    pub(super) reverse: Option<DirectionStates>,
    /// The hidden size of a direction.
    pub(super) hidden: usize,
}

/// One direction's.
pub(super) struct DirectionStates {
    /// Rows of states, `stride` apart.
    pub(super) values: Vec<f32>,
    pub(super) stride: usize,
    /// For each word of each sentence, one sentence after the other, its row.
    pub(super) rows: Vec<u32>,
}

impl DirectionStates {
    fn word(&self, word: usize, hidden: usize) -> &[f32] {
        &self.values[self.rows[word] as usize * self.stride..][..hidden]
    }
}

impl States {
    /// Copies the state at a word of the batch: forward, then backward.
    pub(super) fn copy_word(&self, word: usize, out: &mut [f32]) {
        let (forward, reverse) = out.split_at_mut(self.hidden);
        forward.copy_from_slice(self.forward.word(word, self.hidden));
        if let Some(states) = &self.reverse {
            reverse.copy_from_slice(states.word(word, self.hidden));
        }
    }

    /// Writes the vector of the sentence whose words are these of the batch.
    pub(super) fn pool(&self, words: std::ops::Range<usize>, pooling: Pooling, out: &mut [f32]) {
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
