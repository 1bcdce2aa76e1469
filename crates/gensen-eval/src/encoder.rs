//! GenSen's encoders as [`Embedder`]s.

use std::collections::{BTreeMap, BTreeSet};

use gensen_encode::model_folder::ModelConfig;
use gensen_encode::{ConcatEncoder, Coverage, EncodeOptions, Pooling, SentenceEncoder};
use gensen_expand::{VocabularyMap, WordVectors};
use ndarray::Array2;

use crate::embedder::{Embedder, EmbedderError, EmbedderInfo, Identity, Role};

/// A [`ConcatEncoder`] as an [`Embedder`].
///
/// Sentences are split at the blanks of the task's files, as in SentEval. With word vectors, the vocabulary is extended
/// for each task, as the reference implementation does.
///
/// ```no_run
/// use gensen_eval::{EncoderEmbedder, EvalOptions, evaluate, markdown, tasks};
/// use gensen_encode::{ConcatEncoder, SentenceEncoder};
///
/// let encoder = SentenceEncoder::load("models/nli_large")?;
/// let mut embedder = EncoderEmbedder::new("nli_large", ConcatEncoder::new(vec![encoder])?);
/// let options = EvalOptions::new("data/senteval", tasks::select(&["MR", "STS-B"])?);
/// let report = evaluate(&mut embedder, &options, &|_| ())?;
/// println!("{}", markdown(&[report]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct EncoderEmbedder<'v> {
    encoder: ConcatEncoder,
    /// One for each encoder, if there are word vectors.
    maps: Vec<VocabularyMap<'v>>,
    /// The encoder with the current task's words.
    expanded: Option<ConcatEncoder>,
    options: EncodeOptions,
    /// Coverage of the current task's sentences.
    coverage: Coverage,
    info: EmbedderInfo,
}

impl<'v> EncoderEmbedder<'v> {
    /// The encoder with its own vocabulary; `name` is for reports.
    pub fn new(name: impl Into<String>, encoder: ConcatEncoder) -> Self {
        let mut identity = Identity::default();
        let mut details = BTreeMap::from([(
            "tokeniser".to_owned(),
            "whitespace: the tasks' own words".to_owned(),
        )]);
        for (k, one) in (1..).zip(encoder.encoders()) {
            let hash = fingerprint(one);
            identity.add(hash.as_bytes());
            identity.add(one.engine().arithmetic().as_bytes());
            let sizes = &one.model().config().architecture;
            let directions = if sizes.bidirectional { 2 } else { 1 };
            let steps = one.model().config().provenance.steps;
            let steps = steps.map_or(String::new(), |steps| format!(", {steps} steps"));
            let about = format!(
                "{} words, {} wide, layers {}, directions {directions}{steps}; SHA-256 {hash}",
                sizes.vocabulary_size, sizes.hidden_size, sizes.layers,
            );
            details.insert(format!("encoder {k}"), about);
        }
        Self {
            encoder,
            maps: Vec::new(),
            expanded: None,
            options: EncodeOptions::default()
                .tokenizer("whitespace")
                .lowercase(false),
            coverage: Coverage::default(),
            info: EmbedderInfo {
                name: name.into(),
                role: Role::Model,
                identity: identity.finish(),
                details,
            },
        }
    }

    /// Sets its role in a comparison; [`Role::Model`] by default.
    #[must_use]
    pub fn role(mut self, role: Role) -> Self {
        self.info.role = role;
        self
    }

    /// Sentences per batch; changes vectors only with `max-padded`.
    #[must_use]
    pub fn batch_size(mut self, batch_size: usize) -> Self {
        self.options = self.options.batch_size(batch_size);
        self
    }

    /// Extends the vocabulary for each task with word vectors; `source` identifies them, for example by a hash of their
    /// file.
    ///
    /// # Errors
    ///
    /// As [`VocabularyMap::fit`].
    pub fn vectors(self, vectors: &'v WordVectors, source: &str) -> Result<Self, EmbedderError> {
        let encoders = self.encoder.encoders().iter();
        let maps = encoders.map(|encoder| VocabularyMap::fit(encoder, vectors));
        let maps = maps.collect::<Result<_, _>>()?;
        Ok(self.maps(maps, source))
    }

    /// As [`vectors`](Self::vectors), with a fitted map for each encoder.
    #[must_use]
    pub fn maps(mut self, maps: Vec<VocabularyMap<'v>>, source: &str) -> Self {
        let mut identity = Identity::default();
        identity.add(self.info.identity.as_bytes());
        identity.add(source.as_bytes());
        for map in &maps {
            let linear = map.linear();
            for number in linear.coefficients().iter().chain(linear.intercept()) {
                identity.add(&number.to_le_bytes());
            }
        }
        self.maps = maps;
        self.info.identity = identity.finish();
        self.info
            .details
            .insert("word vectors".to_owned(), source.to_owned());
        self
    }
}

