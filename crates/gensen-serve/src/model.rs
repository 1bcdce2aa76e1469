//! A named model: text in, words and vectors out.

use gensen_data::tokenizer::{Tokenizer, Tokens, by_name, lowercase};
use gensen_data::vocabulary::Vocabulary;
use gensen_encode::{EncodeError, EncodeOptions, Pooling, SentenceEncoder};

use crate::ServeError;

/// The number of words added to a text, `<s>` and `</s>`.
const AROUND: usize = 2;

/// A model to serve.
pub struct Model {
    name: String,
    encoder: SentenceEncoder,
    pooling: Pooling,
    tokenizer: Box<dyn Tokenizer>,
    lowercase: bool,
    /// Options for text that is already tokenised.
    options: EncodeOptions,
}

impl Model {
    /// A model that clients request as `name`. `pooling` defaults to the model's own; tokeniser and lower-casing are
    /// always the model's own.
    ///
    /// # Errors
    ///
    /// A malformed name, and [`Pooling::MaxPadded`], which makes a vector depend on the other texts in its batch.
    pub fn new(
        name: impl Into<String>,
        encoder: SentenceEncoder,
        pooling: Option<Pooling>,
    ) -> Result<Self, ServeError> {
        let name = name.into();
        let known = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
        if name.is_empty() || !name.chars().all(known) {
            return Err(ServeError::Name { name });
        }
        let config = encoder.model().config();
        let pooling = pooling.unwrap_or(config.pooling);
        if pooling == Pooling::MaxPadded {
            return Err(ServeError::Pooling { model: name });
        }
        Ok(Self {
            tokenizer: by_name(&config.tokenizer, "en", &Default::default())?,
            lowercase: config.lowercase,
            options: EncodeOptions::default()
                .pooling(pooling)
                .tokenizer("whitespace")
                .lowercase(false),
            name,
            encoder,
            pooling,
        })
    }

    /// The name that clients use.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The encoder.
    pub fn encoder(&self) -> &SentenceEncoder {
        &self.encoder
    }

    /// The pooling of states to a vector.
    pub(crate) fn pooling(&self) -> Pooling {
        self.pooling
    }

    /// Tokenises texts. A text with more than `limit` words, `<s>` and `</s>` included, is truncated on the side `cut`, or
    /// is an error if `cut` is `None`.
    pub(crate) fn read(
        &self,
        texts: &[String],
        limit: usize,
        cut: Option<TruncationSide>,
    ) -> Result<Vec<TokenizedText>, LongText> {
        let mut words = Tokens::default();
        let mut read = Vec::with_capacity(texts.len());
        for (index, text) in texts.iter().enumerate() {
            self.split(text, &mut words);
            let count = words.len() + AROUND;
            let skipped = match cut {
                _ if count <= limit => 0..0,
                None => {
                    return Err(LongText {
                        index,
                        words: count,
                    });
                }
                Some(TruncationSide::Right) => limit - AROUND..words.len(),
                Some(TruncationSide::Left) => 0..count - limit,
            };
            let mut joined = String::with_capacity(text.len() + words.len());
            for (_, word) in words
                .iter()
                .enumerate()
                .filter(|(k, _)| !skipped.contains(k))
            {
                if !joined.is_empty() {
                    joined.push(' ');
                }
                joined.push_str(word);
            }
            read.push(TokenizedText {
                joined,
                words: count - skipped.len(),
            });
        }
        Ok(read)
    }

    /// Tokenises a text as the encoder does.
    pub(crate) fn split(&self, text: &str, words: &mut Tokens) {
        if self.lowercase {
            let mut lowered = String::new();
            lowercase(text, &mut lowered);
            self.tokenizer.tokenize(&lowered, words);
        } else {
            self.tokenizer.tokenize(text, words);
        }
    }

    /// Whether text is lower-cased.
    pub(crate) fn lowercase(&self) -> bool {
        self.lowercase
    }

    /// The id of a word.
    pub(crate) fn id(&self, word: &str) -> u32 {
        self.encoder.vocabulary().id_or_unknown(word)
    }

