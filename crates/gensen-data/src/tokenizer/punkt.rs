//! The Punkt sentence splitter.

mod model;
mod token;
mod words;

use std::ops::Range;
use std::path::Path;

use super::TokenizerError;
use super::char_class::{is_python_space, is_space};
use model::PunktModel;
use token::{Starts, Token};

/// The sentence splitter of Kiss and Strunk, "Unsupervised Multilingual Sentence Boundary
/// Detection", Computational Linguistics 32 (2006), as NLTK 3.10 applies it.
///
/// Its parameters for a language are in the four files of a `punkt_tab` model: abbreviations
/// (`abbrev_types.txt`), pairs of words that a full stop does not separate (`collocations.tab`),
/// frequent first words of sentences (`sent_starters.txt`), and the cases and positions in which
/// each word was seen (`ortho_context.tab`).
#[derive(Clone, Debug, Default)]
pub struct Punkt {
    model: PunktModel,
}

impl Punkt {
    /// Reads the model in a folder.
    ///
    /// # Errors
    ///
    /// If a file is missing, cannot be read, is larger than 64 MiB or has a malformed line.
    pub fn read(folder: &Path) -> Result<Self, TokenizerError> {
        Ok(Self {
            model: PunktModel::read(folder)?,
        })
    }

    /// The byte ranges of the sentences of `text`, in order, without the white space between them.
    pub fn sentences(&self, text: &str) -> Vec<Range<usize>> {
        let mut pieces = Vec::new();
        let mut start = 0;
        for candidate in candidates(text) {
            if self.ends_sentence(candidate.context(text)) {
                pieces.push(start..candidate.end);
                start = candidate.next;
            }
        }
        pieces.push(start..text.trim_end_matches(is_python_space).len());
        keep_closing_punctuation(text, &pieces)
    }

    /// Whether a sentence ends inside `context`, which consists of a word, a sentence-final
    /// character, and the next word or character.
    fn ends_sentence(&self, context: &str) -> bool {
        let mut tokens: Vec<Token> = context
            .split('\n')
            .filter(|line| !line.chars().all(is_python_space))
            .flat_map(words::PunktWords::of)
            .map(|word| Token::new(word, &self.model))
            .collect();
        for i in 1..tokens.len() {
            let (done, rest) = tokens.split_at_mut(i);
            if let (Some(token), Some(next)) = (done.last_mut(), rest.first()) {
                self.reconsider(token, next);
            }
        }
        // A break after the last token is not inside the context.
        let all_but_last = tokens.len().saturating_sub(1);
        tokens[..all_but_last]
            .iter()
            .any(|token| token.sentence_break)
    }

    /// The second pass (section 4 of the paper): corrects the first by the next word.
    fn reconsider(&self, token: &mut Token, next: &Token) {
        if !token.ends_with_period() {
            return;
        }
        let word = token.kind_without_period();
        let next_word = next.kind_without_sentence_period();
        if self.model.is_collocation(word, next_word) {
            token.sentence_break = false;
            token.abbreviation = true;
            return;
        }
        let initial = token.is_initial();
        let starts = next.starts_sentence(&self.model);
        if (token.abbreviation || token.ellipsis)
            && !initial
            && (starts == Starts::Yes
                || (next.begins_upper() && self.model.is_sentence_starter(next_word)))
        {
            token.sentence_break = true;
            return;
        }
        if initial || word == token::NUMBER {
            let name_follows = starts == Starts::Unknown
                && initial
                && next.begins_upper()
                && self.model.case_of(next_word) & model::LOWER == 0;
            if starts == Starts::No || name_follows {
                token.sentence_break = false;
                token.abbreviation = true;
            }
        }
    }
}

/// A character that may end a sentence, with positions in the text around it.
#[derive(Clone, Debug)]
struct Candidate {
    /// The start of the word before it.
    word: usize,
    /// The start and end of the character.
    at: usize,
    end: usize,
    /// The end of the next word or character.
    after: usize,
    /// The start of the next sentence, if one begins here.
    next: usize,
}

impl Candidate {
    fn context<'a>(&self, text: &'a str) -> &'a str {
        &text[self.word..self.after]
    }
}

/// The positions where a sentence may end; of a run of adjacent ones, the last.
fn candidates(text: &str) -> impl Iterator<Item = Candidate> {
    let mut places = text.match_indices(['.', '?', '!']).filter_map(|(at, _)| {
        let end = at + 1;
        let rest = &text[end..];
        if let Some(c) = rest.chars().next().filter(|c| words::is_never_in_word(*c)) {
            return Some((at, end + c.len_utf8(), end));
        }
        let next = rest.trim_start_matches(is_space);
        if next.is_empty() || next.len() == rest.len() {
            return None;
        }
        let length = next.find(is_space).unwrap_or(next.len());
        let next_start = text.len() - next.len();
        Some((at, next_start + length, next_start))
    });
    let mut previous: Option<Candidate> = None;
    std::iter::from_fn(move || {
        loop {
            let Some((at, after, next)) = places.next() else {
                return previous.take();
            };
            let (word, at_before) = previous.as_ref().map_or((0, 0), |p| (p.word, p.at));
            // As in the original, white space at index 0 counts as none.
            let word = match text[at_before..at].rfind(is_ascii_space) {
                None | Some(0) => word,
                Some(space) => at_before + space + 1,
            };
            let candidate = Candidate {
                word,
                at,
                end: at + 1,
                after,
                next,
            };
            match previous.replace(candidate) {
                Some(earlier) if earlier.at <= word => return Some(earlier),
                _ => {}
            }
        }
    })
}

/// Python's `string.whitespace`.
fn is_ascii_space(c: char) -> bool {
    matches!(c, ' ' | '\t'..='\r')
}

/// Moves closing quotes and brackets at the beginning of a piece to the end of the piece before.
fn keep_closing_punctuation(text: &str, pieces: &[Range<usize>]) -> Vec<Range<usize>> {
    let mut sentences = Vec::with_capacity(pieces.len());
    let mut moved = 0;
    for (i, piece) in pieces.iter().enumerate() {
        let start = piece.start + moved;
        moved = 0;
        let closing = pieces
            .get(i + 1)
            .and_then(|next| closing_punctuation(text.get(next.clone())?).zip(Some(next.start)));
        if let Some(((length, matched), next_start)) = closing {
            sentences.push(start..next_start + length);
            moved = matched;
        } else if start < piece.end {
            sentences.push(start..piece.end);
        }
    }
    sentences
}

/// The length in bytes of the closing punctuation at the beginning of `text`, without and with the
/// white space after it. `None` unless white space, the end of the text or two hyphens follow.
fn closing_punctuation(text: &str) -> Option<(usize, usize)> {
    let mut rest = text;
    loop {
        let c = rest.chars().next()?;
        if !matches!(
            c,
            '"' | '\'' | ')' | ']' | '}' | '‘' | '’' | '“' | '”' | '«' | '»'
        ) {
            return None;
        }
        rest = &rest[c.len_utf8()..];
        let after = rest.trim_start_matches(is_space);
        if after.len() < rest.len() || rest.is_empty() || rest.starts_with("--") {
            return Some((text.len() - rest.len(), text.len() - after.len()));
        }
    }
}
