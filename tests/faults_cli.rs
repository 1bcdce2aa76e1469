//! `gensen` with real-world inputs and paths, and under interruptions.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs
)]

mod program;

use std::fs;
use std::io::Write;
#[cfg(unix)]
use std::io::{BufRead, BufReader, Read};
#[cfg(unix)]
use std::process::{Command, Stdio};
#[cfg(unix)]
use std::time::Duration;
use std::time::Instant;

use flate2::Compression;
use flate2::write::GzEncoder;
use ndarray::Array2;
use ndarray_npy::read_npy;
use program::{EMBED, Home, path, reference, text};

const FROM_FILE: [&str; 5] = ["embed", "--model", "tiny-1layer", "--input", "s.txt"];

/// A Git LFS pointer file, as in a repository cloned without Git LFS.
const POINTER: &str = "version https://git-lfs.github.com/spec/v1\noid sha256:\
    4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n";

fn home() -> Home {
    let home = Home::new();
    fs::write(home.path("s.txt"), "the dog\na man\nthe man\n").unwrap();
    home
}

#[cfg(unix)]
fn mkfifo(home: &Home, name: &str) {
    let made = Command::new("mkfifo").arg(home.path(name)).status();
    assert!(made.unwrap().success());
}

#[cfg(unix)]
#[test]
fn outputs_go_through_devices_pipes_and_links_and_files_keep_their_mode() {
    use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};

    let home = home();
    let run = |more: &[&str]| home.run(&[&FROM_FILE[..], more].concat(), b"");
    run(&["--output", "v.npy"]);
    let expected = fs::read(home.path("v.npy")).unwrap();

    symlink("/dev/null", home.path("null")).unwrap();
    run(&["--output", "null", "--lengths", "null.npy"]);
    let device = fs::metadata("/dev/null").unwrap().file_type();
    assert!(device.is_char_device());
    assert!(
        fs::symlink_metadata(home.path("null"))
            .unwrap()
            .is_symlink()
    );

    symlink("v.npy", home.path("link.npy")).unwrap();
    let private = fs::Permissions::from_mode(0o640);
    fs::write(home.path("v.npy"), "old").unwrap();
    fs::set_permissions(home.path("v.npy"), private).unwrap();
    run(&["--output", "link.npy"]);
    assert!(
        fs::symlink_metadata(home.path("link.npy"))
            .unwrap()
            .is_symlink()
    );
    assert_eq!(fs::read(home.path("v.npy")).unwrap(), expected);
    let mode = fs::metadata(home.path("v.npy"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o640);

    mkfifo(&home, "pipe");
    for format in ["npy", "jsonl"] {
        let pipe = home.path("pipe");
        let reader = std::thread::spawn(move || fs::read(pipe).unwrap());
        run(&["--output", "pipe", "--format", format]);
        let found = reader.join().unwrap();
        match format {
            "npy" => assert_eq!(found, expected),
            _ => assert_eq!(text(&found).lines().count(), 3),
        }
        assert!(
            fs::metadata(home.path("pipe"))
                .unwrap()
                .file_type()
                .is_fifo()
        );
    }
    let shown = run(&["--output", "/dev/stdout", "--format", "jsonl"]);
    assert_eq!(text(&shown.stdout).lines().count(), 3);
}

