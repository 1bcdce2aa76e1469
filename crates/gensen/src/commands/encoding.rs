//! Options and steps that all commands that encode text share.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use clap::builder::PossibleValuesParser;
use gensen_data::error::chain;
use gensen_data::tokenizer::NAMES;
use gensen_encode::model_folder::{CONFIG_FILE, MAP_FILE, VOCABULARY_FILE, WEIGHTS_FILE};
use gensen_encode::{
    ConcatEncoder, Coverage, EncodeOptions, EncoderPrecision, Pooling, SentenceEncoder,
    UnknownWords,
};

use super::UsageError;
use super::places::file;
use crate::device::Device;
use crate::{english, hub, part};

/// `--pool`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Pool {
    /// The last states of both directions.
    Last,
    /// The maximum of each component over the words.
    Max,
    /// The mean of each component over the words.
    Mean,
    /// The maximum, a batch's zero padding included, as in the reference implementation.
    MaxPadded,
}

impl From<Pool> for Pooling {
    fn from(pool: Pool) -> Self {
        match pool {
            Pool::Last => Self::Last,
            Pool::Max => Self::Max,
            Pool::Mean => Self::Mean,
            Pool::MaxPadded => Self::MaxPadded,
        }
    }
}

/// `--precision`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum WeightPrecision {
    /// 32-bit floats.
    F32,
    /// 16-bit floats: half the memory.
    F16,
    /// bfloat16: half the memory, faster on processors with bf16 products; vectors differ slightly.
    Bf16,
    /// 8-bit integers: a quarter of the memory, faster; vectors differ slightly (cosine 0.999 and more).
    I8,
}

impl From<WeightPrecision> for EncoderPrecision {
    fn from(weights: WeightPrecision) -> Self {
        match weights {
            WeightPrecision::F32 => Self::F32,
            WeightPrecision::F16 => Self::F16,
            WeightPrecision::Bf16 => Self::Bf16,
            WeightPrecision::I8 => Self::I8,
        }
    }
}

#[derive(clap::Args)]
#[command(next_help_heading = "Model")]
pub(super) struct EncodingArguments {
    /// A model folder, or a model on the Hugging Face Hub. Repeat it to concatenate the vectors of several models.
    /// [default: the built-in model]
    #[arg(short, long, required = !english::IS_THERE, value_name = "DIR|hf://OWNER/NAME[@REV]", value_parser = file())]
    model: Vec<PathBuf>,
    /// Pooling of hidden states into a vector. [default: each model's own]
    #[arg(long)]
    pool: Option<Pool>,
    /// Tokeniser. [default: each model's own]
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(NAMES))]
    tokenizer: Option<String>,
    /// Language of the text, for the tokeniser: en, fr or de.
    #[arg(long, default_value = "en", value_name = "LANGUAGE")]
    language: String,
    /// Lower-case the text. [default: as each model was trained]
    #[arg(long)]
    lowercase: bool,
    /// Embedding of unknown words: `unk`, or by `spelling`, the mean of the known words most similar to it.
    /// [default: each model's own]
    #[arg(long, value_name = "unk|spelling")]
    unknown_words: Option<UnknownWords>,
    /// Do not add <s> and </s> around sentences.
    #[arg(long)]
    no_start_end: bool,
    /// Sentences per batch.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=65536), value_name = "N")]
    pub(super) batch_size: u32,
    /// Precision of the encoder's weights in memory; f16 and i8 need the CPU.
    #[arg(long, default_value = "f32")]
    precision: WeightPrecision,
    /// Device: `auto`, a name such as `cuda:1`, or `list` to print all.
    #[arg(long, default_value = "auto", value_name = "NAME|list")]
    pub(super) device: String,
    /// Number of threads. [default: all cores]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1024), value_name = "N")]
    threads: Option<u32>,
}

impl EncodingArguments {
    /// The locations of the models, downloaded if necessary.
    pub(super) fn places(&self) -> Result<Vec<ModelPlace>> {
        places(&self.model)
    }

    /// Opens the models at these places.
    pub(super) fn encoder(&self, places: &[ModelPlace]) -> Result<ConcatEncoder> {
        use_threads(self.threads)?;
        if let Some(name) = &self.tokenizer {
            gensen_data::tokenizer::by_name(name, &self.language, &Default::default())
                .map_err(|error| UsageError(format!("--tokenizer: {}", chain(&error))))?;
        }
        let device = Device::open(&self.device)?;
        let encoders = places
            .iter()
            .map(|place| place.load(&device, self.precision.into()));
        Ok(ConcatEncoder::new(encoders.collect::<Result<_>>()?)?)
    }

    /// Whether a sentence's vector depends on the sentences beside it.
    pub(super) fn depends_on_batches(&self, encoder: &ConcatEncoder) -> bool {
        let models = encoder.encoders().iter();
        models
            .map(|encoder| encoder.model().config().pooling)
            .any(|pooling| self.pool.map_or(pooling, Pooling::from) == Pooling::MaxPadded)
    }

    /// Everything the vectors depend on except the models and the text. (Batch size and number of threads
    /// do not matter.)
    pub(super) fn described(&self) -> String {
        let Self {
            // Covered by the hash of its files.
            model: _,
            // Part of the options.
            pool: _,
            tokenizer: _,
            language: _,
            lowercase: _,
            unknown_words: _,
            no_start_end: _,
            batch_size: _,
            precision,
            // Results differ only by rounding between devices, and not at all between numbers of threads.
            device: _,
            threads: _,
        } = self;
        let options = self.options().batch_size(1);
        format!("{options:?}; {precision:?}")
    }

