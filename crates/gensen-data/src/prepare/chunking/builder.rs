//! Tokenising the examples of a block into a chunk, for each kind of task.

use super::Wording;
use crate::corpus::{
    Block, Columns, Corpus, Sentence, Tree, each_tree, parse_label, split_paragraph,
};
use crate::error::{DataError, LineFault};
use crate::exclusion::Excluded;
use crate::lines::numbered_lines;
use crate::prepare::chunk::{BREAK, Chunk, LABELS};
use crate::prepare::layout::{FIELDS, Layout};
use crate::prepare::task::TaskInputs;
use crate::spec::{SentenceLayout, TaskKind};
use crate::tokenizer::Tokens;

#[derive(Default)]
pub(super) struct Tally {
    pub(super) read: u64,
    pub(super) sentences: u64,
    pub(super) blank: u64,
    pub(super) unlabelled: u64,
    pub(super) headings: u64,
    pub(super) excluded: u64,
}

impl Tally {
    pub(super) fn add(&mut self, other: &Self) {
        self.read += other.read;
        self.sentences += other.sentences;
        self.blank += other.blank;
        self.unlabelled += other.unlabelled;
        self.headings += other.headings;
        self.excluded += other.excluded;
    }
}

/// Builds the chunk of a block: one thread's state.
pub(super) struct ChunkBuilder<'a> {
    corpus: &'a Corpus,
    wording: &'a Wording,
    layout: &'a Layout,
    /// The number of columns of a classification task's rows.
    columns: usize,
    excluded: Option<&'a Excluded>,
    pub(super) chunk: Chunk,
    pub(super) tally: Tally,
    tokens: [Tokens; FIELDS],
    lower: String,
}

impl<'a> ChunkBuilder<'a> {
    pub(super) fn new(
        corpus: &'a Corpus,
        task: &'a TaskInputs<'_>,
        excluded: Option<&'a Excluded>,
    ) -> Self {
        Self {
            corpus,
            wording: &task.wording,
            layout: &task.layout,
            columns: task.columns,
            excluded,
            chunk: Chunk::default(),
            tally: Tally::default(),
            tokens: Default::default(),
            lower: String::new(),
        }
    }

