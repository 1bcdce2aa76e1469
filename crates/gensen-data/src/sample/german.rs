//! German. Articles and adjectives agree in case, gender and number. The verb comes second, or last
//! after "weil". "kein" negates an indefinite object, "nicht" everything else.

use super::lexicon::{Adjective, Gender, Noun};
use super::meaning::{
    Bound, Clause, Comparison, Compound, Count, Holder, Link, Meaning, Object, Tense, TimedClause,
};

/// The sentence of a meaning.
pub(super) fn sentence(meaning: &Meaning) -> String {
    let text = match meaning {
        Meaning::Timed(TimedClause {
            time,
            tense,
            clause,
        }) => Parts::of(clause, *tense).main(time.map(|time| time.german)),
        Meaning::Count(count) => quantity(count),
        Meaning::Comparison(comparison) => compare(comparison),
        Meaning::Compound(Compound {
            first,
            link,
            second,
        }) => {
            let first = Parts::of(first, Tense::Present).main(None);
            let second = Parts::of(second, Tense::Present);
            match link {
                Link::And => format!("{first} und {}", second.main(None)),
                Link::But => format!("{first} , aber {}", second.main(None)),
                Link::Because => format!("{first} , weil {}", second.subordinate()),
            }
        }
    };
    text + " ."
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Case {
    Nominative,
    Accusative,
    Dative,
}

/// The parts of a clause, whose order depends on the kind of clause.
struct Parts {
    subject: String,
    finite: &'static str,
    middle: Vec<String>,
    participle: Option<&'static str>,
}

impl Parts {
    fn of(clause: &Clause, tense: Tense) -> Self {
        let [singular, plural, participle] = clause.verb.german;
        let (finite, participle) = match (tense, clause.plural) {
            (Tense::Present, false) => (singular, None),
            (Tense::Present, true) => (plural, None),
            (Tense::Past, false) => ("hat", Some(participle)),
            (Tense::Past, true) => ("haben", Some(participle)),
        };
        let subject = if clause.plural {
            format!("die {}", clause.actor.german[1])
        } else {
            definite(clause.actor, Case::Nominative)
        };
        let place = clause.place.map(|place| place.german.to_owned());
        let not = clause.negated.then(|| "nicht".to_owned());
        let recipient = clause.recipient.map(|noun| definite(noun, Case::Dative));
        let middle = match clause.object {
            Object::Nothing => [not, place, None],
            Object::The(noun) => [Some(definite(noun, Case::Accusative)), place, not],
            Object::A(noun, adjective) => [
                recipient,
                place,
                Some(indefinite(noun, adjective, clause.negated)),
            ],
        };
        let middle = middle.into_iter().flatten().collect();
        Self {
            subject,
            finite,
            middle,
            participle,
        }
    }

    /// Verb second, after the subject or after a time that opens the sentence.
    fn main(self, time: Option<&str>) -> String {
        let start = match time {
            None => [self.subject.as_str(), self.finite].join(" "),
            Some(time) => [time, self.finite, &self.subject].join(" "),
        };
        words(&start, &self.middle, self.participle)
    }

    /// Verb last.
    fn subordinate(self) -> String {
        let end = self.participle.into_iter().chain([self.finite]);
        words(&self.subject, &self.middle, end)
    }
}

fn words<'a>(
    start: &'a str,
    middle: &'a [String],
    end: impl IntoIterator<Item = &'a str>,
) -> String {
    let middle = middle.iter().map(String::as_str);
    std::iter::once(start)
        .chain(middle)
        .chain(end)
        .collect::<Vec<_>>()
        .join(" ")
}

fn quantity(count: &Count) -> String {
    let bound = match count.bound {
        Bound::Exactly => "",
        Bound::MoreThan => "mehr als ",
        Bound::FewerThan => "weniger als ",
    };
    let adjective = count
        .adjective
        .map_or(String::new(), |adjective| format!("{}e ", adjective.german));
    let things = format!(
        "{bound}{} {adjective}{}",
        count.number.german, count.noun.german[1]
    );
    match count.holder {
        Holder::Person(person) => format!("{} hat {things}", definite(person, Case::Nominative)),
        Holder::Place(place) => format!("{} gibt es {things}", place.german),
    }
}

fn compare(comparison: &Comparison) -> String {
    let Comparison {
        subject,
        quality,
        opposite,
        much,
        than,
    } = comparison;
    format!(
        "{} ist {}{} als {}",
        definite(subject, Case::Nominative),
        if *much { "viel " } else { "" },
        quality.german[usize::from(*opposite)],
        definite(than, Case::Nominative)
    )
}

fn definite(noun: &Noun, case: Case) -> String {
    let article = match (noun.german_gender, case) {
        (Gender::Feminine, Case::Dative) => "der",
        (_, Case::Dative) => "dem",
        (Gender::Feminine, _) => "die",
        (Gender::Neuter, _) => "das",
        (_, Case::Nominative) => "der",
        (_, Case::Accusative) => "den",
    };
    format!("{article} {}", singular(noun, case))
}

/// The accusative of "ein" or "kein" with the noun.
fn indefinite(noun: &Noun, adjective: Option<&Adjective>, negated: bool) -> String {
    let (article, ending) = match noun.german_gender {
        Gender::Feminine => ("eine", "e"),
        Gender::Neuter => ("ein", "es"),
        Gender::Masculine | Gender::WeakMasculine => ("einen", "en"),
    };
    let k = if negated { "k" } else { "" };
    let adjective = adjective.map_or(String::new(), |adjective| {
        format!("{}{ending} ", adjective.german)
    });
    format!(
        "{k}{article} {adjective}{}",
        singular(noun, Case::Accusative)
    )
}

fn singular(noun: &Noun, case: Case) -> String {
    let weak = noun.german_gender == Gender::WeakMasculine && case != Case::Nominative;
    format!("{}{}", noun.german[0], if weak { "n" } else { "" })
}
