//! Model folders: round trips and errors.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may panic"
)]

mod weights_support;

use std::fs;
use std::path::Path;

use gensen_data::vocabulary::Vocabulary;
use gensen_encode::UnknownWords;
use gensen_encode::model_folder::{
    ModelConfig, ModelFolder, ModelFolderError, Pooling, Provenance, RunDigests, Score,
    TrainingData,
};
use gensen_encode::weights::{EncoderState, StoredPrecision};
use weights_support::{Random, tensors, vocabulary, with_causes};

fn model() -> ModelFolder {
    let weights = EncoderState::new(tensors("tiny-1layer/tiny-1layer.safetensors")).unwrap();
    let mut config = ModelConfig::new(
        &weights,
        Provenance {
            name: "tiny".into(),
            description: "An encoder for tests.".into(),
            data: vec![TrainingData {
                name: "Templates | lists".into(),
                task: "translation".into(),
                licence: "CC0".into(),
            }],
            steps: Some(12),
            scores: vec![Score {
                task: "TREC test".into(),
                metric: "accuracy, %".into(),
                value: 92.5,
            }],
            run: Some(RunDigests {
                configuration: "c0ffee".into(),
                checkpoint: "decade".into(),
            }),
        },
    );
    config.pooling = Pooling::MaxPadded;
    config.tokenizer = "moses+no-escape".into();
    ModelFolder::new(
        config,
        Vocabulary::from_words(vocabulary()).unwrap(),
        weights,
    )
    .unwrap()
}

fn message(result: Result<ModelFolder, ModelFolderError>) -> String {
    with_causes(&result.expect_err("it was opened"))
}

/// The sorted names in a folder.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn what_is_written_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("models/tiny");
    let model = model();
    model.write(&place, StoredPrecision::F32).unwrap();
    assert_eq!(
        names(&place),
        ["README.md", "config.json", "model.safetensors", "vocab.txt"]
    );
    let again = ModelFolder::open(&place).unwrap();
    assert_eq!(again.config(), model.config());
    assert_eq!(again.vocabulary(), model.vocabulary());
    assert_eq!(again.weights().precision(), StoredPrecision::F32);
    for (name, tensor) in again.weights().tensors() {
        assert_eq!(
            tensor.values(),
            model.weights().tensors()[name].values(),
            "{name}"
        );
    }
    // Overwrites the folder while it is mapped.
    again.write(&place, StoredPrecision::F16).unwrap();
    assert_eq!(
        ModelFolder::open(&place).unwrap().weights().precision(),
        StoredPrecision::F16
    );
    assert_eq!(
        names(place.parent().unwrap()),
        ["tiny"],
        "no scratch folder is left"
    );
    let size = |name| fs::metadata(place.join(name)).unwrap().len();
    assert!(size("model.safetensors") < 93_696 / 2 + 1500);
}

#[cfg(unix)]
#[test]
fn others_may_read_what_is_written() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("tiny");
    model().write(&place, StoredPrecision::F32).unwrap();
    let usual = folder.path().join("usual");
    fs::write(&usual, "").unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for name in names(&place) {
        assert_eq!(mode(&place.join(&name)), mode(&usual), "{name}");
    }
}

#[test]
fn the_card_says_what_a_stranger_must_know() {
    let card = |config: ModelConfig| {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("tiny");
        let (_, vocabulary, weights) = model().into_parts();
        let model = ModelFolder::new(config, vocabulary, weights).unwrap();
        model.write(&place, StoredPrecision::F16).unwrap();
        fs::read_to_string(place.join("README.md")).unwrap()
    };
    let config = model().config().clone();
    let text = card(config.clone());
    for part in [
        "# tiny\n",
        "An encoder for tests.",
        "gensen embed --model DIR",
        "vectors of 64 numbers",
        "`moses+no-escape`",
        "`max-padded`",
        "| words | 504 |",
        "| weights | f16 |",
        "| training steps | 12 |",
        "| SHA-256 of the run's config.toml | c0ffee |",
        "| SHA-256 of the run's checkpoint manifest.json | decade |",
        "| Templates \\| lists | translation | CC0 |",
        "| TREC test | accuracy, % | 92.5 |",
        "every other word is `<unk>` until",
    ] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }

    let mut config = config;
    config.unknown_words = UnknownWords::Spelling;
    let first = config.provenance.data[0].clone();
    config.provenance.data.push(TrainingData {
        name: "Novels".into(),
        ..first
    });
    let text = card(config.clone());
    for part in [
        "| Templates \\| lists | translation |\n| Novels | translation |\n\nLicence of all: CC0\n\n",
        "with the most similar spelling until",
    ] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
    config.provenance.data[1].licence = "none".into();
    let text = card(config);
    let rows = "| Templates \\| lists | translation | CC0 |\n| Novels | translation | none |\n";
    assert!(text.contains(rows), "{text}");
}

