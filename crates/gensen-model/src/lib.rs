//! See the crate's description.

pub mod model_folder;
pub mod weights;
