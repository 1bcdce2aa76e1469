//! Short stories in the past tense, a few sentences each.
//!
//! Each story is about two people, and every sentence names at least one of them in full ("the old
//! farmer"). Each such name belongs to one split, and so does every sentence.

use super::lexicon::{ADJECTIVES, NUMBERS, Noun, PEOPLE, PLACES};
use super::lexicon::{NounKind, Number, Place};
use super::meaning::SampleSplit;
use super::random::Random;

static TRAITS: &[&str] = &[
    "old", "young", "tall", "kind", "poor", "rich", "clever", "tired",
];

/// The plots, as templates of sentences. `$a` and `$b` are the two people, `$p` and `$q` two
/// places; the other slots are in [`Cast::word`]. Alternatives are separated by `|`.
static PLOTS: &[&[&str]] = &[
    &[
        "$first $a lost a $colour $thing $p .",
        "$then $a looked for the $thing $q .",
        "$later $b found the $thing $p .|$later $b walked $p and found the $thing .",
        "$b took the $thing to $a .|$b called $a and showed the $thing .",
        "$a was happy and thanked $b .",
        "$end $a gave $b a $fruit .",
    ],
    &[
        "$first $a was hungry and went to the market .",
        "$then $a bought $n $fruits .|$then $a chose $n $fruits and a $flower .",
        "$later $a met $b $p .",
        "$b was hungry too .",
        "$a gave $b a $fruit .",
        "$end $b ate the $fruit and thanked $a .",
    ],
    &[
        "$first $a walked to the station in the rain .",
        "$a had no $garment and was wet and cold .",
        "$then $b saw $a $p .|$then $b met $a $p .",
        "$b gave $a a warm $garment .",
        "$a was warm again and thanked $b .",
        "$end $a and $b drank tea together .",
    ],
    &[
        "$first the $colour $animal of $a ran away .",
        "$then $a looked for the $animal $p .",
        "$later $b heard the $animal $q .|$later $b saw the $animal $q .",
        "$b called $a , and $a came .",
        "$end $a went home with the $animal .|$end $a came home with the $animal and slept .",
    ],
    &[
        "$first $a found an old $instrument $p .",
        "$then $a played the $instrument every day .",
        "$later $a played the $instrument $q .",
        "$b danced and gave $a a $flower .",
        "$end $a and $b sang together .",
    ],
    &[
        "$first $a took the $vehicle to the market .",
        "$then the $vehicle of $a stopped $p .",
        "$a waited and called $b .",
        "$later $b came with a $tool and repaired the $vehicle .",
        "$a thanked $b and gave $b $n $fruits .",
        "$end $a came home late , but happy .",
    ],
    &[
        "$first $b wanted the $colour $thing of $a .",
        "$then $b stole the $thing $p .",
        "$a saw it and followed $b to the $place .",
        "$b was afraid and gave the $thing back to $a .",
        "$end $b bought a new $thing at the market .",
    ],
    &[
        "$first $a planted $n $flowers in the garden .",
        "$then $a gave the $flowers water every day .",
        "$later a $animal came and ate the $flowers of $a .",
        "$a was sad and cried , and $b heard it .",
        "$end $b gave $a $n new $flowers .",
    ],
    &[
        "$first $a was ill and stayed at home .",
        "$then $b brought $a $n $fruits and a $flower .",
        "$a ate the $fruits and slept all night .",
        "$later $a was healthy again and thanked $b .",
        "$end $a and $b danced $p .",
    ],
];

/// The people and things of a story.
struct Cast {
    people: [String; 2],
    places: [&'static Place; 2],
    colour: &'static str,
    number: &'static Number,
    things: Vec<(&'static str, &'static Noun)>,
}

/// Draws a story of `split`; its sentences.
pub(super) fn draw(random: &mut Random, split: SampleSplit) -> Vec<String> {
    let cast = Cast::draw(random, split);
    let plot = random.pick(PLOTS);
    // A quarter of the longer stories end before their last sentence.
    let sentences = plot.len() - usize::from(plot.len() > 4 && random.chance(25));
    plot.iter()
        .take(sentences)
        .map(|choices| {
            let choices: Vec<&str> = choices.split('|').collect();
            cast.tell(choices[random.below(choices.len())], random)
        })
        .collect()
}

impl Cast {
    fn draw(random: &mut Random, split: SampleSplit) -> Self {
        let (first, first_noun) = person(random, split);
        let second = loop {
            let (second, noun) = person(random, split);
            if noun != first_noun {
                break second;
            }
        };
        let place = random.pick(PLACES);
        let other = loop {
            let other = random.pick(PLACES);
            if other != place {
                break other;
            }
        };
        let thing = *random.pick(&[NounKind::Garment, NounKind::Tool, NounKind::Instrument]);
        let things = [
            ("thing", thing),
            ("animal", NounKind::Animal),
            ("fruit", NounKind::Fruit),
            ("flower", NounKind::Flower),
            ("tool", NounKind::Tool),
            ("garment", NounKind::Garment),
            ("vehicle", NounKind::Vehicle),
            ("instrument", NounKind::Instrument),
        ];
        Self {
            people: [first, second],
            places: [place, other],
            colour: random.pick(ADJECTIVES).english,
            number: random.pick(&NUMBERS[1..]),
            things: things
                .map(|(slot, kind)| (slot, random.pick(Noun::family(kind).0)))
                .to_vec(),
        }
    }

