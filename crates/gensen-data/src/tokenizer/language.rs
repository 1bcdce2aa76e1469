use super::TokenizerError;

/// The languages that tokenisers have rules for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Language {
    /// `en`
    English,
    /// `fr`
    French,
    /// `de`
    German,
}

impl Language {
    /// Every language.
    pub const ALL: [Self; 3] = [Self::English, Self::French, Self::German];

    /// The two-letter code of ISO 639-1.
    pub fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::French => "fr",
            Self::German => "de",
        }
    }

    /// The English name in lower case, as in NLTK.
    pub fn name(self) -> &'static str {
        match self {
            Self::English => "english",
            Self::French => "french",
            Self::German => "german",
        }
    }

    /// The language with this code or name.
    ///
    /// # Errors
    ///
    /// [`TokenizerError::UnknownLanguage`].
    pub fn parse(code: &str) -> Result<Self, TokenizerError> {
        Self::ALL
            .into_iter()
            .find(|language| language.code() == code || language.name() == code)
            .ok_or_else(|| TokenizerError::UnknownLanguage {
                language: code.to_owned(),
            })
    }
}
