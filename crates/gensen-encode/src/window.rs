//! Text to batches: words to ids, distinct words, sentences sorted by length.

use std::cmp::Reverse;

use gensen_data::tokenizer::{Tokenizer, Tokens, by_name, lowercase};
use gensen_data::vocabulary::Vocabulary;

use crate::model_folder::ModelConfig;
use crate::spelling::Speller;
use crate::{Coverage, EncodeError, EncodeOptions};

/// The largest number of words in a sentence.
const MAX_WORDS: usize = 1 << 17;
/// The least size of full batches: smaller ones share fewer prefixes and use the processor less
/// well.
const LEAST_BATCH: usize = 128;
/// The largest number of batches in a window.
const BATCHES: usize = 32;

/// Splits text into words.
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

/// Reads text into windows of word ids.
pub(crate) struct WindowReader<'a> {
    vocabulary: &'a Vocabulary,
    splitter: Splitter,
    /// Looks up unknown words, if they are not all `<unk>`.
    speller: Option<Speller<'a>>,
    start_end: bool,
    batch_size: usize,
    most_distinct: usize,
    /// The index of each word id, those of spelled words included, among the window's distinct words,
    /// or [`ABSENT`].
    places: Vec<u32>,
}

const ABSENT: u32 = u32::MAX;

/// Sentences whose distinct words are projected together.
#[derive(Default)]
pub(crate) struct Window {
    /// The ids of the distinct words. Ids of spelled words follow those of the vocabulary.
    pub(crate) words: Vec<u32>,
    /// Indices into `words`, one sentence after the other.
    ids: Vec<u32>,
    /// The end of each sentence in `ids`.
    ends: Vec<usize>,
    /// The counts of its known and unknown words.
    pub(crate) coverage: Coverage,
}

impl<'a> WindowReader<'a> {
    /// A window ends when it has `most_distinct` distinct words. `speller` computes embeddings of
    /// unknown words; without one, they are `<unk>`.
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

    /// Reads the next window from the start of `sentences`; `first` is the index of the first, for
    /// errors.
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

    /// The words of a sentence, as indices into `words`.
    pub(crate) fn sentence(&self, index: usize) -> &[u32] {
        &self.ids[self.start(index)..self.ends[index]]
    }

    /// The number of words before a sentence.
    pub(crate) fn start(&self, index: usize) -> usize {
        match index {
            0 => 0,
            _ => self.ends[index - 1],
        }
    }

    /// The number of words in all sentences.
    pub(crate) fn total(&self) -> usize {
        self.ids.len()
    }

    /// Batches of sentences, sorted by length, longest first, and then by their words, so that
    /// shared prefixes meet. A batch has at most `size` sentences, or [`LEAST_BATCH`] if that is
    /// more, and at most `most_words` words unless it is a single sentence.
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
