//! The sentences of a meaning in the three languages.

use super::super::lexicon::{
    self, ADJECTIVES, INTRANSITIVE, NUMBERS, Noun, PAST_TIMES, PEOPLE, PLACES, PRESENT_TIMES,
    QUALITIES, TO_BEINGS, TO_RECIPIENTS, TO_THINGS, Verb,
};
use super::super::meaning::{
    Bound, Clause, Comparison, Compound, Count, Holder, Link, Meaning, Object, Tense, TimedClause,
};
use super::super::{english, french, german};

fn noun(english: &str) -> &'static Noun {
    let kinds = lexicon::THINGS.iter().map(|kind| Noun::family(*kind));
    let nouns = kinds.flat_map(|(things, hypernym)| things.iter().chain(hypernym));
    let found = nouns.chain(PEOPLE).find(|noun| noun.english[0] == english);
    found.unwrap_or_else(|| panic!("no noun {english}"))
}

fn verb(english: &str) -> &'static Verb {
    let verbs = [INTRANSITIVE, TO_THINGS, TO_RECIPIENTS, TO_BEINGS]
        .into_iter()
        .flatten();
    let found = verbs.into_iter().find(|verb| verb.english[0] == english);
    found.unwrap_or_else(|| panic!("no verb {english}"))
}

fn clause(actor: &str, action: &str, object: Object, negated: bool) -> Clause {
    let (actor, verb) = (noun(actor), verb(action));
    Clause {
        actor,
        plural: false,
        verb,
        object,
        recipient: None,
        place: None,
        negated,
    }
}

fn now(clause: Clause) -> Meaning {
    Meaning::Timed(TimedClause {
        time: None,
        tense: Tense::Present,
        clause,
    })
}

#[test]
fn translations_agree() {
    let red = Some(&ADJECTIVES[0]);
    let small = Some(&ADJECTIVES[6]);
    let recipient = |name| Some(noun(name));
    let market = Some(&PLACES[7]);
    let sleeps = |actor, plural, negated| Clause {
        plural,
        ..clause(actor, "sleep", Object::Nothing, negated)
    };
    let past = |time, clause| {
        Meaning::Timed(TimedClause {
            time,
            tense: Tense::Past,
            clause,
        })
    };
    let older = |subject, than, opposite, much| {
        let (subject, than) = (noun(subject), noun(than));
        Meaning::Comparison(Comparison {
            subject,
            quality: &QUALITIES[0],
            opposite,
            much,
            than,
        })
    };
    let count = |holder, bound, adjective, thing| {
        let noun = noun(thing);
        Meaning::Count(Count {
            holder,
            bound,
            number: &NUMBERS[3],
            adjective,
            noun,
        })
    };
    let because = Compound {
        first: sleeps("boy", false, false),
        link: Link::Because,
        second: Clause {
            place: market,
            ..sleeps("woman", true, true)
        },
    };
    for (meaning, english, french, german) in [
        (
            now(Clause {
                place: market,
                ..clause("cook", "buy", Object::A(noun("apple"), small), false)
            }),
            "the cook buys a small apple at the market .",
            "le cuisinier achète une petite pomme au marché .",
            "der koch kauft auf dem markt einen kleinen apfel .",
        ),
        (
            now(clause("nurse", "buy", Object::A(noun("animal"), red), true)),
            "the nurse does not buy a red animal .",
            "l' infirmière n' achète pas d' animal rouge .",
            "die krankenschwester kauft kein rotes tier .",
        ),
        (
            now(Clause {
                recipient: recipient("boy"),
                ..clause("man", "give", Object::A(noun("rose"), red), false)
            }),
            "the man gives a red rose to the boy .",
            "l' homme donne une rose rouge au garçon .",
            "der mann gibt dem jungen eine rote rose .",
        ),
        (
            now(Clause {
                recipient: recipient("man"),
                ..clause("girl", "send", Object::A(noun("hat"), None), true)
            }),
            "the girl does not send a hat to the man .",
            "la fille n' envoie pas de chapeau à l' homme .",
            "das mädchen schickt dem mann keinen hut .",
        ),
        (
            past(
                Some(&PAST_TIMES[0]),
                clause("queen", "see", Object::The(noun("farmer")), true),
            ),
            "yesterday , the queen did not see the farmer .",
            "hier , la reine n' a pas vu le fermier .",
            "gestern hat die königin den bauern nicht gesehen .",
        ),
        (
            Meaning::Timed(TimedClause {
                time: Some(&PRESENT_TIMES[0]),
                tense: Tense::Present,
                clause: sleeps("horse", true, false),
            }),
            "today , the horses sleep .",
            "aujourd'hui , les chevaux dorment .",
            "heute schlafen die pferde .",
        ),
        (
            Meaning::Compound(because),
            "the boy sleeps because the women do not sleep at the market .",
            "le garçon dort parce que les femmes ne dorment pas au marché .",
            "der junge schläft , weil die frauen nicht auf dem markt schlafen .",
        ),
        (
            older("queen", "man", false, true),
            "the queen is much older than the man .",
            "la reine est bien plus âgée que l' homme .",
            "die königin ist viel älter als der mann .",
        ),
        (
            older("man", "girl", true, false),
            "the man is younger than the girl .",
            "l' homme est plus jeune que la fille .",
            "der mann ist jünger als das mädchen .",
        ),
        (
            count(
                Holder::Person(noun("baker")),
                Bound::MoreThan,
                small,
                "apple",
            ),
            "the baker has more than five small apples .",
            "le boulanger a plus de cinq petites pommes .",
            "der bäcker hat mehr als fünf kleine äpfel .",
        ),
        (
            count(Holder::Place(&PLACES[6]), Bound::FewerThan, red, "boat"),
            "there are fewer than five red boats on the bridge .",
            "il y a moins de cinq bateaux rouges sur le pont .",
            "auf der brücke gibt es weniger als fünf rote boote .",
        ),
    ] {
        assert_eq!(english::sentence(&meaning), english);
        assert_eq!(french::sentence(&meaning), french);
        assert_eq!(german::sentence(&meaning), german);
    }
}
