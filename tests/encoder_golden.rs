//! Vectors and hidden states equal the reference implementation's.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs
)]

use std::fs;
use std::path::{Path, PathBuf};

use gensen_encode::model_folder::{ModelFolder, convert};
use gensen_encode::weights::StoredPrecision;
use gensen_encode::{ConcatEncoder, EncodeOptions, Pooling, SentenceEncoder};
use gensen_expand::{ReadOptions, VocabularyMap, WordSelection, WordVectors};
use ndarray::{Array, Array2, ArrayView, Dimension, Ix1, Ix2, Ix3, s};
use ndarray_npy::read_npy;

const MODELS: [&str; 2] = ["tiny-1layer", "tiny-2layer"];
/// The absolute tolerance of vectors and hidden states; 1e-5 after vocabulary expansion.
const TOLERANCE: f32 = 2e-6;

fn reference() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference")
}

fn strings(name: &str) -> Vec<String> {
    serde_json::from_slice(&fs::read(reference().join(name)).unwrap()).unwrap()
}

fn model(name: &str) -> ModelFolder {
    let folder = reference().join(name);
    let file = |suffix| folder.join(format!("{name}{suffix}"));
    convert(&file(".model"), &file("_vocab.pkl")).unwrap().model
}

fn encoder(name: &str) -> SentenceEncoder {
    SentenceEncoder::new(model(name))
}

fn golden<D: Dimension>(model: &str, name: &str) -> Array<f32, D> {
    read_npy(reference().join(model).join(format!("{name}.npy"))).unwrap()
}

#[track_caller]
fn close<D: Dimension>(
    found: ArrayView<f32, D>,
    expected: ArrayView<f32, D>,
    tolerance: f32,
    what: &str,
) {
    assert_eq!(found.shape(), expected.shape(), "{what}");
    let (mut largest, mut place) = (0.0_f32, None);
    for ((index, expected), found) in expected.indexed_iter().zip(found) {
        let difference = (expected - found).abs();
        assert!(!difference.is_nan(), "{what}: {found} at {index:?}");
        if difference > largest {
            (largest, place) = (difference, Some((index, *expected, *found)));
        }
    }
    eprintln!("{what}: largest difference {largest:e}");
    assert!(
        largest <= tolerance,
        "{what}: (place, expected, found) = {place:?}, difference {largest:e}"
    );
}

/// The whole file as one batch, as the reference encoded it.
fn options(pooling: Pooling) -> EncodeOptions {
    EncodeOptions::default().pooling(pooling).batch_size(64)
}

#[test]
fn hidden_states_and_vectors() {
    let sentences = strings("sentences.json");
    for name in MODELS {
        let encoder = encoder(name);
        for (pooling, file) in [(Pooling::Last, "last"), (Pooling::MaxPadded, "max")] {
            let (states, vectors) = encoder
                .encode_with_states(&sentences, &options(pooling))
                .unwrap();
            let expected: Array2<f32> = golden(name, &format!("expected/base_ht_{file}"));
            close(
                vectors.view(),
                expected.view(),
                TOLERANCE,
                &format!("{name} {file}"),
            );
            close(
                states.view(),
                golden::<Ix3>(name, "expected/base_h").view(),
                TOLERANCE,
                name,
            );
            let again = encoder.encode(&sentences, &options(pooling)).unwrap();
            assert_eq!(vectors, again);
        }
    }
}

#[test]
fn without_start_and_end() {
    let mut sentences = strings("sentences.json");
    sentences.remove(36);
    for name in MODELS {
        for (pooling, file) in [(Pooling::Last, "last"), (Pooling::MaxPadded, "max")] {
            let options = options(pooling).start_end(false);
            let (states, vectors) = encoder(name)
                .encode_with_states(&sentences, &options)
                .unwrap();
            let expected: Array2<f32> = golden(name, &format!("expected/base_nose_ht_{file}"));
            close(
                vectors.view(),
                expected.view(),
                TOLERANCE,
                &format!("{name} {file}"),
            );
            close(
                states.view(),
                golden::<Ix3>(name, "expected/base_nose_h").view(),
                TOLERANCE,
                name,
            );
        }
    }
}

#[test]
fn raw_text_through_the_tokenizer() {
    let sentences = strings("sentences_raw.json");
    for name in MODELS {
        let options = options(Pooling::Last).tokenizer("nltk");
        let (states, vectors) = encoder(name)
            .encode_with_states(&sentences, &options)
            .unwrap();
        close(
            vectors.view(),
            golden::<Ix2>(name, "expected/raw_tok_ht_last").view(),
            TOLERANCE,
            name,
        );
        close(
            states.view(),
            golden::<Ix3>(name, "expected/raw_tok_h").view(),
            TOLERANCE,
            name,
        );
    }
}

#[test]
fn single_sentences_and_pairs() {
    let sentences = strings("sentences.json");
    for name in MODELS {
        let encoder = encoder(name);
        let (states, last) = encoder
            .encode_with_states(&sentences[9..10], &options(Pooling::Last))
            .unwrap();
        close(
            last.view(),
            golden::<Ix2>(name, "expected/single9_ht_last").view(),
            TOLERANCE,
            name,
        );
        close(
            states.view(),
            golden::<Ix3>(name, "expected/single9_h").view(),
            TOLERANCE,
            name,
        );
        // The reference kept only the first component of a single sentence's vector.
        let max = encoder
            .encode(&sentences[9..10], &options(Pooling::MaxPadded))
            .unwrap();
        let expected = golden::<Ix1>(name, "expected/single9_ht_max");
        close(max.slice(s![0, ..1]), expected.view(), TOLERANCE, name);
        let (first, second) = (&sentences[0], &sentences[1]);
        for (pair, file) in [([first, second], "pair0_1"), ([first, first], "pair0_0")] {
            let max = encoder.encode(&pair, &options(Pooling::MaxPadded)).unwrap();
            close(
                max.view(),
                golden::<Ix2>(name, &format!("expected/{file}_ht_max")).view(),
                TOLERANCE,
                file,
            );
        }
    }
}

