//! Rewriting the lines of texts on all cores.

use super::text::{InputTexts, TextOutput};
use crate::fetch::error::{FetchError, Result};
use gensen_data::error::chain;
use gensen_data::tokenizer::{Resources, Tokenizer, Tokens, by_name, lowercase};
use rayon::prelude::*;
use std::path::Path;

/// Lines converted at a time.
const CHUNK: usize = 1 << 15;

/// A tokeniser and a choice of case.
pub struct Words {
    tokenizer: Box<dyn Tokenizer>,
    lowercase: bool,
}

/// Buffers, reused between lines.
#[derive(Default)]
pub struct Buffers {
    tokens: Tokens,
    joined: String,
}

impl Words {
    /// A tokeniser by its name and language.
    pub fn new(tokenizer: &str, language: &str, lowercase: bool) -> Result<Self> {
        let tokenizer = by_name(tokenizer, language, &Resources::default()).map_err(|error| {
            FetchError::Catalogue {
                path: "catalogue".into(),
                problem: chain(&error),
            }
        })?;
        Ok(Self {
            tokenizer,
            lowercase,
        })
    }

    /// The words of a text, separated by one space.
    pub fn apply(&self, text: &str, scratch: &mut Buffers) -> String {
        self.tokenizer.tokenize(text, &mut scratch.tokens);
        scratch.joined.clear();
        for word in scratch.tokens.iter() {
            if !scratch.joined.is_empty() {
                scratch.joined.push(' ');
            }
            scratch.joined.push_str(word);
        }
        if !self.lowercase {
            return scratch.joined.clone();
        }
        let mut lowered = String::with_capacity(scratch.joined.len());
        lowercase(&scratch.joined, &mut lowered);
        lowered
    }
}

/// A line with its file and number.
pub struct Line<'a> {
    pub text: &'a str,
    path: &'a Path,
    number: u64,
}

impl Line<'_> {
    /// Its number in its file, from 1.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// An error at this line.
    pub fn wrong(&self, problem: impl Into<String>) -> FetchError {
        FetchError::Line {
            path: self.path.into(),
            line: self.number,
            problem: problem.into(),
        }
    }
}

/// Converts the lines of one file on all cores and writes them in order.
///
/// An empty result is an empty line.
pub fn convert(
    texts: &mut InputTexts,
    output: &mut TextOutput,
    apply: impl Fn(Line<'_>, &mut Buffers) -> Result<String> + Sync,
) -> Result<()> {
    filter(texts, output, |line, scratch| {
        apply(line, scratch).map(Some)
    })
}

/// Like [`convert`], but drops lines without a result.
pub fn filter(
    texts: &mut InputTexts,
    output: &mut TextOutput,
    apply: impl Fn(Line<'_>, &mut Buffers) -> Result<Option<String>> + Sync,
) -> Result<()> {
    loop {
        let chunk = read_chunk(texts)?;
        if chunk.is_empty() {
            return Ok(());
        }
        let path = texts.path();
        let done: Vec<Option<String>> = chunk
            .par_iter()
            .map_init(Buffers::default, |scratch, (number, text)| {
                apply(
                    Line {
                        text,
                        path,
                        number: *number,
                    },
                    scratch,
                )
            })
            .collect::<Result<_>>()?;
        for line in done.into_iter().flatten() {
            output.line(&line)?;
        }
    }
}

/// The next lines, with their numbers; none at the end.
pub fn read_chunk(texts: &mut InputTexts) -> Result<Vec<(u64, String)>> {
    let mut chunk: Vec<(u64, String)> = Vec::new();
    let mut line = String::new();
    while chunk.len() < CHUNK && texts.next(&mut line)? {
        chunk.push((texts.number(), std::mem::take(&mut line)));
    }
    Ok(chunk)
}
