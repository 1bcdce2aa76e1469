//! Vocabularies, which map words to ids.

use std::fs;
use std::path::Path;

use crate::error::DataError;
use crate::scratch;
use crate::text::{self, without_mark};
use crate::words::WordTable;

/// Words and their ids: `<s>` = 0, `<pad>` = 1, `</s>` = 2, `<unk>` = 3, then the words of a
/// corpus in descending order of frequency, equally frequent ones in byte order.
///
/// A special word that occurs literally in a text is looked up like any other word, as in the
/// reference implementation: `<s>` has id 0.
///
/// ```
/// use gensen_data::vocabulary::Vocabulary;
///
/// let vocabulary = Vocabulary::from_counts([("fox", 2), ("the", 9), ("ant", 2)], 10)?;
/// assert_eq!(vocabulary.id("the"), Some(4));
/// assert_eq!(vocabulary.id("ant"), Some(5));
/// assert_eq!(vocabulary.id_or_unknown("bee"), Vocabulary::UNK);
/// assert_eq!(vocabulary.word(6), Some("fox"));
/// # Ok::<(), gensen_data::error::DataError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Vocabulary {
    words: WordTable,
}

impl Vocabulary {
    /// The id of `<s>`, which begins a sentence.
    pub const BOS: u32 = 0;
    /// The id of `<pad>`, which pads sentences to the same length.
    pub const PAD: u32 = 1;
    /// The id of `</s>`, which ends a sentence.
    pub const EOS: u32 = 2;
    /// The id of `<unk>`, which replaces words that are not in the vocabulary.
    pub const UNK: u32 = 3;
    /// The special words in id order.
    pub const SPECIAL: [&str; 4] = ["<s>", "<pad>", "</s>", "<unk>"];
    /// The size limit of a vocabulary file in bytes.
    pub const MAX_FILE_BYTES: u64 = 1 << 30;

    /// A vocabulary of `words` in id order, beginning with the four special words.
    ///
    /// # Errors
    /// [`DataError::Vocabulary`] if the first words are not the special ones, or a word is blank,
    /// contains a line end or occurs twice.
    pub fn from_words<S: AsRef<str>>(
        words: impl IntoIterator<Item = S>,
    ) -> Result<Self, DataError> {
        Self::build(words, "vocabulary")
    }

    /// A vocabulary of the special words and the `size` most frequent other words. Each word must
    /// have one count; those of special words are ignored.
    ///
    /// # Errors
    /// As [`Vocabulary::from_words`].
    pub fn from_counts<S: AsRef<str>>(
        counts: impl IntoIterator<Item = (S, u64)>,
        size: usize,
    ) -> Result<Self, DataError> {
        let mut counts: Vec<(S, u64)> = counts
            .into_iter()
            .filter(|(word, _)| !Self::SPECIAL.contains(&word.as_ref()))
            .collect();
        counts.sort_unstable_by(|(a, m), (b, n)| n.cmp(m).then_with(|| a.as_ref().cmp(b.as_ref())));
        counts.truncate(size);
        let words = counts.iter().map(|(word, _)| word.as_ref());
        Self::from_words(Self::SPECIAL.into_iter().chain(words))
    }

    fn build<S: AsRef<str>>(
        words: impl IntoIterator<Item = S>,
        file: &str,
    ) -> Result<Self, DataError> {
        let mut table = WordTable::default();
        for (id, word) in words.into_iter().enumerate() {
            let word = word.as_ref();
            let fault = |problem: String| DataError::Vocabulary {
                file: file.to_owned(),
                line: id + 1,
                problem,
            };
            if let Some(special) = Self::SPECIAL.get(id)
                && *special != word
            {
                return Err(fault(format!(
                    "expected the special word `{special}`, found `{word}`"
                )));
            }
            if word.bytes().all(|byte| byte.is_ascii_whitespace()) {
                return Err(fault("a blank line where a word is expected".into()));
            }
            if word.contains(['\n', '\r']) {
                return Err(fault("a word that contains a line end".into()));
            }
            if table.text().len() + word.len() > WordTable::MAX_TEXT {
                return Err(fault("more than 4 GiB of words".into()));
            }
            let found = table.intern(word) as usize;
            if found != id {
                return Err(fault(format!("`{word}` is already in line {}", found + 1)));
            }
        }
        if table.len() < Self::SPECIAL.len() {
            return Err(DataError::Vocabulary {
                file: file.to_owned(),
                line: table.len() + 1,
                problem: format!(
                    "expected the special word `{}`, found the end of the file",
                    Self::SPECIAL[table.len()]
                ),
            });
        }
        Ok(Self { words: table })
    }

    /// The id of `word`; `None` if it is not in the vocabulary.
    pub fn id(&self, word: &str) -> Option<u32> {
        self.words.find(word)
    }

    /// The id of `word`, or that of `<unk>`.
    pub fn id_or_unknown(&self, word: &str) -> u32 {
        self.id(word).unwrap_or(Self::UNK)
    }

