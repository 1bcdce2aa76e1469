//! The programs' measurements, and their comparison.

use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

/// One measurement of a program, which prints it as a line of JSON.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Measurement {
    pub(super) name: String,
    /// The number of sentences the times are for; without it, the times are of one training step.
    sentences: Option<u32>,
    seconds: f64,
    cpu_seconds: Option<f64>,
    /// Operations of the matrix products, which the peers count.
    operations: Option<f64>,
    peak_bytes: Option<u64>,
    /// Peak GPU memory reserved.
    device_peak_bytes: Option<u64>,
    threads: Option<usize>,
}

/// The table's heading; [`row`] makes the end of each line.
pub(super) const HEAD: &str = "\
| pair | measurement | threads | ours, s | peer, s | peer / ours | min to max | by processor time \
| products at full rate, s | ours, MiB | peer, MiB | ours, device MiB | peer, device MiB |
| --- | --- | ---: | ---: | ---: | ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: |";

impl Measurement {
    fn parse(line: &str) -> Result<Self> {
        serde_json::from_str(line).with_context(|| format!("measurement {line}"))
    }

    /// The number of sentences or steps.
    fn count(&self) -> f64 {
        f64::from(self.sentences.unwrap_or(1))
    }

    /// Wall-clock and processor seconds per sentence or step.
    fn cost(&self) -> (f64, Option<f64>) {
        let share = |seconds| seconds / self.count();
        (share(self.seconds), self.cpu_seconds.map(share))
    }
}

/// The output of a program, which must succeed.
pub(super) fn text(command: &mut Command) -> Result<String> {
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start {}", command.get_program().display()))?;
    if !output.status.success() {
        bail!("{command:?}: {}", output.status);
    }
    String::from_utf8(output.stdout).with_context(|| format!("{command:?}"))
}

/// Runs a program and parses its measurements.
pub(super) fn measure(command: &mut Command) -> Result<Vec<Measurement>> {
    let start = Instant::now();
    let output = text(command)?;
    if output.trim().is_empty() {
        return Ok(vec![Measurement {
            name: "whole process".to_owned(),
            sentences: None,
            seconds: start.elapsed().as_secs_f64(),
            cpu_seconds: None,
            operations: None,
            peak_bytes: None,
            device_peak_bytes: None,
            threads: None,
        }]);
    }
    output.lines().map(Measurement::parse).collect()
}

/// The cells of a measurement, from our and the peer's results of each round, on a machine that computes products at
/// `rate` operations per second.
pub(super) fn row(rounds: &[[Measurement; 2]], rate: Option<f64>) -> String {
    let side = |k: usize, value: &dyn Fn(&Measurement) -> Option<f64>| {
        median(rounds.iter().filter_map(|round| value(&round[k])).collect())
    };
    let ratios = |value: &dyn Fn(&Measurement) -> Option<f64>| {
        let ratio = |[ours, peer]: &[Measurement; 2]| Some(value(peer)? / value(ours)?);
        rounds.iter().filter_map(ratio).collect::<Vec<f64>>()
    };
    let seconds = |m: &Measurement| Some(m.cost().0);
    let mebibytes = |bytes: Option<u64>| Some(bytes? as f64 / f64::from(1 << 20));
    let on_host = |m: &Measurement| mebibytes(m.peak_bytes);
    let on_device = |m: &Measurement| mebibytes(m.device_peak_bytes);
    let least = |m: &Measurement| Some(m.operations? / rate? / m.count());
    let wall = ratios(&seconds);
    let smallest = wall.iter().copied().fold(f64::INFINITY, f64::min);
    let largest = wall.iter().copied().fold(0.0, f64::max);
    let cell = |number: Option<f64>, digits| match number {
        Some(number) => format!("{number:.digits$}"),
        None => "-".to_owned(),
    };
    let threads = rounds[0][0].threads.map(|threads| threads as f64);
    format!(
        "| {} | {} | {} | {} | {smallest:.2} to {largest:.2} | {} | {} | {} | {} | {} | {} |",
        cell(threads, 0),
        cell(side(0, &seconds), 5),
        cell(side(1, &seconds), 5),
        cell(median(wall), 2),
        cell(median(ratios(&|m| m.cost().1)), 2),
        cell(side(1, &least), 5),
        cell(side(0, &on_host), 0),
        cell(side(1, &on_host), 0),
        cell(side(0, &on_device), 0),
        cell(side(1, &on_device), 0),
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
        let line = r#"{"name": "small", "seconds": 0.5, "cpu_seconds": 1e-05, "peak_bytes": 1073741824, "device_peak_bytes": null, "threads": 2}"#;
        let ours = Measurement::parse(line).unwrap();
        let peer = Measurement {
            seconds: 2.0,
            sentences: Some(2),
            cpu_seconds: Some(4e-5),
            operations: Some(3e9),
            device_peak_bytes: Some(3 << 20),
            ..ours.clone()
        };
        let row = row(&[[ours, peer]], Some(6e9));
        assert_eq!(
            row,
            "| 2 | 0.50000 | 1.00000 | 2.00 | 2.00 to 2.00 | 2.00 | 0.25000 | 1024 | 1024 | - | 3 |"
        );
        assert!(Measurement::parse("{}").is_err());
    }
}
