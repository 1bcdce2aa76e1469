//! Where text comes from, and how an input becomes blocks.

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::blocks::{Block, LineReader};
use super::documents;
use super::glob::Filter;
use super::inference::Columns;
use super::tree;
use crate::error::DataError;
use crate::gzip;
use crate::sample;
use crate::spec::{InputTable, TaskKind};
use crate::text;

/// A file, or a file of the embedded sample corpus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    File(PathBuf),
    Sample(String),
}

impl Origin {
    pub(crate) fn new(path: &str, base: &Path) -> Self {
        match path.strip_prefix("sample:") {
            Some(name) => Self::Sample(name.to_owned()),
            None => Self::File(base.join(path)),
        }
    }

    /// A regular file, or all files of a folder in the order of their names.
    pub(crate) fn all(path: &Path) -> Result<Vec<Self>, DataError> {
        let files = match path.is_dir() {
            true => documents::files(path, &Filter::default())?,
            // It is hashed and then read.
            false => {
                text::regular(path).map_err(DataError::io(path))?;
                vec![path.to_owned()]
            }
        };
        Ok(files.into_iter().map(Self::File).collect())
    }

    /// The name that messages use.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Sample(name) => format!("sample:{name}"),
        }
    }

    /// Size and age; a file of the sample corpus has neither.
    pub(crate) fn stamp(&self) -> Result<(u64, Option<SystemTime>), DataError> {
        match self {
            Self::File(path) => {
                let metadata = fs::metadata(path).map_err(DataError::io(path))?;
                Ok((metadata.len(), metadata.modified().ok()))
            }
            Self::Sample(_) => Ok((0, None)),
        }
    }

    /// Whether it can be read.
    fn check(&self) -> Result<(), DataError> {
        match self {
            // Fingerprints and passes read it several times.
            Self::File(path) => text::regular(path)
                .and_then(|()| File::open(path))
                .map(drop)
                .map_err(DataError::io(path)),
            Self::Sample(name) if sample::names().contains(&name.as_str()) => Ok(()),
            Self::Sample(_) => Err(self.not_in_sample()),
        }
    }

    fn not_in_sample(&self) -> DataError {
        let problem = format!(
            "not in the sample corpus, which has {}",
            sample::names().join(", ")
        );
        DataError::key(&self.name(), problem)
    }

    /// The bytes as they are stored.
    pub(crate) fn open(&self) -> Result<Box<dyn Read>, DataError> {
        match self {
            Self::File(path) => {
                let file = File::open(path).map_err(DataError::io(path))?;
                Ok(Box::new(file))
            }
            Self::Sample(name) => match sample::text(name) {
                Some(text) => Ok(Box::new(io::Cursor::new(text.into_bytes()))),
                None => Err(self.not_in_sample()),
            },
        }
    }

    /// The text: what is compressed is unpacked.
    pub(crate) fn open_text(&self) -> Result<Box<dyn Read>, DataError> {
        unpacked(self.open()?).map_err(DataError::io(self.name()))
    }
}

/// Unpacks gzip, told by its first two bytes; anything else passes through.
pub(super) fn unpacked<'a>(mut stream: impl Read + 'a) -> io::Result<Box<dyn Read + 'a>> {
    let mut magic = [0; 2];
    let mut found = 0;
    while found < magic.len() {
        match stream.read(&mut magic[found..])? {
            0 => break,
            n => found += n,
        }
    }
    let whole = io::Cursor::new(magic[..found].to_vec()).chain(stream);
    if magic == gzip::MAGIC && found == 2 {
        Ok(Box::new(gzip::unpack(BufReader::with_capacity(
            1 << 16,
            whole,
        ))))
    } else {
        Ok(Box::new(whole))
    }
}

/// One input of a task, ready to be read.
#[derive(Clone, Debug)]
pub(crate) struct Corpus {
    pub(crate) kind: TaskKind,
    pub(crate) table: InputTable,
    /// The name that reports use.
    pub(crate) name: String,
    shape: Shape,
}

#[derive(Clone, Debug)]
enum Shape {
    Rows(Origin),
    /// Files of which line `n` belongs to line `n` of the first.
    Aligned(Vec<Origin>),
    Trees(Origin),
    Documents(Vec<Origin>),
    Tar(Origin, Filter),
}

impl Corpus {
    /// Finds what the table names.
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
                (names.join(" + "), Shape::Aligned(origins))
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

