//! English: the constituency tree of a meaning; the sentence is its leaves.

use std::fmt;

use super::lexicon::{Adjective, Noun, Number, Place, Time};
use super::meaning::{
    Bound, Clause, Comparison, Compound, Count, Holder, Link, Meaning, Object, Tense, TimedClause,
};

/// A constituency tree; its [`Display`](fmt::Display) is in the Penn Treebank's brackets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SyntaxTree {
    Word {
        tag: &'static str,
        word: &'static str,
    },
    Phrase {
        label: &'static str,
        children: Vec<SyntaxTree>,
    },
}

impl SyntaxTree {
    /// The sentence: the leaves, separated by spaces.
    pub(super) fn sentence(&self) -> String {
        let mut words = Vec::new();
        self.leaves(&mut words);
        words.join(" ")
    }

    fn leaves(&self, words: &mut Vec<&'static str>) {
        match self {
            Self::Word { word, .. } => words.push(word),
            Self::Phrase { children, .. } => {
                children.iter().for_each(|child| child.leaves(words));
            }
        }
    }
}

impl fmt::Display for SyntaxTree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word { tag, word } => write!(f, "({tag} {word})"),
            Self::Phrase { label, children } => {
                write!(f, "({label}")?;
                for child in children {
                    write!(f, " {child}")?;
                }
                f.write_str(")")
            }
        }
    }
}

fn word(tag: &'static str, word: &'static str) -> SyntaxTree {
    SyntaxTree::Word { tag, word }
}

fn phrase(label: &'static str, children: impl IntoIterator<Item = SyntaxTree>) -> SyntaxTree {
    SyntaxTree::Phrase {
        label,
        children: children.into_iter().collect(),
    }
}

/// The tree of a meaning's sentence, with its full stop.
pub(super) fn tree(meaning: &Meaning) -> SyntaxTree {
    let mut children = match meaning {
        Meaning::Timed(TimedClause {
            time,
            tense,
            clause,
        }) => {
            let mut children = Vec::new();
            if let Some(time) = time {
                children.extend([opening(time), word(",", ",")]);
            }
            children.extend(parts(clause, *tense));
            children
        }
        Meaning::Count(count) => quantity(count),
        Meaning::Comparison(comparison) => compare(comparison),
        Meaning::Compound(compound) => join(compound),
    };
    children.push(word(".", "."));
    phrase("ROOT", [phrase("S", children)])
}

/// The sentence of a meaning.
pub(super) fn sentence(meaning: &Meaning) -> String {
    tree(meaning).sentence()
}

fn opening(time: &'static Time) -> SyntaxTree {
    let (label, words) = time.english;
    let mut children: Vec<SyntaxTree> = words.iter().map(|&(tag, text)| word(tag, text)).collect();
    if label == "PP" {
        let inner = children.split_off(1);
        children.push(phrase("NP", inner));
    }
    phrase(label, children)
}

/// Subject and predicate.
fn parts(clause: &Clause, tense: Tense) -> [SyntaxTree; 2] {
    let [base, third_person, past] = clause.verb.english;
    let mut predicate = Vec::new();
    let (tag, form) = match (clause.negated, tense, clause.plural) {
        (true, ..) => ("VB", base),
        (false, Tense::Past, _) => ("VBD", past),
        (false, Tense::Present, true) => ("VBP", base),
        (false, Tense::Present, false) => ("VBZ", third_person),
    };
    predicate.push(word(tag, form));
    match clause.object {
        Object::Nothing => {}
        Object::The(noun) => predicate.push(definite(noun, false)),
        Object::A(noun, adjective) => predicate.push(indefinite(noun, adjective)),
    }
    if let Some(recipient) = clause.recipient {
        predicate.push(phrase("PP", [word("TO", "to"), definite(recipient, false)]));
    }
    if let Some(place) = clause.place {
        predicate.push(somewhere(place));
    }
    if clause.negated {
        let auxiliary = match (tense, clause.plural) {
            (Tense::Past, _) => word("VBD", "did"),
            (Tense::Present, true) => word("VBP", "do"),
            (Tense::Present, false) => word("VBZ", "does"),
        };
        predicate = vec![auxiliary, word("RB", "not"), phrase("VP", predicate)];
    }
    [
        definite(clause.actor, clause.plural),
        phrase("VP", predicate),
    ]
}

