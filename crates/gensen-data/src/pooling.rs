//! Pooling: how a sentence's hidden states become its vector.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A pooling rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pooling {
    /// The final states of the top layer, backward direction first, then forward.
    #[default]
    Last,
    /// The maximum of each component over the sentence's positions.
    Max,
    /// The mean of each component over the sentence's positions.
    Mean,
    /// As `Max`, but with the zeros that pad the sentence to the longest of its batch, as in the
    /// reference implementation.
    MaxPadded,
}

impl fmt::Display for Pooling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Last => "last",
            Self::Max => "max",
            Self::Mean => "mean",
            Self::MaxPadded => "max-padded",
        })
    }
}
