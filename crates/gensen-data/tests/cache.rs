//! The cache of prepared data: reuse, rebuilding, use by several processes, atomic writing.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests"
)]

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, SystemTime};

use gensen_data::prepare::{DataOptions, PrepareProgress, PreparedData, prepare};
use gensen_data::spec::TaskSpec;

/// The environment variable with the folder for a child process.
const CHILD: &str = "GENSEN_TEST_CACHE_CHILD";

/// A folder with inputs of every kind, large enough for several chunks.
fn inputs() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: String| fs::write(folder.path().join(name), text).unwrap();
    let word = |i: usize, n: usize| format!("w{} x{} ", i % 97, i * 31 % n);
    write(
        "a.en",
        (0..40_000)
            .map(|i| word(i, 5_000).repeat(1 + i % 5) + "\n")
            .collect(),
    );
    write(
        "a.fr",
        (0..40_000)
            .map(|i| word(i, 7_000).repeat(1 + i % 7) + "\n")
            .collect(),
    );
    write(
        "n.tsv",
        (0..30_000)
            .map(|i| format!("{}\t{}\tneutral\n", word(i, 900), word(i + 1, 800)))
            .collect(),
    );
    write(
        "s.txt",
        (0..60_000)
            .map(|i| {
                if i % 50 == 0 {
                    "\n".into()
                } else {
                    word(i, 4_000) + ".\n"
                }
            })
            .collect(),
    );
    folder
}

fn tasks() -> Vec<TaskSpec> {
    serde_json::from_str(
        r#"[
        {"name": "fr-en", "kind": "translation", "train": {"source": "a.en", "target": "a.fr"}},
        {"name": "st", "kind": "skip-thought", "train": {"path": "s.txt", "limit": 20000, "shuffle": 1}},
        {"name": "nli", "kind": "nli", "train": "n.tsv", "validation": {"path": "n.tsv", "limit": 100}}
        ]"#,
    )
    .unwrap()
}

fn try_prepare(
    folder: &Path,
    cache: &Path,
    threads: usize,
) -> Result<(PreparedData, bool), String> {
    let options = DataOptions {
        threads,
        source_words: 3_000,
        ..DataOptions::default()
    };
    let reused = Cell::new(false);
    let progress = |progress: PrepareProgress<'_>| {
        if let PrepareProgress::Ready { reused: yes } = progress {
            reused.set(yes);
        }
    };
    let data = prepare(&tasks(), &options, cache, folder, &progress)
        .map_err(|error| gensen_data::error::chain(&error))?;
    Ok((data, reused.get()))
}

fn prepared(folder: &Path, cache: &Path) -> (PathBuf, bool) {
    let (data, reused) = try_prepare(folder, cache, 2).unwrap();
    (data.folder, reused)
}

/// The contents of every file of a folder, by its path in the folder.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(
                    path.strip_prefix(folder).unwrap().to_owned(),
                    fs::read(path).unwrap(),
                );
            }
        }
    }
    found
}

fn names(cache: &Path) -> Vec<String> {
    let entries = fs::read_dir(cache)
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    entries
        .map(|name| name.to_string_lossy().into_owned())
        .filter(|name| name != ".lock")
        .collect()
}

#[test]
fn the_result_does_not_depend_on_the_number_of_threads() {
    let folder = inputs();
    let of_threads = |threads: usize| {
        let cache = folder.path().join(format!("cache-{threads}"));
        contents(
            &try_prepare(folder.path(), &cache, threads)
                .unwrap()
                .0
                .folder,
        )
    };
    let expected = of_threads(1);
    for threads in [2, 8] {
        let found = of_threads(threads);
        assert!(found.keys().eq(expected.keys()));
        for (path, bytes) in &found {
            assert!(
                *bytes == expected[path],
                "{} with {threads} threads",
                path.display()
            );
        }
    }
}

#[test]
fn contents_and_settings_decide_what_is_reused() {
    let folder = inputs();
    let cache = folder.path().join("cache");
    let (first, reused) = prepared(folder.path(), &cache);
    assert!(!reused);
    assert_eq!(prepared(folder.path(), &cache), (first.clone(), true));

    // A file's age and folder do not change the key.
    let file = File::options()
        .append(true)
        .open(folder.path().join("n.tsv"))
        .unwrap();
    file.set_modified(SystemTime::now() + Duration::from_secs(100))
        .unwrap();
    assert_eq!(prepared(folder.path(), &cache), (first.clone(), true));
    let elsewhere = inputs();
    assert_eq!(prepared(elsewhere.path(), &cache), (first.clone(), true));

    // The same size and age, but another word.
    let path = folder.path().join("a.fr");
    let modified = fs::metadata(&path).unwrap().modified().unwrap();
    let text = fs::read_to_string(&path).unwrap().replacen("w1 ", "v1 ", 1);
    fs::write(&path, text).unwrap();
    File::options()
        .append(true)
        .open(&path)
        .unwrap()
        .set_modified(modified)
        .unwrap();
    let (changed, reused) = prepared(folder.path(), &cache);
    assert!(changed != first && !reused);
    assert_eq!(names(&cache).len(), 2);

    let options = DataOptions::default();
    let other = prepare(&tasks(), &options, &cache, elsewhere.path(), &|_| {}).unwrap();
    assert_ne!(other.folder, first);
}

