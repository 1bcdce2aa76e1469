//! Export of an encoder to ONNX: word ids in, sentence vectors out, for other runtimes.
//!
//! Inputs and outputs have the names that tools for transformers expect:
//!
//! | name | type | shape | holds |
//! | --- | --- | --- | --- |
//! | `input_ids` | int64 | `[batch, time]` | ids of words, `<s>` (0) and `</s>` (2) around them, then any padding |
//! | `attention_mask` | int64 | `[batch, time]` | 1 for each word of a sentence, 0 for padding |
//! | `spelled_embeddings` | float | `[spelled, size]` | optional, if the model reads unknown words by their spelling: row `k` is the embedding of the word with id `vocabulary size + k` |
//! | `sentence_embedding` | float | `[batch, width]` | the pooled vectors |
//!
//! The graph does not tokenise. The file's metadata hold what the caller needs for it: `tokenizer`,
//! `lowercase`, `pooling`, `unknown_words`, and `vocabulary`, the words in id order, one per line. The
//! Python module of `gensen export-sentence-transformers` prepares all inputs under these names.

mod graph;
mod messages;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use gensen_data::scratch;
use prost::Message;

use crate::model_folder::ModelFolder;
use crate::weights::{EncoderState, GruTensors};
use crate::{Pooling, UnknownWords};
use graph::{Builder, Extent, integer, integers, text, value};
use messages::{
    BOOL, Entry, FLOAT, GraphProto, INT32, INT64, ModelProto, OperatorSet, ValueInfoProto,
};

/// The version of ONNX's operator set: the oldest that has the current GRU operator.
const OPERATORS: i64 = 14;
/// The version of the file format, released with that operator set.
const FORMAT: i64 = 7;
/// The size limit of a protobuf message, in bytes.
const MAX_BYTES: u64 = i32::MAX as u64;

/// The optional input with embeddings of unknown words.
const SPELLED: &str = "spelled_embeddings";

/// Errors of ONNX files.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OnnxError {
    /// The weights are larger than one file can hold.
    #[error(
        "the model's weights take {bytes} bytes as f32, an ONNX file holds at most {MAX_BYTES}"
    )]
    TooLarge {
        /// The size that the file would have.
        bytes: u64,
    },
    /// The bytes are not an ONNX file.
    #[error("not an ONNX file")]
    Malformed(#[source] prost::DecodeError),
    /// The file cannot be written.
    #[error("{}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The I/O error.
        source: io::Error,
    },
}

/// Writes the encoder of a model as an ONNX file at `path`, complete or not at all. Without
/// `pooling`, the model's own is used.
///
/// Weights are written as f32, whatever the model's stored precision.
///
/// # Errors
///
/// [`OnnxError`].
pub fn export(model: &ModelFolder, pooling: Option<Pooling>, path: &Path) -> Result<(), OnnxError> {
    let bytes = bytes(model, pooling)?;
    scratch::write_file(path, |file| file.write_all(&bytes)).map_err(|source| OnnxError::Io {
        path: path.to_owned(),
        source,
    })
}

/// The bytes of the file that [`export`] writes.
///
/// # Errors
///
/// [`OnnxError::TooLarge`].
pub fn bytes(model: &ModelFolder, pooling: Option<Pooling>) -> Result<Vec<u8>, OnnxError> {
    let numbers: u64 = model
        .weights()
        .tensors()
        .values()
        .map(|t| t.len() as u64)
        .sum();
    // The vocabulary is part of the metadata.
    let words: u64 = model
        .vocabulary()
        .words()
        .map(|word| word.len() as u64 + 1)
        .sum();
    let bytes = 4 * numbers + words + (1 << 20);
    if bytes > MAX_BYTES {
        return Err(OnnxError::TooLarge { bytes });
    }
    Ok(message(model, pooling.unwrap_or(model.config().pooling)).encode_to_vec())
}

/// A summary of an ONNX file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description {
    /// The number of operations in the graph.
    pub operations: usize,
    /// Names and shapes of the inputs.
    pub inputs: Vec<String>,
    /// Names and shapes of the outputs.
    pub outputs: Vec<String>,
    /// Metadata by key.
    pub metadata: BTreeMap<String, String>,
}

/// Whether the first bytes of a file look like ONNX.
pub fn is_one(start: &[u8]) -> bool {
    // The format version, then the tag of the producer's name.
    matches!(start, [0x08, 1..=31, 0x12, ..])
}

/// Summarises an ONNX file of any producer.
///
/// # Errors
///
/// [`OnnxError::Malformed`].
pub fn describe(bytes: &[u8]) -> Result<Description, OnnxError> {
    let file = ModelProto::decode(bytes).map_err(OnnxError::Malformed)?;
    let graph = file.graph.unwrap_or_default();
    let values = |values: &[ValueInfoProto]| values.iter().map(ValueInfoProto::described).collect();
    Ok(Description {
        operations: graph.node.len(),
        inputs: values(&graph.input),
        outputs: values(&graph.output),
        metadata: file
            .metadata
            .into_iter()
            .map(|e| (e.key, e.value))
            .collect(),
    })
}