#[test]
fn only_a_model_folder_is_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let refuse = |place: &Path, reason: &str| {
        let before = fs::metadata(place).unwrap().is_dir().then(|| names(place));
        let found = model()
            .write(place, StoredPrecision::F32)
            .unwrap_err()
            .to_string();
        assert!(
            found.contains(reason) && found.contains("not overwritten"),
            "{found}"
        );
        assert_eq!(
            before,
            fs::metadata(place).unwrap().is_dir().then(|| names(place))
        );
    };
    let file = folder.path().join("file");
    fs::write(&file, "precious").unwrap();
    refuse(&file, "it is not a folder");
    assert_eq!(fs::read(&file).unwrap(), b"precious");

    let notes = folder.path().join("notes");
    fs::create_dir(&notes).unwrap();
    model().write(&notes, StoredPrecision::F32).unwrap();
    fs::write(notes.join("notes.txt"), "precious").unwrap();
    refuse(&notes, "it holds `notes.txt`");

    let project = folder.path().join("project");
    fs::create_dir(&project).unwrap();
    fs::write(project.join("README.md"), "precious").unwrap();
    refuse(&project, "it has no config.json");
    assert_eq!(names(folder.path()), ["file", "notes", "project"]);
}

#[test]
fn parts_that_disagree_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("tiny");
    let (config, vocabulary, weights) = model().into_parts();

    let fewer = Vocabulary::from_words(vocabulary.words().take(503)).unwrap();
    let found = message(ModelFolder::new(config.clone(), fewer, weights.clone()));
    assert!(
        found.contains("503 words") && found.contains("504 rows"),
        "{found}"
    );

    let change = |change: fn(&mut ModelConfig)| {
        let mut config = config.clone();
        change(&mut config);
        message(ModelFolder::new(
            config,
            vocabulary.clone(),
            weights.clone(),
        ))
    };
    for (found, expected) in [
        (
            change(|c| c.architecture.layers = 2),
            "`layers` is 2, but the weights have 1",
        ),
        (
            change(|c| c.architecture.hidden_size = 32),
            "`hidden_size` is 32, but the weights have 64",
        ),
        (
            change(|c| c.architecture.bidirectional = false),
            "`bidirectional` is false",
        ),
        (
            change(|c| c.architecture.embedding_size = 0),
            "`embedding_size` is 0",
        ),
        (
            change(|c| c.architecture.vocabulary_size = 505),
            "`vocabulary_size` is 505",
        ),
        (
            change(|c| c.tokenizer = "spacy".into()),
            "unknown tokenizer `spacy`: expected one of whitespace",
        ),
        (change(|c| c.format_version = 0), "`format_version` is 0"),
        (
            change(|c| c.provenance.scores[0].value = f64::NAN),
            "`provenance.scores` is NaN",
        ),
    ] {
        assert!(found.contains(expected), "{expected}: {found}");
    }

    model().write(&place, StoredPrecision::F32).unwrap();
    let words = fs::read_to_string(place.join("vocab.txt")).unwrap();
    let with_words = |text: &str| {
        fs::write(place.join("vocab.txt"), text).unwrap();
        message(ModelFolder::open(&place))
    };
    assert!(with_words(&(words.clone() + "one-more\n")).contains("505 words"));
    assert!(with_words(&words.replacen("\nthe\n", "\n.\n", 1)).contains("vocab.txt, line 6"));
    assert!(
        with_words(&words.replacen("\nthe\n", "\n\n", 1))
            .contains("vocab.txt, line 6: a blank line")
    );
    assert!(with_words(&words.replacen("<pad>", "pad", 1)).contains("vocab.txt, line 2"));
    fs::write(place.join("vocab.txt"), b"<s>\n<pad>\n</s>\n<unk>\n\xff\n").unwrap();
    assert!(message(ModelFolder::open(&place)).contains("vocab.txt, line 5: invalid UTF-8"));
}

