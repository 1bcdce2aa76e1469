//! The crates' dependencies match docs/ARCHITECTURE.md.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests"
)]

use std::path::Path;
use std::process::Command;

/// The packages that a crate, built by these arguments, is compiled with.
fn tree(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "--edges", "normal,build"])
        .args(["--prefix", "none", "--package"])
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo tree {arguments:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn encoding_expanding_and_evaluating_need_no_burn() {
    for arguments in [
        &["gensen-encode", "--all-features"][..],
        &["gensen-expand", "--all-features"],
        &["gensen-eval", "--all-features"],
        &["gensen-english", "--all-features"],
        &["gensen-search", "--all-features"],
        &["gensen-python", "--all-features"],
        &["gensen-serve", "--all-features"],
        &[
            "gensen",
            "--no-default-features",
            "--features",
            "english,hdf5,hub,parquet,serve,tsne",
        ],
    ] {
        let tree = tree(arguments);
        assert!(tree.starts_with(arguments[0]), "{tree}");
        let burn = tree.lines().find(|line| line.starts_with("burn"));
        assert_eq!(burn, None, "{arguments:?}");
    }
    assert!(
        tree(&["gensen"])
            .lines()
            .any(|line| line.starts_with("burn "))
    );
}

#[test]
fn the_code_map_names_paths_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = include_str!("../docs/ARCHITECTURE.md");
    let mut checked = 0;
    for row in page.lines().filter(|line| line.starts_with("| `")) {
        let cell = row.split('|').nth(1).unwrap();
        // Further paths of a cell are relative to the first one's folder.
        let mut folder = root.clone();
        for (k, path) in cell.split('`').skip(1).step_by(2).enumerate() {
            let path = match (k, path.strip_prefix("gensen")) {
                (_, Some(_)) if path.contains('/') => root.join("crates").join(path),
                (0, _) => root.join(path),
                _ if root.join(path).exists() && path.contains('/') => root.join(path),
                _ => folder.join(path),
            };
            assert!(path.exists(), "{}: {row}", path.display());
            if let Some(parent) = path.parent() {
                folder = parent.to_owned();
            }
            checked += 1;
        }
    }
    assert!(checked > 100, "{checked} paths");
}
