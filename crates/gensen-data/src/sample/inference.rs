//! Natural language inference: what one meaning says about another, and pairs of sentences to
//! learn it from.
//!
//! The labels are computed from the meanings, not from the way a pair was made. And every
//! hypothesis comes with one premise for each label, so that the hypothesis alone says nothing.

use super::lexicon::{ADJECTIVES, NUMBERS, Noun, PEOPLE, PLACES, TO_BEINGS, TO_THINGS};
use super::meaning::{
    Bound, Clause, Comparison, Count, Event, Holder, Meaning, Object, being, thing,
};
use super::random::Random;

/// What a premise says about a hypothesis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Label {
    Entailment,
    Neutral,
    Contradiction,
}

impl Label {
    pub(super) const ALL: [Self; 3] = [Self::Entailment, Self::Neutral, Self::Contradiction];

    /// The name SNLI gives it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Entailment => "entailment",
            Self::Neutral => "neutral",
            Self::Contradiction => "contradiction",
        }
    }
}

/// Whether `premise` entails or contradicts `hypothesis`.
pub(super) fn infer(premise: &Meaning, hypothesis: &Meaning) -> Label {
    match (premise, hypothesis) {
        (Meaning::Event(premise), Meaning::Event(hypothesis)) => {
            events(&premise.clause, &hypothesis.clause)
        }
        (Meaning::Count(premise), Meaning::Count(hypothesis)) => counts(premise, hypothesis),
        (Meaning::Comparison(premise), Meaning::Comparison(hypothesis)) => {
            comparisons(premise, hypothesis)
        }
        _ => Label::Neutral,
    }
}

/// What happens in particular happens in general; what does not happen in general does not happen
/// in particular.
fn events(premise: &Clause, hypothesis: &Clause) -> Label {
    match (premise.negated, hypothesis.negated) {
        (false, false) if special(premise, hypothesis) => Label::Entailment,
        (true, true) if special(hypothesis, premise) => Label::Entailment,
        (false, true) if special(premise, hypothesis) => Label::Contradiction,
        (true, false) if special(hypothesis, premise) => Label::Contradiction,
        _ => Label::Neutral,
    }
}

/// Whether, negation aside, `a` happens only if `b` does.
fn special(a: &Clause, b: &Clause) -> bool {
    let object = match (&a.object, &b.object) {
        (Object::A(a, a_adjective), Object::A(b, b_adjective)) => {
            a.is_a(b) && (b_adjective.is_none() || a_adjective == b_adjective)
        }
        (a, b) => a == b,
    };
    object && a.actor == b.actor && a.verb == b.verb && (b.place.is_none() || a.place == b.place)
}

/// "Five cows" are "more than three animals", and not "fewer than three".
fn counts(premise: &Count, hypothesis: &Count) -> Label {
    if premise.holder != hypothesis.holder {
        return Label::Neutral;
    }
    let among = |a: &Count, b: &Count| {
        a.noun.is_a(b.noun) && (b.adjective.is_none() || a.adjective == b.adjective)
    };
    let (fewest, most) = range(premise);
    let (low, high) = range(hypothesis);
    let at_least = if among(premise, hypothesis) {
        fewest
    } else {
        0
    };
    let at_most = if among(hypothesis, premise) {
        most
    } else {
        usize::MAX
    };
    if at_least >= low && at_most <= high {
        Label::Entailment
    } else if at_least > high || at_most < low {
        Label::Contradiction
    } else {
        Label::Neutral
    }
}

fn range(count: &Count) -> (usize, usize) {
    match count.bound {
        Bound::Exactly => (count.number.value, count.number.value),
        Bound::MoreThan => (count.number.value + 1, usize::MAX),
        Bound::FewerThan => (0, count.number.value - 1),
    }
}

/// A is older than B just if B is younger than A; then B is not older than A.
fn comparisons(premise: &Comparison, hypothesis: &Comparison) -> Label {
    let greater_first = |c: &Comparison| {
        if c.opposite {
            (c.than, c.subject)
        } else {
            (c.subject, c.than)
        }
    };
    let (greater, lesser) = greater_first(premise);
    let claim = greater_first(hypothesis);
    if premise.quality != hypothesis.quality {
        Label::Neutral
    } else if claim == (greater, lesser) {
        Label::Entailment
    } else if claim == (lesser, greater) {
        Label::Contradiction
    } else {
        Label::Neutral
    }
}

