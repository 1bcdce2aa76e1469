//! Tokenises standard input line by line, and prints the speed.
//!
//! ```sh
//! cargo run --release -p gensen-bench --bin tokenize -- moses en < text > words
//! ```
//!
//! A folder of Moses's prefix lists or of Punkt models may follow the language.
#![allow(clippy::disallowed_methods, clippy::print_stdout, clippy::print_stderr)]

use std::error::Error;
use std::io::{self, BufRead, BufWriter, Write};
use std::time::{Duration, Instant};

use gensen_data::tokenizer::{Resources, Tokens, by_name};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, language, folder @ ..] = arguments.as_slice() else {
        return Err("usage: tokenize NAME LANGUAGE [FOLDER] < text > words".into());
    };
    let folder = folder.first().map(Into::into);
    let tokenizer = by_name(
        name,
        language,
        &Resources {
            nonbreaking_prefixes: folder.clone(),
            punkt: folder,
        },
    )?;

    let mut input = io::stdin().lock();
    let mut output = BufWriter::new(io::stdout().lock());
    let (mut line, mut tokens) = (String::new(), Tokens::default());
    let (mut bytes, mut busy) = (0, Duration::ZERO);
    while input.read_line(&mut line)? > 0 {
        let text = line.strip_suffix('\n').unwrap_or(&line);
        let start = Instant::now();
        tokenizer.tokenize(text, &mut tokens);
        busy += start.elapsed();
        bytes += line.len();
        for (i, word) in tokens.iter().enumerate() {
            output.write_all(if i == 0 { b"" } else { b" " })?;
            output.write_all(word.as_bytes())?;
        }
        output.write_all(b"\n")?;
        line.clear();
    }
    output.flush()?;
    eprintln!(
        "{bytes} bytes in {:.3} s: {:.1} MB/s",
        busy.as_secs_f64(),
        bytes as f64 / 1e6 / busy.as_secs_f64()
    );
    Ok(())
}
