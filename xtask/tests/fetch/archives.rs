//! Malicious archives, routes, listings, and files left after a failed step.

use crate::Place;
use crate::server::{Reply, Server};
use std::io::Write;

fn zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        writer
            .start_file(*name, zip::write::SimpleFileOptions::default())
            .unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

const UNPACK: &str =
    r#"{ do = "unpack", archive = "file", keep = ["a.txt"], to = "x", limit = 1000 }"#;

#[test]
fn an_archive_is_unpacked_and_its_other_entries_left() {
    let bytes = zip(&[
        ("folder/a.txt", b"text"),
        ("folder/b.txt", b"other"),
        ("folder/aa.txt", b"other"),
    ]);
    let server = Server::start(move |_, _| Reply::ok(bytes.clone()));
    let place = Place::with_steps(&[server.url("/file")], "", UNPACK);
    place.call(&["x"]).succeeded();
    assert_eq!(place.finished(), [place.path("x/a.txt")]);
}

#[test]
fn hostile_archives_end_with_their_address() {
    for (bytes, said) in [
        (
            zip(&[("a.txt", b"text"), ("../../evil.txt", b"text")]),
            "'../../evil.txt' would be written outside the folder",
        ),
        (
            zip(&[("a.txt", b"text"), ("/etc/evil.txt", b"text")]),
            "'/etc/evil.txt' would be written outside the folder",
        ),
        (zip(&[("a.txt", &[b'x'; 1001])]), "a decompression bomb"),
        (
            zip(&[("b.txt", b"text")]),
            "it holds no 'a.txt'; it holds b.txt",
        ),
        (zip(&[("a.txt", b"text")])[..60].to_vec(), "archive"),
    ] {
        let served = bytes.clone();
        let server = Server::start(move |_, _| Reply::ok(served.clone()));
        let url = server.url("/file");
        let place = Place::with_steps(std::slice::from_ref(&url), "", UNPACK);
        let call = place.call(&["x"]);
        place.refused(&call, &[said, &url]);
        assert!(!place.folder.path().join("evil.txt").exists());
    }
}

#[test]
fn a_failed_step_leaves_nothing_and_a_later_call_recovers() {
    let server = Server::start(|_, _| {
        Reply::ok("gold_label\tsentence1\tsentence2\nentailment\ta\tb\nbogus\tc\td\n")
    });
    let steps = r#"
        { do = "copy", from = "file", to = "x/first" },
        { do = "nli", from = "file", to = "x/second", tokenizer = "whitespace", lowercase = false }"#;
    let place = Place::with_steps(&[server.url("/file")], "", steps);
    let call = place.call(&["x"]);
    place.refused(
        &call,
        &["downloads/file:3: label `bogus`, expected entailment"],
    );
    let catalogue = place.folder.path().join("catalogue.toml");
    let text = std::fs::read_to_string(&catalogue).unwrap();
    std::fs::write(
        &catalogue,
        text.replace("do = \"nli\"", "do = \"tokenize\", language = \"en\""),
    )
    .unwrap();
    place.call(&["x"]).succeeded();
    assert_eq!(place.finished().len(), 2);
    assert_eq!(
        server.requests().len(),
        1,
        "the download was good and is kept"
    );
}

#[test]
fn another_route_is_taken_when_one_fails() {
    let server = Server::start(|request, _| match request.path.as_str() {
        "/second" => Reply::ok("text"),
        _ => Reply::status(404),
    });
    let place = Place::with_catalogue(&format!(
        r#"
        [groups]
        both = ["x", "y"]
        [[set]]
        name = "x"
        about = "two routes"
        licence = "none"
        [[set.routes]]
        files = ["one"]
        steps = [{{ do = "copy", from = "one", to = "x/file" }}]
        [[set.routes]]
        files = ["two"]
        steps = [{{ do = "copy", from = "two", to = "x/file" }}]
        [[set]]
        name = "y"
        about = "needs x"
        licence = "none"
        needs = ["x"]
        routes = [{{ steps = [{{ do = "concat", from = ["x/file", "x/file"], to = "y/file" }}] }}]
        [[file]]
        name = "one"
        urls = ["{}"]
        [[file]]
        name = "two"
        urls = ["{}"]
        "#,
        server.url("/first"),
        server.url("/second"),
    ));
    place.call(&["both"]).succeeded();
    assert_eq!(
        std::fs::read_to_string(place.path("y/file")).unwrap(),
        "text\ntext\n"
    );
}

#[test]
fn what_a_list_names_is_brought() {
    let server = Server::start(|request, _| match request.path.as_str() {
        "/list" => Reply::ok("train/1.txt\ntrain/2.txt\ntrain/3.txt\n"),
        "/evil" => Reply::ok("train/1.txt\n../../evil.txt\n"),
        "/books/train/1.txt" => Reply::ok("One line\r\nand another.\r\n\r\nA second\nparagraph."),
        "/books/train/2.txt" => Reply::ok("Two.\n"),
        _ => Reply::status(404),
    });
    let catalogue = |list: &str| {
        Place::with_catalogue(&format!(
            r#"
            [groups]
            [[set]]
            name = "x"
            about = "books"
            licence = "none"
            routes = [{{ files = ["books"], steps = [{{ do = "books", from = "books", to = "x" }}] }}]
            [[listing]]
            name = "books"
            list = "{}"
            base = "{}"
            first = 2
            "#,
            server.url(list),
            server.url("/books/"),
        ))
    };
    let place = catalogue("/list");
    place.call(&["x"]).succeeded();
    let read = |name: &str| std::fs::read_to_string(place.path(name)).unwrap();
    assert_eq!(
        read("x/train/1.txt"),
        "One line and another.\nA second paragraph.\n"
    );
    assert_eq!(read("x/train/2.txt"), "Two.\n");
    let place = catalogue("/evil");
    let call = place.call(&["x"]);
    place.refused(
        &call,
        &[
            "books.list:2: '../../evil.txt' leaves the folder",
            &server.url("/evil"),
        ],
    );
}
