//! The program's commands, one a file.

pub(crate) mod calibrate;
pub(crate) mod classify;
pub(crate) mod cluster;
pub(crate) mod completions;
#[cfg(feature = "burn")]
pub(crate) mod config;
mod conversion;
pub(crate) mod convert;
mod corpus;
pub(crate) mod embed;
mod encoding;
pub(crate) mod eval;
pub(crate) mod expand;
mod expansion;
pub(crate) mod export_onnx;
pub(crate) mod export_sentence_transformers;
pub(crate) mod inspect;
pub(crate) mod man;
pub(crate) mod pairs;
mod places;
mod projection;
#[cfg(feature = "hub")]
pub(crate) mod push;
#[cfg(feature = "serve")]
pub(crate) mod serve;
pub(crate) mod similar;

/// A usage error that the argument parser cannot detect.
#[derive(Debug)]
pub(crate) struct UsageError(pub(crate) String);

impl std::fmt::Display for UsageError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UsageError {}
