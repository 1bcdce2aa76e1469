//! The table of tasks.

use super::Pooling::{self, Last, Max};
use super::sst::{BINARY, FINE};
use super::{Kind, Suite, Task};
use crate::error::{EvalError, Result};

const fn downstream(
    name: &'static str,
    best_pooling: Pooling,
    folder: &'static str,
    files: &'static [&'static str],
    kind: Kind,
) -> Task {
    Task {
        name,
        suite: Suite::Downstream,
        best_pooling,
        folder,
        files,
        kind,
    }
}

const fn probing(name: &'static str, files: &'static [&'static str]) -> Task {
    let (suite, best_pooling) = (Suite::Probing, Pooling::Last);
    Task {
        name,
        suite,
        best_pooling,
        folder: "probing",
        files,
        kind: Kind::Probing,
    }
}

const SST_FILES: &[&str] = &["sentiment-train", "sentiment-dev", "sentiment-test"];
const SICK_FILES: &[&str] = &[
    "SICK_train.txt",
    "SICK_trial.txt",
    "SICK_test_annotated.txt",
];

/// Every task, in the order of the report.
pub const TASKS: &[Task] = &[
    downstream(
        "MR",
        Max,
        "MR",
        &["rt-polarity.pos", "rt-polarity.neg"],
        Kind::Binary,
    ),
    downstream(
        "CR",
        Max,
        "CR",
        &["custrev.pos", "custrev.neg"],
        Kind::Binary,
    ),
    // SentEval's class 1 is the objective one.
    downstream(
        "SUBJ",
        Max,
        "SUBJ",
        &["subj.objective", "subj.subjective"],
        Kind::Binary,
    ),
    downstream("MPQA", Max, "MPQA", &["mpqa.pos", "mpqa.neg"], Kind::Binary),
    downstream("SST2", Last, "SST/binary", SST_FILES, Kind::Sst(BINARY)),
    downstream("SST5", Last, "SST/fine", SST_FILES, Kind::Sst(FINE)),
    downstream(
        "TREC",
        Last,
        "TREC",
        &["train_5500.label", "TREC_10.label"],
        Kind::Trec,
    ),
    downstream(
        "MRPC",
        Last,
        "MRPC",
        &["msr_paraphrase_train.txt", "msr_paraphrase_test.txt"],
        Kind::Mrpc,
    ),
    downstream(
        "SICKRelatedness",
        Last,
        "SICK",
        SICK_FILES,
        Kind::SickRelatedness,
    ),
    downstream(
        "SICKEntailment",
        Last,
        "SICK",
        SICK_FILES,
        Kind::SickEntailment,
    ),
    downstream(
        "STSBenchmark",
        Last,
        "STS/STSBenchmark",
        &["sts-train.csv", "sts-dev.csv", "sts-test.csv"],
        Kind::StsBenchmark,
    ),
    downstream(
        "SNLI",
        Last,
        "SNLI",
        &[
            "s1.train",
            "s2.train",
            "labels.train",
            "s1.dev",
            "s2.dev",
            "labels.dev",
            "s1.test",
            "s2.test",
            "labels.test",
        ],
        Kind::Snli,
    ),
    downstream(
        "STS12",
        Last,
        "STS/STS12-en-test",
        &[],
        Kind::Sts(&[
            "MSRpar",
            "MSRvid",
            "SMTeuroparl",
            "surprise.OnWN",
            "surprise.SMTnews",
        ]),
    ),
    downstream(
        "STS13",
        Last,
        "STS/STS13-en-test",
        &[],
        Kind::Sts(&["FNWN", "headlines", "OnWN"]),
    ),
    downstream(
        "STS14",
        Last,
        "STS/STS14-en-test",
        &[],
        Kind::Sts(&[
            "deft-forum",
            "deft-news",
            "headlines",
            "images",
            "OnWN",
            "tweet-news",
        ]),
    ),
    downstream(
        "STS15",
        Last,
        "STS/STS15-en-test",
        &[],
        Kind::Sts(&[
            "answers-forums",
            "answers-students",
            "belief",
            "headlines",
            "images",
        ]),
    ),
    downstream(
        "STS16",
        Last,
        "STS/STS16-en-test",
        &[],
        Kind::Sts(&[
            "answer-answer",
            "headlines",
            "plagiarism",
            "postediting",
            "question-question",
        ]),
    ),
    downstream(
        "ImageCaptionRetrieval",
        Max,
        "COCO",
        &[
            "train.npy",
            "train.txt",
            "valid.npy",
            "valid.txt",
            "test.npy",
            "test.txt",
        ],
        Kind::Captions,
    ),
    probing("Length", &["sentence_length.txt"]),
    probing("WordContent", &["word_content.txt"]),
    probing("Depth", &["tree_depth.txt"]),
    probing("TopConstituents", &["top_constituents.txt"]),
    probing("BigramShift", &["bigram_shift.txt"]),
    probing("Tense", &["past_present.txt"]),
    probing("SubjNumber", &["subj_number.txt"]),
    probing("ObjNumber", &["obj_number.txt"]),
    probing("OddManOut", &["odd_man_out.txt"]),
    probing("CoordinationInversion", &["coordination_inversion.txt"]),
    Task {
        name: "Quora",
        suite: Suite::LowResource,
        best_pooling: Last,
        folder: "Quora",
        files: &["train.tsv", "dev.tsv", "test.tsv"],
        kind: Kind::Quora,
    },
];

/// Aliases of tasks, normalised: lower-case, without hyphens, underscores and spaces.
const ALIASES: &[(&str, &str)] = &[
    ("sst", "SST2"),
    ("trec6", "TREC"),
    ("sickr", "SICKRelatedness"),
    ("sicke", "SICKEntailment"),
    ("stsb", "STSBenchmark"),
    ("coco", "ImageCaptionRetrieval"),
    ("sentlen", "Length"),
    ("wc", "WordContent"),
    ("treedepth", "Depth"),
    ("topconst", "TopConstituents"),
    ("bshift", "BigramShift"),
    ("subjnum", "SubjNumber"),
    ("objnum", "ObjNumber"),
    ("somo", "OddManOut"),
    ("coordinv", "CoordinationInversion"),
    ("qqp", "Quora"),
];

/// The tasks with these names, each once, in the table's order; `all`, `downstream` and `probing` are groups. Case, hyphens,
/// underscores and spaces do not matter, and common aliases are known: `STS-B`, `stsb`, `SICK-R`, `sst-2`, `QQP`.
///
/// # Errors
///
/// [`EvalError::UnknownTask`], which lists the known ones.
pub fn select(names: &[impl AsRef<str>]) -> Result<Vec<&'static Task>> {
    let mut chosen = vec![false; TASKS.len()];
    for name in names {
        let name = name.as_ref().trim();
        let alias = |(alias, _): &&(&str, &str)| *alias == plain(name);
        let known = ALIASES.iter().find(alias);
        let known = known.map_or(name, |(_, task)| task);
        let mut found = false;
        for (task, chosen) in TASKS.iter().zip(&mut chosen) {
            let suite = match known.to_ascii_lowercase().as_str() {
                "all" => true,
                "probing" => task.suite == Suite::Probing,
                "downstream" => task.suite == Suite::Downstream,
                _ => false,
            };
            if suite || plain(task.name) == plain(known) {
                *chosen = true;
                found = true;
            }
        }
        if !found {
            let known: Vec<&str> = TASKS.iter().map(|task| task.name).collect();
            return Err(EvalError::UnknownTask {
                name: name.into(),
                known: known.join(", "),
            });
        }
    }
    Ok(TASKS
        .iter()
        .zip(chosen)
        .filter(|(_, chosen)| *chosen)
        .map(|(task, _)| task)
        .collect())
}

/// A name in lower case, without hyphens, underscores and spaces.
fn plain(name: &str) -> String {
    name.to_ascii_lowercase().replace(['-', '_', ' '], "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_are_found_by_the_names_that_others_use() {
        for (name, task) in [
            ("STSB", "STSBenchmark"),
            ("sts-b", "STSBenchmark"),
            ("STS_Benchmark", "STSBenchmark"),
            ("sick-r", "SICKRelatedness"),
            ("SICKE", "SICKEntailment"),
            ("SST-2", "SST2"),
            ("sst", "SST2"),
            ("sts-12", "STS12"),
            ("QQP", "Quora"),
            ("BShift", "BigramShift"),
        ] {
            let found = select(&[name]).unwrap();
            let found: Vec<&str> = found.iter().map(|task| task.name).collect();
            assert_eq!(found, [task], "{name}");
        }
        for (_, task) in ALIASES {
            assert!(TASKS.iter().any(|known| known.name == *task), "{task}");
        }
        assert!(select(&["sts"]).is_err());
    }
}
