//! Word dropout: replaces source words by `<unk>` during training.

use gensen_data::batch::Batch;
use gensen_data::vocabulary::Vocabulary;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Separates the random stream from those of dropout and of the order of tasks.
const SEED: u64 = 0x776f_7264_6472_6f70;

/// Replaces each word that the encoder reads by `<unk>` with probability `rate`; special words stay.
///
/// The replaced words are a function of the seed, the step, the sentence's place in the batch of
/// all devices and the word's place in the sentence.
pub fn apply(batch: &mut Batch, rate: f64, seed: u64, step: u64) {
    if rate <= 0.0 {
        return;
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ SEED);
    rng.set_stream(step);
    if let Batch::Pairs(batch) = batch {
        // Equal sentences remain equal for contrast, although different words are dropped.
        batch.keep_numbers();
    }
    for (side, sentences) in batch.sources_mut().into_iter().enumerate() {
        let mut start = 0;
        for (place, &length) in sentences.lengths.iter().enumerate() {
            // Each sentence has its own range of the random stream.
            rng.set_word_pos((side as u128) << 64 | (place as u128) << 32);
            let end = start + length as usize;
            for id in &mut sentences.ids[start..end] {
                let drop = rng.random::<f64>() < rate;
                if drop && *id as usize >= Vocabulary::SPECIAL.len() {
                    *id = Vocabulary::UNK;
                }
            }
            start = end;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gensen_data::batch::{NliBatch, PairsBatch, Sentences, Seq2SeqBatch};
    use gensen_model::contrast::not_counted;

    fn sentences(lengths: &[usize]) -> Sentences {
        let mut sentences = Sentences::default();
        for &length in lengths {
            let words: Vec<u32> = (0..length as u32).map(|k| 4 + k % 90).collect();
            sentences.push(&[&[0], &words[..], &[3, 1, 2]].concat());
        }
        sentences
    }

    fn dropped(sentences: &Sentences, lengths: &[usize]) -> Vec<Vec<usize>> {
        let of_sentence = |(ids, &length): (&[u32], &usize)| {
            assert_eq!(ids[0], 0);
            assert_eq!(ids[length + 1..], [3, 1, 2], "special words stay");
            (1..=length).filter(|&k| ids[k] == 3).collect()
        };
        sentences.iter().zip(lengths).map(of_sentence).collect()
    }

    #[test]
    fn what_is_dropped_follows_from_seed_step_and_place() {
        let of = |lengths: &[usize], rate, seed, step| {
            let mut batch = Batch::Seq2Seq(Seq2SeqBatch {
                source: sentences(lengths),
                targets: vec![sentences(lengths)],
            });
            apply(&mut batch, rate, seed, step);
            let Batch::Seq2Seq(batch) = batch else {
                panic!("another kind of batch")
            };
            assert_eq!(batch.targets, [sentences(lengths)], "targets stay");
            dropped(&batch.source, lengths)
        };
        let expected = of(&[200, 3000, 500], 0.2, 7, 11);
        let share = expected[1].len() as f64 / 3000.0;
        assert!((share - 0.2).abs() < 0.03, "{share} of the words");
        assert_eq!(of(&[200, 3000, 500], 0.2, 7, 11), expected);
        // A sentence's words do not depend on the sentences beside it.
        let beside_others = of(&[9, 3000, 1], 0.2, 7, 11);
        assert_eq!(beside_others[1], expected[1]);
        for (seed, step) in [(8, 11), (7, 12)] {
            assert_ne!(of(&[200, 3000, 500], 0.2, seed, step)[1], expected[1]);
        }
        assert!(of(&[40], 0.0, 7, 11)[0].is_empty());
        assert_eq!(of(&[40], 1.0, 7, 11)[0].len(), 40);
    }

    #[test]
    fn both_sentences_of_a_pair_lose_words_of_their_own() {
        let lengths = [300, 300];
        let mut batch = Batch::Nli(NliBatch {
            premises: sentences(&lengths),
            hypotheses: sentences(&lengths),
            labels: vec![0, 1],
        });
        apply(&mut batch, 0.3, 1, 2);
        let Batch::Nli(batch) = batch else {
            panic!("another kind of batch")
        };
        let premises = dropped(&batch.premises, &lengths);
        let hypotheses = dropped(&batch.hypotheses, &lengths);
        assert!(premises.iter().chain(&hypotheses).all(|d| d.len() > 50));
        assert_ne!(premises, hypotheses);
        assert_ne!(premises[0], premises[1]);
    }

    #[test]
    fn pairs_with_a_sentence_in_common_are_no_negatives_whatever_words_they_lose() {
        let of = |places: &[u32]| {
            let mut sentences = Sentences::default();
            for &place in places {
                let words: Vec<u32> = (0..20).map(|k| 4 + 20 * place + k).collect();
                sentences.push(&[&[0], &words[..], &[2]].concat());
            }
            sentences
        };
        // The third pair repeats the first one's second sentence; its negative is its own first.
        let mut negatives = of(&[7]);
        negatives.push(&[]);
        negatives.push(&[0, 44, 2]);
        let mut batch = Batch::Pairs(PairsBatch {
            first: of(&[0, 1, 2]),
            second: of(&[3, 4, 3]),
            negatives,
            numbers: None,
        });
        let mask = |batch: &Batch| match batch {
            Batch::Pairs(batch) => not_counted(batch),
            _ => panic!("another kind of batch"),
        };
        let before = mask(&batch);
        let masked = before.iter().flatten().filter(|x| **x < 0.0).count();
        assert_eq!(masked, 2, "{before:?}");
        apply(&mut batch, 0.5, 3, 4);
        assert_eq!(mask(&batch), before);
        let Batch::Pairs(pairs) = &batch else {
            panic!("another kind of batch")
        };
        let second: Vec<&[u32]> = pairs.second.iter().collect();
        assert_ne!(second[0], second[2], "other words are lost");
    }
}
