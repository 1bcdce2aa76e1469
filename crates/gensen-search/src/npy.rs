//! Memory-mapped `.npy` files of vectors.

use std::fs::File;
use std::io;
use std::path::Path;

use bytemuck::AnyBitPattern;
use gensen_data::npy;
use half::f16;
use memmap2::Mmap;

use crate::SearchError;
use crate::matrix::Matrix;

/// A memory-mapped `.npy` file `[rows, width]` of little-endian 32- or 16-bit floats or 8-bit integers in row-major order
/// (format versions 1 to 3).
///
/// ```no_run
/// use std::path::Path;
/// use gensen_search::VectorFile;
///
/// let file = VectorFile::open(Path::new("vectors.npy"))?;
/// println!("{} vectors of {}", file.matrix().rows(), file.matrix().width());
/// # Ok::<(), gensen_search::SearchError>(())
/// ```
#[derive(Debug)]
pub struct VectorFile {
    map: Mmap,
    numbers: NumberType,
    /// The length of the header in bytes.
    start: usize,
    width: usize,
}

#[derive(Clone, Copy, Debug)]
enum NumberType {
    F32,
    F16,
    I8,
    U8,
}

impl VectorFile {
    /// Opens a file.
    ///
    /// # Errors
    ///
    /// [`SearchError::Io`], also for other file formats, and [`SearchError::Malformed`] for other
    /// element types and numbers of dimensions, for files without vectors, truncated files, and
    /// files with more data than the header specifies.
    pub fn open(path: &Path) -> Result<Self, SearchError> {
        let io_error = |source| SearchError::Io {
            path: path.to_owned(),
            source,
        };
        let malformed = |problem: String| SearchError::Malformed {
            path: path.to_owned(),
            problem,
        };
        let file = File::open(path).map_err(io_error)?;
        let metadata = file.metadata().map_err(io_error)?;
        if !metadata.is_file() {
            let problem = "not a regular file, which memory-mapping needs";
            return Err(io_error(io::Error::other(problem)));
        }
        if metadata.len() == 0 {
            return Err(malformed("an empty file, expected a .npy file".to_owned()));
        }
        // SAFETY: the map is read-only, and nothing in this process writes to the file. If another
        // process truncates it, this one may end with SIGBUS, as with every map.
        let map = unsafe { Mmap::map(&file) }.map_err(io_error)?;
        let header = npy::Header::read(&mut &map[..]).map_err(io_error)?;
        let header = VectorLayout::of(&header).map_err(malformed)?;
        let bytes = map.len() - header.start;
        let expected = header
            .rows
            .checked_mul(header.width)
            .and_then(|numbers| numbers.checked_mul(header.numbers.size()));
        if expected != Some(bytes) {
            let (rows, width) = (header.rows, header.width);
            let cut_off = expected.is_none_or(|expected| bytes < expected);
            return Err(malformed(format!(
                "{bytes} bytes of values, {} for [{rows}, {width}]: the file {}",
                if cut_off { "too few" } else { "too many" },
                if cut_off {
                    "is truncated"
                } else {
                    "has data after the array"
                },
            )));
        }
        if header.rows == 0 || header.width == 0 {
            let (rows, width) = (header.rows, header.width);
            return Err(malformed(format!("[{rows}, {width}]: it has no vectors")));
        }
        if !header.start.is_multiple_of(size_of::<f32>()) || cfg!(target_endian = "big") {
            let problem = "its values are not aligned, or this machine is big-endian";
            return Err(malformed(problem.to_owned()));
        }
        Ok(Self {
            map,
            numbers: header.numbers,
            start: header.start,
            width: header.width,
        })
    }

    /// The vectors of the file.
    pub fn matrix(&self) -> Matrix<'_> {
        match self.numbers {
            NumberType::F32 => Matrix::from_f32(self.cast(), self.width),
            NumberType::F16 => Matrix::from_f16(self.cast::<f16>(), self.width),
            NumberType::I8 => Matrix::from_i8(self.cast(), self.width),
            NumberType::U8 => Matrix::from_u8(self.cast(), self.width),
        }
    }

    /// Prefetches the whole file on all cores, for a search that will read all of it: a few system
    /// calls instead of many page faults. A no-op except on Linux 5.14 and later.
    pub fn prefetch(&self) {
        #[cfg(target_os = "linux")]
        {
            use rayon::prelude::*;

            const STEP: usize = 8 << 20;
            let steps = (0..self.map.len()).into_par_iter().step_by(STEP);
            steps.for_each(|start| {
                let bytes = STEP.min(self.map.len() - start);
                // Older kernels refuse this advice; pages are then loaded by page faults.
                let _ = self
                    .map
                    .advise_range(memmap2::Advice::PopulateRead, start, bytes);
            });
        }
    }

    #[allow(
        clippy::expect_used,
        reason = "`open` has checked the size, and that the header is a multiple of 4 bytes; maps start at a page"
    )]
    fn cast<T: AnyBitPattern>(&self) -> &[T] {
        bytemuck::try_cast_slice(&self.map[self.start..]).expect("whole, aligned numbers")
    }
}

impl NumberType {
    fn size(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 => 2,
            Self::I8 | Self::U8 => 1,
        }
    }
}

/// The layout of a file with vectors.
struct VectorLayout {
    numbers: NumberType,
    rows: usize,
    width: usize,
    /// The offset of the values.
    start: usize,
}

impl VectorLayout {
    /// The layout that a header describes; the error is the problem.
    fn of(header: &npy::Header) -> Result<Self, String> {
        let numbers = match &*header.descr {
            "<f4" => NumberType::F32,
            "<f2" => NumberType::F16,
            "|i1" | "<i1" => NumberType::I8,
            "|u1" | "<u1" => NumberType::U8,
            descr => {
                return Err(format!(
                    "values of type `{descr}`, expected `<f4`, `<f2`, `|i1` or `|u1` \
                     (32- or 16-bit floats or 8-bit integers)"
                ));
            }
        };
        if header.fortran_order {
            return Err("its values are in column-major order, expected row-major".to_owned());
        }
        let problem = || {
            format!(
                "an array of shape {:?}, expected [vectors, width]",
                header.shape
            )
        };
        let [rows, width] = header.shape[..] else {
            return Err(problem());
        };
        let size = |extent| usize::try_from(extent).map_err(|_| problem());
        Ok(Self {
            numbers,
            rows: size(rows)?,
            width: size(width)?,
            start: header.start,
        })
    }
}
