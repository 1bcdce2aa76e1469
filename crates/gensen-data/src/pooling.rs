//! From a sentence's states to its vector: by which rule.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How the hidden states of a sentence become its vector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pooling {
    /// The top layer's last states, [backward, forward].
    #[default]
    Last,
    /// The largest value of each component over the sentence's positions.
    Max,
    /// The mean of each component over the sentence's positions.
    Mean,
    /// As `Max`, and over the zeros that fill the sentence up to the longest of its batch, as the
    /// reference implementation has it.
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
