//! Vocabularies, tokenisers, corpora, token shards and batches for multi-task sentence encoders.
//!
//! This crate knows no tensor library: a batch is plain integer arrays with lengths.

pub mod batch;
pub mod sample;
pub mod tokenizer;
