//! TensorBoard event files, beside `metrics.jsonl`.
//!
//! An event file is a sequence of TFRecords (length, checksum, bytes, checksum), each an `Event` of
//! TensorFlow's protocol. Each training process writes its own file, and TensorBoard continues with
//! the newest. When a run resumes from a checkpoint, later events are removed from the older files,
//! and the new file tells a running TensorBoard to drop them.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use gensen_data::scratch;
use prost::Message;

use crate::error::TrainError;
use crate::metrics::{Metric, Split};

/// Prefix and suffix of event files' names; between them is the time of creation in seconds.
const START: &str = "events.out.tfevents.";
const END: &str = ".gensen";
/// The format's version, in the first event of a file.
const VERSION: &str = "brain.Event:2";

/// One event of an event file, `Event` in TensorFlow.
#[derive(Clone, PartialEq, Message)]
struct EventRecord {
    /// Seconds since 1970.
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(string, optional, tag = "3")]
    file_version: Option<String>,
    #[prost(message, optional, tag = "5")]
    summary: Option<SummaryMessage>,
    #[prost(message, optional, tag = "7")]
    session_log: Option<SessionLog>,
}

#[derive(Clone, PartialEq, Message)]
struct SummaryMessage {
    #[prost(message, repeated, tag = "1")]
    value: Vec<Scalar>,
}

#[derive(Clone, PartialEq, Message)]
struct Scalar {
    #[prost(string, tag = "1")]
    tag: String,
    #[prost(float, optional, tag = "2")]
    simple_value: Option<f32>,
}

/// With status 1 (START): discards events of this step and later ones.
#[derive(Clone, PartialEq, Message)]
struct SessionLog {
    #[prost(int32, tag = "1")]
    status: i32,
}

/// The event file that a run appends to.
#[derive(Debug)]
pub(crate) struct EventLog {
    path: PathBuf,
}

impl EventLog {
    /// Creates a file in a run's folder; `step` is the checkpoint that the run resumes from. Later
    /// events, or all if the run starts afresh, are removed from older files.
    pub(crate) fn open(folder: &Path, step: Option<u64>) -> Result<Self, TrainError> {
        let older = older(folder).map_err(TrainError::io(folder))?;
        for (_, path) in &older {
            cut(path, step).map_err(TrainError::io(path))?;
        }
        // TensorBoard reads files in the order of their names, so a clock set back must not matter.
        let after = older.last().map_or(0, |(begun, _)| begun + 1);
        let name = format!("{START}{:010}{END}", after.max(now() as u64));
        let path = folder.join(name);
        let mut first = framed(&EventRecord {
            wall_time: now(),
            file_version: Some(VERSION.into()),
            ..EventRecord::default()
        });
        if let Some(step) = step {
            first.extend(framed(&EventRecord {
                wall_time: now(),
                step: step as i64 + 1,
                session_log: Some(SessionLog { status: 1 }),
                ..EventRecord::default()
            }));
        }
        scratch::write_file(&path, |file| file.write_all(&first)).map_err(TrainError::io(&path))?;
        Ok(Self { path })
    }

    /// Appends these metrics.
    pub(crate) fn append(&self, metrics: &[Metric]) -> Result<(), TrainError> {
        let mut bytes = Vec::new();
        for metric in metrics {
            bytes.extend(framed(&EventRecord {
                wall_time: now(),
                step: metric.step as i64,
                summary: Some(SummaryMessage {
                    value: scalars(metric),
                }),
                ..EventRecord::default()
            }));
        }
        let append = || {
            OpenOptions::new()
                .append(true)
                .open(&self.path)?
                .write_all(&bytes)
        };
        append().map_err(TrainError::io(&self.path))
    }
}

/// A summary of an event file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventSummary {
    /// The number of scalars.
    pub scalars: usize,
    /// The scalars' tags, sorted.
    pub tags: BTreeSet<String>,
    /// The first and last step with scalars.
    pub steps: Option<[i64; 2]>,
    /// Bytes of an incomplete record at the end.
    pub torn_bytes: usize,
}

/// Whether a file with this beginning is an event file.
pub fn is_one(start: &[u8]) -> bool {
    read(start).is_some_and(|(event, _)| event.file_version.is_some())
}

/// Summarises an event file, up to the first incomplete record.
pub fn summary(bytes: &[u8]) -> EventSummary {
    let mut found = EventSummary::default();
    let mut rest = bytes;
    while let Some((event, length)) = read(rest) {
        rest = &rest[length..];
        let Some(summary) = event.summary else {
            continue;
        };
        found.scalars += summary.value.len();
        found
            .tags
            .extend(summary.value.into_iter().map(|value| value.tag));
        let [first, last] = found.steps.unwrap_or([event.step; 2]);
        found.steps = Some([first.min(event.step), last.max(event.step)]);
    }
    found.torn_bytes = rest.len();
    found
}

/// A metric's scalars, tagged `loss/TASK/train` and so on.
fn scalars(metric: &Metric) -> Vec<Scalar> {
    let split = match metric.split {
        Split::Train => "train",
        Split::Validation => "validation",
        Split::Test => "test",
    };
    let numbers = [
        ("loss", metric.loss),
        ("perplexity", metric.perplexity),
        ("accuracy", metric.accuracy),
        ("pearson", metric.pearson),
        ("spearman", metric.spearman),
        ("gradient_norm", metric.gradient_norm),
        ("learning_rate", metric.learning_rate),
        ("effective_rank", metric.effective_rank),
        ("count_per_second", metric.count_per_second),
    ];
    let scalar = |(name, value): (&str, Option<f64>)| {
        Some(Scalar {
            tag: format!("{name}/{}/{split}", metric.task),
            simple_value: Some(value? as f32),
        })
    };
    numbers.into_iter().filter_map(scalar).collect()
}