    fn shape_of(origin: Origin, kind: TaskKind, table: &InputTable) -> Result<Shape, DataError> {
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
                // Listed once: a file that comes later is not part of the corpus.
                let found = documents::files(&folder, &filter)?;
                return Ok(Shape::Documents(
                    found.into_iter().map(Origin::File).collect(),
                ));
            }
            (kind, None) if tar && kind.is_running_text() => return Ok(Shape::Tar(origin, filter)),
            (_, Some(folder)) => {
                let problem = "a folder; only skip-thought reads folders, expected a file";
                return Err(DataError::key(&folder.display().to_string(), problem));
            }
            (kind, None) if kind.is_running_text() => Shape::Documents(vec![origin]),
            (TaskKind::Parsing, None) => Shape::Trees(origin),
            (_, None) => Shape::Rows(origin),
        };
        if !filter.is_empty() {
            let problem = "chooses documents of a folder or tar, and this is one file";
            return Err(DataError::key("include", format!("{problem}: {name}")));
        }
        Ok(shape)
    }

    /// The files that the corpus is read from, in reading order. Their contents together with
    /// [`Corpus::table`] determine the records.
    pub(crate) fn origins(&self) -> Vec<&Origin> {
        match &self.shape {
            Shape::Rows(origin) | Shape::Trees(origin) | Shape::Tar(origin, _) => vec![origin],
            Shape::Aligned(origins) | Shape::Documents(origins) => origins.iter().collect(),
        }
    }

    /// The first line that is not blank; none for what is not rows.
    pub(crate) fn first_row(&self) -> Result<Option<String>, DataError> {
        let Shape::Rows(origin) = &self.shape else {
            return Ok(None);
        };
        let mut lines = LineReader::new(origin.name(), origin.open_text()?);
        while let Some((text, line)) = lines.next_lines(1)? {
            let block = Block::new(lines.file(), line, text);
            let row = block.text()?.trim_end_matches(['\n', '\r']);
            if !row.trim().is_empty() {
                return Ok(Some(row.to_owned()));
            }
        }
        Ok(None)
    }

    /// Reads the corpus from start to end and hands out its blocks in order, until `emit` says
    /// stop by `false`.
    pub(crate) fn read(&self, emit: &mut dyn FnMut(Block) -> bool) -> Result<(), DataError> {
        match &self.shape {
            Shape::Rows(origin) => self.read_rows(origin, emit),
            Shape::Trees(origin) => match self.rows_with_parses(origin)? {
                true => self.read_rows(origin, emit),
                false => tree::read(origin, emit),
            },
            Shape::Aligned(origins) => read_aligned(origins, emit),
            Shape::Documents(origins) => {
                for origin in origins {
                    if !documents::read(&origin.name(), origin.open_text()?, emit)? {
                        break;
                    }
                }
                Ok(())
            }
            Shape::Tar(origin, filter) => documents::read_tar(origin, filter, emit),
        }
    }

    fn is_jsonl(origin: &Origin) -> bool {
        let name = origin.name();
        name.strip_suffix(".gz")
            .unwrap_or(&name)
            .ends_with(".jsonl")
    }

    /// Whether a parsing input is SNLI's or MultiNLI's own file rather than trees.
    fn rows_with_parses(&self, origin: &Origin) -> Result<bool, DataError> {
        if Self::is_jsonl(origin) {
            return Ok(true);
        }
        let mut lines = LineReader::new(origin.name(), origin.open_text()?);
        let first = lines.next_lines(1)?;
        Ok(first.is_some_and(|(text, _)| Columns::of_header(&text).is_some()))
    }

    fn read_rows(
        &self,
        origin: &Origin,
        emit: &mut dyn FnMut(Block) -> bool,
    ) -> Result<(), DataError> {
        let mut lines = LineReader::new(origin.name(), origin.open_text()?);
        let mut columns = match (self.kind, Self::is_jsonl(origin)) {
            (TaskKind::Nli | TaskKind::Parsing, true) => Columns::Json,
            _ => Columns::Plain,
        };
        let mut first = true;
        while let Some((mut text, mut line)) = lines.next_block()? {
            if std::mem::take(&mut first)
                && matches!(self.kind, TaskKind::Nli | TaskKind::Parsing)
                && columns == Columns::Plain
                && let Some(header) = Columns::of_header(&text)
            {
                columns = header;
                let end = memchr::memchr(b'\n', &text).map_or(text.len(), |end| end + 1);
                text.drain(..end);
                line += 1;
            }
            let mut block = Block::new(lines.file(), line, text);
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
        let mut block = Block::new(source.file(), line, text);
        for other in others.iter_mut() {
            let aligned = other
                .next_lines(count)?
                .map(|(text, _)| text)
                .unwrap_or_default();
            if other.lines() < source.lines() {
                while source.next_block()?.is_some() {}
                return Err(unequal(source, other));
            }
            block.aligned.push((other.file(), aligned));
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

fn unequal(source: &LineReader, target: &LineReader) -> DataError {
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
