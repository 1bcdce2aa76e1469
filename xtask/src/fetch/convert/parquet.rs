//! Two text columns of Parquet files: as much of the format as tables of text use.
//!
//! Read are optional and required (not repeated) byte-array columns, plain or dictionary encoded,
//! uncompressed or compressed with Snappy or gzip, in data pages of either version; anything else
//! is an error that names it. The format is described at <https://parquet.apache.org/docs/>.

use super::Workplace;
use super::text::Output;
use crate::fetch::error::{FetchError, Result, at};
use flate2::read::GzDecoder;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// Bytes a footer, a page or a column chunk may have.
const MAX_BYTES: u64 = 1 << 30;
/// Values a page may have.
const MAX_VALUES: usize = 1 << 27;
/// How deep structures may be nested.
const MAX_DEPTH: usize = 32;

/// What is wrong with a file, without its name.
type Parsed<T> = std::result::Result<T, String>;

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

/// A value in Thrift's compact protocol, in which Parquet's headers are written.
#[derive(Debug)]
enum Value {
    Bool(bool),
    Int(i64),
    Bytes(Vec<u8>),
    List(Vec<Value>),
    Struct(BTreeMap<i64, Value>),
    Other,
}

impl Value {
    fn field(&self, id: i64) -> Parsed<&Value> {
        match self {
            Value::Struct(fields) => fields
                .get(&id)
                .ok_or_else(|| format!("field {id} of a header is missing")),
            _ => Err("a header is not a structure".into()),
        }
    }

    fn int(&self, id: i64) -> Parsed<i64> {
        match self.field(id)? {
            Value::Int(number) => Ok(*number),
            _ => Err(format!("field {id} of a header is not a number")),
        }
    }

    fn count(&self, id: i64) -> Parsed<usize> {
        usize::try_from(self.int(id)?)
            .ok()
            .filter(|&count| count <= MAX_VALUES)
            .ok_or_else(|| format!("field {id} of a header is negative or too large"))
    }

    fn list(&self, id: i64) -> Parsed<&[Value]> {
        match self.field(id)? {
            Value::List(values) => Ok(values),
            _ => Err(format!("field {id} of a header is not a list")),
        }
    }

    fn bytes(&self) -> Parsed<&[u8]> {
        match self {
            Value::Bytes(bytes) => Ok(bytes),
            _ => Err("a name in a header is not text".into()),
        }
    }
}

/// Bytes still to be read.
struct Thrift<'a>(&'a [u8]);

impl<'a> Thrift<'a> {
    fn take(&mut self, count: usize) -> Parsed<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or("it ends too early")?;
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Parsed<u8> {
        self.take(1)?
            .first()
            .copied()
            .ok_or_else(|| "it ends too early".into())
    }

    fn u32(&mut self) -> Parsed<u32> {
        Ok(u32::from_le_bytes(
            self.take(4)?.try_into().map_err(|_| "it ends too early")?,
        ))
    }

    /// A value in plain encoding. What is not UTF-8 is replaced by U+FFFD.
    fn text(&mut self) -> Parsed<String> {
        let length = self.u32()? as usize;
        Ok(String::from_utf8_lossy(self.take(length)?).into_owned())
    }

    fn varint(&mut self) -> Parsed<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err("a number has too many digits".into())
    }

    fn zigzag(&mut self) -> Parsed<i64> {
        let number = self.varint()?;
        Ok((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    fn structure(&mut self, depth: usize) -> Parsed<Value> {
        if depth > MAX_DEPTH {
            return Err("its headers are nested too deeply".into());
        }
        let mut fields = BTreeMap::new();
        let mut id = 0;
        loop {
            let byte = self.byte()?;
            if byte == 0 {
                return Ok(Value::Struct(fields));
            }
            id = match byte >> 4 {
                0 => self.zigzag()?,
                delta => id + i64::from(delta),
            };
            let value = match byte & 0x0f {
                1 => Value::Bool(true),
                2 => Value::Bool(false),
                kind => self.value(kind, depth)?,
            };
            fields.insert(id, value);
        }
    }

    fn value(&mut self, kind: u8, depth: usize) -> Parsed<Value> {
        Ok(match kind {
            1 | 2 => Value::Bool(self.byte()? == 1),
            3 => Value::Int(i64::from(self.byte()?.cast_signed())),
            4..=6 => Value::Int(self.zigzag()?),
            7 => {
                self.take(8)?;
                Value::Other
            }
            8 => {
                let length = usize::try_from(self.varint()?).map_err(|_| "a text is too long")?;
                Value::Bytes(self.take(length)?.to_vec())
            }
            9 | 10 => {
                let byte = self.byte()?;
                let length = match byte >> 4 {
                    15 => self.varint()?,
                    short => u64::from(short),
                };
                // Every element has a byte at least.
                if length > self.0.len() as u64 || depth > MAX_DEPTH {
                    return Err("a list is longer than the file".into());
                }
                Value::List(
                    (0..length)
                        .map(|_| self.value(byte & 0x0f, depth + 1))
                        .collect::<Parsed<_>>()?,
                )
            }
            12 => self.structure(depth + 1)?,
            other => return Err(format!("values of kind {other} in headers are not read")),
        })
    }
}
