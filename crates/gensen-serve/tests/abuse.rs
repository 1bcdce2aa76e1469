//! Slow, disconnected and hostile clients: each is refused by name in bounded time, and others lose nothing.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests"
)]

mod support;

use std::io::Read;
use std::thread;
use std::time::{Duration, Instant};

use gensen_serve::{Limits, ServerConfig, Timeouts};
use serde_json::json;
use support::{FAILS, PANICS, Running, connect, english, gated, get, post, serve};

/// Short timeouts, to keep the tests short.
fn hasty() -> ServerConfig {
    ServerConfig {
        timeouts: Timeouts {
            request: Duration::from_millis(700),
            head: Duration::from_millis(700),
            write: Duration::from_millis(700),
            stop: Duration::from_secs(5),
        },
        ..ServerConfig::default()
    }
}

fn answers(running: &Running) {
    let answer = post(
        running.address,
        "/embed",
        &json!({ "inputs": ["w4", "w7"] }),
    );
    assert_eq!(answer.rows().len(), 2);
}

/// Whether the metrics contain this line.
fn has_metric(running: &Running, line: &str) -> bool {
    get(running.address, "/metrics")
        .text()
        .lines()
        .any(|found| found == line)
}

fn wait_for(what: &str, mut is_there: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_there() {
        assert!(begin.elapsed() < Duration::from_secs(20), "{what}");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_head_that_does_not_arrive_times_out() {
    let (model, _) = gated();
    let running = serve(hasty(), vec![model]);
    // Silence, half a head, and a head sent byte by byte.
    let mut silent = connect(running.address);
    let mut half = connect(running.address);
    half.write(b"POST /embed HTTP/1.1\r\nhost: t\r\n");
    let begin = Instant::now();
    let slow = thread::spawn({
        let mut client = connect(running.address);
        move || {
            for byte in b"GET /health HTTP/1.1\r\nx-slow: "
                .iter()
                .chain([b'x'; 600].iter())
            {
                use std::io::Write;
                if client.stream.get_mut().write_all(&[*byte]).is_err() {
                    return;
                }
                thread::sleep(Duration::from_millis(20));
            }
            panic!("a head was read for {:?}", begin.elapsed());
        }
    });
    answers(&running);
    for client in [&mut silent, &mut half] {
        let mut rest = Vec::new();
        let _ = client.stream.read_to_end(&mut rest);
        assert!(
            begin.elapsed() > Duration::from_millis(500),
            "{:?}",
            begin.elapsed()
        );
        assert!(
            begin.elapsed() < Duration::from_secs(10),
            "{:?}",
            begin.elapsed()
        );
    }
    slow.join().unwrap();
    answers(&running);
}

#[test]
fn a_body_that_does_not_arrive_is_named() {
    let (model, _) = gated();
    let running = serve(hasty(), vec![model]);
    let mut client = connect(running.address);
    client.write(
        b"POST /embed HTTP/1.1\r\nhost: t\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{\"inp",
    );
    answers(&running);
    let message = client.read().refused(408, "validation");
    assert_eq!(
        message,
        "the request's body did not arrive within 0.7 seconds"
    );
    assert!(has_metric(&running, "te_queue_size 0"));
}

#[test]
fn an_incomplete_body_is_refused() {
    let (model, gate) = gated();
    let running = serve(hasty(), vec![model]);
    let before = gate.batches();
    let mut client = connect(running.address);
    client.write(
        b"POST /embed HTTP/1.1\r\nhost: t\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{\"inputs\":\"w4\"}",
    );
    client
        .stream
        .get_mut()
        .shutdown(std::net::Shutdown::Write)
        .unwrap();
    if let Some(answer) = client.try_read() {
        answer.refused(400, "validation");
    }
    assert_eq!(gate.batches(), before);
    answers(&running);
}

#[test]
fn the_work_of_a_disconnected_client_is_dropped() {
    let (model, gate) = gated();
    let config = ServerConfig {
        limits: Limits {
            batch_words: 3,
            ..Limits::default()
        },
        ..ServerConfig::default()
    };
    let running = serve(config, vec![model]);
    let before = gate.batches();
    gate.close();
    let mut gone = connect(running.address);
    let body = json!({ "inputs": vec!["w9"; 500] }).to_string();
    gone.send("POST", "/embed", &[], body.as_bytes());
    gate.wait_for(before + 1);
    assert!(has_metric(&running, "gensen_queue_words 1500"));
    let address = running.address;
    let other = thread::spawn(move || post(address, "/embed", &json!({ "inputs": "w4" })));
    wait_for("the other request waits", || {
        has_metric(&running, "te_queue_size 2")
    });
    drop(gone);
    wait_for("the work is dropped", || {
        has_metric(&running, "gensen_queue_words 3")
    });
    wait_for("it is counted", || {
        has_metric(&running, "gensen_requests_abandoned 1")
    });
    gate.open();
    assert_eq!(other.join().unwrap().rows().len(), 1);
    // Its first batch and the other request's; its other 499 texts are not encoded.
    assert_eq!(gate.batches() - before, 2);
}

#[test]
fn clients_killed_during_requests_do_not_affect_others() {
    let running = serve(ServerConfig::default(), vec![english()]);
    let body = json!({ "inputs": vec!["A sentence that is encoded for nobody."; 40] }).to_string();
    for k in 0..60 {
        let mut client = connect(running.address);
        let mut request = format!(
            "POST /embed HTTP/1.1\r\nhost: t\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        request.truncate(request.len() * (k % 7) / 6);
        client.write(request.as_bytes());
        if k % 3 == 0 {
            let answer = post(running.address, "/embed", &json!({ "inputs": "Another." }));
            assert_eq!(answer.rows()[0].len(), 1024);
        }
    }
    wait_for("nothing waits", || {
        has_metric(&running, "gensen_queue_words 0")
    });
}

#[test]
fn a_client_that_does_not_read_its_response_times_out() {
    const ANSWERS: usize = 40;
    let config = ServerConfig {
        limits: Limits {
            // 2 MB; 8 MB of unsent responses.
            response_bytes: 2 << 20,
            ..Limits::default()
        },
        ..hasty()
    };
    let running = serve(config, vec![english()]);
    let body = json!({ "inputs": vec!["a"; 160] }).to_string();
    let mut deaf = Vec::new();
    for _ in 0..3 {
        let mut client = connect(running.address);
        // 70 MB of responses, more than the system's buffers hold.
        for _ in 0..ANSWERS {
            client.send("POST", "/embed", &[], body.as_bytes());
        }
        deaf.push(client);
    }
    // Unread responses block others at most until their connections time out.
    wait_for("others are answered", || {
        let answer = post(
            running.address,
            "/embed",
            &json!({ "inputs": vec!["a"; 160] }),
        );
        answer.status == 200
    });
    // Nothing is encoded any more: the connections wait for their clients, and time out.
    let (mut before, mut since) = (String::new(), Instant::now());
    wait_for("the connections time out", || {
        let metrics = get(running.address, "/metrics").text().to_owned();
        let counts = metrics.lines().filter(|line| {
            line.starts_with("te_request_count{") || line.starts_with("te_queue_size")
        });
        let now: String = counts.collect();
        if now != before {
            (before, since) = (now, Instant::now());
        }
        before.ends_with("te_queue_size 0") && since.elapsed() > Duration::from_secs(3)
    });
    // The server has closed their connections.
    for client in &mut deaf {
        let mut rest = Vec::new();
        let _ = client.stream.read_to_end(&mut rest);
        assert!(
            rest.len() < ANSWERS * 160 * 1024 * 8,
            "{} bytes came",
            rest.len()
        );
    }
}

#[test]
fn a_failing_text_fails_only_its_request() {
    for (bad, expected) in [
        (FAILS, "sentence 7 (counted from 0) has no word"),
        (PANICS, "the encoder failed"),
    ] {
        let (model, gate) = gated();
        let running = serve(ServerConfig::default(), vec![model]);
        let before = gate.batches();
        gate.close();
        let address = running.address;
        let ask = |inputs: &str| {
            let body = json!({ "inputs": ["w9", inputs], "input": inputs });
            move |path: &'static str| thread::spawn(move || post(address, path, &body))
        };
        let first = ask("w4")("/embed");
        gate.wait_for(before + 1);
        let (good, failing) = (ask("w7")("/embed"), ask(bad)("/embed"));
        let openai = ask(bad)("/v1/embeddings");
        wait_for("they wait", || has_metric(&running, "te_queue_size 4"));
        gate.open();
        first.join().unwrap().ok();
        good.join().unwrap().ok();
        let message = failing.join().unwrap().refused(424, "backend");
        assert!(message.starts_with(expected), "{message}");
        let error = openai.join().unwrap().refused_by_openai(500);
        assert_eq!(error["type"], "server_error");
        answers(&running);
    }
}

#[test]
fn connections_beyond_the_limit_wait_and_are_answered() {
    let (model, _) = gated();
    let config = ServerConfig {
        limits: Limits {
            connections: 4,
            ..Limits::default()
        },
        ..hasty()
    };
    let running = serve(config, vec![model]);
    let address = running.address;
    // Four silent connections take all places until they time out.
    let silent: Vec<_> = (0..4).map(|_| connect(address)).collect();
    let asked: Vec<_> = (0..20)
        .map(|_| thread::spawn(move || post(address, "/embed", &json!({ "inputs": "w4" }))))
        .collect();
    for answer in asked {
        answer.join().unwrap().ok();
    }
    drop(silent);
}

#[test]
fn anything_but_http_is_refused() {
    let (model, _) = gated();
    let running = serve(hasty(), vec![model]);
    let long = [b"GET / HTTP/1.1\r\nx: ".to_vec(), vec![b'x'; 1 << 20]].concat();
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"[..],
        b"HELO there\r\n\r\n",
        &long,
    ] {
        let mut client = connect(running.address);
        use std::io::Write;
        // The server may close the connection before everything is sent.
        let _ = client.stream.get_mut().write_all(bytes);
        if let Some(answer) = client.try_read() {
            assert!(matches!(answer.status, 400 | 431), "{answer:?}");
        }
    }
    answers(&running);
}
