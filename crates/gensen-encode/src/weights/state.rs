//! The tensors of an encoder.

use super::tensor::{Tensor, TensorMap};
use super::{StoredPrecision, WeightsError};

/// The name of the word embeddings, `[vocabulary_size, embedding_size]`.
pub const EMBEDDING: &str = "src_embedding.weight";

/// The largest number of layers.
pub const MAX_LAYERS: usize = 64;

/// The kinds of a GRU layer's tensors, in PyTorch's order.
const GRU_TENSORS: [&str; 4] = ["weight_ih", "weight_hh", "bias_ih", "bias_hh"];

/// PyTorch's name of a tensor of the encoder's GRU; `kind` is `weight_ih`, `weight_hh`, `bias_ih`
/// or `bias_hh`.
///
/// ```
/// use gensen_encode::weights::gru_tensor_name;
///
/// assert_eq!(gru_tensor_name("weight_hh", 0, true), "encoder.weight_hh_l0_reverse");
/// ```
pub fn gru_tensor_name(kind: &str, layer: usize, reverse: bool) -> String {
    let suffix = if reverse { "_reverse" } else { "" };
    format!("encoder.{kind}_l{layer}{suffix}")
}

/// The checked tensors of an encoder, and its sizes.
///
/// | tensor | shape |
/// | --- | --- |
/// | `src_embedding.weight` | `[vocabulary_size, embedding_size]` |
/// | `encoder.weight_ih_l{k}` | `[3 * direction_size, embedding_size]`; above layer 0 `[3 * direction_size, hidden_size]` |
/// | `encoder.weight_hh_l{k}` | `[3 * direction_size, direction_size]` |
/// | `encoder.bias_ih_l{k}`, `encoder.bias_hh_l{k}` | `[3 * direction_size]` |
///
/// and the same with `_reverse` for the backward direction. The gates r, z, n are stacked on the
/// rows. Every value is finite, except after [`EncoderState::with_unread_embedding`].
#[derive(Clone, Debug)]
pub struct EncoderState {
    tensors: TensorMap,
    embedding: Tensor,
    vocabulary_size: usize,
    embedding_size: usize,
    direction_size: usize,
    layers: usize,
    bidirectional: bool,
}

/// One direction of one layer of an encoder's GRU, gates r, z, n on the rows.
#[derive(Clone, Copy, Debug)]
pub struct GruTensors<'a> {
    /// `[3 * direction_size, inputs]`
    pub weight_ih: &'a Tensor,
    /// `[3 * direction_size, direction_size]`
    pub weight_hh: &'a Tensor,
    /// `[3 * direction_size]`
    pub bias_ih: &'a Tensor,
    /// `[3 * direction_size]`
    pub bias_hh: &'a Tensor,
}

impl<'a> GruTensors<'a> {
    /// The tensors with the kinds of their names.
    pub fn by_kind(self) -> [(&'static str, &'a Tensor); 4] {
        let [weight_ih, weight_hh, bias_ih, bias_hh] = GRU_TENSORS;
        [
            (weight_ih, self.weight_ih),
            (weight_hh, self.weight_hh),
            (bias_ih, self.bias_ih),
            (bias_hh, self.bias_hh),
        ]
    }
}

impl EncoderState {
    /// Checks that these tensors are exactly those of an encoder.
    ///
    /// ```
    /// use gensen_encode::weights::{EncoderState, Tensor, TensorMap};
    ///
    /// let mut tensors = TensorMap::new();
    /// for (name, shape) in [
    ///     ("src_embedding.weight", vec![5, 4]),
    ///     ("encoder.weight_ih_l0", vec![6, 4]),
    ///     ("encoder.weight_hh_l0", vec![6, 2]),
    ///     ("encoder.bias_ih_l0", vec![6]),
    ///     ("encoder.bias_hh_l0", vec![6]),
    /// ] {
    ///     let values = vec![0.5; shape.iter().product()];
    ///     tensors.insert(name.to_owned(), Tensor::new(shape, values).expect("matching sizes"));
    /// }
    /// let state = EncoderState::new(tensors)?;
    /// assert_eq!((state.layers(), state.bidirectional(), state.hidden_size()), (1, false, 2));
    /// # Ok::<(), gensen_encode::weights::WeightsError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// A tensor that is missing, has a wrong shape, is not part of an encoder, or holds a value
    /// that is not finite.
    pub fn new(tensors: TensorMap) -> Result<Self, WeightsError> {
        let state = Self::with_unread_embedding(tensors)?;
        state.embedding.check_finite(EMBEDDING)?;
        Ok(state)
    }

