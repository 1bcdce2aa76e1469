//! `--projection` of the commands that draw maps.

use clap::ValueEnum;
use gensen_eval::map::Projection;

/// Projection of vectors to a map's points.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ProjectionName {
    /// The two directions of largest variance.
    Pca,
    /// t-SNE of the first 50 principal components.
    #[cfg(feature = "tsne")]
    Tsne,
}

impl From<ProjectionName> for Projection {
    fn from(name: ProjectionName) -> Self {
        match name {
            ProjectionName::Pca => Self::Pca,
            #[cfg(feature = "tsne")]
            ProjectionName::Tsne => Self::Tsne,
        }
    }
}
