//! The word2vec binary format: a line `rows dimensions`, then for each row the word, a space, and
//! `dimensions` 32-bit little-endian floats. word2vec itself writes a line feed after each row,
//! other programs do not.

use std::io::{self, BufRead, BufReader, Read};

use super::{
    RowProblem, VectorFormat, VectorsError, WordSelection, WordVectors,
    collector::{Collector, check_dimensions},
    format::parse_header,
    opened::Opened,
};

const MAX_WORD_BYTES: usize = 4096;
const MAX_HEADER_BYTES: u64 = 64;

pub(super) fn read(
    source: Opened<'_>,
    selection: &WordSelection,
) -> Result<WordVectors, VectorsError> {
    let path = source.path;
    let row_error = |line, problem| VectorsError::Row {
        path: path.into(),
        line,
        problem,
    };
    let io_error = |e| VectorsError::Io {
        path: path.into(),
        source: e,
    };
    let mut reader = BufReader::with_capacity(1 << 20, source.reader);

    let mut header = Vec::new();
    reader
        .by_ref()
        .take(MAX_HEADER_BYTES)
        .read_until(b'\n', &mut header)
        .map_err(io_error)?;
    let (expected, dimensions) = parse_header(&header).ok_or_else(|| VectorsError::Malformed {
        path: path.into(),
        format: VectorFormat::Word2vecBinary,
        detail: "the first line is not `rows dimensions`".into(),
    })?;
    let dimensions = check_dimensions(path, dimensions)?;

    let mut collector = Collector::new(path, VectorFormat::Word2vecBinary, dimensions, selection);
    let mut word = Vec::new();
    let mut bytes = vec![0; 4 * dimensions];
    for found in 0..expected {
        let truncated = |e: io::Error| match e.kind() {
            io::ErrorKind::UnexpectedEof => {
                row_error(found + 1, RowProblem::Truncated { expected, found })
            }
            _ => io_error(e),
        };
        read_word(&mut reader, &mut word).map_err(truncated)?;
        if word.len() > MAX_WORD_BYTES {
            return Err(row_error(
                found + 1,
                RowProblem::TooLong {
                    limit: MAX_WORD_BYTES,
                },
            ));
        }
        reader.read_exact(&mut bytes).map_err(truncated)?;
        let row = bytes
            .as_chunks::<4>()
            .0
            .iter()
            .map(|&b| f32::from_le_bytes(b));
        match std::str::from_utf8(&word) {
            Ok("") => return Err(row_error(found + 1, RowProblem::EmptyWord)),
            Ok(word) => collector.check_and_push(word, row)?,
            Err(_) => {
                collector.count_rows(1);
                collector.note_not_utf8(found + 1);
            }
        }
    }
    let mut rest = Vec::new();
    reader.take(2).read_to_end(&mut rest).map_err(io_error)?;
    if rest.iter().any(|b| *b != b'\n') {
        return Err(VectorsError::RowCount {
            path: path.into(),
            expected,
            found: expected + 1,
        });
    }
    collector.finish()
}

/// Reads up to the space after a word; drops the line feed after the row before.
fn read_word(reader: &mut impl BufRead, word: &mut Vec<u8>) -> io::Result<()> {
    word.clear();
    reader
        .take(MAX_WORD_BYTES as u64 + 2)
        .read_until(b' ', word)?;
    if word.pop_if(|b| *b == b' ').is_none() && word.len() <= MAX_WORD_BYTES {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    if word.first() == Some(&b'\n') {
        word.remove(0);
    }
    Ok(())
}
