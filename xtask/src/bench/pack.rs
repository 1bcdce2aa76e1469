//! `cargo xtask bench pack`: a folder with all that `bench peers` needs, for a machine without Rust.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use flate2::Compression;
use flate2::write::GzEncoder;
use gensen_data::scratch::{self, Scratch};

use super::programs::Programs;
use crate::repository::root;
use gensen_data::output::say;

/// Our programs to pack.
const PROGRAMS: [&str; 5] = [
    "gensen",
    "gensen-train",
    "train_step",
    "encode_speed",
    "compare_runs",
];

/// The configuration of a training run of several minutes.
const CONFIG: &str = "real-small.toml";

const README: &str = "\
# GenSen's programs and their peers in PyTorch

For an x86-64 Linux with a C library as new as the building machine's. The peers need Python with
`pip install torch numpy safetensors`. In this folder:

    ./gensen --device list                                    # what there is to compute on
    python3 peers/train_step.py --device cuda --check small   # both peers compute the same
    ./xtask bench peers --programs . --python python3 --device cuda --tf32 gpu

The last prints a table: ours beside PyTorch, each pair in turn. Single pairs are named instead of
`gpu`: `./xtask bench peers --help`. CubeCL (`cuda`) may take TF32 for products of f32, so PyTorch may
too; without `--tf32` only cuDNN's GRU does, as in ours with libtorch (`tch-cuda`). Programs built with
libtorch look for it in LD_LIBRARY_PATH. `docs/performance.md` of the repository says what to expect.
";

#[derive(Args)]
pub(super) struct Pack {
    /// Cargo features to build with, such as `gensen/cuda` or `gensen/tch`
    #[arg(long)]
    features: Option<String>,
    /// Folder to create, and FOLDER.tar.gz beside it
    folder: PathBuf,
}

/// Builds, copies, compresses.
pub(super) fn run(pack: &Pack) -> Result<()> {
    let folder = &pack.folder;
    let name = folder.file_name().context("the folder has no name")?;
    if folder.exists() {
        bail!("{} exists already", folder.display());
    }
    let programs = Programs::build(&PROGRAMS, pack.features.as_deref())?;
    let scratch = Scratch::folder(folder).with_context(|| folder.display().to_string())?;
    let inside = scratch.path();
    let peers = inside.join("peers");
    fs::create_dir(&peers).with_context(|| peers.display().to_string())?;
    for name in PROGRAMS {
        copy(&programs.path(name), &inside.join(name))?;
    }
    copy(&std::env::current_exe()?, &inside.join("xtask"))?;
    copy(&root().join("configs").join(CONFIG), &inside.join(CONFIG))?;
    for script in fs::read_dir(&programs.peers)? {
        let script = script?;
        if script.path().extension() == Some(OsStr::new("py")) {
            copy(&script.path(), &peers.join(script.file_name()))?;
        }
    }
    scratch::write_file(&inside.join("README.md"), |file| {
        file.write_all(README.as_bytes())
    })?;
    let mut archive = name.to_owned();
    archive.push(".tar.gz");
    let archive = folder.with_file_name(archive);
    scratch::write_file(&archive, |file| compress(inside, name, file))
        .with_context(|| archive.display().to_string())?;
    scratch
        .rename_to(folder)
        .with_context(|| folder.display().to_string())?;
    Ok(say!("{}\n{}", folder.display(), archive.display())?)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).with_context(|| format!("{} to {}", from.display(), to.display()))?;
    Ok(())
}

/// Writes `folder` into a compressed archive, as `name`.
fn compress(folder: &Path, name: &OsStr, archive: &mut dyn Write) -> io::Result<()> {
    let mut tar = tar::Builder::new(GzEncoder::new(archive, Compression::default()));
    tar.append_dir_all(name, folder)?;
    tar.into_inner()?.finish().map(drop)
}
