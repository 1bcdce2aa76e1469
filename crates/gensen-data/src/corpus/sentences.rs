//! Splitting a paragraph of running text into sentences.

/// A piece of a paragraph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sentence<'a> {
    /// A sentence.
    Text(&'a str),
    /// A paragraph that does not end in punctuation. It is dropped, and sentences before and after
    /// it are not neighbours.
    Heading,
}

/// Abbreviations whose full stop does not end a sentence.
const ABBREVIATIONS: [&str; 21] = [
    "Mr", "Mrs", "Ms", "Dr", "St", "Messrs", "Rev", "Hon", "Capt", "Col", "Gen", "Lieut", "Esq",
    "Prof", "Sr", "Jr", "No", "vol", "Sergt", "Mme", "Mlle",
];

/// Splits a paragraph into sentences. A sentence ends with `.`, `!`, `?` or a run of them and any
/// closing quotes and brackets, if then white space follows, and then a capital letter or digit
/// (possibly after an opening quote). A single full stop after an abbreviation or a single capital
/// letter does not end a sentence.
pub(crate) fn split_paragraph<'a>(paragraph: &'a str, mut visit: impl FnMut(Sentence<'a>)) {
    let text = paragraph.trim();
    let Some(last) = text.chars().next_back() else {
        return;
    };
    if !is_punctuation(last) {
        return visit(Sentence::Heading);
    }
    let mut start = 0;
    let mut at = 0;
    while let Some(stop) = text[at..].find(['.', '!', '?']) {
        let stop = at + stop;
        let end_of = |from: usize, set: fn(char) -> bool| {
            text[from..]
                .find(|c| !set(c))
                .map_or(text.len(), |length| from + length)
        };
        let stops_end = end_of(stop, |c| matches!(c, '.' | '!' | '?'));
        let end = end_of(stops_end, |c| {
            matches!(c, '"' | '\'' | '”' | '’' | ')' | ']')
        });
        let next = end_of(end, char::is_whitespace);
        let abbreviated = stops_end - stop == 1
            && text[stop..].starts_with('.')
            && ends_abbreviated(&text[..stop]);
        if next > end && begins_sentence(&text[next..]) && !abbreviated {
            visit(Sentence::Text(&text[start..end]));
            start = next;
        }
        at = end;
    }
    if start < text.len() {
        visit(Sentence::Text(&text[start..]));
    }
}

fn begins_sentence(text: &str) -> bool {
    let text = text.strip_prefix(['"', '\'', '“', '‘']).unwrap_or(text);
    text.starts_with(|c: char| c.is_uppercase() || c.is_ascii_digit())
}

fn ends_abbreviated(text: &str) -> bool {
    let start = text.rfind(|c: char| !c.is_alphabetic()).map_or(0, |at| {
        at + text[at..].chars().next().map_or(1, char::len_utf8)
    });
    let word = &text[start..];
    let mut letters = word.chars();
    let single_capital = letters.next().is_some_and(char::is_uppercase) && letters.next().is_none();
    single_capital || ABBREVIATIONS.contains(&word)
}

/// ASCII punctuation, and the marks that lines of novels end with.
fn is_punctuation(c: char) -> bool {
    c.is_ascii_punctuation() && !matches!(c, '$' | '+' | '<' | '=' | '>' | '^' | '`' | '|' | '~')
        || matches!(
            c,
            '“' | '”'
                | '‘'
                | '’'
                | '‚'
                | '„'
                | '«'
                | '»'
                | '–'
                | '—'
                | '…'
                | '†'
                | '‡'
                | '·'
                | '¡'
                | '¿'
                | '§'
                | '¶'
                | '\u{2010}'..='\u{2012}' | '\u{2015}'
        )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_word_is_lost(text in "([A-Za-z.!?'\"” )é]{0,9}[ \u{a0}]?){0,12}[.!?]") {
            let words = |text: &str| text.split_whitespace().collect::<String>();
            prop_assert_eq!(words(&split(&text).concat()), words(&text));
        }
    }

    fn split(text: &str) -> Vec<&str> {
        let mut found = Vec::new();
        split_paragraph(text, |sentence| match sentence {
            Sentence::Text(text) => found.push(text),
            Sentence::Heading => found.push("#"),
        });
        found
    }

    #[test]
    fn sentences_end_before_a_capital() {
        assert_eq!(
            split("One two. Three? Four!  7 five."),
            ["One two.", "Three?", "Four!", "7 five."]
        );
        assert_eq!(
            split("She had . . . but no. \"Oh!\" said he."),
            ["She had . . . but no.", "\"Oh!\" said he."]
        );
        assert_eq!(
            split("\"Go!\" 'Now.' Here.) Ay.] So."),
            ["\"Go!\"", "'Now.'", "Here.)", "Ay.]", "So."]
        );
        assert_eq!(
            split("Wait... What?! Éclair."),
            ["Wait...", "What?!", "Éclair."]
        );
        assert_eq!(split("no.Gap. here."), ["no.Gap. here."]);
    }

    #[test]
    fn abbreviations_do_not_end_a_sentence() {
        assert_eq!(
            split("Mr. Bay met Dr. J. R. Low. No. 5 is St. Paul."),
            ["Mr. Bay met Dr. J. R. Low.", "No. 5 is St. Paul."]
        );
        assert_eq!(split("Ask Mr.! Then go."), ["Ask Mr.!", "Then go."]);
        assert_eq!(split("X? Y."), ["X?", "Y."]);
    }

    #[test]
    fn headings_do_not_end_in_punctuation() {
        assert_eq!(split("CHAPTER ONE"), ["#"]);
        assert_eq!(split("A colon:"), ["A colon:"]);
        assert!(split("   ").is_empty() && split("").is_empty());
    }
}
