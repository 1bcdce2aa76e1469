//! Transfer-task evaluation of sentence vectors with SentEval's protocol.

pub mod baselines;
mod chart;
pub mod embedder;
pub mod error;
mod evaluate;
pub mod folds;
pub mod linear;
pub mod map;
pub mod metrics;
pub mod protocol;
pub mod published;
pub mod random;
pub mod ranking;
pub mod relatedness;
mod report;
mod run;
mod scores;
pub mod tasks;

pub use chart::write_bar_chart;
pub use embedder::{Embedder, EmbedderError, EmbedderInfo, Role};
pub use error::{EvalError, Result};
pub use evaluate::{EvalOptions, Event, Report, Skipped, TaskResult, evaluate};
pub use report::{beaten_by_chance, markdown, write_markdown};
pub use scores::{Scores, Similarity, Summary};
