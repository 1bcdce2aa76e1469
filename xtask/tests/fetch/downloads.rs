//! Downloads of one file from conforming and misbehaving servers.

use crate::server::{Reply, Request, Server};
use crate::{Place, content};
use gensen_data::digest;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

fn sha256(bytes: &[u8]) -> String {
    format!("sha256 = \"{}\"", digest::sha256(bytes))
}

fn range(request: &Request) -> Option<&str> {
    request.headers.get("range").map(String::as_str)
}

#[test]
fn a_second_call_does_nothing_and_says_so() {
    let server = Server::start(|request, _| Reply::file(request, b"some text\n", "\"1\""));
    let place = Place::new(&[server.url("/file")], "");
    assert!(
        place
            .call(&["x"])
            .succeeded()
            .stdout
            .contains("x: done (1 file, 10 B)")
    );
    assert_eq!(std::fs::read(place.path("x/file")).unwrap(), b"some text\n");
    let second = place.call(&["x"]);
    assert!(
        second
            .succeeded()
            .stdout
            .contains("already complete (1 file, 10 B); nothing to do")
    );
    assert_eq!(server.requests().len(), 1);

    // A removed output is recreated without a download.
    std::fs::remove_file(place.path("x/file")).unwrap();
    assert!(place.call(&["x"]).succeeded().stdout.contains("x: done"));
    assert!(place.path("x/file").exists());
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_broken_connection_is_resumed_where_it_broke() {
    let body = content(300_000);
    let served = body.clone();
    let server = Server::start(move |request, before| match before {
        0 => Reply::file(request, &served, "\"1\"").cut(100_000),
        1 => Reply::file(request, &served, "\"1\"").cut(50_000),
        _ => Reply::file(request, &served, "\"1\""),
    });
    let place = Place::new(&[server.url("/file")], "");
    place.call(&["x"]).succeeded();
    assert!(std::fs::read(place.path("x/file")).unwrap() == body);
    let requests = server.requests();
    let ranges: Vec<_> = requests.iter().map(range).collect();
    assert_eq!(ranges, [None, Some("bytes=100000-"), Some("bytes=150000-")]);
    assert_eq!(requests[1].headers["if-range"], "\"1\"");
}

#[test]
fn a_killed_call_is_resumed_by_the_next() {
    let body = content(300_000);
    let served = body.clone();
    let server = Server::start(move |request, before| {
        let mut reply = Reply::file(request, &served, "\"1\"");
        if before == 0 {
            reply.cut = Some(120_000);
            reply.silence = Some(Duration::from_secs(60));
        }
        reply
    });
    let place = Place::new(&[server.url("/file")], "");
    let mut child = place.command(&["x", "--patience", "60"]).spawn().unwrap();
    let part = place.path(".fetch/partial/file.part");
    let start = Instant::now();
    while std::fs::metadata(&part).map_or(0, |part| part.len()) < 120_000 {
        assert!(
            start.elapsed() < Duration::from_secs(30),
            "the part never came"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(place.finished().is_empty() && place.downloads() == 0);
    place.call(&["x"]).succeeded();
    assert!(std::fs::read(place.path("x/file")).unwrap() == body);
    assert_eq!(range(&server.requests()[1]), Some("bytes=120000-"));
}

#[test]
fn a_server_without_ranges_is_asked_for_everything_again() {
    let body = content(300_000);
    let served = body.clone();
    let server = Server::start(move |_, before| {
        let reply = Reply::ok(served.clone()).header("ETag", "\"1\"");
        if before < 2 {
            reply.cut(100_000 * (before + 1))
        } else {
            reply
        }
    });
    let place = Place::new(&[server.url("/file")], "");
    place.call(&["x"]).succeeded();
    assert!(std::fs::read(place.path("x/file")).unwrap() == body);
}

#[test]
fn a_file_that_changed_meanwhile_is_fetched_afresh() {
    let (old, new) = (content(300_000), vec![7; 200_000]);
    let served = new.clone();
    let server = Server::start(move |request, before| match before {
        0 => Reply::file(request, &old, "\"old\"").cut(100_000),
        _ => Reply::file(request, &served, "\"new\""),
    });
    let place = Place::new(&[server.url("/file")], "");
    place.call(&["x"]).succeeded();
    assert!(std::fs::read(place.path("x/file")).unwrap() == new);
}

#[test]
fn without_a_tag_or_a_sum_a_part_is_not_trusted() {
    let body = content(300_000);
    let served = body.clone();
    let server = Server::start(move |_, before| match before {
        0 => Reply::ok(served.clone()).cut(100_000),
        _ => Reply::ok(served.clone()),
    });
    let place = Place::new(&[server.url("/file")], "");
    place.call(&["x"]).succeeded();
    assert!(
        server
            .requests()
            .iter()
            .all(|request| range(request).is_none())
    );
}

#[test]
fn a_damaged_part_is_noticed_and_fetched_afresh() {
    let body = content(300_000);
    let served = body.clone();
    let server = Server::start(move |request, before| match before {
        0..4 => Reply::file(request, &served, "\"1\"").cut(if before == 0 { 100_000 } else { 0 }),
        _ => Reply::file(request, &served, "\"1\""),
    });
    let place = Place::new(&[server.url("/file")], &sha256(&body));
    let call = place.call(&["x"]);
    place.refused(&call, &["the body ended after 100000 of 300000 bytes"]);
    let part = place.path(".fetch/partial/file.part");
    let mut bytes = std::fs::read(&part).unwrap();
    assert_eq!(bytes.len(), 100_000);
    bytes[5] ^= 1;
    std::fs::write(&part, bytes).unwrap();
    place.call(&["x"]).succeeded();
    assert!(std::fs::read(place.path("x/file")).unwrap() == body);
    let requests = server.requests();
    assert_eq!(
        requests[requests.len() - 2..]
            .iter()
            .map(range)
            .collect::<Vec<_>>(),
        [Some("bytes=100000-"), None]
    );
}

#[test]
fn a_part_is_continued_from_a_mirror_when_the_sum_is_known() {
    let body = content(300_000);
    let served = body.clone();
    let good = Server::start(move |request, _| Reply::file(request, &served, "\"other\""));
    let served = body.clone();
    let bad = Server::start(move |request, before| {
        Reply::file(request, &served, "\"1\"").cut(if before == 0 { 100_000 } else { 0 })
    });
    let place = Place::new(&[bad.url("/file"), good.url("/file")], &sha256(&body));
    place.call(&["x"]).succeeded();
    assert!(std::fs::read(place.path("x/file")).unwrap() == body);
    assert_eq!(range(&good.requests()[0]), Some("bytes=100000-"));
}

#[test]
fn a_truncated_body_is_refused() {
    let server = Server::start(|_, _| Reply::ok(content(5000)).cut(3000));
    let url = server.url("/file");
    let place = Place::new(std::slice::from_ref(&url), "");
    let call = place.call(&["x"]);
    place.refused(&call, &[&url, "the body ended after 3000 of 5000 bytes"]);
    assert_eq!(place.downloads(), 0);
    assert!(server.requests().len() > 2, "it should have tried again");
}

#[test]
fn a_file_whose_end_nobody_states_is_refused() {
    let endless = || Reply {
        no_length: true,
        ..Reply::ok(content(3000))
    };
    let server = Server::start(move |_, _| endless());
    let url = server.url("/file");
    let place = Place::new(std::slice::from_ref(&url), "");
    let call = place.call(&["x"]);
    place.refused(
        &call,
        &[&url, "the server does not state the file's length"],
    );
    assert_eq!(place.downloads(), 0);
    for known in ["size = 3000", &sha256(&content(3000))] {
        let place = Place::new(std::slice::from_ref(&url), known);
        place.call(&["x"]).succeeded();
    }
    // Chunked encoding marks the end of the body.
    let server = Server::start(|_, _| {
        let reply = Reply::ok("4\r\ntext\r\n0\r\n\r\n");
        Reply {
            no_length: true,
            ..reply.header("Transfer-Encoding", "chunked")
        }
    });
    let place = Place::new(&[server.url("/file")], "");
    place.call(&["x"]).succeeded();
    assert_eq!(std::fs::read(place.path("x/file")).unwrap(), b"text");
}

#[test]
fn a_pointer_of_git_lfs_is_refused_by_name() {
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5000\n";
    let server = Server::start(move |_, _| Reply::ok(pointer));
    let url = server.url("/file");
    let place = Place::new(std::slice::from_ref(&url), "");
    let call = place.call(&["x"]);
    place.refused(
        &call,
        &[&url, "a Git LFS pointer came in place of the file"],
    );
    assert_eq!(place.downloads(), 0);
}

#[test]
fn a_body_shorter_than_the_catalogue_says_is_refused() {
    let server = Server::start(|_, _| Reply {
        no_length: true,
        ..Reply::ok(content(3000))
    });
    let url = server.url("/file");
    let place = Place::new(std::slice::from_ref(&url), "size = 5000");
    let call = place.call(&["x"]);
    place.refused(&call, &[&url, "the body ended after 3000 of 5000 bytes"]);
}

#[test]
fn a_body_longer_than_the_catalogue_says_is_refused() {
    let server = Server::start(|_, _| Reply {
        no_length: true,
        ..Reply::ok(content(500_000))
    });
    let url = server.url("/file");
    let place = Place::new(std::slice::from_ref(&url), "size = 5000");
    let call = place.call(&["x"]);
    place.refused(&call, &[&url, "expected 5000"]);
}

#[test]
fn status_404_is_refused_at_once() {
    let server = Server::start(|_, _| Reply {
        body: b"<html>gone".to_vec(),
        ..Reply::status(404)
    });
    let url = server.url("/file");
    let place = Place::new(std::slice::from_ref(&url), "");
    let call = place.call(&["x"]);
    place.refused(&call, &[&url, "status 404"]);
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn status_503_is_tried_again() {
    let server = Server::start(|_, before| {
        if before < 2 {
            Reply::status(503)
        } else {
            Reply::ok("text")
        }
    });
    let place = Place::new(&[server.url("/file")], "");
    place.call(&["x"]).succeeded();
    assert_eq!(server.requests().len(), 3);
}

#[test]
fn a_page_of_html_is_refused() {
    let page = "<!DOCTYPE html>\n<html><head><title>We have moved</title></head></html>";
    for more in ["", "size = 5000"] {
        let server = Server::start(move |_, _| {
            Reply::ok(page).header("Content-Type", "text/html; charset=utf-8")
        });
        let url = server.url("/file");
        let place = Place::new(std::slice::from_ref(&url), more);
        let call = place.call(&["x"]);
        place.refused(
            &call,
            &[
                &url,
                "a page of HTML came in place of the file (\"We have moved\")",
            ],
        );
        assert_eq!(place.downloads(), 0);
    }
    // Some servers declare every file as HTML; a matching hash overrides that.
    let server = Server::start(|_, _| Reply::ok("text").header("Content-Type", "text/html"));
    Place::new(&[server.url("/file")], &sha256(b"text"))
        .call(&["x"])
        .succeeded();
    // A page of HTML is recognised even if the server declares another type.
    let server =
        Server::start(move |_, _| Reply::ok(page).header("Content-Type", "application/zip"));
    let place = Place::new(&[server.url("/file")], "");
    let call = place.call(&["x"]);
    place.refused(&call, &["a page of HTML"]);
}

#[test]
fn a_wrong_sum_is_refused() {
    let right = content(5000);
    for sum in [
        sha256(b"other"),
        "git_blob = \"0000000000000000000000000000000000000000\"".into(),
    ] {
        let served = right.clone();
        let server = Server::start(move |request, _| Reply::file(request, &served, "\"1\""));
        let url = server.url("/file");
        let place = Place::new(std::slice::from_ref(&url), &sum);
        let call = place.call(&["x"]);
        place.refused(&call, &[&url, "expected"]);
        assert_eq!(place.downloads(), 0);
        assert!(!place.path(".fetch/partial/file.part").exists());
    }
}

#[test]
fn a_git_blob_sum_is_enough() {
    let server = Server::start(|_, _| Reply::ok("hello\n"));
    let place = Place::new(
        &[server.url("/file")],
        "git_blob = \"ce013625030ba8dba906f756967f9e9ca394464a\"",
    );
    place.call(&["x"]).succeeded();
}

#[test]
fn a_wrong_size_is_refused_before_the_download() {
    let server = Server::start(|_, _| Reply::ok(content(5000)));
    let url = server.url("/file");
    let place = Place::new(std::slice::from_ref(&url), "size = 4000");
    let call = place.call(&["x"]);
    place.refused(&call, &[&url, "the file has 5000 bytes, expected 4000"]);
}

#[test]
fn an_encoding_nobody_asked_for_is_refused() {
    let server = Server::start(|_, _| Reply::ok(content(5000)).header("Content-Encoding", "br"));
    let url = server.url("/file");
    let place = Place::new(std::slice::from_ref(&url), "");
    let call = place.call(&["x"]);
    place.refused(&call, &[&url, "content encoding 'br'"]);
}

#[test]
fn redirects_are_followed_and_a_loop_is_refused() {
    let server = Server::start(|request, _| match request.path.as_str() {
        "/old" => Reply::redirect("/new"),
        "/new" => Reply::ok("text"),
        "/a" => Reply::redirect("/b"),
        _ => Reply::redirect("/a"),
    });
    Place::new(&[server.url("/old")], "")
        .call(&["x"])
        .succeeded();
    let url = server.url("/a");
    let place = Place::new(std::slice::from_ref(&url), "");
    let call = place.call(&["x"]);
    place.refused(&call, &[&url, "the redirects do not end"]);
}

#[test]
fn mirrors_are_tried_in_order() {
    let server = Server::start(|request, _| match request.path.as_str() {
        "/good" | "/near/file" => Reply::ok("text"),
        _ => Reply::status(404),
    });
    // The first address refuses connections.
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let urls = [
        format!("http://{closed}/file"),
        server.url("/gone"),
        server.url("/good"),
        server.url("/never"),
    ];
    let place = Place::new(&urls, &sha256(b"text"));
    let call = place.call(&["x"]);
    assert!(call.succeeded().stderr.contains(&urls[0]) && call.stderr.contains("status 404"));
    let paths = |server: &Server| {
        server
            .requests()
            .into_iter()
            .map(|request| request.path)
            .collect::<Vec<_>>()
    };
    assert_eq!(paths(&server), ["/gone", "/good"]);

    let place = Place::new(&urls, &sha256(b"text"));
    place
        .call(&["x", "--mirror", &server.url("/near/")])
        .succeeded();
    assert_eq!(paths(&server)[2..], ["/near/file"]);
}

#[test]
fn when_nothing_helps_every_address_is_named() {
    let server = Server::start(|request, _| match request.path.as_str() {
        "/a" => Reply::status(404),
        _ => Reply::ok("<html>"),
    });
    let urls = [server.url("/a"), server.url("/b")];
    let place = Place::new(&urls, "");
    let call = place.call(&["x"]);
    place.refused(
        &call,
        &[
            &format!("{}: the server answered with status 404", urls[0]),
            &format!("{}: a page of HTML", urls[1]),
        ],
    );
}

#[test]
fn the_first_sum_is_recorded_and_a_changed_file_refused() {
    let changed = Arc::new(AtomicBool::new(false));
    let switch = changed.clone();
    let server = Server::start(move |_, _| {
        Reply::ok(if switch.load(Ordering::SeqCst) {
            "new!"
        } else {
            "text"
        })
    });
    let url = server.url("/file");
    let place = Place::new(std::slice::from_ref(&url), "");
    place.call(&["x"]).succeeded();
    let sums = std::fs::read_to_string(place.path(".fetch/sums.txt")).unwrap();
    assert!(
        sums.ends_with(" 4 file\n") && sums.len() == 64 + 8,
        "{sums}"
    );

    changed.store(true, Ordering::SeqCst);
    std::fs::remove_dir_all(place.path(".fetch/downloads")).unwrap();
    std::fs::remove_dir_all(place.path(".fetch/done")).unwrap();
    let call = place.call(&["x"]);
    assert!(
        !call.ok && call.stderr.contains("the file changed") && call.stderr.contains(&url),
        "{}",
        call.stderr
    );
    assert_eq!(
        std::fs::read(place.path("x/file")).unwrap(),
        b"text",
        "the old data stays"
    );

    std::fs::remove_file(place.path(".fetch/sums.txt")).unwrap();
    place.call(&["x"]).succeeded();
    assert_eq!(std::fs::read(place.path("x/file")).unwrap(), b"new!");
}

#[test]
fn offline_uses_what_is_there_and_asks_nobody() {
    let server = Server::start(|_, _| Reply::ok("text"));
    let url = server.url("/file");
    let place = Place::new(std::slice::from_ref(&url), &sha256(b"text"));
    let call = place.call(&["x", "--offline"]);
    place.refused(&call, &["--offline", &url]);
    // A file put there by hand is checked like any other.
    let download = place.path(".fetch/downloads/file");
    std::fs::create_dir_all(download.parent().unwrap()).unwrap();
    std::fs::write(&download, "typo").unwrap();
    let call = place.call(&["x", "--offline"]);
    place.refused(&call, &["is not the file expected", "--offline"]);
    std::fs::write(&download, "text").unwrap();
    place.call(&["x", "--offline"]).succeeded();
    assert!(server.requests().is_empty());
}

#[test]
fn a_silent_server_is_given_up() {
    let server = Server::start(|_, _| Reply {
        silence: Some(Duration::from_secs(90)),
        ..Reply::ok(content(5000)).cut(1000)
    });
    let url = server.url("/file");
    let place = Place::new(std::slice::from_ref(&url), "");
    let start = Instant::now();
    let call = place.call(&["x", "--patience", "0.4"]);
    place.refused(&call, &[&url, "timeout"]);
    assert!(start.elapsed() < Duration::from_secs(60));
}

#[test]
fn the_proxy_variables_are_respected() {
    let server = Server::start(|_, _| Reply::ok("text"));
    let proxy = Server::start(|_, _| Reply::status(400));
    let with = |no_proxy: &str| {
        let place = Place::new(&[server.url("/file")], "");
        let output = place
            .command(&["x"])
            .env("HTTP_PROXY", proxy.url(""))
            .env("NO_PROXY", no_proxy)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    };
    with("example.org");
    assert_eq!(proxy.requests().len(), 1);
    assert_eq!(proxy.requests()[0].method, "CONNECT");
    with("127.0.0.1");
    assert_eq!(proxy.requests().len(), 1);
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn two_calls_at_once_take_turns() {
    let server = Server::start(|_, _| {
        std::thread::sleep(Duration::from_millis(200));
        Reply::ok("text")
    });
    let place = Place::new(&[server.url("/file")], "");
    let mut other = place.command(&["x"]).spawn().unwrap();
    place.call(&["x"]).succeeded();
    assert!(other.wait().unwrap().success());
    assert_eq!(server.requests().len(), 1);
}

/// Simulates a full disk by a limit on file sizes: writing fails in the same way.
#[cfg(unix)]
#[test]
fn a_full_disk_is_named_and_the_part_kept() {
    let body = content(300_000);
    let served = body.clone();
    let server = Server::start(move |request, _| Reply::file(request, &served, "\"1\""));
    let url = server.url("/file");
    let place = Place::new(std::slice::from_ref(&url), "");
    let command = place.command(&["x"]);
    // Blocks of 512 bytes for some shells, of 1024 for others; both are too few.
    let limited = std::process::Command::new("sh")
        .args([
            "-c",
            "trap '' XFSZ; ulimit -f 200 || exit 99; exec \"$0\" \"$@\"",
        ])
        .arg(command.get_program())
        .args(command.get_args())
        .output()
        .unwrap();
    if limited.status.code() == Some(99) {
        // Not `eprintln!`, whose output the test harness captures.
        let line = "SKIPPED: this shell cannot limit the size of files\n";
        let _ = std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes());
        return;
    }
    let call = limited.into();
    place.refused(
        &call,
        &["the disk is full or a size limit is reached", &url],
    );
    assert_eq!(place.downloads(), 0);
    place.call(&["x"]).succeeded();
    assert!(std::fs::read(place.path("x/file")).unwrap() == body);
    let resumed = range(&server.requests()[1]).map(str::to_owned);
    assert!(
        resumed.is_some_and(|range| range != "bytes=0-"),
        "the part should have been kept"
    );
}

#[cfg(target_os = "linux")]
#[test]
fn a_device_without_space_is_named() {
    let server = Server::start(|_, _| Reply::ok(content(5000)));
    let url = server.url("/file");
    let place = Place::new(std::slice::from_ref(&url), "");
    let part = place.path(".fetch/partial/file.part");
    std::fs::create_dir_all(part.parent().unwrap()).unwrap();
    std::os::unix::fs::symlink("/dev/full", &part).unwrap();
    let call = place.call(&["x"]);
    place.refused(&call, &["the disk is full", &url]);
}

#[test]
fn unknown_names_are_answered_with_the_known_ones() {
    let place = Place::new(&["http://127.0.0.1:1/file".to_owned()], "");
    let call = place.call(&["y"]);
    place.refused(&call, &["'y' is neither a set nor a group; known are x"]);
    assert!(
        place
            .call(&["--list"])
            .succeeded()
            .stdout
            .contains("a file")
    );
}
