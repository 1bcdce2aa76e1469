use std::path::PathBuf;

use super::{
    Language, Moses, MosesOptions, NonbreakingPrefixes, Tokenizer, TokenizerError, Whitespace,
};

/// The names that [`by_name`] knows. `+no-escape` and `+aggressive` may also be combined.
pub const NAMES: [&str; 4] = ["whitespace", "moses", "moses+no-escape", "moses+aggressive"];

/// Files that tokenisers read instead of what is built in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    /// For `moses`: a file of non-breaking prefixes, or a folder that holds
    /// `nonbreaking_prefix.LANGUAGE`. Without it the shipped list is used.
    pub nonbreaking_prefixes: Option<PathBuf>,
}

/// The tokeniser of this name for a language (`en`, `fr`, `de`; `whitespace` takes any).
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
    let mut parts = name.split('+');
    match parts.next() {
        Some("whitespace") if name == "whitespace" => Ok(Box::new(Whitespace)),
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
