//! Output dimensions, length and precision: options of the commands that write vectors.

use std::num::NonZeroUsize;

use anyhow::{Context, Result};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use gensen_encode::{
    ConcatEncoder, EncodeError, EncodeOptions, VectorConverter, VectorOptions, VectorPrecision,
};

use super::UsageError;

#[derive(clap::Args)]
#[command(next_help_heading = "Vectors")]
pub(super) struct ConversionArguments {
    /// Scale every vector to unit length.
    #[arg(long)]
    normalize: bool,
    /// Keep the first N dimensions of every vector, before --normalize.
    #[arg(long, value_name = "N")]
    truncate_dim: Option<NonZeroUsize>,
    /// Precision of the vectors, as in sentence-transformers: int8 and uint8 are 255 steps of the ranges in the model
    /// folder (`gensen calibrate`); binary and ubinary, one bit per dimension.
    #[arg(long, value_name = "PRECISION", default_value = "float32", value_parser = precisions())]
    output_precision: VectorPrecision,
}

fn precisions() -> impl TypedValueParser<Value = VectorPrecision> {
    PossibleValuesParser::new(VectorPrecision::ALL.map(VectorPrecision::name))
        .try_map(|name| name.parse::<VectorPrecision>())
}

impl ConversionArguments {
    /// The converter of the encoder's vectors.
    pub(super) fn converter(
        &self,
        encoder: &ConcatEncoder,
        options: &EncodeOptions,
    ) -> Result<VectorConverter> {
        let mut vectors = VectorOptions::default()
            .normalize(self.normalize)
            .precision(self.output_precision);
        if let Some(dimensions) = self.truncate_dim {
            vectors = vectors.dimensions(dimensions.get());
        }
        match vectors.converter(encoder.encoders(), options) {
            Err(error @ EncodeError::Dimensions { .. }) => {
                Err(UsageError(format!("--truncate-dim: {error}")).into())
            }
            converter => {
                converter.with_context(|| format!("--output-precision {}", self.output_precision))
            }
        }
    }

    /// These options, for the record of a part.
    pub(super) fn described(&self) -> String {
        let Self {
            normalize,
            truncate_dim,
            output_precision,
        } = self;
        format!("normalize: {normalize}, dimensions: {truncate_dim:?}, {output_precision}")
    }
}