    pub(super) fn take(&mut self, block: &Block) -> Result<(), DataError> {
        let text = block.text()?;
        if text.is_empty() {
            return Ok(());
        }
        match self.corpus.kind {
            TaskKind::Translation | TaskKind::Seq2seq => self.take_pairs(block, text),
            TaskKind::Nli => self.take_labelled_pairs(block, text),
            TaskKind::Parsing => self.take_trees(block, text),
            TaskKind::Pairs => self.take_contrasted_pairs(block, text),
            TaskKind::Distillation => self.take_sentences(block, text),
            TaskKind::Classification => self.take_classified(block, text),
            TaskKind::SkipThought | TaskKind::NextSentence => match block.aligned_texts()?[..] {
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

    /// Calls `take` with every row that is not blank: its line number, its text, and a function
    /// that turns a fault of the row into an error.
    fn take_rows(
        &mut self,
        block: &Block,
        text: &str,
        mut take: impl FnMut(
            &mut Self,
            u64,
            &str,
            &dyn Fn(LineFault) -> DataError,
        ) -> Result<(), DataError>,
    ) -> Result<(), DataError> {
        for (line, row) in numbered_lines(text, block.first_line) {
            self.tally.read += 1;
            if is_blank(row) {
                self.tally.blank += 1;
                continue;
            }
            take(self, line, row, &|fault| {
                DataError::line(&block.file, line, fault)
            })?;
        }
        Ok(())
    }

    fn take_labelled_pairs(&mut self, block: &Block, text: &str) -> Result<(), DataError> {
        self.take_rows(block, text, |builder, _, row, fault| {
            let row = block.columns.row(row).map_err(fault)?;
            match parse_label(&row.label).map_err(fault)? {
                None => builder.tally.unlabelled += 1,
                Some(label) => {
                    if builder.add_pair(&row.sentences[0], &row.sentences[1]) {
                        builder.chunk.labels.push(label.into());
                    }
                }
            }
            Ok(())
        })
    }

    /// Takes rows of two sentences that belong together and optionally a hard negative of the
    /// first.
    fn take_contrasted_pairs(&mut self, block: &Block, text: &str) -> Result<(), DataError> {
        self.take_rows(block, text, |builder, _, row, fault| {
            let mut columns = row.split('\t');
            let (Some(first), Some(second)) = (columns.next(), columns.next()) else {
                let (found, expected) = (1, 2);
                return Err(fault(LineFault::Columns { found, expected }));
            };
            let negative = columns.next().unwrap_or("");
            builder.tokenize(0, first);
            builder.tokenize(1, second);
            builder.tokenize(2, negative);
            for (field, name) in [
                (0, "the pair's first sentence"),
                (1, "the pair's second sentence"),
            ] {
                if builder.tokens[field].is_empty() {
                    return Err(fault(LineFault::Missing(name)));
                }
            }
            if !builder.excludes(&[first, second, negative]) {
                (0..FIELDS).for_each(|field| builder.push(field));
            }
            Ok(())
        })
    }

    /// Takes one sentence per line, with its line number.
    fn take_sentences(&mut self, block: &Block, text: &str) -> Result<(), DataError> {
        for (line, sentence) in numbered_lines(text, block.first_line) {
            self.tally.read += 1;
            self.tokenize(0, sentence);
            if self.tokens[0].is_empty() {
                self.tally.blank += 1;
                continue;
            }
            if self.excludes(&[sentence]) {
                continue;
            }
            self.push(0);
            self.push_line(block, line)?;
        }
        Ok(())
    }

    fn take_classified(&mut self, block: &Block, text: &str) -> Result<(), DataError> {
        self.take_rows(block, text, |builder, line, row, fault| {
            let (found, expected) = (row.split('\t').count(), builder.columns);
            if !(2..=3).contains(&found) {
                return Err(fault(match found {
                    1 => LineFault::Columns { found, expected: 2 },
                    _ => LineFault::OtherColumns { found, expected: 3 },
                }));
            }
            if found != expected {
                return Err(fault(LineFault::OtherColumns { found, expected }));
            }
            let mut columns = row.split('\t');
            let label = columns.next().unwrap_or_default().trim();
            if label.is_empty() {
                return Err(fault(LineFault::Missing("the label")));
            }
            builder.tokens[1].clear();
            for (field, sentence) in columns.enumerate() {
                builder.tokenize(field, sentence);
                if builder.tokens[field].is_empty() {
                    return Err(fault(LineFault::Missing("a sentence")));
                }
            }
            let sentences: Vec<&str> = row.split('\t').skip(1).collect();
            if builder.excludes(&sentences) {
                return Ok(());
            }
            builder.push(0);
            builder.push(1);
            let label = builder.chunk.words[LABELS].intern(label);
            builder.chunk.labels.push(label);
            builder.push_line(block, line)
        })
    }

    fn push_line(&mut self, block: &Block, line: u64) -> Result<(), DataError> {
        let Ok(number) = u32::try_from(line) else {
            let problem = format!("{} has more than {} lines", block.file, u32::MAX);
            return Err(DataError::key("path", problem));
        };
        self.chunk.lines.push(number);
        Ok(())
    }

    fn take_trees(&mut self, block: &Block, text: &str) -> Result<(), DataError> {
        let fault = |line, fault| DataError::line(&block.file, line, fault);
        let visit = |builder: &mut Self, tree: Option<&Tree>| {
            builder.tally.read += 1;
            match tree {
                Some(tree) => drop(builder.add_pair(&tree.source, &tree.target)),
                None => builder.tally.blank += 1,
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
        self.tokenize(0, sentence);
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

    /// Adds a pair, unless one of its texts is blank or excluded. Returns whether it was added.
    fn add_pair(&mut self, first: &str, second: &str) -> bool {
        for (field, text) in [first, second].into_iter().enumerate() {
            self.tokenize(field, text);
        }
        if self.tokens[..2].iter().any(Tokens::is_empty) {
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

    /// Splits a field's text into words. Fields after the second use the second's tokeniser.
    fn tokenize(&mut self, field: usize, text: &str) {
        self.wording.tokenizers[field.min(1)].tokenize(text, &mut self.tokens[field]);
    }

    /// Whether one of an example's sentences is excluded from training; if so, counts the example.
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
        if self.wording.lowercase[field.min(1)] {
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

/// The word in lower case; `buffer` is a reusable buffer.
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
