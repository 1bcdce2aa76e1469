//! The engine on the CPU: the encoder's GRU by our own kernels, without a tensor library.

mod gru;

use std::sync::Arc;

use half::{bf16, f16};

use crate::kernels::gate_products::{Bf16s, Bytes, Floats, Halves, Integers};
use crate::kernels::products::{Bf16Product, ByteProduct};
use crate::weights::{EncoderState, StoredPrecision, Tensor, WeightsError, embedding_row};
use crate::{DistinctWords, EncodeError, EncoderPrecision, Engine, EngineLimits, States};
use gru::{Gru, PackedGru};

/// Number of words after which mapped pages of the embeddings are released: reading one row makes
/// the system read the pages around it, too.
const HELD_WORDS: usize = 256;

/// About how many bytes the projections of a window's distinct words may take.
const PROJECTION_BYTES: usize = 96 << 20;
/// The most words of a batch of more than one sentence, so that its states stay in the caches.
const BATCH_WORDS: usize = 1 << 12;

/// The engine on the CPU.
///
/// The GRU's weights are packed in the given precision; the word embeddings stay memory-mapped from
/// the model's file. A sentence's states have the same bits in any batch and with any number of
/// threads.
#[derive(Clone)]
pub struct CpuEngine {
    gru: Arc<dyn Gru>,
    precision: EncoderPrecision,
    /// The word embeddings, aligned so that a row can be read in place.
    embedding: Tensor,
    /// Values of one word's projection in all directions together.
    gates: usize,
}

impl CpuEngine {
    /// An engine that computes in f32.
    pub fn new(weights: &EncoderState) -> Self {
        let gru = PackedGru::<Floats>::new(weights);
        Self::of(gru, weights, EncoderPrecision::F32)
    }

    /// An engine that computes in `precision`.
    ///
    /// # Errors
    ///
    /// With [`EncoderPrecision::F16`], weights beyond the range of f16.
    pub fn with_precision(
        weights: &EncoderState,
        precision: EncoderPrecision,
    ) -> Result<Self, WeightsError> {
        let widest = weights.embedding_size().max(weights.hidden_size());
        Ok(match precision {
            EncoderPrecision::F32 => Self::new(weights),
            EncoderPrecision::F16 => {
                weights.check_gru_range(StoredPrecision::F16)?;
                Self::of(PackedGru::<Halves<f16>>::new(weights), weights, precision)
            }
            EncoderPrecision::Bf16 if Bf16s::has_kernels() => {
                Self::of(PackedGru::<Bf16s>::new(weights), weights, precision)
            }
            EncoderPrecision::Bf16 => {
                Self::of(PackedGru::<Halves<bf16>>::new(weights), weights, precision)
            }
            EncoderPrecision::I8 if Bytes::has_kernels(widest) => {
                Self::of(PackedGru::<Bytes>::new(weights), weights, precision)
            }
            EncoderPrecision::I8 => {
                Self::of(PackedGru::<Integers>::new(weights), weights, precision)
            }
        })
    }

    fn of(gru: impl Gru + 'static, weights: &EncoderState, precision: EncoderPrecision) -> Self {
        Self {
            gru: Arc::new(gru),
            precision,
            embedding: in_place(weights.embedding()),
            gates: 3 * weights.hidden_size(),
        }
    }
}

impl Engine for CpuEngine {
    fn states(
        &self,
        words: DistinctWords<'_>,
        batches: &[Vec<&[u32]>],
        each: &mut dyn FnMut(usize, &States),
    ) -> Result<(), EncodeError> {
        let mut read = |k: usize, out: &mut [f32]| {
            if k.is_multiple_of(HELD_WORDS) {
                self.embedding.release();
            }
            let (id, known) = (words.ids[k] as usize, self.embedding.shape()[0]);
            if id < known {
                return embedding_row(&self.embedding, id, out);
            }
            out.copy_from_slice(&words.spelled[(id - known) * out.len()..][..out.len()]);
            Ok(())
        };
        let projections = self.gru.project(words.ids.len(), &mut read)?;
        for (k, batch) in batches.iter().enumerate() {
            each(k, &self.gru.states(&projections, batch));
        }
        Ok(())
    }

    fn with_embedding(&self, embedding: &Tensor) -> Arc<dyn Engine> {
        Arc::new(Self {
            gru: Arc::clone(&self.gru),
            precision: self.precision,
            embedding: in_place(embedding),
            gates: self.gates,
        })
    }

    fn arithmetic(&self) -> String {
        let (bf16, bytes) = (Bf16Product::best(), ByteProduct::best());
        format!(
            "cpu {}, {}, {bf16:?}, {bytes:?}",
            self.precision,
            std::env::consts::ARCH
        )
    }

    fn limits(&self) -> EngineLimits {
        EngineLimits {
            batch_words: BATCH_WORDS,
            distinct_words: PROJECTION_BYTES / (self.gates * size_of::<f32>()),
        }
    }
}

/// The tensor itself, or a copy in memory if its bytes in the file are not aligned for this
/// machine.
fn in_place(tensor: &Tensor) -> Tensor {
    if tensor.is_in_place() {
        return tensor.clone();
    }
    let values = tensor.values().into_owned();
    #[allow(
        clippy::expect_used,
        reason = "`Tensor::values` returns as many values as the shape specifies"
    )]
    Tensor::new(tensor.shape().to_vec(), values).expect("values and shape of one tensor")
}
