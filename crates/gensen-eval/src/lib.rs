//! Transfer-task evaluation of sentence vectors with SentEval's protocol.
//!
//! Vectors come from anything that is an [`Embedder`]. With the feature `encoder` GenSen's own
//! encoders are one, whatever device they compute on.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests"))]
#![warn(clippy::missing_errors_doc)]

pub mod baselines;
mod chart;
pub mod classify;
pub mod embedder;
#[cfg(feature = "encoder")]
mod encoder;
pub mod error;
mod evaluate;
pub mod folds;
mod labelled;
pub mod linear;
pub mod map;
pub mod metrics;
pub mod protocol;
pub mod published;
pub mod random;
pub mod ranking;
pub mod relatedness;
mod report;
mod scores;
mod scoring;
pub mod tasks;

pub use chart::write_bar_chart;
pub use embedder::{Embedder, EmbedderError, EmbedderInfo, Identity, Role};
#[cfg(feature = "encoder")]
pub use encoder::{EncoderEmbedder, own_pooling};
pub use error::{EvalError, Result};
pub use evaluate::{EvalEvent, EvalOptions, Report, TaskResult, Unscored, evaluate};
pub use labelled::{LabelledVectors, labelled_vectors};
pub use report::{beaten_by_chance, markdown, read_json, write_json, write_report};
pub use scores::{Scores, Similarity, Summary};

/// The examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
