//! Two text columns of Parquet files: as much of the format as tables of text use.
//!
//! Read are optional and required (not repeated) byte-array columns, plain or dictionary encoded,
//! uncompressed or compressed with Snappy or gzip, in data pages of either version; anything else
//! is an error that names it. The format is described at <https://parquet.apache.org/docs/>.

use super::Workplace;
use super::text::Output;
use super::thrift::{Parsed, Thrift, Value};
use crate::fetch::error::{FetchError, Result, at};
use flate2::read::GzDecoder;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// Bytes a footer, a page or a column chunk may have.
const MAX_BYTES: u64 = 1 << 30;

/// Writes one text for each of two columns (named by their last part), all files in order. Line
/// breaks inside a value become spaces; a missing value is an empty line.
pub fn columns(
    work: &Workplace<'_>,
    from: &[String],
    columns: &[String; 2],
    to: &[String; 2],
) -> Result<()> {
    let mut rows = [0, 0];
    for ((column, to), rows) in columns.iter().zip(to).zip(&mut rows) {
        let mut output = Output::create(&work.output(to)?)?;
        let mut missing = 0;
        for name in from {
            let path = work.input(name)?;
            read_column(&path, column, &mut |value| match value {
                Some(text) if text.contains(['\n', '\r']) => {
                    output.line(&text.replace(['\n', '\r'], " "))
                }
                Some(text) => output.line(text),
                None => {
                    missing += 1;
                    output.line("")
                }
            })?;
        }
        if missing > 0 {
            work.note(format!("{to}: {missing} missing values, now empty lines"));
        }
        *rows = output.lines();
        output.finish()?;
    }
    let [one, two] = rows;
    if one != two {
        return Err(FetchError::Input {
            path: work.root.join(&to[0]),
            problem: format!(
                "column '{}' has {one} rows, '{}' has {two}",
                columns[0], columns[1]
            ),
        });
    }
    Ok(())
}

fn read_column(
    path: &Path,
    column: &str,
    emit: &mut dyn FnMut(Option<&str>) -> Result<()>,
) -> Result<()> {
    let mut file = File::open(path).map_err(at(path))?;
    let wrong = |problem: String| FetchError::Input {
        path: path.into(),
        problem: format!("as Parquet: {problem}"),
    };
    let chunks = read_footer(&mut file, column).map_err(wrong)?;
    for chunk in chunks {
        let bytes = read_at(&mut file, chunk.start, chunk.size).map_err(wrong)?;
        chunk.read(&bytes, emit).map_err(|fault| match fault {
            ChunkFault::Format(problem) => wrong(problem),
            ChunkFault::Output(error) => error,
        })?;
    }
    Ok(())
}

fn read_at(file: &mut File, start: u64, size: u64) -> Parsed<Vec<u8>> {
    if size > MAX_BYTES {
        return Err(format!(
            "a part of it has {size} bytes, more than {MAX_BYTES}"
        ));
    }
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(start))
        .and_then(|_| file.take(size).read_to_end(&mut bytes))
        .map_err(|error| error.to_string())?;
    if bytes.len() as u64 != size {
        return Err("it ends too early".into());
    }
    Ok(bytes)
}

/// A column's values in one group of rows.
struct Chunk {
    start: u64,
    size: u64,
    codec: i64,
    values: i64,
    /// How many of the column and what is around it may be missing.
    optional: u32,
}

enum ChunkFault {
    Format(String),
    Output(FetchError),
}

impl From<String> for ChunkFault {
    fn from(problem: String) -> Self {
        ChunkFault::Format(problem)
    }
}

impl From<&str> for ChunkFault {
    fn from(problem: &str) -> Self {
        ChunkFault::Format(problem.into())
    }
}

