//! Pools the states of a sentence's words to its vector.

use burn::tensor::{DType, Tensor};

use crate::Pooling;
use crate::encoder::Encoder;
use crate::ops::{floats, group_maxima, group_sums};
use crate::packed::Packed;

impl Encoder {
    /// Sentence vectors `[sentences, width]` in input order of the top layer's states
    /// `[rows, width]`; `<s>` and `</s>` count as positions. Means are computed in f32. Every
    /// sentence must have a word. There is no padding, so `max-padded` is `max`.
    pub fn pool(&self, packed: &Packed, states: Tensor<2>, pooling: Pooling) -> Tensor<2> {
        let sentences = packed.lengths.len();
        match pooling {
            Pooling::Last => self.last(packed, states),
            Pooling::Max | Pooling::MaxPadded => {
                group_maxima(states, packed.sentence_of_rows(), sentences)
            }
            Pooling::Mean => {
                let states = states.cast(DType::F32);
                let sums = group_sums(states, packed.sentence_of_rows(), sentences);
                let lengths = packed.lengths.iter().map(|&length| 1.0 / length as f32);
                let one_each = sums.clone().slice([0..sentences, 0..1]);
                sums * floats(&one_each, lengths.collect())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Architecture;
    use crate::init::Initializer;
    use burn::tensor::Device;

    /// States of three sentences of two, three and one words, the numbers of each word in a row.
    fn states(device: &Device) -> (Packed, Tensor<2>) {
        let packed = Packed::from_slices(&[&[1, 2], &[3, 4, 5], &[6]]);
        // Rows in packed order: words 3, 1, 6, 4, 2, 5.
        let rows = [
            [3.0, 0.5],
            [1.0, -4.0],
            [6.0, 0.0],
            [4.0, 9.0],
            [2.0, -1.0],
            [5.0, 9.0],
        ];
        (packed, Tensor::from_floats(rows, device))
    }

    #[test]
    fn means_and_maxima_are_those_of_each_sentence_in_input_order() {
        let device = Device::flex().autodiff();
        let config = Architecture {
            vocabulary_size: 8,
            embedding_size: 2,
            hidden_size: 2,
            layers: 1,
            bidirectional: true,
        };
        let encoder = Encoder::new(&config, &Initializer::new(1, &device));
        // The incoming gradient differs for every component.
        let above = Tensor::<2>::from_floats([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], &device);
        for (pooling, expected, gradient) in [
            (
                Pooling::Mean,
                [1.5, -2.5, 4.0, 18.5 / 3.0, 6.0, 0.0],
                [
                    1.0,
                    4.0 / 3.0,
                    0.5,
                    1.0,
                    5.0,
                    6.0,
                    1.0,
                    4.0 / 3.0,
                    0.5,
                    1.0,
                    1.0,
                    4.0 / 3.0,
                ],
            ),
            (
                Pooling::Max,
                [2.0, -1.0, 5.0, 9.0, 6.0, 0.0],
                // The two nines share their gradient.
                [0.0, 0.0, 0.0, 0.0, 5.0, 6.0, 0.0, 2.0, 1.0, 2.0, 3.0, 2.0],
            ),
        ] {
            let (packed, states) = states(&device);
            let states = states.require_grad();
            let vectors = encoder.pool(&packed, states.clone(), pooling);
            let found: Vec<f32> = vectors.clone().into_data().iter().collect();
            for (a, b) in found.iter().zip(expected) {
                assert!(
                    (a - b).abs() < 1e-6,
                    "{pooling}: {found:?}, not {expected:?}"
                );
            }
            let gradients = (vectors * above.clone()).sum().backward();
            let found = states.grad(&gradients).expect("it is tracked");
            let found: Vec<f32> = found.into_data().iter().collect();
            for (a, b) in found.iter().zip(gradient) {
                assert!(
                    (a - b).abs() < 1e-6,
                    "{pooling}: {found:?}, not {gradient:?}"
                );
            }
        }
    }
}
