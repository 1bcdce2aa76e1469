//! The model's sizes, from the configuration and from the data.

use gensen_data::prepare::PreparedData;
use gensen_data::spec::{TaskKind, TaskSpec};
use gensen_model::config::{
    Architecture, ClassifierConfig, ContrastConfig, DecoderConfig, DistillationConfig,
    MultitaskConfig,
};

use super::Config;

impl Config {
    /// The model's sizes for data of these sizes.
    pub fn model_config(&self, sizes: &DataSizes) -> MultitaskConfig {
        let model = &self.model;
        let decoder = |&target_words: &usize| DecoderConfig {
            target_words,
            embedding_size: model.target_embedding_size,
            hidden_size: model.decoder_hidden_size.unwrap_or(model.hidden_size),
        };
        let inference = self.tasks.iter().any(|task| task.kind == TaskKind::Nli);
        let temperature = |task: &TaskSpec| task.temperature.unwrap_or(TEMPERATURE);
        let contrasts = self.tasks.iter().filter(|task| {
            let form = task.form();
            matches!(form, TaskKind::Pairs | TaskKind::NextSentence)
        });
        let contrasts = contrasts.map(|task| ContrastConfig {
            temperature: temperature(task),
            widths: task.widths.clone().unwrap_or_default(),
        });
        let distillations = self.tasks.iter();
        let distillations = distillations.filter(|task| task.kind == TaskKind::Distillation);
        let distillations = distillations
            .zip(&sizes.teacher_widths)
            .map(|(task, &width)| {
                let [cosine_weight, contrast_weight, matrix_weight] = distillation_weights(task);
                DistillationConfig {
                    width,
                    temperature: temperature(task),
                    cosine_weight,
                    contrast_weight,
                    matrix_weight,
                }
            });
        let classifiers = sizes
            .classes
            .iter()
            .map(|&(labels, pairs)| ClassifierConfig {
                pairs,
                labels,
                hidden: model.inference_hidden_size,
            });
        MultitaskConfig {
            encoder: Architecture {
                vocabulary_size: sizes.source_words,
                embedding_size: model.embedding_size,
                hidden_size: model.hidden_size,
                layers: model.layers,
                bidirectional: model.bidirectional,
            },
            decoders: sizes.target_words.iter().map(decoder).collect(),
            inference_hidden: inference.then_some(model.inference_hidden_size),
            contrasts: contrasts.collect(),
            distillations: distillations.collect(),
            classifiers: classifiers.collect(),
            pooling: model.pooling,
            dropout: model.dropout,
        }
    }
}

/// The default temperature: cosines are divided by it.
const TEMPERATURE: f64 = 0.05;

/// The weights of a distillation task's three losses: cosine, contrast, matrix.
pub(crate) fn distillation_weights(task: &TaskSpec) -> [f64; 3] {
    [
        task.cosine_weight.unwrap_or(1.0),
        task.contrast_weight.unwrap_or(0.2),
        task.matrix_weight.unwrap_or(10.0),
    ]
}

/// Sizes of the model that follow from the data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DataSizes {
    /// Source words, special words included.
    pub source_words: usize,
    /// Target words of each decoder, special words included.
    pub target_words: Vec<usize>,
    /// The width of the teacher's vectors of each distillation task.
    pub teacher_widths: Vec<usize>,
    /// The number of labels of each classification task, and whether its examples are pairs.
    pub classes: Vec<(usize, bool)>,
}

impl DataSizes {
    /// The sizes of prepared data.
    pub fn of(data: &PreparedData) -> Self {
        let mut sizes = Self {
            source_words: data.source_vocabulary.len(),
            ..Self::default()
        };
        for task in &data.tasks {
            let words = task.target_vocabularies.iter().map(|words| words.len());
            sizes.target_words.extend(words);
            sizes.teacher_widths.extend(task.train.teacher_width());
            if task.kind == TaskKind::Classification {
                let pairs = task.train.has_pairs();
                sizes.classes.push((task.labels.len(), pairs));
            }
        }
        sizes
    }
}
