use super::TokenizerError;

/// The languages whose rules are known.
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

    /// The English name in small letters, which is what NLTK calls the language.
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
    /// If it is another language; the error lists those that are known.
    pub fn parse(code: &str) -> Result<Self, TokenizerError> {
        Self::ALL
            .into_iter()
            .find(|language| language.code() == code || language.name() == code)
            .ok_or_else(|| TokenizerError::UnknownLanguage {
                language: code.to_owned(),
            })
    }
}
