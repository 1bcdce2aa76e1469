//! The encoders to evaluate: the models, concatenated, and baselines.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::ValueEnum;
use gensen_encode::{ConcatEncoder, EncoderPrecision, SentenceEncoder};
use gensen_eval::baselines::BagOfVectors;
use gensen_eval::tasks::Pooling;
use gensen_eval::{Embedder, EncoderEmbedder, EvalOptions, Identity, Role};
use gensen_expand::{VocabularyMap, WordSelection, WordVectors};

use super::super::UsageError;
use super::super::encoding::{ModelPlace, places, use_threads};
use super::super::expansion::{WordVectorArguments, map};
use super::super::places::{NamedPath, file};
use crate::device::Device;
use crate::terminal::Busy;
use crate::{english, hub};

/// Width of random projections, that of the published row.
const PROJECTED_WIDTH: usize = 4096;
/// The seed of random projections and random initialisations; the k-th model adds k to it.
const SEED: u32 = 1111;

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// A model folder, or a model on the Hugging Face Hub. Repeat it to concatenate the vectors of several models.
    /// [default: the built-in model; none with --baseline bow or borep alone]
    #[arg(short, long, value_name = "DIR|hf://OWNER/NAME[@REV]", value_parser = file())]
    model: Vec<PathBuf>,
    /// Word vectors that extend the vocabulary for each task: GloVe, word2vec, fastText, HDF5 or .npy.
    #[arg(long, value_name = "FILE", value_parser = file())]
    vectors: Option<PathBuf>,
    #[command(flatten)]
    vector_options: WordVectorArguments,
    /// Baselines to compare with.
    #[arg(long, value_delimiter = ',', value_name = "NAME,...")]
    baseline: Vec<Baseline>,
    /// Sentences per batch.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=65536), value_name = "N")]
    batch_size: u32,
    /// Device: `auto`, a name such as `cuda:1`, or `list` to print all.
    #[arg(long, default_value = "auto", value_name = "NAME|list")]
    pub(super) device: String,
    /// Number of threads. [default: all cores]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1024), value_name = "N")]
    threads: Option<u32>,
}

/// `--baseline`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Baseline {
    /// The models before training.
    Random,
    /// The mean of a sentence's word vectors.
    Bow,
    /// A random projection of its word vectors, then their maximum.
    Borep,
}

impl Arguments {
    /// The files that are read beside the models and the tasks.
    pub(super) fn inputs(&self) -> Vec<NamedPath<'_>> {
        let words = &self.vector_options.vector_words;
        let vectors = self.vectors.as_deref().map(|path| ("--vectors", path));
        let words = words.as_deref().map(|path| ("--vector-words", path));
        vectors.into_iter().chain(words).collect()
    }

    /// Whether the words of word vectors come from the tasks, or baselines are evaluated after the models.
    pub(super) fn reads_or_repeats_tasks(&self) -> bool {
        self.vectors.is_some() || !self.baseline.is_empty()
    }

    pub(super) fn check(&self) -> Result<(), UsageError> {
        let usage = |problem: &str| Err(UsageError(problem.to_owned()));
        let has = |baseline| self.baseline.contains(&baseline);
        if !english::IS_THERE
            && self.model.is_empty()
            && (self.baseline.is_empty() || has(Baseline::Random))
        {
            return usage("--model: required in this build, which has no built-in model");
        }
        if self.vectors.is_none() && (has(Baseline::Bow) || has(Baseline::Borep)) {
            return usage("--baseline bow and borep need word vectors: --vectors FILE");
        }
        Ok(())
    }

    /// The locations of the models; empty if only baselines without a model are selected.
    fn places(&self) -> Result<Vec<ModelPlace>> {
        let alone = !self.baseline.is_empty() && !self.baseline.contains(&Baseline::Random);
        if self.model.is_empty() && alone {
            return Ok(Vec::new());
        }
        places(&self.model)
    }

    /// The models' name in reports.
    fn name(&self) -> String {
        if self.model.is_empty() {
            return english::NAME.to_owned();
        }
        let names: Vec<String> = self.model.iter().map(|path| model_name(path)).collect();
        names.join(" + ")
    }
}

/// Word vectors and the hash of their file.
struct NamedWordVectors {
    vectors: WordVectors,
    name: String,
    source: String,
}

/// The models and word vectors of an evaluation.
pub(super) struct Encoders<'a> {
    arguments: &'a Arguments,
    device: Device,
    places: Vec<ModelPlace>,
    models: Vec<SentenceEncoder>,
    vectors: Option<NamedWordVectors>,
}

impl<'a> Encoders<'a> {
    /// Opens the models, and reads the vectors of their words and the tasks'.
    pub(super) fn open(arguments: &'a Arguments, options: &EvalOptions) -> Result<Self> {
        use_threads(arguments.threads)?;
        let device = Device::open(&arguments.device)?;
        let places = arguments.places()?;
        let models: Vec<SentenceEncoder> = places
            .iter()
            .map(|place| place.load(&device, EncoderPrecision::F32))
            .collect::<Result<_>>()?;
        let vectors = match &arguments.vectors {
            Some(path) => Some(read_vectors(
                path,
                &arguments.vector_options,
                &models,
                options,
            )?),
            None => None,
        };
        Ok(Self {
            arguments,
            device,
            places,
            models,
            vectors,
        })
    }

