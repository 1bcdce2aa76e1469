//! Documents: files of running text, and tar archives of them.

use std::io::Read;

use super::blocks::Block;
use super::glob::Filter;
use super::origin::{Origin, no_document, unpacked};
use crate::error::DataError;
use crate::files;
use crate::lines::LineReader;

/// Calls `emit` with the blocks of one document, until it returns `false`. Returns whether the
/// whole document was read.
pub(super) fn read(
    name: &str,
    text: impl Read,
    emit: &mut dyn FnMut(Block) -> bool,
) -> Result<bool, DataError> {
    let mut lines = LineReader::new(name, text);
    let mut document_start = true;
    while let Some((text, line)) = lines.next_block()? {
        let mut block = Block::new(lines.file().clone(), line, text);
        block.document_start = std::mem::take(&mut document_start);
        if !emit(block) {
            return Ok(false);
        }
    }
    lines.not_empty().map(|()| true)
}

/// Calls `emit` with the blocks of all files of a tar archive in the archive's order, until it
/// returns `false`.
pub(super) fn read_tar(
    origin: &Origin,
    filter: &Filter,
    emit: &mut dyn FnMut(Block) -> bool,
) -> Result<(), DataError> {
    let io = || DataError::io(origin.name());
    let mut archive = tar::Archive::new(origin.open_text()?);
    let mut documents = 0;
    for entry in archive.entries().map_err(io())? {
        let entry = entry.map_err(io())?;
        let name = entry.path().map_err(io())?.to_string_lossy().into_owned();
        let is_file = entry.header().entry_type().is_file();
        if !is_file || files::is_hidden(&name) || !filter.selects(&name) {
            continue;
        }
        documents += 1;
        let name = format!("{}:{name}", origin.name());
        let text = unpacked(entry).map_err(DataError::io(&name))?;
        if !read(&name, text, emit)? {
            return Ok(());
        }
    }
    if documents == 0 {
        return Err(no_document(origin.name()));
    }
    Ok(())
}
