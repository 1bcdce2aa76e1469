use ndarray::{Axis, s};

use super::*;
use crate::model_folder::{ModelConfig, Provenance};
use crate::weights::EncoderState;
use crate::{Pooling, fixtures};

/// An encoder's weights, random in ±0.5; `hidden` is the size of a direction.
fn random_state(
    words: usize,
    embedding: usize,
    hidden: usize,
    layers: usize,
    bidirectional: bool,
) -> EncoderState {
    let sizes = Architecture {
        vocabulary_size: words,
        embedding_size: embedding,
        hidden_size: hidden * if bidirectional { 2 } else { 1 },
        layers,
        bidirectional,
    };
    let mut state = 1_u32;
    fixtures::weights(&sizes, || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32 - 0.5
    })
}

fn encoder(hidden: usize, layers: usize, bidirectional: bool) -> SentenceEncoder {
    encoder_with(hidden, layers, bidirectional, EncoderPrecision::F32)
}

fn encoder_with(
    hidden: usize,
    layers: usize,
    bidirectional: bool,
    precision: EncoderPrecision,
) -> SentenceEncoder {
    let words = (4..40).map(|i| format!("w{i}"));
    let words = Vocabulary::SPECIAL
        .into_iter()
        .map(String::from)
        .chain(words);
    let state = random_state(40, 11, hidden, layers, bidirectional);
    let config = ModelConfig::new(&state, Provenance::default());
    let vocabulary = Vocabulary::from_words(words).unwrap();
    let model = ModelFolder::new(config, vocabulary, state).unwrap();
    SentenceEncoder::new_with(model, precision).unwrap()
}

fn sentences() -> Vec<String> {
    (0..50)
        .map(|i| {
            let words = (0..(i * 7) % 13).map(|k| format!("w{}", 4 + (i * 5 + k * 3) % 40));
            words.collect::<Vec<_>>().join(" ")
        })
        .collect()
}

fn bits(row: ndarray::ArrayView1<'_, f32>) -> Vec<u32> {
    row.iter().map(|x| x.to_bits()).collect()
}

#[test]
fn a_sentence_alone_equals_itself_in_any_batch() {
    use EncoderPrecision::{Bf16, F16, F32, I8};
    for (hidden, layers, bidirectional, precision) in [
        (37, 1, true, F32),
        (16, 2, true, F32),
        (9, 2, false, F32),
        (37, 2, true, F16),
        (37, 2, true, Bf16),
        (9, 1, false, Bf16),
        (37, 1, true, I8),
        (16, 2, true, I8),
        (9, 2, false, I8),
    ] {
        let encoder = encoder_with(hidden, layers, bidirectional, precision);
        let sentences = sentences();
        for pooling in [Pooling::Last, Pooling::Max, Pooling::Mean] {
            let options = EncodeOptions::default().pooling(pooling);
            let all = encoder.encode(&sentences, &options).unwrap();
            assert!(all.iter().all(|x| x.is_finite()));
            for batch_size in [1, 2, 7, 64] {
                let options = options.clone().batch_size(batch_size);
                let again = encoder.encode(&sentences, &options).unwrap();
                for (a, b) in all.axis_iter(Axis(0)).zip(again.axis_iter(Axis(0))) {
                    assert_eq!(bits(a), bits(b), "batches of {batch_size}");
                }
            }
            for (sentence, row) in sentences.iter().zip(all.axis_iter(Axis(0))) {
                let alone = encoder.encode(&[sentence], &options).unwrap();
                assert_eq!(bits(alone.row(0)), bits(row), "`{sentence}` alone");
            }
        }
    }
}

