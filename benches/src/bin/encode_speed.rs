//! Times encoding at the released models' size; `benches/peers/encode.py` does the same with PyTorch.
//!
//!     cargo run --release -p gensen-bench --bin encode_speed -- make FOLDER
//!     cargo run --release -p gensen-bench --bin encode_speed -- [OPTION]... FOLDER [CASE]...
//!
//! `make` writes a model folder with random weights and two files of sentences with the lengths of
//! SNLI and of news text. A case such as `snli-32-f32` is the file, the batch size (1: one call per
//! sentence) and the precision. `vectors-f32=FILE` writes the first 64 vectors as raw numbers.
//! Prints one JSON object per case.
//!
//! `--device NAME` is where to compute (default `cpu`). `--passes N` times N passes over all
//! sentences (default 1) and prints their median. A first batch is not timed; with several passes,
//! nor is a first pass, in which a GPU's kernels are compiled and tuned.
#![allow(clippy::disallowed_methods, clippy::print_stdout, clippy::print_stderr)]

use std::error::Error;
use std::fs;
use std::path::Path;
use std::time::Instant;

use gensen_bench::process::{peak_bytes, processor_seconds};
use gensen_data::vocabulary::Vocabulary;
use gensen_model::device::{self, Device};
use gensen_model::model_folder::{ModelConfig, ModelFolder, Provenance};
use gensen_model::weights::{
    EMBEDDING, EncoderState, StoredPrecision, Tensor, TensorMap, gru_tensor_name,
};
use gensen_model::{EncodeOptions, SentenceEncoder, load_on_with};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const CASES: [&str; 12] = [
    "snli-1-f32",
    "snli-32-f32",
    "snli-128-f32",
    "news-32-f32",
    "snli-1-bf16",
    "snli-32-bf16",
    "snli-128-bf16",
    "news-32-bf16",
    "snli-1-i8",
    "snli-32-i8",
    "snli-128-i8",
    "news-32-i8",
];
const WORDS: usize = 80_000;
const EMBEDDING_SIZE: usize = 512;
const HIDDEN_SIZE: usize = 1024;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    gensen_model::kernels::memory::keep_freed();
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut option = |name: &str| {
        let place = arguments.iter().position(|argument| argument == name)?;
        let of_option = place..arguments.len().min(place + 2);
        arguments.drain(of_option).nth(1)
    };
    let device = device::by_name(&option("--device").unwrap_or("cpu".into()))?;
    let passes: usize = option("--passes").unwrap_or("1".into()).parse()?;
    let bench = |folder| Bench {
        folder: Path::new(folder),
        device,
        passes,
    };
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => Err("say `make FOLDER` or `FOLDER [CASE]...`".into()),
        ["make", folder] => make(Path::new(folder)),
        [folder] => bench(folder).run(&CASES),
        [folder, ref cases @ ..] => bench(folder).run(cases),
    }
}

/// Writes a model of the released size, initialised like PyTorch's, and sentences.
fn make(folder: &Path) -> Outcome<()> {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut tensors = TensorMap::new();
    let mut insert = |name: &str, shape: &[usize], bound: f32| {
        let count = shape.iter().product();
        let values = (0..count).map(|_| random.random_range(-bound..bound));
        let tensor = Tensor::new(shape.to_vec(), values.collect())
            .ok_or("the number of values does not match the shape")?;
        tensors.insert(name.to_owned(), tensor);
        Outcome::Ok(())
    };
    insert(EMBEDDING, &[WORDS, EMBEDDING_SIZE], 1.0)?;
    let bound = (HIDDEN_SIZE as f32).sqrt().recip();
    for reverse in [false, true] {
        for (kind, shape) in [
            ("weight_ih", &[3 * HIDDEN_SIZE, EMBEDDING_SIZE][..]),
            ("weight_hh", &[3 * HIDDEN_SIZE, HIDDEN_SIZE]),
            ("bias_ih", &[3 * HIDDEN_SIZE]),
            ("bias_hh", &[3 * HIDDEN_SIZE]),
        ] {
            insert(&gru_tensor_name(kind, 0, reverse), shape, bound)?;
        }
    }
    let weights = EncoderState::new(tensors)?;
    let config = ModelConfig::new(&weights, Provenance::default());
    let ordinary = (Vocabulary::SPECIAL.len()..WORDS).map(|id| format!("word{id}"));
    let words = Vocabulary::SPECIAL.map(String::from).into_iter();
    let vocabulary = Vocabulary::from_words(words.chain(ordinary))?;
    fs::create_dir_all(folder)?;
    ModelFolder::new(config, vocabulary, weights)?
        .write(&folder.join("model"), StoredPrecision::F32)?;
    for (name, mean, longest) in [("snli", 11.0, 60), ("news", 27.0, 120)] {
        let lines = (0..8192).map(|_| sentence(&mut random, mean, longest) + "\n");
        fs::write(
            folder.join(format!("{name}.txt")),
            lines.collect::<String>(),
        )?;
    }
    Ok(())
}

