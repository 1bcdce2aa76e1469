//! A request's texts.

use std::fmt;

use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

/// One text or a list of texts.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum Inputs {
    /// One text.
    One(String),
    /// A list of texts.
    Many(Vec<String>),
}

impl<'de> Deserialize<'de> for Inputs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextsVisitor;
        impl<'de> Visitor<'de> for TextsVisitor {
            type Value = Inputs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or a list of strings")
            }

            fn visit_str<E>(self, text: &str) -> Result<Inputs, E> {
                Ok(Inputs::One(text.to_owned()))
            }

            fn visit_string<E>(self, text: String) -> Result<Inputs, E> {
                Ok(Inputs::One(text))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Inputs, A::Error> {
                let mut texts = Vec::new();
                while let Some(TextElement(text)) = list.next_element()? {
                    texts.push(text);
                }
                Ok(Inputs::Many(texts))
            }
        }
        deserializer.deserialize_any(TextsVisitor)
    }
}

/// A text in a list.
struct TextElement(String);

impl<'de> Deserialize<'de> for TextElement {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        const TOKEN_IDS: &str =
            "token ids are not accepted, because they differ from model to model; send text";
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = TextElement;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of strings")
            }

            fn visit_str<E>(self, text: &str) -> Result<TextElement, E> {
                Ok(TextElement(text.to_owned()))
            }

            fn visit_string<E>(self, text: String) -> Result<TextElement, E> {
                Ok(TextElement(text))
            }

            fn visit_u64<E: de::Error>(self, _: u64) -> Result<TextElement, E> {
                Err(E::custom(TOKEN_IDS))
            }

            fn visit_i64<E: de::Error>(self, _: i64) -> Result<TextElement, E> {
                Err(E::custom(TOKEN_IDS))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<TextElement, A::Error> {
                Err(de::Error::custom(TOKEN_IDS))
            }
        }
        deserializer.deserialize_any(TextVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_are_text_and_token_ids_are_refused_by_name() {
        let read = |json: &str| serde_json::from_str::<Inputs>(json).map_err(|e| e.to_string());
        assert_eq!(read(r#""a \u00e9""#), Ok(Inputs::One("a é".into())));
        assert_eq!(
            read(r#"["a", "b\n"]"#),
            Ok(Inputs::Many(vec!["a".into(), "b\n".into()]))
        );
        assert_eq!(read("[]"), Ok(Inputs::Many(vec![])));
        for numbers in ["[1, 2]", "[-1]", "[[1, 2], [3]]", r#"["a", 7]"#] {
            let problem = read(numbers).unwrap_err();
            assert!(
                problem.starts_with("token ids are not accepted"),
                "{numbers}: {problem}"
            );
        }
        for (wrong, expected) in [
            (
                "7",
                "invalid type: integer `7`, expected a string or a list of strings",
            ),
            (
                "null",
                "invalid type: null, expected a string or a list of strings",
            ),
            (
                r#"["a", null]"#,
                "invalid type: null, expected a list of strings",
            ),
        ] {
            let problem = read(wrong).unwrap_err();
            assert!(problem.starts_with(expected), "{wrong}: {problem}");
        }
    }
}
