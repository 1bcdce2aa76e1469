//! Preparation of corpora for every kind of task: the first byte selects the task and the file format, the rest
//! is the file. Prepared data must be readable in batches.
#![no_main]

use std::fs;
use std::path::Path;
use std::sync::Once;

use gensen_data::npy::Header;
use gensen_data::prepare::{DataOptions, prepare};
use gensen_data::spec::TaskSpec;
use gensen_fuzz::folder;

/// The tasks, and the name of the file that the fuzzer writes.
const TASKS: &[(&str, &str)] = &[
    ("kind='nli'\ntrain='f.tsv'", "f.tsv"),
    ("kind='nli'\ntrain='f.jsonl'", "f.jsonl"),
    ("kind='parsing'\ntrain='f.txt'", "f.txt"),
    ("kind='parsing'\ntrain='f.jsonl'", "f.jsonl"),
    ("kind='translation'\ntrain='f.tsv'\ntarget_language='fr'", "f.tsv"),
    ("kind='seq2seq'\ntrain={source='f.txt', target='f.txt'}", "f.txt"),
    ("kind='skip-thought'\ntrain='f.txt'", "f.txt"),
    ("kind='skip-thought'\nobjective='contrast'\ntrain='f.txt'", "f.txt"),
    ("kind='pairs'\ntrain='f.tsv'", "f.tsv"),
    ("kind='classification'\ntrain='f.tsv'", "f.tsv"),
    ("kind='distillation'\ntrain={path='text', teacher='f.npy'}", "f.npy"),
    ("kind='distillation'\ntrain={path='f.txt', teacher='two.npy'}", "f.txt"),
];

/// The folder of all files, with those that the fuzzer does not write.
fn base() -> &'static Path {
    static WRITTEN: Once = Once::new();
    WRITTEN.call_once(|| {
        fs::write(folder().join("text"), "a b .\nc d .\n").expect("writable");
        let mut npy = Header::write("<f4", &[2, 2], 128);
        npy.extend([1.0_f32, 0.0, 0.6, 0.8].iter().flat_map(|x| x.to_le_bytes()));
        fs::write(folder().join("two.npy"), npy).expect("writable");
    });
    folder()
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((which, bytes)) = bytes.split_first() else {
        return;
    };
    let (task, name) = TASKS[*which as usize % TASKS.len()];
    let tokenizer = ["whitespace", "nltk", "moses", "ptb"][*which as usize / TASKS.len() % 4];
    let base = base();
    fs::write(base.join(name), bytes).expect("writable");
    let task: TaskSpec = toml::from_str(&format!("name='t'\n{task}")).expect("a task");
    let options = DataOptions {
        tokenizer: tokenizer.into(),
        threads: 1,
        ..DataOptions::default()
    };
    let cache = base.join("cache");
    if let Ok(data) = prepare(&[task], &options, &cache, base, &|_| {}) {
        let words = data.source_vocabulary.len();
        assert!(words >= 4, "the special words are always there");
        let train = &data.tasks[0].train;
        let batches = train.sequential(7).map(|batch| batch.expect("a batch")).count() as u64;
        assert_eq!(batches, train.len().div_ceil(7));
    }
    if cache.exists() {
        fs::remove_dir_all(&cache).expect("writable");
    }
});
