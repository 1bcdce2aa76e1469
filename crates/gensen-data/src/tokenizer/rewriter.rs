//! Rewriting a line step by step, as the programs do that the tokenisers follow.
//!
//! They are lists of global substitutions, and their words depend on the order of these, on what
//! a match takes away from the next one, and on the spaces that are there between two steps. So
//! the steps are kept, each written as a scanner that leaves text without its character alone.

/// What must stand on one side of the character.
#[derive(Clone, Copy, Debug)]
pub enum Neighbour {
    /// Anything or nothing; it does not become part of the match.
    Any,
    /// The end of the text.
    Edge,
    /// A character of this class, which becomes part of the match: the next match cannot use it.
    Is(fn(char) -> bool),
    /// A character of this class, which does not become part of the match.
    Ahead(fn(char) -> bool),
}

/// Replaces the character `centre` by `replacement` wherever its neighbours are right.
#[derive(Clone, Copy, Debug)]
pub struct Substitution {
    /// What must precede: [`Neighbour::Any`] or [`Neighbour::Is`].
    pub before: Neighbour,
    /// An ASCII character.
    pub centre: u8,
    /// What must follow.
    pub after: Neighbour,
    /// What is written in place of `centre`.
    pub replacement: &'static str,
}

/// A line on its way through the steps.
#[derive(Clone, Debug, Default)]
pub struct Rewriter {
    text: String,
    spare: String,
}

impl Rewriter {
    /// The line as it is now.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Replaces the line by what `step` makes of another.
    pub fn begin(&mut self, line: &str, step: impl FnOnce(&str, &mut String)) {
        self.text.clear();
        step(line, &mut self.text);
    }

    /// Replaces the line by what `step` writes.
    pub fn step(&mut self, step: impl FnOnce(&str, &mut String)) {
        self.spare.clear();
        step(&self.text, &mut self.spare);
        std::mem::swap(&mut self.text, &mut self.spare);
    }

    /// Looks at the places that `find` finds, from left to right. At each, `rule` is given the
    /// text between the last match and the place, and the text from the place on. If it sees a
    /// match there, it writes what replaces it and returns its length, else zero.
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

    /// Replaces a string wherever it is.
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

    /// Puts a space before and after every character of a class.
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

    /// Makes a [`Substitution`].
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
    /// Whether what stands before the character, as far as no match took it, is right.
    fn follows(&self, free: &str) -> bool {
        match self.before {
            Neighbour::Any => true,
            Neighbour::Edge => free.is_empty(),
            Neighbour::Is(class) | Neighbour::Ahead(class) => {
                free.chars().next_back().is_some_and(class)
            }
        }
    }

    /// The bytes of `rest` that become part of the match, if there is one.
    fn precedes(&self, rest: &str) -> Option<usize> {
        let next = rest.chars().next();
        match self.after {
            Neighbour::Any => Some(0),
            Neighbour::Edge => next.is_none().then_some(0),
            Neighbour::Is(class) => next.filter(|c| class(*c)).map(char::len_utf8),
            Neighbour::Ahead(class) => next.filter(|c| class(*c)).map(|_| 0),
        }
    }
}
