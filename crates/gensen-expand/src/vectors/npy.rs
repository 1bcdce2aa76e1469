//! A memory-mapped `.npy` matrix, `[words, dimensions]`, of 32- or 64-bit floats, and a list of its
//! words.

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use gensen_data::text;
use memmap2::Mmap;
use ndarray::ArrayView2;
use ndarray_npy::{ViewNpyError, ViewNpyExt};

use super::{
    RowProblem, VectorFormat, VectorsError, WordSelection, WordVectors,
    collector::{Collector, check_dimensions},
};

/// The list of a matrix's words: `named`, or by default `NAME.txt` beside `NAME.npy`.
pub(super) fn word_list(path: &Path, named: Option<&Path>) -> PathBuf {
    named.map_or_else(|| path.with_extension("txt"), Path::to_path_buf)
}

pub(super) fn read(
    path: &Path,
    list: Option<&Path>,
    selection: &WordSelection,
) -> Result<WordVectors, VectorsError> {
    let list = word_list(path, list);
    let words = text::read(&list).map_err(|source| VectorsError::WordList {
        path: path.into(),
        words: list.clone(),
        source,
    })?;

    let io_error = |source| VectorsError::Io {
        path: path.into(),
        source,
    };
    let file = File::open(path).map_err(io_error)?;
    // SAFETY: the map is read-only, and nothing in this process writes to the file. If another
    // process truncates it, this one may end with SIGBUS, as with every map.
    let map = unsafe { Mmap::map(&file) }.map_err(io_error)?;
    match ArrayView2::<f32>::view_npy(&map) {
        Ok(matrix) => collect(path, &list, &words, matrix, |v| v, selection),
        Err(ViewNpyError::WrongDescriptor(_)) => {
            let matrix = ArrayView2::<f64>::view_npy(&map).map_err(|e| malformed(path, e))?;
            collect(path, &list, &words, matrix, |v| v as f32, selection)
        }
        Err(e) => Err(malformed(path, e)),
    }
}

fn malformed(path: &Path, error: ViewNpyError) -> VectorsError {
    VectorsError::Unreadable {
        path: path.into(),
        format: VectorFormat::Npy,
        part: "expected a matrix of little-endian 32- or 64-bit floats".to_owned(),
        source: Box::new(error),
    }
}

fn collect<T: Copy>(
    path: &Path,
    list: &Path,
    words: &str,
    matrix: ArrayView2<'_, T>,
    to_f32: impl Fn(T) -> f32 + Copy,
    selection: &WordSelection,
) -> Result<WordVectors, VectorsError> {
    let dimensions = check_dimensions(path, matrix.ncols() as u64)?;
    let mut collector = Collector::new(path, VectorFormat::Npy, dimensions, selection);
    let expected = matrix.nrows() as u64;
    let mut rows = matrix.rows().into_iter();
    let mut found = 0;
    for word in words.strip_suffix('\n').unwrap_or(words).split('\n') {
        found += 1;
        let word = word.strip_suffix('\r').unwrap_or(word);
        if word.is_empty() {
            return Err(VectorsError::Row {
                path: list.into(),
                line: found,
                problem: RowProblem::EmptyWord,
            });
        }
        if let Some(row) = rows.next() {
            collector.check_and_push(word, row.iter().map(|&v| to_f32(v)))?;
        }
    }
    if found != expected {
        return Err(VectorsError::RowCount {
            path: list.into(),
            expected,
            found,
        });
    }
    collector.finish()
}
