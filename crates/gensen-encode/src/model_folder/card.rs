//! The model card: `README.md`, for people and for the hub.

use std::fmt::Write as _;

use super::{ModelConfig, Pooling, TrainingData};
use crate::UnknownWords;
use crate::weights::StoredPrecision;

/// The card of a model whose weights are stored in `precision`; `python` if sentence-transformers
/// can open its folder.
pub(super) fn card(config: &ModelConfig, precision: StoredPrecision, python: bool) -> String {
    let mut text = String::new();
    // Writing to a `String` cannot fail.
    let _ = write(&mut text, config, precision, python);
    text
}

fn write(
    text: &mut String,
    config: &ModelConfig,
    precision: StoredPrecision,
    python: bool,
) -> std::fmt::Result {
    let provenance = &config.provenance;
    let architecture = &config.architecture;
    let name = match provenance.name.trim() {
        "" => "Sentence encoder",
        name => name,
    };
    writeln!(
        text,
        "---\nlibrary_name: gensen\npipeline_tag: feature-extraction\ntags:"
    )?;
    writeln!(text, "- sentence-embeddings\n- gensen")?;
    if python {
        writeln!(text, "- sentence-transformers")?;
    }
    writeln!(text, "---\n\n# {}\n", line(name))?;
    if !provenance.description.trim().is_empty() {
        writeln!(text, "{}\n", provenance.description.trim())?;
    }
    writeln!(
        text,
        "A GenSen sentence encoder (Subramanian, Trischler, Bengio and Pal, ICLR 2018, \
         arXiv 1804.00079): sentences in, vectors of {} numbers out.\n",
        architecture.hidden_size
    )?;

    writeln!(
        text,
        "## How to use it\n\n```\ngensen embed --model DIR --input sentences.txt --output vectors.npy\n```\n"
    )?;
    writeln!(text, "or in Rust:\n\n```rust")?;
    writeln!(text, "let encoder = SentenceEncoder::load(\"DIR\")?;")?;
    writeln!(
        text,
        "let vectors = encoder.encode(&[\"hello world .\"], &EncodeOptions::default())?;\n```\n"
    )?;
    if python {
        writeln!(
            text,
            "or in Python, with `pip install sentence-transformers`:\n\n```python\n\
             from sentence_transformers import SentenceTransformer\n\n\
             encoder = SentenceTransformer(\"DIR\", trust_remote_code=True)\n\
             vectors = encoder.encode([\"hello world .\"])\n```\n"
        )?;
    }
    writeln!(
        text,
        "`DIR` is this folder. By default, text is split by the `{}` tokeniser{} and the vector of a \
         sentence is {}. `gensen expand` adds words to the vocabulary, given their word vectors.\n",
        line(&config.tokenizer),
        if config.lowercase {
            " and lower-cased,"
        } else {
            ", capital letters are kept,"
        },
        match config.pooling {
            Pooling::Last => "the last state of each direction (`last`)",
            Pooling::Max => "the maximum over its words (`max`)",
            Pooling::Mean => "the mean over its words (`mean`)",
            Pooling::MaxPadded => "the maximum over its words and its padding (`max-padded`)",
        },
    )?;

    writeln!(text, "## What it is\n\n| | |\n| --- | --- |")?;
    writeln!(text, "| words | {} |", architecture.vocabulary_size)?;
    writeln!(
        text,
        "| size of a word's vector | {} |",
        architecture.embedding_size
    )?;
    writeln!(
        text,
        "| size of a sentence's vector | {} |",
        architecture.hidden_size
    )?;
    let directions = if architecture.bidirectional {
        "both directions"
    } else {
        "forward only"
    };
    writeln!(
        text,
        "| GRU layers | {}, {directions} |",
        architecture.layers
    )?;
    writeln!(text, "| weights | {precision} |")?;
    match provenance.steps {
        Some(steps) => writeln!(text, "| training steps | {steps} |")?,
        None => writeln!(text, "| training steps | not recorded |")?,
    }
    if let Some(run) = &provenance.run {
        for (file, digest) in [
            ("config.toml", &run.configuration),
            ("checkpoint manifest.json", &run.checkpoint),
        ] {
            writeln!(text, "| SHA-256 of the run's {file} | {} |", cell(digest))?;
        }
    }
    writeln!(text)?;

    writeln!(text, "## Data and licences\n")?;
    if provenance.data.is_empty() {
        writeln!(
            text,
            "This folder does not record which data the model was trained on. Before you share the \
             model, find out the data and their licences.\n"
        )?;
    } else {
        write_data(text, &provenance.data)?;
    }

    writeln!(text, "## Scores\n")?;
    if provenance.scores.is_empty() {
        writeln!(text, "None are recorded. `gensen eval` measures them.\n")?;
    } else {
        writeln!(text, "| task | metric | value |\n| --- | --- | ---: |")?;
        for score in &provenance.scores {
            writeln!(
                text,
                "| {} | {} | {} |",
                cell(&score.task),
                cell(&score.metric),
                score.value
            )?;
        }
        writeln!(text)?;
    }

    writeln!(text, "## Limits\n")?;
    writeln!(
        text,
        "- The model knows the words of `vocab.txt`; every other word is {} until the vocabulary is expanded.",
        match config.unknown_words {
            UnknownWords::Unk => "`<unk>`",
            UnknownWords::Spelling => "a mean of those with the most similar spelling",
        }
    )?;
    writeln!(
        text,
        "- A sentence's vector holds what the training tasks needed. Measure whether that suits another use."
    )?;
    writeln!(
        text,
        "- The vectors reflect the training data, prejudices included."
    )?;
    Ok(())
}

/// The data sets; a licence that is the same for all stands below them.
fn write_data(text: &mut String, data: &[TrainingData]) -> std::fmt::Result {
    let common = data.split_first().and_then(|(first, others)| {
        let same = others.iter().all(|other| other.licence == first.licence);
        (same && !others.is_empty()).then_some(&first.licence)
    });
    match common {
        None => writeln!(text, "| data | used for | licence |\n| --- | --- | --- |")?,
        Some(_) => writeln!(text, "| data | used for |\n| --- | --- |")?,
    }
    for source in data {
        write!(text, "| {} | {} |", cell(&source.name), cell(&source.task))?;
        match common {
            None => writeln!(text, " {} |", cell(&source.licence))?,
            Some(_) => writeln!(text)?,
        }
    }
    match common {
        None => writeln!(text),
        Some(licence) => writeln!(text, "\nLicence of all: {}\n", line(licence)),
    }
}

/// Text that stays on one line.
fn line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Text that stays in one cell of a table.
fn cell(text: &str) -> String {
    line(text).replace('|', "\\|")
}
