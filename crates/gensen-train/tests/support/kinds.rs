//! Runs of pairs, distillation, classification and next sentences.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

const SENTENCES: &str = "sample:train.stories.txt";
const HELD_OUT: &str = "sample:validation.stories.txt";
/// The width of a teacher's vectors.
const WIDTH: usize = 12;

/// The configuration of a short run on the sample corpus, with these kinds of task, word vectors
/// and frequent checkpoints.
pub const KINDS: &str = r#"
[run]
name = "kinds"
seed = 3

[model]
embedding_size = 16
hidden_size = 32
inference_hidden_size = 32
dropout = 0.1
pooling = "mean"

[vocabulary]
source_words = 300
word_vectors = "vectors.txt"
count_nli = true

[training]
batch_size = 16
learning_rate = 4e-3
embedding_learning_rate = 2e-3
steps = 40
max_source_words = 20

[management]
monitor_every = 6
validate_every = 20
checkpoint_every = 5
keep_checkpoints = 3

[[task]]
name = "teacher"
kind = "distillation"
train = { path = "sample:train.stories.txt", teacher = "train.npy", limit = 2000 }
validation = { path = "sample:validation.stories.txt", teacher = "validation.npy", limit = 60 }

[[task]]
name = "pairs"
kind = "pairs"
train = "pairs.tsv"
validation = { path = "pairs.tsv", limit = 40 }
widths = [8, 16]
temperature = 0.1

[[task]]
name = "next"
kind = "skip-thought"
objective = "contrast"
train = { path = "sample:train.stories.txt", limit = 2000 }
validation = { path = "sample:validation.stories.txt", limit = 40 }

[[task]]
name = "labels"
kind = "classification"
train = "labels.tsv"
validation = { path = "labels.tsv", limit = 60 }
"#;

fn sample(name: &str) -> String {
    gensen_data::sample::text(name.strip_prefix("sample:").unwrap()).unwrap()
}

/// A vector of 16-bit floats for each line, a function of its words.
fn teacher(text: &str) -> Vec<u8> {
    let lines: Vec<&str> = text.lines().collect();
    let shape = format!("({}, {WIDTH})", lines.len());
    let header = format!("{{'descr': '<f2', 'fortran_order': False, 'shape': {shape}, }}");
    let mut file = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
    file.extend(format!("{header:<117}\n").bytes());
    for line in lines {
        let mut vector = [0.25_f32; WIDTH];
        for word in line.split_whitespace() {
            let number = word
                .bytes()
                .fold(7_usize, |n, byte| n * 31 % 1009 + byte as usize);
            vector[number % WIDTH] += 1.0;
        }
        file.extend(
            vector
                .map(|x| half::f16::from_f32(x).to_le_bytes())
                .concat(),
        );
    }
    file
}

/// Writes the inputs of [`KINDS`].
pub fn write_inputs(home: &Path) {
    let write = |name: &str, bytes: &[u8]| fs::write(home.join(name), bytes).unwrap();
    write("train.npy", &teacher(&sample(SENTENCES)));
    write("validation.npy", &teacher(&sample(HELD_OUT)));
    let (mut pairs, mut labels) = (String::new(), String::new());
    let mut hypotheses: BTreeMap<&str, String> = BTreeMap::new();
    let inference = sample("sample:train.nli.tsv");
    for row in inference.lines().take(1500) {
        let columns: Vec<&str> = row.split('\t').collect();
        let [premise, hypothesis, label] = columns[..3] else {
            panic!("{row}")
        };
        writeln!(
            labels,
            "same\t{premise}\t{premise}\nother\t{premise}\t{hypothesis}"
        )
        .unwrap();
        if label == "entailment" {
            let negative = hypotheses.get("contradiction").cloned().unwrap_or_default();
            writeln!(pairs, "{premise}\t{hypothesis}\t{negative}").unwrap();
        }
        hypotheses.insert(label, hypothesis.into());
    }
    write("pairs.tsv", pairs.as_bytes());
    write("labels.tsv", labels.as_bytes());
    let mut vectors = String::new();
    for (k, word) in ["the", "dog", "cat", "unheard-of", "Capital"]
        .iter()
        .enumerate()
    {
        let numbers = (0..16).map(|i| format!(" {}", ((i * 7 + k * 5) % 11) as f32 - 5.0));
        writeln!(vectors, "{word}{}", numbers.collect::<String>()).unwrap();
    }
    write("vectors.txt", vectors.as_bytes());
}