#[cfg(unix)]
#[test]
fn inputs_that_would_be_read_twice_are_refused_where_they_cannot_be() {
    let home = home();
    mkfifo(&home, "pipe");
    let part = [
        "embed",
        "--model",
        "tiny-1layer",
        "--part",
        "1/2",
        "--output",
        "p.npy",
        "--input",
    ];
    home.refused(
        &[&part[..], &["pipe"]].concat(),
        b"",
        2,
        &["--input pipe", "read twice"],
    );
    let with = |more: &[&'static str]| [&part[..], &["s.txt"], more].concat();
    home.refused(&with(&["--vectors", "pipe"]), b"", 2, &["--vectors pipe"]);
    let eval = [
        "eval",
        "--model",
        "tiny-1layer",
        "--data",
        ".",
        "--vectors",
        "pipe",
    ];
    home.refused(&eval, b"", 2, &["--vectors pipe", "read twice"]);
    home.refused(&["inspect", "pipe"], b"", 1, &["pipe", "read twice"]);
}

#[cfg(unix)]
#[test]
fn an_interrupted_embedding_leaves_nothing() {
    let home = home();
    for signal in ["-INT", "-TERM"] {
        let mut child = home
            .command(&EMBED)
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        input.write_all(b"the dog\n").unwrap();
        let scratch = || {
            let is_scratch =
                |path: &std::path::PathBuf| path.extension() == Some("scratch".as_ref());
            home.files().into_iter().filter(is_scratch).count()
        };
        let begun = Instant::now();
        while scratch() == 0 {
            assert!(
                begun.elapsed() < Duration::from_secs(60),
                "it does not begin"
            );
            std::thread::sleep(Duration::from_millis(5));
        }
        let id = child.id().to_string();
        assert!(
            Command::new("kill")
                .args([signal, &id])
                .status()
                .unwrap()
                .success()
        );
        let status = child.wait().unwrap();
        assert_eq!(status.code(), Some(130), "{signal}: {status}");
        assert_eq!(scratch(), 0, "{signal}: {:?}", home.files());
        drop(input);
    }
    // A killed process leaves its scratch file behind; the next call removes it.
    let mut child = home.command(&EMBED).stdin(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(b"the dog\n").unwrap();
    let left = home.path(&format!(".v.npy.{}-0.scratch", child.id()));
    let begun = Instant::now();
    while !left.exists() {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "it does not begin"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(left.exists());
    home.embed(b"the dog\n", &[]);
    assert!(!left.exists());
}

/// `GENSEN_KILLS` sets the number of kills; six by default.
#[test]
fn an_embedding_killed_at_random_moments_is_complete_or_absent() {
    let kills: u32 = std::env::var("GENSEN_KILLS").map_or(6, |n| n.parse().unwrap());
    let home = home();
    let lines: Vec<String> = (0..3000)
        .map(|i| format!("the dog {}", "man ".repeat(i % 9)))
        .collect();
    fs::write(home.path("s.txt"), lines.join("\n")).unwrap();
    let arguments = [&FROM_FILE[..], &["--output", "v.npy", "--lengths", "l.npy"]].concat();
    let outputs = [home.path("v.npy"), home.path("l.npy")];
    let read = || outputs.each_ref().map(|path| fs::read(path).ok());
    let begun = Instant::now();
    home.run(&arguments, b"");
    let duration = begun.elapsed();
    let whole = read();
    let before = home.files();
    for kill in 0..kills {
        outputs
            .iter()
            .for_each(|path| fs::remove_file(path).unwrap());
        let mut child = home.command(&arguments).spawn().unwrap();
        // Steps of the golden ratio spread the moments over the run without a random source.
        let share = (f64::from(kill) * 0.618_034 + 0.3).fract();
        std::thread::sleep(duration.mul_f64(share));
        child.kill().unwrap();
        child.wait().unwrap();
        for (found, expected) in read().into_iter().zip(&whole) {
            assert!(
                found.is_none() || found == *expected,
                "kill {kill}: half a file"
            );
        }
        home.run(&arguments, b"");
        assert!(read() == whole, "kill {kill}");
        assert_eq!(
            home.files(),
            before,
            "kill {kill}: the next run left scratch files"
        );
    }
}

#[cfg(unix)]
#[test]
fn each_line_of_interactive_input_is_answered_at_once() {
    let home = home();
    let arguments = [
        "embed",
        "--model",
        "tiny-1layer",
        "--input",
        "-",
        "--output",
        "-",
    ];
    let mut child = home
        .command(&arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap());
    for number in 1..=3 {
        writeln!(input, "the dog").unwrap();
        // The input stays open, so this would block for ever without a response per line.
        let mut answer = String::new();
        answers.read_line(&mut answer).unwrap();
        assert!(
            answer.starts_with(&format!("{{\"line\":{number},")),
            "{answer}"
        );
    }
    drop(input);
    let mut rest = String::new();
    answers.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "");
    assert!(child.wait().unwrap().success());
}

#[test]
fn gzipped_text_is_read() {
    let home = home();
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(b"\xef\xbb\xbfthe dog\na man\n").unwrap();
    let packed = packed.finish().unwrap();
    let expected = home.embed(b"the dog\na man\n", &[]);
    assert_eq!(home.embed(&packed, &[]), expected);
    fs::write(home.path("s.txt.gz"), &packed).unwrap();
    let arguments = [
        "embed",
        "--model",
        "tiny-1layer",
        "--input",
        "s.txt.gz",
        "--output",
    ];
    home.run(&[&arguments[..], &["g.npy"]].concat(), b"");
    let found: Array2<f32> = read_npy(home.path("g.npy")).unwrap();
    assert_eq!(found, expected);
    home.run(
        &[&arguments[..], &["part.npy", "--part", "2/2"]].concat(),
        b"",
    );
    let part: Array2<f32> = read_npy(home.path("part.npy")).unwrap();
    assert_eq!(part, expected.slice(ndarray::s![1.., ..]));
    fs::write(home.path("s.txt.gz"), &packed[..packed.len() - 9]).unwrap();
    home.refused(
        &[&arguments[..], &["g.npy"]].concat(),
        b"",
        1,
        &["s.txt.gz", "truncated"],
    );
}

#[test]
fn dashes_empty_values_and_unknown_extensions_are_refused() {
    let home = home();
    let with = |more: &[&'static str]| [&FROM_FILE[..], more].concat();
    for option in ["--lengths", "--hidden-states", "--vectors"] {
        for value in ["-", ""] {
            home.refused(
                &with(&["--output", "v.npy", option, value]),
                b"",
                2,
                &[option],
            );
        }
    }
    for output in ["v.txt", "v.json", "v.gz", "v.tar.gz"] {
        let expected = [output, "unknown extension", ".npy, .jsonl, .csv"];
        home.refused(&with(&["--output", output]), b"", 2, &expected);
    }
    let lengths = ["--output", "v.npy", "--lengths", "l.csv"];
    home.refused(&with(&lengths), b"", 2, &["--lengths l.csv", ".npy"]);
    let contradiction = ["--output", "v.npy", "--format", "jsonl"];
    home.refused(&with(&contradiction), b"", 2, &["contradicts --format"]);
    home.refused(&with(&["--output", ""]), b"", 2, &["--output"]);
    let eval = ["eval", "--model", "tiny-1layer", "--data", "."];
    for more in [
        ["--output", "-"],
        ["--map", "-"],
        ["--cache", ""],
        ["--data", ""],
    ] {
        home.refused(&[&eval[..], &more].concat(), b"", 2, &[more[0]]);
    }
    home.refused(
        &[&eval[..], &["--map", "m.png"]].concat(),
        b"",
        2,
        &["--map m.png", ".svg"],
    );
    let similar = [
        "similar",
        "--model",
        "tiny-1layer",
        "--input",
        "s.txt",
        "--query",
        "",
    ];
    home.refused(&similar, b"", 2, &["--query"]);
    home.run(&with(&["--output", "v.dat", "--format", "npy"]), b"");
}

#[cfg(target_os = "linux")]
#[test]
fn devices_without_an_end_do_not_fill_the_memory() {
    let home = home();
    fs::write(home.path("w.txt"), "zebra\n").unwrap();
    let weights = reference().join("tiny-1layer/tiny-1layer.model");
    let convert = ["convert", "--weights", path(&weights), "--output", "new"];
    let expand = ["expand", "--model", "tiny-1layer", "--output", "new"];
    let glove = reference().join("glove-tiny.txt");
    for more in [
        &["config", "check", "/dev/zero"][..],
        &["inspect", "/dev/zero"],
        &[&convert[..], &["--vocab", "/dev/zero"]].concat(),
        &[
            &expand[..],
            &["--vectors", path(&glove), "--words", "/dev/zero"],
        ]
        .concat(),
        &[&expand[..], &["--vectors", "/dev/zero", "--words", "w.txt"]].concat(),
        &[
            &FROM_FILE[..],
            &["--output", "v.npy", "--vectors", "/dev/zero"],
        ]
        .concat(),
    ] {
        let before = home.files();
        let output = home.gensen(more, b"");
        let message = text(&output.stderr);
        assert!(
            matches!(output.status.code(), Some(1 | 2)),
            "{more:?}: {message}"
        );
        assert!(message.contains("/dev/zero"), "{more:?}: {message}");
        assert_eq!(home.files(), before, "{more:?} left something behind");
    }
}

#[test]
fn inspect_goes_by_content() {
    let home = home();
    let files = reference().join("tiny-1layer");
    for (from, name, expected) in [
        ("tiny-1layer.zip.model", "pytorch_model.bin", "PyTorch file"),
        ("tiny-1layer.model", "best.pth.tar", "PyTorch file"),
        ("tiny-1layer.model", "X.MODEL", "PyTorch file"),
        ("tiny-1layer_vocab.pkl", "words", "pickled vocabulary"),
    ] {
        fs::copy(files.join(from), home.path(name)).unwrap();
        let shown = text(&home.run(&["inspect", name], b"").stdout);
        assert!(shown.starts_with(expected), "{name}: {shown}");
    }
    fs::copy(
        home.path("tiny-1layer/model.safetensors"),
        home.path("weights.pt"),
    )
    .unwrap();
    let shown = text(&home.run(&["inspect", "weights.pt"], b"").stdout);
    assert!(shown.starts_with("safetensors, "), "{shown}");

    let vectors = reference().join("glove-tiny.txt");
    let expand = [
        "expand",
        "--model",
        "tiny-1layer",
        "--vectors",
        path(&vectors),
    ];
    let expand = [&expand[..], &["--words", "-", "--output", "new"]].concat();
    assert!(home.gensen(&expand, b"the\n").status.success());
    let shown = text(&home.run(&["inspect", "new/map.safetensors"], b"").stdout);
    assert!(shown.contains("300 of the encoder's 504"), "{shown}");
}

#[test]
fn git_lfs_pointers_are_named_by_every_reader() {
    let home = home();
    fs::write(home.path("pointer"), POINTER).unwrap();
    let expected = ["pointer", "Git LFS", "git lfs pull"];
    let weights = reference().join("tiny-1layer/tiny-1layer.model");
    let words = reference().join("tiny-1layer/tiny-1layer_vocab.pkl");
    let convert = |weights, words| {
        [
            "convert",
            "--weights",
            weights,
            "--vocab",
            words,
            "--output",
            "m",
        ]
    };
    home.refused(&convert("pointer", path(&words)), b"", 1, &expected);
    home.refused(&convert(path(&weights), "pointer"), b"", 1, &expected);
    home.refused(&["inspect", "pointer"], b"", 1, &expected);
    let vectors = [&EMBED[..], &["--vectors", "pointer"]].concat();
    home.refused(&vectors, b"the\n", 1, &expected);
    let mut input = EMBED;
    input[4] = "pointer";
    home.refused(&input, b"", 1, &expected);
    for file in ["config.json", "vocab.txt", "model.safetensors"] {
        let place = home.path("tiny-1layer").join(file);
        let whole = fs::read(&place).unwrap();
        fs::write(&place, POINTER).unwrap();
        home.refused(&EMBED, b"the\n", 1, &[file, "Git LFS"]);
        fs::write(&place, whole).unwrap();
    }
}

#[test]
fn byte_order_marks_are_taken_off() {
    let home = home();
    let expected = home.embed(b"the dog\n", &[]);
    for file in ["config.json", "vocab.txt"] {
        let place = home.path("tiny-1layer").join(file);
        let marked = [b"\xef\xbb\xbf", &fs::read(&place).unwrap()[..]].concat();
        fs::write(&place, marked).unwrap();
    }
    assert_eq!(home.embed(b"the dog\n", &[]), expected);
}

#[test]
fn words_with_blanks_and_words_of_pickles_are_named() {
    let home = home();
    let vectors = reference().join("glove-tiny.txt");
    let expand = [
        "expand",
        "--model",
        "tiny-1layer",
        "--vectors",
        path(&vectors),
    ];
    let expand = [&expand[..], &["--words", "-", "--output", "new"]].concat();
    for (words, expected) in [
        (
            &b"the\nzebra 12\n"[..],
            ["standard input, line 2", "`zebra 12`"],
        ),
        (b"a\rb\n", ["standard input, line 1", "`a\\rb`"]),
    ] {
        home.refused(&expand, words, 1, &expected);
    }
    assert!(home.gensen(&expand, b"the \n\tdog\n").status.success());
    let words = fs::read_to_string(home.path("new/vocab.txt")).unwrap();
    assert!(words.ends_with("<unk>\nthe\ndog\n"), "{words}");

    let weights = reference().join("tiny-1layer/tiny-1layer.model");
    let pickle = "(dS'id2word'\n(dI0\nS'a\\nb'\nssS'word2id'\n(dS'a\\nb'\nI0\nss.";
    fs::write(home.path("nl.pkl"), pickle).unwrap();
    let convert = [
        "convert",
        "--weights",
        path(&weights),
        "--vocab",
        "nl.pkl",
        "--output",
        "m",
    ];
    home.refused(&convert, b"", 1, &["nl.pkl", "word 0"]);
}

#[test]
fn few_known_words_are_said_with_the_remedies() {
    let home = home();
    let said = |arguments: &[&str], input: &[u8]| {
        let output = home.gensen(arguments, input);
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stderr)
    };
    let warning = said(&EMBED, b"xyzzy plugh\nthe dog xyzzy\n");
    for part in [
        "3 of 5 words (60.0 %) are unknown",
        "1 of 2 sentences have no known word",
        "--vectors",
        "--tokenizer",
    ] {
        assert!(warning.contains(part), "`{part}` is not in: {warning}");
    }
    assert!(!said(&EMBED, b"the dog\n\nthe man\n").contains("unknown"));
    let similar = [
        "similar",
        "--model",
        "tiny-1layer",
        "--input",
        "s.txt",
        "--query",
        "xyzzy",
    ];
    assert!(said(&similar, b"").contains("all words of the query are unknown"));
}

#[test]
fn a_hub_name_without_its_scheme_is_told_apart_from_a_folder() {
    let home = home();
    let mut arguments = EMBED;
    arguments[2] = "acme/tiny";
    home.refused(&arguments, b"", 1, &["acme/tiny", "hf://acme/tiny"]);
}
