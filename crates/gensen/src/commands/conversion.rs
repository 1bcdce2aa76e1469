//! How vectors are given out: the options of the commands that write them.

use std::num::NonZeroUsize;

use anyhow::{Context, Result};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use gensen_encode::{
    ConcatEncoder, EncodeError, EncodeOptions, VectorConverter, VectorOptions, VectorPrecision,
};

use super::Usage;

#[derive(clap::Args)]
pub(super) struct Conversion {
    /// Scale every vector to length 1.
    #[arg(long)]
    normalize: bool,
    /// Keep the first N numbers of every vector; with --normalize, what is left has length 1.
    #[arg(long, value_name = "N")]
    truncate_dim: Option<NonZeroUsize>,
    /// The numbers of the vectors, as sentence-transformers has them: int8 and uint8 have 255 steps between the ends
    /// of the ranges that the model folder has (`gensen calibrate`), binary and ubinary a bit a number.
    #[arg(long, value_name = "PRECISION", default_value = "float32", value_parser = precisions())]
    output_precision: VectorPrecision,
}

fn precisions() -> impl TypedValueParser<Value = VectorPrecision> {
    PossibleValuesParser::new(VectorPrecision::ALL.map(VectorPrecision::name))
        .try_map(|name| name.parse::<VectorPrecision>())
}

impl Conversion {
    /// What converts the encoder's vectors.
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
                Err(Usage(format!("--truncate-dim: {error}")).into())
            }
            converter => {
                converter.with_context(|| format!("--output-precision {}", self.output_precision))
            }
        }
    }

    /// All that vectors depend on.
    pub(super) fn described(&self) -> String {
        let Self {
            normalize,
            truncate_dim,
            output_precision,
        } = self;
        format!("normalize: {normalize}, dimensions: {truncate_dim:?}, {output_precision}")
    }
}
