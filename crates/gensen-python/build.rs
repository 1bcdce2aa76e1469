//! Links the extension module on macOS with undefined Python symbols, which are resolved when it is loaded.

fn main() {
    pyo3_build_config::add_extension_module_link_args();
}
