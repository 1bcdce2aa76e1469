//! The Unicode character classes of Perl's and Python's regular expressions.
//!
//! Letters, lower-case letters, numbers and white space come from the standard library, general
//! categories from `unicode-properties`. Both follow a newer Unicode than Perl 5.36 (Unicode 14),
//! so they know letters and digits that were still unassigned then, and nothing else differs.

use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

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
