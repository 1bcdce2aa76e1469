//! First pass: blocks of text become chunks of numbered words.

use std::sync::Mutex;
use std::sync::PoisonError;

use super::chunk::{BREAK, Chunk, Place, Scratch};
use super::layout::Layout;
use super::task::Task;
use super::{DataOptions, Progress};
use crate::corpus::{
    Block, Columns, Corpus, Sentence, Tree, each_tree, numbered_lines, parse_label, split_paragraph,
};
use crate::error::{DataError, LineFault};
use crate::exclusion::Excluded;
use crate::parallel;
use crate::report::InputReport;
use crate::spec::{SentenceLayout, TaskKind};
use crate::tokenizer::{Tokenizer, Tokens};

/// How the sentences of a task become words.
pub(super) struct Wording {
    pub(super) tokenizers: [Box<dyn Tokenizer>; 2],
    pub(super) lowercase: [bool; 2],
}

/// Tokenises a corpus into `scratch`, but for what is excluded from training; returns the places of its chunks in order.
pub(super) fn tokenise(
    corpus: &Corpus,
    task: &Task,
    options: &DataOptions,
    excluded: &Excluded,
    scratch: &Scratch,
    report: &mut InputReport,
    progress: &dyn Fn(Progress),
) -> Result<Vec<Place>, DataError> {
    let done: Mutex<(Vec<(usize, Place)>, Tally)> = Mutex::default();
    let (name, split, input) = (&*task.name, &*report.split, &*report.input);
    let excluded = (split == "train").then_some(excluded);
    parallel::for_each(
        options.threads(),
        |send| {
            corpus.read(&mut |block| {
                progress(Progress::Reading {
                    task: name,
                    split,
                    input,
                    line: block.first_line,
                });
                send(block)
            })
        },
        || {
            let worker = Worker::new(corpus, &task.wording, &task.layout, excluded);
            Ok((worker, Vec::new()))
        },
        |(worker, bytes), number, block| {
            worker.chunk.clear();
            worker.tally = Tally::default();
            worker.take(&block)?;
            let place = scratch.append(&worker.chunk, bytes)?;
            let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
            done.0.push((number, place));
            done.1.add(&worker.tally);
            Ok(())
        },
    )?;
    let (mut places, tally) = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    places.sort_unstable_by_key(|(number, _)| *number);
    report.read = tally.read;
    report.sentences = tally.sentences;
    report.blank = tally.blank;
    report.unlabelled = tally.unlabelled;
    report.headings = tally.headings;
    report.excluded = tally.excluded;
    Ok(places.into_iter().map(|(_, place)| place).collect())
}

#[derive(Default)]
struct Tally {
    read: u64,
    sentences: u64,
    blank: u64,
    unlabelled: u64,
    headings: u64,
    excluded: u64,
}

impl Tally {
    fn add(&mut self, other: &Self) {
        self.read += other.read;
        self.sentences += other.sentences;
        self.blank += other.blank;
        self.unlabelled += other.unlabelled;
        self.headings += other.headings;
        self.excluded += other.excluded;
    }
}

/// One thread's working memory.
struct Worker<'a> {
    corpus: &'a Corpus,
    wording: &'a Wording,
    layout: &'a Layout,
    excluded: Option<&'a Excluded>,
    chunk: Chunk,
    tally: Tally,
    tokens: [Tokens; 2],
    lower: String,
}

impl<'a> Worker<'a> {
    fn new(
        corpus: &'a Corpus,
        wording: &'a Wording,
        layout: &'a Layout,
        excluded: Option<&'a Excluded>,
    ) -> Self {
        Self {
            corpus,
            wording,
            layout,
            excluded,
            chunk: Chunk::default(),
            tally: Tally::default(),
            tokens: Default::default(),
            lower: String::new(),
        }
    }

    fn take(&mut self, block: &Block) -> Result<(), DataError> {
        let text = block.text()?;
        if text.is_empty() {
            return Ok(());
        }
        match self.corpus.kind {
            TaskKind::Translation | TaskKind::Seq2seq => self.take_pairs(block, text),
            TaskKind::Nli => self.take_labelled_pairs(block, text),
            TaskKind::Parsing => self.take_trees(block, text),
            TaskKind::SkipThought => match block.aligned_texts()?[..] {
                [next, previous] => {
                    self.take_triples(text, next, previous);
                    Ok(())
                }
                _ => {
                    self.take_running_text(block, text);
                    Ok(())
                }
            },
        }
    }

    fn take_pairs(&mut self, block: &Block, text: &str) -> Result<(), DataError> {
        if let [aligned] = block.aligned_texts()?[..] {
            let lines = numbered_lines(text, 1).zip(numbered_lines(aligned, 1));
            for ((_, source), (_, target)) in lines {
                self.tally.read += 1;
                self.add_pair(source, target);
            }
            return Ok(());
        }
        for (line, row) in numbered_lines(text, block.first_line) {
            self.tally.read += 1;
            let mut columns = row.split('\t');
            match (columns.next(), columns.next()) {
                (Some(source), Some(target)) => drop(self.add_pair(source, target)),
                _ if is_blank(row) => self.tally.blank += 1,
                _ => {
                    let fault = LineFault::Columns {
                        found: 1,
                        expected: 2,
                    };
                    return Err(DataError::line(&block.file, line, fault));
                }
            }
        }
        Ok(())
    }

