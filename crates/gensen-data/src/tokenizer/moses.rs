//! The Moses tokeniser.

mod symbols;

use self::symbols::set_symbols_apart;
use super::char_class::{is_alnum, is_alpha, is_lower, is_number};
use super::dots;
use super::prefixes::{NonbreakingPrefixes, Prefix};
use super::rewriter::{Condition, Substitution};
use super::{Language, Tokenizer, Tokens};

/// Options of the Moses tokeniser.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MosesOptions {
    /// Replaces `&`, `|`, `<`, `>`, `'`, `"`, `[` and `]`, which have a meaning in Moses's files,
    /// with entities. Moses's flag `-no-escape` turns it off.
    pub escape: bool,
    /// Separates hyphens between letters or digits as `@-@`: Moses's flag `-a`.
    pub aggressive: bool,
}

impl Default for MosesOptions {
    fn default() -> Self {
        Self {
            escape: true,
            aggressive: false,
        }
    }
}

/// The tokeniser of the Moses translation system (`tokenizer.perl`), for English, French and
/// German.
///
/// It rewrites the line step by step like the original, and gives the same words. Punctuation is
/// separated, except commas inside numbers and full stops inside words. Contractions are split by
/// the rules of the language. A full stop at the end of a word is kept if the word is a
/// [non-breaking prefix](NonbreakingPrefixes), contains another full stop, or is followed by a
/// lower-case letter. ASCII control characters are dropped.
///
/// ```
/// use gensen_data::tokenizer::{Language, Moses, MosesOptions, Tokenizer, Tokens};
///
/// let options = MosesOptions { escape: false, ..MosesOptions::default() };
/// let moses = Moses::new(Language::English, options);
/// let mut tokens = Tokens::default();
/// moses.tokenize("Mr. Fox isn't here (yet).", &mut tokens);
/// let words: Vec<&str> = tokens.iter().collect();
/// assert_eq!(words, ["Mr.", "Fox", "isn", "'t", "here", "(", "yet", ")", "."]);
/// ```
#[derive(Clone, Debug)]
pub struct Moses {
    options: MosesOptions,
    contractions: &'static [Substitution],
    prefixes: NonbreakingPrefixes,
}

impl Moses {
    /// A tokeniser with the built-in list of non-breaking prefixes.
    pub fn new(language: Language, options: MosesOptions) -> Self {
        Self::with_prefixes(language, options, NonbreakingPrefixes::shipped(language))
    }

    /// A tokeniser with the given list of non-breaking prefixes.
    pub fn with_prefixes(
        language: Language,
        options: MosesOptions,
        prefixes: NonbreakingPrefixes,
    ) -> Self {
        let contractions: &[Substitution] = match language {
            Language::English => &ENGLISH,
            Language::French => &FRENCH,
            Language::German => &GERMAN,
        };
        Self {
            options,
            contractions,
            prefixes,
        }
    }

    /// Whether the full stop after `stem` is kept with it, given the next word, which is empty
    /// where the original has two spaces.
    fn keeps_full_stop(&self, stem: &str, next: &str) -> bool {
        (stem.contains('.') && stem.contains(is_alpha))
            || next.starts_with(is_lower)
            || match self.prefixes.get(stem) {
                Some(Prefix::Always) => true,
                Some(Prefix::BeforeNumber) => next.starts_with(|c: char| c.is_ascii_digit()),
                None => false,
            }
    }
}

impl Tokenizer for Moses {
    fn tokenize(&self, line: &str, tokens: &mut Tokens) {
        tokens.clear();
        let mut line_now = std::mem::take(&mut tokens.rewriter);
        line_now.begin(line, set_symbols_apart);
        if self.options.aggressive {
            line_now.substitute(&HYPHEN);
        }
        let dots_marked = dots::mark_runs(&mut line_now);
        for rule in COMMAS.iter().chain(self.contractions) {
            line_now.substitute(rule);
        }

        let mut restored = String::new();
        let mut push = |word: &str| {
            let word = if dots_marked {
                dots::restore(word, &mut restored);
                &restored
            } else {
                word
            };
            if self.options.escape {
                push_escaped(word, tokens);
            } else {
                tokens.push(word);
            }
        };
        let mut words = line_now.text().trim_end_matches(' ').split(' ').peekable();
        while let Some(word) = words.next() {
            let next = words.peek();
            if let Some(stem) = word.strip_suffix('.').filter(|stem| !stem.is_empty())
                && !next.is_some_and(|next| self.keeps_full_stop(stem, next))
            {
                push(stem);
                push(".");
            } else if let Some(stem) = word.strip_suffix(".'").filter(|_| next.is_none()) {
                push(stem);
                push(".");
                push("'");
            } else {
                push(word);
            }
        }
        tokens.rewriter = line_now;
    }
}

/// `s/(alnum)-(?=alnum)/$1 @-@ /g`
const HYPHEN: Substitution = Substitution {
    before: Condition::Is(is_alnum),
    centre: b'-',
    after: Condition::Ahead(is_alnum),
    replacement: " @-@ ",
};

/// Separates commas, except inside numbers.
const COMMAS: [Substitution; 3] = [
    Substitution {
        before: Condition::Is(not_number),
        centre: b',',
        after: Condition::Any,
        replacement: " , ",
    },
    Substitution {
        before: Condition::Any,
        centre: b',',
        after: Condition::Is(not_number),
        replacement: " , ",
    },
    Substitution {
        before: Condition::Is(is_number),
        centre: b',',
        after: Condition::Edge,
        replacement: " ,",
    },
];

