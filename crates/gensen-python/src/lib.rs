//! GenSen's encoders for Python: the native part of the package `gensen`.
//!
//! The public interface is in `python/gensen`; it checks arguments and calls this module, `gensen._gensen`. Long work
//! runs on a thread pool that belongs to the process (`pool`) without the GIL, and Ctrl-C interrupts it (`job`).

mod chunks;
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
    use crate::encoder::{Map, NativeEncoder};
    #[pymodule_export]
    use crate::errors::GensenError;
    #[pymodule_export]
    use crate::evaluation::{
        evaluate_callable, evaluate_encoder, report_markdown, report_scores, report_write,
    };
    #[pymodule_export]
    use crate::file::{ArrayFile, Lines};

    /// Sets the number of threads that encode; 0 is one per core.
    #[pyfunction]
    fn set_num_threads(py: Python<'_>, threads: usize) -> PyResult<()> {
        crate::pool::set_threads(py, threads)
    }

    /// The number of threads that encode.
    #[pyfunction]
    fn get_num_threads(py: Python<'_>) -> PyResult<usize> {
        Ok(crate::pool::current(py)?.current_num_threads())
    }

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
