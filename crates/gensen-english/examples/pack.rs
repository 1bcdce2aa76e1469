//! Makes this crate's `model` folder out of an exported one: its weights as 8-bit integers.
//!
//! ```sh
//! cargo run --release -p gensen-english --example pack -- EXPORTED_MODEL_FOLDER
//! ```

use std::error::Error;
use std::path::Path;

use gensen_encode::model_folder::ModelFolder;
use gensen_encode::weights::Precision;

fn main() -> Result<(), Box<dyn Error>> {
    let source = std::env::args_os()
        .nth(1)
        .ok_or("usage: pack MODEL_FOLDER")?;
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("model");
    ModelFolder::open(Path::new(&source))?.write(&place, Precision::I8)?;
    Ok(())
}