    fn take_labelled_pairs(&mut self, block: &Block, text: &str) -> Result<(), DataError> {
        for (line, row) in numbered_lines(text, block.first_line) {
            self.tally.read += 1;
            if is_blank(row) {
                self.tally.blank += 1;
                continue;
            }
            let fault = |fault| DataError::line(&block.file, line, fault);
            let row = block.columns.row(row).map_err(fault)?;
            match parse_label(&row.label).map_err(fault)? {
                None => self.tally.unlabelled += 1,
                Some(label) => {
                    if self.add_pair(&row.sentences[0], &row.sentences[1]) {
                        self.chunk.labels.push(label);
                    }
                }
            }
        }
        Ok(())
    }

    fn take_trees(&mut self, block: &Block, text: &str) -> Result<(), DataError> {
        let fault = |line, fault| DataError::line(&block.file, line, fault);
        let visit = |worker: &mut Self, tree: Option<&Tree>| {
            worker.tally.read += 1;
            match tree {
                Some(tree) => drop(worker.add_pair(&tree.source, &tree.target)),
                None => worker.tally.blank += 1,
            }
            Ok(())
        };
        if block.columns == Columns::Plain {
            return each_tree(text, block.first_line, |_, tree| visit(self, tree), fault);
        }
        for (line, row) in numbered_lines(text, block.first_line) {
            if is_blank(row) {
                visit(self, None)?;
                continue;
            }
            let row = block.columns.row(row).map_err(|error| fault(line, error))?;
            for parse in &row.parses {
                if is_blank(parse) {
                    visit(self, None)?;
                }
                each_tree(parse, line, |_, tree| visit(self, tree), fault)?;
            }
        }
        Ok(())
    }

    fn take_running_text(&mut self, block: &Block, text: &str) {
        if block.document_start {
            self.chunk.fields[0].lengths.push(BREAK);
        }
        let layout = self.corpus.table.sentences.unwrap_or_default();
        for (_, line) in numbered_lines(text, block.first_line) {
            self.tally.read += 1;
            if is_blank(line) {
                self.tally.blank += 1;
                if layout == SentenceLayout::Lines {
                    self.chunk.fields[0].lengths.push(BREAK);
                }
                continue;
            }
            match layout {
                SentenceLayout::Lines => self.add_sentence(line),
                SentenceLayout::Paragraphs => split_paragraph(line, |sentence| match sentence {
                    Sentence::Text(sentence) => self.add_sentence(sentence),
                    Sentence::Heading => {
                        self.tally.headings += 1;
                        self.chunk.fields[0].lengths.push(BREAK);
                    }
                }),
            }
        }
    }

    /// Takes each triple as a document of three sentences.
    fn take_triples(&mut self, text: &str, next: &str, previous: &str) {
        let others = numbered_lines(next, 1).zip(numbered_lines(previous, 1));
        for ((_, sentence), ((_, next), (_, previous))) in numbered_lines(text, 1).zip(others) {
            self.tally.read += 1;
            let triple = [previous, sentence, next];
            if triple.into_iter().any(is_blank) {
                self.tally.blank += 1;
                continue;
            }
            if self.excludes(&triple) {
                continue;
            }
            self.chunk.fields[0].lengths.push(BREAK);
            triple.into_iter().for_each(|line| self.add_sentence(line));
        }
        self.chunk.fields[0].lengths.push(BREAK);
    }

    fn add_sentence(&mut self, sentence: &str) {
        self.wording.tokenizers[0].tokenize(sentence, &mut self.tokens[0]);
        if self.tokens[0].is_empty() {
            self.tally.blank += 1;
            self.chunk.fields[0].lengths.push(BREAK);
        } else if self.excludes(&[sentence]) {
            self.chunk.fields[0].lengths.push(BREAK);
        } else {
            self.tally.sentences += 1;
            self.push(0);
        }
    }

    /// Adds a pair unless one side is blank or excluded; whether it did.
    fn add_pair(&mut self, first: &str, second: &str) -> bool {
        for (field, text) in [first, second].into_iter().enumerate() {
            self.wording.tokenizers[field].tokenize(text, &mut self.tokens[field]);
        }
        if self.tokens.iter().any(Tokens::is_empty) {
            self.tally.blank += 1;
            return false;
        }
        if self.excludes(&[first, second]) {
            return false;
        }
        self.push(0);
        self.push(1);
        true
    }

    /// Counts an example if one of its sentences is excluded; whether it did.
    fn excludes(&mut self, sentences: &[&str]) -> bool {
        let excluded = self.excluded;
        let excluded = excluded.is_some_and(|e| sentences.iter().any(|text| e.contains(text)));
        self.tally.excluded += u64::from(excluded);
        excluded
    }

    fn push(&mut self, field: usize) {
        let tokens = &self.tokens[field];
        let chunk = &mut self.chunk;
        chunk.fields[field]
            .lengths
            .push((tokens.len() as u32).min(BREAK - 1));
        let words = &mut chunk.words[self.layout.dictionary(field)];
        let kept = tokens.iter().take(self.layout.kept_words(field) as usize);
        if self.wording.lowercase[field] {
            let lower = &mut self.lower;
            chunk.fields[field]
                .ids
                .extend(kept.map(|word| words.intern(lower_case(word, lower))));
        } else {
            chunk.fields[field]
                .ids
                .extend(kept.map(|word| words.intern(word)));
        }
    }
}

fn is_blank(line: &str) -> bool {
    line.bytes()
        .all(|byte| byte.is_ascii_whitespace() || byte == b'\x0b')
}

/// The word in lower case; `buffer` is working memory.
fn lower_case<'a>(word: &'a str, buffer: &'a mut String) -> &'a str {
    if !word.is_ascii() {
        *buffer = word.to_lowercase();
        return buffer;
    }
    if !word.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return word;
    }
    buffer.clear();
    buffer.push_str(word);
    buffer.make_ascii_lowercase();
    buffer
}