#[test]
fn configurations_are_read_strictly() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("tiny");
    model().write(&place, StoredPrecision::F32).unwrap();
    let json = fs::read_to_string(place.join("config.json")).unwrap();
    let with = |json: &str| {
        fs::write(place.join("config.json"), json).unwrap();
        message(ModelFolder::open(&place))
    };
    let newer = json.replace(
        "\"format_version\": 1",
        "\"format_version\": 2, \"novelty\": true",
    );
    for (found, expected) in [
        (
            with(&newer),
            "format version 2, expected at most 1: it was written by a newer release",
        ),
        (
            with(&json.replace("\"lowercase\"", "\"uppercase\"")),
            "unknown field `uppercase`",
        ),
        (
            with(&json.replace("\"layers\"", "\"storeys\"")),
            "unknown field `storeys`",
        ),
        (
            with(&json.replace("\"max-padded\"", "\"median\"")),
            "unknown variant `median`",
        ),
        (
            with(&json.replace("\"lowercase\": false,", "")),
            "missing field `lowercase`",
        ),
        (
            with(&json.replace("\"format_version\": 1,", "")),
            "missing field `format_version`",
        ),
        (with("{\"format_version\": -1}"), "invalid value"),
        (with(&json[..json.len() / 2]), "EOF"),
        (with(""), "EOF"),
        (with(&"[".repeat(100_000)), "config.json"),
        (
            with(&" ".repeat(9 << 20)),
            "9437184 bytes, expected at most 8388608",
        ),
    ] {
        assert!(
            found.contains(expected) && found.contains("config.json"),
            "{expected}: {found}"
        );
    }
}

#[test]
fn folders_that_lack_something_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("tiny");
    assert!(message(ModelFolder::open(&place)).contains("tiny"));
    for name in ["config.json", "model.safetensors", "vocab.txt"] {
        model().write(&place, StoredPrecision::F32).unwrap();
        fs::remove_file(place.join(name)).unwrap();
        let found = message(ModelFolder::open(&place));
        assert!(
            found.contains(&format!("is not a model folder: it has no {name}")),
            "{found}"
        );
        fs::remove_dir_all(&place).unwrap();
    }
    fs::write(&place, "").unwrap();
    assert!(message(ModelFolder::open(&place)).contains("not a folder"));
}

#[test]
fn damaged_weights_never_panic_and_are_never_taken_for_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("tiny");
    model().write(&place, StoredPrecision::F16).unwrap();
    let weights = place.join("model.safetensors");
    let original = fs::read(&weights).unwrap();
    let header = 8 + usize::from(original[0]) + 256 * usize::from(original[1]);
    let mut random = Random(7);
    for _ in 0..500 {
        let mut bytes = original.clone();
        bytes[random.below(header)] ^= 1 << random.below(8);
        fs::write(&weights, &bytes).unwrap();
        if let Ok(model) = ModelFolder::open(&place) {
            assert_eq!(model.weights().vocabulary_size(), 504);
        }
    }
    // A NaN: the error names the tensor, the position and the file.
    let mut bytes = original.clone();
    let end = bytes.len();
    bytes[end - 2..].copy_from_slice(&0x7e00u16.to_le_bytes());
    fs::write(&weights, &bytes).unwrap();
    let found = message(ModelFolder::open(&place));
    assert!(
        found.contains(
            "model.safetensors: tensor `src_embedding.weight` holds NaN at index [503, 23]"
        ),
        "{found}"
    );
    // In a folder opened lazily, it is an error only when the word is read.
    let model = ModelFolder::open_lazily(&place).unwrap();
    let mut row = [0.0; 24];
    model.weights().embedding_row(502, &mut row).unwrap();
    assert_eq!(
        row,
        self::model().weights().embedding().values()[502 * 24..503 * 24]
            .iter()
            .map(|&x| half::f16::from_f32(x).to_f32())
            .collect::<Vec<_>>()[..]
    );
    let found = model
        .weights()
        .embedding_row(503, &mut row)
        .unwrap_err()
        .to_string();
    assert!(found.contains("holds NaN at index [503, 23]"), "{found}");
    let found = model
        .weights()
        .embedding_row(504, &mut row)
        .unwrap_err()
        .to_string();
    assert!(
        found.contains("has shape [504, 24], expected a row 504 of 24 values"),
        "{found}"
    );
    // All other tensors are checked when the folder is opened.
    let mut bytes = original;
    bytes[end - 504 * 24 * 2 - 2..][..2].copy_from_slice(&0x7c00u16.to_le_bytes());
    fs::write(&weights, &bytes).unwrap();
    let found = message(ModelFolder::open_lazily(&place));
    assert!(
        found.contains("tensor `encoder.weight_ih_l0_reverse` holds inf"),
        "{found}"
    );
}
