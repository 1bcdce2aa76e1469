//! Transfer-task evaluation of sentence vectors with SentEval's protocol.

pub mod error;
pub mod folds;
pub mod linear;
pub mod metrics;
pub mod protocol;
pub mod random;
pub mod ranking;
pub mod relatedness;

pub use error::{EvalError, Result};