    /// The word with this id; `None` if there is none.
    pub fn word(&self, id: u32) -> Option<&str> {
        self.words.word(id as usize)
    }

    /// The number of words, with special words.
    #[expect(
        clippy::len_without_is_empty,
        reason = "a vocabulary has at least the special words"
    )]
    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// All words in id order.
    pub fn words(&self) -> impl ExactSizeIterator<Item = &str> {
        self.words.words()
    }

    /// Reads a vocabulary file: UTF-8, one word per line in id order.
    ///
    /// # Errors
    /// [`DataError::Vocabulary`] with file and line for invalid UTF-8, a blank line, a repeated
    /// word or a missing special word; [`DataError::Damaged`] for a file larger than
    /// [`Vocabulary::MAX_FILE_BYTES`]; [`DataError::Io`].
    pub fn load(path: impl AsRef<Path>) -> Result<Self, DataError> {
        let path = path.as_ref();
        let file = path.display().to_string();
        let size = fs::metadata(path).map_err(DataError::io(path))?.len();
        if size > Self::MAX_FILE_BYTES {
            return Err(DataError::Damaged {
                path: file,
                problem: format!("{size} bytes, expected at most {}", Self::MAX_FILE_BYTES),
            });
        }
        let bytes = text::bytes(path, Self::MAX_FILE_BYTES).map_err(DataError::io(path))?;
        Self::from_bytes(&bytes, &file)
    }

    /// As [`Vocabulary::load`], from the contents of a file; errors call it `file`.
    ///
    /// # Errors
    /// [`DataError::Vocabulary`], as [`Vocabulary::load`].
    pub fn from_bytes(bytes: &[u8], file: &str) -> Result<Self, DataError> {
        let text = std::str::from_utf8(bytes).map_err(|error| DataError::Vocabulary {
            file: file.to_owned(),
            line: 1 + memchr::memchr_iter(b'\n', &bytes[..error.valid_up_to()]).count(),
            problem: "invalid UTF-8".into(),
        })?;
        let text = without_mark(text);
        let text = text.strip_suffix('\n').unwrap_or(text);
        Self::build(
            text.split('\n')
                .map(|line| line.strip_suffix('\r').unwrap_or(line)),
            file,
        )
    }

    /// Writes the file that [`Vocabulary::load`] reads, [atomically](crate::scratch).
    ///
    /// # Errors
    /// [`DataError::Io`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), DataError> {
        let path = path.as_ref();
        let mut text = String::with_capacity(self.words.text().len() + self.len());
        for word in self.words() {
            text.push_str(word);
            text.push('\n');
        }
        scratch::write_file(path, |file| file.write_all(text.as_bytes()))
            .map_err(DataError::io(path))
    }
}

impl PartialEq for Vocabulary {
    fn eq(&self, other: &Self) -> bool {
        self.words().eq(other.words())
    }
}

impl Eq for Vocabulary {}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(result: Result<Vocabulary, DataError>) -> String {
        crate::error::chain(&result.unwrap_err())
    }

    #[test]
    fn files_are_lossless() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vocab.txt");
        let words = [
            "<s>",
            "<pad>",
            "</s>",
            "<unk>",
            "été",
            "\u{a0}",
            "#",
            "\"",
            "\u{2003}x",
            "日本",
            "\u{85}",
        ];
        let vocabulary = Vocabulary::from_words(words).unwrap();
        vocabulary.save(&path).unwrap();
        let again = Vocabulary::load(&path).unwrap();
        assert_eq!(vocabulary, again);
        assert!(again.words().eq(words));
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            1,
            "no scratch file is left"
        );
    }

    #[test]
    fn faults_name_file_and_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("v.txt");
        let load = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            message(Vocabulary::load(&path))
        };
        assert!(
            load(b"<s>\n<pad>\n</s>\n<unk>\na\nb\na\n")
                .contains("v.txt, line 7: `a` is already in line 5")
        );
        assert!(load(b"<s>\n<pad>\n</s>\n<unk>\na\n\nb\n").contains("line 6: a blank line"));
        assert!(load(b"<s>\n<pad>\n</s>\n<unk>\na\n\xff\n").contains("line 6: invalid UTF-8"));
        assert!(
            load(b"<s>\n<pad>\na\n")
                .contains("line 3: expected the special word `</s>`, found `a`")
        );
        assert!(load(b"<s>\n<pad>\n").contains("line 3"));
        assert!(load(b"").contains("line 1"));
        assert!(message(Vocabulary::load(folder.path().join("none"))).contains("none"));
    }

    #[test]
    fn ties_are_in_byte_order_and_special_words_are_not_counted() {
        let counts = [
            ("b", 2),
            ("<unk>", 100),
            ("a", 2),
            ("é", 2),
            ("z", 3),
            ("rare", 1),
        ];
        let vocabulary = Vocabulary::from_counts(counts, 4).unwrap();
        assert_eq!(
            vocabulary.words().skip(4).collect::<Vec<_>>(),
            ["z", "a", "b", "é"]
        );
        assert_eq!(vocabulary.id("<unk>"), Some(3));
    }
}
