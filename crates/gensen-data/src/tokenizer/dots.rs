//! Moses's protection of runs of full stops.
//!
//! Moses replaces a run of n >= 2 full stops with n-1 times `DOT` and then `MULTI`, and restores
//! the full stops at the end. Text that contains `DOTMULTI` itself is changed too, and a full stop
//! after such a word becomes part of it.

use super::rewriter::Rewriter;

const MARK: &str = "DOTMULTI";

/// Replaces runs of full stops with marks, separated from other text. Returns whether there are any
/// marks to [`restore`].
pub fn mark_runs(line: &mut Rewriter) -> bool {
    let runs = line.text().contains("..");
    if !runs && !line.text().contains(MARK) {
        return false;
    }
    if runs {
        line.step(begin_runs);
    }
    line.step(take_one_full_stop);
    line.step(take_all_full_stops);
    true
}

/// Replaces the contents of `restored` with `word`, its marks turned back into full stops.
pub fn restore(word: &str, restored: &mut String) {
    restored.clear();
    let mut rest = word;
    while let Some(at) = rest.find(MARK) {
        let head = rest[..at].trim_end_matches("DOT");
        restored.push_str(head);
        restored.extend(std::iter::repeat_n('.', (at - head.len()) / 3 + 1));
        rest = &rest[at + MARK.len()..];
    }
    restored.push_str(rest);
}

/// `s/\.(\.+)/ DOTMULTI$1/g`
fn begin_runs(text: &str, out: &mut String) {
    let mut rest = text;
    while let Some(at) = rest.find("..") {
        out.push_str(&rest[..at]);
        out.push(' ');
        out.push_str(MARK);
        let after = rest[at..].trim_start_matches('.');
        out.push_str(&rest[at + 1..rest.len() - after.len()]);
        rest = after;
    }
    out.push_str(rest);
}

/// `s/DOTMULTI\.([^.])/DOTDOTMULTI $1/g`. The character in `$1` is part of the match, so a mark
/// that begins with it is skipped.
fn take_one_full_stop(text: &str, out: &mut String) {
    const TAIL: &str = "DOTMULTI.";
    let mut copied = 0;
    let mut searched = 0;
    while let Some(at) = text[searched..].find(TAIL).map(|at| searched + at) {
        let end = at + TAIL.len();
        searched = end;
        if let Some(next) = text[end..].chars().next().filter(|c| *c != '.') {
            out.push_str(&text[copied..at]);
            out.push_str("DOTDOTMULTI ");
            copied = end;
            searched = end + next.len_utf8();
        }
    }
    out.push_str(&text[copied..]);
}

/// The remaining iterations of the original's loop, each of which includes one more full stop in
/// every mark: the first without a space after the mark, the last of several with one if text
/// follows.
fn take_all_full_stops(text: &str, out: &mut String) {
    let mut rest = text;
    while let Some(at) = rest.find("DOTMULTI.") {
        out.push_str(&rest[..at]);
        let dotted = &rest[at + MARK.len()..];
        let after = dotted.trim_start_matches('.');
        let count = dotted.len() - after.len();
        out.extend(std::iter::repeat_n("DOT", count));
        out.push_str(MARK);
        if count > 1 && !after.is_empty() {
            out.push(' ');
        }
        rest = after;
    }
    out.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All steps one after the other, as in the original.
    fn literally(line: &str) -> String {
        let mut text = String::new();
        begin_runs(line, &mut text);
        while text.contains("DOTMULTI.") {
            let mut next = String::new();
            take_one_full_stop(&text, &mut next);
            text = next.replace("DOTMULTI.", "DOTDOTMULTI");
        }
        text
    }

    #[test]
    fn the_short_way_is_the_long_way() {
        for line in [
            "a..b...c....",
            "..",
            "x DOTMULTI. y",
            "DOTMULTI.DOTMULTI.x",
            "..DOTMULTI.x",
            "...DOTMULTI.x DOTMULTI",
            "DOTDOTMULTI..",
        ] {
            let mut marked = Rewriter::default();
            marked.begin(line, |line, out| out.push_str(line));
            assert!(mark_runs(&mut marked));
            assert_eq!(marked.text(), literally(line), "{line}");
        }
    }

    #[test]
    fn marks_are_turned_back() {
        let mut restored = String::new();
        for (marked, expected) in [
            ("DOTDOTMULTI", ".."),
            ("xDOTMULTIy", "x.y"),
            ("DODOTDOTDOTMULTIMULTI", "DO...MULTI"),
            ("DOT", "DOT"),
        ] {
            restore(marked, &mut restored);
            assert_eq!(restored, expected);
        }
    }
}
