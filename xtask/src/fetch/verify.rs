//! Verifying downloads.

use super::catalogue::Expected;
use super::error::{Fault, Result, at};
use gensen_data::digest::{Digest, chunks, hex};
use sha1::{Digest as _, Sha1};
use std::fs::File;
use std::path::Path;

/// Size and hashes of a file.
#[derive(Debug, PartialEq, Eq)]
pub struct FileHashes {
    pub size: u64,
    pub sha256: String,
    pub git_blob: String,
}

/// Reads and hashes a whole file.
pub fn sum_file(path: &Path) -> Result<FileHashes> {
    let file = File::open(path).map_err(at(path))?;
    let size = file.metadata().map_err(at(path))?.len();
    let mut sha256 = Digest::default();
    let mut git_blob = Sha1::new();
    git_blob.update(format!("blob {size}\0"));
    chunks(file, |bytes| {
        sha256.update(bytes);
        // Only used for small files of git repositories.
        if size <= 1 << 30 {
            git_blob.update(bytes);
        }
    })
    .map_err(at(path))?;
    Ok(FileHashes {
        size,
        sha256: hex(&sha256.finish()),
        git_blob: hex(&git_blob.finalize()),
    })
}

/// Compares a file with the catalogue.
pub fn compare(found: &FileHashes, expected: &Expected) -> Result<(), Fault> {
    if let Some(size) = expected.size
        && size != found.size
    {
        return Err(Fault::WrongSize {
            expected: size,
            found: found.size,
        });
    }
    for (kind, expected, found) in [
        ("SHA-256", &expected.sha256, &found.sha256),
        ("git blob SHA-1", &expected.git_blob, &found.git_blob),
    ] {
        if let Some(expected) = expected
            && !expected.eq_ignore_ascii_case(found)
        {
            return Err(Fault::WrongHash {
                kind,
                expected: expected.clone(),
                found: found.clone(),
            });
        }
    }
    Ok(())
}

/// Whether a body begins as a Git LFS pointer.
pub fn is_lfs_pointer(start: &[u8]) -> bool {
    start.starts_with(b"version https://git-lfs.github.com/spec/")
}

/// Whether a body begins as an HTML page, and its title.
pub fn html_page(start: &[u8]) -> Option<Option<String>> {
    let text = String::from_utf8_lossy(start);
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let lower = text.to_ascii_lowercase();
    if !["<!doctype html", "<html", "<head"]
        .iter()
        .any(|tag| lower.starts_with(tag))
    {
        return None;
    }
    let title = lower.find("<title>").and_then(|start| {
        let rest = text.get(start + "<title>".len()..)?;
        Some(rest.split('<').next()?.trim().chars().take(80).collect())
    });
    Some(title)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_agree_with_sha256sum_and_git() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        std::fs::write(&path, "hello\n").unwrap();
        let found = sum_file(&path).unwrap();
        assert_eq!(found.size, 6);
        assert_eq!(
            found.sha256,
            "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"
        );
        assert_eq!(found.git_blob, "ce013625030ba8dba906f756967f9e9ca394464a");
    }

    #[test]
    fn web_pages_are_told_from_text() {
        assert_eq!(
            html_page(b"\xef\xbb\xbf \n<!DOCTYPE HTML><head><title> Gone </title>"),
            Some(Some("Gone".into()))
        );
        assert_eq!(html_page(b"<html>"), Some(None));
        assert_eq!(html_page(b"gold_label\tsentence1 <html>"), None);
        assert_eq!(html_page(b"PK\x03\x04"), None);
    }
}