fn read_footer(file: &mut File, column: &str) -> Parsed<Vec<Chunk>> {
    let length = file.metadata().map_err(|error| error.to_string())?.len();
    let end = read_at(file, length.checked_sub(8).ok_or("it is too short")?, 8)?;
    let (size, magic) = end.split_at(4);
    if magic != b"PAR1" {
        return Err("it does not end in PAR1".into());
    }
    let size = u64::from(u32::from_le_bytes(
        size.try_into().map_err(|_| "it is too short")?,
    ));
    let start = length
        .checked_sub(8 + size)
        .ok_or("its footer is longer than the file")?;
    let footer = read_at(file, start, size)?;
    let footer = Thrift(&footer).structure(0)?;
    let optional = optional_levels(footer.list(2)?, column)?;
    let mut chunks = Vec::new();
    for group in footer.list(4)? {
        for chunk in group.list(1)? {
            let meta = chunk.field(3)?;
            let name = meta.list(3)?.last().ok_or("a column has no name")?;
            if name.bytes()? != column.as_bytes() {
                continue;
            }
            let dictionary = meta.int(11).unwrap_or(i64::MAX);
            let start = meta
                .int(9)?
                .min(if dictionary > 0 { dictionary } else { i64::MAX });
            chunks.push(Chunk {
                start: u64::try_from(start).map_err(|_| "a column begins before the file")?,
                size: u64::try_from(meta.int(7)?).map_err(|_| "a column has a negative size")?,
                codec: meta.int(4)?,
                values: meta.int(5)?,
                optional,
            });
        }
    }
    Ok(chunks)
}

/// Walks the schema, which lists a tree in depth-first order, to a byte-array leaf of that name.
fn optional_levels(schema: &[Value], column: &str) -> Parsed<u32> {
    // For each open branch: children still to come, and how many optional parts lead there.
    let mut open: Vec<(i64, u32)> = Vec::new();
    let mut found = None;
    for (index, element) in schema.iter().enumerate() {
        let above = open.last().map_or(0, |&(_, optional)| optional);
        let repetition = if index == 0 { 0 } else { element.int(3)? };
        let optional = above + u32::from(repetition == 1);
        if let Some((left, _)) = open.last_mut() {
            *left -= 1;
        }
        let children = element.int(5).unwrap_or(0);
        if children > 0 {
            open.push((children, optional));
        } else if element.field(4)?.bytes()? == column.as_bytes() {
            if element.int(1)? != 6 || repetition == 2 {
                return Err(format!("column '{column}' is not of text"));
            }
            if found.replace(optional).is_some() {
                return Err(format!("several columns are called '{column}'"));
            }
        }
        while open.last().is_some_and(|&(left, _)| left == 0) {
            open.pop();
        }
    }
    found.ok_or_else(|| format!("it has no column '{column}'"))
}

impl Chunk {
    fn read(
        &self,
        bytes: &[u8],
        emit: &mut dyn FnMut(Option<&str>) -> Result<()>,
    ) -> Result<(), ChunkFault> {
        let mut bytes = bytes;
        let mut dictionary: Vec<String> = Vec::new();
        let mut done = 0;
        while done < self.values {
            let mut thrift = Thrift(bytes);
            let header = thrift.structure(0)?;
            let size = usize::try_from(header.int(3)?).map_err(|_| "a page has a negative size")?;
            let page = thrift.take(size)?;
            bytes = thrift.0;
            let full = u64::try_from(header.int(2)?).map_err(|_| "a page has a negative size")?;
            match header.int(1)? {
                // Data page, version 1: levels and values are compressed together.
                0 => {
                    let about = header.field(5)?;
                    let page = self.decompress(page, full)?;
                    let mut rest = Thrift(&page);
                    let count = about.count(1)?;
                    let levels = if self.optional > 0 {
                        let size = rest.u32()? as usize;
                        Some(hybrid(rest.take(size)?, self.level_width(), count)?)
                    } else {
                        None
                    };
                    self.values(about.int(2)?, rest, count, levels, &dictionary, emit)?;
                    done += about.int(1)?;
                }
                2 => {
                    let page = self.decompress(page, full)?;
                    let mut rest = Thrift(&page);
                    let count = header.field(7)?.count(1)?;
                    dictionary = (0..count).map(|_| rest.text()).collect::<Parsed<_>>()?;
                }
                // Data page, version 2: levels lie uncompressed in front of the values.
                3 => {
                    let about = header.field(8)?;
                    let mut rest = Thrift(page);
                    let count = about.count(1)?;
                    let levels_size = about.count(5)?;
                    rest.take(about.count(6)?)?;
                    let levels = rest.take(levels_size)?;
                    let levels = match self.optional {
                        0 => None,
                        _ => Some(hybrid(levels, self.level_width(), count)?),
                    };
                    let left = full.saturating_sub((page.len() - rest.0.len()) as u64);
                    let plain = matches!(about.field(7), Ok(Value::Bool(false)));
                    let values = if plain {
                        rest.0.to_vec()
                    } else {
                        self.decompress(rest.0, left)?
                    };
                    self.values(
                        about.int(4)?,
                        Thrift(&values),
                        count,
                        levels,
                        &dictionary,
                        emit,
                    )?;
                    done += about.int(1)?;
                }
                1 => {}
                other => return Err(format!("pages of kind {other} are not read").into()),
            }
        }
        Ok(())
    }

