//! The comparisons: our programs and their peers.

/// One of our programs and the program it is measured against. Each prints a JSON object a
/// measurement, with the fields of [`Measurement`](super::measurement::Measurement); of programs
/// that print none, the whole process is measured.
pub(super) struct Pair {
    pub(super) name: &'static str,
    /// A program's name and its arguments.
    pub(super) ours: &'static [&'static str],
    /// A script in `benches/peers` and its arguments.
    pub(super) peer: &'static [&'static str],
}

impl Pair {
    /// Whether the pair needs the folder that replaces [`ENCODE`].
    pub(super) fn encodes(&self) -> bool {
        self.peer.contains(&ENCODE)
    }
}

/// Placeholder in arguments for a folder with a model of the released size and sentences, made when needed.
pub(super) const ENCODE: &str = "ENCODE";

/// Groups of pairs, as prefixes of their names: for a GPU, which take long on a CPU; and on a CPU with PyTorch's fastest
/// settings.
const GROUPS: [&str; 2] = ["gpu", "best"];

/// A case of `encode_speed`, the peer with further options.
macro_rules! encode {
    ($name:literal, $case:literal $(, $option:literal)*) => {
        Pair {
            name: $name,
            ours: &["encode_speed", ENCODE, $case],
            peer: &["encode.py", $($option,)* ENCODE, $case],
        }
    };
}

/// A training step on a CPU in a precision, the peer written for speed.
macro_rules! best_train {
    ($name:literal, $precision:literal, $size:literal) => {
        Pair {
            name: $name,
            ours: &["train_step", "--precision", $precision, $size],
            peer: &["train_step.py", "--best", "--precision", $precision, $size],
        }
    };
}

/// A training step of an objective of sentence vectors on a CPU, `$batch` examples a step, in a precision.
macro_rules! best_objective {
    ($name:literal, $precision:literal, $batch:literal, $case:literal) => {
        Pair {
            name: $name,
            ours: &[
                "train_step",
                "--precision",
                $precision,
                "--batch",
                $batch,
                $case,
            ],
            peer: &[
                "train_step.py",
                "--precision",
                $precision,
                "--batch",
                $batch,
                $case,
            ],
        }
    };
}

/// Encoding on a CPU, the peer written for speed.
macro_rules! best_encode {
    ($name:literal, $case:literal) => {
        Pair {
            name: $name,
            ours: &["encode_speed", "--passes", "3", ENCODE, $case],
            peer: &["encode.py", "--best", "--passes", "3", ENCODE, $case],
        }
    };
}

/// Encoding on a GPU, the peer with further options.
macro_rules! gpu_encode {
    ($name:literal, $case:literal $(, $option:literal)*) => {
        Pair {
            name: $name,
            ours: &["encode_speed", "--passes", "5", ENCODE, $case],
            peer: &["encode.py", "--passes", "5", $($option,)* ENCODE, $case],
        }
    };
}

/// A training step with the same arguments on both sides.
macro_rules! train {
    ($name:literal, $($argument:literal),+) => {
        Pair {
            name: $name,
            ours: &["train_step", $($argument),+],
            peer: &["train_step.py", $($argument),+],
        }
    };
}

/// A training step of `$batch` sentences on a GPU, the peer with further options.
macro_rules! gpu_train {
    ($name:literal, $batch:literal, $precision:literal $(, $option:literal)*) => {
        Pair {
            name: $name,
            ours: &[
                "train_step", "--warm-up", "3", "--steps", "20", "--batch", $batch,
                "--precision", $precision, "paper",
            ],
            peer: &[
                "train_step.py", "--warm-up", "3", "--steps", "20", "--batch", $batch,
                "--precision", $precision, $($option,)* "paper",
            ],
        }
    };
}

