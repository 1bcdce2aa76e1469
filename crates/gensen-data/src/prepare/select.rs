//! Selection of the examples to keep, by the settings of their input.

use std::fs::File;
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::chunk::{BREAK, ChunkFile, ChunkPlace};
use super::layout::{NEXT, PREVIOUS, SOURCE};
use crate::error::DataError;
use crate::permutation::{Permutation, key};
use crate::scratch::create_part;
use crate::spec::{InputTable, TaskKind};

/// The examples of an input to keep.
#[derive(Clone, Copy, Debug)]
pub(super) enum ExampleChoice {
    All,
    First(u64),
    /// A random sample: examples whose image under a permutation is below the limit.
    Shuffled(Permutation, u64),
}

impl ExampleChoice {
    fn new(table: &InputTable, examples: u64) -> Self {
        match (table.limit, table.shuffle) {
            (None, _) => Self::All,
            (Some(limit), _) if limit >= examples => Self::All,
            (Some(limit), None) => Self::First(limit),
            (Some(limit), Some(seed)) => {
                Self::Shuffled(Permutation::new(examples, key(seed, "", "limit", 0)), limit)
            }
        }
    }

    fn keeps(&self, example: u64) -> bool {
        match self {
            Self::All => true,
            Self::First(limit) => example < *limit,
            Self::Shuffled(permutation, limit) => permutation.at(example) < *limit,
        }
    }
}

/// The flags of every entry of an input.
pub(super) enum Selection {
    /// Each entry is an example.
    Pairs(ExampleChoice),
    /// Running text: the flags are in a file, one byte for each entry.
    Sentences(PathBuf),
}

impl Selection {
    /// Selects examples of the chunks of an input; `path` is the scratch file for flags.
    pub(super) fn new(
        kind: TaskKind,
        table: &InputTable,
        scratch: &ChunkFile,
        places: &[ChunkPlace],
        path: PathBuf,
    ) -> Result<Self, DataError> {
        if !kind.is_running_text() {
            let examples = places.iter().map(|place| place.entries).sum();
            let choice = ExampleChoice::new(table, examples);
            return Ok(Self::Pairs(choice));
        }
        let mut examples = 0;
        each_triple(table, scratch, places, |triple| {
            examples += u64::from(triple);
            Ok(())
        })?;
        let choice = ExampleChoice::new(table, examples);
        let io = || DataError::io(&path);
        let mut file = BufWriter::new(create_part(&path).map_err(io())?);
        // An entry's flags are complete when the two entries after it have been seen.
        let mut pending = [0u8; 2];
        let (mut example, mut entries) = (0, 0u64);
        each_triple(table, scratch, places, |triple| {
            let mut flags = 0;
            if triple {
                if choice.keeps(example) {
                    pending[0] |= PREVIOUS;
                    pending[1] |= SOURCE;
                    flags = NEXT;
                }
                example += 1;
            }
            if entries >= 2 {
                file.write_all(&pending[..1]).map_err(io())?;
            }
            pending = [pending[1], flags];
            entries += 1;
            Ok(())
        })?;
        let rest = &pending[2 - entries.min(2) as usize..];
        file.write_all(rest)
            .and_then(|()| file.flush())
            .map_err(io())?;
        Ok(Self::Sentences(path))
    }

    pub(super) fn reader(&self) -> Result<SelectionReader<'_>, DataError> {
        Ok(match self {
            Self::Pairs(choice) => SelectionReader::Pairs(choice),
            Self::Sentences(path) => {
                let file = File::open(path).map_err(DataError::io(path))?;
                SelectionReader::Sentences(path, file)
            }
        })
    }
}

/// Reads the flags of a [`Selection`] chunk by chunk.
pub(super) enum SelectionReader<'a> {
    Pairs(&'a ExampleChoice),
    Sentences(&'a Path, File),
}

impl SelectionReader<'_> {
    /// Reads the flags of `count` entries, from the input's entry `first` on.
    pub(super) fn read(
        &mut self,
        first: u64,
        count: u64,
        flags: &mut Vec<u8>,
    ) -> Result<(), DataError> {
        flags.clear();
        match self {
            Self::Pairs(choice) => {
                flags.extend(
                    (first..first + count)
                        .map(|example| if choice.keeps(example) { SOURCE } else { 0 }),
                );
            }
            Self::Sentences(path, file) => {
                flags.resize(count as usize, 0);
                file.seek(SeekFrom::Start(first))
                    .and_then(|_| file.read_exact(flags))
                    .map_err(DataError::io(path))?;
            }
        }
        Ok(())
    }
}

/// Calls `visit` for every entry with whether it completes a triple: whether it and the two entries
/// before it are sentences of one document with lengths in the allowed range.
fn each_triple(
    table: &InputTable,
    scratch: &ChunkFile,
    places: &[ChunkPlace],
    mut visit: impl FnMut(bool) -> Result<(), DataError>,
) -> Result<(), DataError> {
    let allowed = table.min_words.unwrap_or(0)..=table.max_words.unwrap_or(u32::MAX);
    let mut reader = scratch.reader()?;
    let mut lengths = Vec::new();
    let mut run = 0;
    for place in places {
        reader.read_lengths(*place, &mut lengths)?;
        for length in &lengths {
            let good = *length != BREAK && allowed.contains(length);
            run = if good { run + 1 } else { 0 };
            visit(run >= 3)?;
        }
    }
    Ok(())
}