fn message(model: &ModelFolder, pooling: Pooling) -> ModelProto {
    let config = model.config();
    let words: Vec<&str> = model.vocabulary().words().collect();
    let metadata = [
        ("name", config.provenance.name.clone()),
        ("tokenizer", config.tokenizer.clone()),
        ("lowercase", config.lowercase.to_string()),
        ("pooling", pooling.to_string()),
        ("unknown_words", config.unknown_words.to_string()),
        ("vocabulary", words.join("\n")),
    ];
    ModelProto {
        ir_version: FORMAT,
        producer_name: "gensen".to_owned(),
        producer_version: env!("CARGO_PKG_VERSION").to_owned(),
        graph: Some(encoder(model.weights(), config.unknown_words, pooling)),
        opset_import: vec![OperatorSet {
            domain: String::new(),
            version: OPERATORS,
        }],
        metadata: metadata
            .map(|(key, value)| Entry {
                key: key.to_owned(),
                value,
            })
            .to_vec(),
    }
}

/// The graph of the encoder. Layers run on `[time, batch, ...]`, the layout of ONNX's GRU.
fn encoder(weights: &EncoderState, unknown_words: UnknownWords, pooling: Pooling) -> GraphProto {
    let mut graph = Builder::default();
    let swap = || vec![integers("perm", &[1, 0])];
    let ids = graph.one("Transpose", &["input_ids"], "ids", swap());
    let mut states = words(&mut graph, weights, unknown_words, &ids);
    let time = graph.integers("axis.1", &[1]);
    let keep = || vec![integer("keepdims", 0)];
    let lengths = graph.one("ReduceSum", &["attention_mask", &time], "lengths", keep());
    let to = |kind: i32| vec![integer("to", kind.into())];
    let lengths_32 = graph.one("Cast", &[&lengths], "lengths.int32", to(INT32));
    let flat = graph.integers("shape.states", &[0, 0, -1]);
    let mut last = String::new();
    for layer in 0..weights.layers() {
        (states, last) = gru(&mut graph, weights, layer, &states, &lengths_32, &flat);
    }
    // Adds the mask in this type, `[time, batch, 1]`.
    let mask_as = |graph: &mut Builder, kind: i32| {
        let mask = graph.one("Transpose", &["attention_mask"], "mask", swap());
        let mask = graph.one("Cast", &[&mask], "mask.typed", to(kind));
        let width = graph.integers("axis.2", &[2]);
        graph.one("Unsqueeze", &[&mask, &width], "mask.wide", vec![])
    };
    let output = "sentence_embedding";
    match pooling {
        Pooling::Last => {
            if weights.bidirectional() {
                let order = graph.integers("backward-forward", &[1, 0]);
                last = graph.one("Gather", &[&last, &order], "last.ordered", vec![]);
            }
            let perm = vec![integers("perm", &[1, 0, 2])];
            let last = graph.one("Transpose", &[&last], "last.batch", perm);
            let shape = graph.integers("shape.vectors", &[0, -1]);
            graph.one("Reshape", &[&last, &shape], output, vec![])
        }
        Pooling::Mean => {
            let mask = mask_as(&mut graph, FLOAT);
            let real = graph.one("Mul", &[&states, &mask], "states.real", vec![]);
            let axis = graph.integers("axis.0", &[0]);
            let sum = graph.one("ReduceSum", &[&real, &axis], "sum", keep());
            let count = graph.one("Cast", &[&lengths], "lengths.float", to(FLOAT));
            let count = graph.one("Unsqueeze", &[&count, &time], "lengths.wide", vec![]);
            graph.one("Div", &[&sum, &count], output, vec![])
        }
        Pooling::Max | Pooling::MaxPadded => {
            let mask = mask_as(&mut graph, BOOL);
            // The value of padding.
            let least = match pooling {
                Pooling::Max => f32::NEG_INFINITY,
                _ => 0.0,
            };
            let least = graph.floats("padding", &[], &[least]);
            let real = graph.one("Where", &[&mask, &states, &least], "states.real", vec![]);
            let over = vec![integers("axes", &[0]), integer("keepdims", 0)];
            graph.one("ReduceMax", &[&real], output, over)
        }
    };
    let sentences = [Extent::Named("batch"), Extent::Named("time")];
    let vectors = [Extent::Named("batch"), Extent::Known(weights.hidden_size())];
    let mut inputs = vec![
        value("input_ids", INT64, &sentences, "ids of words, then padding"),
        value(
            "attention_mask",
            INT64,
            &sentences,
            "1 for a word, 0 for padding",
        ),
    ];
    if unknown_words == UnknownWords::Spelling {
        let size = weights.embedding().shape()[1];
        inputs.push(value(
            SPELLED,
            FLOAT,
            &[Extent::Named("spelled"), Extent::Known(size)],
            "embeddings of the words whose ids follow the vocabulary's; optional",
        ));
    }
    let outputs = vec![value(output, FLOAT, &vectors, "the sentences' vectors")];
    graph.finish("sentence encoder", inputs, outputs)
}

