//! Every limit: a request that exceeds it is refused as a whole, by name, and other requests are not affected.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests"
)]

mod support;

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use gensen_serve::{Limits, Model, ServerConfig, Timeouts};
use serde_json::{Value, json};
use support::{Gate, Running, connect, gated, get, post, serve, tiny};

/// A small model behind a gate, with these limits.
fn limited(limits: Limits) -> (Running, Arc<Gate>) {
    let (model, gate) = gated();
    let config = ServerConfig {
        limits,
        ..ServerConfig::default()
    };
    (serve(config, vec![model]), gate)
}

fn embed(running: &Running, inputs: Value) -> support::Answer {
    post(running.address, "/embed", &json!({ "inputs": inputs }))
}

/// A text of `words` words; the encoder adds `<s>` and `</s>`.
fn text(words: usize) -> String {
    vec!["w9"; words].join(" ")
}

/// The encoder's vector of a text, normalised to length 1.
fn vector(text: &str) -> Vec<f32> {
    let options = gensen_encode::EncodeOptions::default().pooling(gensen_encode::Pooling::Max);
    let mut vector = tiny().encode(&[text], &options).unwrap().row(0).to_vec();
    let length = vector
        .iter()
        .map(|&x| f64::from(x).powi(2))
        .sum::<f64>()
        .sqrt();
    vector
        .iter_mut()
        .for_each(|x| *x = (f64::from(*x) / length) as f32);
    vector
}

