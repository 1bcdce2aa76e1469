//! The Unicode character classes of Perl's and Python's regular expressions.
//!
//! Letters, lower-case letters, numbers and white space come from the standard library, general
//! categories from `unicode-properties`. Both follow a newer version of Unicode than the original
//! programs. Of the characters in Perl 5.36 (Unicode 14), 44 have other properties now (38
//! combining vowel signs became letters, six letters changed case), and some 14,000 letters and
//! digits were added.

use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeGeneralCategory};

/// Perl's `\p{IsAlpha}`: the property Alphabetic.
pub fn is_alpha(c: char) -> bool {
    c.is_alphabetic()
}

/// Perl's `\p{IsAlnum}`: Alphabetic, or a decimal digit of any script.
pub fn is_alnum(c: char) -> bool {
    c.is_alphabetic() || is_digit(c)
}

/// Perl's `\p{IsN}`: digits, letter numbers such as `Ⅳ`, and others such as `½`.
pub fn is_number(c: char) -> bool {
    c.is_numeric()
}

/// Perl's `\p{IsLower}`: the property Lowercase.
pub fn is_lower(c: char) -> bool {
    c.is_lowercase()
}

/// `\d`: a decimal digit of any script.
pub fn is_digit(c: char) -> bool {
    c.is_ascii_digit() || (c.is_numeric() && c.general_category() == GeneralCategory::DecimalNumber)
}

/// Perl's and Python's `\s`: the property White_Space.
pub fn is_space(c: char) -> bool {
    c.is_whitespace()
}

/// Python's `str.isspace`, as used by `str.split`: White_Space and the four ASCII separators.
pub fn is_python_space(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\x1c'..='\x1f')
}

/// `\w` of Python's `re`: letters, numbers of all kinds, and the underscore.
pub fn is_re_word(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_alphanumeric() || c == '_';
    }
    matches!(
        c.general_category_group(),
        GeneralCategoryGroup::Letter | GeneralCategoryGroup::Number
    )
}

/// `\w` of Python's `regex`, which NLTK uses instead of `re`: Alphabetic, marks, decimal digits,
/// connecting punctuation and the two joiners.
pub fn is_regex_word(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_alphanumeric() || c == '_';
    }
    c.is_alphabetic()
        || matches!(c, '\u{200c}' | '\u{200d}')
        || c.general_category_group() == GeneralCategoryGroup::Mark
        || matches!(
            c.general_category(),
            GeneralCategory::DecimalNumber | GeneralCategory::ConnectorPunctuation
        )
}
