//! Reading corpora: files, archives and folders become blocks of whole lines, and blocks become the
//! examples of a task.
//!
//! Text must be UTF-8, plain or gzip (recognised by its first bytes). Special cases:
//!
//! | input | treatment |
//! | --- | --- |
//! | another encoding than UTF-8 | error with file and line |
//! | a NUL byte | error with file and line |
//! | CRLF line ends | read as LF |
//! | a byte-order mark at the start of a file | dropped |
//! | a last line without a line end | read as a line |
//! | a tab inside a sentence of a line-aligned file | read as white space |
//! | more columns in a row than the task needs | ignored |
//! | more columns in a row than in the file's header line | error with file and line |
//! | last columns missing in a row that the task does not need | accepted |
//! | a label in upper case | read as lower case |
//! | zero bytes after a gzip member | skipped; any other bytes are an error |
//! | a symbolic link in a folder | followed; each document is read once |
//! | a hidden name (one beginning with a dot) in a folder or a tar | skipped |
//! | too few columns in a row, or an unknown inference label | error with file and line |
//! | a blank line or field, an unlabelled pair (`-`) | left out, counted and reported |
//! | an empty file, or line-aligned files of different lengths | error |
//! | a line longer than [`MAX_LINE_BYTES`](crate::lines::MAX_LINE_BYTES) | error with file and line |

mod blocks;
mod documents;
mod glob;
mod inference;
mod input;
mod origin;
mod sentences;
mod tree;

pub(crate) use blocks::Block;
pub(crate) use inference::Columns;
pub use inference::{LABELS, parse_label};
pub(crate) use input::Corpus;
pub(crate) use origin::Origin;
pub(crate) use sentences::{Sentence, split_paragraph};
pub use tree::check_tree;
pub(crate) use tree::{Tree, each_tree};
