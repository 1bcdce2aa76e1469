//! Starts a run from a trained model: its encoder and vocabulary, extended by words of the corpora.

use std::path::PathBuf;

use burn::tensor::{Tensor, TensorData};
use gensen_data::prepare::{DataOptions, PreparedData};
use gensen_data::vocabulary::Vocabulary;
use gensen_expand::{
    EmbeddingTable, FitOptions, ReadOptions, VocabularyMap, WordSelection, WordVectors,
};
use gensen_model::model_folder::{Architecture, ModelFolder};
use gensen_model::parameters::{self, ParameterMapper};
use gensen_model::{ModelError, MultitaskModel};
use ndarray::Array2;

use crate::config::Config;
use crate::error::TrainError;

/// The parameter name of the source embedding.
const EMBEDDING: &str = "src_embedding.weight";

/// The model that a run starts from.
#[derive(Debug)]
pub struct StartModel {
    path: PathBuf,
    folder: ModelFolder,
}

impl StartModel {
    /// Opens the model that `run.start_from` names, if any.
    ///
    /// # Errors
    ///
    /// A folder that is not a model folder, or a model whose architecture differs from the
    /// configuration's.
    pub fn open(config: &Config) -> Result<Option<Self>, TrainError> {
        let Some(path) = &config.run.start_from else {
            return Ok(None);
        };
        let path = config.run.data.join(path);
        let folder = ModelFolder::open(&path)?;
        let start = Self { path, folder };
        start.check_architecture(config)?;
        for (key, of_model, of_run) in start.wording(config) {
            if of_model != of_run {
                tracing::warn!(
                    "{key} is {of_run}, and {of_model} in {}: the run tokenises differently from the \
                     model",
                    start.path.display()
                );
            }
        }
        Ok(Some(start))
    }

    fn check_architecture(&self, config: &Config) -> Result<(), TrainError> {
        let (model, found) = (&config.model, Architecture::of(self.folder.weights()));
        let text = |value: &dyn ToString| value.to_string();
        for (key, configured, found) in [
            (
                "embedding_size",
                text(&model.embedding_size),
                text(&found.embedding_size),
            ),
            (
                "hidden_size",
                text(&model.hidden_size),
                text(&found.hidden_size),
            ),
            ("layers", text(&model.layers), text(&found.layers)),
            (
                "bidirectional",
                text(&model.bidirectional),
                text(&found.bidirectional),
            ),
        ] {
            if configured != found {
                return Err(self.unfit(&format!(
                    "model.{key} is {configured}, and {found} in the model: expected the same"
                )));
            }
        }
        Ok(())
    }

    /// The model does not fit the run.
    fn unfit(&self, problem: &str) -> TrainError {
        let origin = format!("run.start_from = \"{}\"", self.path.display());
        TrainError::config(origin, problem)
    }

