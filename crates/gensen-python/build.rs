//! Links the module as macOS wants extension modules: symbols of Python stay open until it is loaded.

fn main() {
    pyo3_build_config::add_extension_module_link_args();
}