    pub(super) fn models(&self) -> &[SentenceEncoder] {
        &self.models
    }

    /// The models, if any, then the baselines.
    pub(super) fn embedders(&self) -> Result<Vec<Box<dyn Embedder + '_>>> {
        let mut embedders: Vec<Box<dyn Embedder + '_>> = Vec::new();
        let name = self.arguments.name();
        if !self.models.is_empty() {
            embedders.push(self.embedder(&name, Role::Model, self.models.clone())?);
        }
        for baseline in &self.arguments.baseline {
            embedders.push(match (baseline, &self.vectors) {
                (Baseline::Random, _) => {
                    let models = (u64::from(SEED)..).zip(&self.models);
                    let untrained = models.map(|(seed, trained)| {
                        let model = trained.model().untrained(seed)?;
                        Ok(self.device.encoder(model, EncoderPrecision::F32)?)
                    });
                    let untrained = untrained.collect::<Result<_>>()?;
                    let name = format!("{name}, random initialisation");
                    self.embedder(&name, Role::RandomInitialisation, untrained)?
                }
                (Baseline::Bow, Some(vectors)) => Box::new(vectors.bag().pooling(Pooling::Mean)),
                (Baseline::Borep, Some(vectors)) => Box::new(
                    vectors
                        .bag()
                        .pooling(Pooling::Max)
                        .project(PROJECTED_WIDTH, SEED),
                ),
                // `Arguments::check` requires them.
                (_, None) => return Err(UsageError("--vectors FILE is missing".into()).into()),
            });
        }
        Ok(embedders)
    }

    fn embedder(
        &self,
        name: &str,
        role: Role,
        encoders: Vec<SentenceEncoder>,
    ) -> Result<Box<dyn Embedder + '_>> {
        let fit = self.arguments.vector_options.fit();
        let maps = match &self.vectors {
            // A random initialisation has no map of its own.
            Some(vectors) if role == Role::RandomInitialisation => encoders
                .iter()
                .map(|encoder| Ok(VocabularyMap::fit_with(encoder, &vectors.vectors, &fit)?))
                .collect::<Result<_>>()?,
            Some(vectors) => encoders
                .iter()
                .zip(&self.places)
                .map(|(encoder, place)| map(encoder, place, &vectors.vectors, &fit))
                .collect::<Result<_>>()?,
            None => Vec::new(),
        };
        let embedder = EncoderEmbedder::new(name, ConcatEncoder::new(encoders)?)
            .role(role)
            .batch_size(self.arguments.batch_size as usize);
        Ok(Box::new(match &self.vectors {
            None => embedder,
            Some(vectors) => embedder.maps(maps, &vectors.source),
        }))
    }
}

impl NamedWordVectors {
    fn bag(&self) -> BagOfVectors {
        let (words, matrix) = (self.vectors.words().to_vec(), self.vectors.matrix());
        BagOfVectors::new(
            format!("bag of {}", self.name),
            &self.source,
            words,
            matrix.to_owned(),
        )
    }
}

fn read_vectors(
    path: &Path,
    how: &WordVectorArguments,
    models: &[SentenceEncoder],
    options: &EvalOptions,
) -> Result<NamedWordVectors> {
    let mut words: HashSet<String> = models
        .iter()
        .flat_map(|model| model.own_vocabulary().words())
        .map(str::to_owned)
        .collect();
    for task in &options.tasks {
        // The evaluation names tasks that are absent or faulty.
        let Ok(Some(data)) = options.load(task) else {
            continue;
        };
        for sentence in data.sentences().into_iter().flatten() {
            let text = match options.lowercase {
                true => sentence.to_lowercase(),
                false => sentence.clone(),
            };
            words.extend(text.split(' ').map(str::to_owned));
        }
    }
    let _busy = Busy::new(format!("reading {}", path.display()));
    let mut identity = Identity::default();
    for file in how.read().files(path)? {
        identity.add_file(&file)?;
    }
    let vectors = WordVectors::read(path, &WordSelection::of(words), &how.read())?;
    let mut source = format!("{}, SHA-256 {}", name(path), identity.finish());
    if how.ridge != 0.0 {
        source += &format!(", ridge {}", how.ridge);
    }
    Ok(NamedWordVectors {
        vectors,
        name: name(path),
        source,
    })
}

/// A model's name for display: the run's name for the folder `RUN/model`, otherwise [`name`].
fn model_name(path: &Path) -> String {
    let is_hub = path.to_string_lossy().starts_with(hub::SCHEME);
    if path.ends_with("model") && !is_hub {
        let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        if let Some(run) = whole.parent().and_then(Path::file_name) {
            return run.to_string_lossy().into_owned();
        }
    }
    name(path)
}

/// The last component of a path, for display.
fn name(path: &Path) -> String {
    let last = path.file_name().unwrap_or(path.as_os_str());
    last.to_string_lossy().into_owned()
}