    /// Fills the slots of a template.
    fn tell(&self, template: &str, random: &mut Random) -> String {
        let filled: Vec<String> = template
            .split(' ')
            .map(|token| match token.strip_prefix('$') {
                Some(slot) => self.word(slot, random),
                None => token.to_owned(),
            })
            .collect();
        let text = filled.join(" ");
        let words: Vec<&str> = text.split(' ').filter(|word| !word.is_empty()).collect();
        let mut told = Vec::with_capacity(words.len());
        for (index, &word) in words.iter().enumerate() {
            let vowel = words
                .get(index + 1)
                .is_some_and(|next| next.starts_with(['a', 'e', 'i', 'o', 'u']));
            told.push(if word == "a" && vowel { "an" } else { word });
        }
        told.join(" ")
    }

    fn word(&self, slot: &str, random: &mut Random) -> String {
        let time = |random: &mut Random, choices: &'static [&'static str]| {
            (*random.pick(choices)).to_owned()
        };
        let phrase = |place: &Place| {
            let [preposition, noun] = place.english;
            format!("{preposition} the {noun}")
        };
        match slot {
            "a" => self.people[0].clone(),
            "b" => self.people[1].clone(),
            "p" => phrase(self.places[0]),
            "q" => phrase(self.places[1]),
            "place" => self.places[1].english[1].to_owned(),
            "colour" => self.colour.to_owned(),
            "n" => self.number.english.to_owned(),
            "first" => time(
                random,
                &[
                    "on monday",
                    "on sunday",
                    "one morning",
                    "one day",
                    "yesterday",
                ],
            ),
            "then" => time(random, &["then", "after that", ""]),
            "later" => time(random, &["later", "the next day", "in the evening"]),
            "end" => time(random, &["at last", "in the end", "so"]),
            _ => {
                let plural = slot.ends_with('s');
                let name = slot.strip_suffix('s').unwrap_or(slot);
                let found = self.things.iter().find(|(slot, _)| *slot == name);
                #[allow(clippy::expect_used, reason = "a test fills every slot of `PLOTS`")]
                let (_, noun) = found.expect("a slot of a plot");
                noun.english[usize::from(plural)].to_owned()
            }
        }
    }
}

/// Draws the name of a person of the split, like "the old farmer", and its noun.
fn person(random: &mut Random, split: SampleSplit) -> (String, &'static Noun) {
    loop {
        let (character, noun) = (random.pick(TRAITS), random.pick(PEOPLE));
        let name = format!("the {character} {}", noun.english[0]);
        if SampleSplit::of(&name) == split {
            return (name, noun);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_slot_is_filled() {
        let mut random = Random::new(3, "stories");
        let cast = Cast::draw(&mut random, SampleSplit::Train);
        for template in PLOTS.iter().flat_map(|plot| plot.iter()) {
            for token in template.split([' ', '|']) {
                if let Some(slot) = token.strip_prefix('$').filter(|slot| *slot != "then") {
                    assert!(
                        !cast.word(slot, &mut random).is_empty(),
                        "{slot} in {template}"
                    );
                }
            }
        }
    }

    #[test]
    fn every_sentence_names_a_person_of_its_split() {
        let mut random = Random::new(4, "stories");
        for split in [SampleSplit::Train, SampleSplit::Validation] {
            for _ in 0..500 {
                for sentence in draw(&mut random, split) {
                    let words: Vec<&str> = sentence.split(' ').collect();
                    let people: Vec<SampleSplit> = words
                        .windows(3)
                        .filter(|w| {
                            TRAITS.contains(&w[1]) && PEOPLE.iter().any(|p| p.english[0] == w[2])
                        })
                        .map(|w| SampleSplit::of(&w.join(" ")))
                        .collect();
                    assert!(!people.is_empty(), "nobody in {sentence}");
                    assert!(people.iter().all(|found| *found == split), "{sentence}");
                }
            }
        }
    }
}
