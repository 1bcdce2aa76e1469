//! Published results shown in reports.

/// Columns of the paper's Table 2: heading and task.
pub const COLUMNS: [(&str, &str); 10] = [
    ("MR", "MR"),
    ("CR", "CR"),
    ("SUBJ", "SUBJ"),
    ("MPQA", "MPQA"),
    ("SST", "SST2"),
    ("TREC", "TREC"),
    ("MRPC", "MRPC"),
    ("SICK-R", "SICKRelatedness"),
    ("SICK-E", "SICKEntailment"),
    ("STS-B", "STSBenchmark"),
];

/// The source of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Publication {
    /// The paper's Table 2, transcribed from memory: the mean differences it prints come out
    /// right, but only some cells were compared with a second source.
    PaperFromMemory,
    /// The README of InferSent.
    InferSent,
    /// Wieting and Kiela 2019, "No Training Required: Exploring Random Encoders for Sentence
    /// Classification".
    RandomEncoders,
}

/// A published row, its cells as printed in the order of [`COLUMNS`].
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The system.
    pub name: &'static str,
    /// The source.
    pub source: Publication,
    /// The cells.
    pub cells: [&'static str; 10],
}

use Publication::{InferSent, PaperFromMemory, RandomEncoders};

/// Published rows of [`COLUMNS`].
#[rustfmt::skip]
pub const ROWS: [Row; 13] = [
    Row { name: "GenSen +STN", source: PaperFromMemory, cells: ["78.9", "85.8", "93.7", "87.2", "80.4", "84.2", "72.4/81.6", ".840", "82.1", "72.9/72.4"] },
    Row { name: "GenSen +STN +Fr +De", source: PaperFromMemory, cells: ["80.3", "85.1", "93.5", "90.1", "83.3", "92.6", "77.1/83.3", ".864", "84.8", "77.1/77.1"] },
    Row { name: "GenSen +STN +Fr +De +NLI", source: PaperFromMemory, cells: ["81.2", "86.4", "93.4", "90.8", "84.0", "93.2", "76.6/82.7", ".884", "87.0", "79.2/79.1"] },
    Row { name: "GenSen +STN +Fr +De +NLI +L", source: PaperFromMemory, cells: ["81.7", "87.3", "94.2", "90.8", "84.0", "94.2", "77.1/83.0", ".887", "87.1", "78.7/78.2"] },
    Row { name: "GenSen +STN +Fr +De +NLI +L +STP", source: PaperFromMemory, cells: ["82.7", "88.0", "94.1", "91.2", "84.5", "92.4", "77.8/83.9", ".885", "86.8", "78.7/78.4"] },
    Row { name: "GenSen +STN +Fr +De +NLI +2L +STP", source: PaperFromMemory, cells: ["82.8", "88.3", "94.0", "91.3", "83.6", "92.6", "77.4/83.3", ".884", "87.6", "79.2/79.1"] },
    Row { name: "GenSen +STN +Fr +De +NLI +L +STP +Par", source: PaperFromMemory, cells: ["82.5", "87.7", "94.0", "90.9", "83.2", "93.0", "78.6/84.4", ".888", "87.8", "78.9/78.6"] },
    Row { name: "InferSent (AllNLI)", source: InferSent, cells: ["81.1", "86.3", "92.4", "90.2", "84.6", "88.2", "76.2/83.1", ".884", "86.1", "75.8/75.5"] },
    Row { name: "SkipThought-LN", source: InferSent, cells: ["79.4", "83.1", "93.7", "89.3", "82.9", "88.4", "-", ".858", "79.5", "72.1/70.2"] },
    Row { name: "fastText bag of vectors", source: InferSent, cells: ["78.2", "80.2", "91.8", "88.0", "82.3", "83.4", "74.4/82.4", ".823", "78.9", "70.2/68.3"] },
    Row { name: "random projection of GloVe (BOREP, 4096)", source: RandomEncoders, cells: ["77.3", "79.0", "92.0", "88.4", "81.2", "88.0", "73.2", ".855", "81.6", "68.4"] },
    Row { name: "random LSTM (4096)", source: RandomEncoders, cells: ["77.2", "78.8", "91.9", "87.9", "82.0", "86.9", "73.7", ".855", "81.9", "72.5"] },
    Row { name: "echo state network (4096)", source: RandomEncoders, cells: ["78.4", "80.3", "92.4", "88.6", "83.5", "88.8", "73.7", ".861", "82.3", "74.6"] },
];
