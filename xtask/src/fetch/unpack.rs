//! Unpacking untrusted zip, tar, tar.gz and gz archives.
//!
//! Names must stay inside the folder, links must not lead out of it, and the contents are bounded in bytes. Everything is
//! written below a scratch folder.

use super::catalogue::is_inside;
use super::error::{FetchError, Result, at};
use super::store::create_parent;
use gensen_data::error::Cause;
use gensen_data::files::is_hidden;
use gensen_data::gzip;
use gensen_data::scratch;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::path::{Component, Path};

/// The maximum number of entries per archive.
const MAX_ENTRIES: u64 = 1_000_000;
/// Largest ratio of the contents to the archive, unless the catalogue has a limit: text compresses to a fifth, a
/// decompression bomb to a thousandth.
const MAX_RATIO: u64 = 40;
/// Bytes of contents that are always allowed.
const SMALL: u64 = 64 << 20;

/// An entry to extract, and its path below the target folder.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(
    untagged,
    deny_unknown_fields,
    expecting = "expected the end of an entry's path, or { from, to }"
)]
pub enum Keep {
    /// The end of the entry's path; it keeps its file name. With a trailing `/`, a whole folder, which keeps its
    /// name.
    AsNamed(String),
    /// The end of the entry's path, and its new path.
    Renamed { from: String, to: String },
}

impl Keep {
    fn pattern(&self) -> &str {
        match self {
            Keep::AsNamed(from) | Keep::Renamed { from, .. } => from,
        }
    }

    /// The entry's target, if it is to be extracted.
    fn target(&self, entry: &str) -> Option<String> {
        let pattern = self.pattern();
        if let Some(folder) = pattern.strip_suffix('/') {
            let below = match entry.strip_prefix(pattern) {
                Some(below) => below,
                None => entry.split_once(&format!("/{pattern}"))?.1,
            };
            // Operating systems' own files.
            if is_hidden(below) {
                return None;
            }
            let name = match self {
                Keep::AsNamed(_) => folder.rsplit('/').next()?,
                Keep::Renamed { to, .. } => to.trim_end_matches('/'),
            };
            return Some(format!("{name}/{below}"));
        }
        let matches = entry == pattern
            || entry
                .strip_suffix(pattern)
                .is_some_and(|before| before.ends_with('/'));
        matches.then(|| match self {
            Keep::AsNamed(from) => from.rsplit('/').next().unwrap_or(from).to_owned(),
            Keep::Renamed { to, .. } => to.clone(),
        })
    }
}

/// An archive.
pub struct Archive<'a> {
    pub path: &'a Path,
    /// Its origin, for messages.
    pub url: &'a str,
    /// The maximum number of bytes of contents.
    pub limit: Option<u64>,
}

impl Archive<'_> {
    fn fault(&self, problem: impl Into<String>) -> FetchError {
        FetchError::Archive {
            archive: self.path.into(),
            url: self.url.into(),
            problem: problem.into(),
        }
    }

    /// An archive that its reader refuses.
    fn damaged(&self, error: impl Into<Cause>) -> FetchError {
        FetchError::DamagedArchive {
            archive: self.path.into(),
            url: self.url.into(),
            source: error.into(),
        }
    }

    /// Extracts entries of a zip, tar or tar.gz file; the format is recognised by its first bytes.
    ///
    /// # Errors
    ///
    /// When the archive is damaged, tries to write outside the folder, has too large contents, or lacks an entry.
    pub fn unpack(&self, keep: &[Keep], folder: &Path) -> Result<()> {
        let mut file = File::open(self.path).map_err(at(self.path))?;
        let mut start = [0; 4];
        let count = file.read(&mut start).map_err(at(self.path))?;
        file.rewind().map_err(at(self.path))?;
        let size = file.metadata().map_err(at(self.path))?.len();
        let mut taker = Taker {
            archive: self,
            keep,
            folder,
            taken: vec![0; keep.len()],
            seen: Vec::new(),
            entries: 0,
            left: self
                .limit
                .unwrap_or_else(|| size.saturating_mul(MAX_RATIO).max(SMALL)),
        };
        match start.get(..count) {
            Some([b'P', b'K', ..]) => taker.zip(file)?,
            Some([0x1f, 0x8b, ..]) => taker.tar(gzip::unpack(BufReader::new(file)))?,
            _ => taker.tar(BufReader::new(file))?,
        }
        taker.finish()
    }

    /// Decompresses a single file.
    pub fn gunzip(&self, target: &Path) -> Result<()> {
        let file = File::open(self.path).map_err(at(self.path))?;
        let size = file.metadata().map_err(at(self.path))?.len();
        let mut left = self
            .limit
            .unwrap_or_else(|| size.saturating_mul(MAX_RATIO).max(SMALL));
        copy(
            self,
            &mut gzip::unpack(BufReader::new(file)),
            target,
            &mut left,
        )
    }
}

/// Goes through the entries of an archive.
struct Taker<'a> {
    archive: &'a Archive<'a>,
    keep: &'a [Keep],
    folder: &'a Path,
    /// The number of entries extracted for each of `keep`.
    taken: Vec<usize>,
    /// Some of the names found, for the message about a missing one.
    seen: Vec<String>,
    entries: u64,
    left: u64,
}

