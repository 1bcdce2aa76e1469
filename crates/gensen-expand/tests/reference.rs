//! The map and both expansions agree with what the original implementation computed
//! (tests/reference).
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests"
)]

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use gensen_expand::{
    EmbeddingTable, FitOptions, LinearMap, ReadOptions, Solver, VocabularyMap, WordSelection,
    WordVectors,
};
use ndarray::{Array1, Array2, ArrayView};
use ndarray_npy::ReadNpyExt;
use safetensors::SafeTensors;

/// The tolerance for the original's 32-bit solver.
const TOLERANCE: f64 = 1e-5;

fn reference(name: &str) -> PathBuf {
    Path::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/reference"
    ))
    .join(name)
}

fn words(name: &str) -> Vec<String> {
    serde_json::from_slice(&fs::read(reference(name)).unwrap()).unwrap()
}

fn matrix(name: &str) -> Array2<f32> {
    Array2::read_npy(File::open(reference(name)).unwrap()).unwrap()
}

struct Encoder {
    words: Vec<String>,
    embedding: Array2<f32>,
}

impl Encoder {
    fn open(model: &str) -> Self {
        let bytes = fs::read(reference(&format!("{model}/{model}.safetensors"))).unwrap();
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        let tensor = tensors.tensor("src_embedding.weight").unwrap();
        let values = tensor
            .data()
            .as_chunks::<4>()
            .0
            .iter()
            .map(|&b| f32::from_le_bytes(b))
            .collect();
        let embedding =
            Array2::from_shape_vec((tensor.shape()[0], tensor.shape()[1]), values).unwrap();
        Self {
            words: words(&format!("{model}/vocab.json")),
            embedding,
        }
    }

    fn table(&self) -> EmbeddingTable<'_> {
        EmbeddingTable::new(&self.words, self.embedding.view()).unwrap()
    }
}

fn vectors(name: &str) -> WordVectors {
    WordVectors::read(
        &reference(name),
        &WordSelection::all(),
        &ReadOptions::default(),
    )
    .unwrap()
}

/// Fails with the largest difference and its position.
fn assert_close<A, B, D>(what: &str, found: ArrayView<'_, A, D>, expected: ArrayView<'_, B, D>)
where
    A: Copy + Into<f64>,
    B: Copy + Into<f64>,
    D: ndarray::Dimension,
{
    assert_eq!(found.shape(), expected.shape(), "{what}");
    let differences = found
        .iter()
        .zip(&expected)
        .map(|(&a, &b)| (a.into(), b.into()));
    let (at, (a, b)) = differences
        .enumerate()
        .max_by(|(_, (a, b)), (_, (c, d))| (a - b).abs().total_cmp(&(c - d).abs()))
        .unwrap();
    assert!(
        (a - b).abs() <= TOLERANCE,
        "{what}: element {at}: found {a}, expected {b}"
    );
}

#[test]
fn coefficients_and_intercept() {
    let vectors = vectors("glove-tiny.txt");
    // R² and the mean residual are from scikit-learn. The vectors were generated for the first
    // model.
    for (model, r_squared, residual) in [
        ("tiny-1layer", 0.707_861_7, 0.308_548_5),
        ("tiny-2layer", 0.065_178_6, 0.558_271_8),
    ] {
        let encoder = Encoder::open(model);
        let map =
            VocabularyMap::fit_tables(&encoder.table(), &vectors, &FitOptions::default()).unwrap();
        let linear = map.linear();
        let coefficients = matrix(&format!("{model}/expected/lreg_coef.npy"));
        let intercept = reference(&format!("{model}/expected/lreg_intercept.npy"));
        let intercept = Array1::<f32>::read_npy(File::open(intercept).unwrap()).unwrap();
        assert_close("coefficients", linear.coefficients(), coefficients.view());
        assert_close("intercept", linear.intercept(), intercept.view());

        let report = linear.report();
        assert_eq!((report.overlap.words, report.overlap.shared), (504, 300));
        assert_eq!((report.dimensions, report.width, report.rank), (20, 24, 20));
        assert_eq!(report.solver, Solver::NormalEquations);
        assert!(
            (report.mean_r_squared() - r_squared).abs() < 1e-6,
            "{report}"
        );
        assert!(
            (report.residual.iter().sum::<f64>() / 24.0 - residual).abs() < 1e-6,
            "{report}"
        );
        assert!(
            (report.condition.unwrap() - 7.254_67).abs() < 1e-3,
            "{report}"
        );
    }
}

