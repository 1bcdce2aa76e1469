//! The sentences of a file and their vectors, computed or saved by `embed`.

use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use gensen_encode::{ConcatEncoder, VectorOptions, VectorPrecision};
use gensen_search::{Matrix, QuantizationSteps, VectorFile};

use super::UsageError;
use super::encoding::{EncodingArguments, say_coverage};
use super::places::file;
use crate::lines::Lines;
use crate::terminal::Progress;

/// Paths of sentences, and of their saved vectors.
#[derive(clap::Args)]
pub(super) struct SentenceFiles {
    /// UTF-8 text with one sentence per line, plain or gzipped; `-` for standard input. Blank lines are skipped.
    #[arg(short, long, value_name = "FILE|-")]
    pub(super) input: PathBuf,
    /// The vectors of the input's lines, as `embed` saved them: .npy of 32- or 16-bit floats, 8-bit integers or, with
    /// --binary, bits; memory-mapped. [default: computed]
    #[arg(long, value_name = "FILE.npy", value_parser = file())]
    pub(super) index: Option<PathBuf>,
    /// The vectors of --index were saved with --truncate-dim N.
    #[arg(long, value_name = "N", requires = "index")]
    truncate_dim: Option<NonZeroUsize>,
    /// The vectors of --index were saved with --normalize. Matters for int8 and uint8, whose ranges then differ.
    #[arg(long, requires = "index")]
    normalize: bool,
    /// The vectors of --index were saved with --output-precision binary or ubinary. Cosines are then 1 - 2 h / n, where h of n
    /// bits differ.
    #[arg(long, requires = "index")]
    pub(super) binary: bool,
}

/// Saved vectors, open.
pub(super) struct Index {
    file: VectorFile,
    numbers: SavedNumbers,
}

/// The meaning of saved values.
enum SavedNumbers {
    Floats,
    Integers(QuantizationSteps),
    /// The number of dimensions.
    Bits(usize),
}

impl SentenceFiles {
    /// Dimensions of the saved vectors.
    pub(super) fn dimensions(&self, encoder: &ConcatEncoder) -> usize {
        self.truncate_dim.map_or(encoder.width(), NonZeroUsize::get)
    }

    /// Opens the vectors at `place`. `encoder` opens the model; called for integers and bits alone.
    pub(super) fn open(
        &self,
        place: &Path,
        encoding: &EncodingArguments,
        encoder: impl FnOnce() -> Result<ConcatEncoder>,
    ) -> Result<Index> {
        let file = VectorFile::open(place)?;
        if !file.matrix().is_integers() {
            if self.binary {
                bail!("--binary: {} holds floats", place.display());
            }
            let numbers = SavedNumbers::Floats;
            return Ok(Index { file, numbers });
        }
        let encoder = encoder()?;
        self.check_width(place, &file, &encoder)?;
        if self.binary {
            let numbers = SavedNumbers::Bits(self.dimensions(&encoder));
            return Ok(Index { file, numbers });
        }
        let converter = VectorOptions::default()
            .dimensions(self.dimensions(&encoder))
            .normalize(self.normalize)
            .precision(VectorPrecision::Int8)
            .converter(encoder.encoders(), &encoding.options())
            .with_context(|| {
                format!(
                    "--index {}: cannot determine the ranges of its integers",
                    place.display()
                )
            })?;
        let Some(ranges) = converter.ranges() else {
            bail!("--index {}: int8 without ranges", place.display());
        };
        let (smallest, largest) = (ranges.row(0).to_vec(), ranges.row(1).to_vec());
        let numbers = SavedNumbers::Integers(QuantizationSteps::of_ranges(&smallest, &largest)?);
        Ok(Index { file, numbers })
    }

    /// Refuses vectors that cannot be the encoder's.
    pub(super) fn check_width(
        &self,
        place: &Path,
        file: &VectorFile,
        encoder: &ConcatEncoder,
    ) -> Result<()> {
        let (found, own) = (file.matrix().width(), encoder.width());
        let dimensions = self.dimensions(encoder);
        if dimensions > own {
            let problem =
                format!("--truncate-dim {dimensions}: the model's vectors have {own} numbers");
            return Err(UsageError(problem).into());
        }
        let (expected, unit) = match self.binary {
            true => (dimensions.div_ceil(8), "bytes"),
            false => (dimensions, "numbers"),
        };
        if found == expected {
            return Ok(());
        }
        let guess =
            if file.matrix().is_integers() && !self.binary && found == dimensions.div_ceil(8) {
                " (for vectors saved with --output-precision binary, add --binary)".to_owned()
            } else if found < expected && self.truncate_dim.is_none() {
                let option = match self.binary {
                    true => "N".to_owned(),
                    false => found.to_string(),
                };
                format!(
                    " (for vectors saved with --truncate-dim {option}, add --truncate-dim {option})"
                )
            } else {
                String::new()
            };
        bail!(
            "--index {}: vectors of {found} {unit}, the model's have {expected}: were they saved with another \
             model?{guess}",
            place.display()
        )
    }
}

impl Index {
    pub(super) fn file(&self) -> &VectorFile {
        &self.file
    }

    pub(super) fn matrix(&self) -> Result<Matrix<'_>> {
        let matrix = self.file.matrix();
        Ok(match &self.numbers {
            SavedNumbers::Floats => matrix,
            SavedNumbers::Integers(steps) => matrix.with_steps(steps)?,
            SavedNumbers::Bits(dimensions) => matrix.with_bits(*dimensions)?,
        })
    }
}