fn definite(noun: &'static Noun, plural: bool) -> SyntaxTree {
    let tag = if plural { "NNS" } else { "NN" };
    phrase(
        "NP",
        [
            word("DT", "the"),
            word(tag, noun.english[usize::from(plural)]),
        ],
    )
}

fn indefinite(noun: &'static Noun, adjective: Option<&'static Adjective>) -> SyntaxTree {
    let next = adjective.map_or(noun.english[0], |adjective| adjective.english);
    let article = if next.starts_with(['a', 'e', 'i', 'o', 'u']) {
        "an"
    } else {
        "a"
    };
    let adjective = adjective.map(|adjective| word("JJ", adjective.english));
    let children = [
        Some(word("DT", article)),
        adjective,
        Some(word("NN", noun.english[0])),
    ];
    phrase("NP", children.into_iter().flatten())
}

fn somewhere(place: &'static Place) -> SyntaxTree {
    let [preposition, noun] = place.english;
    let noun = phrase("NP", [word("DT", "the"), word("NN", noun)]);
    phrase("PP", [word("IN", preposition), noun])
}

fn quantity(count: &Count) -> Vec<SyntaxTree> {
    let things = counted(count.bound, count.number, count.adjective, count.noun);
    match count.holder {
        Holder::Person(person) => {
            vec![
                definite(person, false),
                phrase("VP", [word("VBZ", "has"), things]),
            ]
        }
        Holder::Place(place) => vec![
            phrase("NP", [word("EX", "there")]),
            phrase("VP", [word("VBP", "are"), things, somewhere(place)]),
        ],
    }
}

fn counted(
    bound: Bound,
    number: &'static Number,
    adjective: Option<&'static Adjective>,
    noun: &'static Noun,
) -> SyntaxTree {
    let number = word("CD", number.english);
    let number = match bound {
        Bound::Exactly => number,
        Bound::MoreThan => phrase("QP", [word("JJR", "more"), word("IN", "than"), number]),
        Bound::FewerThan => phrase("QP", [word("JJR", "fewer"), word("IN", "than"), number]),
    };
    let adjective = adjective.map(|adjective| word("JJ", adjective.english));
    let children = [Some(number), adjective, Some(word("NNS", noun.english[1]))];
    phrase("NP", children.into_iter().flatten())
}

fn compare(comparison: &Comparison) -> Vec<SyntaxTree> {
    let quality = comparison.quality.english[usize::from(comparison.opposite)];
    let than = phrase("PP", [word("IN", "than"), definite(comparison.than, false)]);
    let adjective = [
        comparison.much.then(|| word("RB", "much")),
        Some(word("JJR", quality)),
        Some(than),
    ];
    let adjective = phrase("ADJP", adjective.into_iter().flatten());
    let predicate = phrase("VP", [word("VBZ", "is"), adjective]);
    vec![definite(comparison.subject, false), predicate]
}

fn join(
    Compound {
        first,
        link,
        second,
    }: &Compound,
) -> Vec<SyntaxTree> {
    let (first, second) = (parts(first, Tense::Present), parts(second, Tense::Present));
    match link {
        Link::And => vec![phrase("S", first), word("CC", "and"), phrase("S", second)],
        Link::But => {
            vec![
                phrase("S", first),
                word(",", ","),
                word("CC", "but"),
                phrase("S", second),
            ]
        }
        Link::Because => {
            let reason = phrase("SBAR", [word("IN", "because"), phrase("S", second)]);
            let [subject, predicate] = first;
            let predicate = match predicate {
                SyntaxTree::Phrase {
                    label,
                    mut children,
                } => {
                    children.push(reason);
                    SyntaxTree::Phrase { label, children }
                }
                word => phrase("VP", [word, reason]),
            };
            vec![subject, predicate]
        }
    }
}
