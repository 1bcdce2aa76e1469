//! Natural language inference: the relation between two meanings, and generated pairs.
//!
//! Labels are computed from the meanings, not from the way a pair was generated. Every hypothesis
//! occurs with one premise for each label, so that the label cannot be guessed from it alone.

use super::lexicon::{
    ADJECTIVES, NUMBERS, Noun, PEOPLE, PLACES, QUALITIES, TO_BEINGS, TO_RECIPIENTS, TO_THINGS,
};
use super::meaning::{
    Bound, Clause, Comparison, Count, Holder, Meaning, Object, TimedClause, another, being,
};
use super::random::Random;

/// The relation of a premise to a hypothesis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Label {
    Entailment,
    Neutral,
    Contradiction,
}

impl Label {
    pub(super) const ALL: [Self; 3] = [Self::Entailment, Self::Neutral, Self::Contradiction];

    /// Its name in SNLI.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Entailment => "entailment",
            Self::Neutral => "neutral",
            Self::Contradiction => "contradiction",
        }
    }
}

/// The relation of `premise` to `hypothesis`.
pub(super) fn infer(premise: &Meaning, hypothesis: &Meaning) -> Label {
    match (premise, hypothesis) {
        (Meaning::Timed(premise), Meaning::Timed(hypothesis)) => {
            events(&premise.clause, &hypothesis.clause)
        }
        (Meaning::Count(premise), Meaning::Count(hypothesis)) => counts(premise, hypothesis),
        (Meaning::Comparison(premise), Meaning::Comparison(hypothesis)) => {
            comparisons(premise, hypothesis)
        }
        _ => Label::Neutral,
    }
}

/// A specific clause entails a more general one; the negation of a general clause entails that of a
/// more specific one.
fn events(premise: &Clause, hypothesis: &Clause) -> Label {
    match (premise.negated, hypothesis.negated) {
        (false, false) if special(premise, hypothesis) => Label::Entailment,
        (true, true) if special(hypothesis, premise) => Label::Entailment,
        (false, true) if special(premise, hypothesis) => Label::Contradiction,
        (true, false) if special(hypothesis, premise) => Label::Contradiction,
        _ => Label::Neutral,
    }
}