    /// The tokenisation of the model and of the run.
    fn wording(&self, config: &Config) -> [(&'static str, String, String); 2] {
        let (model, run) = (self.folder.config(), &config.vocabulary);
        [
            (
                "vocabulary.tokenizer",
                model.tokenizer.clone(),
                run.tokenizer.clone(),
            ),
            (
                "vocabulary.lowercase",
                model.lowercase.to_string(),
                run.lowercase.to_string(),
            ),
        ]
    }

    /// `options` with the model's words at the beginning of the source vocabulary.
    #[must_use]
    pub fn data_options(&self, options: DataOptions) -> DataOptions {
        DataOptions {
            first_words: self.folder.vocabulary().words().map(Into::into).collect(),
            ..options
        }
    }

    /// Replaces the encoder of `model` with this model's. New words get embeddings by the linear
    /// map if `vocabulary.word_vectors` has them, and else keep those of `model`.
    pub(crate) fn give(
        &self,
        model: MultitaskModel,
        config: &Config,
        data: &PreparedData,
    ) -> Result<MultitaskModel, TrainError> {
        let vocabulary = &data.source_vocabulary;
        let own = self.folder.vocabulary();
        let differs = own
            .words()
            .zip(vocabulary.words())
            .find(|(own, of_run)| own != of_run);
        if differs.is_some() || vocabulary.len() < own.len() {
            return Err(self.unfit(
                "the data were prepared without the model's words; prepare them with \
                 StartModel::data_options",
            ));
        }
        let mapped = self.mapped(config, vocabulary)?;
        let mut give = Give {
            start: self,
            mapped,
            error: None,
        };
        let model = parameters::map(model, &mut give);
        give.error.map_or(Ok(model), Err)
    }

    /// Ids and embeddings of new words by the linear map.
    fn mapped(
        &self,
        config: &Config,
        vocabulary: &Vocabulary,
    ) -> Result<Vec<(usize, Vec<f32>)>, TrainError> {
        let own = self.folder.vocabulary();
        let new = || vocabulary.words().enumerate().skip(own.len());
        let Some(path) = config
            .vocabulary
            .word_vectors
            .as_ref()
            .filter(|_| new().len() > 0)
        else {
            tracing::info!("{} words of {}", own.len(), self.path.display());
            return Ok(Vec::new());
        };
        let wanted = WordSelection::of(vocabulary.words());
        let path = config.run.data.join(path);
        let vectors = WordVectors::read(&path, &wanted, &ReadOptions::default())?;
        let embedding = self.embedding()?;
        let table = EmbeddingTable::new(own.words(), embedding.view())?;
        let map = VocabularyMap::fit_tables(&table, &vectors, &FitOptions::default())?;
        let known = new().filter(|(_, word)| vectors.position(word).is_some());
        let (ids, words): (Vec<usize>, Vec<&str>) = known.unzip();
        tracing::info!(
            "{} words of {}; of {} new words {} have embeddings by the linear map",
            own.len(),
            self.path.display(),
            new().len(),
            ids.len()
        );
        if words.is_empty() {
            return Ok(Vec::new());
        }
        let expansion = map.expand_table(&table, words)?;
        // The first four rows are the special words.
        let rows = expansion.embedding.rows().into_iter().skip(4);
        Ok(ids.into_iter().zip(rows.map(|row| row.to_vec())).collect())
    }

    /// The model's word embeddings, `[words, width]`.
    fn embedding(&self) -> Result<Array2<f32>, TrainError> {
        let weights = self.folder.weights();
        let shape = (weights.vocabulary_size(), weights.embedding_size());
        let mut embedding = Array2::zeros(shape);
        for (id, mut row) in embedding.rows_mut().into_iter().enumerate() {
            #[allow(clippy::expect_used, reason = "a new array's rows are contiguous")]
            let row = row.as_slice_mut().expect("a contiguous row");
            weights.embedding_row(id, row)?;
        }
        Ok(embedding)
    }
}

/// Replaces initial weights with the model's.
struct Give<'a> {
    start: &'a StartModel,
    mapped: Vec<(usize, Vec<f32>)>,
    error: Option<TrainError>,
}

impl Give<'_> {
    fn encoder_weights(&self, name: &str) -> Result<Vec<f32>, TrainError> {
        let tensors = self.start.folder.weights().tensors();
        let tensor = tensors.get(name);
        let tensor = tensor.ok_or_else(|| ModelError::MissingTensor { name: name.into() })?;
        Ok(tensor.values().into_owned())
    }

    fn words(&self, mut rows: Vec<f32>) -> Result<Vec<f32>, TrainError> {
        let own = self.start.embedding()?;
        let width = own.ncols();
        rows.iter_mut()
            .zip(own.iter())
            .for_each(|(row, own)| *row = *own);
        for (id, row) in &self.mapped {
            rows[id * width..][..width].copy_from_slice(row);
        }
        Ok(rows)
    }
}

impl ParameterMapper for Give<'_> {
    fn map<const D: usize>(&mut self, name: &str, initial: Tensor<D>) -> Tensor<D> {
        let numbers = if name == EMBEDDING {
            self.words(initial.to_data().iter().collect())
        } else if name.starts_with("encoder.") {
            self.encoder_weights(name)
        } else {
            return initial;
        };
        match numbers {
            Ok(numbers) => {
                let data = TensorData::new(numbers, initial.dims());
                Tensor::from_data(data, &initial.device())
            }
            Err(error) => {
                self.error.get_or_insert(error);
                initial
            }
        }
    }
}