    fn level_width(&self) -> u32 {
        u32::BITS - self.optional.leading_zeros()
    }

    fn values(
        &self,
        encoding: i64,
        mut bytes: Thrift<'_>,
        count: usize,
        levels: Option<Vec<u32>>,
        dictionary: &[String],
        emit: &mut dyn FnMut(Option<&str>) -> Result<()>,
    ) -> Result<(), ChunkFault> {
        let present = |index: usize| {
            levels
                .as_ref()
                .is_none_or(|levels| levels.get(index) == Some(&self.optional))
        };
        let given = (0..count).filter(|&index| present(index)).count();
        let mut indices = match encoding {
            0 => None,
            2 | 8 => {
                let width = u32::from(bytes.byte()?);
                Some(hybrid(bytes.0, width, given)?.into_iter())
            }
            other => return Err(format!("encoding {other} is not read").into()),
        };
        for index in 0..count {
            let output = if !present(index) {
                emit(None)
            } else if let Some(indices) = &mut indices {
                let word = indices
                    .next()
                    .and_then(|index| dictionary.get(index as usize));
                emit(Some(word.ok_or("a value is not in the dictionary")?))
            } else {
                emit(Some(&bytes.text()?))
            };
            output.map_err(ChunkFault::Output)?;
        }
        Ok(())
    }

    fn decompress(&self, bytes: &[u8], size: u64) -> Parsed<Vec<u8>> {
        if size > MAX_BYTES {
            return Err(format!("a page has {size} bytes, more than {MAX_BYTES}"));
        }
        let mut plain = Vec::new();
        match self.codec {
            0 => plain.extend_from_slice(bytes),
            1 => {
                if snap::raw::decompress_len(bytes).ok() != Some(size as usize) {
                    return Err("a compressed page does not say its size".into());
                }
                plain = snap::raw::Decoder::new()
                    .decompress_vec(bytes)
                    .map_err(|error| error.to_string())?;
            }
            2 => {
                GzDecoder::new(bytes)
                    .take(size + 1)
                    .read_to_end(&mut plain)
                    .map_err(|error| error.to_string())?;
            }
            other => {
                return Err(format!(
                    "compression {other} is not read; Snappy and gzip are"
                ));
            }
        }
        if plain.len() as u64 != size {
            return Err(format!("a page has {} bytes, expected {size}", plain.len()));
        }
        Ok(plain)
    }
}

/// Numbers in runs: `count` of them, `width` bits each.
fn hybrid(bytes: &[u8], width: u32, count: usize) -> Parsed<Vec<u32>> {
    if width > 32 {
        return Err(format!("numbers of {width} bits are not read"));
    }
    let mut numbers = Vec::new();
    let mut bytes = Thrift(bytes);
    while numbers.len() < count {
        let header = bytes.varint()?;
        let left = count - numbers.len();
        if header & 1 == 0 {
            let mut number = 0;
            for (shift, &byte) in bytes.take(width.div_ceil(8) as usize)?.iter().enumerate() {
                number |= u32::from(byte) << (8 * shift);
            }
            let run = usize::try_from(header >> 1).map_err(|_| "a run is too long")?;
            if run == 0 {
                return Err("a run is empty".into());
            }
            numbers.extend(std::iter::repeat_n(number, run.min(left)));
        } else {
            // Groups of eight numbers; the last may be cut short.
            let size = (header >> 1).saturating_mul(u64::from(width));
            let packed = bytes.take(
                usize::try_from(size)
                    .unwrap_or(usize::MAX)
                    .min(bytes.0.len()),
            )?;
            let (mut bits, mut held) = (0_u64, 0);
            let before = numbers.len();
            let mut packed = packed.iter();
            while numbers.len() < count && (numbers.len() - before) as u64 / 8 < header >> 1 {
                while held < width {
                    let &byte = packed.next().ok_or("it ends inside a run")?;
                    bits |= u64::from(byte) << held;
                    held += 8;
                }
                numbers.push((bits & ((1 << width) - 1)) as u32);
                bits >>= width;
                held -= width;
            }
            if numbers.len() == before {
                return Err("a run is empty".into());
            }
        }
    }
    Ok(numbers)
}
