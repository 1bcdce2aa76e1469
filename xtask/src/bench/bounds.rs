//! What a machine can do at most, as PyTorch reaches it.

use std::process::Command;

use anyhow::{Context, Result};
use serde::Deserialize;

use super::measurement::text;

/// Rates per second, each the median, smallest and largest of several passes.
#[derive(Debug, Deserialize)]
pub(super) struct Bounds {
    processor: String,
    threads: usize,
    torch: String,
    f32: [f64; 3],
    bf16: [f64; 3],
    i8: [f64; 3],
    memory: [f64; 3],
}

impl Bounds {
    pub(super) fn measure(command: &mut Command) -> Result<Self> {
        let output = text(command)?;
        serde_json::from_str(&output).with_context(|| format!("bounds {output}"))
    }

    /// Operations per second of large products in the precision that ends a pair's name, f32 if none does.
    pub(super) fn rate(&self, pair: &str) -> f64 {
        let [rate, ..] = match pair.rsplit('-').next() {
            Some("bf16") => self.bf16,
            Some("i8") => self.i8,
            _ => self.f32,
        };
        rate
    }

    pub(super) fn table(&self) -> String {
        let rows = [
            ("product, f32", self.f32),
            ("product, bf16", self.bf16),
            ("product, 8 bits", self.i8),
            ("memory, read", self.memory),
        ];
        let rows = rows.map(|(name, rates)| {
            let [middle, smallest, largest] = rates.map(|rate| rate / 1e9);
            format!("| {name} | {middle:.0} | {smallest:.0} to {largest:.0} |\n")
        });
        format!(
            "{}, {} threads, PyTorch {}\n\n\
             | bound | 1e9 operations or bytes a second | smallest to largest |\n| --- | ---: | --- |\n{}",
            self.processor,
            self.threads,
            self.torch,
            rows.concat()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_of_the_pairs_precision() {
        let line = r#"{"processor": "x", "threads": 2, "torch": "2", "f32": [2e9, 1e9, 3e9], "bf16": [4e9, 4e9, 4e9], "i8": [8e9, 8e9, 8e9], "memory": [5e9, 5e9, 5e9]}"#;
        let bounds: Bounds = serde_json::from_str(line).unwrap();
        let pairs = ["a-bf16", "a-i8", "a-f32", "a-paper"];
        assert_eq!(pairs.map(|pair| bounds.rate(pair)), [4e9, 8e9, 2e9, 2e9]);
        assert!(bounds.table().contains("| product, f32 | 2 | 1 to 3 |"));
    }
}
