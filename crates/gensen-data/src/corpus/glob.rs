//! Patterns on document names.

/// Selects documents of a folder or tar archive by name.
#[derive(Clone, Debug, Default)]
pub(super) struct Filter {
    include: Vec<String>,
    exclude: Vec<String>,
}

impl Filter {
    pub(super) fn new(include: &[String], exclude: &[String]) -> Self {
        Self {
            include: include.to_vec(),
            exclude: exclude.to_vec(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.include.is_empty() && self.exclude.is_empty()
    }

    /// Whether the document with this name (with `/` between folders) is selected.
    pub(super) fn selects(&self, name: &str) -> bool {
        let hit = |patterns: &[String]| patterns.iter().any(|pattern| name_matches(pattern, name));
        (self.include.is_empty() || hit(&self.include)) && !hit(&self.exclude)
    }
}

fn name_matches(pattern: &str, name: &str) -> bool {
    if pattern.contains('/') {
        matches(pattern, name)
    } else {
        matches(pattern, name.rsplit('/').next().unwrap_or(name))
    }
}

/// Whether `name` matches `pattern`, in which `*` is any run of characters and `?` any one
/// character. Iterative: on a mismatch, the last star is extended by one character.
fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    let mut star = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(&c) if c == '?' || c == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match star {
                Some((star_p, star_n)) => {
                    star = Some((star_p, star_n + 1));
                    p = star_p + 1;
                    n = star_n + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&c| c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, name, expected) in [
            ("*", "", true),
            ("a*c", "abbc", true),
            ("a*c", "abb", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*.txt", "x/y.txt", true),
            ("x/*.txt", "x/y.txt", true),
            ("y/*.txt", "x/y.txt", false),
            ("Woolf*", "novels/Woolf_Years.txt", true),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b", "xxaxxbxx", false),
            ("é?", "éé", true),
        ] {
            assert_eq!(name_matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn excluding_wins() {
        let filter = Filter::new(&["*.txt".into()], &["b*".into()]);
        assert!(filter.selects("d/a.txt") && !filter.selects("d/b.txt"));
        assert!(!filter.selects("a.md"));
        assert!(Filter::default().selects("anything"));
    }
}
