//! Dropout whose masks are a pure function of a seed, a step and the sentence's place.

use burn::tensor::{DType, Tensor};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::ops::floats;
use crate::packed::Packed;

/// The dropout masks of one training step, or no dropout.
///
/// Masks are drawn on the host from (seed, step), so that a resumed run draws the same masks as an
/// uninterrupted one, on every back end. A sentence's masks depend on its place in the step's
/// batch, so that several devices draw the same masks as one.
#[derive(Debug)]
pub struct Dropout(Option<Masks>);

#[derive(Debug)]
struct Masks {
    rng: ChaCha8Rng,
    /// For one device's share of a batch: the index of its first sentence, and the number of
    /// sentences in the whole batch.
    share: Option<(usize, usize)>,
    /// The number of word-level masks drawn so far.
    over_words: u32,
}

/// 32-bit words of the generator per number.
const DRAW: u128 = 2;

impl Dropout {
    /// No dropout: validation and encoding.
    pub fn off() -> Self {
        Self(None)
    }

    /// The masks of a training step.
    pub fn for_step(seed: u64, step: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(step);
        Self(Some(Masks {
            rng,
            share: None,
            over_words: 0,
        }))
    }

    /// Restricts the masks to one device's share of a batch of `whole` sentences, starting at
    /// `first`.
    #[must_use]
    pub fn of_share(mut self, first: usize, whole: usize) -> Self {
        if let Some(masks) = &mut self.0 {
            masks.share = Some((first, whole));
        }
        self
    }

    /// Zeroes each number with probability `rate` and scales the others by `1 / (1 - rate)`.
    /// `x` has one row a sentence, in input order.
    pub fn apply<const D: usize>(&mut self, x: Tensor<D>, rate: f64) -> Tensor<D> {
        let Some(masks) = self.0.as_mut().filter(|_| rate > 0.0) else {
            return x;
        };
        let shape = x.dims();
        let numbers: usize = shape.iter().product();
        let rows = shape.first().copied().unwrap_or(1);
        let width = numbers / rows.max(1);
        // Skips the random numbers of other shares' rows.
        let (first, whole) = masks.share.unwrap_or((0, rows));
        skip(&mut masks.rng, first * width);
        let mut mask = vec![0.0; numbers];
        draw(&mut masks.rng, rate, &mut mask);
        skip(&mut masks.rng, whole.saturating_sub(first + rows) * width);
        masked(x, mask)
    }

    /// Like [`Self::apply`], for `x` `[rows, width]` with one row per word of `packed`.
    pub(crate) fn apply_to_words(&mut self, x: Tensor<2>, packed: &Packed, rate: f64) -> Tensor<2> {
        let Some(masks) = self.0.as_mut().filter(|_| rate > 0.0) else {
            return x;
        };
        masks.over_words += 1;
        let [rows, width] = x.dims();
        let first = masks.share.map_or(0, |(first, _)| first);
        let mut mask = vec![0.0; rows * width];
        for (rank, &sentence) in packed.order.iter().enumerate() {
            // Each sentence has its own range of the random stream, disjoint from that of `apply`.
            let place = (first + sentence) as u128;
            let mut rng = masks.rng.clone();
            rng.set_word_pos(u128::from(masks.over_words) << 60 | place << 32);
            for step in 0..packed.lengths[sentence] as usize {
                let row = packed.steps.start(step) + rank;
                draw(&mut rng, rate, &mut mask[row * width..][..width]);
            }
        }
        masked(x, mask)
    }
}

/// `x` times `mask`, multiplied in f32: in bf16, `1 / (1 - rate)` would be off by up to 0.4 %, and
/// so would every mean.
fn masked<const D: usize>(x: Tensor<D>, mask: Vec<f32>) -> Tensor<D> {
    let dtype = x.dtype();
    let mask = floats(&x, mask);
    (x.cast(DType::F32) * mask).cast(dtype)
}

fn draw(rng: &mut ChaCha8Rng, rate: f64, mask: &mut [f32]) {
    let kept = (1.0 / (1.0 - rate)) as f32;
    for number in mask {
        *number = if rng.random::<f64>() < rate {
            0.0
        } else {
            kept
        };
    }
}

fn skip(rng: &mut ChaCha8Rng, numbers: usize) {
    if numbers > 0 {
        rng.set_word_pos(rng.get_word_pos() + DRAW * numbers as u128);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    fn ones(rows: usize, width: usize) -> Tensor<2> {
        Tensor::ones([rows, width], &Device::flex())
    }

    fn numbers(x: Tensor<2>) -> Vec<f32> {
        x.into_data().iter::<f32>().collect()
    }

    #[test]
    fn shares_draw_what_the_whole_draws() {
        let (whole, width) = (7, 33);
        let masks = |mut dropout: Dropout, rows: usize| {
            [0.2, 0.0, 0.5].map(|rate| numbers(dropout.apply(ones(rows, width), rate)))
        };
        let expected = masks(Dropout::for_step(5, 9), whole);
        assert_ne!(expected[0], expected[2]);
        for (first, rows) in [(0, 4), (4, 3), (6, 1), (0, 7)] {
            let found = masks(Dropout::for_step(5, 9).of_share(first, whole), rows);
            for (found, expected) in found.iter().zip(&expected) {
                let expected = &expected[first * width..(first + rows) * width];
                assert_eq!(found, expected, "{rows} sentences from {first}");
            }
        }
    }

    #[test]
    fn a_words_mask_is_that_of_its_sentences_place() {
        let sentences: [&[u32]; 5] = [&[1, 2], &[3; 9], &[4], &[5; 4], &[6; 4]];
        let width = 33;
        // The masks of each sentence's words, in input order.
        let masks = |mut dropout: Dropout, sentences: &[&[u32]]| {
            let packed = Packed::from_slices(sentences);
            let mask = |dropout: &mut Dropout| {
                let x = ones(packed.steps.rows(), width);
                let mask = numbers(dropout.apply_to_words(x, &packed, 0.4));
                let mut by_sentence = vec![Vec::new(); sentences.len()];
                for (rank, &sentence) in packed.order.iter().enumerate() {
                    for step in 0..sentences[sentence].len() {
                        let row = packed.steps.start(step) + rank;
                        by_sentence[sentence].extend_from_slice(&mask[row * width..][..width]);
                    }
                }
                by_sentence
            };
            [mask(&mut dropout), mask(&mut dropout)]
        };
        let [first, second] = masks(Dropout::for_step(5, 9), &sentences);
        assert_ne!(first, second, "each layer has masks of its own");
        let [share, _] = masks(Dropout::for_step(5, 9).of_share(2, 5), &sentences[2..]);
        assert_eq!(share, first[2..]);
        let zeros = first.iter().flatten().filter(|x| **x == 0.0).count() as f64;
        let total = first.iter().flatten().count() as f64;
        assert!(
            (zeros / total - 0.4).abs() < 0.06,
            "{zeros} of {total} zeroed"
        );
    }
}
