//! `cargo xtask bench peers`: our programs and their peers, run alternately.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;

use super::bounds::Bounds;
use super::measurement::{HEAD, Measurement, measure, row};
use super::pairs::{self, Pair};
use super::programs::Programs;
use gensen_data::output::{say, tell};

#[derive(Args)]
pub(super) struct Peers {
    /// Runs of each program
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Python with the peers' packages
    #[arg(long, default_value = "python3")]
    python: PathBuf,
    /// Device of our programs, as for `gensen --device` [default: the CPU]
    #[arg(long, value_name = "NAME")]
    device: Option<String>,
    /// Device of the peers, as for PyTorch [default: the equivalent of --device]
    #[arg(long, value_name = "NAME")]
    peer_device: Option<String>,
    /// Let the peers use TF32 for f32 products, as CubeCL does where it is faster
    #[arg(long)]
    tf32: bool,
    /// Folder of `bench pack` with the programs [default: build them]
    #[arg(long, value_name = "FOLDER", conflicts_with = "features")]
    programs: Option<PathBuf>,
    /// Cargo features to build with, such as `gensen/cuda`
    #[arg(long)]
    features: Option<String>,
    /// First measure the machine's bounds with PyTorch (f32, bf16 and 8-bit products, memory bandwidth); beside each
    /// pair, its products' time at that rate
    #[arg(long)]
    bounds: bool,
    /// Pairs by name; `gpu` and `best` are groups [default: all outside these groups]
    #[arg(value_parser = pairs::names())]
    names: Vec<String>,
}

impl Peers {
    fn programs(&self, pairs: &[&Pair]) -> Result<Programs> {
        let programs = match &self.programs {
            Some(folder) => Programs::packed(folder),
            None => {
                let maker = pairs
                    .iter()
                    .any(|pair| pair.encodes())
                    .then_some("encode_speed");
                let ours = pairs.iter().map(|pair| pair.ours[0]);
                let mut names: Vec<&str> = ours.chain(maker).collect();
                names.sort_unstable();
                names.dedup();
                Programs::build(&names, self.features.as_deref())?
            }
        };
        programs.prepare(pairs)?;
        Ok(programs)
    }

    /// The command-line options derived from `--device`, `--peer-device`, `--tf32` and `--bounds`: ours, then the peer's.
    fn options(&self) -> [Vec<&str>; 2] {
        let ours = self.device.as_deref();
        let peers = self.peer_device.as_deref().or(ours.map(torch_device));
        let [ours, mut peers] = [ours, peers].map(|name| match name {
            Some(name) => vec!["--device", name],
            None => Vec::new(),
        });
        peers.extend(self.tf32.then_some("--tf32"));
        peers.extend(self.bounds.then_some("--operations"));
        [ours, peers]
    }

    /// Runs both sides of a pair for a number of rounds.
    fn rounds(&self, programs: &Programs, pair: &Pair) -> Result<Rounds> {
        let [for_ours, for_peer] = self.options();
        let mut rounds = Rounds::new();
        for round in 1..=self.rounds {
            tell!("{}: round {round} of {}", pair.name, self.rounds);
            let ours = measure(programs.command(pair.ours)?.args(&for_ours))?;
            let mut peer = measure(programs.peer(&self.python, pair.peer)?.args(&for_peer))?;
            for ours in ours {
                let Some(place) = peer.iter().position(|m| m.name == ours.name) else {
                    bail!("{}: the peer did not measure {}", pair.name, ours.name);
                };
                let peer = peer.swap_remove(place);
                let of_name = rounds.entry(ours.name.clone()).or_default();
                of_name.push([ours, peer]);
            }
        }
        Ok(rounds)
    }
}

/// Measurements of each round, ours and the peer's, by the name of the quantity.
type Rounds = BTreeMap<String, Vec<[Measurement; 2]>>;

/// PyTorch's equivalent of one of our devices: CUDA for any GPU.
fn torch_device(name: &str) -> &str {
    match name.trim_start_matches("tch-") {
        cpu if cpu.starts_with("cpu") => "cpu",
        cuda if cuda.starts_with("cuda") => cuda,
        _ => "cuda",
    }
}

/// Prints a line of a table for each measurement. A failing pair does not stop the others.
pub(super) fn run(peers: &Peers) -> Result<()> {
    let pairs = pairs::chosen(&peers.names);
    let programs = peers.programs(&pairs)?;
    let bounds = if peers.bounds {
        let bounds = Bounds::measure(&mut programs.peer(&peers.python, &["machine.py"])?)?;
        say!("{}", bounds.table())?;
        Some(bounds)
    } else {
        None
    };
    say!("{HEAD}")?;
    let mut failed = Vec::new();
    for pair in pairs {
        match peers.rounds(&programs, pair) {
            Ok(rounds) => {
                let rate = bounds.as_ref().map(|bounds| bounds.rate(pair.name));
                for (name, rounds) in &rounds {
                    say!("| {} | {name} {}", pair.name, row(rounds, rate))?;
                }
            }
            Err(error) => {
                tell!("{}: {error:#}", pair.name);
                failed.push(pair.name);
            }
        }
    }
    if !failed.is_empty() {
        bail!("not measured: {}", failed.join(", "));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pytorch_computes_on_the_like() {
        let names = [
            "cpu",
            "tch-cpu",
            "cuda",
            "tch-cuda:1",
            "cuda:2",
            "vulkan",
            "auto",
        ];
        let torch = ["cpu", "cpu", "cuda", "cuda:1", "cuda:2", "cuda", "cuda"];
        assert_eq!(names.map(torch_device), torch);
    }
}
