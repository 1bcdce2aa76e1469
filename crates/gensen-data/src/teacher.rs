//! A teacher's vectors: memory-mapped two-dimensional `.npy` files.

use std::fs::File;
use std::path::{Path, PathBuf};

use half::f16;
use memmap2::Mmap;

use crate::error::DataError;
use crate::npy::Header;
use crate::parallel;

/// The limit on the width of a teacher's vectors.
const MAX_WIDTH: usize = 1 << 16;

/// A file of vectors, with the file of their sentences.
#[derive(Clone, Debug)]
pub(crate) struct VectorsOf {
    /// The `.npy` file.
    pub(crate) path: PathBuf,
    /// The name of the file of sentences.
    pub(crate) sentences: String,
    /// The number of lines of the file of sentences.
    pub(crate) lines: u64,
}

/// The vectors of one split. The rows of several files are numbered consecutively.
#[derive(Debug)]
pub(crate) struct Teacher {
    files: Vec<TeacherFile>,
    width: usize,
}

/// One `.npy` file.
#[derive(Debug)]
struct TeacherFile {
    name: String,
    map: Mmap,
    /// The offset of the numbers in the file.
    start: usize,
    numbers: TeacherNumbers,
    rows: u64,
    width: usize,
}

/// The type of a file's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TeacherNumbers {
    F16,
    F32,
}

impl TeacherNumbers {
    fn size(self) -> usize {
        match self {
            Self::F16 => 2,
            Self::F32 => 4,
        }
    }
}

impl Teacher {
    /// Maps the files and checks that each has one row per line of its sentences, that all have the
    /// same width, and that all numbers are finite and no row is zero.
    pub(crate) fn open(files: &[VectorsOf], threads: usize) -> Result<Self, DataError> {
        let mut opened: Vec<TeacherFile> = Vec::new();
        for file in files {
            let vectors = TeacherFile::open(&file.path)?;
            if vectors.rows != file.lines {
                return Err(vectors.fault(format!(
                    "{} rows, but {} has {} lines, expected one row for each line",
                    vectors.rows, file.sentences, file.lines
                )));
            }
            if let Some(first) = opened.first()
                && first.width != vectors.width
            {
                return Err(vectors.fault(format!(
                    "vectors of width {}, but those of {} have width {}",
                    vectors.width, first.name, first.width
                )));
            }
            vectors.check(threads)?;
            opened.push(vectors);
        }
        let width = opened.first().map_or(0, |vectors| vectors.width);
        Ok(Self {
            files: opened,
            width,
        })
    }

    /// The width of the vectors.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// Appends a row, counted from 0 through all files, to `numbers`; `None` if it does not exist.
    pub(crate) fn push_row(&self, mut row: u64, numbers: &mut Vec<f32>) -> Option<()> {
        for file in &self.files {
            if row < file.rows {
                return file.push_row(row, numbers);
            }
            row -= file.rows;
        }
        None
    }
}

impl TeacherFile {
    fn open(path: &Path) -> Result<Self, DataError> {
        let name = path.display().to_string();
        let fault = |problem: String| DataError::Teacher {
            path: name.clone(),
            problem,
        };
        let file = File::open(path).map_err(DataError::io(path))?;
        // SAFETY: the map is only read, and any bytes are valid numbers. As with any map,
        // truncating the file from outside while it is mapped ends the process.
        let map = unsafe { Mmap::map(&file) }.map_err(DataError::io(path))?;
        let header = Header::read(&mut &map[..]).map_err(DataError::io(path))?;
        let numbers = match &*header.descr {
            "<f2" => TeacherNumbers::F16,
            "<f4" => TeacherNumbers::F32,
            found => {
                return Err(fault(format!(
                    "numbers of type '{found}', expected '<f2' or '<f4' (numpy.float16 or float32)"
                )));
            }
        };
        if header.fortran_order {
            return Err(fault("an array in Fortran order, expected C order".into()));
        }
        let (rows, width) = match header.shape[..] {
            [rows, width] if (1..=MAX_WIDTH as u64).contains(&width) => (rows, width as usize),
            ref shape => {
                return Err(fault(format!(
                    "an array of shape {shape:?}, expected [sentences, width] with a width of 1 to \
                     {MAX_WIDTH}"
                )));
            }
        };
        let start = header.start;
        let vectors = Self {
            name: name.clone(),
            start,
            numbers,
            rows,
            width,
            map,
        };
        let bytes = rows.checked_mul((width * numbers.size()) as u64);
        let found = (vectors.map.len() - start) as u64;
        if bytes != Some(found) {
            return Err(vectors.fault(format!(
                "{found} bytes after the header, which specifies {rows} rows of {width} numbers of {} \
                 bytes",
                numbers.size()
            )));
        }
        Ok(vectors)
    }

    fn fault(&self, problem: String) -> DataError {
        DataError::Teacher {
            path: self.name.clone(),
            problem,
        }
    }

    fn row(&self, row: u64) -> Option<&[u8]> {
        let bytes = self.width * self.numbers.size();
        let start = self.start + usize::try_from(row).ok()?.checked_mul(bytes)?;
        self.map.get(start..start.checked_add(bytes)?)
    }

    fn push_row(&self, row: u64, numbers: &mut Vec<f32>) -> Option<()> {
        let bytes = self.row(row)?;
        match self.numbers {
            TeacherNumbers::F16 => {
                let (words, _) = bytes.as_chunks::<2>();
                numbers.extend(words.iter().map(|word| f16::from_le_bytes(*word).to_f32()));
            }
            TeacherNumbers::F32 => {
                let (words, _) = bytes.as_chunks::<4>();
                numbers.extend(words.iter().map(|word| f32::from_le_bytes(*word)));
            }
        }
        Some(())
    }

    /// Checks that all numbers are finite and that no row is zero, since it would have no cosine.
    fn check(&self, threads: usize) -> Result<(), DataError> {
        const ROWS: u64 = 4096;
        parallel::for_each(
            threads,
            |send| {
                (0..self.rows.div_ceil(ROWS)).all(send);
                Ok(())
            },
            || Ok(Vec::new()),
            |numbers: &mut Vec<f32>, _, block| {
                for row in block * ROWS..self.rows.min((block + 1) * ROWS) {
                    numbers.clear();
                    self.push_row(row, numbers)
                        .ok_or_else(|| self.fault(format!("row {row} is cut short")))?;
                    if let Some(place) = numbers.iter().position(|number| !number.is_finite()) {
                        let number = numbers[place];
                        return Err(self.fault(format!(
                            "row {row}, column {place} (counted from 0) is {number}, expected a \
                             finite number"
                        )));
                    }
                    if numbers.iter().all(|number| *number == 0.0) {
                        return Err(self.fault(format!(
                            "row {row} (counted from 0) is zero, which has no cosine"
                        )));
                    }
                }
                Ok(())
            },
        )
    }
}
