//! A model before it learnt anything: what a trained one is compared with.

use burn::module::Module;
use burn::tensor::Device;

use super::{ModelConfig, ModelFolder, ModelFolderError, Provenance};
use crate::config::EncoderConfig;
use crate::encoder::Encoder;
use crate::init::Initializer;
use crate::parameters;
use crate::weights::{EncoderState, Tensor};

/// Gives the encoder's parameters the names they have in a whole model.
#[derive(Module, Debug)]
struct Model {
    encoder: Encoder,
}

impl ModelFolder {
    /// The same model with the weights that training begins with under this seed: words, sizes,
    /// pooling, tokeniser and lower-casing stay.
    ///
    /// # Errors
    ///
    /// None for a model that could be opened.
    pub fn untrained(&self, seed: u64) -> Result<Self, ModelFolderError> {
        let architecture = &self.config.architecture;
        let config = EncoderConfig {
            source_words: architecture.vocabulary_size,
            embedding_size: architecture.embedding_size,
            hidden_size: architecture.hidden_size,
            layers: architecture.layers,
            bidirectional: architecture.bidirectional,
        };
        let model = Model {
            encoder: Encoder::new(&config, &Initializer::new(seed, &Device::flex())),
        };
        let tensors = parameters::read(&model)
            .into_iter()
            .filter_map(|tensor| Some((tensor.name, Tensor::new(tensor.shape, tensor.data)?)))
            .collect();
        let config = ModelConfig {
            provenance: Provenance {
                name: format!("{}, untrained", self.config.provenance.name),
                description: format!("Initial weights of seed {seed}."),
                steps: Some(0),
                ..Provenance::default()
            },
            ..self.config.clone()
        };
        Self::new(config, self.vocabulary.clone(), EncoderState::new(tensors)?)
    }
}
