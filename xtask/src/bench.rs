//! `cargo xtask bench peers`: our programs and their peers in PyTorch, run alternately.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use serde::Deserialize;

/// One of our programs and the program it is measured against. Each prints a JSON object a
/// measurement, with the fields of [`Measurement`]; of programs that print none, the whole process
/// is measured.
struct Pair {
    name: &'static str,
    /// An example's name, or `gensen`, and its arguments.
    ours: &'static [&'static str],
    /// A script in `benches/peers` and its arguments.
    peer: &'static [&'static str],
}

/// Stands in arguments for a folder with a model of the released size and sentences, which is made
/// when it is needed.
const ENCODE: &str = "ENCODE";

macro_rules! encode {
    ($case:literal) => {
        Pair {
            name: concat!("encode-", $case),
            ours: &["encode_speed", ENCODE, $case],
            peer: &["encode.py", ENCODE, $case],
        }
    };
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
    encode!("snli-32-f32"),
    encode!("snli-128-f32"),
    encode!("snli-1-f32"),
    encode!("snli-32-i8"),
    encode!("news-32-f32"),
    Pair {
        name: "encode-first",
        ours: &[
            "gensen",
            "embed",
            "--model",
            "ENCODE/model",
            "--input",
            "ENCODE/sentence.txt",
            "--output",
            "ENCODE/vector.npy",
        ],
        peer: &["encode.py", ENCODE, "first"],
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
    /// Over how many sentences the times are; of training, a step's are printed.
    sentences: Option<u32>,
    seconds: f64,
    cpu_seconds: Option<f64>,
    peak_bytes: Option<u64>,
    threads: Option<usize>,
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

    /// Seconds a sentence or a step, by the clock and of the processor.
    fn cost(&self) -> (f64, Option<f64>) {
        let share = |seconds| seconds / f64::from(self.sentences.unwrap_or(1));
        (share(self.seconds), self.cpu_seconds.map(share))
    }
}

/// Runs a benchmark.
pub fn run(arguments: &Arguments) -> Result<()> {
    let Benchmark::Peers(peers) = &arguments.command;
    let chosen =
        |pair: &&Pair| peers.names.is_empty() || peers.names.iter().any(|n| n == pair.name);
    let pairs: Vec<&Pair> = PAIRS.iter().filter(chosen).collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let programs = build(&root, &pairs)?;
    println!(
        "| pair | measurement | threads | ours, s | peer, s | peer / ours | min to max | by processor time | ours, MiB | peer, MiB |\n\
         | --- | --- | ---: | ---: | ---: | ---: | --- | ---: | ---: | ---: |"
    );
    for pair in pairs {
        let mut results: BTreeMap<String, Vec<[Measurement; 2]>> = BTreeMap::new();
        for round in 1..=peers.rounds {
            eprintln!("{}: round {round} of {}", pair.name, peers.rounds);
            let mut ours = programs.command(pair.ours)?;
            let (script, arguments) = pair.peer.split_first().context("an empty command")?;
            let mut peer = Command::new(&peers.python);
            peer.arg(root.join("benches/peers").join(script))
                .args(arguments.iter().map(|argument| programs.argument(argument)));
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

/// Where our programs are, and the folder that [`ENCODE`] stands for.
struct Programs {
    release: PathBuf,
    encode: PathBuf,
}

impl Programs {
    fn command(&self, words: &[&str]) -> Result<Command> {
        let (program, arguments) = words.split_first().context("an empty command")?;
        let mut command = Command::new(match *program {
            "gensen" => self.release.join("gensen"),
            example => self.release.join("examples").join(example),
        });
        command.args(arguments.iter().map(|argument| self.argument(argument)));
        Ok(command)
    }

    fn argument(&self, argument: &str) -> OsString {
        match argument.strip_prefix(ENCODE) {
            Some("") => self.encode.clone().into(),
            Some(rest) => self.encode.join(rest.trim_start_matches('/')).into(),
            None => argument.into(),
        }
    }
}

/// Builds the pairs' programs with the features of the whole workspace, and makes what they encode.
fn build(root: &Path, pairs: &[&Pair]) -> Result<Programs> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build
        .current_dir(root)
        .args(["build", "--release", "--workspace", "--tests"]);
    for pair in pairs {
        match pair.ours[0] {
            "gensen" => build.args(["--bin", "gensen"]),
            example => build.args(["--example", example]),
        };
    }
    let encodes = pairs.iter().any(|pair| pair.peer.contains(&ENCODE));
    if encodes {
        build.args(["--example", "encode_speed"]);
    }
    run_whole(&mut build)?;
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    let target = root.join(target);
    let programs = Programs {
        release: target.join("release"),
        encode: target.join("bench-encode"),
    };
    let sentence = programs.encode.join("sentence.txt");
    if encodes && !sentence.is_file() {
        run_whole(&mut programs.command(&["encode_speed", "make", ENCODE])?)?;
        std::fs::write(&sentence, "word4 word5 word6 word7 word8\n")?;
    }
    Ok(programs)
}

fn run_whole(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("cannot start {}", command.get_program().display()))?;
    if !status.success() {
        bail!("{command:?}: {status}");
    }
    Ok(())
}

/// Runs a program and reads what it measured.
fn measure(command: &mut Command) -> Result<Vec<Measurement>> {
    let start = Instant::now();
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start {}", command.get_program().display()))?;
    if !output.status.success() {
        bail!("{command:?}: {}", output.status);
    }
    let output = String::from_utf8(output.stdout).with_context(|| format!("{command:?}"))?;
    if output.trim().is_empty() {
        return Ok(vec![Measurement {
            name: "whole process".to_owned(),
            sentences: None,
            seconds: start.elapsed().as_secs_f64(),
            cpu_seconds: None,
            peak_bytes: None,
            threads: None,
        }]);
    }
    output.lines().map(Measurement::parse).collect()
}

/// The cells of one measurement's rounds, each ours and the peer's.
fn row(rounds: &[[Measurement; 2]]) -> String {
    let side = |k: usize, value: &dyn Fn(&Measurement) -> Option<f64>| {
        median(rounds.iter().filter_map(|round| value(&round[k])).collect())
    };
    let ratios = |value: &dyn Fn(&Measurement) -> Option<f64>| {
        let ratio = |[ours, peer]: &[Measurement; 2]| Some(value(peer)? / value(ours)?);
        rounds.iter().filter_map(ratio).collect::<Vec<f64>>()
    };
    let seconds = |m: &Measurement| Some(m.cost().0);
    let mebibytes = |m: &Measurement| Some(m.peak_bytes? as f64 / f64::from(1 << 20));
    let wall = ratios(&seconds);
    let smallest = wall.iter().copied().fold(f64::INFINITY, f64::min);
    let largest = wall.iter().copied().fold(0.0, f64::max);
    let cell = |number: Option<f64>, digits| match number {
        Some(number) => format!("{number:.digits$}"),
        None => "-".to_owned(),
    };
    let threads = rounds[0][0].threads.map(|threads| threads as f64);
    format!(
        "| {} | {} | {} | {} | {smallest:.2} to {largest:.2} | {} | {} | {} |",
        cell(threads, 0),
        cell(side(0, &seconds), 5),
        cell(side(1, &seconds), 5),
        cell(median(wall), 2),
        cell(median(ratios(&|m| m.cost().1)), 2),
        cell(side(0, &mebibytes), 0),
        cell(side(1, &mebibytes), 0),
    )
}

fn median(mut numbers: Vec<f64>) -> Option<f64> {
    numbers.sort_by(f64::total_cmp);
    let middle = numbers.len() / 2;
    match numbers.len() {
        0 => None,
        even if even.is_multiple_of(2) => Some((numbers[middle - 1] + numbers[middle]) / 2.0),
        _ => Some(numbers[middle]),
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
            seconds: 2.0,
            sentences: Some(2),
            cpu_seconds: Some(4e-5),
            ..ours.clone()
        };
        let row = row(&[[ours, peer]]);
        assert_eq!(
            row,
            "| 2 | 0.50000 | 1.00000 | 2.00 | 2.00 to 2.00 | 2.00 | 1024 | 1024 |"
        );
        assert!(Measurement::parse("{}").is_err());
    }
}
