//! Untrained models, as baselines for trained ones.

use super::{ModelConfig, ModelFolder, ModelFolderError, Provenance};
use crate::initial::uniform;
use crate::weights::{EMBEDDING, EncoderState, Tensor, TensorMap, gru_tensor_name};

impl ModelFolder {
    /// The same model with the initial weights that training with this seed starts from.
    /// Vocabulary, sizes, pooling, tokeniser and lower-casing stay.
    ///
    /// # Errors
    ///
    /// None for a model that [`ModelFolder::open`] has checked.
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

/// Initial tensors with the shapes of `weights`: embeddings uniform in ±0.1, the GRU's in
/// ±1/sqrt(direction size).
fn initial(weights: &EncoderState, seed: u64) -> TensorMap {
    let draw = |like: &Tensor, name: &str, bound| {
        let values = uniform(seed, name, like.len(), bound);
        #[allow(
            clippy::expect_used,
            reason = "`uniform` returns `like.len()` values, the product of the shape"
        )]
        Tensor::new(like.shape().to_vec(), values).expect("values of the shape of `like`")
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
