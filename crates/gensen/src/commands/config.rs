//! `gensen config`: a training configuration checked, and printed with every key.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Subcommand;
use gensen_train::config::Config;
use gensen_train::{inputs, similarity};

use super::places::file;
use crate::output::{print, say};

/// Check a training configuration, or print it with every key explained.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Check a configuration's keys and values, and that its inputs exist. `gensen train check` also reads
    /// them.
    #[command(after_help = "Example:\n  gensen config check configs/real-small.toml")]
    Check {
        /// The configuration: TOML, or the reference's JSON.
        #[arg(value_name = "FILE", value_parser = file())]
        config: PathBuf,
        /// Set one key of the configuration; may be repeated.
        #[arg(long, value_name = "KEY=VALUE")]
        set: Vec<String>,
    },
    /// Print a configuration as TOML with every key, explained.
    #[command(
        after_help = "Examples:\n  gensen config print configs/real-small.toml\n  \
                      gensen config print > mine.toml"
    )]
    Print {
        /// The configuration: TOML, or the reference's JSON. [default: the built-in sample's]
        #[arg(value_name = "FILE", value_parser = file())]
        config: Option<PathBuf>,
        /// Set one key of the configuration; may be repeated.
        #[arg(long, value_name = "KEY=VALUE")]
        set: Vec<String>,
    },
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    match &arguments.action {
        Action::Check { config, set } => check(config, set),
        Action::Print { config, set } => {
            let config = load(config.as_deref(), set)?;
            print(format_args!("{}", config.commented()?))
        }
    }
}

fn load(path: Option<&Path>, set: &[String]) -> Result<Config> {
    let config = Config::load(path, set)?;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    Ok(config)
}

fn check(path: &Path, set: &[String]) -> Result<()> {
    let config = load(Some(path), set)?;
    inputs::check(&config)?;
    similarity::check_files(&config)?;
    say!("{}: valid; {}", path.display(), described(&config))
}

/// A short description of a run with this configuration.
pub(super) fn described(config: &Config) -> String {
    let tasks: Vec<&str> = config.tasks.iter().map(|task| task.name.as_str()).collect();
    format!(
        "run `{}` in {}, {} steps of {} ({})",
        config.run.name,
        config.folder().display(),
        config.training.steps,
        config.training.batch(),
        tasks.join(", ")
    )
}
