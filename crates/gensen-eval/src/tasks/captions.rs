//! Image-caption retrieval, from image features computed elsewhere.

use ndarray::Array2;

use super::Folder;
use super::data::{Captions, TaskData};
use super::read::{LineEnds, TextEncoding, words};
use crate::error::{EvalError, Result};
use crate::metrics::CAPTIONS;

/// For `train`, `valid` and `test`: `SPLIT.npy`, single precision `[images, width]`, and
/// `SPLIT.txt` with five captions per image, in the images' order; UTF-8.
pub(super) fn load(folder: &Folder) -> Result<TaskData> {
    let part = |split: &str| -> Result<Captions> {
        let text = folder.read(
            &format!("{split}.txt"),
            TextEncoding::Utf8,
            LineEnds::Universal,
        )?;
        let path = folder.path(&format!("{split}.npy"));
        let expected = "expected single-precision [images, width]";
        let images: Array2<f32> =
            ndarray_npy::read_npy(&path).map_err(EvalError::library(&path, expected))?;
        if text.lines.len() != CAPTIONS * images.nrows() {
            return Err(EvalError::UnequalLines {
                first: text.path.clone(),
                first_lines: text.lines.len(),
                second: path,
                second_lines: CAPTIONS * images.nrows(),
            });
        }
        text.not_empty(&text.lines)?;
        Ok(Captions {
            sentences: text.lines.iter().map(|line| words(line)).collect(),
            images,
        })
    };
    Ok(TaskData::Retrieval {
        train: part("train")?,
        dev: part("valid")?,
        test: part("test")?,
    })
}
