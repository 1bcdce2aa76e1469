//! Model folders that sentence-transformers can open, too.
//!
//! They hold two more files: `modules.json`, which sentence-transformers reads first, and the
//! Python module that it names. `SentenceTransformer(folder, trust_remote_code=True)` then computes
//! the same vectors as [`SentenceEncoder`](crate::SentenceEncoder).

use std::fs;
use std::path::Path;

use gensen_data::scratch;

use super::{CARD_FILE, ModelFolder, ModelFolderError, card, io_error};
use crate::weights::StoredPrecision;

/// The list of modules that sentence-transformers reads.
pub const MODULES_FILE: &str = "modules.json";
/// The Python module.
pub const PYTHON_FILE: &str = "modeling_gensen.py";

const MODULES: &str = include_str!("python/modules.json");
const PYTHON: &str = include_str!("python/modeling_gensen.py");

/// The tokenisers that the Python module implements.
const TOKENIZERS: [&str; 2] = ["whitespace", "ptb"];

impl ModelFolder {
    /// As [`ModelFolder::write`], with the files that sentence-transformers needs. `map`, the file
    /// of the model's vocabulary map, is copied along.
    ///
    /// # Errors
    ///
    /// As [`ModelFolder::write`]; a tokeniser that the Python module does not implement.
    pub fn write_for_sentence_transformers(
        &self,
        path: &Path,
        precision: StoredPrecision,
        map: Option<&Path>,
    ) -> Result<(), ModelFolderError> {
        let tokenizer = &self.config.tokenizer;
        if !TOKENIZERS.contains(&tokenizer.as_str()) {
            return Err(ModelFolderError::Value {
                field: "tokenizer",
                found: format!("`{tokenizer}`"),
                expected: "`whitespace` or `ptb`, the only ones of the module for sentence-transformers",
            });
        }
        self.write_with(path, precision, |folder| {
            let card = card::card(&self.config, precision, true);
            for (name, contents) in [
                (MODULES_FILE, MODULES),
                (PYTHON_FILE, PYTHON),
                (CARD_FILE, &card),
            ] {
                let place = folder.join(name);
                scratch::write_file(&place, |file| file.write_all(contents.as_bytes()))
                    .map_err(io_error(&place))?;
            }
            if let Some(map) = map {
                fs::copy(map, folder.join(super::MAP_FILE)).map_err(io_error(map))?;
            }
            Ok(())
        })
    }
}