    /// As [`EncoderState::new`], but without reading the word embeddings, the largest tensor: in a
    /// mapped file they stay on disk until [`embedding_row`](Self::embedding_row) reads and checks
    /// them.
    ///
    /// # Errors
    ///
    /// As [`EncoderState::new`].
    pub fn with_unread_embedding(tensors: TensorMap) -> Result<Self, WeightsError> {
        let (vocabulary_size, embedding_size) =
            matrix(&tensors, EMBEDDING, "[vocabulary size, embedding size]")?;
        let (_, direction_size) = matrix(
            &tensors,
            &gru_tensor_name("weight_hh", 0, false),
            "[3 * hidden size of a direction, hidden size of a direction]",
        )?;
        let layers = (0..MAX_LAYERS)
            .take_while(|&layer| has_layer(&tensors, layer))
            .count();
        let bidirectional = tensors.keys().any(|name| name.ends_with("_reverse"));
        let state = Self {
            vocabulary_size,
            embedding_size,
            direction_size,
            layers,
            bidirectional,
            embedding: tensor(&tensors, EMBEDDING, "")?.clone(),
            tensors,
        };
        state.check()?;
        Ok(state)
    }

    /// Extracts the encoder from a training checkpoint. Of `names`, which may begin with `module.`,
    /// those of the encoder are read with `load`; the others are returned.
    ///
    /// # Errors
    ///
    /// As [`EncoderState::new`] and `load`.
    pub fn cut_out<'a>(
        names: impl IntoIterator<Item = &'a str>,
        mut load: impl FnMut(&str) -> Result<Tensor, WeightsError>,
    ) -> Result<(Self, Vec<String>), WeightsError> {
        let mut tensors = TensorMap::new();
        let mut others = Vec::new();
        for name in names {
            let own = name.strip_prefix("module.").unwrap_or(name);
            if own != EMBEDDING && !own.starts_with("encoder.") {
                others.push(name.to_owned());
            } else if tensors.insert(own.to_owned(), load(name)?).is_some() {
                return Err(WeightsError::UnexpectedTensor {
                    name: name.to_owned(),
                    reason: format!(": `{own}` occurs with and without `module.`"),
                });
            }
        }
        Ok((Self::new(tensors)?, others))
    }

    /// The same encoder with other word embeddings, `[vocabulary_size, embedding_size]`; other
    /// tensors are shared.
    ///
    /// # Errors
    ///
    /// As [`EncoderState::new`].
    pub fn with_embedding(&self, embedding: Tensor) -> Result<Self, WeightsError> {
        let mut tensors = self.tensors.clone();
        tensors.insert(EMBEDDING.to_owned(), embedding);
        Self::new(tensors)
    }

    /// All tensors by name.
    pub fn tensors(&self) -> &TensorMap {
        &self.tensors
    }

    /// The word embeddings, `[vocabulary_size, embedding_size]`.
    pub fn embedding(&self) -> &Tensor {
        &self.embedding
    }

    /// The tensors of one direction of one layer of the GRU.
    ///
    /// # Panics
    ///
    /// If there is no such layer or direction.
    pub fn gru(&self, layer: usize, reverse: bool) -> GruTensors<'_> {
        let [weight_ih, weight_hh, bias_ih, bias_hh] = GRU_TENSORS.map(|kind| {
            let name = gru_tensor_name(kind, layer, reverse);
            #[allow(
                clippy::expect_used,
                reason = "`check` has found the tensors of every layer"
            )]
            self.tensors
                .get(&name)
                .expect("a layer and direction of the encoder")
        });
        GruTensors {
            weight_ih,
            weight_hh,
            bias_ih,
            bias_hh,
        }
    }

    /// Copies the embedding of word `id` into `out`; no other row is read.
    ///
    /// # Errors
    ///
    /// An id beyond the vocabulary, an `out` whose length is not
    /// [`embedding_size`](Self::embedding_size), and values that are not finite.
    pub fn embedding_row(&self, id: usize, out: &mut [f32]) -> Result<(), WeightsError> {
        embedding_row(&self.embedding, id, out)
    }

    /// Checks that all values of the GRU are within the range of `precision`.
    pub(crate) fn check_gru_range(&self, precision: StoredPrecision) -> Result<(), WeightsError> {
        let mut gru = self.tensors.iter().filter(|(name, _)| *name != EMBEDDING);
        gru.try_for_each(|(name, tensor)| tensor.check_range(name, precision))
    }

    /// The number of words.
    pub fn vocabulary_size(&self) -> usize {
        self.vocabulary_size
    }

    /// The length of a word embedding.
    pub fn embedding_size(&self) -> usize {
        self.embedding_size
    }

    /// The length of one direction's hidden state.
    pub fn direction_size(&self) -> usize {
        self.direction_size
    }

    /// The length of a hidden state, both directions together: the width of a sentence's vector.
    pub fn hidden_size(&self) -> usize {
        self.direction_size * self.directions()
    }

    /// The number of layers.
    pub fn layers(&self) -> usize {
        self.layers
    }

    /// Whether sentences are read backward, too.
    pub fn bidirectional(&self) -> bool {
        self.bidirectional
    }

    /// 2 if [bidirectional](Self::bidirectional), 1 otherwise.
    pub fn directions(&self) -> usize {
        if self.bidirectional { 2 } else { 1 }
    }

    /// f16 if every tensor is stored as f16, i8 if every matrix is stored as i8, f32 otherwise.
    pub fn precision(&self) -> StoredPrecision {
        let tensors = self.tensors.values();
        if tensors
            .clone()
            .all(|tensor| tensor.precision() == StoredPrecision::F16)
        {
            return StoredPrecision::F16;
        }
        let mut matrices = tensors.filter(|tensor| tensor.shape().len() == 2);
        if matrices.all(|tensor| tensor.precision() == StoredPrecision::I8) {
            StoredPrecision::I8
        } else {
            StoredPrecision::F32
        }
    }

    /// Checks that no tensor is missing or superfluous, that shapes fit the sizes, and that all
    /// values except word embeddings are finite.
    fn check(&self) -> Result<(), WeightsError> {
        let rows = self.direction_size.saturating_mul(3);
        let mut known = vec![EMBEDDING.to_owned()];
        for layer in 0..self.layers.max(1) {
            let input = match layer {
                0 => self.embedding_size,
                _ => self.hidden_size(),
            };
            for reverse in [false, true].into_iter().take(self.directions()) {
                let shapes: [&[usize]; 4] = [
                    &[rows, input],
                    &[rows, self.direction_size],
                    &[rows],
                    &[rows],
                ];
                for (kind, expected) in GRU_TENSORS.into_iter().zip(shapes) {
                    let name = gru_tensor_name(kind, layer, reverse);
                    let expected_text = format!("{expected:?}");
                    let found = tensor(&self.tensors, &name, &expected_text)?.shape();
                    if found != expected {
                        return Err(wrong_shape(&name, &expected_text, found));
                    }
                    known.push(name);
                }
            }
        }
        for (name, tensor) in &self.tensors {
            if !known.contains(name) {
                return Err(WeightsError::UnexpectedTensor {
                    name: name.clone(),
                    reason: format!(
                        " of {} layers in {} directions",
                        self.layers,
                        self.directions()
                    ),
                });
            }
            if name != EMBEDDING {
                tensor.check_finite(name)?;
            }
        }
        Ok(())
    }
}

