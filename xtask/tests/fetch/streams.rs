//! Output on terminals and pipes, and scratch files after an interruption.

use crate::server::{Reply, Server};
use crate::{Place, content};
use std::path::Path;
use std::process::{Command, Stdio};

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_xtask"))
}

#[test]
fn a_reader_that_has_had_enough_ends_the_list_quietly() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = program()
        .args(["fetch-data", "--list"])
        .stdout(writer)
        .output()
        .unwrap();
    assert!(output.status.success() && output.stderr.is_empty());
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_stream_is_an_error_and_the_data_are_brought_all_the_same() {
    let full = || {
        let device = std::fs::File::options().write(true).open("/dev/full");
        Stdio::from(device.unwrap())
    };
    for arguments in [&["fetch-data", "--list"][..], &["--help"]] {
        let output = program().args(arguments).stdout(full()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.starts_with("error: standard output: "), "{said}");
    }
    let server = Server::start(|_, _| Reply::ok("text"));
    let place = Place::new(&[server.url("/file")], "");
    let output = place.command(&["x"]).stdout(full()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(place.path("x/file").exists());
    // A full standard error cannot be reported anywhere.
    let place = Place::new(&[server.url("/file")], "");
    let output = place.command(&["x"]).stderr(full()).output().unwrap();
    assert!(output.status.success());
    let output = place.command(&["y"]).stderr(full()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn the_documented_catalogue_and_one_with_a_mark_are_read() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/data.md");
    let page = std::fs::read_to_string(page).unwrap();
    let mut examples = page.split("```toml\n").skip(1);
    let example = examples.next().unwrap().split("```").next().unwrap();
    assert!(examples.next().is_none(), "another example, not tried here");
    for text in [example.to_owned(), format!("\u{feff}{example}")] {
        let call = Place::with_catalogue(&text).call(&["--list"]);
        assert!(call.succeeded().stdout.contains("my-corpus"));
    }
}

/// Collects the files with scratch names below a folder.
#[cfg(unix)]
fn left_over(folder: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.to_string_lossy().ends_with(".scratch") {
            found.push(path.display().to_string());
        }
        left_over(&path, found);
    }
}

#[cfg(unix)]
fn archive(files: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, &bytes[..]).unwrap();
    }
    tar.into_inner().unwrap()
}

/// Ends fifty calls at random moments, with each of the terminating signals; an undisturbed call
/// follows each.
#[cfg(unix)]
#[test]
fn files_are_complete_or_absent_however_calls_end() {
    use std::time::{Duration, Instant};

    let (one, two) = (content(3_000_000), content(1_000_001));
    let tar = archive(&[("a/one", one.clone()), ("a/two", two.clone())]);
    let server = Server::start(move |request, _| Reply::file(request, &tar, "\"1\""));
    let steps = r#"
        { do = "unpack", archive = "file", keep = ["a/"], to = "tmp" },
        { do = "copy", from = "tmp/a/one", to = "x/one" },
        { do = "copy", from = "tmp/a/two", to = "x/two" },
        { do = "tokenize", from = "tmp/a/two", to = "x/words", tokenizer = "whitespace", language = "en", lowercase = true }"#;
    let place = || Place::with_steps(&[server.url("/file")], "", steps);
    let start = Instant::now();
    let whole = place();
    whole.call(&["x"]).succeeded();
    let mut duration = start.elapsed();
    let words = std::fs::read(whole.path("x/words")).unwrap();
    let (mut ended, mut interrupted) = (0, 0);
    for kill in 0..50_u32 {
        let place = place();
        let mut child = place
            .command(&["x"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let child = child.as_mut().unwrap();
        std::thread::sleep(duration * kill / 50 + Duration::from_millis(1));
        let signal = ["-KILL", "-TERM", "-INT"][kill as usize % 3];
        let number = child.id().to_string();
        let sent = Command::new("kill")
            .args([signal, &number])
            .stderr(Stdio::null())
            .status();
        assert!(sent.unwrap().success() || child.try_wait().unwrap().is_some());
        let status = child.wait().unwrap();
        if status.success() {
            // The call finished before the signal: the machine is less busy now.
            duration = duration * 4 / 5;
        } else {
            ended += 1;
        }
        let check = || {
            for (name, expected) in [("x/one", &one), ("x/two", &two), ("x/words", &words)] {
                if let Ok(found) = std::fs::read(place.path(name)) {
                    assert!(found == *expected, "{name} is not whole after kill {kill}");
                }
            }
            let mut left = Vec::new();
            left_over(&place.path(""), &mut left);
            left
        };
        let left = check();
        // 130: the handler ran. Before it is installed, the signal's default action ends the
        // program.
        if status.code() == Some(130) {
            interrupted += 1;
            assert_eq!(left, Vec::<String>::new(), "{signal}");
        }
        place.call(&["x"]).succeeded();
        assert_eq!(check(), Vec::<String>::new(), "{signal}");
        assert_eq!(place.finished().len(), 3);
    }
    assert!(
        ended >= 25 && interrupted >= 5,
        "{ended} ended, {interrupted} noticed"
    );
}
