//! Time and memory of the current process, from Linux.

use std::fs;
use std::io::{self, ErrorKind};

/// User and system time of this process in seconds, all threads together.
///
/// # Errors
///
/// When `/proc/self/stat` cannot be read or parsed.
pub fn processor_seconds() -> io::Result<f64> {
    // The second field is the program's name in parentheses; the 14th and the 15th count hundredths
    // of a second.
    let stat = fs::read_to_string("/proc/self/stat")?;
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let times = fields.split_whitespace().skip(11).take(2);
    let ticks = times.map(str::parse::<u64>).sum::<Result<u64, _>>();
    Ok(ticks.map_err(|error| wrong("/proc/self/stat", &error.to_string()))? as f64 / 100.0)
}

/// Peak resident memory of this process in bytes.
///
/// # Errors
///
/// When `/proc/self/status` cannot be read or parsed.
pub fn peak_bytes() -> io::Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    Ok(kibibytes.ok_or_else(|| wrong("/proc/self/status", "no VmHWM"))? * 1024)
}

fn wrong(file: &str, problem: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, format!("{file}: {problem}"))
}
