//! Blocks of whole lines: the unit of work of one thread.

use std::sync::Arc;

use super::inference::Columns;
use crate::error::DataError;
use crate::lines::checked;

/// Whole lines of one file.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    pub(crate) file: Arc<str>,
    /// The number of the first line, counted from 1.
    pub(crate) first_line: u64,
    text: Vec<u8>,
    /// The corresponding lines of the line-aligned files, with each file's name.
    pub(crate) aligned: Vec<(Arc<str>, Vec<u8>)>,
    /// Whether a document begins with this block.
    pub(crate) document_start: bool,
    /// The columns of the rows.
    pub(crate) columns: Columns,
}

impl Block {
    pub(crate) fn new(file: Arc<str>, first_line: u64, text: Vec<u8>) -> Self {
        Self {
            file,
            first_line,
            text,
            aligned: Vec::new(),
            document_start: false,
            columns: Columns::Plain,
        }
    }

    /// The block's text.
    pub(crate) fn text(&self) -> Result<&str, DataError> {
        checked(&self.file, self.first_line, &self.text)
    }

    /// The texts of the line-aligned files.
    pub(crate) fn aligned_texts(&self) -> Result<Vec<&str>, DataError> {
        let aligned = self.aligned.iter();
        aligned
            .map(|(file, text)| checked(file, self.first_line, text))
            .collect()
    }
}
