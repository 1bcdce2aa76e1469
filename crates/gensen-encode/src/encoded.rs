//! The result of encoding, and how it is gathered.

use ndarray::{Array2, Array3, s};
use rayon::prelude::*;

use crate::window::Window;
use crate::{Coverage, Pooling, States};

/// Sentences as vectors, and if requested their hidden states.
#[derive(Clone, Debug, PartialEq)]
pub struct Encoded {
    /// The sentences' vectors, `[sentences, width]`.
    pub vectors: Array2<f32>,
    /// The sentences' lengths in words, `<s>` and `</s>` included.
    pub lengths: Vec<usize>,
    /// The vocabulary coverage of the sentences.
    pub coverage: Coverage,
    /// If requested, the hidden states of all words, one sentence after the other, `[words,
    /// width]`: forward, then backward.
    pub states: Option<Array2<f32>>,
}

impl Encoded {
    /// The hidden states padded with zeros, `[sentences, longest, width]`, and the vectors.
    ///
    /// # Panics
    ///
    /// If hidden states were not requested.
    pub(crate) fn padded(self) -> (Array3<f32>, Array2<f32>) {
        #[allow(clippy::expect_used, reason = "the callers request states")]
        let states = self.states.expect("hidden states were requested");
        let longest = self.lengths.iter().max().copied().unwrap_or(0);
        let mut padded = Array3::zeros((self.lengths.len(), longest, states.ncols()));
        let mut start = 0;
        for (i, &length) in self.lengths.iter().enumerate() {
            let rows = states.slice(s![start..start + length, ..]);
            padded.slice_mut(s![i, ..length, ..]).assign(&rows);
            start += length;
        }
        (padded, self.vectors)
    }
}

/// Vectors and states, filled in window by window.
pub(crate) struct EncodedBuilder {
    pooling: Pooling,
    width: usize,
    vectors: Vec<f32>,
    /// The states of the words so far, `[words, width]`.
    states: Option<Vec<f32>>,
}

impl EncodedBuilder {
    /// Allocates results for a number of sentences; gathers hidden states if `states`.
    pub(crate) fn new(pooling: Pooling, sentences: usize, width: usize, states: bool) -> Self {
        Self {
            pooling,
            width,
            vectors: vec![0.0; sentences * width],
            states: states.then(Vec::new),
        }
    }

    /// Allocates the hidden states of a window.
    pub(crate) fn make_room(&mut self, window: &Window) {
        if let Some(states) = &mut self.states {
            states.resize(states.len() + window.total() * self.width, 0.0);
        }
    }

    /// Copies the vectors of a window; they are in the order of its batches. `first` is the index
    /// of its first sentence.
    pub(crate) fn window(
        &mut self,
        window: &Window,
        first: usize,
        batches: &[Vec<usize>],
        vectors: &[f32],
    ) {
        let width = self.width;
        assert_eq!(vectors.len(), window.len() * width, "a vector a sentence");
        let mut places = vec![0; window.len()];
        for (place, &sentence) in batches.iter().flatten().enumerate() {
            places[sentence] = place;
        }
        let rows = &mut self.vectors[first * width..][..window.len() * width];
        rows.par_chunks_exact_mut(width)
            .zip(places)
            .for_each(|(row, place)| row.copy_from_slice(&vectors[place * width..][..width]));
    }

    /// Pools the states of one batch. `first` is the index of the window's first sentence.
    pub(crate) fn batch(
        &mut self,
        window: &Window,
        first: usize,
        batch: &[usize],
        states: &States,
    ) {
        let width = self.width;
        let mut start = 0;
        for &sentence in batch {
            let words = start..start + window.sentence(sentence).len();
            start = words.end;
            let row = (first + sentence) * width;
            let vector = &mut self.vectors[row..row + width];
            states.pool(words.clone(), self.pooling, vector);
            if let Some(all) = &mut self.states {
                let window_start = all.len() - window.total() * width;
                let start = window_start + window.start(sentence) * width;
                let own = all[start..start + words.len() * width].chunks_exact_mut(width);
                own.zip(words)
                    .for_each(|(out, word)| states.copy_word(word, out));
            }
        }
    }

    /// With [`Pooling::MaxPadded`], includes the zeros of padding in the maximum, for all sentences
    /// shorter than the longest of their batch. A batch is `batch_size` sentences in input order.
    pub(crate) fn see_padding(&mut self, lengths: &[usize], batch_size: usize) {
        if self.pooling != Pooling::MaxPadded {
            return;
        }
        let batches = self
            .vectors
            .chunks_mut(batch_size.saturating_mul(self.width));
        for (vectors, lengths) in batches.zip(lengths.chunks(batch_size)) {
            let longest = lengths.iter().max().copied().unwrap_or(0);
            for (vector, &length) in vectors.chunks_exact_mut(self.width).zip(lengths) {
                if length < longest {
                    vector.iter_mut().for_each(|x| *x = x.max(0.0));
                }
            }
        }
    }

    /// The result; `lengths` are those of the sentences.
    pub(crate) fn finish(self, lengths: Vec<usize>, coverage: Coverage) -> Encoded {
        #[allow(
            clippy::expect_used,
            reason = "`new` and `make_room` have allocated a row for each sentence and word"
        )]
        let array = |rows, values| {
            Array2::from_shape_vec((rows, self.width), values).expect("`rows` rows of `width`")
        };
        let words = lengths.iter().sum();
        Encoded {
            vectors: array(lengths.len(), self.vectors),
            states: self.states.map(|states| array(words, states)),
            lengths,
            coverage,
        }
    }
}
