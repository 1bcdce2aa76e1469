//! NumPy arrays, prepared training data, pictures.

use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::Path;

use anyhow::{Context, Result, bail};
use gensen_data::npy::Header;
use gensen_expand::{ReadOptions, WordSelection, WordVectors};
use serde_json::json;

use super::Shown;
use super::kind::ShardElement;

/// An array: type, shape and, for rows of 32-bit floats, their lengths as vectors.
pub(super) fn npy(path: &Path) -> Result<Shown> {
    let context = || path.display().to_string();
    let mut file = BufReader::with_capacity(1 << 20, File::open(path).with_context(context)?);
    let Header {
        descr,
        fortran_order: fortran,
        shape,
        start,
    } = Header::read(&mut file).with_context(context)?;
    let order = if fortran { ", in column order" } else { "" };
    let mut lines = vec![format!("NumPy array, {} {shape:?}{order}", name(&descr))];
    let mut facts = json!({ "type": name(&descr), "shape": shape, "fortran_order": fortran });
    let size = descr.get(2..).and_then(|size| size.parse::<u64>().ok());
    if let (Some(size), Some(numbers)) = (size, numbers(&shape)) {
        let found = fs::metadata(path).with_context(context)?.len();
        let expected = start as u64 + numbers * size;
        if found != expected {
            bail!(
                "{}: {found} bytes, expected {expected} for {shape:?}",
                path.display()
            );
        }
    }
    if let ("<f4", false, [rows, width]) = (descr.as_str(), fortran, &shape[..]) {
        let lengths = lengths(&mut file, *rows, *width).with_context(context)?;
        if let Some([least, most]) = lengths {
            lines.push(format!("rows of length {least:.4} to {most:.4}"));
            facts["row_lengths"] = json!([least, most]);
        }
        // With a word list beside it, the file holds word vectors.
        let (all, options) = (WordSelection::all(), ReadOptions::default());
        if path.with_extension("txt").is_file()
            && let Ok(vectors) = WordVectors::read(path, &all, &options)
        {
            lines.push(format!(
                "word vectors, {} words of {} dimensions",
                vectors.len(),
                vectors.dimensions()
            ));
            lines.push(vectors.report().to_string());
            facts["words"] = json!(vectors.len());
        }
    }
    Ok(Shown::new("NumPy array", lines, facts))
}

fn numbers(shape: &[u64]) -> Option<u64> {
    shape
        .iter()
        .try_fold(1_u64, |product, &extent| product.checked_mul(extent))
}

/// NumPy's name of a number type.
fn name(descr: &str) -> String {
    match descr.trim_start_matches(['<', '|', '=']) {
        "f2" => "float16".to_owned(),
        "f4" => "float32".to_owned(),
        "f8" => "float64".to_owned(),
        "i1" => "int8".to_owned(),
        "u1" => "uint8".to_owned(),
        "i4" => "int32".to_owned(),
        "i8" => "int64".to_owned(),
        other => other.to_owned(),
    }
}

/// The smallest and the largest Euclidean length of the rows.
fn lengths(file: &mut impl Read, rows: u64, width: u64) -> std::io::Result<Option<[f64; 2]>> {
    let mut range: Option<[f64; 2]> = None;
    let mut row = vec![0; width as usize * size_of::<f32>()];
    for _ in 0..rows {
        file.read_exact(&mut row)?;
        let (numbers, _) = row.as_chunks();
        let squares = numbers
            .iter()
            .map(|&x| f64::from(f32::from_le_bytes(x)).powi(2));
        let length = squares.sum::<f64>().sqrt();
        let [least, most] = range.unwrap_or([length; 2]);
        range = Some([least.min(length), most.max(length)]);
    }
    Ok(range)
}

/// Prepared data of a training task.
pub(super) fn shard(path: &Path, element: ShardElement) -> Result<Shown> {
    let bytes = fs::metadata(path)
        .with_context(|| path.display().to_string())?
        .len();
    let (what, size) = match element {
        ShardElement::Word => ("word ids", 4),
        ShardElement::End => ("ends of sentences", 8),
        // Three labels take one byte each, any other number four.
        ShardElement::Label if is_of_any_number(path, bytes) => ("labels", 4),
        ShardElement::Label => ("labels", 1),
        ShardElement::Triple => ("middle sentences of triples", 8),
        ShardElement::TeacherRow => ("rows of a teacher's vectors", 8),
    };
    if bytes % size != 0 {
        bail!(
            "{}: {bytes} bytes, expected a multiple of {size}",
            path.display()
        );
    }
    let count = bytes / size;
    let line = format!("prepared training data, {count} {what}");
    let facts = json!({ "holds": what, "count": count });
    Ok(Shown::new("prepared training data", vec![line], facts))
}

/// Whether labels take four bytes each, by the number of sentences beside them.
fn is_of_any_number(path: &Path, bytes: u64) -> bool {
    let ends = fs::metadata(path.with_file_name("source.ends"));
    let ends = ends.or_else(|_| fs::metadata(path.with_file_name("first.ends")));
    ends.is_ok_and(|ends| ends.len() / 8 * 4 == bytes && bytes > 0)
}

/// A picture: its size.
pub(super) fn picture(path: &Path) -> Result<Shown> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let tag = text.split('>').next().unwrap_or_default();
    let size = |name: &str| {
        let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
        rest.split('"').next()?.parse::<u32>().ok()
    };
    let (width, height) = (size("width"), size("height"));
    let line = match (width, height) {
        (Some(width), Some(height)) => format!("SVG picture, {width} x {height}"),
        _ => "SVG picture".to_owned(),
    };
    let facts = json!({ "width": width, "height": height });
    Ok(Shown::new("SVG picture", vec![line], facts))
}
