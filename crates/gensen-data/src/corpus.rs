//! Corpora in their own formats: files, archives and folders in, blocks of whole lines out, and
//! from blocks the records that a task learns from.
//!
//! Text is UTF-8, plain or gzip (told by its first bytes). What is taken and what is refused:
//!
//! | found | done |
//! | --- | --- |
//! | any other encoding | refused: invalid UTF-8, with file and line |
//! | a NUL byte | refused, with file and line |
//! | CRLF line ends | taken as LF |
//! | a byte-order mark at the start of a file | dropped |
//! | no line end after the last line | taken as a line |
//! | a tab inside a sentence of a line-aligned file | white space |
//! | a row with more columns than needed | the others are ignored |
//! | a row with more columns than its file's header line | refused, with file and line |
//! | a row without the last columns of its file's header line, which are not needed | taken |
//! | a label in capitals | as in small letters |
//! | zeros after a gzip member | passed over; any other bytes are refused |
//! | a link in a folder | followed; each document counts once |
//! | a name with a part that begins with a dot, in a folder or a tar | passed over |
//! | a row with too few columns, a label that is none of the three | refused, with file and line |
//! | a blank line or field, an unlabelled pair (`-`) | left out, counted and reported |
//! | an empty file, unequally long line-aligned files | refused |
//! | a line of more than [`MAX_LINE_BYTES`](crate::lines::MAX_LINE_BYTES) | refused, with file and line |

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
