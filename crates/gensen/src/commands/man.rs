//! `gensen man`: manual pages, one per command.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Command;
use clap_mangen::Man;
use gensen_data::scratch;

use super::places::file;
use crate::output::say;

/// Write manual pages: `gensen.1` and one per command.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  gensen man ~/.local/share/man/man1\n  man gensen-embed")]
pub(crate) struct Arguments {
    /// Folder; pages of an earlier release are replaced.
    #[arg(value_name = "DIR", value_parser = file())]
    folder: PathBuf,
}

pub(crate) fn run(arguments: &Arguments, program: Command) -> Result<()> {
    let mut program = program.disable_help_subcommand(true);
    // Sets the full name of each subcommand.
    program.build();
    let mut pages = Vec::new();
    render(&program, &mut pages)?;
    for (name, _) in &pages {
        check_replaceable(&arguments.folder.join(name))?;
    }
    for (name, page) in &pages {
        let path = arguments.folder.join(name);
        scratch::write_file(&path, |file| file.write_all(page))
            .with_context(|| path.display().to_string())?;
    }
    say!("{} pages in {}", pages.len(), arguments.folder.display())
}

/// The pages of a command and of those below it: file names and contents.
fn render(command: &Command, pages: &mut Vec<(String, Vec<u8>)>) -> Result<()> {
    let man = Man::new(command.clone());
    let mut page = Vec::new();
    man.render(&mut page)?;
    pages.push((man.get_filename(), page));
    for below in command
        .get_subcommands()
        .filter(|below| !below.is_hide_set())
    {
        render(below, pages)?;
    }
    Ok(())
}

/// Refuses to replace a file that is not a manual page of this program.
fn check_replaceable(path: &Path) -> Result<()> {
    let page = match fs::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        page => page.with_context(|| path.display().to_string())?,
    };
    let title = page
        .split(|&byte| byte == b'\n')
        .any(|line| line.starts_with(b".TH gensen"));
    if !title {
        bail!(
            "{}: not a manual page of this program; not replaced",
            path.display()
        );
    }
    Ok(())
}
