//! Prepares a line-aligned corpus and prints the time and memory it took, or writes a synthetic one.
//!
//! ```text
//! cargo run --release -p gensen-bench --bin prepare -- synthesise 1000000 /tmp/corpus
//! cargo run --release -p gensen-bench --bin prepare -- /tmp/corpus/source.txt /tmp/corpus/target.txt /tmp/cache [TOKENIZER [THREADS]]
//! ```
#![allow(clippy::disallowed_methods, clippy::print_stdout, clippy::print_stderr)]

use std::error::Error;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, absolute};
use std::time::Instant;

use gensen_data::prepare::{DataOptions, PrepareProgress, prepare};
use gensen_data::spec::TaskSpec;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["synthesise", lines, folder] => synthesise(lines.parse()?, Path::new(folder)),
        [source, target, cache] => run(source, target, cache, "whitespace", 0),
        [source, target, cache, tokenizer] => run(source, target, cache, tokenizer, 0),
        [source, target, cache, tokenizer, threads] => {
            run(source, target, cache, tokenizer, threads.parse()?)
        }
        _ => Err(
            "expected: synthesise LINES FOLDER, or SOURCE TARGET CACHE [TOKENIZER [THREADS]]"
                .into(),
        ),
    }
}

fn run(
    source: &str,
    target: &str,
    cache: &str,
    tokenizer: &str,
    threads: usize,
) -> Result<(), Box<dyn Error>> {
    let input = serde_json::json!({ "source": absolute(source)?, "target": absolute(target)? });
    let task: TaskSpec = serde_json::from_value(serde_json::json!({
        "name": "fr-en", "kind": "translation", "train": input,
    }))?;
    let options = DataOptions {
        tokenizer: tokenizer.into(),
        threads,
        ..DataOptions::default()
    };
    let start = Instant::now();
    let progress = |progress: PrepareProgress<'_>| {
        if !matches!(progress, PrepareProgress::Reading { line, .. } if line > 1) {
            println!("{:7.2} s  {progress:?}", start.elapsed().as_secs_f64());
        }
    };
    let data = prepare(
        &[task],
        &options,
        Path::new(cache),
        Path::new(""),
        &progress,
    )?;
    println!("{}", data.report);
    println!(
        "{} words, {} pairs",
        data.source_vocabulary.len(),
        data.tasks[0].train.len()
    );
    Ok(())
}

/// Writes pairs of lines of 15 to 35 words. The frequencies of 200,000 words follow Zipf's law, and
/// one word in 200 is new.
fn synthesise(lines: u64, folder: &Path) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(folder)?;
    for (seed, name) in [(1, "source.txt"), (2, "target.txt")] {
        let mut file = BufWriter::new(File::create(folder.join(name))?);
        let mut state: u64 = seed;
        let mut random = move || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as f64 / (1u64 << 31) as f64
        };
        let (mut line, mut newest) = (Vec::new(), 200_000);
        for _ in 0..lines {
            line.clear();
            for _ in 0..15 + (random() * 21.0) as u32 {
                let mut rank = (random() * 2e5f64.ln()).exp() as u64;
                if random() < 0.005 {
                    newest += 1;
                    rank = newest;
                }
                while rank > 0 {
                    line.push(b'a' + (rank % 20) as u8);
                    rank /= 20;
                }
                line.push(b' ');
            }
            line.pop();
            line.push(b'\n');
            file.write_all(&line)?;
        }
        file.flush()?;
    }
    Ok(())
}
