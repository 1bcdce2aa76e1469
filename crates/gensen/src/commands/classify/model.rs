//! Classifier files.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use gensen_data::{scratch, text};
use gensen_eval::classify::LinearClassifier;
use serde::{Deserialize, Serialize};

use super::super::encoding::{EncodingArguments, ModelPlace};

/// The format version written, and the only one supported.
const FORMAT_VERSION: u64 = 1;
/// The size limit of a classifier file, in bytes.
const MAX_BYTES: u64 = 1 << 30;

/// The identity of an encoder: everything its vectors depend on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EncoderRecord {
    /// The SHA-256 of each model's configuration, weights and vocabulary.
    models_sha256: Vec<String>,
    options: String,
}

impl EncoderRecord {
    pub(super) fn of(encoding: &EncodingArguments, places: &[ModelPlace]) -> Result<Self> {
        let models = places.iter().map(|place| place.sha256(false));
        Ok(Self {
            models_sha256: models.collect::<Result<_>>()?,
            options: encoding.described(),
        })
    }
}

/// A classifier, and the encoder of its vectors.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ClassifierFile {
    format_version: u64,
    encoder: EncoderRecord,
    /// The accuracy in percent on held-out sentences.
    accuracy: f64,
    /// The number of training sentences.
    examples: usize,
    classifier: LinearClassifier,
}

impl ClassifierFile {
    pub(super) fn new(
        encoder: EncoderRecord,
        accuracy: f64,
        examples: usize,
        classifier: LinearClassifier,
    ) -> Self {
        Self {
            format_version: FORMAT_VERSION,
            encoder,
            accuracy,
            examples,
            classifier,
        }
    }

    pub(super) fn classifier(&self) -> &LinearClassifier {
        &self.classifier
    }

    /// Writes the file atomically.
    pub(super) fn write(&self, place: &Path) -> Result<()> {
        let mut json = serde_json::to_vec(self)?;
        json.push(b'\n');
        scratch::write_file(place, |file| file.write_all(&json))
            .with_context(|| place.display().to_string())
    }

    /// Reads and validates a file.
    pub(super) fn read(place: &Path) -> Result<Self> {
        /// The only field common to all versions.
        #[derive(Deserialize)]
        struct Versioned {
            format_version: u64,
        }
        let context = || place.display().to_string();
        let json = text::bytes(place, MAX_BYTES).with_context(context)?;
        let no_classifier = || {
            format!(
                "{}: not a classifier of `gensen classify train`",
                place.display()
            )
        };
        let found: Versioned = serde_json::from_slice(&json).with_context(no_classifier)?;
        if found.format_version != FORMAT_VERSION {
            bail!(
                "{}: format version {}, expected {FORMAT_VERSION}",
                place.display(),
                found.format_version
            );
        }
        let file: Self = serde_json::from_slice(&json).with_context(no_classifier)?;
        file.classifier.check().with_context(context)?;
        Ok(file)
    }

    /// Checks that the classifier was trained on this encoder's vectors.
    pub(super) fn check(&self, encoder: &EncoderRecord) -> Result<()> {
        ensure!(
            self.encoder.models_sha256 == encoder.models_sha256,
            "it was trained on another model's vectors; name that model with --model"
        );
        let (trained, found) = (&self.encoder.options, &encoder.options);
        ensure!(
            trained == found,
            "it was trained with other options: {trained}; now {found}"
        );
        Ok(())
    }
}
