//! `gensen embed`: sentences to vectors.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use gensen_encode::{ConcatEncoder, Coverage, EncodeOptions};

use super::UsageError;
use super::conversion::ConversionArguments;
use super::encoding::{EncodingArguments, ModelPlace, say_coverage};
use super::expansion::{MappedVectors, WordVectorArguments, add_words};
use super::places::{distinct, ends_in, file, read_twice, writable};
use crate::device;
use crate::lines::Lines;
use crate::npy::{Npy, PaddedNpy};
use crate::part::{self, MadeFrom, Part, PartRecord};
use crate::terminal::Progress;
use crate::vector_output::{Format, VectorOutput, Written};

/// Encode sentences as vectors, from the command line or from a file.
///
/// Row i of the output is line i of the input; blank lines count. Input of any size is streamed; the output file
/// appears once it is complete.
#[derive(clap::Args)]
#[group(id = "sentences", required = true, multiple = true, args = ["texts", "input"])]
#[command(
    after_help = "Examples:\n  gensen embed \"A sentence.\" \"Another.\"\n  gensen embed --model models/nli_large --input sentences.txt --output vectors.npy\n  \
                  gensen embed --model models/a --model models/b --input - --output - --format jsonl < sentences.txt"
)]
pub(crate) struct Arguments {
    /// Sentences to encode.
    #[arg(
        value_name = "TEXT",
        conflicts_with_all = ["input", "part", "vectors", "hidden_states", "lengths"]
    )]
    texts: Vec<String>,
    /// UTF-8 text with one sentence per line, plain or gzipped; `-` for standard input.
    #[arg(short, long, value_name = "FILE|-")]
    input: Option<PathBuf>,
    /// Output: `[lines, width]` in .npy; or vectors with their sentences in .jsonl, .csv (also .jsonl.gz, .csv.gz) or
    /// .parquet. `-` is standard output, as JSON lines or, with --format, CSV. [default: -]
    #[arg(short, long, value_name = "FILE|-")]
    output: Option<PathBuf>,
    /// Output format. [default: by extension; npy without one, jsonl on standard output]
    #[arg(long)]
    format: Option<Format>,
    /// Also write all hidden states, `[lines, longest, width]`, zero padded.
    #[arg(long, value_name = "FILE.npy", value_parser = file())]
    hidden_states: Option<PathBuf>,
    /// Also write the sentences' lengths in words, <s> and </s> included, `[lines]`.
    #[arg(long, value_name = "FILE.npy", value_parser = file())]
    lengths: Option<PathBuf>,
    /// Encode only part I of N of the input's lines, for N machines; concatenated, the parts are the whole output.
    /// `gensen inspect` on all outputs checks that they fit together, by the OUTPUT.part.json beside each (standard
    /// output has none).
    #[arg(long, value_name = "I/N")]
    part: Option<Part>,
    /// Word vectors that extend the models' vocabularies with the input's unknown words.
    #[arg(long, value_name = "FILE", value_parser = file())]
    vectors: Option<PathBuf>,
    #[command(flatten)]
    vector_options: WordVectorArguments,
    #[command(flatten)]
    conversion: ConversionArguments,
    #[command(flatten)]
    encoding: EncodingArguments,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    device::guard(&arguments.encoding.device, || {
        let output = arguments.output.as_deref().unwrap_or(Path::new("-"));
        match &arguments.input {
            Some(input) => embed(arguments, input, output),
            None => embed_texts(arguments, output),
        }
    })
}

/// Refuses outputs that are inputs, coincide or cannot be written. Returns the output's format.
fn check_places(arguments: &Arguments, input: &Path, output: &Path) -> Result<Written, UsageError> {
    let record = PartRecord::place(output);
    let vector_words = &arguments.vector_options.vector_words;
    let mut inputs = vec![("--input", input)];
    inputs.extend(arguments.vectors.as_deref().map(|path| ("--vectors", path)));
    inputs.extend(vector_words.as_deref().map(|path| ("--vector-words", path)));
    let mut outputs = vec![("--output", output)];
    if output != Path::new("-") {
        outputs.push(("the part's record of --output", &record));
    }
    let states = arguments.hidden_states.as_deref();
    let states = states.map(|path| ("--hidden-states", path));
    let lengths = arguments.lengths.as_deref().map(|path| ("--lengths", path));
    let arrays = states.into_iter().chain(lengths);
    outputs.extend(arrays.clone());
    distinct(&inputs, &outputs)?;
    let written = Format::of(arguments.format, output)?;
    for (option, path) in arrays {
        ends_in(option, path, "npy")?;
    }
    if arguments.part.is_some() {
        read_twice(&inputs, "--part hashes its inputs")?;
        read_twice(&outputs[..1], "--part hashes its output")?;
        if written.gzip || !matches!(written.format, Format::Npy | Format::Jsonl) {
            let problem = "--part: parts are .npy or .jsonl, which can be put end to end";
            return Err(UsageError(problem.into()));
        }
    } else {
        outputs.retain(|(_, path)| *path != record);
    }
    writable(&outputs)?;
    Ok(written)
}