fn word_vectors() -> WordVectors {
    let path = reference().join("glove-tiny.txt");
    WordVectors::read(&path, &WordSelection::all(), &ReadOptions::default()).unwrap()
}

#[test]
fn expanded_vocabulary() {
    let sentences = strings("sentences.json");
    let words = strings("task_vocab.json");
    let vectors = word_vectors();
    let mut expanded = Vec::new();
    for name in MODELS {
        let own = encoder(name);
        let map = VocabularyMap::fit(&own, &vectors).unwrap();
        let encoder = map.expand(own, &words).unwrap();
        for (pooling, file) in [(Pooling::Last, "last"), (Pooling::MaxPadded, "max")] {
            let vectors = encoder.encode(&sentences, &options(pooling)).unwrap();
            let expected: Array2<f32> = golden(name, &format!("expected/exp_ht_{file}"));
            let what = format!("{name} expanded, {file}");
            close(vectors.view(), expected.view(), 1e-5, &what);
        }
        if name == "tiny-1layer" {
            // A second expansion starts from the encoder's own words again.
            let again = VocabularyMap::fit(&encoder, &vectors).unwrap();
            assert_eq!(again.linear(), map.linear());
            let second = again.expand(encoder.clone(), &words[..100]).unwrap();
            let found = second
                .encode(&sentences[..12], &options(Pooling::Last))
                .unwrap();
            let expected: Array2<f32> = golden(name, "expected/exp2_ht_last");
            close(found.view(), expected.view(), 1e-5, "second expansion");
        }
        expanded.push(encoder);
    }
    let both = ConcatEncoder::new(expanded).unwrap();
    for (pooling, file) in [(Pooling::Last, "last"), (Pooling::MaxPadded, "max")] {
        let vectors = both.encode(&sentences, &options(pooling)).unwrap();
        let expected: Array2<f32> = golden("concat", &format!("exp_ht_{file}"));
        close(vectors.view(), expected.view(), 1e-5, "both expanded");
    }
}

#[test]
fn concatenated() {
    let sentences = strings("sentences.json");
    let encoder = ConcatEncoder::new(MODELS.map(encoder).into()).unwrap();
    assert_eq!(encoder.width(), 128);
    for (pooling, file) in [(Pooling::Last, "last"), (Pooling::MaxPadded, "max")] {
        let (states, vectors) = encoder
            .encode_with_states(&sentences, &options(pooling))
            .unwrap();
        let expected: Array2<f32> = golden("concat", &format!("base_ht_{file}"));
        close(vectors.view(), expected.view(), TOLERANCE, file);
        close(
            states.view(),
            golden::<Ix3>("concat", "base_h").view(),
            TOLERANCE,
            "concat",
        );
    }
    assert!(ConcatEncoder::new(Vec::new()).is_err());
}

#[test]
fn model_folders_encode_as_what_they_were_written_from() {
    let sentences = strings("sentences.json");
    let folder = tempfile::tempdir().unwrap();
    for name in MODELS {
        let path = folder.path().join(name);
        model(name).write(&path, StoredPrecision::F32).unwrap();
        let expected = encoder(name)
            .encode(&sentences, &options(Pooling::Last))
            .unwrap();
        let opened = SentenceEncoder::load(&path).unwrap();
        assert_eq!(
            opened.encode(&sentences, &options(Pooling::Last)).unwrap(),
            expected
        );
        model(name).write(&path, StoredPrecision::F16).unwrap();
        let half = SentenceEncoder::load(&path).unwrap();
        let found = half.encode(&sentences, &options(Pooling::Last)).unwrap();
        for (i, (a, b)) in found.rows().into_iter().zip(expected.rows()).enumerate() {
            let cosine = a.dot(&b) / (a.dot(&a) * b.dot(&b)).sqrt();
            assert!(
                cosine > 0.9999,
                "{name}, sentence {i}: cosine {cosine} to f32"
            );
        }
    }
}

/// The bits do not depend on the number of threads or the batch.
#[test]
fn threads_and_batches_change_no_bit() {
    let sentences = strings("sentences.json");
    for name in MODELS {
        let encoder = encoder(name);
        for pooling in [Pooling::Last, Pooling::Max, Pooling::Mean] {
            let encode = |threads, batch_size| {
                let pool = rayon::ThreadPoolBuilder::new()
                    .num_threads(threads)
                    .build()
                    .unwrap();
                let options = options(pooling).batch_size(batch_size);
                let vectors = pool
                    .install(|| encoder.encode(&sentences, &options))
                    .unwrap();
                vectors.mapv(f32::to_bits)
            };
            let expected = encode(1, 64);
            for (threads, batch_size) in [(1, 1), (2, 3), (3, 64), (4, 17)] {
                let found = encode(threads, batch_size);
                assert_eq!(
                    found, expected,
                    "{threads} threads, batches of {batch_size}"
                );
            }
            for i in [0, 8, 36, 38] {
                let alone = encoder
                    .encode(&sentences[i..=i], &options(pooling))
                    .unwrap();
                assert_eq!(
                    alone.mapv(f32::to_bits),
                    expected.slice(s![i..=i, ..]),
                    "sentence {i}"
                );
            }
        }
    }
}