impl Taker<'_> {
    fn zip(&mut self, file: File) -> Result<()> {
        let damaged = |error: zip::result::ZipError| self.archive.damaged(error);
        let mut zip = zip::ZipArchive::new(BufReader::new(file)).map_err(damaged)?;
        for index in 0..zip.len() {
            let mut entry = zip.by_index(index).map_err(damaged)?;
            let name = entry.name().to_owned();
            self.admit(&name)?;
            if entry.is_symlink() {
                let mut link = String::new();
                (&mut entry)
                    .take(4096)
                    .read_to_string(&mut link)
                    .map_err(|error| self.archive.damaged(error))?;
                self.admit_link(&name, &link, false)?;
            } else if entry.is_file() {
                self.take(&name, &mut entry)?;
            }
        }
        Ok(())
    }

    fn tar(&mut self, reader: impl Read) -> Result<()> {
        // Skipped entries are read too, so the bound holds for them as well.
        let mut tar = tar::Archive::new(Bounded {
            reader,
            left: self.left.saturating_add(SMALL),
        });
        let damaged = |error: io::Error| self.archive.damaged(error);
        for entry in tar.entries().map_err(damaged)? {
            let mut entry = entry.map_err(damaged)?;
            let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            let kind = entry.header().entry_type();
            if kind.is_pax_global_extensions() {
                continue;
            }
            self.admit(&name)?;
            if kind.is_symlink() || kind.is_hard_link() {
                let link = entry.link_name_bytes().unwrap_or_default();
                self.admit_link(&name, &String::from_utf8_lossy(&link), kind.is_hard_link())?;
            } else if kind.is_file() {
                self.take(&name, &mut entry)?;
            }
        }
        // Reads to the end, since the last bytes show whether the file is complete.
        io::copy(&mut tar.into_inner(), &mut io::sink()).map_err(damaged)?;
        Ok(())
    }

    /// Refuses entries with unsafe names.
    fn admit(&mut self, name: &str) -> Result<()> {
        self.entries += 1;
        if self.entries > MAX_ENTRIES {
            return Err(self
                .archive
                .fault(format!("it has more than {MAX_ENTRIES} entries")));
        }
        let plain = name.trim_start_matches("./").trim_end_matches('/');
        // The folder itself, as `./`, is harmless.
        let harmless = is_inside(plain) || plain.is_empty() || plain == ".";
        if !harmless || name.starts_with('/') {
            return Err(self.archive.fault(format!(
                "its entry '{name}' would be written outside the folder"
            )));
        }
        if self.seen.len() < 8 {
            self.seen.push(plain.to_owned());
        }
        Ok(())
    }

    /// A link that stays inside is skipped; no needed entry is behind one.
    fn admit_link(&self, name: &str, link: &str, from_root: bool) -> Result<()> {
        let mut depth = if from_root {
            0
        } else {
            Path::new(name).components().count() as i64 - 1
        };
        let mut leaves = Path::new(link).is_absolute() || link.contains('\\');
        for part in Path::new(link).components() {
            match part {
                Component::ParentDir => depth -= 1,
                Component::Normal(_) => depth += 1,
                _ => {}
            }
            leaves |= depth < 0;
        }
        if leaves {
            return Err(self.archive.fault(format!(
                "its entry '{name}' is a link out of the folder, to '{link}'"
            )));
        }
        if self.keep.iter().any(|keep| keep.target(name).is_some()) {
            return Err(self.archive.fault(format!(
                "its entry '{name}' is a link, to '{link}', not a file"
            )));
        }
        Ok(())
    }

    fn take(&mut self, name: &str, reader: &mut impl Read) -> Result<()> {
        let name = name.trim_start_matches("./");
        for (keep, taken) in self.keep.iter().zip(&mut self.taken) {
            let Some(target) = keep.target(name) else {
                continue;
            };
            *taken += 1;
            if *taken > 1 && !keep.pattern().ends_with('/') {
                return Err(self.archive.fault(format!(
                    "several of its entries end in '{}'",
                    keep.pattern()
                )));
            }
            return copy(
                self.archive,
                reader,
                &self.folder.join(target),
                &mut self.left,
            );
        }
        Ok(())
    }

    fn finish(self) -> Result<()> {
        let missing = self
            .keep
            .iter()
            .zip(&self.taken)
            .find(|(_, taken)| **taken == 0);
        match missing {
            Some((keep, _)) => Err(self.archive.fault(format!(
                "it holds no '{}'; it holds {}{}",
                keep.pattern(),
                self.seen.join(", "),
                if self.entries > self.seen.len() as u64 {
                    ", ..."
                } else {
                    ""
                }
            ))),
            None => Ok(()),
        }
    }
}

/// Copies into a new file, at most `left` bytes.
fn copy(
    archive: &Archive<'_>,
    reader: &mut impl Read,
    target: &Path,
    left: &mut u64,
) -> Result<()> {
    create_parent(target)?;
    let mut file = BufWriter::new(scratch::create_part(target).map_err(at(target))?);
    let mut buffer = vec![0; 1 << 16];
    loop {
        let count = reader
            .read(&mut buffer)
            .map_err(|error| archive.damaged(error))?;
        if count == 0 {
            break;
        }
        *left = left.checked_sub(count as u64).ok_or_else(|| {
            archive.fault("more comes out of it than may: a decompression bomb, or a limit too low in the catalogue")
        })?;
        file.write_all(&buffer[..count]).map_err(at(target))?;
    }
    file.flush().map_err(at(target))
}

/// A reader that fails beyond a number of bytes.
struct Bounded<R> {
    reader: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.left = self.left.checked_sub(count as u64).ok_or_else(|| {
            io::Error::other("more comes out of it than may: a decompression bomb, or a limit too low in the catalogue")
        })?;
        Ok(count)
    }
}

#[cfg(test)]
mod tests;
