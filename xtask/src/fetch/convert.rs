//! The catalogue's steps, which convert downloads.
//!
//! A step reads downloads by name, and outputs of earlier steps or other sets by path; it writes below the data folder.
//! Paths in `tmp/` are removed when the set is complete.

mod books;
mod nli;
mod parallel;
mod parquet;
mod senteval;
mod table;
mod text;
mod words;

use super::error::{FetchError, Result, at};
use super::store::create_parent;
use super::unpack::{Archive, Keep};
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use text::{InputTexts, TextOutput};
use words::Words;

/// One step. Fields called `from` and `archive` are read, those called `to` are written.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Step {
    /// Extracts entries of a zip, tar or tar.gz file, at most `limit` bytes.
    Unpack {
        archive: String,
        keep: Vec<Keep>,
        to: String,
        limit: Option<u64>,
    },
    /// Decompresses one file.
    Gunzip {
        from: String,
        to: String,
        limit: Option<u64>,
    },
    /// Copies a file.
    Copy { from: String, to: String },
    /// Concatenates texts; with `header`, only the first keeps its first line.
    Concat {
        from: Vec<String>,
        to: String,
        #[serde(default)]
        header: bool,
    },
    /// Tokenises a text.
    Tokenize {
        from: String,
        to: String,
        tokenizer: String,
        language: String,
        lowercase: bool,
    },
    /// SNLI's and MultiNLI's tables to `premise TAB hypothesis TAB label`; rows without a label
    /// (`-`) are left out.
    Nli {
        from: String,
        to: String,
        tokenizer: String,
        lowercase: bool,
    },
    /// The distinct parse trees of SNLI's and MultiNLI's tables, one per line.
    Parses { from: Vec<String>, to: String },
    /// Tokenises parallel texts, and holds out a random part.
    Parallel(parallel::ParallelSplit),
    /// Two text columns of Parquet files, to two parallel texts.
    ParquetColumns {
        from: Vec<String>,
        columns: [String; 2],
        to: [String; 2],
    },
    /// Books with hard line breaks, to texts with one paragraph per line.
    Books { from: String, to: String },
    /// SentEval's MR, CR, SUBJ and MPQA: one sentence per line.
    SentevalSentences { from: String, to: String },
    /// SentEval's TREC questions.
    SentevalTrec { from: String, to: String },
    /// SentEval's SICK tables.
    SentevalSick { from: String, to: String },
    /// SentEval's STS tasks, from a file of pairs and a file of scores.
    SentevalSts {
        input: String,
        gold: String,
        name: String,
        to: String,
    },
    /// SentEval's STS tasks, from one table `score TAB sentence TAB sentence`.
    SentevalStsTable {
        from: String,
        name: String,
        to: String,
    },
    /// SentEval's STS benchmark, from its own tables.
    SentevalStsBenchmark { from: String, to: String },
    /// SentEval's STS benchmark, from comma-separated values `sentence,sentence,score`.
    SentevalStsBenchmarkCsv { from: String, to: String },
    /// SentEval's SNLI task: `s1.SPLIT`, `s2.SPLIT`, `labels.SPLIT`.
    SentevalSnli {
        from: String,
        split: String,
        to: String,
    },
}

impl Step {
    /// The paths it writes to, or folders above them.
    pub fn outputs(&self) -> Vec<&str> {
        match self {
            Step::Unpack { to, .. }
            | Step::Gunzip { to, .. }
            | Step::Copy { to, .. }
            | Step::Concat { to, .. }
            | Step::Tokenize { to, .. }
            | Step::Nli { to, .. }
            | Step::Parses { to, .. }
            | Step::Books { to, .. }
            | Step::SentevalSentences { to, .. }
            | Step::SentevalTrec { to, .. }
            | Step::SentevalSick { to, .. }
            | Step::SentevalSts { to, .. }
            | Step::SentevalStsTable { to, .. }
            | Step::SentevalStsBenchmark { to, .. }
            | Step::SentevalStsBenchmarkCsv { to, .. }
            | Step::SentevalSnli { to, .. } => vec![to],
            Step::ParquetColumns { to, .. } => to.iter().map(String::as_str).collect(),
            Step::Parallel(split) => vec![&split.to],
        }
    }
}

/// A step's inputs and outputs.
pub struct Workplace<'a> {
    /// The data folder, with other sets.
    pub root: &'a Path,
    /// The scratch folder for this set's outputs.
    pub stage: &'a Path,
    /// Downloads by name, each with its path and address. A listing is a folder.
    pub downloads: HashMap<String, (PathBuf, String)>,
    /// Notes on the text that was read, to be printed.
    pub notes: RefCell<Vec<String>>,
}

