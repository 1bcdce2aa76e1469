//! GenSen's encoders for Python: the native part of the package `gensen`.
//!
//! What people type is in `python/gensen`, and calls this module, `gensen._gensen`, with checked
//! arguments. Long work runs on a pool of threads that belongs to the process (`pool`), without Python's
//! lock, and Ctrl-C ends it (`job`).

mod encoder;
mod errors;
mod evaluation;
mod file;
mod job;
mod pool;
mod reading;

/// The native part of gensen.
#[pyo3::pymodule]
mod _gensen {
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::encoder::{Encoder, Map};
    #[pymodule_export]
    use crate::errors::GensenError;
    #[pymodule_export]
    use crate::evaluation::{
        evaluate_callable, evaluate_encoder, report_markdown, report_scores, report_write,
    };
    #[pymodule_export]
    use crate::file::{ArrayFile, Lines};

    /// Computes with this many threads from now on; 0 is one a core.
    #[pyfunction]
    fn set_num_threads(py: Python<'_>, threads: usize) -> PyResult<()> {
        crate::pool::set_threads(py, threads)
    }

    /// How many threads compute.
    #[pyfunction]
    fn get_num_threads(py: Python<'_>) -> PyResult<usize> {
        Ok(crate::pool::current(py)?.current_num_threads())
    }

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
