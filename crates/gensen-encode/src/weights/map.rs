//! Files as slices.

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
        // SAFETY: the map is only read. As with every map, another process that shortens the file
        // in place ends this one; whoever writes models here renames a new file over the old one.
        let map = unsafe { Mmap::map(&file) }?;
        no_pointer(&map).map(|()| map)
    };
    open().map_err(WeightsError::io(path))
}

/// What a file holds, mapped or in memory.
pub(crate) enum Bytes {
    Mapped(Mmap),
    InMemory(Cow<'static, [u8]>),
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::InMemory(bytes) => bytes,
        }
    }
}

impl Bytes {
    /// Lets go of the memory that holds these bytes of a mapped file, for as long as nothing is read
    /// again.
    pub(crate) fn release(&self, bytes: &Range<usize>) {
        #[cfg(unix)]
        if let Self::Mapped(map) = self {
            // SAFETY: files are mapped shared and for reading only: their pages hold nothing that
            // is not in the file, and come back from there when they are read again.
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
