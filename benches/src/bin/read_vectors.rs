//! Reads word vectors and prints a report, the speed and, on Linux, the peak memory of the process:
//! `read_vectors FILE [WORDS]`, where WORDS lists the words to keep, one a line.
#![allow(clippy::disallowed_methods, clippy::print_stdout, clippy::print_stderr)]

use std::{error::Error, fs, path::Path, time::Instant};

use gensen_expand::{ReadOptions, WordSelection, WordVectors};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().ok_or("usage: read_vectors FILE [WORDS]")?;
    let words = arguments.next().map(fs::read_to_string).transpose()?;
    let selection = words
        .as_ref()
        .map_or_else(WordSelection::all, |words| WordSelection::of(words.lines()));

    let start = Instant::now();
    let vectors = WordVectors::read(Path::new(&file), &selection, &ReadOptions::default())?;
    let seconds = start.elapsed().as_secs_f64();
    println!("{}", vectors.report());
    let megabytes = fs::metadata(&file)?.len() as f64 / 1e6;
    println!(
        "{megabytes:.0} MB in {seconds:.2} s, {:.0} MB/s",
        megabytes / seconds
    );
    if let Some(words) = &words {
        println!("{:?}", vectors.case_overlap(words.lines()));
    }
    if let Ok(status) = fs::read_to_string("/proc/self/status") {
        status
            .lines()
            .filter(|line| line.starts_with("VmHWM") || line.starts_with("RssAnon"))
            .for_each(|l| println!("{l}"));
    }
    Ok(())
}
