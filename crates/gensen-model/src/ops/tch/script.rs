//! Operations of libtorch that `tch` does not bind, as the TorchScript that `script.py` writes.

use std::sync::LazyLock;

use tch::{CModule, IValue};

#[allow(
    clippy::expect_used,
    reason = "the file is a part of this crate; tests on tch-cpu load it"
)]
static SCRIPT: LazyLock<CModule> = LazyLock::new(|| {
    let module = CModule::load_data(&mut include_bytes!("script.pt").as_slice());
    module.expect("TorchScript of a few calls")
});

/// Calls a method of the script. A failure is a bug in its arguments, or a lack of memory.
pub(super) fn call(method: &str, arguments: &[IValue]) -> IValue {
    match SCRIPT.method_is(method, arguments) {
        Ok(result) => result,
        Err(error) => panic!("libtorch: {method}: {error}"),
    }
}
