//! The files that text is read from.

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::error::DataError;
use crate::files;
use crate::gzip;
use crate::sample;
use crate::text;

/// A file on disk or of the embedded sample corpus.
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
        match path.is_dir() {
            true => return Self::in_folder(path, |_| true),
            // The file is read twice: for its hash and for its contents.
            false => text::regular(path).map_err(DataError::io(path))?,
        }
        Ok(vec![Self::File(path.to_owned())])
    }

    /// The files of a folder and its subfolders whose names `selects` accepts, as
    /// [`files::below`].
    pub(super) fn in_folder(
        folder: &Path,
        selects: impl Fn(&str) -> bool,
    ) -> Result<Vec<Self>, DataError> {
        let found = files::below(folder, selects)?;
        if found.is_empty() {
            return Err(no_document(folder.display().to_string()));
        }
        Ok(found
            .into_iter()
            .map(|(_, path)| Self::File(path))
            .collect())
    }

    /// The name in messages.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Sample(name) => format!("sample:{name}"),
        }
    }

    /// Size and time of modification; 0 and `None` for a file of the sample corpus.
    pub(crate) fn stamp(&self) -> Result<(u64, Option<SystemTime>), DataError> {
        match self {
            Self::File(path) => {
                let metadata = fs::metadata(path).map_err(DataError::io(path))?;
                Ok((metadata.len(), metadata.modified().ok()))
            }
            Self::Sample(_) => Ok((0, None)),
        }
    }

    /// Checks that it can be read.
    pub(super) fn check(&self) -> Result<(), DataError> {
        match self {
            // The file is read several times: for the hash and in each pass.
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
            "not in the sample corpus; expected one of {}",
            sample::names().join(", ")
        );
        DataError::key(&self.name(), problem)
    }

    /// The bytes as stored.
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

    /// The text, unpacked if it is gzip.
    pub(crate) fn open_text(&self) -> Result<Box<dyn Read>, DataError> {
        unpacked(self.open()?).map_err(DataError::io(self.name()))
    }
}

/// The error for a folder or tar without documents to read.
pub(super) fn no_document(input: String) -> DataError {
    let found = "it holds no document, or `include` and `exclude` select none".into();
    DataError::NoExamples { input, found }
}

/// Unpacks gzip, recognised by its first two bytes; returns any other stream unchanged.
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
