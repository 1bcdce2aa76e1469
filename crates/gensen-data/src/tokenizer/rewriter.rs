//! Rewriting a line step by step, as the original tokenisers do.
//!
//! The originals are lists of global regular-expression substitutions. Their result depends on the
//! order of the substitutions, on the characters that one match leaves for the next, and on the
//! spaces between steps. So the steps are kept, but each is a scanner that does nothing if the
//! character it looks for does not occur.

/// The condition on the text on one side of the character.
#[derive(Clone, Copy, Debug)]
pub enum Condition {
    /// No condition.
    Any,
    /// The start or end of the text.
    Edge,
    /// A character of this class, which is part of the match, so that the next match cannot use it.
    Is(fn(char) -> bool),
    /// A character of this class, which is not part of the match.
    Ahead(fn(char) -> bool),
}

/// Replaces the character `centre` with `replacement` wherever both conditions hold.
#[derive(Clone, Copy, Debug)]
pub struct Substitution {
    /// The condition on the text before: [`Condition::Any`] or [`Condition::Is`].
    pub before: Condition,
    /// An ASCII character.
    pub centre: u8,
    /// The condition on the text after.
    pub after: Condition,
    /// The text that replaces `centre`.
    pub replacement: &'static str,
}

/// A line that is rewritten step by step.
#[derive(Clone, Debug, Default)]
pub struct Rewriter {
    text: String,
    spare: String,
}

impl Rewriter {
    /// The current line.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Replaces the line with what `step` writes for `line`.
    pub fn begin(&mut self, line: &str, step: impl FnOnce(&str, &mut String)) {
        self.text.clear();
        step(line, &mut self.text);
    }

    /// Replaces the line with what `step` writes for it.
    pub fn step(&mut self, step: impl FnOnce(&str, &mut String)) {
        self.spare.clear();
        step(&self.text, &mut self.spare);
        std::mem::swap(&mut self.text, &mut self.spare);
    }

    /// Applies `rule` at each position that `find` returns, from left to right. The rule gets the
    /// text between the last match and the position, and the text from the position on. If the
    /// latter begins with a match, it writes the replacement and returns the match's length,
    /// otherwise 0.
    pub fn rewrite(
        &mut self,
        find: impl Fn(&str) -> Option<usize>,
        rule: impl Fn(&str, &str, &mut String) -> usize,
    ) {
        let Some(first) = find(&self.text) else {
            return;
        };
        self.step(|text, out| {
            let (mut copied, mut match_end) = (0, 0);
            let mut next = Some(first);
            while let Some(at) = next {
                out.push_str(&text[copied..at]);
                copied = at;
                let mut resume = at + rule(&text[match_end..at], &text[at..], out);
                if resume > at {
                    (copied, match_end) = (resume, resume);
                } else {
                    resume += text[at..].chars().next().map_or(0, char::len_utf8);
                }
                next = find(&text[resume..]).map(|further| resume + further);
            }
            out.push_str(&text[copied..]);
        });
    }

    /// Replaces all occurrences of a string.
    pub fn replace(&mut self, from: &str, to: &str) {
        if self.text.contains(from) {
            self.step(|text, out| {
                let mut copied = 0;
                for (at, _) in text.match_indices(from) {
                    out.extend([&text[copied..at], to]);
                    copied = at + from.len();
                }
                out.push_str(&text[copied..]);
            });
        }
    }

    /// Inserts a space before and after every character of a class.
    pub fn surround(&mut self, class: impl Fn(char) -> bool) {
        self.rewrite(
            |text| text.find(&class),
            |_, rest, out| {
                let length = rest.chars().next().map_or(0, char::len_utf8);
                out.extend([" ", &rest[..length], " "]);
                length
            },
        );
    }

    /// Applies a [`Substitution`].
    pub fn substitute(&mut self, rule: &Substitution) {
        self.rewrite(
            |text| text.find(char::from(rule.centre)),
            |free, rest, out| {
                let rest = &rest[1..];
                match rule.precedes(rest) {
                    Some(taken) if rule.follows(free) => {
                        out.extend([rule.replacement, &rest[..taken]]);
                        1 + taken
                    }
                    _ => 0,
                }
            },
        );
    }
}

impl Substitution {
    /// Whether the text before the character, since the last match, satisfies its condition.
    fn follows(&self, free: &str) -> bool {
        match self.before {
            Condition::Any => true,
            Condition::Edge => free.is_empty(),
            Condition::Is(class) | Condition::Ahead(class) => {
                free.chars().next_back().is_some_and(class)
            }
        }
    }

    /// The number of bytes of `rest`, the text after the character, that are part of the match;
    /// `None` if it does not satisfy its condition.
    fn precedes(&self, rest: &str) -> Option<usize> {
        let next = rest.chars().next();
        match self.after {
            Condition::Any => Some(0),
            Condition::Edge => next.is_none().then_some(0),
            Condition::Is(class) => next.filter(|c| class(*c)).map(char::len_utf8),
            Condition::Ahead(class) => next.filter(|c| class(*c)).map(|_| 0),
        }
    }
}
