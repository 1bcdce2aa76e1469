//! French. Articles, adjectives and participles agree; "le", "la", "de" and "ne" lose their vowel
//! before another vowel, and what is left is a word of its own: "l' homme", "n' achète pas d'
//! outil".

use super::lexicon::{Adjective, Gender, Noun};
use super::meaning::{
    Bound, Clause, Comparison, Compound, Count, Holder, Link, Meaning, Object, Tense, TimedClause,
};

/// The sentence of a meaning.
pub(super) fn sentence(meaning: &Meaning) -> String {
    let text = match meaning {
        Meaning::Timed(TimedClause {
            time: None,
            tense,
            clause,
        }) => self::clause(clause, *tense),
        Meaning::Timed(TimedClause {
            time: Some(time),
            tense,
            clause,
        }) => {
            format!("{} , {}", time.french, self::clause(clause, *tense))
        }
        Meaning::Count(count) => quantity(count),
        Meaning::Comparison(comparison) => compare(comparison),
        Meaning::Compound(Compound {
            first,
            link,
            second,
        }) => {
            let link = match link {
                Link::And => "et",
                Link::But => ", mais",
                Link::Because => "parce que",
            };
            let [first, second] = [first, second].map(|part| clause(part, Tense::Present));
            format!("{first} {link} {second}")
        }
    };
    text + " ."
}

fn clause(clause: &Clause, tense: Tense) -> String {
    let [singular, plural, participle] = clause.verb.french;
    let (finite, participle) = match (tense, clause.plural) {
        (Tense::Present, false) => (singular, None),
        (Tense::Present, true) => (plural, None),
        (Tense::Past, false) => ("a", Some(participle)),
        (Tense::Past, true) => ("ont", Some(participle)),
    };
    let mut text = definite(clause.actor, clause.plural);
    let mut add = |word: &str| {
        text.push(' ');
        text.push_str(word);
    };
    if clause.negated {
        add(&elide("ne", finite));
        add("pas");
    } else {
        add(finite);
    }
    if let Some(participle) = participle {
        add(participle);
    }
    match clause.object {
        Object::Nothing => {}
        Object::The(noun) => add(&definite(noun, false)),
        Object::A(noun, adjective) => {
            let described = described(noun, adjective, false);
            if clause.negated {
                add(&elide("de", &described));
            } else {
                add(if noun.french_gender == Gender::Feminine {
                    "une"
                } else {
                    "un"
                });
                add(&described);
            }
        }
    }
    if let Some(recipient) = clause.recipient {
        let recipient = definite(recipient, false);
        match recipient.strip_prefix("le ") {
            Some(noun) => add(&format!("au {noun}")),
            None => add(&format!("à {recipient}")),
        }
    }
    if let Some(place) = clause.place {
        add(place.french);
    }
    text
}

fn quantity(count: &Count) -> String {
    let bound = match count.bound {
        Bound::Exactly => "",
        Bound::MoreThan => "plus de ",
        Bound::FewerThan => "moins de ",
    };
    let things = described(count.noun, count.adjective, true);
    let things = format!("{bound}{} {things}", count.number.french);
    match count.holder {
        Holder::Person(person) => format!("{} a {things}", definite(person, false)),
        Holder::Place(place) => format!("il y a {things} {}", place.french),
    }
}

fn compare(comparison: &Comparison) -> String {
    let forms = comparison.quality.french[usize::from(comparison.opposite)];
    let feminine = comparison.subject.french_gender == Gender::Feminine;
    format!(
        "{} est {}plus {} que {}",
        definite(comparison.subject, false),
        if comparison.much { "bien " } else { "" },
        forms[usize::from(feminine)],
        definite(comparison.than, false)
    )
}

fn definite(noun: &Noun, plural: bool) -> String {
    let [singular, several] = noun.french;
    match (plural, noun.french_gender) {
        (true, _) => format!("les {several}"),
        (false, Gender::Feminine) => elide("la", singular),
        (false, _) => elide("le", singular),
    }
}

/// A noun with its adjective, without an article.
fn described(noun: &Noun, adjective: Option<&Adjective>, plural: bool) -> String {
    let head = noun.french[usize::from(plural)];
    let Some(adjective) = adjective else {
        return head.to_owned();
    };
    let form = adjective.french[usize::from(noun.french_gender == Gender::Feminine)];
    let ending = if plural { "s" } else { "" };
    if adjective.french_before {
        format!("{form}{ending} {head}")
    } else {
        format!("{head} {form}{ending}")
    }
}

/// `short` in front of `next`. The lexicon has no aspirated h.
fn elide(short: &str, next: &str) -> String {
    const VOWELS: [char; 11] = ['a', 'e', 'i', 'o', 'u', 'h', 'é', 'è', 'ê', 'â', 'î'];
    if next.starts_with(VOWELS) {
        let mut stem = short.to_owned();
        stem.pop();
        format!("{stem}' {next}")
    } else {
        format!("{short} {next}")
    }
}
