use std::path::PathBuf;

use super::{
    Language, Moses, MosesOptions, Nltk, NonbreakingPrefixes, Ptb, Tokenizer, TokenizerError,
    Whitespace,
};

/// The names accepted by [`by_name`]. `+no-escape` and `+aggressive` may also be combined.
pub const NAMES: [&str; 6] = [
    "whitespace",
    "moses",
    "moses+no-escape",
    "moses+aggressive",
    "nltk",
    "ptb",
];

/// Files of language data for tokenisers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    /// For `moses`: a file of non-breaking prefixes, or a folder that holds
    /// `nonbreaking_prefix.LANGUAGE`. `None` for the built-in list.
    pub nonbreaking_prefixes: Option<PathBuf>,
    /// For `nltk`: the `punkt_tab` folder of NLTK's data with a folder for each language
    /// (`english`, `french`, `german`), or the folder of one language. `None` to take each line as
    /// one sentence.
    pub punkt: Option<PathBuf>,
}

/// Creates the tokeniser with this name for a language (`en`, `fr`, `de`). `whitespace`, `ptb` and
/// `nltk` without Punkt accept any language.
///
/// ```
/// use gensen_data::tokenizer::{Resources, Tokens, by_name};
///
/// let tokenizer = by_name("moses+no-escape", "fr", &Resources::default())?;
/// let mut tokens = Tokens::default();
/// tokenizer.tokenize("L'eau est à 20,5 degrés.", &mut tokens);
/// assert_eq!(tokens.iter().collect::<Vec<_>>(), ["L'", "eau", "est", "à", "20,5", "degrés", "."]);
/// # Ok::<(), gensen_data::tokenizer::TokenizerError>(())
/// ```
///
/// # Errors
///
/// If the name or the language is unknown, or a resource cannot be read.
pub fn by_name(
    name: &str,
    language: &str,
    resources: &Resources,
) -> Result<Box<dyn Tokenizer>, TokenizerError> {
    let unknown = || TokenizerError::UnknownName {
        name: name.to_owned(),
    };
    // The name, then options; a tokeniser without options compares the whole.
    let mut parts = name.split('+');
    match parts.next() {
        Some("whitespace") if name == "whitespace" => Ok(Box::new(Whitespace)),
        Some("ptb") if name == "ptb" => Ok(Box::new(Ptb)),
        Some("nltk") if name == "nltk" => Ok(Box::new(match &resources.punkt {
            Some(folder) if folder.join("abbrev_types.txt").is_file() => Nltk::with_punkt(folder)?,
            Some(folder) => Nltk::with_punkt(&folder.join(Language::parse(language)?.name()))?,
            None => Nltk::new(),
        })),
        Some("moses") => {
            let mut options = MosesOptions::default();
            for option in parts {
                match option {
                    "no-escape" => options.escape = false,
                    "aggressive" => options.aggressive = true,
                    _ => return Err(unknown()),
                }
            }
            let language = Language::parse(language)?;
            let prefixes = match &resources.nonbreaking_prefixes {
                Some(path) => NonbreakingPrefixes::read(path, language)?,
                None => NonbreakingPrefixes::shipped(language),
            };
            Ok(Box::new(Moses::with_prefixes(language, options, prefixes)))
        }
        _ => Err(unknown()),
    }
}