    /// The id and name of `<s>` and of `</s>`.
    pub(crate) fn around(&self) -> [(u32, &'static str); AROUND] {
        [Vocabulary::BOS, Vocabulary::EOS].map(|id| (id, Vocabulary::SPECIAL[id as usize]))
    }

    /// The vectors of texts, concatenated.
    pub(crate) fn vectors(&self, texts: &[&str]) -> Result<Vec<f32>, EncodeError> {
        let vectors = self.encoder.encode(texts, &self.options)?;
        Ok(vectors.into_iter().collect())
    }

    /// The states of all words in texts, concatenated.
    pub(crate) fn states(&self, texts: &[&str]) -> Result<Vec<f32>, EncodeError> {
        let encoded = self
            .encoder
            .encode_ragged(texts, &self.options, true, &mut |_| {})?;
        #[allow(
            clippy::expect_used,
            reason = "`encode_ragged` returns requested states"
        )]
        let states = encoded.states.expect("states were requested");
        Ok(states.into_iter().collect())
    }
}

/// The side on which a text is truncated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TruncationSide {
    /// The beginning is removed.
    Left,
    /// The end is removed.
    Right,
}

/// A tokenised text.
#[derive(Debug)]
pub(crate) struct TokenizedText {
    /// The words, separated by spaces.
    pub(crate) joined: String,
    /// The number of words, `<s>` and `</s>` included.
    pub(crate) words: usize,
}

/// A text longer than the limit.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct LongText {
    /// Its index, counted from 0.
    pub(crate) index: usize,
    /// Its number of words, `<s>` and `</s>` included.
    pub(crate) words: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model() -> Model {
        Model::new("english", gensen_english::load().unwrap(), None).unwrap()
    }

    const TEXTS: [&str; 4] = [
        "\"I can't,\" said Mr. Fox.",
        "",
        "  <s> tabs\tand\u{a0}odd\u{b}spaces </s>  ",
        "Naïve ĲSSEL (2,000) ...",
    ];

    #[test]
    fn tokenised_text_has_the_vectors_of_the_text() {
        let model = model();
        let texts = TEXTS.map(String::from);
        let read = model.read(&texts, 100, None).unwrap();
        let joined: Vec<&str> = read.iter().map(|text| &*text.joined).collect();
        let expected =
            model
                .encoder
                .encode_ragged(&texts, &EncodeOptions::default(), true, &mut |_| {});
        let expected = expected.unwrap();
        let vectors: Vec<f32> = expected.vectors.into_iter().collect();
        assert_eq!(model.vectors(&joined).unwrap(), vectors);
        let states: Vec<f32> = expected.states.unwrap().into_iter().collect();
        assert_eq!(model.states(&joined).unwrap(), states);
        let words: Vec<usize> = read.iter().map(|text| text.words).collect();
        assert_eq!(words, expected.lengths);
    }

    #[test]
    fn long_texts_are_truncated_on_the_requested_side_or_refused() {
        let model = model();
        let texts = ["a b", "one two three four"].map(String::from);
        let cut = |side| {
            let read = model.read(&texts, 5, Some(side)).unwrap();
            assert_eq!((read[0].words, read[1].words), (4, 5));
            read[1].joined.clone()
        };
        assert_eq!(cut(TruncationSide::Right), "one two three");
        assert_eq!(cut(TruncationSide::Left), "two three four");
        let refused = model.read(&texts, 5, None).unwrap_err();
        assert_eq!(refused, LongText { index: 1, words: 6 });
        assert_eq!(model.read(&texts, 6, None).unwrap().len(), 2);
    }

    #[test]
    fn names_and_pooling_are_checked() {
        let refused = |name, pooling| {
            let encoder = gensen_english::load().unwrap();
            match Model::new(name, encoder, pooling) {
                Ok(_) => panic!("`{name}` was accepted"),
                Err(error) => error.to_string(),
            }
        };
        assert!(refused("a b", None).starts_with("malformed model name `a b`"));
        assert!(refused("", None).starts_with("malformed model name ``"));
        assert!(refused("a", Some(Pooling::MaxPadded)).contains("max-padded"));
    }
}
