//! Vocabulary expansion for commands: `--vectors`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use gensen_encode::{ConcatEncoder, EncodeOptions, SentenceEncoder};
use gensen_expand::{
    ExpandError, ExpansionReport, FitOptions, LinearMap, ReadOptions, VocabularyMap, WordSelection,
    WordVectors,
};

use super::encoding::ModelPlace;
use super::places::file;
use crate::terminal::Busy;

/// Options for reading and mapping word vectors.
#[derive(clap::Args, Debug)]
pub(super) struct WordVectorArguments {
    /// Words of the vectors in an .npy file, one per line. [default: NAME.txt beside NAME.npy]
    #[arg(long, value_name = "FILE", requires = "vectors", value_parser = file())]
    pub(super) vector_words: Option<PathBuf>,
    /// Ridge penalty of the map's fit; above 0, fewer shared words are needed.
    #[arg(
        long,
        default_value_t = 0.0,
        value_name = "WEIGHT",
        requires = "vectors"
    )]
    pub(super) ridge: f64,
}

impl WordVectorArguments {
    pub(super) fn read(&self) -> ReadOptions {
        ReadOptions {
            words: self.vector_words.clone(),
            ..ReadOptions::default()
        }
    }

    /// Everything mapped vectors depend on except the files.
    pub(super) fn described(&self) -> String {
        let Self {
            // Covered by the hash of the files' contents.
            vector_words: _,
            ridge,
        } = self;
        format!("ridge: {ridge:?}")
    }

    pub(super) fn fit(&self) -> FitOptions {
        FitOptions { ridge: self.ridge }
    }
}

/// Word vectors, and for each encoder the linear map from them to its embeddings.
pub(super) struct MappedVectors {
    vectors: WordVectors,
    maps: Vec<LinearMap>,
}

impl MappedVectors {
    /// Reads the vectors of the encoders' own words and of `words`. An encoder whose folder holds a
    /// map keeps it; for the others one is fitted.
    pub(super) fn open<'w>(
        path: &Path,
        options: &WordVectorArguments,
        encoders: &'w [SentenceEncoder],
        places: &[ModelPlace],
        words: impl IntoIterator<Item = &'w str>,
    ) -> Result<Self> {
        let own = encoders
            .iter()
            .flat_map(|encoder| encoder.own_vocabulary().words());
        let wanted = WordSelection::of(own.chain(words));
        let busy = Busy::new(format!("reading {}", path.display()));
        let vectors = WordVectors::read(path, &wanted, &options.read())?;
        drop(busy);
        tracing::info!("{}", vectors.report());
        let mut maps = Vec::new();
        for (encoder, place) in encoders.iter().zip(places) {
            maps.push(
                map(encoder, place, &vectors, &options.fit())?
                    .linear()
                    .clone(),
            );
        }
        Ok(Self { vectors, maps })
    }

    /// For each encoder: its map, the encoder with these words as its vocabulary, and the sources of their
    /// embeddings.
    pub(super) fn expand<'e, 'w>(
        &'e self,
        encoders: &'e [SentenceEncoder],
        words: impl IntoIterator<Item = &'w str> + Clone,
    ) -> impl Iterator<Item = (&'e LinearMap, Result<(SentenceEncoder, ExpansionReport)>)> {
        encoders.iter().zip(&self.maps).map(move |(encoder, map)| {
            let expanded = VocabularyMap::new(map.clone(), &self.vectors)
                .map_err(ExpandError::from)
                .and_then(|map| map.expand_with_report(encoder, words.clone()));
            (map, expanded.map_err(anyhow::Error::from))
        })
    }
}

/// The map saved in the model's folder, or a newly fitted one.
pub(super) fn map<'v>(
    encoder: &SentenceEncoder,
    place: &ModelPlace,
    vectors: &'v WordVectors,
    options: &FitOptions,
) -> Result<VocabularyMap<'v>> {
    let map = match place.map_file() {
        Some(saved) => {
            if options.ridge != 0.0 {
                let saved = saved.display();
                tracing::warn!("--ridge is not used: {saved} holds the model's map");
            }
            VocabularyMap::new(LinearMap::load(&saved)?, vectors)
                .with_context(|| format!("{} does not fit the word vectors", saved.display()))?
        }
        None => VocabularyMap::fit_with(encoder, vectors, options)
            .with_context(|| format!("mapping word vectors to {place}"))?,
    };
    tracing::info!("{place}: {}", map.linear().report());
    Ok(map)
}

/// Adds the words of sentences as each of the encoders splits them.
pub(super) fn add_words(
    words: &mut BTreeSet<String>,
    encoder: &ConcatEncoder,
    sentences: &[String],
    options: &EncodeOptions,
) -> Result<()> {
    for encoder in encoder.encoders() {
        encoder.for_each_word(sentences, options, |word| {
            if !words.contains(word) {
                words.insert(word.to_owned());
            }
        })?;
    }
    Ok(())
}
