//! Books as Project Gutenberg prints them: hard line breaks, paragraphs apart by blank lines.

use super::Workplace;
use super::text::{Output, Texts};
use crate::fetch::error::{FetchError, Result, at};
use std::path::{Path, PathBuf};

/// Writes each book of a folder with one paragraph a line and no blank lines.
pub fn paragraphs(work: &Workplace<'_>, from: &str, to: &str) -> Result<()> {
    let folder = work.input(from)?;
    let mut books = Vec::new();
    collect(&folder, &mut books)?;
    if books.is_empty() {
        return Err(FetchError::Input {
            path: folder,
            problem: "no book (.txt) in it".into(),
        });
    }
    for book in books {
        let name = book
            .strip_prefix(&folder)
            .unwrap_or(&book)
            .to_string_lossy()
            .into_owned();
        let mut texts = Texts::new(vec![book.clone()]);
        let mut output = Output::create(&work.output(&format!("{to}/{name}"))?)?;
        let (mut line, mut paragraph) = (String::new(), String::new());
        while texts.next(&mut line)? {
            for word in line.split_whitespace() {
                if !paragraph.is_empty() {
                    paragraph.push(' ');
                }
                paragraph.push_str(word);
            }
            if line.trim().is_empty() && !paragraph.is_empty() {
                output.line(&paragraph)?;
                paragraph.clear();
            }
        }
        if !paragraph.is_empty() {
            output.line(&paragraph)?;
        }
        output.finish()?;
    }
    Ok(())
}

fn collect(folder: &Path, books: &mut Vec<PathBuf>) -> Result<()> {
    let mut entries = std::fs::read_dir(folder)
        .and_then(Iterator::collect::<std::io::Result<Vec<_>>>)
        .map_err(at(folder))?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, books)?;
        } else if path.extension().is_some_and(|extension| extension == "txt") {
            books.push(path);
        }
    }
    Ok(())
}
