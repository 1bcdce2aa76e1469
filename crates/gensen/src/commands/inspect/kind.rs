//! The kind of a file: by its contents, or by its name where contents are ambiguous.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use gensen_data::vocabulary::Vocabulary;
use gensen_data::{gzip, text};
use gensen_expand::MAP_KEY;
use serde_json::Value;

pub(super) enum FileKind {
    /// A vocabulary map.
    Map,
    Safetensors,
    Torch,
    /// Any other pickle.
    Pickle,
    /// A NumPy array.
    Npy,
    Onnx,
    /// A vocabulary, one word per line.
    Words,
    /// One JSON value.
    Json,
    /// One JSON value per line.
    JsonLines,
    /// An SVG picture.
    Picture,
    /// A shard of prepared training data: integers.
    Shard(ShardElement),
    /// TensorBoard events.
    #[cfg(feature = "burn")]
    Events,
    /// A training configuration.
    #[cfg(feature = "burn")]
    Configuration,
    #[cfg(feature = "parquet")]
    Parquet,
    /// Text other than word vectors.
    Text,
    /// Word vectors, or something unknown.
    Vectors,
}

/// The element type of a shard.
#[derive(Clone, Copy)]
pub(super) enum ShardElement {
    Word,
    End,
    Label,
    Triple,
    TeacherRow,
}

impl FileKind {
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        /// The pickled magic number of PyTorch files before 1.6.
        const TORCH: &[u8] = b"\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.";
        /// The size limit of a map's header.
        const HEADER_BYTES: u64 = 1 << 20;

        let mut start = Vec::new();
        File::open(path)?
            .take(HEADER_BYTES)
            .read_to_end(&mut start)?;
        text::no_pointer(&start)?;
        if start.starts_with(&gzip::MAGIC) {
            let mut unpacked = Vec::new();
            // Ends with an error if the data are cut off here; the reader of the format reports
            // real faults.
            let _ = gzip::unpack(&start[..])
                .take(HEADER_BYTES)
                .read_to_end(&mut unpacked);
            return Ok(json(&unpacked).unwrap_or_else(|| Self::of_text(path, &unpacked)));
        }
        #[cfg(feature = "parquet")]
        if start.starts_with(b"PAR1") {
            return Ok(Self::Parquet);
        }
        let header = start.get(8..).unwrap_or_default();
        let pickled = start.strip_prefix(b"\x80");
        Ok(if let Some(shard) = shard(path) {
            shard
        } else if start.starts_with(gensen_data::npy::MAGIC) {
            Self::Npy
        } else if let Some(kind) = json(&start) {
            kind
        } else if header.starts_with(b"{") {
            match header
                .windows(MAP_KEY.len())
                .any(|key| key == MAP_KEY.as_bytes())
            {
                true => Self::Map,
                false => Self::Safetensors,
            }
        } else if start.starts_with(b"PK\x03\x04")
            || pickled.is_some_and(|rest| rest.get(1..).is_some_and(|rest| rest.starts_with(TORCH)))
        {
            Self::Torch
        } else if pickled.is_some() || start.starts_with(b"(d") {
            Self::Pickle
        } else if gensen_encode::onnx::is_one(&start) {
            Self::Onnx
        } else {
            Self::of_text(path, &start)
        })
    }

    fn of_text(path: &Path, start: &[u8]) -> Self {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        #[cfg(feature = "burn")]
        if gensen_train::events::is_one(start) {
            return Self::Events;
        }
        let Ok(text) = str::from_utf8(match start.iter().rposition(|&byte| byte == b'\n') {
            // The bytes read may end within a character.
            Some(last) => &start[..last],
            None => start,
        }) else {
            return Self::Vectors;
        };
        let first = text.lines().find(|line| !line.trim().is_empty());
        let special = Vocabulary::SPECIAL.into_iter();
        if special.eq(text.lines().take(Vocabulary::SPECIAL.len())) {
            Self::Words
        } else if text.trim_start().starts_with("<svg") {
            Self::Picture
        } else if name.ends_with(".toml") {
            #[cfg(feature = "burn")]
            return Self::Configuration;
            #[cfg(not(feature = "burn"))]
            Self::Text
        } else if first.is_some_and(is_row) {
            Self::Vectors
        } else {
            Self::Text
        }
    }
}

/// Whether a line could begin a file of word vectors: its last field, after another, is a number.
fn is_row(line: &str) -> bool {
    let mut fields = line.split_ascii_whitespace().rev();
    let last = fields.next().and_then(|field| field.parse::<f64>().ok());
    last.is_some() && fields.next().is_some()
}

/// The kind of a file that begins like JSON.
fn json(start: &[u8]) -> Option<FileKind> {
    if !matches!(start.trim_ascii_start().first(), Some(b'{' | b'[')) {
        return None;
    }
    let lines: Vec<&[u8]> = start.split(|&byte| byte == b'\n').collect();
    let is_value = |line: &[u8]| serde_json::from_slice::<Value>(line).is_ok();
    let more = lines
        .iter()
        .skip(1)
        .any(|line| !line.trim_ascii().is_empty());
    match is_value(lines[0]) {
        true if more => Some(FileKind::JsonLines),
        true => Some(FileKind::Json),
        // An object over several lines. A row of word vectors may begin with a bracket, but has no
        // other JSON syntax.
        false => is_value(start).then_some(FileKind::Json).or_else(|| {
            let first = lines[0].trim_ascii();
            (first == b"{" || first == b"[").then_some(FileKind::Json)
        }),
    }
}

/// Recognises shards of prepared data by name, since they have no header.
fn shard(path: &Path) -> Option<FileKind> {
    let element = match path.extension().and_then(|extension| extension.to_str()) {
        Some("ids") if path.with_extension("ends").exists() => ShardElement::Word,
        Some("ends") if path.with_extension("ids").exists() => ShardElement::End,
        None if has_shards(path) => match path.file_name()?.to_str()? {
            "labels" => ShardElement::Label,
            "triples" => ShardElement::Triple,
            "rows" => ShardElement::TeacherRow,
            _ => return None,
        },
        _ => return None,
    };
    Some(FileKind::Shard(element))
}

/// Whether the folder of a file contains token shards (`.ids`).
fn has_shards(path: &Path) -> bool {
    let folder = path.parent().and_then(|folder| folder.read_dir().ok());
    let is_shard = |name: &Path| name.extension().is_some_and(|extension| extension == "ids");
    folder.is_some_and(|mut entries| {
        entries.any(|entry| entry.is_ok_and(|entry| is_shard(entry.path().as_path())))
    })
}
