//! Sentences excluded from training, because a model is evaluated on them.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use unicode_normalization::UnicodeNormalization;

use crate::corpus::Origin;
use crate::error::DataError;
use crate::lines::{LineReader, checked, numbered_lines};
use crate::tokenizer::MOSES_ENTITIES;

/// Normalised sentences shorter than this are too common to be evidence of overlap.
const MIN_CHARACTERS: usize = 12;

/// The form in which sentences are compared: their letters and digits in lower case, after
/// Unicode's compatibility composition (NFKC) and with Moses's escapes undone. `None` if it is
/// shorter than twelve characters.
///
/// ```
/// use gensen_data::exclusion::normalise;
///
/// assert_eq!(normalise("A man &apos;s dog is running ."), normalise("A man's dog is running"));
/// assert_eq!(normalise("It rains."), None);
/// ```
pub fn normalise(sentence: &str) -> Option<String> {
    let mut normal = String::with_capacity(sentence.len());
    let mut add = |text: &str| {
        let letters = text.nfkc().flat_map(char::to_lowercase);
        normal.extend(letters.filter(|c| c.is_alphanumeric()));
    };
    if sentence.contains('&') {
        let unescaped = MOSES_ENTITIES
            .into_iter()
            .fold(sentence.to_owned(), |text, (character, entity)| {
                text.replace(entity, character.encode_utf8(&mut [0; 4]))
            });
        add(&unescaped);
    } else {
        add(sentence);
    }
    (normal.chars().nth(MIN_CHARACTERS - 1).is_some()).then_some(normal)
}

/// The normalised sentences of the files to exclude.
#[derive(Debug, Default)]
pub(crate) struct Excluded(HashSet<String>);

impl Excluded {
    /// Reads files and folders of files: each tab-separated column of each line is a sentence.
    pub(crate) fn read(paths: &[PathBuf], base: &Path) -> Result<Self, DataError> {
        let mut excluded = Self::default();
        for origin in origins(paths, base)? {
            let mut reader = LineReader::new(origin.name(), origin.open_text()?);
            while let Some((text, first_line)) = reader.next_block()? {
                let text = checked(reader.file(), first_line, &text)?;
                let lines = numbered_lines(text, first_line);
                let columns = lines.flat_map(|(_, line)| line.split('\t'));
                excluded.0.extend(columns.filter_map(normalise));
            }
            reader.not_empty()?;
        }
        Ok(excluded)
    }

    /// Whether a sentence occurs in one of the files.
    pub(crate) fn contains(&self, sentence: &str) -> bool {
        !self.0.is_empty() && normalise(sentence).is_some_and(|normal| self.0.contains(&normal))
    }
}

/// The files at `paths`, with all files of folders.
pub(crate) fn origins(paths: &[PathBuf], base: &Path) -> Result<Vec<Origin>, DataError> {
    let of_path = |path: &PathBuf| match path.to_str() {
        Some(text) if text.starts_with("sample:") => Ok(vec![Origin::new(text, base)]),
        _ => Origin::all(&base.join(path)),
    };
    let origins = paths.iter().map(of_path).collect::<Result<Vec<_>, _>>()?;
    Ok(origins.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_of_writing_a_sentence_are_the_same() {
        let one = normalise("A man is playing the guitar.").unwrap();
        for other in [
            "a man is playing the guitar",
            "A  man is playing -- the guitar !",
            "Ａ ｍａｎ is playing the guitar .",
        ] {
            assert_eq!(normalise(other).as_ref(), Some(&one), "{other}");
        }
        assert_ne!(normalise("A man is playing the guitars."), Some(one));
        // Composed or not.
        assert_eq!(
            normalise("Le caf\u{e9} est froid"),
            normalise("Le cafe\u{301} est froid")
        );
        assert_eq!(normalise("hello world"), None, "ten letters");
        assert!(normalise("hello world 42").is_some());
    }

    #[test]
    fn every_column_of_files_and_folders_counts() {
        let base = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(base.path().join(name), text).unwrap();
        std::fs::create_dir(base.path().join("sts")).unwrap();
        write(
            "sts/a.csv",
            "news\t1\tThe first sentence here\tAnd the second one\n",
        );
        write("lines.txt", "Another sentence of a file\r\nshort\n");
        let paths = ["sts", "lines.txt"].map(PathBuf::from);
        let excluded = Excluded::read(&paths, base.path()).unwrap();
        for sentence in [
            "the first sentence here .",
            "and the second one",
            "another sentence of a file",
        ] {
            assert!(excluded.contains(sentence), "{sentence}");
        }
        assert!(!excluded.contains("short"));
        assert!(!excluded.contains("a sentence of no file"));
        write("lines.txt", "");
        let error = Excluded::read(&paths, base.path()).unwrap_err();
        assert!(error.to_string().contains("lines.txt"), "{error}");
    }
}