/// Encodes the sentences of the command line.
fn embed_texts(arguments: &Arguments, place: &Path) -> Result<()> {
    let written = Format::of(arguments.format, place)?;
    if let [text] = &arguments.texts[..]
        && Path::new(text).is_file()
    {
        tracing::warn!(
            "`{text}` is encoded as a sentence; to encode the lines of that file: --input {text}"
        );
    }
    writable(&[("--output", place)])?;
    let encoder = arguments.encoding.encoder(&arguments.encoding.places()?)?;
    let options = arguments.encoding.options();
    let converter = arguments.conversion.converter(&encoder, &options)?;
    let encoded = encoder.encode_ragged(&arguments.texts, &options, false, &mut |_| {})?;
    say_coverage(encoded.coverage);
    let vectors = converter.convert(encoded.vectors)?;
    let (lines, columns) = vectors.dim();
    let mut output = VectorOutput::create(place, written, &converter, 0)?;
    output.write(&arguments.texts, &vectors)?;
    output.finish(lines as u64, columns as u64)
}

/// Encodes the lines of a file.
fn embed(arguments: &Arguments, input_place: &Path, output_place: &Path) -> Result<()> {
    let to_standard_output = output_place == Path::new("-");
    if arguments.part.is_some() && input_place == Path::new("-") {
        let problem = "--part: needs a file as --input, whose lines can be counted first";
        return Err(UsageError(problem.into()).into());
    }
    let written = check_places(arguments, input_place, output_place)?;
    if let Some(vectors) = &arguments.vectors {
        // A missing file fails here, before the pass over the input.
        File::open(vectors).with_context(|| vectors.display().to_string())?;
    }
    let (mut input, hash) = match arguments.part {
        Some(part) => {
            let (input, hash) = Lines::open_hashed(input_place)?;
            (input, Some((part, hash)))
        }
        None => (Lines::open(input_place)?, None),
    };
    let models = arguments.encoding.places()?;
    let mut encoder = arguments.encoding.encoder(&models)?;
    if arguments.part.is_some() && arguments.encoding.depends_on_batches(&encoder) {
        let problem = "--part: with max-padded pooling, vectors depend on the sentences beside them, \
                       and parts would not be the whole's";
        return Err(UsageError(problem.into()).into());
    }
    let options = arguments.encoding.options();
    let converter = arguments.conversion.converter(&encoder, &options)?;
    let each = arguments.encoding.depends_on_batches(&encoder);
    let mut survey = Survey::default();
    if arguments.vectors.is_some() || arguments.part.is_some() {
        input = input.twice(input_place, |input| {
            survey.read(input, arguments, &encoder, &options)
        })?;
    }
    if let Some(vectors) = &arguments.vectors {
        encoder = expanded(arguments, vectors, &encoder, &models, &survey.words)?;
    }
    let columns = converter.columns() as u64;
    let origin = match hash {
        Some((part, hash)) => {
            let (lines, sha256) = (survey.lines, hash.finish());
            Some((part, origin(arguments, lines, sha256, &models, columns)?))
        }
        None => None,
    };
    let (first, mut left) = match &origin {
        Some((part, origin)) => part.of(origin.input_lines),
        None => (0, u64::MAX),
    };
    input.skip(first)?;
    let mut output = VectorOutput::create(output_place, written, &converter, first)?;
    if output.is_read_along() && !each {
        input = input.live();
    }
    let mut coverage = Coverage::default();
    let mut states = match &arguments.hidden_states {
        Some(path) => Some(PaddedNpy::create(path, encoder.width())?),
        None => None,
    };
    let mut lengths = Vec::new();
    let progress = Progress::new(input.size());
    let mut lines = 0;
    loop {
        let before = input.bytes();
        let chunk = input.chunk(arguments.encoding.batch_size as usize, left)?;
        if chunk.is_empty() {
            break;
        }
        let bytes = input.bytes() - before;
        let count = chunk.len() as u64;
        let mut show = |done: usize| {
            progress.show(before + bytes * done as u64 / count, lines + done as u64);
        };
        let begin = first + lines + 1;
        let encoded = encoder
            .encode_ragged(&chunk, &options, states.is_some(), &mut show)
            .with_context(|| {
                format!(
                    "in the sentences from line {begin} of {}",
                    input_place.display()
                )
            })?;
        coverage += encoded.coverage;
        output.write(&chunk, &converter.convert(encoded.vectors)?)?;
        if let (Some(file), Some(states)) = (&mut states, &encoded.states) {
            file.write(states.iter().copied())?;
        }
        if arguments.lengths.is_some() || states.is_some() {
            lengths.extend(encoded.lengths.iter().map(|&length| length as i64));
        }
        lines += count;
        left -= count;
    }
    drop(progress);
    say_coverage(coverage);
    if let Some(states) = states {
        states.finish(&lengths)?;
    }
    if let Some(path) = &arguments.lengths {
        let mut file = Npy::create(path)?;
        let count = lengths.len() as u64;
        file.write_integers(lengths)?;
        file.finish("<i8", &[count])?;
    }
    if to_standard_output {
        return output.finish(lines, columns);
    }
    PartRecord::remove(output_place)?;
    output.finish(lines, columns)?;
    match origin {
        Some((part, origin)) => {
            let output_sha256 = part::sha256(&[output_place.to_owned()])?;
            let record = PartRecord {
                part,
                origin,
                output_sha256,
            };
            record.write(output_place)
        }
        None => Ok(()),
    }
}