#[test]
fn every_row_of_both_expansions() {
    let vectors = vectors("glove-tiny.txt");
    let task_words = words("task_vocab.json");
    let id2word = words("task_id2word.json");
    for model in ["tiny-1layer", "tiny-2layer"] {
        let encoder = Encoder::open(model);
        let map =
            VocabularyMap::fit_tables(&encoder.table(), &vectors, &FitOptions::default()).unwrap();
        let expansion = map.expand_table(&encoder.table(), &task_words).unwrap();
        assert_eq!(expansion.words, id2word);
        let expected = matrix(&format!("{model}/expected/expanded_embedding.npy"));
        assert_close(
            "expanded_embedding",
            expansion.embedding.view(),
            expected.view(),
        );
        let report = &expansion.report;
        assert_eq!(
            (report.kept, report.mapped, report.unknown),
            (318, 267, 37),
            "{report}"
        );

        // The rows of kept and unknown words are exactly the encoder's.
        let own = |word: &str| encoder.words.iter().position(|w| w == word);
        for (id, word) in expansion.words.iter().enumerate() {
            if let Some(row) = own(word) {
                assert_eq!(
                    expansion.embedding.row(id),
                    encoder.embedding.row(row),
                    "{word}"
                );
            } else if vectors.get(word).is_none() {
                assert_eq!(
                    expansion.embedding.row(id),
                    encoder.embedding.row(3),
                    "{word}"
                );
            }
        }

        // A second expansion starts from the encoder's original words.
        let second = map
            .expand_table(&encoder.table(), &task_words[..100])
            .unwrap();
        assert_eq!(second.words, id2word[..104]);
        if model == "tiny-1layer" {
            let expected = matrix("tiny-1layer/expected/exp2_embedding.npy");
            assert_close("exp2_embedding", second.embedding.view(), expected.view());
        }
    }
}

#[test]
fn a_saved_map_serves_words_never_seen() {
    let encoder = Encoder::open("tiny-1layer");
    let shared_only = WordSelection::of(&encoder.words);
    let at_fit = WordVectors::read(
        &reference("glove-tiny.txt"),
        &shared_only,
        &ReadOptions::default(),
    )
    .unwrap();
    assert_eq!(at_fit.len(), 300);
    let fitted =
        VocabularyMap::fit_tables(&encoder.table(), &at_fit, &FitOptions::default()).unwrap();

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("map.safetensors");
    fitted.linear().save(&path).unwrap();
    let bytes = fs::read(&path).unwrap();
    fitted.linear().save(&path).unwrap();
    assert_eq!(
        bytes,
        fs::read(&path).unwrap(),
        "the same map gives the same bytes"
    );
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        1,
        "no scratch file is left"
    );

    let loaded = LinearMap::load(&path).unwrap();
    assert_eq!(&loaded, fitted.linear());
    let later = vectors("glove-tiny.txt");
    let map = VocabularyMap::new(loaded, &later).unwrap();
    let expansion = map
        .expand_table(&encoder.table(), words("task_vocab.json"))
        .unwrap();
    let expected = matrix("tiny-1layer/expected/expanded_embedding.npy");
    assert_close(
        "expanded_embedding",
        expansion.embedding.view(),
        expected.view(),
    );
}

#[test]
fn text_keeps_unusual_words_and_the_last_of_repeated_ones() {
    let vectors = vectors("glove-tiny.txt");
    let report = vectors.report();
    assert_eq!(
        (
            report.rows,
            report.kept,
            report.duplicates,
            report.dimensions
        ),
        (2002, 2000, 2, 20),
        "{report}"
    );
    for blank in ['\u{a0}', '\u{85}', '\u{2003}'] {
        let words = vectors.words();
        assert!(
            words
                .iter()
                .any(|word| word.contains(blank) && word.chars().count() > 1),
            "a word with {blank:?}"
        );
    }
    // The last row of a repeated word, read independently.
    let text = fs::read_to_string(reference("glove-tiny.txt")).unwrap();
    for duplicate in &report.duplicate_examples {
        let row = text.split('\n').nth(duplicate.line as usize - 1).unwrap();
        let fields: Vec<&str> = row.split(' ').collect();
        assert_eq!(fields[0], duplicate.word);
        let numbers: Vec<f32> = fields[1..]
            .iter()
            .map(|field| field.parse().unwrap())
            .collect();
        assert_eq!(vectors.get(&duplicate.word).unwrap().to_vec(), numbers);
    }
}

#[cfg(feature = "hdf5")]
#[test]
fn hdf5_holds_the_same_vectors() {
    let text = vectors("glove-tiny.txt");
    let hdf5 = vectors("glove-tiny.h5");
    assert_eq!(hdf5.words(), text.words());
    assert_eq!(hdf5.matrix(), text.matrix());
    assert_eq!(hdf5.report().duplicates, 2);
    let selection = WordSelection::of(&text.words()[7..9]);
    let some = WordVectors::read(
        &reference("glove-tiny.h5"),
        &selection,
        &ReadOptions::default(),
    )
    .unwrap();
    assert_eq!(some.words(), &text.words()[7..9]);
}
