//! Text to batches: words to ids, distinct words counted, sentences sorted by length.

use std::cmp::Reverse;

use gensen_data::tokenizer::{Tokenizer, Tokens, by_name, lowercase};
use gensen_data::vocabulary::Vocabulary;

use crate::model_folder::ModelConfig;
use crate::spelling::Speller;
use crate::{Coverage, EncodeError, EncodeOptions};

/// The most words a sentence may have.
const MAX_WORDS: usize = 1 << 17;
/// The fewest sentences that fill a batch: fewer share less, and use the processor less well.
const LEAST_BATCH: usize = 128;
/// Batches that a window has at most.
const BATCHES: usize = 32;

/// Turns text into words.
pub(crate) struct Splitter {
    tokenizer: Box<dyn Tokenizer>,
    lowercase: bool,
    tokens: Tokens,
    lowered: String,
}

impl Splitter {
    pub(crate) fn new(config: &ModelConfig, options: &EncodeOptions) -> Result<Self, EncodeError> {
        let name = options.tokenizer.as_deref().unwrap_or(&config.tokenizer);
        Ok(Self {
            tokenizer: by_name(name, &options.language, &Default::default())?,
            lowercase: options.lowercase.unwrap_or(config.lowercase),
            tokens: Tokens::default(),
            lowered: String::new(),
        })
    }

    /// The words of a text.
    pub(crate) fn split(&mut self, text: &str) -> &Tokens {
        let text = if self.lowercase {
            lowercase(text, &mut self.lowered);
            &self.lowered
        } else {
            text
        };
        self.tokenizer.tokenize(text, &mut self.tokens);
        &self.tokens
    }
}

/// Turns text into word ids.
pub(crate) struct Reader<'a> {
    vocabulary: &'a Vocabulary,
    splitter: Splitter,
    /// Looks up unknown words, if they are not all `<unk>`.
    speller: Option<Speller<'a>>,
    start_end: bool,
    batch_size: usize,
    most_distinct: usize,
    /// For each word id, those of spelled words included, its place among the window's distinct words, or [`ABSENT`].
    places: Vec<u32>,
}

const ABSENT: u32 = u32::MAX;

/// Sentences that are encoded together.
#[derive(Default)]
pub(crate) struct Window {
    /// The distinct words' ids; those of spelled words follow the vocabulary's.
    pub(crate) words: Vec<u32>,
    /// For each sentence, the places of its words in `words`.
    ids: Vec<u32>,
    ends: Vec<usize>,
    /// How many of its words are known.
    pub(crate) coverage: Coverage,
}

impl<'a> Reader<'a> {
    /// `speller` gives unknown words their embeddings; without one, they are `<unk>`. `most_distinct` is about how many distinct words a window may have.
    pub(crate) fn new(
        config: &ModelConfig,
        vocabulary: &'a Vocabulary,
        options: &EncodeOptions,
        speller: Option<Speller<'a>>,
        most_distinct: usize,
    ) -> Result<Self, EncodeError> {
        Ok(Self {
            vocabulary,
            splitter: Splitter::new(config, options)?,
            speller,
            start_end: options.start_end,
            batch_size: options.batch_size.max(LEAST_BATCH),
            most_distinct,
            places: vec![ABSENT; vocabulary.len()],
        })
    }

    /// The embeddings of the unknown words so far, `[rows, embedding size]`.
    pub(crate) fn spelled(&self) -> &[f32] {
        self.speller.as_ref().map_or(&[], Speller::embeddings)
    }

    /// Reads as many sentences as make a window, the first of which is number `first`.
    pub(crate) fn window<S: AsRef<str>>(
        &mut self,
        sentences: &[S],
        first: usize,
    ) -> Result<Window, EncodeError> {
        let mut window = Window::default();
        for sentence in sentences
            .iter()
            .take(self.batch_size.saturating_mul(BATCHES))
        {
            let index = first + window.len();
            self.read(sentence.as_ref(), &mut window, index)?;
            if window.words.len() >= self.most_distinct {
                break;
            }
        }
        for &word in &window.words {
            self.places[word as usize] = ABSENT;
        }
        Ok(window)
    }

    fn read(&mut self, text: &str, window: &mut Window, index: usize) -> Result<(), EncodeError> {
        let tokens = self.splitter.split(text);
        let words = tokens.len() + if self.start_end { 2 } else { 0 };
        if words == 0 {
            return Err(EncodeError::EmptySentence { index });
        }
        if words > MAX_WORDS {
            return Err(EncodeError::LongSentence {
                index,
                words,
                most: MAX_WORDS,
            });
        }
        let places = &mut self.places;
        let mut push = |id: u32| {
            if id as usize >= places.len() {
                places.resize(id as usize + 1, ABSENT);
            }
            let place = &mut places[id as usize];
            if *place == ABSENT {
                *place = window.words.len() as u32;
                window.words.push(id);
            }
            window.ids.push(*place);
        };
        if self.start_end {
            push(Vocabulary::BOS);
        }
        let mut unknown = 0;
        for word in tokens.iter() {
            if let Some(id) = self.vocabulary.id(word) {
                push(id);
                continue;
            }
            unknown += 1;
            let spelled = match &mut self.speller {
                Some(speller) => speller.number(word)?,
                None => None,
            };
            let id = spelled.map(|number| self.vocabulary.len() as u32 + number);
            push(id.unwrap_or(Vocabulary::UNK));
        }
        if self.start_end {
            push(Vocabulary::EOS);
        }
        window.coverage.count(tokens.len(), unknown);
        window.ends.push(window.ids.len());
        Ok(())
    }
}

impl Window {
    /// The number of sentences.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The places of a sentence's words in `words`.
    pub(crate) fn sentence(&self, index: usize) -> &[u32] {
        &self.ids[self.start(index)..self.ends[index]]
    }

    /// How many words come before a sentence.
    pub(crate) fn start(&self, index: usize) -> usize {
        match index {
            0 => 0,
            _ => self.ends[index - 1],
        }
    }

    /// The number of words of all sentences.
    pub(crate) fn total(&self) -> usize {
        self.ids.len()
    }

    /// Sentences of about equal length together, the longest first, about `size` and at most `most_words` words a batch (but one sentence of any length), and
    /// among those of one length such that begin alike.
    pub(crate) fn batches(&self, size: usize, most_words: usize) -> Vec<Vec<usize>> {
        let size = size.max(LEAST_BATCH);
        let mut order: Vec<usize> = (0..self.len()).collect();
        order.sort_by_key(|&i| (Reverse(self.sentence(i).len()), self.sentence(i)));
        let mut batches: Vec<Vec<usize>> = Vec::new();
        let mut words = 0;
        for sentence in order {
            let length = self.sentence(sentence).len();
            words += length;
            match batches.last_mut() {
                Some(batch) if batch.len() < size && words <= most_words => {
                    batch.push(sentence);
                }
                _ => {
                    batches.push(vec![sentence]);
                    words = length;
                }
            }
        }
        batches
    }
}
