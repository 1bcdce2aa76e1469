//! `gensen completions`: shell completion scripts.

use anyhow::Result;
use clap_complete::{Shell, generate};

use crate::output::print;

/// Print a shell's completion script for commands, options and their values.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
                  gensen completions bash > ~/.local/share/bash-completion/completions/gensen\n  \
                  gensen completions zsh > ~/.zfunc/_gensen\n  \
                  gensen completions fish > ~/.config/fish/completions/gensen.fish")]
pub(crate) struct Arguments {
    /// The shell.
    shell: Shell,
}

pub(crate) fn run(arguments: &Arguments, mut program: clap::Command) -> Result<()> {
    let mut script = Vec::new();
    generate(arguments.shell, &mut program, "gensen", &mut script);
    print(format_args!("{}", String::from_utf8(script)?))
}