#[test]
fn pooling_is_over_the_hidden_states() {
    let (encoder, sentences) = (encoder(10, 1, true), sentences());
    let options = EncodeOptions::default().batch_size(8);
    let encode = |pooling| {
        let options = options.clone().pooling(pooling);
        encoder.encode_with_states(&sentences, &options).unwrap()
    };
    let ((states, last), (_, max)) = (encode(Pooling::Last), encode(Pooling::Max));
    let ((_, mean), (_, padded)) = (encode(Pooling::Mean), encode(Pooling::MaxPadded));
    let lengths: Vec<usize> = sentences
        .iter()
        .map(|s| s.split(' ').filter(|w| !w.is_empty()).count() + 2)
        .collect();
    for (i, &length) in lengths.iter().enumerate() {
        let batch = &lengths[i / 8 * 8..(i / 8 * 8 + 8).min(lengths.len())];
        let longest = batch.iter().max() == Some(&length);
        for j in 0..20 {
            let column = states.slice(s![i, ..length, j]);
            let largest = column.fold(f32::MIN, |a, &b| a.max(b));
            assert_eq!(max[[i, j]], largest);
            assert_eq!(
                padded[[i, j]],
                if longest { largest } else { largest.max(0.0) }
            );
            let sum: f64 = column.iter().map(|&x| f64::from(x)).sum();
            assert!((f64::from(mean[[i, j]]) - sum / length as f64).abs() < 1e-6);
            let expected = if j < 10 {
                states[[i, 0, j + 10]]
            } else {
                states[[i, length - 1, j - 10]]
            };
            assert_eq!(last[[i, j]], expected);
        }
        assert!(states.slice(s![i, length.., ..]).iter().all(|&x| x == 0.0));
    }
}

#[test]
fn untrained_models_keep_everything_but_the_weights() {
    let trained = encoder(10, 2, true);
    let untrained = |seed| trained.model().untrained(seed).unwrap();
    let (one, same, other) = (untrained(1), untrained(1), untrained(2));
    assert_eq!(
        one.config().architecture,
        trained.model().config().architecture
    );
    assert_eq!(one.config().provenance.steps, Some(0));
    let encode = |model| {
        let encoder = SentenceEncoder::new(model);
        encoder
            .encode(&["w4 w9"], &EncodeOptions::default())
            .unwrap()
    };
    let (vector, other) = (encode(one), encode(other));
    assert_eq!(vector, encode(same));
    assert_ne!(vector, other);
    let own = trained
        .encode(&["w4 w9"], &EncodeOptions::default())
        .unwrap();
    assert_ne!(vector, own);
}

#[test]
fn edge_cases() {
    let encoder = encoder(5, 1, true);
    let options = EncodeOptions::default();
    assert_eq!(encoder.encode(&[""; 0], &options).unwrap().dim(), (0, 10));
    let (states, vectors) = encoder.encode_with_states(&[""; 0], &options).unwrap();
    assert_eq!((states.dim(), vectors.dim()), ((0, 0, 10), (0, 10)));
    let vectors = encoder
        .encode(&["", " \t ", "zebra", "<unk>"], &options)
        .unwrap();
    assert_eq!(vectors.row(0), vectors.row(1));
    assert_eq!(vectors.row(2), vectors.row(3));
    let bare = options.clone().start_end(false);
    let error = encoder.encode(&["w4", ""], &bare).unwrap_err();
    assert!(
        matches!(error, EncodeError::EmptySentence { index: 1 }),
        "{error}"
    );
    let error = encoder
        .encode(&["w4"], &options.clone().tokenizer("none"))
        .unwrap_err();
    assert!(matches!(error, EncodeError::Tokenizer(_)), "{error}");
    let lowered = encoder
        .encode(&["W5 W6"], &options.lowercase(true))
        .unwrap();
    assert_eq!(
        lowered,
        encoder
            .encode(&["w5 w6"], &EncodeOptions::default())
            .unwrap()
    );
}

#[test]
fn progress_reaches_the_number_of_sentences() {
    let (encoder, sentences) = (encoder(5, 1, true), sentences());
    let options = EncodeOptions::default().batch_size(8);
    let mut heard = Vec::new();
    encoder
        .encode_ragged(&sentences, &options, false, &mut |done| heard.push(done))
        .unwrap();
    assert!(heard.is_sorted());
    assert_eq!(heard.last(), Some(&50));
}

#[test]
fn other_words_keep_the_encoder() {
    let encoder = encoder(5, 2, true);
    let words = ["<s>", "<pad>", "</s>", "<unk>", "w9", "new"];
    let own = encoder.embedding();
    let rows: Vec<_> = [0, 1, 2, 3, 9, 7].into_iter().map(|i| own.row(i)).collect();
    let embedding = ndarray::stack(Axis(0), &rows).unwrap();
    let other = encoder.with_vocabulary(words, embedding.clone()).unwrap();
    let options = EncodeOptions::default();
    let found = other.encode(&["new w9 w4"], &options).unwrap();
    assert_eq!(found, encoder.encode(&["w7 w9 <unk>"], &options).unwrap());
    assert_eq!(other.model().config().architecture.vocabulary_size, 6);
    assert!(
        encoder
            .with_vocabulary(&words[..5], embedding.clone())
            .is_err()
    );
    assert!(
        encoder
            .with_vocabulary(words, embedding.slice(s![.., 1..]).to_owned())
            .is_err()
    );
    assert!(
        encoder
            .with_vocabulary(words, embedding * f32::NAN)
            .is_err()
    );
}

