//! Support for the tests of weights: golden files and hand-made PyTorch files.
#![allow(dead_code, reason = "no test uses all of it")]

use std::error::Error;
use std::fs;
use std::path::PathBuf;

use gensen_encode::weights::{TensorMap, safetensors};

/// The path of a golden file.
pub fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/reference")
        .join(name)
}

pub fn read(name: &str) -> Vec<u8> {
    fs::read(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

pub fn tensors(name: &str) -> TensorMap {
    safetensors::open(&path(name)).unwrap()
}

pub fn vocabulary() -> Vec<String> {
    serde_json::from_slice(&read("tiny-1layer/vocab.json")).unwrap()
}

/// An error's message with those of its sources, as the programs print it.
pub fn with_causes(error: &dyn Error) -> String {
    gensen_data::error::chain(error)
}

/// A tensor of a hand-made PyTorch file.
pub struct View {
    pub name: &'static str,
    pub class: &'static str,
    pub key: &'static str,
    pub storage_length: i32,
    pub offset: i32,
    pub shape: Vec<i32>,
    pub strides: Vec<i32>,
}

impl View {
    /// A tensor of one row that is the whole of its own storage.
    pub fn new(name: &'static str, class: &'static str, length: i32) -> Self {
        Self {
            name,
            class,
            key: name,
            storage_length: length,
            offset: 0,
            shape: vec![length],
            strides: vec![1],
        }
    }
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.push(b'U');
    out.push(text.len() as u8);
    out.extend(text.as_bytes());
}

fn int(out: &mut Vec<u8>, value: i32) {
    out.push(b'J');
    out.extend(value.to_le_bytes());
}

fn ints(out: &mut Vec<u8>, values: &[i32]) {
    out.push(b'(');
    values.iter().for_each(|&value| int(out, value));
    out.push(b't');
}

/// The pickle of a dictionary of these tensors.
pub fn pickle(views: &[View]) -> Vec<u8> {
    let mut out = b"\x80\x02ccollections\nOrderedDict\n)R(".to_vec();
    for view in views {
        text(&mut out, view.name);
        out.extend(b"ctorch._utils\n_rebuild_tensor\n((");
        text(&mut out, "storage");
        out.extend(format!("ctorch\n{}\n", view.class).as_bytes());
        text(&mut out, view.key);
        text(&mut out, "cpu");
        int(&mut out, view.storage_length);
        out.extend(b"NtQ");
        int(&mut out, view.offset);
        ints(&mut out, &view.shape);
        ints(&mut out, &view.strides);
        out.extend(b"tR");
    }
    out.extend(b"u.");
    out
}

/// A PyTorch file in the legacy format with this pickle and these storages (key, elements, bytes).
pub fn legacy(pickle: &[u8], storages: &[(&str, u64, &[u8])]) -> Vec<u8> {
    let mut out = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.".to_vec();
    out.extend(b"\x80\x02}U\x0dlittle_endian\x88s.");
    out.extend(pickle);
    out.extend(b"\x80\x02](");
    storages.iter().for_each(|(key, ..)| text(&mut out, key));
    out.extend(b"e.");
    for (_, length, bytes) in storages {
        out.extend(length.to_le_bytes());
        out.extend(*bytes);
    }
    out
}

/// A random number generator with the same numbers on every platform (SplitMix64).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }
}