/// A hypothesis from `split`'s part of the grammar and a premise for each label, in the order of
/// [`Label::ALL`].
pub(super) fn draw(
    random: &mut Random,
    accept: impl Fn(&Meaning) -> bool,
) -> (Meaning, [Meaning; 3]) {
    loop {
        let hypothesis = Meaning::draw_statement(random);
        if !accept(&hypothesis) {
            continue;
        }
        let mut premises = [None, None, None];
        for _ in 0..400 {
            let premise = vary(&hypothesis, random);
            if premise != hypothesis && accept(&premise) {
                premises[infer(&premise, &hypothesis) as usize].get_or_insert(premise);
            }
            if let [Some(entailment), Some(neutral), Some(contradiction)] = premises {
                return (hypothesis, [entailment, neutral, contradiction]);
            }
        }
    }
}

/// A meaning that differs from `meaning` in a few respects.
fn vary(meaning: &Meaning, random: &mut Random) -> Meaning {
    let mut varied = meaning.clone();
    for _ in 0..1 + random.below(2) {
        match &mut varied {
            Meaning::Event(Event { clause, .. }) => vary_clause(clause, random),
            Meaning::Count(count) => vary_count(count, random),
            Meaning::Comparison(comparison) => vary_comparison(comparison, random),
            Meaning::Compound(_) => {}
        }
    }
    if let Meaning::Event(Event { clause, .. }) = &mut varied {
        clause.negated ^= random.chance(50);
    }
    varied
}

fn vary_clause(clause: &mut Clause, random: &mut Random) {
    let Clause {
        actor,
        verb,
        object,
        place,
        ..
    } = clause;
    match (object, random.below(100)) {
        (Object::Nothing, _) | (_, 0..25) => {
            *place = if place.is_some() {
                None
            } else {
                Some(random.pick(PLACES))
            };
        }
        (Object::The(patient), 25..75) => std::mem::swap(actor, patient),
        (Object::The(patient), 75..83) => *patient = another(patient, || being(random)),
        (Object::The(patient), 83..92) => *actor = another(patient, || being(random)),
        (Object::The(_), _) => *verb = random.pick(TO_BEINGS),
        (Object::A(noun, _), 25..60) => *noun = related(noun, random),
        (Object::A(_, adjective), 60..85) => {
            *adjective = if adjective.is_some() {
                None
            } else {
                Some(random.pick(ADJECTIVES))
            };
        }
        (Object::A(..), 85..90) => *actor = random.pick(PEOPLE),
        (Object::A(..), 90..95) => *verb = random.pick(TO_THINGS),
        (Object::A(noun, _), _) => *noun = thing(random),
    }
}

fn vary_count(count: &mut Count, random: &mut Random) {
    match random.below(100) {
        0..35 => count.number = random.pick(NUMBERS),
        35..65 => count.bound = Bound::draw(random),
        65..85 => count.noun = related(count.noun, random),
        85..95 => {
            count.adjective = if count.adjective.is_some() {
                None
            } else {
                Some(random.pick(ADJECTIVES))
            };
        }
        _ => {
            count.holder = match count.holder {
                Holder::Person(_) => Holder::Person(random.pick(PEOPLE)),
                Holder::Place(_) => Holder::Place(random.pick(PLACES)),
            };
        }
    }
}

fn vary_comparison(comparison: &mut Comparison, random: &mut Random) {
    let Comparison {
        subject,
        quality,
        opposite,
        than,
    } = comparison;
    match random.below(100) {
        0..40 => std::mem::swap(subject, than),
        40..80 => *opposite = !*opposite,
        80..90 => *quality = random.pick(super::lexicon::QUALITIES),
        _ => *than = another(subject, || being(random)),
    }
}

/// The name of the noun's kind or another thing of it.
fn related(noun: &'static Noun, random: &mut Random) -> &'static Noun {
    let (things, hypernym) = Noun::family(noun.kind);
    match hypernym {
        Some(hypernym) if !noun.is_hypernym() && random.chance(60) => hypernym,
        _ => random.pick(things),
    }
}

fn another(not: &Noun, mut draw: impl FnMut() -> &'static Noun) -> &'static Noun {
    loop {
        let noun = draw();
        if noun != not {
            return noun;
        }
    }
}
