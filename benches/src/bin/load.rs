//! A closed-loop load generator for the embedding routes.
//!
//! ```sh
//! cargo run --release -p gensen-bench --bin load -- http://127.0.0.1:8080/embed --connections 64 --seconds 60
//! ```
//!
//! Each connection sends its next request when it has received the last response. Texts have 5 to 25 words, drawn at
//! random for each request. It prints requests per second, errors by kind, and the 50th, 95th, 99th and 100th
//! percentile of the latency; with `--process ID`, also that process's memory (Linux).
#![allow(clippy::disallowed_methods, clippy::print_stdout, clippy::print_stderr)]

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;

#[derive(Parser)]
struct Arguments {
    /// The route: http://HOST:PORT/PATH.
    url: String,
    /// Concurrent connections.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Duration in seconds.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Texts per request.
    #[arg(long, default_value_t = 1)]
    inputs: usize,
    /// Send `{"input": ...}`, for OpenAI's route, instead of `{"inputs": ...}`.
    #[arg(long)]
    openai: bool,
    /// Print this process's memory every ten seconds.
    #[arg(long, value_name = "ID")]
    process: Option<u32>,
}

/// Latencies, and errors by kind.
#[derive(Default)]
struct Tally {
    times: Vec<Duration>,
    errors: BTreeMap<String, usize>,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments = Arguments::parse();
    let address = arguments.url.strip_prefix("http://");
    let (address, path) = address
        .and_then(|rest| rest.split_once('/'))
        .ok_or("expected http://HOST:PORT/PATH")?;
    let (begin, length) = (Instant::now(), Duration::from_secs(arguments.seconds));
    let total = Mutex::new(Tally::default());
    let mut sizes = Vec::new();
    thread::scope(|scope| {
        for connection in 0..arguments.connections {
            let (arguments, total) = (&arguments, &total);
            scope.spawn(move || {
                let tally = ask(arguments, address, path, connection, begin + length);
                if let Ok(mut total) = total.lock() {
                    total.times.extend(tally.times);
                    for (error, count) in tally.errors {
                        *total.errors.entry(error).or_default() += count;
                    }
                }
            });
        }
        let Some(process) = arguments.process else {
            return;
        };
        while begin.elapsed() < length {
            let seconds = begin.elapsed().as_secs_f64();
            match memory(process) {
                Ok(kibibytes) => {
                    println!("{seconds:4.0} s  {:.1} MiB", kibibytes as f64 / 1024.0);
                    sizes.push(kibibytes);
                }
                Err(error) => println!("{seconds:4.0} s  {error}"),
            }
            thread::sleep(Duration::from_secs(10).min(length.saturating_sub(begin.elapsed())));
        }
    });
    let Tally { mut times, errors } = total.into_inner()?;
    times.sort();
    let seconds = begin.elapsed().as_secs_f64();
    println!(
        "{} requests in {seconds:.1} s: {:.1} requests/s",
        times.len(),
        times.len() as f64 / seconds
    );
    for percent in [50, 95, 99, 100] {
        if let Some(time) =
            times.get((times.len() * percent / 100).min(times.len().saturating_sub(1)))
        {
            println!("p{percent:<3} {:8.2} ms", time.as_secs_f64() * 1e3);
        }
    }
    if let (Some(first), Some(last), Some(largest)) =
        (sizes.first(), sizes.last(), sizes.iter().max())
    {
        let [first, last, largest] = [first, last, largest].map(|&size| size as f64 / 1024.0);
        println!(
            "memory: {first:.1} MiB at the start, {last:.1} MiB at the end, at most {largest:.1} MiB"
        );
    }
    println!("errors: {}", errors.values().sum::<usize>());
    for (error, count) in errors {
        println!("  {count} x {error}");
    }
    Ok(())
}

/// Sends requests until `end`.
fn ask(arguments: &Arguments, address: &str, path: &str, connection: usize, end: Instant) -> Tally {
    let mut tally = Tally::default();
    let mut random = 0x9e37_79b9_7f4a_7c15 ^ (connection as u64 + 1);
    let mut stream = None;
    while Instant::now() < end {
        let body = body(arguments, &mut random);
        let begin = Instant::now();
        match request(&mut stream, address, path, &body) {
            Ok(200) => tally.times.push(begin.elapsed()),
            Ok(status) => {
                *tally.errors.entry(format!("status {status}")).or_default() += 1;
                thread::sleep(Duration::from_millis(50));
            }
            Err(error) => {
                stream = None;
                *tally.errors.entry(error.to_string()).or_default() += 1;
                thread::sleep(Duration::from_millis(50));
            }
        }
    }
    tally
}

/// A request's body.
fn body(arguments: &Arguments, random: &mut u64) -> String {
    const WORDS: [&str; 40] = [
        "the", "a", "of", "in", "on", "with", "and", "is", "was", "not", "man", "woman", "child",
        "house", "river", "city", "market", "music", "winter", "letter", "reads", "walks", "opens",
        "finds", "plays", "sells", "old", "new", "small", "red", "quiet", "early", "near", "under",
        "before", "again", "slowly", "there", "they", "she",
    ];
    let mut next = |bound: usize| {
        *random ^= *random << 13;
        *random ^= *random >> 7;
        *random ^= *random << 17;
        (*random >> 33) as usize % bound
    };
    let texts = (0..arguments.inputs).map(|_| {
        let words = (0..5 + next(21)).map(|_| WORDS[next(WORDS.len())]);
        format!("\"{}.\"", words.collect::<Vec<_>>().join(" "))
    });
    let field = if arguments.openai { "input" } else { "inputs" };
    format!("{{\"{field}\":[{}]}}", texts.collect::<Vec<_>>().join(","))
}

/// Sends a request and reads its response; returns the status.
fn request(
    stream: &mut Option<BufReader<TcpStream>>,
    address: &str,
    path: &str,
    body: &str,
) -> io::Result<u16> {
    if stream.is_none() {
        let connected = TcpStream::connect(address)?;
        connected.set_nodelay(true)?;
        connected.set_read_timeout(Some(Duration::from_secs(60)))?;
        *stream = Some(BufReader::new(connected));
    }
    let Some(stream) = stream else {
        return Err(io::ErrorKind::NotConnected.into());
    };
    let request = format!(
        "POST /{path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.get_mut().write_all(request.as_bytes())?;
    let mut line = String::new();
    stream.read_line(&mut line)?;
    let malformed = || io::Error::other(format!("malformed response: `{}`", line.trim_end()));
    let status = line
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .ok_or_else(malformed)?;
    let mut length = 0;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().map_err(io::Error::other)?;
        }
    }
    io::copy(&mut stream.take(length), &mut io::sink())?;
    Ok(status)
}

/// A process's resident memory in KiB.
fn memory(process: u32) -> io::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.ok_or_else(|| io::Error::other("no VmRSS"))
}
