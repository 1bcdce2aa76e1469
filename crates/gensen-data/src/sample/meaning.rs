//! The meaning of a sentence, independent of its language.

use super::lexicon::{
    ADJECTIVES, ANIMALS, Adjective, INTRANSITIVE, NUMBERS, Noun, Number, PAST_TIMES, PEOPLE,
    PLACES, PRESENT_TIMES, Place, QUALITIES, Quality, THINGS, TO_BEINGS, TO_RECIPIENTS, TO_THINGS,
    Time, Verb,
};
use super::random::{Random, hash};

/// The meaning of a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    Timed(TimedClause),
    Count(Count),
    Comparison(Comparison),
    Compound(Compound),
}

/// An action: its actor, verb, object, recipient and place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Clause {
    pub(super) actor: &'static Noun,
    pub(super) plural: bool,
    pub(super) verb: &'static Verb,
    pub(super) object: Object,
    /// "to the queen"
    pub(super) recipient: Option<&'static Noun>,
    pub(super) place: Option<&'static Place>,
    pub(super) negated: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Object {
    Nothing,
    /// "the king"
    The(&'static Noun),
    /// "a red apple"
    A(&'static Noun, Option<&'static Adjective>),
}

/// A clause with a tense and a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TimedClause {
    pub(super) time: Option<&'static Time>,
    pub(super) tense: Tense,
    pub(super) clause: Clause,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tense {
    Present,
    Past,
}

/// "the farmer has more than three black horses", "there are five cows in the barn".
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) holder: Holder,
    pub(super) bound: Bound,
    pub(super) number: &'static Number,
    pub(super) adjective: Option<&'static Adjective>,
    pub(super) noun: &'static Noun,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holder {
    Person(&'static Noun),
    Place(&'static Place),
}

/// The bound that a number states. Exact numbers have no modifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bound {
    Exactly,
    MoreThan,
    FewerThan,
}

/// "the king is (much) older than the queen"; with `opposite`, "younger".
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Comparison {
    pub(super) subject: &'static Noun,
    pub(super) quality: &'static Quality,
    pub(super) opposite: bool,
    pub(super) much: bool,
    pub(super) than: &'static Noun,
}

/// Two clauses without objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Compound {
    pub(super) first: Clause,
    pub(super) link: Link,
    pub(super) second: Clause,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    And,
    But,
    Because,
}

/// The split that a sentence belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SampleSplit {
    Train,
    Validation,
    Test,
}

impl SampleSplit {
    /// The split of a key: eight tenths of all keys are for training, one for validation, one for
    /// test.
    pub(super) fn of(key: &str) -> Self {
        match hash(key) % 10 {
            0 => Self::Validation,
            1 => Self::Test,
            _ => Self::Train,
        }
    }
}

impl Meaning {
    /// Draws a meaning for translation and parsing, from the whole grammar.
    pub(super) fn draw(random: &mut Random) -> Self {
        match random.below(100) {
            0..60 => {
                let clause = match random.below(12) {
                    0..3 => Clause::about_thing(random),
                    3..6 => Clause::about_recipient(random),
                    6..9 => Clause::about_being(random),
                    _ => Clause::intransitive(random),
                };
                let tense = if random.chance(30) {
                    Tense::Past
                } else {
                    Tense::Present
                };
                let times = match tense {
                    Tense::Present => PRESENT_TIMES,
                    Tense::Past => PAST_TIMES,
                };
                let time = random.chance(35).then(|| random.pick(times));
                Self::Timed(TimedClause {
                    time,
                    tense,
                    clause,
                })
            }
            60..75 => Self::Compound(Compound::draw(random)),
            75..88 => Self::Count(Count::draw(random)),
            _ => Self::Comparison(Comparison::draw(random)),
        }
    }

    /// Draws a meaning for inference pairs: without a time, and not a compound.
    pub(super) fn draw_statement(random: &mut Random) -> Self {
        let clause = match random.below(100) {
            0..8 => Clause::about_thing(random),
            8..40 => Clause::about_recipient(random),
            40..72 => {
                // The place is the only detail that can be removed. A clause is entailed by another
                // one only if it is negated with a place, or affirmed without one.
                let clause = Clause::about_being(random);
                Clause {
                    negated: clause.place.is_some(),
                    ..clause
                }
            }
            72..84 => {
                // An exact number would be entailed only by itself.
                let bound = *random.pick(&[Bound::MoreThan, Bound::FewerThan]);
                return Self::Count(Count {
                    bound,
                    ..Count::draw(random)
                });
            }
            _ => return Self::Comparison(Comparison::draw(random)),
        };
        Self::Timed(TimedClause {
            time: None,
            tense: Tense::Present,
            clause,
        })
    }

    /// The split of this meaning. It depends on the people, verbs and kinds of things only. It does
    /// not change with roles, negation, hypernyms, numbers, adjectives, places, times and
    /// opposites, so that premise and hypothesis are in the same split.
    pub(super) fn split(&self) -> SampleSplit {
        SampleSplit::of(&match self {
            Self::Timed(event) => event.clause.key(),
            Self::Compound(Compound { first, second, .. }) => {
                unordered(&first.key(), &second.key())
            }
            Self::Count(count) => {
                let holder = match count.holder {
                    Holder::Person(noun) => noun.english[0],
                    Holder::Place(place) => place.english[1],
                };
                format!("{holder} has {:?}", count.noun.kind)
            }
            Self::Comparison(Comparison {
                subject,
                quality,
                than,
                ..
            }) => {
                let pair = unordered(subject.english[0], than.english[0]);
                format!("{pair} {}", quality.english[0])
            }
        })
    }
}