#[test]
fn narrower_weights_give_nearly_the_same_vectors() {
    let sentences = sentences();
    for (layers, bidirectional) in [(1, true), (2, true), (1, false)] {
        let encode = |precision| {
            let encoder = encoder_with(64, layers, bidirectional, precision);
            encoder
                .encode(&sentences, &EncodeOptions::default())
                .unwrap()
        };
        let exact = encode(EncoderPrecision::F32);
        for (precision, least) in [
            (EncoderPrecision::F16, 0.999_99),
            (EncoderPrecision::Bf16, 0.999_9),
            (EncoderPrecision::I8, 0.999),
        ] {
            let found = encode(precision);
            assert_ne!(found, exact);
            for (a, b) in found.rows().into_iter().zip(exact.rows()) {
                let cosine = a.dot(&b) / (a.dot(&a) * b.dot(&b)).sqrt();
                assert!(
                    cosine >= least,
                    "{precision}, {layers} layers: cosine {cosine}"
                );
            }
        }
    }
}

#[test]
fn a_word_that_is_not_finite_is_refused_when_it_is_used() {
    let state = random_state(40, 11, 5, 1, true);
    let mut tensors = state.tensors().clone();
    let mut values = state.embedding().values().into_owned();
    values[9 * 11 + 3] = f32::NAN;
    let embedding = Tensor::new(vec![40, 11], values).unwrap();
    tensors.insert(EMBEDDING.to_owned(), embedding);
    let state = EncoderState::with_unread_embedding(tensors).unwrap();
    let config = ModelConfig::new(&state, Provenance::default());
    let vocabulary = encoder(5, 1, true).vocabulary().clone();
    let model = ModelFolder::new(config, vocabulary, state).unwrap();
    let encoder = SentenceEncoder::new(model);
    let options = EncodeOptions::default();
    assert!(encoder.encode(&["w8 w10"], &options).is_ok());
    let error = encoder.encode(&["w8 w10", "w9"], &options).unwrap_err();
    let message = error.to_string();
    assert!(message.contains("src_embedding.weight"), "{message}");
    assert!(message.contains("[9, 3]"), "{message}");
}

#[test]
fn unknown_words_are_read_by_their_spelling_where_that_is_asked_for() {
    let plain = encoder(16, 1, true);
    let words = ["<s>", "<pad>", "</s>", "<unk>", "funny", "sunny", "train"];
    let embedding = plain.embedding().slice(s![..words.len(), ..]).to_owned();
    let encoder = plain.with_vocabulary(words, embedding).unwrap();
    let unk = EncodeOptions::default();
    let spelling = EncodeOptions::default().unknown_words(UnknownWords::Spelling);
    let sentences = [
        "funny train",
        "funnny train",
        "<unk> train",
        "qqqq train",
        "funnny",
    ];
    let read = encoder.encode(&sentences, &spelling).unwrap();
    let plain = encoder.encode(&sentences, &unk).unwrap();
    assert_eq!(bits(read.row(0)), bits(plain.row(0)), "all words are known");
    assert_eq!(
        bits(plain.row(1)),
        bits(plain.row(2)),
        "`funnny` is `<unk>`"
    );
    assert_ne!(
        bits(read.row(1)),
        bits(read.row(2)),
        "`funnny` is spelt like `funny`"
    );
    assert_eq!(
        bits(read.row(3)),
        bits(read.row(2)),
        "`qqqq` is spelt like nothing"
    );
    // A vector does not depend on the sentences beside it.
    for (i, sentence) in sentences.iter().enumerate() {
        let alone = encoder.encode(&[sentence], &spelling).unwrap();
        assert_eq!(bits(alone.row(0)), bits(read.row(i)), "{sentence}");
    }
    let counted = encoder.encode_ragged(&sentences, &spelling, false, &mut |_| {});
    assert_eq!(
        counted.unwrap().coverage.unknown,
        3,
        "they stay unknown words"
    );
}
