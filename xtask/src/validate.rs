//! `cargo xtask validate`: all checks, as listed in `.ci/run`.

use crate::repository::{program, run_whole};
use anyhow::Result;

/// Runs every check and stops at the first that fails.
///
/// # Errors
///
/// When a check fails.
pub fn run() -> Result<()> {
    run_whole(program("bash").arg(".ci/run"))
}