#[test]
fn large_bodies_are_refused_and_their_senders_can_read_the_response() {
    let (running, _) = limited(Limits {
        body_bytes: 1_000,
        ..Limits::default()
    });
    let message = embed(&running, json!("w ".repeat(600))).refused(413, "validation");
    assert_eq!(
        message,
        "the request's body is larger than the limit of 1000 bytes"
    );
    // 8 kB without a declared length; the sender reads the response after sending all of it.
    let mut client = connect(running.address);
    client.write(b"POST /embed HTTP/1.1\r\nhost: t\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n");
    for _ in 0..8 {
        client.write(b"400\r\n");
        client.write(&[b' '; 0x400]);
        client.write(b"\r\n");
    }
    client.write(b"0\r\n\r\n");
    client.read().refused(413, "validation");
    // The connection stays open.
    client.send("POST", "/embed", &[], br#"{"inputs":"w4"}"#);
    client.read().ok();
    // A client that waits for `100 Continue` is answered before it sends the body.
    let mut client = connect(running.address);
    client.write(b"POST /embed HTTP/1.1\r\nhost: t\r\ncontent-type: application/json\r\nexpect: 100-continue\r\ncontent-length: 5000\r\n\r\n");
    client.read().refused(413, "validation");
}

#[test]
fn bodies_of_ten_megabytes_are_refused_by_default() {
    let (running, _) = limited(Limits::default());
    let body = format!(r#"{{"inputs":"{}"}}"#, "a".repeat(10_000_000));
    let mut client = connect(running.address);
    client.send("POST", "/embed", &[], body.as_bytes());
    let message = client.read().refused(413, "validation");
    assert_eq!(
        message,
        "the request's body is larger than the limit of 2000000 bytes"
    );
    assert_eq!(embed(&running, json!("w4")).rows().len(), 1);
}

#[test]
fn too_many_inputs_are_refused() {
    let (running, gate) = limited(Limits::default());
    let before = gate.batches();
    let message = embed(&running, json!(vec!["a"; 100_000])).refused(413, "validation");
    assert_eq!(
        message,
        "`inputs` has 100000 texts, more than the limit of 2048"
    );
    let openai = post(
        running.address,
        "/v1/embeddings",
        &json!({ "input": vec!["a"; 3_000] }),
    );
    let message = openai.refused_by_openai(413)["message"].clone();
    assert_eq!(
        message,
        "`input` has 3000 texts, more than the limit of 2048"
    );
    assert_eq!(gate.batches(), before);
    assert_eq!(
        embed(&running, json!(vec!["w4"; 2_048])).rows(),
        vec![vector("w4"); 2_048]
    );
    embed(&running, json!([])).refused(400, "empty");
}

#[test]
fn long_inputs_are_refused_by_name_or_truncated_on_request() {
    let (running, _) = limited(Limits {
        input_words: 6,
        queue_words: 100,
        ..Limits::default()
    });
    let message = embed(&running, json!(["w4", text(5)])).refused(413, "validation");
    assert_eq!(
        message,
        "text 1 (counted from 0) of `inputs` has 7 words, more than the limit of 6; set `truncate` to cut it"
    );
    let cut = |direction: &str| {
        let body = json!({ "inputs": "w4 w7 w8 w9 w10", "truncate": true, "truncation_direction": direction });
        post(running.address, "/embed", &body).rows().remove(0)
    };
    assert_eq!(cut("right"), vector("w4 w7 w8 w9"));
    assert_eq!(cut("left"), vector("w7 w8 w9 w10"));
    // More than the whole queue.
    let message = embed(&running, json!(vec!["w4 w7"; 26])).refused(413, "validation");
    assert_eq!(
        message,
        "the request has 104 words, more than the limit of 100"
    );
}

#[test]
fn an_input_longer_than_a_batch_is_answered() {
    let (running, gate) = limited(Limits {
        batch_words: 8,
        ..Limits::default()
    });
    let texts = [text(3), text(50), text(1), text(2), text(20)];
    let before = gate.batches();
    let found = embed(&running, json!(texts)).rows();
    let expected: Vec<Vec<f32>> = texts.iter().map(|text| vector(text)).collect();
    assert_eq!(found, expected);
    // 5; 52; 3 and 4; 22 words.
    assert_eq!(gate.batches() - before, 4);
}

#[test]
fn a_full_queue_refuses_a_whole_request_with_retry_after() {
    let (running, gate) = limited(Limits {
        input_words: 20,
        queue_words: 30,
        batch_words: 5,
        ..Limits::default()
    });
    let before = gate.batches();
    gate.close();
    let address = running.address;
    let first =
        thread::spawn(move || post(address, "/embed", &json!({ "inputs": [text(3), text(18)] })));
    gate.wait_for(before + 1);
    // 25 of 30 words are queued. Half of this request would fit; none of it is admitted.
    for path in ["/embed", "/"] {
        let answer = post(address, path, &json!({ "inputs": [text(1), text(1)] }));
        let message = answer.refused(429, "overloaded");
        assert_eq!(
            message,
            "the server is busy: 25 words are queued and the request has 6, more than the limit of 30"
        );
        assert!((1..=60).contains(&answer.retry_after()));
    }
    let openai = post(
        address,
        "/v1/embeddings",
        &json!({ "input": [text(1), text(1)] }),
    );
    let error = openai.refused_by_openai(429);
    assert_eq!(error["code"], "rate_limit_exceeded");
    assert!(openai.retry_after() >= 1);
    // A request that fits is admitted.
    let fits = thread::spawn(move || post(address, "/embed", &json!({ "inputs": text(3) })));
    while !get(address, "/metrics")
        .text()
        .contains("gensen_queue_words 30\n")
    {
        thread::sleep(Duration::from_millis(5));
    }
    gate.open();
    assert_eq!(
        first.join().unwrap().rows(),
        [vector(&text(3)), vector(&text(18))]
    );
    assert_eq!(fits.join().unwrap().rows(), [vector(&text(3))]);
    // Nothing of the refused requests was encoded: batches of 5, 20 and 5 words.
    assert_eq!(gate.batches() - before, 3);
    assert!(
        get(address, "/metrics")
            .text()
            .contains("gensen_queue_words 0\n")
    );
}

#[test]
fn connections_share_batches() {
    let (running, gate) = limited(Limits::default());
    let before = gate.batches();
    gate.close();
    let address = running.address;
    let ask =
        |k: usize| thread::spawn(move || post(address, "/embed", &json!({ "inputs": text(k) })));
    let mut asked = vec![ask(1)];
    gate.wait_for(before + 1);
    asked.extend((2..=20).map(ask));
    while !get(address, "/metrics")
        .text()
        .contains("te_queue_size 20\n")
    {
        thread::sleep(Duration::from_millis(5));
    }
    gate.open();
    for (k, answer) in asked.into_iter().enumerate() {
        assert_eq!(answer.join().unwrap().rows(), [vector(&text(k + 1))]);
    }
    assert_eq!(gate.batches() - before, 2);
}

#[test]
fn batches_can_be_limited_to_one_request() {
    let (running, gate) = limited(Limits {
        batch_requests: Some(1),
        ..Limits::default()
    });
    let before = gate.batches();
    gate.close();
    let address = running.address;
    let ask =
        |_| thread::spawn(move || post(address, "/embed", &json!({ "inputs": ["w4", "w7"] })));
    let asked: Vec<_> = (0..4).map(ask).collect();
    while !get(address, "/metrics")
        .text()
        .contains("te_queue_size 4\n")
    {
        thread::sleep(Duration::from_millis(5));
    }
    gate.open();
    for answer in asked {
        assert_eq!(answer.join().unwrap().rows(), [vector("w4"), vector("w7")]);
    }
    assert_eq!(gate.batches() - before, 4);
}

#[test]
fn concurrent_requests_are_bounded() {
    let (running, gate) = limited(Limits {
        requests: 2,
        ..Limits::default()
    });
    let before = gate.batches();
    gate.close();
    let address = running.address;
    let ask = |_| thread::spawn(move || post(address, "/embed", &json!({ "inputs": "w4" })));
    let asked: Vec<_> = (0..2).map(ask).collect();
    while !get(address, "/metrics")
        .text()
        .contains("te_queue_size 2\n")
    {
        thread::sleep(Duration::from_millis(5));
    }
    gate.wait_for(before + 1);
    let answer = embed(&running, json!("w4"));
    let message = answer.refused(429, "overloaded");
    assert!(
        message.contains("it already processes 2 requests"),
        "{message}"
    );
    assert!(answer.retry_after() >= 1);
    // Probes are still answered.
    assert_eq!(get(address, "/health").status, 200);
    gate.open();
    for answer in asked {
        answer.join().unwrap().ok();
    }
    embed(&running, json!("w4")).ok();
}

#[test]
fn large_responses_are_refused_before_they_are_computed() {
    let (running, gate) = limited(Limits {
        response_bytes: 1 << 16,
        ..Limits::default()
    });
    let before = gate.batches();
    // 342 words, 16 values each, 12 bytes each.
    let body = json!({ "inputs": text(340) });
    let message = post(running.address, "/embed_all", &body).refused(413, "validation");
    assert!(
        message
            .starts_with("the response would have about 65664 bytes, more than the limit of 65536"),
        "{message}"
    );
    assert_eq!(gate.batches(), before);
    let body = json!({ "inputs": text(339) });
    let states = post(running.address, "/embed_all", &body).ok();
    assert_eq!(states[0].as_array().unwrap().len(), 341);
}

#[test]
fn a_request_past_its_deadline_is_abandoned() {
    let (model, gate) = gated();
    let config = ServerConfig {
        timeouts: Timeouts {
            request: Duration::from_millis(300),
            ..Timeouts::default()
        },
        ..ServerConfig::default()
    };
    let running = serve(config, vec![model]);
    gate.close();
    let begin = Instant::now();
    let answer = embed(&running, json!("w4"));
    let message = answer.refused(503, "overloaded");
    assert_eq!(message, "the result was not ready within 0.3 seconds");
    assert!(answer.retry_after() >= 1);
    assert!(begin.elapsed() < Duration::from_secs(10));
    assert!(
        get(running.address, "/metrics")
            .text()
            .contains("gensen_queue_words 0\n")
    );
    gate.open();
    assert_eq!(embed(&running, json!("w7")).rows(), [vector("w7")]);
}

#[test]
fn malformed_requests_are_named() {
    let (running, _) = limited(Limits::default());
    let send = |headers: &[(&str, &str)], body: &[u8]| {
        let mut client = connect(running.address);
        client.send("POST", "/embed", headers, body);
        client.read()
    };
    let message = send(&[], b"{\"inputs\": [\"a\",]}").refused(400, "validation");
    assert!(
        message.contains("malformed JSON: trailing comma at line 1 column 17"),
        "{message}"
    );
    let message = send(&[], b"{\"inputs\": \"\xff\xfe\"}").refused(400, "validation");
    assert!(
        message.contains("malformed JSON: invalid unicode code point"),
        "{message}"
    );
    let message = send(&[], br#"{"inputs": "\ud800"}"#).refused(400, "validation");
    assert!(message.contains("malformed JSON"), "{message}");
    let deep = [b"{\"inputs\":".to_vec(), vec![b'['; 100_000]].concat();
    let message = send(&[], &deep).refused(422, "validation");
    assert!(message.contains("token ids"), "{message}");
    send(&[], b"").refused(400, "validation");
    let message = send(&[], br#"{"input": "a"}"#).refused(422, "validation");
    assert!(message.contains("missing field `inputs`"), "{message}");
    let message = send(&[], br#"{"inputs": {"a": 1}}"#).refused(422, "validation");
    assert!(
        message.contains("expected a string or a list of strings"),
        "{message}"
    );
    let message =
        send(&[], br#"{"inputs": "a", "prompt_name": "query"}"#).refused(422, "validation");
    assert_eq!(
        message,
        "`prompt_name` is not supported: the model has no prompts"
    );
    let message =
        send(&[("content-type", "text/plain")], br#"{"inputs": "a"}"#).refused(415, "validation");
    assert!(message.contains("application/json"), "{message}");
    send(
        &[("content-type", "application/json; charset=utf-8")],
        br#"{"inputs": "w4"}"#,
    )
    .ok();
}

#[test]
fn without_the_token_only_probes_and_pages_are_served() {
    let (model, _) = gated();
    let config = ServerConfig {
        api_key: Some("s3cret".into()),
        ..ServerConfig::default()
    };
    let running = serve(config, vec![model]);
    let send = |method: &str, path: &str, token: &str| {
        let mut client = connect(running.address);
        client.send(
            method,
            path,
            &[("authorization", token)],
            br#"{"inputs": "w4", "input": "w4"}"#,
        );
        client.read()
    };
    for token in ["", "Bearer s3cre", "Bearer s3cret2", "s3cret"] {
        for (method, path) in [
            ("POST", "/embed"),
            ("POST", "/"),
            ("GET", "/info"),
            ("GET", "/metrics"),
        ] {
            let answer = send(method, path, token);
            let message = answer.refused(401, "unauthorized");
            assert!(message.contains("Authorization: Bearer TOKEN"), "{message}");
            assert_eq!(answer.headers["www-authenticate"], "Bearer");
        }
        let error = send("POST", "/v1/embeddings", token).refused_by_openai(401);
        assert_eq!(error["code"], "invalid_api_key");
    }
    for path in ["/livez", "/health", "/", "/docs", "/api-doc/openapi.json"] {
        assert_eq!(send("GET", path, "").status, 200, "{path}");
    }
    for (method, path) in [
        ("POST", "/embed"),
        ("POST", "/v1/embeddings"),
        ("GET", "/info"),
    ] {
        send(method, path, "Bearer s3cret").ok();
    }
}

#[test]
fn auto_truncate_truncates_unless_the_request_says_otherwise() {
    let config = ServerConfig {
        limits: Limits {
            input_words: 4,
            ..Limits::default()
        },
        auto_truncate: true,
        ..ServerConfig::default()
    };
    let model = Model::new("tiny", tiny(), Some(gensen_encode::Pooling::Max)).unwrap();
    let running = serve(config, vec![model]);
    assert_eq!(embed(&running, json!("w4 w7 w8")).rows(), [vector("w4 w7")]);
    let body = json!({ "inputs": "w4 w7 w8", "truncate": false });
    post(running.address, "/embed", &body).refused(413, "validation");
}
