//! Listing the files of a folder.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::DataError;

/// Whether a path in a folder or archive has a component that begins with a dot (`.git`, `._a.txt`,
/// `.DS_Store`). Such files belong to other programs and are skipped.
pub fn is_hidden(name: &str) -> bool {
    let hidden = |part: &str| part.starts_with('.') && part != "." && part != "..";
    name.split('/').any(hidden)
}

/// The files in a folder and its subfolders whose names `selects` accepts, with their names, in
/// byte order of the names. A name is the path relative to the folder, with `/` as separator;
/// [hidden](is_hidden) names are skipped.
///
/// Symbolic links to files and folders are followed. A file with several names is listed once: by
/// its own name if `selects` accepts that, else by that of a link. A link to an enclosing folder
/// therefore adds nothing.
///
/// # Errors
/// [`DataError::Io`] with a folder that cannot be read, or a link whose target is missing.
pub fn below(
    folder: &Path,
    selects: impl Fn(&str) -> bool,
) -> Result<Vec<(String, PathBuf)>, DataError> {
    let mut walk = FileWalk {
        selects,
        found: Vec::new(),
        real: HashSet::new(),
        links: HashSet::new(),
        waiting: Vec::new(),
    };
    walk.folder(folder, "")?;
    while !walk.waiting.is_empty() {
        for (name, path) in std::mem::take(&mut walk.waiting) {
            let metadata = fs::metadata(&path).map_err(DataError::io(&path))?;
            if metadata.is_dir() {
                walk.folder(&path, &format!("{name}/"))?;
            } else {
                let real = fs::canonicalize(&path).map_err(DataError::io(&path))?;
                walk.file(name, path, real);
            }
        }
    }
    walk.found.sort();
    Ok(walk.found)
}

struct FileWalk<F> {
    selects: F,
    found: Vec<(String, PathBuf)>,
    /// The canonical paths of the files found.
    real: HashSet<PathBuf>,
    /// The canonical paths of the links seen, each of which is followed once.
    links: HashSet<PathBuf>,
    /// Links still to follow, after all files with names of their own.
    waiting: Vec<(String, PathBuf)>,
}

impl<F: Fn(&str) -> bool> FileWalk<F> {
    fn folder(&mut self, folder: &Path, prefix: &str) -> Result<(), DataError> {
        let real = fs::canonicalize(folder).map_err(DataError::io(folder))?;
        let mut entries = fs::read_dir(folder)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(DataError::io(folder))?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let name = entry.file_name();
            let real = real.join(&name);
            let name = name.to_string_lossy();
            if is_hidden(&name) {
                continue;
            }
            let (name, path) = (format!("{prefix}{name}"), entry.path());
            let kind = entry.file_type().map_err(DataError::io(&path))?;
            if kind.is_symlink() {
                if self.links.insert(real) {
                    self.waiting.push((name, path));
                }
            } else if kind.is_dir() {
                self.folder(&path, &format!("{name}/"))?;
            } else {
                self.file(name, path, real);
            }
        }
        Ok(())
    }

    fn file(&mut self, name: String, path: PathBuf, real: PathBuf) {
        if (self.selects)(&name) && self.real.insert(real) {
            self.found.push((name, path));
        }
    }
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn names(folder: &Path, takes: impl Fn(&str) -> bool) -> Vec<String> {
        let found = below(folder, takes).unwrap();
        found.into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn a_link_loop_counts_each_file_once() {
        let place = tempfile::tempdir().unwrap();
        let docs = place.path().join("docs");
        fs::create_dir_all(docs.join("deep")).unwrap();
        fs::create_dir(place.path().join("other")).unwrap();
        for file in [
            "docs/a.txt",
            "docs/deep/b.txt",
            "docs/.hidden",
            "other/c.txt",
        ] {
            fs::write(place.path().join(file), "text").unwrap();
        }
        for (to, link) in [
            (".", "docs/self"),
            ("..", "docs/up"),
            ("..", "docs/deep/around"),
            ("deep", "docs/again"),
            ("a.txt", "docs/0.txt"),
            ("../other", "docs/other"),
        ] {
            symlink(to, place.path().join(link)).unwrap();
        }
        assert_eq!(
            names(&docs, |_| true),
            ["a.txt", "deep/b.txt", "other/c.txt"]
        );
        // A link's name matches, even if its target's name does not.
        assert_eq!(
            names(&docs, |name| name.starts_with("again/")),
            ["again/b.txt"]
        );
        assert_eq!(names(&docs, |name| name == "0.txt"), ["0.txt"]);
    }

    #[test]
    fn a_link_that_leads_nowhere_is_named() {
        let place = tempfile::tempdir().unwrap();
        symlink("nothing", place.path().join("broken")).unwrap();
        symlink("round", place.path().join("round")).unwrap();
        for name in ["broken", "round"] {
            let said = crate::error::chain(&below(place.path(), |_| true).unwrap_err());
            assert!(said.contains(name), "{said}");
            fs::remove_file(place.path().join(name)).unwrap();
        }
    }
}