/// Draws a log-normal length with this mean, and words with a skewed distribution: 22,000 words
/// have about 5,500 distinct ones, as in MultiNLI. (SNLI has 2,400.)
fn sentence(random: &mut impl Rng, mean: f64, longest: usize) -> String {
    const SPREAD: f64 = 0.45;
    // Twelve uniform numbers' sum is nearly normal with variance 1.
    let normal = (0..12).map(|_| random.random::<f64>()).sum::<f64>() - 6.0;
    let length = (mean.ln() - SPREAD * SPREAD / 2.0 + SPREAD * normal)
        .exp()
        .round() as usize;
    let ordinary = (WORDS - Vocabulary::SPECIAL.len()) as f64;
    let word = |_| {
        let rank = ordinary.powf(random.random::<f64>().powf(1.8)) - 1.0;
        format!("word{}", Vocabulary::SPECIAL.len() + rank as usize)
    };
    let words: Vec<String> = (0..length.clamp(2, longest)).map(word).collect();
    words.join(" ")
}

/// Model, sentences and options of a measurement.
struct Bench<'a> {
    folder: &'a Path,
    device: Device,
    passes: usize,
}

impl Bench<'_> {
    fn run(&self, cases: &[&str]) -> Outcome<()> {
        for case in cases {
            match case.split_once('=') {
                Some((what, place)) => {
                    let encoder = self.load(what.trim_start_matches("vectors-"))?;
                    let sentences = lines(self.folder, "snli", 64)?;
                    let vectors = encoder.encode(&sentences, &EncodeOptions::default())?;
                    let bytes = vectors.iter().flat_map(|x| x.to_le_bytes());
                    fs::write(place, bytes.collect::<Vec<u8>>())?;
                }
                None => println!("{}", self.measure(case)?),
            }
        }
        Ok(())
    }

    fn measure(&self, case: &str) -> Outcome<String> {
        let [file, batch, precision] = case.split('-').collect::<Vec<_>>()[..] else {
            return Err(
                format!("unknown case `{case}`, expected one such as `snli-32-f32`").into(),
            );
        };
        let batch: usize = batch.parse()?;
        let count = match (file, batch) {
            (_, 1) => 128,
            ("snli", _) => 2048.max(8 * batch),
            _ => 768,
        };
        let sentences = lines(self.folder, file, count)?;
        let encoder = self.load(precision)?;
        let options = EncodeOptions::default().batch_size(batch);
        let pass = || -> Outcome<()> {
            // Vectors are copied to the host, so the device is done.
            match batch {
                1 => {
                    for sentence in &sentences {
                        encoder.encode(std::slice::from_ref(sentence), &options)?;
                    }
                }
                _ => drop(encoder.encode(&sentences, &options)?),
            }
            Ok(())
        };
        encoder.encode(&sentences[..batch], &options)?;
        if self.passes > 1 {
            pass()?;
        }
        let (mut wall, mut processor) = (Vec::new(), Vec::new());
        let mut device_peak_bytes = None;
        for _ in 0..self.passes {
            let (start, before) = (Instant::now(), processor_seconds()?);
            pass()?;
            wall.push(start.elapsed().as_secs_f64());
            processor.push(processor_seconds()? - before);
            // Memory reserved by CubeCL; other back ends do not report it.
            let usage = self.device.memory_pool_usage();
            device_peak_bytes = device_peak_bytes.max(usage.map(|usage| usage.bytes_reserved));
        }
        Ok(serde_json::json!({
            "name": case,
            "sentences": sentences.len(),
            "threads": rayon::current_num_threads(),
            "seconds": median(wall).ok_or("--passes 0: there is nothing to time")?,
            "cpu_seconds": median(processor),
            "peak_bytes": peak_bytes()?,
            "device_peak_bytes": device_peak_bytes,
        })
        .to_string())
    }

    fn load(&self, precision: &str) -> Outcome<SentenceEncoder> {
        let precision = precision.parse()?;
        let model = self.folder.join("model");
        Ok(load_on_with(model, &self.device, precision)?)
    }
}

/// The median; of an even count, the upper one.
fn median(mut numbers: Vec<f64>) -> Option<f64> {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied()
}

fn lines(folder: &Path, file: &str, count: usize) -> Outcome<Vec<String>> {
    let text = fs::read_to_string(folder.join(format!("{file}.txt")))?;
    Ok(text.lines().take(count).map(String::from).collect())
}