    pub(super) fn options(&self) -> EncodeOptions {
        let mut options = EncodeOptions::default()
            .language(&self.language)
            .start_end(!self.no_start_end)
            .batch_size(self.batch_size as usize);
        if let Some(pool) = self.pool {
            options = options.pooling(pool.into());
        }
        if let Some(name) = &self.tokenizer {
            options = options.tokenizer(name);
        }
        if self.lowercase {
            options = options.lowercase(true);
        }
        if let Some(unknown_words) = self.unknown_words {
            options = options.unknown_words(unknown_words);
        }
        options
    }
}

/// The location of a model.
pub(super) enum ModelPlace {
    /// A model folder.
    Folder(PathBuf),
    /// The built-in model.
    InTheBox,
}

impl ModelPlace {
    /// Opens the model.
    pub(super) fn load(
        &self,
        device: &Device,
        precision: EncoderPrecision,
    ) -> Result<SentenceEncoder> {
        Ok(match self {
            Self::Folder(folder) => device.load(folder, precision)?,
            Self::InTheBox => device.encoder(english::model()?, precision)?,
        })
    }

    /// The SHA-256 of the model's configuration, weights and words; `with_map`, of its vocabulary map too, if it has one.
    pub(super) fn sha256(&self, with_map: bool) -> Result<String> {
        let Self::Folder(folder) = self else {
            return Ok(part::sha256_of(&english::files()?));
        };
        let files = [CONFIG_FILE, WEIGHTS_FILE, VOCABULARY_FILE].map(|name| folder.join(name));
        let map = self.map_file().filter(|_| with_map);
        part::sha256(&files.into_iter().chain(map).collect::<Vec<_>>())
    }

    /// The file of the model's vocabulary map, if it has one.
    pub(super) fn map_file(&self) -> Option<PathBuf> {
        match self {
            Self::Folder(folder) => Some(folder.join(MAP_FILE)).filter(|file| file.is_file()),
            Self::InTheBox => None,
        }
    }
}

impl fmt::Display for ModelPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => write!(f, "{}", folder.display()),
            Self::InTheBox => f.write_str("the built-in model"),
        }
    }
}

/// The locations of these models, downloaded if necessary; without names, the built-in model.
pub(super) fn places(models: &[PathBuf]) -> Result<Vec<ModelPlace>> {
    if models.is_empty() {
        return Ok(vec![ModelPlace::InTheBox]);
    }
    let places = models.iter().map(|model| folder(model));
    places.map(|place| place.map(ModelPlace::Folder)).collect()
}

/// Sets the number of threads; all cores if `None`.
pub(super) fn use_threads(threads: Option<u32>) -> Result<()> {
    if let Some(threads) = threads {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads as usize)
            .build_global()
            .context("--threads")?;
    }
    Ok(())
}

/// The folder of a model: itself, or that of the hub's cache if it is `hf://OWNER/NAME[@REV]`.
pub(super) fn folder(model: &Path) -> Result<PathBuf> {
    match model.to_str() {
        Some(name) if name.starts_with(hub::SCHEME) => Ok(hub::fetch(name)?),
        _ => match run_hint(model) {
            Some(hint) => bail!("{}: {hint}", model.display()),
            None if !model.exists() && is_hub_name(model) => {
                let (name, scheme) = (model.display(), hub::SCHEME);
                bail!("{name}: no such folder; the hub's model of that name is {scheme}{name}")
            }
            None if !model.exists() => bail!("{}: no such model folder", model.display()),
            None => Ok(model.to_owned()),
        },
    }
}

/// Whether this could be a model's name on the hub, OWNER/NAME or OWNER/NAME@REVISION.
pub(super) fn is_hub_name(path: &Path) -> bool {
    let plain = |part: &str| {
        let known = |c: char| c.is_ascii_alphanumeric() || "._-@".contains(c);
        part.starts_with(|c: char| c.is_ascii_alphanumeric()) && part.chars().all(known)
    };
    let parts = path.to_str().and_then(|name| name.split_once('/'));
    parts.is_some_and(|(owner, name)| plain(owner) && plain(name))
}

/// Logs the vocabulary coverage; warns if it is low.
pub(super) fn say_coverage(coverage: Coverage) {
    if coverage.is_poor() {
        tracing::warn!(
            "{coverage}. Such vectors mean little: --vectors extends the vocabulary (`embed` and `expand`); \
             --tokenizer and --lowercase should be those of training"
        );
    } else if coverage.words > 0 {
        tracing::debug!("{coverage}");
    }
}

/// A hint for the folder of a training run: where its model is, or how to export one.
pub(super) fn run_hint(folder: &Path) -> Option<String> {
    let has = |file: &str| folder.join(file).exists();
    if has(CONFIG_FILE) || has(WEIGHTS_FILE) || !(has("config.toml") || has("checkpoints")) {
        return None;
    }
    let model = folder.join("model");
    let hint = if model.join(CONFIG_FILE).is_file() {
        format!("its model is {}", model.display())
    } else {
        let run = folder.display();
        format!("make a model of it with `gensen train export --run {run} --output DIR`")
    };
    Some(format!("the folder of a training run; {hint}"))
}
