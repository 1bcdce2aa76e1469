//! The inputs of a task, read as blocks.

use std::io::Read;
use std::path::Path;

use super::blocks::Block;
use super::documents;
use super::glob::Filter;
use super::inference::Columns;
use super::origin::Origin;
use super::tree;
use crate::error::DataError;
use crate::lines::{LineReader, checked};
use crate::spec::{InputTable, TaskKind};

/// One input of a task whose files have been found.
#[derive(Clone, Debug)]
pub(crate) struct Corpus {
    pub(crate) kind: TaskKind,
    pub(crate) table: InputTable,
    /// The name in reports.
    pub(crate) name: String,
    shape: CorpusFiles,
}

#[derive(Clone, Debug)]
enum CorpusFiles {
    Rows(Origin),
    /// Line-aligned files: line `n` of each belongs to line `n` of the first.
    Aligned(Vec<Origin>),
    Trees(Origin),
    Documents(Vec<Origin>),
    Tar(Origin, Filter),
}

impl Corpus {
    /// Checks an input and finds its files.
    pub(crate) fn new(table: InputTable, kind: TaskKind, base: &Path) -> Result<Self, DataError> {
        table.check(kind)?;
        let (name, shape) = match (&table.path, &table.source, &table.target) {
            (Some(path), ..) => {
                let origin = Origin::new(path, base);
                (origin.name(), Self::shape_of(origin, kind, &table)?)
            }
            (None, Some(source), _) => {
                let others = [&table.target, &table.next, &table.previous];
                let files = std::iter::once(source).chain(others.into_iter().flatten());
                let origins: Vec<Origin> = files.map(|file| Origin::new(file, base)).collect();
                let names: Vec<String> = origins.iter().map(Origin::name).collect();
                (names.join(" + "), CorpusFiles::Aligned(origins))
            }
            _ => return Err(DataError::key("path", "missing")),
        };
        let corpus = Self {
            kind,
            table,
            name,
            shape,
        };
        for origin in corpus.origins() {
            origin.check()?;
        }
        Ok(corpus)
    }

    fn shape_of(
        origin: Origin,
        kind: TaskKind,
        table: &InputTable,
    ) -> Result<CorpusFiles, DataError> {
        let filter = Filter::new(&table.include, &table.exclude);
        let folder = match &origin {
            Origin::File(path) if path.is_dir() => Some(path.clone()),
            _ => None,
        };
        let name = origin.name();
        let tar = [".tar", ".tar.gz", ".tgz"]
            .iter()
            .any(|end| name.ends_with(end));
        let shape = match (kind, folder) {
            (kind, Some(folder)) if kind.is_running_text() => {
                // Listed once, so that a file added later is not half included.
                let found = Origin::in_folder(&folder, |name| filter.selects(name))?;
                return Ok(CorpusFiles::Documents(found));
            }
            (kind, None) if tar && kind.is_running_text() => {
                return Ok(CorpusFiles::Tar(origin, filter));
            }
            (_, Some(folder)) => {
                let problem = "a folder, expected a file: only skip-thought reads folders";
                return Err(DataError::key(&folder.display().to_string(), problem));
            }
            (kind, None) if kind.is_running_text() => CorpusFiles::Documents(vec![origin]),
            (TaskKind::Parsing, None) => CorpusFiles::Trees(origin),
            (_, None) => CorpusFiles::Rows(origin),
        };
        if !filter.is_empty() {
            let problem = format!("selects documents of a folder or tar, but {name} is one file");
            return Err(DataError::key("include", problem));
        }
        Ok(shape)
    }

    /// The files of the corpus, in reading order. The examples are a function of their contents
    /// and of [`Corpus::table`].
    pub(crate) fn origins(&self) -> Vec<&Origin> {
        match &self.shape {
            CorpusFiles::Rows(origin)
            | CorpusFiles::Trees(origin)
            | CorpusFiles::Tar(origin, _) => vec![origin],
            CorpusFiles::Aligned(origins) | CorpusFiles::Documents(origins) => {
                origins.iter().collect()
            }
        }
    }

    /// The first row that is not blank; `None` if there is none or the corpus has no rows.
    pub(crate) fn first_row(&self) -> Result<Option<String>, DataError> {
        let CorpusFiles::Rows(origin) = &self.shape else {
            return Ok(None);
        };
        let mut lines = LineReader::new(origin.name(), origin.open_text()?);
        let name = lines.file().clone();
        while let Some(bytes) = lines.next_line()? {
            let bytes = bytes.to_vec();
            let row = checked(&name, lines.lines(), &bytes)?.trim_end_matches('\r');
            if !row.trim().is_empty() {
                return Ok(Some(row.to_owned()));
            }
        }
        Ok(None)
    }

