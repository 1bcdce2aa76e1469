//! Helpers of the targets.

use std::path::Path;
use std::sync::OnceLock;

use tempfile::TempDir;

/// A temporary folder for the files of a target, the same for all inputs.
pub fn folder() -> &'static Path {
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    FOLDER
        .get_or_init(|| TempDir::new().expect("a folder"))
        .path()
}
