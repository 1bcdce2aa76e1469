//! Parallel texts in two languages, tokenised, with a random part held out.

use super::Workplace;
use super::text::{InputTexts, TextOutput};
use super::words::{Buffers, Words, read_chunk};
use crate::fetch::error::{FetchError, Result};
use crate::fetch::progress::Progress;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// The texts and their division.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ParallelSplit {
    /// Paths without the language: `europarl/europarl-v7.de-en` means `europarl/europarl-v7.de-en.de` and
    /// `.en`.
    pub from: Vec<String>,
    /// The folder for `train.LANGUAGE` and `dev.LANGUAGE`.
    pub to: String,
    pub languages: [String; 2],
    pub tokenizer: String,
    pub lowercase: bool,
    /// Pairs held out.
    pub dev: u64,
    /// Pairs for training; all others by default.
    pub train: Option<u64>,
    pub seed: u64,
}

/// The part a pair belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PairPart {
    Train,
    Dev,
    LeftOut,
}

/// Divides `total` pairs at random. All choices are equally likely, and depend only on the seed and the numbers. Pairs keep
/// their order.
struct Divider {
    random: SplitMix64,
    left: u64,
    dev: u64,
    left_out: u64,
}

impl Divider {
    fn next(&mut self) -> PairPart {
        // Selection sampling (Knuth, The Art of Computer Programming 2, 3.4.2, algorithm S).
        let draw = self.random.below(self.left.max(1));
        self.left = self.left.saturating_sub(1);
        if draw < self.dev {
            self.dev -= 1;
            PairPart::Dev
        } else if draw < self.dev + self.left_out {
            self.left_out -= 1;
            PairPart::LeftOut
        } else {
            PairPart::Train
        }
    }
}

/// The generator of Steele, Lea and Flood (2014).
struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`; the bias is below one in 2^64 / bound.
    fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }
}

/// Writes `train` and `dev` in both languages.
pub fn split(work: &Workplace<'_>, split: &ParallelSplit) -> Result<()> {
    let name = |language: &str| -> Vec<String> {
        split
            .from
            .iter()
            .map(|stem| format!("{stem}.{language}"))
            .collect()
    };
    let [first, second] = &split.languages;
    let total = count_pairs(work, &name(first), &name(second))?;
    let train = split.train.unwrap_or(total.saturating_sub(split.dev));
    let asked = train.saturating_add(split.dev);
    let left_out = total.checked_sub(asked).ok_or_else(|| FetchError::Input {
        path: work.root.join(&split.to),
        problem: format!(
            "{train} pairs for training and {} held out were asked for, but there are {total} in {}",
            split.dev,
            split.from.join(", ")
        ),
    })?;
    if left_out > 0 {
        work.note(format!(
            "{}: {left_out} of {total} pairs left out at random, to keep {train}",
            split.to
        ));
    }
    let mut sides = [
        LanguageSide::open(work, split, first, &name(first))?,
        LanguageSide::open(work, split, second, &name(second))?,
    ];
    let mut divider = Divider {
        random: SplitMix64(split.seed),
        left: total,
        dev: split.dev,
        left_out,
    };
    let progress = Progress::lines(&split.to, Some(total));
    let mut done = 0;
    loop {
        let [one, two] = &mut sides;
        let (one, two) = (one.read()?, two.read()?);
        if one.is_empty() && two.is_empty() {
            break;
        }
        if one.len() != two.len() {
            // The lines were counted before, so another program is writing to the files.
            return Err(FetchError::Input {
                path: work.root.join(&split.to),
                problem: "its texts changed while they were read".into(),
            });
        }
        let parts: Vec<PairPart> = one.iter().map(|_| divider.next()).collect();
        done += parts.len() as u64;
        for (side, lines) in sides.iter_mut().zip([one, two]) {
            side.write(&lines, &parts)?;
        }
        progress.at(done);
    }
    for side in sides {
        work.note_repairs(&side.texts);
        side.train.finish()?;
        side.dev.finish()?;
    }
    Ok(())
}

/// One language.
struct LanguageSide {
    texts: InputTexts,
    words: Words,
    train: TextOutput,
    dev: TextOutput,
}

impl LanguageSide {
    fn open(
        work: &Workplace<'_>,
        split: &ParallelSplit,
        language: &str,
        names: &[String],
    ) -> Result<Self> {
        Ok(Self {
            texts: work.texts(names)?,
            words: Words::new(&split.tokenizer, language, split.lowercase)?,
            train: TextOutput::create(&work.output(&format!("{}/train.{language}", split.to))?)?,
            dev: TextOutput::create(&work.output(&format!("{}/dev.{language}", split.to))?)?,
        })
    }

    fn read(&mut self) -> Result<Vec<String>> {
        Ok(read_chunk(&mut self.texts)?
            .into_iter()
            .map(|(_, line)| line)
            .collect())
    }

    fn write(&mut self, lines: &[String], parts: &[PairPart]) -> Result<()> {
        let lines: Vec<String> = lines
            .par_iter()
            .map_init(Buffers::default, |scratch, line| {
                self.words.apply(line, scratch)
            })
            .collect();
        for (line, part) in lines.iter().zip(parts) {
            match part {
                PairPart::Train => self.train.line(line)?,
                PairPart::Dev => self.dev.line(line)?,
                PairPart::LeftOut => {}
            }
        }
        Ok(())
    }
}

/// The number of pairs; parallel files must have as many lines.
fn count_pairs(work: &Workplace<'_>, first: &[String], second: &[String]) -> Result<u64> {
    let mut total = 0;
    for (first, second) in first.iter().zip(second) {
        let mut counts = [0, 0];
        for (count, name) in counts.iter_mut().zip([first, second]) {
            let mut texts = work.text(name)?;
            while texts.next_raw()?.is_some() {
                *count += 1;
            }
        }
        let [one, two] = counts;
        if one != two {
            return Err(FetchError::Input {
                path: work.input(first)?,
                problem: format!(
                    "it has {one} lines and {second} has {two}; they are not line-aligned"
                ),
            });
        }
        total += one;
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn divide(total: u64, dev: u64, left_out: u64, seed: u64) -> Vec<PairPart> {
        let mut divider = Divider {
            random: SplitMix64(seed),
            left: total,
            dev,
            left_out,
        };
        (0..total).map(|_| divider.next()).collect()
    }

    #[test]
    fn exactly_as_many_are_held_out_as_asked_for() {
        for seed in 0..50 {
            let parts = divide(1000, 100, 30, seed);
            assert_eq!(
                parts.iter().filter(|&&part| part == PairPart::Dev).count(),
                100
            );
            assert_eq!(
                parts
                    .iter()
                    .filter(|&&part| part == PairPart::LeftOut)
                    .count(),
                30
            );
        }
        assert_eq!(divide(1000, 100, 30, 7), divide(1000, 100, 30, 7));
        assert_ne!(divide(1000, 100, 30, 7), divide(1000, 100, 30, 8));
    }

    #[test]
    fn every_place_is_equally_likely() {
        let mut counts = [0_u32; 10];
        for seed in 0..20_000 {
            for (count, part) in counts.iter_mut().zip(divide(10, 3, 2, seed)) {
                *count += u32::from(part == PairPart::Dev);
            }
        }
        // 6,000 expected; five standard deviations are 324.
        assert!(
            counts.iter().all(|count| count.abs_diff(6_000) < 324),
            "{counts:?}"
        );
    }
}
