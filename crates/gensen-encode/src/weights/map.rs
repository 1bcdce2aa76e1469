//! Memory-mapped files.

use std::borrow::Cow;
use std::fs::File;
use std::io;
use std::ops::{Deref, Range};
use std::path::Path;

use gensen_data::text::no_pointer;
use memmap2::Mmap;

use super::WeightsError;

/// Maps a regular file into memory.
pub(crate) fn map_file(path: &Path) -> Result<Mmap, WeightsError> {
    let open = || {
        let file = File::open(path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("not a regular file"));
        }
        // SAFETY: the map is only read. If another process truncates the file in place, this one
        // may end with SIGBUS, as with every map; our own writers replace files by renaming
        // instead.
        let map = unsafe { Mmap::map(&file) }?;
        no_pointer(&map).map(|()| map)
    };
    open().map_err(WeightsError::io(path))
}

/// The bytes of a file, memory-mapped or in memory.
pub(crate) enum FileBytes {
    Mapped(Mmap),
    InMemory(Cow<'static, [u8]>),
}

impl Deref for FileBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::InMemory(bytes) => bytes,
        }
    }
}

impl FileBytes {
    /// Releases the resident pages of these bytes if the file is mapped; reading them again loads
    /// them from the file.
    pub(crate) fn release(&self, bytes: &Range<usize>) {
        #[cfg(unix)]
        if let Self::Mapped(map) = self {
            // SAFETY: the map is shared and read-only, so its pages hold nothing that is not in the
            // file.
            let _ = unsafe {
                map.unchecked_advise_range(
                    memmap2::UncheckedAdvice::DontNeed,
                    bytes.start,
                    bytes.len(),
                )
            };
        }
        #[cfg(not(unix))]
        let _ = bytes;
    }
}
