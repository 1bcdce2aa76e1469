//! What the benchmark programs share. `README.md` lists them.

pub mod process;