impl Clause {
    /// A person and a thing.
    pub(super) fn about_thing(random: &mut Random) -> Self {
        Self {
            actor: random.pick(PEOPLE),
            plural: false,
            verb: random.pick(TO_THINGS),
            object: Object::A(
                thing(random),
                random.chance(35).then(|| random.pick(ADJECTIVES)),
            ),
            recipient: None,
            place: random.chance(40).then(|| random.pick(PLACES)),
            negated: random.chance(50),
        }
    }

    /// A person, a thing and its recipient.
    fn about_recipient(random: &mut Random) -> Self {
        let actor = random.pick(PEOPLE);
        let recipient = another(actor, || random.pick(PEOPLE));
        Self {
            actor,
            plural: false,
            verb: random.pick(TO_RECIPIENTS),
            object: Object::A(
                thing(random),
                random.chance(35).then(|| random.pick(ADJECTIVES)),
            ),
            recipient: Some(recipient),
            place: None,
            negated: random.chance(50),
        }
    }

    /// Two people or animals.
    pub(super) fn about_being(random: &mut Random) -> Self {
        let (actor, patient) = two_beings(random);
        Self {
            actor,
            plural: false,
            verb: random.pick(TO_BEINGS),
            object: Object::The(patient),
            recipient: None,
            place: random.chance(40).then(|| random.pick(PLACES)),
            negated: random.chance(50),
        }
    }

    fn intransitive(random: &mut Random) -> Self {
        Self {
            actor: being(random),
            plural: random.chance(30),
            verb: random.pick(INTRANSITIVE),
            object: Object::Nothing,
            recipient: None,
            place: random.chance(50).then(|| random.pick(PLACES)),
            negated: random.chance(25),
        }
    }

    fn key(&self) -> String {
        let [actor, verb] = [self.actor.english[0], self.verb.english[0]];
        match self.object {
            Object::Nothing => format!("{actor} {verb}"),
            Object::The(patient) => format!("{} {verb}", unordered(actor, patient.english[0])),
            Object::A(noun, _) => {
                let actors = match self.recipient {
                    Some(recipient) => unordered(actor, recipient.english[0]),
                    None => actor.to_owned(),
                };
                format!("{actors} {verb} {:?}", noun.kind)
            }
        }
    }
}

impl Count {
    pub(super) fn draw(random: &mut Random) -> Self {
        let holder = if random.chance(60) {
            Holder::Person(random.pick(PEOPLE))
        } else {
            Holder::Place(random.pick(PLACES))
        };
        Self {
            holder,
            bound: Bound::draw(random),
            number: random.pick(NUMBERS),
            adjective: random.chance(25).then(|| random.pick(ADJECTIVES)),
            noun: thing(random),
        }
    }
}

impl Bound {
    pub(super) fn draw(random: &mut Random) -> Self {
        *random.pick(&[Self::Exactly, Self::MoreThan, Self::FewerThan])
    }
}

impl Comparison {
    pub(super) fn draw(random: &mut Random) -> Self {
        let (subject, than) = two_beings(random);
        Self {
            subject,
            quality: random.pick(QUALITIES),
            opposite: random.chance(50),
            much: random.chance(35),
            than,
        }
    }
}

impl Compound {
    fn draw(random: &mut Random) -> Self {
        let link = *random.pick(&[Link::And, Link::But, Link::Because]);
        let first = Clause {
            place: None,
            ..Clause::intransitive(random)
        };
        let mut second = Clause::intransitive(random);
        second.actor = another(first.actor, || being(random));
        Self {
            first,
            link,
            second,
        }
    }
}

/// A person or an animal, people more often.
pub(super) fn being(random: &mut Random) -> &'static Noun {
    match random.below(PEOPLE.len() + ANIMALS.len()) {
        person if person < PEOPLE.len() => &PEOPLE[person],
        index => &ANIMALS[index - PEOPLE.len()],
    }
}

fn two_beings(random: &mut Random) -> (&'static Noun, &'static Noun) {
    let first = being(random);
    (first, another(first, || being(random)))
}

/// The first noun drawn that is not `not`.
pub(super) fn another(not: &Noun, mut draw: impl FnMut() -> &'static Noun) -> &'static Noun {
    loop {
        let noun = draw();
        if noun != not {
            return noun;
        }
    }
}

/// A thing, or in a third of the cases its hypernym.
pub(super) fn thing(random: &mut Random) -> &'static Noun {
    let (things, hypernym) = Noun::family(*random.pick(THINGS));
    match hypernym {
        Some(hypernym) if random.chance(33) => hypernym,
        _ => random.pick(things),
    }
}

fn unordered(a: &str, b: &str) -> String {
    if a < b {
        format!("{a} {b}")
    } else {
        format!("{b} {a}")
    }
}
