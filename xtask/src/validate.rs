//! `cargo xtask validate`: the checks every change has to pass, the cheapest first.

use anyhow::{Context, Result, bail};
use std::process::Command;

/// The checks in order: what they are called, the arguments to cargo, and an environment variable.
const CHECKS: [(&str, &[&str], Option<(&str, &str)>); 4] = [
    ("format", &["fmt", "--all", "--check"], None),
    (
        "lints",
        &[
            "clippy",
            "--workspace",
            "--all-targets",
            "--release",
            "--",
            "-D",
            "warnings",
        ],
        None,
    ),
    (
        "documentation",
        &["doc", "--workspace", "--no-deps", "--release"],
        Some(("RUSTDOCFLAGS", "-D warnings")),
    ),
    ("tests", &["test", "--workspace", "--release"], None),
];

/// Runs every check and stops at the first that fails.
pub fn run() -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    for (name, arguments, variable) in CHECKS {
        eprintln!("== {name}: cargo {}", arguments.join(" "));
        let status = Command::new(&cargo)
            .args(arguments)
            .envs(variable)
            .status()
            .with_context(|| format!("cannot start cargo for the check '{name}'"))?;
        if !status.success() {
            bail!("the check '{name}' failed: cargo {}", arguments.join(" "));
        }
    }
    Ok(())
}
