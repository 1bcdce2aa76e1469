//! Files as slices.

use std::fs::File;
use std::io;
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
