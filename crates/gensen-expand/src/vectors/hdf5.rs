//! The reference's HDF5 layout: `embedding`, `[words, dimensions]`, and `words_flatten`, one string
//! with line feeds between words. The matrix is read in blocks of a few megabytes.

use std::path::Path;

use hdf5_pure::{Dataset, File, VlenStringReadOptions};

use super::{
    VectorFormat, VectorsError, WordSelection, WordVectors,
    collector::{Collector, check_dimensions},
};

/// The size limit of the word list: more than ten times that of GloVe 840B.
const MAX_WORD_LIST_BYTES: usize = 512 << 20;
const BLOCK_BYTES: usize = 8 << 20;

pub(super) fn read(path: &Path, selection: &WordSelection) -> Result<WordVectors, VectorsError> {
    let malformed = |detail: String| VectorsError::Malformed {
        path: path.into(),
        format: VectorFormat::Hdf5,
        detail,
    };
    let failed = |part: &str, e: hdf5_pure::Error| VectorsError::Unreadable {
        path: path.into(),
        format: VectorFormat::Hdf5,
        part: part.to_owned(),
        source: Box::new(e),
    };

    let file = File::open_streaming(path).map_err(|e| failed("header", e))?;
    let embedding = file
        .dataset("embedding")
        .map_err(|e| failed("`embedding`", e))?;
    let shape = embedding.shape().map_err(|e| failed("`embedding`", e))?;
    let &[rows, dimensions] = shape.as_slice() else {
        return Err(malformed(format!(
            "`embedding` has shape {shape:?}, expected [words, dimensions]"
        )));
    };
    let dimensions = check_dimensions(path, dimensions)?;
    let words = file
        .dataset("words_flatten")
        .and_then(|d| word_list(&d))
        .map_err(|e| failed("`words_flatten`", e))?
        .ok_or_else(|| malformed("`words_flatten` is empty, expected a string".to_owned()))?;
    let words: Vec<&str> = words.split('\n').collect();
    if words.len() as u64 != rows {
        return Err(VectorsError::RowCount {
            path: path.into(),
            expected: rows,
            found: words.len() as u64,
        });
    }

    let mut collector = Collector::new(path, VectorFormat::Hdf5, dimensions, selection);
    let block_rows = (BLOCK_BYTES / (4 * dimensions)).max(1);
    for (i, words) in words.chunks(block_rows).enumerate() {
        let start = i * block_rows;
        let values = embedding
            .read_f32_rows(start as u64, words.len() as u64)
            .map_err(|e| failed(&format!("`embedding` from row {}", start + 1), e))?;
        if values.len() != words.len() * dimensions {
            return Err(malformed(format!(
                "`embedding` ends after {} values",
                start * dimensions + values.len()
            )));
        }
        for (j, (word, row)) in words
            .iter()
            .zip(values.chunks_exact(dimensions))
            .enumerate()
        {
            // The HDF5 reader replaces invalid UTF-8 by U+FFFD.
            if word.contains(char::REPLACEMENT_CHARACTER) {
                collector.count_rows(1);
                collector.note_not_utf8((start + j + 1) as u64);
            } else {
                collector.check_and_push(word, row.iter().copied())?;
            }
        }
    }
    collector.finish()
}

fn word_list(dataset: &Dataset) -> Result<Option<String>, hdf5_pure::Error> {
    let limits = VlenStringReadOptions::new()
        .with_max_elements(1)
        .with_max_payload_bytes(MAX_WORD_LIST_BYTES);
    Ok(dataset.read_vlen_strings(limits)?.pop())
}