/// Copies row `id` of word embeddings into `out` and checks it; no other row is read.
pub(crate) fn embedding_row(
    embedding: &Tensor,
    id: usize,
    out: &mut [f32],
) -> Result<(), WeightsError> {
    if !embedding.copy_row(id, out) {
        let expected = format!("a row {id} of {} values", out.len());
        return Err(wrong_shape(EMBEDDING, &expected, embedding.shape()));
    }
    match out.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(column) => Err(WeightsError::NotFinite {
            name: EMBEDDING.to_owned(),
            index: vec![id, column],
            value: out[column],
        }),
    }
}

/// Whether the map has any tensor of this layer.
fn has_layer(tensors: &TensorMap, layer: usize) -> bool {
    GRU_TENSORS.into_iter().any(|kind| {
        [false, true]
            .into_iter()
            .any(|reverse| tensors.contains_key(&gru_tensor_name(kind, layer, reverse)))
    })
}

fn tensor<'a>(
    tensors: &'a TensorMap,
    name: &str,
    expected: &str,
) -> Result<&'a Tensor, WeightsError> {
    tensors
        .get(name)
        .ok_or_else(|| WeightsError::MissingTensor {
            name: name.to_owned(),
            expected: expected.to_owned(),
        })
}

/// The sizes of a matrix, which must not be empty.
fn matrix(tensors: &TensorMap, name: &str, expected: &str) -> Result<(usize, usize), WeightsError> {
    match *tensor(tensors, name, expected)?.shape() {
        [rows, columns] if rows > 0 && columns > 0 => Ok((rows, columns)),
        ref found => Err(wrong_shape(name, expected, found)),
    }
}

fn wrong_shape(name: &str, expected: &str, found: &[usize]) -> WeightsError {
    WeightsError::Shape {
        name: name.to_owned(),
        expected: expected.to_owned(),
        found: found.to_vec(),
    }
}