fn now() -> f64 {
    // A clock before 1970 counts as 1970.
    let time = SystemTime::now().duration_since(UNIX_EPOCH);
    time.map_or(0.0, |time| time.as_secs_f64())
}

/// The event files of earlier processes with their times of creation, oldest first.
fn older(folder: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let begun = name.strip_prefix(START).and_then(|n| n.strip_suffix(END));
        if let Some(begun) = begun.and_then(|begun| begun.parse().ok()) {
            found.push((begun, path));
        }
    }
    found.sort();
    Ok(found)
}

/// Removes the events after `step` from a file, or deletes the file if there is no step.
fn cut(path: &Path, step: Option<u64>) -> io::Result<()> {
    let Some(step) = step else {
        return fs::remove_file(path);
    };
    let bytes = fs::read(path)?;
    let mut kept = 0;
    // A record torn by a power cut is the last one, after the last checkpoint.
    while let Some((event, length)) = read(&bytes[kept..]) {
        if event.summary.is_some() && event.step > step as i64 {
            break;
        }
        kept += length;
    }
    if kept == bytes.len() {
        return Ok(());
    }
    scratch::write_file(path, |file| file.write_all(&bytes[..kept]))
}

/// An event as a TFRecord.
fn framed(record: &EventRecord) -> Vec<u8> {
    let data = record.encode_to_vec();
    let length = (data.len() as u64).to_le_bytes();
    let mut bytes = length.to_vec();
    bytes.extend(checksum(&length).to_le_bytes());
    bytes.extend(&data);
    bytes.extend(checksum(&data).to_le_bytes());
    bytes
}

/// The event in the TFRecord at the beginning of `bytes`, and the TFRecord's length; `None` if it
/// is incomplete.
fn read(bytes: &[u8]) -> Option<(EventRecord, usize)> {
    let (length, rest) = bytes.split_first_chunk::<8>()?;
    let (length_checksum, rest) = rest.split_first_chunk::<4>()?;
    if u32::from_le_bytes(*length_checksum) != checksum(length) {
        return None;
    }
    let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
    let (data, rest) = rest.split_at_checked(length)?;
    let (data_checksum, _) = rest.split_first_chunk::<4>()?;
    if u32::from_le_bytes(*data_checksum) != checksum(data) {
        return None;
    }
    Some((EventRecord::decode(data).ok()?, 8 + 4 + length + 4))
}

/// The masked CRC-32C of TFRecords.
fn checksum(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes)
        .rotate_right(15)
        .wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metric(step: u64) -> Metric {
        Metric {
            loss: Some(0.5),
            ..Metric::new(step, Split::Train, "fr-en")
        }
    }

    /// The steps of all summaries of a folder, in the order in which they are read.
    fn steps(folder: &Path) -> Vec<i64> {
        let mut steps = Vec::new();
        for (_, path) in older(folder).unwrap() {
            let bytes = fs::read(path).unwrap();
            let mut at = 0;
            while let Some((event, length)) = read(&bytes[at..]) {
                steps.extend(event.summary.map(|_| event.step));
                at += length;
            }
            assert_eq!(at, bytes.len());
        }
        steps
    }

    #[test]
    fn records_are_tensorflows() {
        // The check value of CRC-32C: the checksum of "123456789".
        assert_eq!(crc32c::crc32c(b"123456789"), 0xe306_9283);
        // The first record of a file that TensorFlow wrote: its length and masked checksum are 24.
        let length = 24_u64.to_le_bytes();
        assert_eq!(checksum(&length).to_le_bytes(), [0xa3, 0x7f, 0x4b, 0x22]);

        let event = EventRecord {
            wall_time: 1.5,
            step: 7,
            summary: Some(SummaryMessage {
                value: scalars(&metric(7)),
            }),
            ..EventRecord::default()
        };
        let mut bytes = framed(&event);
        assert_eq!(read(&bytes), Some((event, bytes.len())));
        assert_eq!(read(&bytes[..bytes.len() - 1]), None);
        bytes[14] ^= 1;
        assert_eq!(read(&bytes), None);
    }

    #[test]
    fn a_run_that_goes_on_has_each_step_once() {
        let folder = tempfile::tempdir().unwrap();
        let log = EventLog::open(folder.path(), None).unwrap();
        log.append(&[metric(10), metric(20)]).unwrap();
        log.append(&[metric(30)]).unwrap();
        // Truncates the file in the middle of a record.
        let bytes = fs::read(&log.path).unwrap();
        fs::write(&log.path, &bytes[..bytes.len() - 5]).unwrap();
        let log = EventLog::open(folder.path(), Some(20)).unwrap();
        assert_eq!(steps(folder.path()), [10, 20]);
        log.append(&[metric(30), metric(40)]).unwrap();
        assert_eq!(steps(folder.path()), [10, 20, 30, 40]);

        let log = EventLog::open(folder.path(), Some(10)).unwrap();
        log.append(&[metric(20)]).unwrap();
        assert_eq!(steps(folder.path()), [10, 20]);
        EventLog::open(folder.path(), None).unwrap();
        assert!(steps(folder.path()).is_empty());
        assert_eq!(older(folder.path()).unwrap().len(), 1);
    }
}
