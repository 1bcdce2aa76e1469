//! Where results are gathered.

use ndarray::Array2;
use rayon::prelude::*;

use crate::window::Window;
use crate::{Coverage, Encoded, Pooling, States};

/// Vectors and states as they are filled in.
pub(crate) struct Output {
    pooling: Pooling,
    width: usize,
    vectors: Vec<f32>,
    /// Of all windows, `[words, width]`.
    states: Option<Vec<f32>>,
}

impl Output {
    /// For this many sentences; with their hidden states or without.
    pub(crate) fn new(pooling: Pooling, sentences: usize, width: usize, states: bool) -> Self {
        Self {
            pooling,
            width,
            vectors: vec![0.0; sentences * width],
            states: states.then(Vec::new),
        }
    }

    /// Makes room for the hidden states of a window's words.
    pub(crate) fn make_room(&mut self, window: &Window) {
        if let Some(states) = &mut self.states {
            states.resize(states.len() + window.total() * self.width, 0.0);
        }
    }

    /// Takes the vectors of a window's sentences, which lie in the order of its batches.
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

    /// Pools the states of a batch of a window, whose first sentence is number `first`.
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

    /// With [`Pooling::MaxPadded`], the maximum over zeros, too, in sentences shorter than the longest of their batch, where a
    /// batch is `batch_size` sentences in input order.
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

    /// The result, for sentences of these lengths.
    pub(crate) fn finish(self, lengths: Vec<usize>, coverage: Coverage) -> Encoded {
        #[allow(
            clippy::expect_used,
            reason = "a row for each sentence, or for each word"
        )]
        let array = |rows, values| {
            Array2::from_shape_vec((rows, self.width), values).expect("as many values as rows")
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