/// The lines of a file, and the indices of the kept ones.
pub(super) struct InputLines {
    pub(super) lines: Vec<String>,
    /// Indices of lines that are not blank and, for distinct lines, not equal to an earlier one.
    pub(super) kept: Vec<usize>,
}

impl InputLines {
    pub(super) fn read(input: &Path, distinct: bool) -> Result<Self> {
        let mut input = Lines::open(input)?;
        let mut lines: Vec<String> = Vec::new();
        while let Some(line) = input.next()? {
            lines.push(line);
        }
        let mut seen = HashSet::new();
        let kept = lines.iter().enumerate().filter(|(_, line)| {
            let line = line.trim();
            !line.is_empty() && (!distinct || seen.insert(line))
        });
        let kept: Vec<usize> = kept.map(|(number, _)| number).collect();
        if kept.is_empty() {
            bail!("{}: no sentence", input.name());
        }
        Ok(Self { lines, kept })
    }

    /// The number, from 1, and the text of the line of a row.
    pub(super) fn of_row(&self, row: usize) -> (u64, &str) {
        let line = self.kept[row];
        (line as u64 + 1, &self.lines[line])
    }

    /// The vectors of the kept lines, out of those of all lines.
    pub(super) fn select<'a>(
        &'a self,
        all: Matrix<'a>,
        input: &Path,
        index: &Path,
    ) -> Result<Matrix<'a>> {
        let (lines, rows) = (self.lines.len(), all.rows());
        if lines != rows {
            let (input, index) = (input.display(), index.display());
            bail!(
                "{input} has {lines} lines, but {index} has {rows} vectors: expected one per line"
            );
        }
        match self.kept.len() == lines {
            true => Ok(all),
            false => Ok(all.with_rows(&self.kept)?),
        }
    }
}

/// Sentences with vectors.
pub(super) struct EncodedText<'a> {
    pub(super) texts: InputLines,
    input: &'a Path,
    vectors: VectorOrigin<'a>,
}

enum VectorOrigin<'a> {
    /// The vectors of the kept lines, and their width.
    Computed(Vec<f32>, usize),
    /// The vectors of all lines.
    Saved(Index, &'a Path),
}

impl<'a> EncodedText<'a> {
    /// Reads a file; computes its vectors unless they were saved.
    pub(super) fn open(
        encoding: &EncodingArguments,
        sentences: &'a SentenceFiles,
        distinct: bool,
    ) -> Result<Self> {
        let input = &*sentences.input;
        let encoder = || encoding.encoder(&encoding.places()?);
        let (texts, vectors) = match &sentences.index {
            Some(place) => {
                let index = sentences.open(place, encoding, encoder)?;
                (
                    InputLines::read(input, distinct)?,
                    VectorOrigin::Saved(index, place),
                )
            }
            None => {
                let texts = InputLines::read(input, distinct)?;
                let encoder = encoder()?;
                let vectors = compute(encoding, &encoder, &texts, input)?;
                (texts, VectorOrigin::Computed(vectors, encoder.width()))
            }
        };
        let corpus = Self {
            texts,
            input,
            vectors,
        };
        corpus.matrix()?;
        Ok(corpus)
    }

    /// A row for each kept line.
    pub(super) fn matrix(&self) -> Result<Matrix<'_>> {
        match &self.vectors {
            VectorOrigin::Computed(vectors, width) => Ok(Matrix::from_floats(vectors, *width)?),
            VectorOrigin::Saved(index, place) => {
                self.texts.select(index.matrix()?, self.input, place)
            }
        }
    }

    /// Names the line of a vector that cannot be compared.
    pub(super) fn located<T>(&self, result: Result<T, gensen_search::SearchError>) -> Result<T> {
        result.map_err(|error| match error {
            gensen_search::SearchError::NotFinite { row } => {
                let (line, _) = self.texts.of_row(row);
                let error = anyhow::Error::from(error);
                error.context(format!(
                    "the vector of line {line} of {}",
                    self.input.display()
                ))
            }
            error => error.into(),
        })
    }
}

/// The vectors of the kept lines, one after the other.
fn compute(
    encoding: &EncodingArguments,
    encoder: &ConcatEncoder,
    texts: &InputLines,
    input: &Path,
) -> Result<Vec<f32>> {
    let options = encoding.options();
    let all: u64 = texts
        .kept
        .iter()
        .map(|&k| texts.lines[k].len() as u64 + 1)
        .sum();
    let progress = Progress::new(Some(all));
    let mut vectors = Vec::with_capacity(texts.kept.len() * encoder.width());
    let mut coverage = gensen_encode::Coverage::default();
    let (mut bytes, mut sentences) = (0, 0);
    for lines in texts.kept.chunks(64 * encoding.batch_size as usize) {
        let chunk: Vec<&str> = lines.iter().map(|&k| texts.lines[k].as_str()).collect();
        let encoded = encoder
            .encode_ragged(&chunk, &options, false, &mut |_| {})
            .with_context(|| format!("in {} after line {}", input.display(), lines[0]))?;
        coverage += encoded.coverage;
        vectors.extend(encoded.vectors);
        bytes += chunk.iter().map(|line| line.len() as u64 + 1).sum::<u64>();
        sentences += chunk.len() as u64;
        progress.show(bytes, sentences);
    }
    drop(progress);
    say_coverage(coverage);
    Ok(vectors)
}