/// English apostrophes are kept with what follows: `it 's`.
const ENGLISH: [Substitution; 5] = [
    apostrophe(not_alpha, " ' ", not_alpha),
    apostrophe(neither_alpha_nor_number, " ' ", is_alpha),
    apostrophe(is_alpha, " ' ", not_alpha),
    apostrophe(is_alpha, " '", is_alpha),
    apostrophe(is_number, " '", is_small_s),
];

/// French apostrophes are kept with what precedes: `l' eau`.
const FRENCH: [Substitution; 4] = [
    apostrophe(not_alpha, " ' ", not_alpha),
    apostrophe(not_alpha, " ' ", is_alpha),
    apostrophe(is_alpha, " ' ", not_alpha),
    apostrophe(is_alpha, "' ", is_alpha),
];

/// German apostrophes are separated.
const GERMAN: [Substitution; 1] = [Substitution {
    before: Condition::Any,
    centre: b'\'',
    after: Condition::Any,
    replacement: " ' ",
}];

const fn apostrophe(
    before: fn(char) -> bool,
    replacement: &'static str,
    after: fn(char) -> bool,
) -> Substitution {
    Substitution {
        before: Condition::Is(before),
        centre: b'\'',
        after: Condition::Is(after),
        replacement,
    }
}

fn not_number(c: char) -> bool {
    !is_number(c)
}

fn not_alpha(c: char) -> bool {
    !is_alpha(c)
}

fn neither_alpha_nor_number(c: char) -> bool {
    !is_alpha(c) && !is_number(c)
}

fn is_small_s(c: char) -> bool {
    c == 's'
}

/// The characters that Moses escapes, with their entities. They can be unescaped in this order,
/// since `&` is last.
pub const MOSES_ENTITIES: [(char, &str); 8] = [
    ('"', "&quot;"),
    ('\'', "&apos;"),
    ('<', "&lt;"),
    ('>', "&gt;"),
    ('|', "&#124;"),
    ('[', "&#91;"),
    (']', "&#93;"),
    ('&', "&amp;"),
];

/// The entity of each ASCII character.
const ENTITIES: [Option<&str>; 128] = {
    let mut entities = [None; 128];
    let mut k = 0;
    while k < MOSES_ENTITIES.len() {
        let (character, entity) = MOSES_ENTITIES[k];
        entities[character as usize] = Some(entity);
        k += 1;
    }
    entities
};

fn push_escaped(word: &str, tokens: &mut Tokens) {
    let mut copied = 0;
    for (at, byte) in word.bytes().enumerate() {
        if let Some(Some(entity)) = ENTITIES.get(usize::from(byte)) {
            tokens.push_part(&word[copied..at]);
            tokens.push_part(entity);
            copied = at + 1;
        }
    }
    tokens.push(&word[copied..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokenize(language: Language, aggressive: bool, line: &str) -> String {
        let options = MosesOptions {
            escape: false,
            aggressive,
        };
        let mut tokens = Tokens::default();
        Moses::new(language, options).tokenize(line, &mut tokens);
        tokens.iter().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn contractions_are_split_as_the_language_asks() {
        for (language, expected) in [
            (Language::English, "d 'eau isn 't 1990 's dogs ' x"),
            (Language::French, "d' eau isn' t 1990 ' s dogs ' x"),
            (Language::German, "d ' eau isn ' t 1990 ' s dogs ' x"),
        ] {
            assert_eq!(
                tokenize(language, false, "d'eau isn't 1990's dogs' x"),
                expected
            );
        }
    }

    #[test]
    fn a_full_stop_stays_with_prefixes_and_before_small_letters() {
        let english = |line| tokenize(Language::English, false, line);
        assert_eq!(
            english("Mr. Fox. No. 5 No. Yes"),
            "Mr. Fox . No. 5 No . Yes"
        );
        assert_eq!(
            english("the U.S. Army etc. and Mr."),
            "the U.S. Army etc. and Mr ."
        );
        // The original sees an empty word between the full stop and the bracket.
        assert_eq!(english("x. (a) etc. [b]"), "x . ( a ) etc . [ b ]");
        assert_eq!(english("He said 'no.'"), "He said ' no . '");
    }

    #[test]
    fn commas_stay_inside_numbers() {
        let german = |line| tokenize(Language::German, false, line);
        assert_eq!(
            german("1.000,50 a,b 5, ½,² ,,,x 7,"),
            "1.000,50 a , b 5 , ½ , ² , , , x 7 ,"
        );
    }

    #[test]
    fn hyphens_are_split_on_request() {
        assert_eq!(
            tokenize(Language::English, true, "a-b-c -d 1-2"),
            "a @-@ b @-@ c -d 1 @-@ 2"
        );
        assert_eq!(tokenize(Language::English, false, "a-b-c"), "a-b-c");
    }

    #[test]
    fn white_space_and_control_characters() {
        let english = |line| tokenize(Language::English, false, line);
        assert_eq!(
            english("\u{a0} a\0b\t\u{1f} c\u{85}d\u{7f} \r\n"),
            "ab c d \u{7f}"
        );
        assert_eq!(english(" \u{3000} "), "");
    }

    #[test]
    fn a_long_run_of_full_stops_takes_no_quadratic_time() {
        let line = format!("x{}y", ".".repeat(1 << 20));
        assert_eq!(
            tokenize(Language::English, false, &line).len(),
            (1 << 20) + 4
        );
    }
}
