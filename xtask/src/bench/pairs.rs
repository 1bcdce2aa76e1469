//! What is measured against what.

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
    /// Whether it needs what [`ENCODE`] stands for.
    pub(super) fn encodes(&self) -> bool {
        self.peer.contains(&ENCODE)
    }
}

/// Stands in arguments for a folder with a model of the released size and sentences, which is made
/// when it is needed.
pub(super) const ENCODE: &str = "ENCODE";

/// What the names of pairs for a GPU begin with; on a CPU they take long.
const GPU: &str = "gpu-";
/// Stands for all pairs for a GPU.
const ALL_FOR_GPUS: &str = "gpu";

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

/// A training step on a GPU of so many sentences, the peer with further options.
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

/// What a user can choose by.
pub(super) fn names() -> Vec<&'static str> {
    let names = PAIRS.iter().map(|pair| pair.name);
    names.chain([ALL_FOR_GPUS]).collect()
}

/// The pairs of these names; without any, those for a CPU.
pub(super) fn chosen(names: &[String]) -> Vec<&'static Pair> {
    let for_gpu = |pair: &Pair| pair.name.starts_with(GPU);
    let is_chosen = |pair: &&Pair| match names {
        [] => !for_gpu(pair),
        _ => names
            .iter()
            .any(|name| name == pair.name || name == ALL_FOR_GPUS && for_gpu(pair)),
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
        let (for_cpus, for_gpus) = (chosen(&[]), chosen(&["gpu"]));
        assert!(for_cpus.iter().all(|name| !name.starts_with("gpu")));
        assert!(for_gpus.iter().all(|name| name.starts_with("gpu-")));
        assert_eq!(for_cpus.len() + for_gpus.len(), PAIRS.len());
    }
}
