//! `cargo xtask bench peers`: our programs and their peers in PyTorch, run alternately.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use serde::Deserialize;

/// One of our example programs and the program it is measured against. Each prints a JSON object a
/// measurement, with the fields of [`Measurement`].
struct Pair {
    name: &'static str,
    /// An example's name and its arguments.
    ours: &'static [&'static str],
    /// A script in `benches/peers` and its arguments.
    peer: &'static [&'static str],
}

const PAIRS: &[Pair] = &[
    Pair {
        name: "train-paper",
        ours: &["train_step", "paper"],
        peer: &["train_step.py", "paper"],
    },
    Pair {
        name: "train-small",
        ours: &["train_step", "small"],
        peer: &["train_step.py", "small"],
    },
    Pair {
        name: "train-encoder",
        ours: &["train_step", "--steps", "15", "encoder"],
        peer: &["train_step.py", "--steps", "15", "encoder"],
    },
    Pair {
        name: "train-paper-1-thread",
        ours: &["train_step", "--threads", "1", "paper"],
        peer: &["train_step.py", "--threads", "1", "paper"],
    },
    Pair {
        name: "train-small-1-thread",
        ours: &["train_step", "--threads", "1", "small"],
        peer: &["train_step.py", "--threads", "1", "small"],
    },
];

/// Measure.
#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Benchmark,
}

#[derive(Subcommand)]
enum Benchmark {
    /// Run ours and the PyTorch peer in turn, and print the ratios
    ///
    /// Example: cargo xtask bench peers --python venv/bin/python train-small
    Peers(Peers),
}

#[derive(Args)]
struct Peers {
    /// How often each program runs
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// A Python that has the peers' packages
    #[arg(long, default_value = "python3")]
    python: PathBuf,
    /// Which pairs; all if left out
    #[arg(value_parser = PAIRS.iter().map(|pair| pair.name).collect::<Vec<_>>())]
    names: Vec<String>,
}

/// What a program prints of one measurement.
#[derive(Clone, Debug, Deserialize)]
struct Measurement {
    name: String,
    seconds: f64,
    cpu_seconds: f64,
    peak_bytes: u64,
    threads: usize,
}

impl Measurement {
    /// Reads a JSON object of numbers and plain strings, which is TOML but for the colons.
    fn parse(line: &str) -> Result<Self> {
        #[derive(Deserialize)]
        struct Line {
            measurement: Measurement,
        }
        let toml = format!("measurement = {}", line.replace("\":", "\" ="));
        let line = toml::from_str::<Line>(&toml).with_context(|| format!("measurement {line}"))?;
        Ok(line.measurement)
    }
}

/// Runs a benchmark.
pub fn run(arguments: &Arguments) -> Result<()> {
    let Benchmark::Peers(peers) = &arguments.command;
    let chosen =
        |pair: &&Pair| peers.names.is_empty() || peers.names.iter().any(|n| n == pair.name);
    let pairs: Vec<&Pair> = PAIRS.iter().filter(chosen).collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let examples = build(&root, &pairs)?;
    println!(
        "| pair | measurement | threads | ours, s | peer, s | peer / ours | min to max | by processor time | ours, GiB | peer, GiB |\n\
         | --- | --- | ---: | ---: | ---: | ---: | --- | ---: | ---: | ---: |"
    );
    for pair in pairs {
        let mut results: BTreeMap<String, Vec<[Measurement; 2]>> = BTreeMap::new();
        for round in 1..=peers.rounds {
            eprintln!("{}: round {round} of {}", pair.name, peers.rounds);
            let (example, arguments) = pair.ours.split_first().context("an empty command")?;
            let mut ours = Command::new(examples.join(example));
            ours.args(arguments);
            let (script, arguments) = pair.peer.split_first().context("an empty command")?;
            let mut peer = Command::new(&peers.python);
            peer.arg(root.join("benches/peers").join(script))
                .args(arguments);
            let mut peer = measure(&mut peer)?;
            for ours in measure(&mut ours)? {
                let Some(place) = peer.iter().position(|m| m.name == ours.name) else {
                    bail!("{}: the peer did not measure {}", pair.name, ours.name);
                };
                let peer = peer.swap_remove(place);
                results
                    .entry(ours.name.clone())
                    .or_default()
                    .push([ours, peer]);
            }
        }
        for (name, rounds) in &results {
            println!("| {} | {name} {}", pair.name, row(rounds));
        }
    }
    Ok(())
}

/// Builds the pairs' examples with the whole workspace's features; returns their folder.
fn build(root: &Path, pairs: &[&Pair]) -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build
        .current_dir(root)
        .args(["build", "--release", "--workspace"]);
    for pair in pairs {
        build.arg("--example").arg(pair.ours[0]);
    }
    if !build
        .status()
        .context("cannot start cargo build")?
        .success()
    {
        bail!("cargo build failed");
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    Ok(root.join(target).join("release/examples"))
}

/// Runs a program and reads what it measured.
fn measure(command: &mut Command) -> Result<Vec<Measurement>> {
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start {}", command.get_program().display()))?;
    if !output.status.success() {
        bail!("{command:?}: {}", output.status);
    }
    let output = String::from_utf8(output.stdout).with_context(|| format!("{command:?}"))?;
    output.lines().map(Measurement::parse).collect()
}

/// The cells of one measurement's rounds, each ours and the peer's.
fn row(rounds: &[[Measurement; 2]]) -> String {
    let side = |k: usize, value: fn(&Measurement) -> f64| {
        median(rounds.iter().map(|round| value(&round[k])).collect())
    };
    let ratios = |value: fn(&Measurement) -> f64| {
        let ratio = |[ours, peer]: &[Measurement; 2]| value(peer) / value(ours);
        rounds.iter().map(ratio).collect::<Vec<f64>>()
    };
    let seconds = ratios(|m| m.seconds);
    let smallest = seconds.iter().copied().fold(f64::INFINITY, f64::min);
    let largest = seconds.iter().copied().fold(0.0, f64::max);
    let gibibytes = |m: &Measurement| m.peak_bytes as f64 / f64::from(1 << 30);
    format!(
        "| {} | {:.3} | {:.3} | {:.2} | {smallest:.2} to {largest:.2} | {:.2} | {:.2} | {:.2} |",
        rounds[0][0].threads,
        side(0, |m| m.seconds),
        side(1, |m| m.seconds),
        median(seconds),
        median(ratios(|m| m.cpu_seconds)),
        side(0, gibibytes),
        side(1, gibibytes),
    )
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    let middle = numbers.len() / 2;
    if numbers.len().is_multiple_of(2) {
        (numbers[middle - 1] + numbers[middle]) / 2.0
    } else {
        numbers[middle]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_programs_print() {
        let line = r#"{"name": "small", "seconds": 0.5, "cpu_seconds": 1e-05, "peak_bytes": 1073741824, "threads": 2}"#;
        let ours = Measurement::parse(line).unwrap();
        let peer = Measurement {
            seconds: 1.0,
            cpu_seconds: 2e-5,
            ..ours.clone()
        };
        let row = row(&[[ours, peer]]);
        assert_eq!(
            row,
            "| 2 | 0.500 | 1.000 | 2.00 | 2.00 to 2.00 | 2.00 | 1.00 | 1.00 |"
        );
        assert!(Measurement::parse("{}").is_err());
    }
}
