//! Properties of every tokeniser on every text.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests"
)]

use std::ops::Range;

use gensen_data::tokenizer::{
    Language, NAMES, Nltk, Resources, TokenizerError, Tokens, by_name, lowercase,
};
use proptest::prelude::*;

/// Text composed of pieces that the tokenisers have rules for.
fn ruled_text() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "a", "I", "Mr", "No", "can", "not", "cannot", "gonna", "d'ye", "'tis", "'s", "n't", "'ll",
        "'", "\"", "``", "''", "`", ".", "..", "...", ",", ":", ";", "-", "--", "!", "?", "(", ")",
        "[", "]", "<", ">", "&", "|", "@", "*", "5", "1,000", "½", "٣", "é", "ß", "İ", "ſ", "中",
        "\u{301}", "\u{200d}", "’", "“", "»", "—", "😀", " ", " ", " ", "\t", "\n", "\r", "\u{a0}",
        "\u{85}", "\u{3000}", "\0", "\u{1c}", "\u{7f}", "DOTMULTI",
    ]);
    prop::collection::vec(pieces, 0..24).prop_map(|pieces| pieces.concat())
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![ruled_text(), any::<String>()]
}

fn words(name: &str, language: &str, line: &str) -> Result<Vec<String>, TokenizerError> {
    let tokenizer = by_name(name, language, &Resources::default())?;
    let mut tokens = Tokens::default();
    tokenizer.tokenize(line, &mut tokens);
    assert_eq!(tokens.len(), tokens.iter().count());
    Ok(tokens.iter().map(str::to_owned).collect())
}

/// The line and the words without white space, control characters and quotes.
fn without_quotes(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_whitespace() && !c.is_control() && !matches!(c, '"' | '\'' | '`'))
        .collect()
}

proptest! {
    #[test]
    fn tokenizer_words_are_not_empty_and_hold_no_white_space(line in any_text()) {
        for language in Language::ALL {
            for name in ["moses", "moses+no-escape", "moses+aggressive+no-escape", "nltk"] {
                for word in words(name, language.code(), &line)? {
                    prop_assert!(!word.is_empty() && !word.contains(char::is_whitespace), "{name}: {word:?}");
                }
            }
        }
        for name in NAMES {
            for word in words(name, "en", &line)? {
                prop_assert!(!word.is_empty() && !word.contains(|c: char| c.is_ascii_whitespace()), "{name}: {word:?}");
            }
        }
    }

    #[test]
    fn tokenizer_moses_keeps_every_character(line in any_text()) {
        prop_assume!(!line.contains("MULTI"));
        let kept: String = line
            .chars()
            .filter(|&c| !c.is_whitespace() && c >= ' ')
            .collect();
        for language in Language::ALL {
            prop_assert_eq!(words("moses+no-escape", language.code(), &line)?.concat(), kept.as_str());
        }
    }

    #[test]
    fn tokenizer_moses_writes_no_special_character(line in any_text()) {
        for word in words("moses", "en", &line)? {
            prop_assert!(!word.contains(['|', '<', '>', '\'', '"', '[', ']']), "{word:?}");
        }
    }

    #[test]
    fn tokenizer_nltk_and_ptb_keep_all_but_quotes(line in any_text()) {
        for name in ["nltk", "ptb", "whitespace"] {
            prop_assert_eq!(without_quotes(&words(name, "en", &line)?.concat()), without_quotes(&line), "{}", name);
        }
    }

    #[test]
    fn tokenizer_nltk_offsets_are_the_places_of_the_words(line in any_text()) {
        let (mut tokens, mut offsets) = (Tokens::default(), Vec::<Range<usize>>::new());
        Nltk::new().tokenize_with_offsets(&line, &mut tokens, &mut offsets);
        prop_assert_eq!(tokens.len(), offsets.len());
        let mut end = 0;
        for (word, place) in tokens.iter().zip(offsets) {
            prop_assert!(place.start >= end);
            end = place.end;
            let text = line.get(place);
            prop_assert!(
                text == Some(word) || matches!((word, text), ("``", Some("\"" | "''")) | ("''", Some("\""))),
                "{word:?} is not {text:?}"
            );
        }
    }

    #[test]
    fn tokenizer_lower_caser_maps_characters_one_by_one(line in any_text()) {
        let mut lowered = String::new();
        lowercase(&line, &mut lowered);
        prop_assert_eq!(lowered, line.chars().flat_map(char::to_lowercase).collect::<String>());
    }
}