pub(super) const PAIRS: &[Pair] = &[
    train!("train-paper", "paper"),
    train!("train-small", "small"),
    train!("train-encoder", "--steps", "15", "encoder"),
    train!("train-paper-1-thread", "--threads", "1", "paper"),
    train!("train-small-1-thread", "--threads", "1", "small"),
    encode!("encode-snli-32-f32", "snli-32-f32"),
    encode!("encode-snli-128-f32", "snli-128-f32"),
    encode!("encode-snli-1-f32", "snli-1-f32"),
    encode!("encode-snli-32-i8", "snli-32-i8"),
    encode!("encode-news-32-f32", "news-32-f32"),
    Pair {
        name: "encode-first",
        ours: &[
            "gensen",
            "embed",
            "--model",
            "ENCODE/model",
            "--input",
            "ENCODE/sentence.txt",
            "--output",
            "ENCODE/vector.npy",
        ],
        peer: &["encode.py", ENCODE, "first"],
    },
    best_train!("best-train-small-f32", "f32", "small"),
    best_train!("best-train-small-bf16", "bf16", "small"),
    best_train!("best-train-paper-f32", "f32", "paper"),
    best_train!("best-train-paper-bf16", "bf16", "paper"),
    best_objective!("best-train-pairs-f32", "f32", "256", "pairs"),
    best_objective!("best-train-pairs-bf16", "bf16", "256", "pairs"),
    best_objective!(
        "best-train-hard-negatives-f32",
        "f32",
        "256",
        "hard-negatives"
    ),
    best_objective!(
        "best-train-hard-negatives-bf16",
        "bf16",
        "256",
        "hard-negatives"
    ),
    best_objective!(
        "best-train-next-sentence-f32",
        "f32",
        "256",
        "next-sentence"
    ),
    best_objective!(
        "best-train-next-sentence-bf16",
        "bf16",
        "256",
        "next-sentence"
    ),
    best_objective!(
        "best-train-distillation-256-f32",
        "f32",
        "256",
        "distillation"
    ),
    best_objective!(
        "best-train-distillation-256-bf16",
        "bf16",
        "256",
        "distillation"
    ),
    best_objective!(
        "best-train-distillation-512-f32",
        "f32",
        "512",
        "distillation"
    ),
    best_objective!(
        "best-train-distillation-512-bf16",
        "bf16",
        "512",
        "distillation"
    ),
    best_objective!(
        "best-train-classification-f32",
        "f32",
        "128",
        "classification"
    ),
    best_objective!(
        "best-train-classification-bf16",
        "bf16",
        "128",
        "classification"
    ),
    best_objective!(
        "best-train-pair-classification-f32",
        "f32",
        "128",
        "pair-classification"
    ),
    best_objective!(
        "best-train-pair-classification-bf16",
        "bf16",
        "128",
        "pair-classification"
    ),
    best_encode!("best-encode-128-f32", "snli-128-f32"),
    best_encode!("best-encode-128-bf16", "snli-128-bf16"),
    best_encode!("best-encode-128-i8", "snli-128-i8"),
    best_encode!("best-encode-32-f32", "snli-32-f32"),
    best_encode!("best-encode-32-bf16", "snli-32-bf16"),
    best_encode!("best-encode-32-i8", "snli-32-i8"),
    best_encode!("best-encode-1-f32", "snli-1-f32"),
    best_encode!("best-encode-1-bf16", "snli-1-bf16"),
    best_encode!("best-encode-1-i8", "snli-1-i8"),
    best_encode!("best-encode-news-32-f32", "news-32-f32"),
    best_encode!("best-encode-news-32-bf16", "news-32-bf16"),
    best_encode!("best-encode-news-32-i8", "news-32-i8"),
    // Small enough to try on a CPU.
    train!("gpu-train-small", "--warm-up", "2", "small"),
    Pair {
        name: "gpu-train-small-best",
        ours: &["train_step", "--warm-up", "2", "small"],
        peer: &["train_step.py", "--warm-up", "2", "--best", "small"],
    },
    gpu_train!("gpu-train-48-f32", "48", "f32"),
    gpu_train!("gpu-train-48-f32-best", "48", "f32", "--best"),
    gpu_train!("gpu-train-48-bf16", "48", "bf16"),
    gpu_train!("gpu-train-48-bf16-best", "48", "bf16", "--best"),
    gpu_train!("gpu-train-256-f32", "256", "f32"),
    gpu_train!("gpu-train-256-f32-best", "256", "f32", "--best"),
    gpu_train!("gpu-train-256-bf16", "256", "bf16"),
    gpu_train!("gpu-train-256-bf16-best", "256", "bf16", "--best"),
    gpu_encode!("gpu-encode-128", "snli-128-f32"),
    gpu_encode!("gpu-encode-128-best", "snli-128-f32", "--best"),
    gpu_encode!("gpu-encode-1024", "snli-1024-f32"),
    gpu_encode!("gpu-encode-1024-best", "snli-1024-f32", "--best"),
];

/// The group that a pair belongs to, if any.
fn group(pair: &Pair) -> Option<&'static str> {
    let first = pair.name.split('-').next();
    GROUPS.into_iter().find(|&group| first == Some(group))
}

/// The names a user can choose from.
pub(super) fn names() -> Vec<&'static str> {
    let names = PAIRS.iter().map(|pair| pair.name);
    names.chain(GROUPS).collect()
}

/// The pairs with these names; without names, those outside groups.
pub(super) fn chosen(names: &[String]) -> Vec<&'static Pair> {
    let is_chosen = |pair: &&Pair| match names {
        [] => group(pair).is_none(),
        _ => names
            .iter()
            .any(|name| name == pair.name || group(pair) == Some(name)),
    };
    PAIRS.iter().filter(is_chosen).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_chosen_by_name_or_for_what_they_are() {
        let chosen = |names: &[&str]| {
            let names: Vec<String> = names.iter().copied().map(String::from).collect();
            let pairs = chosen(&names);
            pairs.iter().map(|pair| pair.name).collect::<Vec<_>>()
        };
        assert_eq!(chosen(&["train-small"]), ["train-small"]);
        let (of_none, for_gpus, best) = (chosen(&[]), chosen(&["gpu"]), chosen(&["best"]));
        assert!(for_gpus.iter().all(|name| name.starts_with("gpu-")));
        assert!(best.iter().all(|name| name.starts_with("best-")));
        let in_groups = for_gpus.len() + best.len();
        assert!(!for_gpus.is_empty() && !best.is_empty());
        assert_eq!(of_none.len() + in_groups, PAIRS.len());
        assert_eq!(chosen(&["best", "gpu"]).len(), in_groups);
    }
}
