//! Project Gutenberg's books: hard line breaks, paragraphs separated by blank lines.

use super::Workplace;
use super::text::{InputTexts, TextOutput};
use crate::fetch::error::{FetchError, Result, at};
use gensen_data::files;

/// Writes each book of a folder with one paragraph per line, without blank lines.
pub fn paragraphs(work: &Workplace<'_>, from: &str, to: &str) -> Result<()> {
    let folder = work.input(from)?;
    let books = files::below(&folder, |name| name.ends_with(".txt"))?;
    if books.is_empty() {
        return Err(FetchError::Input {
            path: folder,
            problem: "no book (.txt) in it".into(),
        });
    }
    for (name, book) in books {
        let mut texts = InputTexts::new(vec![book]);
        let path = work.output(&format!("{to}/{name}"))?;
        let mut output = TextOutput::create(&path)?;
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
        let is_empty = output.lines() == 0;
        output.finish()?;
        if is_empty {
            // The trainer refuses a document without text.
            std::fs::remove_file(&path).map_err(at(&path))?;
            work.note(format!("{name}: a book without text left out"));
        }
    }
    Ok(())
}