/// The cache folder of one task's data.
fn folder_of(base: &Path, task: &str, options: &DataOptions) -> PathBuf {
    let task: TaskSpec = toml::from_str(task).unwrap();
    let cache = base.join("cache");
    prepare(&[task], options, &cache, base, &|_| {})
        .unwrap()
        .folder
}

#[test]
fn the_key_tells_apart_whatever_changes_the_data() {
    let base = tempfile::tempdir().unwrap();
    fs::write(
        base.path().join("p.tsv"),
        "Das Auto.\tThe car.\nEin Haus.\tA house.\n",
    )
    .unwrap();
    let task = "name='p'\nkind='pairs'\ntrain='p.tsv'\nsource_language='de'\n";
    let moses = DataOptions {
        tokenizer: "moses".into(),
        ..DataOptions::default()
    };
    // Unless set, the language of the second sentence is that of the first, German.
    let german = folder_of(base.path(), task, &moses);
    let english = folder_of(base.path(), &format!("{task}target_language='en'"), &moses);
    assert_ne!(german, english);

    // The same words, but in the other list.
    let words = |first: &[&str], further: &[&str]| {
        let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        let options = DataOptions {
            first_words: words(&[&["<s>", "<pad>", "</s>", "<unk>"], first].concat()),
            further_words: words(further),
            ..DataOptions::default()
        };
        folder_of(base.path(), task, &options)
    };
    assert_ne!(words(&["a"], &["b"]), words(&["b"], &["a"]));
    assert_ne!(words(&["a"], &["b"]), words(&["a", "b"], &[]));
}

#[test]
fn damaged_folders_are_prepared_anew() {
    let folder = inputs();
    let cache = folder.path().join("cache");
    let (path, _) = prepared(folder.path(), &cache);
    let expected = contents(&path);
    let damages: [&dyn Fn(); 4] = [
        &|| fs::remove_file(path.join("manifest.json")).unwrap(),
        &|| fs::write(path.join("manifest.json"), "{").unwrap(),
        &|| fs::remove_file(path.join("tasks/st/train/triples")).unwrap(),
        &|| {
            File::options()
                .write(true)
                .open(path.join("tasks/fr-en/train/source.ids"))
                .unwrap()
                .set_len(1_000)
                .unwrap()
        },
    ];
    for damage in damages {
        damage();
        assert_eq!(prepared(folder.path(), &cache), (path.clone(), false));
        assert!(contents(&path) == expected);
        assert_eq!(names(&cache).len(), 1, "{:?}", names(&cache));
    }
    assert_eq!(prepared(folder.path(), &cache), (path, true));
}

/// Not a test by itself: the child processes of the tests below run it.
#[test]
fn child() {
    if let Some(folder) = std::env::var_os(CHILD) {
        let folder = Path::new(&folder);
        prepared(folder, &folder.join("cache"));
    }
}

fn spawn_child(folder: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child"])
        .env(CHILD, folder)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn processes_that_prepare_the_same_do_not_harm_each_other() {
    let folder = inputs();
    let children: Vec<_> = (0..4).map(|_| spawn_child(folder.path())).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let cache = folder.path().join("cache");
    assert_eq!(names(&cache).len(), 1, "{:?}", names(&cache));
    let (path, reused) = prepared(folder.path(), &cache);
    assert!(reused);
    let alone = folder.path().join("alone");
    assert!(contents(&path) == contents(&prepared(folder.path(), &alone).0));
}

#[test]
fn a_killed_preparation_leaves_nothing_that_looks_complete() {
    let folder = inputs();
    let cache = folder.path().join("cache");
    let alone = prepared(folder.path(), &folder.path().join("alone")).0;
    let expected = contents(&alone);
    let key = alone.file_name().unwrap();
    for round in 0..20 {
        let mut child = spawn_child(folder.path());
        thread::sleep(Duration::from_millis(5 + 20 * round));
        child.kill().unwrap();
        child.wait().unwrap();
        // The final name is absent or holds the complete data.
        let finished = cache.join(key);
        if finished.exists() {
            assert!(contents(&finished) == expected, "round {round}");
            fs::remove_dir_all(finished).unwrap();
        }
    }
    let (path, reused) = prepared(folder.path(), &cache);
    assert!(!reused && contents(&path) == expected);
    assert_eq!(
        names(&cache).len(),
        1,
        "what the dead left is gone: {:?}",
        names(&cache)
    );
}

#[test]
fn a_cache_that_cannot_be_written_is_named() {
    let folder = inputs();
    let cache = folder.path().join("a.en");
    let error = try_prepare(folder.path(), &cache, 2).unwrap_err();
    assert!(error.contains("a.en"), "{error}");
}