/// Adds the look-up of the words' embeddings, `[time, batch, size]`.
fn words(
    graph: &mut Builder,
    weights: &EncoderState,
    unknown_words: UnknownWords,
    ids: &str,
) -> String {
    let embedding = weights.embedding();
    let (known, size) = (embedding.shape()[0], embedding.shape()[1]);
    let embedding = graph.floats(
        "src_embedding.weight",
        embedding.shape(),
        &embedding.values(),
    );
    match unknown_words {
        UnknownWords::Unk => graph.one("Gather", &[&embedding, ids], "words", vec![]),
        UnknownWords::Spelling => {
            // The default value of the input, so that callers without unknown words can omit it.
            let spelled = graph.floats(SPELLED, &[1, size], &vec![0.0; size]);
            let count = graph.integers("known", &[known as i64]);
            let last = graph.integers("known.last", &[known as i64 - 1]);
            let zero = graph.integers("zero", &[0]);
            // Both look-ups are over all words, so ids of the other kind become valid ones first.
            let in_vocabulary = graph.one("Min", &[ids, &last], "ids.known", vec![]);
            let of_known = graph.one(
                "Gather",
                &[&embedding, &in_vocabulary],
                "words.known",
                vec![],
            );
            let rows = graph.one("Sub", &[ids, &count], "ids.after", vec![]);
            let rows = graph.one("Max", &[&rows, &zero], "ids.spelled", vec![]);
            let of_spelled = graph.one("Gather", &[&spelled, &rows], "words.spelled", vec![]);
            let is_known = graph.one("Less", &[ids, &count], "is-known", vec![]);
            let width = graph.integers("axis.size", &[2]);
            let is_known = graph.one("Unsqueeze", &[&is_known, &width], "is-known.wide", vec![]);
            let either = [is_known.as_str(), &of_known, &of_spelled];
            graph.one("Where", &either, "words", vec![])
        }
    }
}

/// Adds a GRU layer; returns the names of its states, `[time, batch, width]`, and of the last
/// states, `[directions, batch, hidden]`.
fn gru(
    graph: &mut Builder,
    weights: &EncoderState,
    layer: usize,
    input: &str,
    lengths: &str,
    flat: &str,
) -> (String, String) {
    let hidden = weights.direction_size();
    let reverse = [false, true];
    let directions: Vec<GruTensors<'_>> = reverse[..weights.directions()]
        .iter()
        .map(|&reverse| weights.gru(layer, reverse))
        .collect();
    let inputs = directions[0].weight_ih.shape()[1];
    let name = |part: &str| format!("layer{layer}.{part}");
    let count = directions.len();
    let w: Vec<f32> = directions
        .iter()
        .flat_map(|d| zrn(&d.weight_ih.values(), hidden * inputs))
        .collect();
    let r: Vec<f32> = directions
        .iter()
        .flat_map(|d| zrn(&d.weight_hh.values(), hidden * hidden))
        .collect();
    let b: Vec<f32> = directions
        .iter()
        .flat_map(|d| {
            let input = zrn(&d.bias_ih.values(), hidden);
            input.into_iter().chain(zrn(&d.bias_hh.values(), hidden))
        })
        .collect();
    let w = graph.floats(&name("W"), &[count, 3 * hidden, inputs], &w);
    let r = graph.floats(&name("R"), &[count, 3 * hidden, hidden], &r);
    let b = graph.floats(&name("B"), &[count, 6 * hidden], &b);
    let direction = match weights.bidirectional() {
        true => "bidirectional",
        false => "forward",
    };
    let attributes = vec![
        text("direction", direction),
        integer("hidden_size", hidden as i64),
        // n = tanh(W x + b + r * (R h + c)), as in PyTorch.
        integer("linear_before_reset", 1),
    ];
    let (states, last) = (name("Y"), name("Y_h"));
    graph.add(
        "GRU",
        &[input, &w, &r, &b, lengths],
        &[&states, &last],
        attributes,
    );
    // [time, directions, batch, hidden] to [time, batch, directions * hidden]
    let perm = vec![integers("perm", &[0, 2, 1, 3])];
    let states = graph.one("Transpose", &[&states], &name("states.split"), perm);
    let states = graph.one("Reshape", &[&states, flat], &name("states"), vec![]);
    (states, last)
}

/// Reorders gates from r, z, n to ONNX's z, r, n; each has `size` values.
fn zrn(values: &[f32], size: usize) -> Vec<f32> {
    let (r, rest) = values.split_at(size);
    let (z, n) = rest.split_at(size);
    [z, r, n].concat()
}

#[cfg(test)]
mod tests;
