//! Metrics of predictions. Correlations and the cosine are those of [`gensen_data::similarity`], shared with training.

mod classification;
mod retrieval;

pub use classification::{accuracy, f1, mean_squared_error};
pub(crate) use classification::{first_best, percent, round2};
pub use gensen_data::similarity::{
    Correlations, average_ranks, correlations, cosine, pearson, spearman,
};
pub(crate) use retrieval::CAPTIONS;
pub use retrieval::{RetrievalScores, image_to_text, text_to_image};
