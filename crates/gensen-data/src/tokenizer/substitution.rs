//! Global substitutions around one ASCII character, as Perl's `s/(A)x(B)/$1 y $2/g` makes them.

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

impl Substitution {
    /// Rewrites `text` from left to right; a match begins where the one before it ended, or
    /// later. `spare` is scratch space.
    pub fn apply(&self, text: &mut String, spare: &mut String) {
        let mut copied = 0;
        let mut match_end = 0;
        let mut searched = 0;
        while let Some(at) = find(text, self.centre, searched) {
            searched = at + 1;
            // Absent if the match before this one took the character itself.
            let Some(free) = text.get(match_end..at) else {
                continue;
            };
            let rest = &text[at + 1..];
            if !self.follows(free) {
                continue;
            }
            let Some(taken) = self.precedes(rest) else {
                continue;
            };
            if copied == 0 {
                spare.clear();
            }
            spare.push_str(&text[copied..at]);
            spare.push_str(self.replacement);
            copied = at + 1;
            match_end = at + 1 + taken;
        }
        if copied > 0 {
            spare.push_str(&text[copied..]);
            std::mem::swap(text, spare);
        }
    }

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

fn find(text: &str, byte: u8, from: usize) -> Option<usize> {
    text[from..].find(char::from(byte)).map(|at| from + at)
}
