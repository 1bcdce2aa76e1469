//! Vectors as text (GloVe, word2vec text, fastText `.vec`), parsed in parallel.

use std::io::{self, Read};

use gensen_data::error::{DataError, LineFault};
use gensen_data::lines::{LineReader, split};
use rayon::prelude::*;

use super::{
    RowProblem, VectorFormat, VectorsError, WordSelection, WordVectors,
    collector::{Collector, check_dimensions},
    format::parse_header,
    opened::{Opened, read_error},
    text_row::{count_fields, parse_row},
};

/// The size of a block. Memory holds two batches of a few blocks per thread.
const BLOCK_BYTES: usize = 1 << 20;

/// Reads one batch of blocks while the batch before is parsed.
pub(super) fn read(
    source: Opened<'_>,
    selection: &WordSelection,
    dimensions: Option<usize>,
) -> Result<WordVectors, VectorsError> {
    let batch_blocks = 2 * rayon::current_num_threads();
    let path = source.path;
    let name = path.display().to_string();
    let mut blocks = LineReader::new(name, source.reader).block_bytes(BLOCK_BYTES);
    // Adds the path to an error; `parsed` is the number of lines parsed so far.
    let named = |error, parsed| match error {
        DataError::Io { source, .. } => read_error(path, source, parsed),
        DataError::Line {
            line,
            fault: LineFault::TooLong { cap: limit },
            ..
        } => VectorsError::Row {
            path: path.into(),
            line,
            problem: RowProblem::TooLong { limit },
        },
        other => read_error(path, io::Error::other(other), parsed),
    };
    let mut batch = next_batch(&mut blocks, batch_blocks).map_err(|e| named(e, 0))?;
    let shape = TextShape::infer(path, batch.first().map_or(&[], Vec::as_slice), dimensions)?;
    let mut skip_header = shape.header_rows.is_some();

    let mut collector = Collector::new(path, VectorFormat::Text, shape.dimensions, selection);
    let mut line = 0;
    let mut rows = 0;
    while !batch.is_empty() {
        let (parsed, next) = rayon::join(
            || {
                batch
                    .par_iter()
                    .enumerate()
                    .map(|(i, block)| parse_block(block, &shape, skip_header && i == 0, selection))
                    .collect::<Vec<_>>()
            },
            || next_batch(&mut blocks, batch_blocks),
        );
        for block in parsed {
            rows += block.rows;
            line += merge(&mut collector, block, line, shape.dimensions, path)?;
        }
        batch = next.map_err(|e| named(e, line))?;
        skip_header = false;
    }
    match shape.header_rows {
        Some(expected) if expected != rows => Err(VectorsError::RowCount {
            path: path.into(),
            expected,
            found: rows,
        }),
        _ => collector.finish(),
    }
}

/// Reads up to `count` blocks; an empty batch is the end of the file.
fn next_batch<R: Read>(
    blocks: &mut LineReader<R>,
    count: usize,
) -> Result<Vec<Vec<u8>>, DataError> {
    let mut batch = Vec::with_capacity(count);
    while batch.len() < count
        && let Some((block, _)) = blocks.next_block()?
    {
        batch.push(block);
    }
    Ok(batch)
}

/// The shape of the file, from its first lines.
struct TextShape {
    /// The number of rows in the header, if there is a header.
    header_rows: Option<u64>,
    dimensions: usize,
    /// Whether the caller set the dimensions. If so, words may end with a number.
    certain: bool,
}

impl TextShape {
    fn infer(
        path: &std::path::Path,
        start: &[u8],
        given: Option<usize>,
    ) -> Result<Self, VectorsError> {
        const LOOK_AT: usize = 1000;
        let first = split(start).next().unwrap_or_default();
        let widths = |skip| {
            split(start)
                .skip(skip)
                .take(LOOK_AT)
                .map(|line| count_fields(line).saturating_sub(1))
        };
        if let Some((rows, dimensions)) = parse_header(first) {
            let dimensions = check_dimensions(path, dimensions)?;
            match given.or_else(|| most_common(widths(1))) {
                // Rows of one number: the first line is a row, not a header.
                Some(1) if dimensions != 1 => {}
                Some(found) if found != dimensions => {
                    return Err(VectorsError::HeaderDimensions {
                        path: path.into(),
                        expected: dimensions,
                        found,
                    });
                }
                // The end of the file checks the number of rows, so a header without rows is
                // accepted here.
                _ => {
                    return Ok(Self {
                        header_rows: Some(rows),
                        dimensions,
                        certain: given.is_some(),
                    });
                }
            }
        }
        let usual = given.or_else(|| most_common(widths(0))).unwrap_or(0);
        Ok(Self {
            header_rows: None,
            dimensions: check_dimensions(path, usual as u64)?,
            certain: given.is_some(),
        })
    }
}

/// The most common number, the smallest if several are equally common.
fn most_common(numbers: impl Iterator<Item = usize>) -> Option<usize> {
    let mut counts = std::collections::BTreeMap::<usize, usize>::new();
    for n in numbers {
        *counts.entry(n).or_default() += 1;
    }
    counts
        .into_iter()
        .rev()
        .max_by_key(|&(_, count)| count)
        .map(|(n, _)| n)
}

/// The rows of one block. Line numbers count from the block's start.
#[derive(Default)]
struct ParsedBlock {
    lines: u64,
    rows: u64,
    words: Vec<(u64, String)>,
    values: Vec<f32>,
    other_case: Vec<String>,
    not_utf8: Vec<u64>,
    problem: Option<RowProblem>,
}

fn parse_block(
    block: &[u8],
    shape: &TextShape,
    skip_header: bool,
    selection: &WordSelection,
) -> ParsedBlock {
    let mut parsed = ParsedBlock::default();
    for line in split(block) {
        parsed.lines += 1;
        if skip_header && parsed.lines == 1 {
            continue;
        }
        let start = parsed.values.len();
        let word = match parse_row(line, shape.dimensions, shape.certain, &mut parsed.values) {
            Ok(word) => word,
            Err(problem) => {
                parsed.values.truncate(start);
                parsed.problem = Some(problem);
                return parsed;
            }
        };
        parsed.rows += 1;
        match std::str::from_utf8(word) {
            Ok(word) if selection.contains(word) => {
                parsed.words.push((parsed.lines, word.to_owned()));
                continue;
            }
            Ok(word) => parsed.other_case.extend(selection.other_case(word)),
            Err(_) => parsed.not_utf8.push(parsed.lines),
        }
        parsed.values.truncate(start);
    }
    parsed
}

/// Adds a block that starts after `base` lines; returns its number of lines.
fn merge(
    collector: &mut Collector<'_>,
    block: ParsedBlock,
    base: u64,
    dimensions: usize,
    path: &std::path::Path,
) -> Result<u64, VectorsError> {
    if let Some(problem) = block.problem {
        return Err(VectorsError::Row {
            path: path.into(),
            line: base + block.lines,
            problem,
        });
    }
    collector.count_rows(block.rows);
    for ((line, word), row) in block
        .words
        .iter()
        .zip(block.values.chunks_exact(dimensions))
    {
        collector.keep(word, row, base + line);
    }
    block
        .other_case
        .into_iter()
        .for_each(|word| collector.note_other_case(word));
    block
        .not_utf8
        .into_iter()
        .for_each(|line| collector.note_not_utf8(base + line));
    Ok(block.lines)
}