    /// Reads the corpus and calls `emit` with its blocks in order, until it returns `false`.
    pub(crate) fn read(&self, emit: &mut dyn FnMut(Block) -> bool) -> Result<(), DataError> {
        match &self.shape {
            CorpusFiles::Rows(origin) => self.read_rows(origin, emit),
            CorpusFiles::Trees(origin) => match self.rows_with_parses(origin)? {
                true => self.read_rows(origin, emit),
                false => tree::read(origin, emit),
            },
            CorpusFiles::Aligned(origins) => read_aligned(origins, emit),
            CorpusFiles::Documents(origins) => {
                for origin in origins {
                    if !documents::read(&origin.name(), origin.open_text()?, emit)? {
                        break;
                    }
                }
                Ok(())
            }
            CorpusFiles::Tar(origin, filter) => documents::read_tar(origin, filter, emit),
        }
    }

    /// Whether rows are JSON objects: by the first row, or by the extension `.jsonl`, so that a malformed first row is
    /// named as such.
    fn is_jsonl(origin: &Origin, first: &[u8]) -> bool {
        let name = origin.name();
        let name = name.strip_suffix(".gz").unwrap_or(&name);
        let row: Result<serde_json::Map<_, _>, _> = serde_json::from_slice(first);
        row.is_ok() || name.ends_with(".jsonl")
    }

    /// Whether a parsing input has rows in the format of SNLI or MultiNLI instead of trees.
    fn rows_with_parses(&self, origin: &Origin) -> Result<bool, DataError> {
        let mut lines = LineReader::new(origin.name(), origin.open_text()?);
        let first = lines.next_line()?;
        Ok(first
            .is_some_and(|row| Self::is_jsonl(origin, row) || Columns::of_header(row).is_some()))
    }

    fn read_rows(
        &self,
        origin: &Origin,
        emit: &mut dyn FnMut(Block) -> bool,
    ) -> Result<(), DataError> {
        let mut lines = LineReader::new(origin.name(), origin.open_text()?);
        let mut columns = Columns::Plain;
        let mut first = matches!(self.kind, TaskKind::Nli | TaskKind::Parsing);
        while let Some((mut text, mut line)) = lines.next_block()? {
            if std::mem::take(&mut first) {
                let end = memchr::memchr(b'\n', &text).map_or(text.len(), |end| end + 1);
                if Self::is_jsonl(origin, &text[..end]) {
                    columns = Columns::Json;
                } else if let Some(header) = Columns::of_header(&text) {
                    columns = header;
                    text.drain(..end);
                    line += 1;
                }
            }
            let mut block = Block::new(lines.file().clone(), line, text);
            block.columns = columns;
            if !emit(block) {
                return Ok(());
            }
        }
        lines.not_empty()
    }
}

fn read_aligned(origins: &[Origin], emit: &mut dyn FnMut(Block) -> bool) -> Result<(), DataError> {
    let open = |origin: &Origin| Ok(LineReader::new(origin.name(), origin.open_text()?));
    let mut readers = origins
        .iter()
        .map(open)
        .collect::<Result<Vec<_>, DataError>>()?;
    let Some((source, others)) = readers.split_first_mut() else {
        return Ok(());
    };
    while let Some((text, line)) = source.next_block()? {
        let count = source.lines() + 1 - line;
        let mut block = Block::new(source.file().clone(), line, text);
        for other in others.iter_mut() {
            let aligned = other.next_lines(count)?;
            let aligned = aligned.map_or(Vec::new(), |(text, _)| text);
            if other.lines() < source.lines() {
                while source.next_block()?.is_some() {}
                return Err(unequal(source, other));
            }
            block.aligned.push((other.file().clone(), aligned));
        }
        if !emit(block) {
            return Ok(());
        }
    }
    for other in others {
        if other.next_block()?.is_some() {
            while other.next_block()?.is_some() {}
            return Err(unequal(source, other));
        }
    }
    source.not_empty()
}

fn unequal<R: Read>(source: &LineReader<R>, target: &LineReader<R>) -> DataError {
    for empty in [source, target] {
        if let Err(error) = empty.not_empty() {
            return error;
        }
    }
    DataError::UnequalLines {
        source_file: source.file().to_string(),
        source_lines: source.lines(),
        target_file: target.file().to_string(),
        target_lines: target.lines(),
    }
}
