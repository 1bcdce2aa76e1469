//! `cargo xtask validate`: the checks every change has to pass, the cheapest first.

use anyhow::{Context, Result, bail};
use std::process::Command;

/// The arguments to cargo of each check, in order.
const CHECKS: [&str; 4] = [
    "fmt --all --check",
    "clippy --workspace --all-targets --release -- -D warnings",
    "doc --workspace --no-deps --release",
    "test --workspace --release",
];

/// Runs every check and stops at the first that fails.
pub fn run() -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    for check in CHECKS {
        eprintln!("== cargo {check}");
        let status = Command::new(&cargo)
            .args(check.split(' '))
            // A broken link in the documentation is an error.
            .env("RUSTDOCFLAGS", "-D warnings")
            .status()
            .with_context(|| format!("cannot start cargo {check}"))?;
        if !status.success() {
            bail!("cargo {check} failed");
        }
    }
    Ok(())
}
