//! The reference implementation's vocabularies: a pickled dictionary with the keys `id2word` (from
//! ids to words) and `word2id` (from words to ids).

use std::collections::HashMap;

use super::WeightsError;
use super::pickle::{Pickle, Value, ValueId};

/// The words of a pickled vocabulary in id order.
///
/// The two dictionaries must agree. Words are strings, or byte strings that are UTF-8.
///
/// ```
/// use gensen_encode::weights::vocabulary_pickle;
///
/// let pickle = b"(dS'id2word'\n(dI0\nS'a'\nsI1\nS'b'\nssS'word2id'\n(dS'a'\nI0\nsS'b'\nI1\nss.";
/// assert_eq!(vocabulary_pickle::read(pickle)?, ["a", "b"]);
/// # Ok::<(), gensen_encode::weights::WeightsError>(())
/// ```
///
/// # Errors
///
/// A pickle that is malformed or has other contents, ids with gaps, duplicate ids or words, and
/// dictionaries that disagree.
pub fn read(bytes: &[u8]) -> Result<Vec<String>, WeightsError> {
    let pickle = Pickle::read(bytes)?;
    if pickle.length() != bytes.len() {
        let rest = bytes.len() - pickle.length();
        return Err(wrong(format!("{rest} bytes follow the pickle")));
    }
    let words = words_in_order(&pickle, dictionary(&pickle, "id2word")?)?;
    check_ids(&pickle, dictionary(&pickle, "word2id")?, &words)?;
    Ok(words.into_iter().map(str::to_owned).collect())
}

/// The dictionary with this key in the root.
fn dictionary<'p>(
    pickle: &'p Pickle<'_>,
    key: &str,
) -> Result<&'p [(ValueId, ValueId)], WeightsError> {
    let Value::Dict(root) = pickle.root() else {
        return Err(wrong(format!(
            "it holds {}, expected a dictionary with `id2word` and `word2id`",
            pickle.root().kind()
        )));
    };
    let mut found = root
        .iter()
        .filter(|(name, _)| pickle.text(*name) == Some(key));
    match (
        found.next().map(|&(_, value)| pickle.value(value)),
        found.next(),
    ) {
        (Some(Value::Dict(pairs)), None) => Ok(pairs),
        (Some(_), Some(_)) => Err(wrong(format!("`{key}` occurs twice"))),
        (Some(other), None) => Err(wrong(format!(
            "`{key}` is {}, expected a dictionary",
            other.kind()
        ))),
        (None, _) => {
            let keys: Vec<&str> = root
                .iter()
                .filter_map(|(name, _)| pickle.text(*name))
                .take(5)
                .collect();
            Err(wrong(format!(
                "there is no `{key}`; its first keys are {keys:?}"
            )))
        }
    }
}

fn words_in_order<'p>(
    pickle: &'p Pickle<'_>,
    id2word: &[(ValueId, ValueId)],
) -> Result<Vec<&'p str>, WeightsError> {
    let count = id2word.len();
    let mut words: Vec<Option<&str>> = vec![None; count];
    for &(id, word) in id2word {
        let id = pickle
            .size(id)
            .ok_or_else(|| wrong(format!("`id2word` has {} as an id", describe(pickle, id))))?;
        let word = pickle.text(word).ok_or_else(|| {
            wrong(format!(
                "word {id} is {}, expected UTF-8 text",
                describe(pickle, word)
            ))
        })?;
        let slot = words.get_mut(id).ok_or_else(|| {
            wrong(format!(
                "`id2word` has {count} words, but id {id}: ids must have no gaps"
            ))
        })?;
        if let Some(other) = slot.replace(word) {
            return Err(wrong(format!(
                "id {id} occurs twice, with `{other}` and `{word}`"
            )));
        }
    }
    #[allow(
        clippy::expect_used,
        reason = "`count` words with distinct ids below `count` fill every slot"
    )]
    let word = |word: Option<&'p str>| word.expect("a word for each id");
    Ok(words.into_iter().map(word).collect())
}

fn check_ids(
    pickle: &Pickle<'_>,
    word2id: &[(ValueId, ValueId)],
    words: &[&str],
) -> Result<(), WeightsError> {
    let mut ids = HashMap::with_capacity(word2id.len());
    for &(word, id) in word2id {
        let word = pickle.text(word).ok_or_else(|| {
            wrong(format!(
                "`word2id` has {} as a word, expected UTF-8 text",
                describe(pickle, word)
            ))
        })?;
        let id = pickle.size(id).ok_or_else(|| {
            wrong(format!(
                "`word2id` gives `{word}` the id {}, expected a non-negative integer",
                describe(pickle, id)
            ))
        })?;
        if ids.insert(word, id).is_some() {
            return Err(wrong(format!("`{word}` occurs twice in `word2id`")));
        }
    }
    for (id, word) in words.iter().enumerate() {
        match ids.get(word) {
            Some(&other) if other == id => {}
            Some(other) => {
                return Err(wrong(format!(
                    "`{word}` has id {id} in `id2word` and {other} in `word2id`"
                )));
            }
            None => return Err(wrong(format!("`{word}` (id {id}) is not in `word2id`"))),
        }
    }
    if ids.len() != words.len() {
        return Err(wrong(format!(
            "`id2word` has {} words and `word2id` {}",
            words.len(),
            ids.len()
        )));
    }
    Ok(())
}

/// A value of the wrong kind, for a message.
fn describe(pickle: &Pickle<'_>, id: ValueId) -> String {
    match pickle.value(id) {
        Value::Bytes(bytes) => format!(
            "the byte string \"{}\"",
            bytes[..bytes.len().min(40)].escape_ascii()
        ),
        Value::Int(value) => format!("{value}"),
        other => other.kind().to_owned(),
    }
}

fn wrong(what: String) -> WeightsError {
    WeightsError::Vocabulary(what)
}