/// Whether `a` is a special case of `b`, ignoring negation.
fn special(a: &Clause, b: &Clause) -> bool {
    let object = match (&a.object, &b.object) {
        (Object::A(a, a_adjective), Object::A(b, b_adjective)) => {
            a.is_a(b) && (b_adjective.is_none() || a_adjective == b_adjective)
        }
        (a, b) => a == b,
    };
    object
        && a.recipient == b.recipient
        && a.actor == b.actor
        && a.verb == b.verb
        && (b.place.is_none() || a.place == b.place)
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

/// "A is older than B" is equivalent to "B is younger than A" and contradicts "B is older than A".
fn comparisons(premise: &Comparison, hypothesis: &Comparison) -> Label {
    let ranking = |c: &Comparison| {
        if c.opposite {
            (c.than, c.subject)
        } else {
            (c.subject, c.than)
        }
    };
    let (greater, lesser) = ranking(premise);
    if premise.quality != hypothesis.quality {
        Label::Neutral
    } else if ranking(hypothesis) == (lesser, greater) {
        Label::Contradiction
    } else if ranking(hypothesis) == (greater, lesser) && (premise.much || !hypothesis.much) {
        Label::Entailment
    } else {
        Label::Neutral
    }
}

/// A hypothesis for which `accept` is true, and a premise for each label in the order of
/// [`Label::ALL`].
pub(super) fn draw(
    random: &mut Random,
    mut accept: impl FnMut(&Meaning) -> bool,
) -> (Meaning, [Meaning; 3]) {
    loop {
        let hypothesis = Meaning::draw_statement(random);
        if !accept(&hypothesis) {
            continue;
        }
        let mut premises = [None, None, None];
        for _ in 0..100 {
            let premise = vary(&hypothesis, random);
            let slot = &mut premises[infer(&premise, &hypothesis) as usize];
            if slot.is_none() && premise.split() == hypothesis.split() {
                *slot = Some(premise);
            }
            if let [Some(entailment), Some(neutral), Some(contradiction)] = premises {
                return (hypothesis, [entailment, neutral, contradiction]);
            }
        }
    }
}

/// A meaning that differs from `meaning` in a few details.
fn vary(meaning: &Meaning, random: &mut Random) -> Meaning {
    loop {
        let mut varied = meaning.clone();
        match &mut varied {
            Meaning::Timed(TimedClause { clause, .. }) => vary_clause(clause, random),
            Meaning::Count(count) => vary_count(count, random),
            Meaning::Comparison(comparison) => vary_comparison(comparison, random),
            Meaning::Compound(_) => {}
        }
        if varied == *meaning {
            continue;
        }
        // With two people or animals, most neutral premises have their roles swapped and would have
        // another label otherwise: the same words, but another meaning.
        let neutral = infer(&varied, meaning) == Label::Neutral;
        let roles = match &mut varied {
            Meaning::Timed(TimedClause { clause, .. }) => roles(clause),
            _ => None,
        };
        match roles {
            Some(_) if neutral && random.chance(85) => continue,
            Some((actor, other)) if !neutral && random.chance(50) => std::mem::swap(actor, other),
            _ => {}
        }
        return varied;
    }
}

/// The two beings whose roles could be swapped.
fn roles(clause: &mut Clause) -> Option<(&mut &'static Noun, &mut &'static Noun)> {
    match (&mut clause.object, &mut clause.recipient) {
        (_, Some(recipient)) => Some((&mut clause.actor, recipient)),
        (Object::The(patient), None) => Some((&mut clause.actor, patient)),
        _ => None,
    }
}

fn vary_clause(clause: &mut Clause, random: &mut Random) {
    for _ in 0..1 + random.below(2) {
        vary_detail(clause, random);
    }
    if random.chance(15) {
        vary_core(clause, random);
    }
    clause.negated ^= random.chance(50);
}

/// Makes the meaning more or less specific, or replaces a thing with a related one.
fn vary_detail(clause: &mut Clause, random: &mut Random) {
    match (&mut clause.object, random.below(3)) {
        (Object::A(noun, _), 0) => *noun = related(noun, random),
        (Object::A(_, adjective), 1) => toggle(adjective, ADJECTIVES, random),
        (Object::A(noun, _), _) if clause.recipient.is_some() => *noun = related(noun, random),
        _ => toggle(&mut clause.place, PLACES, random),
    }
}

/// Changes the actor or another role.
fn vary_core(clause: &mut Clause, random: &mut Random) {
    let (verbs, beings): (_, fn(&mut Random) -> &'static Noun) = match clause {
        Clause {
            object: Object::The(_),
            ..
        } => (TO_BEINGS, being),
        Clause {
            recipient: Some(_), ..
        } => (TO_RECIPIENTS, |random| random.pick(PEOPLE)),
        _ => (TO_THINGS, |random| random.pick(PEOPLE)),
    };
    if random.chance(50) {
        clause.verb = random.pick(verbs);
    } else if let Some((actor, other)) = roles(clause) {
        *actor = another(other, || beings(random));
    } else {
        clause.actor = beings(random);
    }
}

fn vary_count(count: &mut Count, random: &mut Random) {
    for _ in 0..1 + random.below(2) {
        match random.below(100) {
            0..35 => count.number = random.pick(NUMBERS),
            35..65 => count.bound = Bound::draw(random),
            65..85 => count.noun = related(count.noun, random),
            85..95 => toggle(&mut count.adjective, ADJECTIVES, random),
            _ => {
                count.holder = match count.holder {
                    Holder::Person(_) => Holder::Person(random.pick(PEOPLE)),
                    Holder::Place(_) => Holder::Place(random.pick(PLACES)),
                };
            }
        }
    }
}

fn vary_comparison(comparison: &mut Comparison, random: &mut Random) {
    let Comparison {
        subject,
        quality,
        opposite,
        much,
        than,
    } = comparison;
    if random.chance(50) {
        std::mem::swap(subject, than);
    }
    *opposite ^= random.chance(50);
    *much ^= random.chance(40);
    match random.below(100) {
        0..15 => *quality = random.pick(QUALITIES),
        15..25 => *than = another(subject, || being(random)),
        _ => {}
    }
}

/// Removes a detail, or adds one.
fn toggle<T>(detail: &mut Option<&'static T>, table: &'static [T], random: &mut Random) {
    *detail = if detail.is_some() {
        None
    } else {
        Some(random.pick(table))
    };
}

/// The hypernym of the noun, or another noun of its kind.
fn related(noun: &'static Noun, random: &mut Random) -> &'static Noun {
    let (things, hypernym) = Noun::family(noun.kind);
    match hypernym {
        Some(hypernym) if !noun.is_hypernym() && random.chance(60) => hypernym,
        _ => random.pick(things),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::english::sentence;

    fn sorted_words(text: &str) -> Vec<&str> {
        let mut words: Vec<&str> = text.split(' ').collect();
        words.sort_unstable();
        words
    }

    #[test]
    fn swapped_roles_keep_the_words_and_change_the_label() {
        let mut random = Random::new(5, "swap");
        let mut swapped_pairs = 0;
        for _ in 0..2_000 {
            let (hypothesis, premises) = draw(&mut random, |_| true);
            for (premise, label) in premises.into_iter().zip(Label::ALL) {
                assert_eq!(infer(&premise, &hypothesis), label);
                let mut swapped = premise.clone();
                match &mut swapped {
                    Meaning::Timed(TimedClause { clause, .. }) => match roles(clause) {
                        Some((actor, other)) => std::mem::swap(actor, other),
                        None => continue,
                    },
                    Meaning::Comparison(c) => std::mem::swap(&mut c.subject, &mut c.than),
                    _ => continue,
                }
                if label == Label::Neutral {
                    continue;
                }
                let (before, after) = (sentence(&premise), sentence(&swapped));
                assert_eq!(sorted_words(&before), sorted_words(&after));
                let hypothesis_text = sentence(&hypothesis);
                assert_ne!(
                    infer(&swapped, &hypothesis),
                    label,
                    "{after} / {hypothesis_text}"
                );
                swapped_pairs += 1;
            }
        }
        assert!(swapped_pairs > 2_500, "only {swapped_pairs} of 4000");
    }

    #[test]
    fn numbers_and_kinds_work_together() {
        let (animals, animal) = Noun::family(super::super::lexicon::NounKind::Animal);
        let animal = animal.unwrap_or(&animals[0]);
        let count = |bound, value: usize, noun| Count {
            holder: Holder::Person(&PEOPLE[0]),
            bound,
            number: &NUMBERS[value - 2],
            adjective: None,
            noun,
        };
        use Bound::{Exactly, FewerThan, MoreThan};
        let dog = &animals[0];
        for (premise, hypothesis, label) in [
            (
                count(Exactly, 5, dog),
                count(MoreThan, 3, animal),
                Label::Entailment,
            ),
            (
                count(Exactly, 5, dog),
                count(MoreThan, 5, animal),
                Label::Neutral,
            ),
            (
                count(Exactly, 5, dog),
                count(FewerThan, 5, animal),
                Label::Contradiction,
            ),
            (
                count(Exactly, 5, animal),
                count(MoreThan, 3, dog),
                Label::Neutral,
            ),
            (
                count(FewerThan, 4, animal),
                count(FewerThan, 4, dog),
                Label::Entailment,
            ),
            (
                count(FewerThan, 4, animal),
                count(MoreThan, 3, dog),
                Label::Contradiction,
            ),
            (
                count(MoreThan, 4, dog),
                count(FewerThan, 5, dog),
                Label::Contradiction,
            ),
            (
                count(MoreThan, 4, dog),
                count(FewerThan, 7, dog),
                Label::Neutral,
            ),
        ] {
            assert_eq!(
                counts(&premise, &hypothesis),
                label,
                "{premise:?} {hypothesis:?}"
            );
        }
    }
}
