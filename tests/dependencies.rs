//! The crates' dependencies match docs/ARCHITECTURE.md, and their manifests name what a registry shows.
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
fn published_crates_have_descriptions_licences_and_documentation() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .args(["--locked", "--offline"])
        .current_dir(&root)
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo metadata: {error}");
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let release = include_str!("../.ci/release");
    let words = release.split(|c: char| c.is_whitespace() || c == ')');
    let excluded = words.clone().skip(1).zip(words);
    let excluded: Vec<&str> = excluded
        .filter(|(_, option)| *option == "--exclude")
        .map(|(name, _)| name)
        .collect();
    let mut published = 0;
    for package in found["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        // `publish = false` is an empty list of registries.
        let is_published = package["publish"].is_null();
        assert_ne!(
            is_published,
            excluded.contains(&name),
            "{name}: .ci/release"
        );
        if !is_published {
            continue;
        }
        published += 1;
        let folder = Path::new(package["manifest_path"].as_str().unwrap()).with_file_name("");
        for key in ["description", "documentation", "license", "rust_version"] {
            assert!(package[key].is_string(), "{name}: no `{key}`");
        }
        assert!(
            package["metadata"]["docs"]["rs"].is_object(),
            "{name}: no [package.metadata.docs.rs]"
        );
        let keywords = package["keywords"].as_array().unwrap().len();
        assert!((1..=5).contains(&keywords), "{name}: {keywords} keywords");
        let readme = package["readme"].as_str().unwrap();
        for file in [readme, "LICENSE-MIT", "LICENSE-APACHE"] {
            assert!(folder.join(file).is_file(), "{name}: no {file}");
        }
    }
    assert!(published >= 10, "{published} crates");
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
