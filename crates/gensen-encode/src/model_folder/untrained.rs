//! A model before it learnt anything: what a trained one is compared with.

use super::{ModelConfig, ModelFolder, ModelFolderError, Provenance};
use crate::initial::uniform;
use crate::weights::{EMBEDDING, EncoderState, Tensor, TensorMap, gru_tensor_name};

impl ModelFolder {
    /// The same model with the weights that training begins with under this seed: words, sizes,
    /// pooling, tokeniser and lower-casing stay.
    ///
    /// # Errors
    ///
    /// None for a model that could be opened.
    pub fn untrained(&self, seed: u64) -> Result<Self, ModelFolderError> {
        let config = ModelConfig {
            provenance: Provenance {
                name: format!("{}, untrained", self.config.provenance.name),
                description: format!("Initial weights of seed {seed}."),
                steps: Some(0),
                ..Provenance::default()
            },
            ranges: Vec::new(),
            ..self.config.clone()
        };
        let weights = EncoderState::new(initial(&self.weights, seed))?;
        Self::new(config, self.vocabulary.clone(), weights)
    }
}

/// Initial tensors of these weights' shapes: the embedding uniform in ±0.1, the GRU's in ±1/sqrt(hidden
/// of one direction).
fn initial(weights: &EncoderState, seed: u64) -> TensorMap {
    let draw = |like: &Tensor, name: &str, bound| {
        let values = uniform(seed, name, like.len(), bound);
        #[allow(
            clippy::expect_used,
            reason = "`like` has as many values as its shape says"
        )]
        Tensor::new(like.shape().to_vec(), values).expect("as many values as `like` has")
    };
    let embedding = draw(weights.embedding(), "src_embedding", 0.1);
    let mut tensors = TensorMap::from([(EMBEDDING.to_owned(), embedding)]);
    let bound = 1.0 / (weights.direction_size() as f32).sqrt();
    for layer in 0..weights.layers() {
        for reverse in [false, true].into_iter().take(weights.directions()) {
            let direction = if reverse { "reverse" } else { "forward" };
            for (kind, like) in weights.gru(layer, reverse).by_kind() {
                let name = format!("encoder.{layer}.{direction}.{kind}");
                let tensor = draw(like, &name, bound);
                tensors.insert(gru_tensor_name(kind, layer, reverse), tensor);
            }
        }
    }
    tensors
}
