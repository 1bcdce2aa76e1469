//! `gensen completions`: what a shell needs to complete a command line.

use anyhow::Result;
use clap_complete::{Shell, generate};

use crate::output::print;

/// Print a script that completes commands, options and their values in a shell.
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
