//! The precisions of stored weights.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The precision in which weights are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StoredPrecision {
    /// 32-bit floats.
    #[default]
    F32,
    /// 16-bit IEEE floats: half the size.
    F16,
    /// Matrices as 8-bit integers with one f32 scale a row: a quarter of the size. Other tensors as
    /// f32.
    I8,
}

/// An unknown name of a [`StoredPrecision`].
#[derive(Debug, thiserror::Error)]
#[error("unknown precision of stored weights `{0}`: expected f32, f16 or i8")]
pub struct UnknownPrecision(String);

impl FromStr for StoredPrecision {
    type Err = UnknownPrecision;

    fn from_str(name: &str) -> Result<Self, UnknownPrecision> {
        let found = Self::ALL.into_iter().find(|one| one.name() == name);
        found.ok_or_else(|| UnknownPrecision(name.to_owned()))
    }
}

impl StoredPrecision {
    /// All precisions, largest first.
    pub const ALL: [Self; 3] = [Self::F32, Self::F16, Self::I8];

    /// The name in options and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::I8 => "i8",
        }
    }

    /// Bytes per value; for [`StoredPrecision::I8`], per value of a matrix.
    pub fn size(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 => 2,
            Self::I8 => 1,
        }
    }
}

impl fmt::Display for StoredPrecision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
