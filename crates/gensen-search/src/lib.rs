//! Exact search, closest pairs and clusters of sentence vectors.
//!
//! Vectors come from a memory-mapped `.npy` file ([`VectorFile`]) or from memory ([`Matrix::from_floats`]): 32- or 16-bit
//! floats, 8-bit integers, or bits. They are compared by cosine, exactly, on all cores; results do not depend on the
//! number of threads.
//!
//! ```
//! use gensen_search::{Matrix, nearest};
//!
//! let vectors = [1.0, 0.0, 0.6, 0.8, 0.0, -2.0];
//! let index = Matrix::from_floats(&vectors, 2)?;
//! let query = Matrix::from_floats(&[2.0, 0.1], 2)?;
//! let hits = nearest(index, query, 2)?;
//! assert_eq!([hits[0][0].row, hits[0][1].row], [0, 1]);
//! # Ok::<(), gensen_search::SearchError>(())
//! ```
//!
//! [`closest_pairs`] finds the most similar pairs of rows (paraphrase mining); [`k_means`] and
//! [`communities`] cluster rows.

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests"))]
#![warn(clippy::missing_errors_doc)]

mod best;
mod blocks;
mod communities;
mod error;
mod k_means;
mod kernels;
mod matrix;
mod nearest;
mod npy;
mod pairs;

pub use communities::{Community, MAX_NEIGHBOURS, communities};
pub use error::SearchError;
pub use k_means::{Clusters, KMeansOptions, k_means};
pub use matrix::{Matrix, QuantizationSteps};
pub use nearest::{Hit, nearest};
pub use npy::VectorFile;
pub use pairs::{Pair, PairOptions, closest_pairs};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
