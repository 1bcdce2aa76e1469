//! `cargo xtask bench pack`: what `bench peers` needs on a machine without Rust and this repository.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::programs::{Programs, root};

/// Our programs that are packed.
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
    /// The folder to make; beside it comes FOLDER.tar.gz
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
    let peers = folder.join("peers");
    fs::create_dir_all(&peers).with_context(|| folder.display().to_string())?;
    for name in PROGRAMS {
        copy(&programs.path(name), &folder.join(name))?;
    }
    copy(&std::env::current_exe()?, &folder.join("xtask"))?;
    copy(&root().join("configs").join(CONFIG), &folder.join(CONFIG))?;
    for script in fs::read_dir(&programs.peers)? {
        let script = script?;
        if script.path().extension() == Some(OsStr::new("py")) {
            copy(&script.path(), &peers.join(script.file_name()))?;
        }
    }
    fs::write(folder.join("README.md"), README)?;
    let mut archive = name.to_owned();
    archive.push(".tar.gz");
    let archive = folder.with_file_name(archive);
    compress(folder, name, &archive).with_context(|| archive.display().to_string())?;
    println!("{}\n{}", folder.display(), archive.display());
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).with_context(|| format!("{} to {}", from.display(), to.display()))?;
    Ok(())
}

/// Writes `folder` under `name` into a compressed archive.
fn compress(folder: &Path, name: &OsStr, archive: &Path) -> Result<()> {
    let file = GzEncoder::new(File::create(archive)?, Compression::default());
    let mut tar = tar::Builder::new(file);
    tar.append_dir_all(name, folder)?;
    tar.into_inner()?.finish()?.sync_all()?;
    Ok(())
}