/// The results of a first pass over the input.
#[derive(Default)]
struct Survey {
    lines: u64,
    /// The distinct words, collected only with --vectors.
    words: BTreeSet<String>,
}

impl Survey {
    fn read(
        &mut self,
        input: &mut Lines,
        arguments: &Arguments,
        encoder: &ConcatEncoder,
        options: &EncodeOptions,
    ) -> Result<()> {
        loop {
            let chunk = input.chunk(64, u64::MAX)?;
            if chunk.is_empty() {
                return Ok(());
            }
            self.lines += chunk.len() as u64;
            if arguments.vectors.is_some() {
                add_words(&mut self.words, encoder, &chunk, options)?;
            }
        }
    }
}

/// The provenance of a part: everything its vectors depend on.
fn origin(
    arguments: &Arguments,
    input_lines: u64,
    input_sha256: String,
    models: &[ModelPlace],
    width: u64,
) -> Result<MadeFrom> {
    let Arguments {
        encoding,
        vectors,
        vector_options,
        // Covered by the other parameters: only a file of sentences has parts.
        texts: _,
        input: _,
        // Output paths and the part's index do not affect the vectors.
        output: _,
        format: _,
        hidden_states: _,
        lengths: _,
        conversion,
        part: _,
    } = arguments;
    let vectors_sha256 = match vectors {
        Some(path) => Some(part::sha256(&vector_options.read().files(path)?)?),
        None => None,
    };
    Ok(MadeFrom {
        input_lines,
        input_sha256,
        models_sha256: models
            .iter()
            // Includes the saved vocabulary map only if word vectors are mapped.
            .map(|model| model.sha256(vectors.is_some()))
            .collect::<Result<_>>()?,
        vectors_sha256,
        options: format!(
            "{}; {}; {}",
            encoding.described(),
            conversion.described(),
            vector_options.described()
        ),
        width,
    })
}

/// Expands the models' vocabularies with these words of the input.
fn expanded(
    arguments: &Arguments,
    vectors: &Path,
    encoder: &ConcatEncoder,
    models: &[ModelPlace],
    words: &BTreeSet<String>,
) -> Result<ConcatEncoder> {
    if words.is_empty() {
        return Ok(encoder.clone());
    }
    let words = words.iter().map(String::as_str);
    let expansion = MappedVectors::open(
        vectors,
        &arguments.vector_options,
        encoder.encoders(),
        models,
        words.clone(),
    )?;
    let expanded = expansion
        .expand(encoder.encoders(), words)
        .map(|(_, expanded)| {
            let (encoder, report) = expanded?;
            tracing::info!("{report}");
            Ok(encoder)
        });
    Ok(ConcatEncoder::new(expanded.collect::<Result<_>>()?)?)
}
