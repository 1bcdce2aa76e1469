//! What the targets share.

use std::path::Path;
use std::sync::OnceLock;

use tempfile::TempDir;

/// A folder for the files that a target writes, the same for all its inputs.
pub fn folder() -> &'static Path {
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    FOLDER
        .get_or_init(|| TempDir::new().expect("a folder"))
        .path()
}