impl Workplace<'_> {
    /// The path of an input.
    fn input(&self, name: &str) -> Result<PathBuf> {
        if let Some((path, _)) = self.downloads.get(name) {
            return Ok(path.clone());
        }
        let staged = self.stage.join(name);
        if staged.exists() {
            return Ok(staged);
        }
        let finished = self.root.join(name);
        if finished.exists() {
            return Ok(finished);
        }
        Err(FetchError::Input {
            path: finished,
            problem: format!(
                "a step reads '{name}', which is neither a download of this route nor an existing file"
            ),
        })
    }

    fn output(&self, path: &str) -> Result<PathBuf> {
        let path = self.stage.join(path);
        create_parent(&path)?;
        Ok(path)
    }

    fn archive<T>(
        &self,
        name: &str,
        limit: Option<u64>,
        act: impl FnOnce(Archive<'_>) -> Result<T>,
    ) -> Result<T> {
        let path = self.input(name)?;
        let url = self
            .downloads
            .get(name)
            .map_or("unpacked by an earlier step", |(_, url)| url);
        act(Archive {
            path: &path,
            url,
            limit,
        })
    }

    fn texts(&self, names: &[String]) -> Result<InputTexts> {
        Ok(InputTexts::new(
            names
                .iter()
                .map(|name| self.input(name))
                .collect::<Result<_>>()?,
        ))
    }

    fn text(&self, name: &str) -> Result<InputTexts> {
        Ok(InputTexts::new(vec![self.input(name)?]))
    }

    fn note(&self, note: impl Into<String>) {
        self.notes.borrow_mut().push(note.into());
    }

    /// Notes corrections of a text.
    fn note_repairs(&self, texts: &InputTexts) {
        for note in texts.repairs() {
            self.note(note);
        }
    }

    /// Runs one step.
    pub fn take(&self, step: &Step) -> Result<()> {
        match step {
            Step::Unpack {
                archive,
                keep,
                to,
                limit,
            } => {
                let folder = self.stage.join(to);
                self.archive(archive, *limit, |archive| archive.unpack(keep, &folder))
            }
            Step::Gunzip { from, to, limit } => {
                let target = self.output(to)?;
                self.archive(from, *limit, |archive| archive.gunzip(&target))
            }
            Step::Copy { from, to } => {
                let (from, to) = (self.input(from)?, self.output(to)?);
                std::fs::copy(from, &to).map(|_| ()).map_err(at(&to))
            }
            Step::Concat { from, to, header } => self.concat(from, to, *header),
            Step::Tokenize {
                from,
                to,
                tokenizer,
                language,
                lowercase,
            } => {
                let words = Words::new(tokenizer, language, *lowercase)?;
                let mut texts = self.text(from)?;
                let mut output = TextOutput::create(&self.output(to)?)?;
                words::convert(&mut texts, &mut output, |line, scratch| {
                    Ok(words.apply(line.text, scratch))
                })?;
                self.note_repairs(&texts);
                output.finish()
            }
            Step::Nli {
                from,
                to,
                tokenizer,
                lowercase,
            } => nli::pairs(self, from, to, tokenizer, *lowercase),
            Step::Parses { from, to } => nli::parses(self, from, to),
            Step::Parallel(split) => parallel::split(self, split),
            Step::ParquetColumns { from, columns, to } => parquet::columns(self, from, columns, to),
            Step::Books { from, to } => books::paragraphs(self, from, to),
            Step::SentevalSentences { from, to } => senteval::sentences(self, from, to),
            Step::SentevalTrec { from, to } => senteval::trec(self, from, to),
            Step::SentevalSick { from, to } => senteval::sick(self, from, to),
            Step::SentevalSts {
                input,
                gold,
                name,
                to,
            } => senteval::sts(self, input, gold, name, to),
            Step::SentevalStsTable { from, name, to } => senteval::sts_table(self, from, name, to),
            Step::SentevalStsBenchmark { from, to } => senteval::sts_benchmark(self, from, to),
            Step::SentevalStsBenchmarkCsv { from, to } => {
                senteval::sts_benchmark_csv(self, from, to)
            }
            Step::SentevalSnli { from, split, to } => senteval::snli(self, from, split, to),
        }
    }

    fn concat(&self, from: &[String], to: &str, header: bool) -> Result<()> {
        let mut output = TextOutput::create(&self.output(to)?)?;
        let mut columns = None;
        for name in from {
            let mut texts = self.text(name)?;
            let mut line = String::new();
            while texts.next(&mut line)? {
                if header && texts.number() == 1 {
                    match &columns {
                        None => columns = Some(line.clone()),
                        Some(columns) if *columns == line => continue,
                        Some(columns) => {
                            return Err(texts.wrong(format!(
                                "the header line is '{line}', and that of {} is '{columns}'",
                                from[0]
                            )));
                        }
                    }
                }
                output.line(&line)?;
            }
            self.note_repairs(&texts);
        }
        output.finish()
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