impl Embedder for EncoderEmbedder<'_> {
    fn info(&self) -> EmbedderInfo {
        self.info.clone()
    }

    fn identity(&self, pooling: Pooling) -> String {
        let Self {
            // Both are in the information's identity.
            encoder: _,
            maps: _,
            // The task's words, which are in the key of the task.
            expanded: _,
            options,
            coverage: _,
            info,
        } = self;
        format!("{}; {}", info.identity, options.key(pooling))
    }

    fn caution(&self) -> Option<String> {
        self.coverage.is_poor().then(|| self.coverage.to_string())
    }

    fn prepare(&mut self, words: &BTreeSet<&str>) -> Result<(), EmbedderError> {
        self.coverage = Coverage::default();
        if self.maps.is_empty() || words.is_empty() {
            return Ok(());
        }
        let pairs = self.encoder.encoders().iter().zip(&self.maps);
        let encoders = pairs.map(|(encoder, map)| map.expand(encoder.clone(), words));
        self.expanded = Some(ConcatEncoder::new(encoders.collect::<Result<_, _>>()?)?);
        Ok(())
    }

    fn embed(
        &mut self,
        sentences: &[String],
        pooling: Pooling,
    ) -> Result<Array2<f32>, EmbedderError> {
        let encoder = self.expanded.as_ref().unwrap_or(&self.encoder);
        let options = self.options.clone().pooling(pooling);
        let encoded = encoder.encode_ragged(sentences, &options, false, &mut |_| {})?;
        self.coverage += encoded.coverage;
        Ok(encoded.vectors)
    }
}

/// The one pooling that all encoders were trained with; `None` if they differ, and for `last`: the reference's released
/// models have that only because their decoders start from it.
pub fn own_pooling(encoders: &[SentenceEncoder]) -> Option<Pooling> {
    let mut poolings = encoders
        .iter()
        .map(|encoder| encoder.model().config().pooling);
    let first = poolings.next()?;
    (first != Pooling::Last && poolings.all(|pooling| pooling == first)).then_some(first)
}

/// A hash of everything an encoder's vectors depend on besides the options here: words, weights and their names, and the
/// reading of unknown words.
fn fingerprint(encoder: &SentenceEncoder) -> String {
    let ModelConfig {
        format_version: _,
        // The shapes of the weights.
        architecture: _,
        // The options set these.
        pooling: _,
        tokenizer: _,
        lowercase: _,
        unknown_words,
        provenance: _,
        ranges: _,
    } = encoder.model().config();
    let mut identity = Identity::default();
    identity.add(unknown_words.name().as_bytes());
    for word in encoder.vocabulary().words() {
        identity.add(word.as_bytes());
    }
    for (name, tensor) in encoder.model().weights().tensors() {
        identity.add(name.as_bytes());
        identity.add_numbers(&tensor.values());
    }
    identity.finish()
}

#[cfg(test)]
mod tests {
    use gensen_data::vocabulary::Vocabulary;
    use gensen_encode::model_folder::{ModelFolder, Provenance};
    use gensen_encode::weights::{EncoderState, Tensor, TensorMap};
    use gensen_encode::{EncoderPrecision, UnknownWords};

    use super::*;

    fn model() -> ModelFolder {
        let mut tensors = TensorMap::new();
        for (name, shape) in [
            ("src_embedding.weight", vec![5, 2]),
            ("encoder.weight_ih_l0", vec![6, 2]),
            ("encoder.weight_hh_l0", vec![6, 2]),
            ("encoder.bias_ih_l0", vec![6]),
            ("encoder.bias_hh_l0", vec![6]),
        ] {
            let values = vec![0.5; shape.iter().product()];
            tensors.insert(name.to_owned(), Tensor::new(shape, values).expect("fits"));
        }
        let weights = EncoderState::new(tensors).expect("an encoder");
        let config = ModelConfig::new(&weights, Provenance::default());
        let words = Vocabulary::SPECIAL.into_iter().chain(["word"]);
        let vocabulary = Vocabulary::from_words(words).expect("words");
        ModelFolder::new(config, vocabulary, weights).expect("a model")
    }

    #[test]
    fn kept_vectors_are_told_apart_by_what_computed_them() {
        let identity = |precision, unknown_words| {
            let (mut config, vocabulary, weights) = model().into_parts();
            config.unknown_words = unknown_words;
            let model = ModelFolder::new(config, vocabulary, weights).expect("a model");
            let encoder = SentenceEncoder::new_with(model, precision).expect("an encoder");
            let encoders = ConcatEncoder::new(vec![encoder]).expect("one encoder");
            EncoderEmbedder::new("m", encoders).identity(Pooling::Max)
        };
        let f32s = identity(EncoderPrecision::F32, UnknownWords::Unk);
        assert_eq!(f32s, identity(EncoderPrecision::F32, UnknownWords::Unk));
        assert_ne!(f32s, identity(EncoderPrecision::F16, UnknownWords::Unk));
        assert_ne!(f32s, identity(EncoderPrecision::I8, UnknownWords::Unk));
        assert_ne!(
            f32s,
            identity(EncoderPrecision::F32, UnknownWords::Spelling)
        );
    }
}
