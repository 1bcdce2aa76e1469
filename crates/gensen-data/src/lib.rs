//! Vocabularies, tokenisers, corpora, token shards and batches for multi-task sentence encoders.
//!
//! This crate needs no tensor library: a batch is arrays of integers with lengths.
//!
//! [`prepare()`](prepare::prepare) turns corpora into memory-mapped token shards,
//! [`order::BatchOrder`] computes which examples make up batch `k`, and [`loader::Loader`] reads
//! batches ahead.
//!
//! ```
//! use std::path::Path;
//! use gensen_data::{order::BatchOrder, prepare::{DataOptions, prepare}, spec::TaskSpec};
//!
//! # let base = tempfile::tempdir()?;
//! # std::fs::write(base.path().join("pairs.tsv"), "a dog .\tun chien .\na cat .\tun chat .\n")?;
//! let task: TaskSpec = serde_json::from_str(
//!     r#"{"name": "fr-en", "kind": "translation", "train": "pairs.tsv"}"#,
//! )?;
//! let cache = base.path().join("cache");
//! let data = prepare(&[task], &DataOptions::default(), &cache, base.path(), &|_| {})?;
//! let train = &data.tasks[0].train;
//! let order = BatchOrder::new(train, 2, 1234, "fr-en", Default::default());
//! let batch = train.batch_of(&order.indices(0))?;
//! println!("{}", data.report);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests"))]

pub mod batch;
mod corpus;
mod count;
pub mod dataset;
pub mod digest;
pub mod error;
pub mod exclusion;
pub mod files;
pub mod gzip;
pub mod lines;
pub mod loader;
pub mod npy;
pub mod order;
pub mod output;
pub mod panics;
mod parallel;
mod permutation;
pub mod pooling;
pub mod prepare;
pub mod report;
pub mod sample;
pub mod scored_pairs;
pub mod scratch;
pub mod similarity;
pub mod spec;
mod teacher;
pub mod text;
pub mod tokenizer;
pub mod vocabulary;
mod word_batches;
mod words;

pub use corpus::{LABELS, check_tree, parse_label};

/// The examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
