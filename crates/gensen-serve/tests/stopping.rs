//! Loading and stopping: liveness, readiness, and the fate of accepted requests.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests"
)]

mod support;

use std::net::TcpStream;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use gensen_serve::{Limits, Model, ServeError, ServerConfig, Timeouts};
use serde_json::json;
use support::{connect, gated, get, post, serve, start, tiny};

#[test]
fn a_server_is_alive_before_it_is_ready() {
    let (model, _) = gated();
    let (load, loading) = mpsc::channel();
    let (ready, is_ready) = mpsc::channel();
    let running = start(
        ServerConfig::default(),
        move || Ok(vec![loading.recv().unwrap()]),
        move |address| ready.send(address).unwrap(),
    );
    let address = running.address;
    assert_eq!(get(address, "/livez").status, 200);
    let message = get(address, "/health").refused(503, "unhealthy");
    assert_eq!(message, "the model is loading");
    let answer = post(address, "/embed", &json!({ "inputs": "w4" }));
    answer.refused(503, "unhealthy");
    assert_eq!(answer.retry_after(), 1);
    get(address, "/v1/models").refused_by_openai(503);
    assert_eq!(get(address, "/").status, 200);
    load.send(model).unwrap();
    assert_eq!(is_ready.recv().unwrap(), address);
    assert_eq!(get(address, "/health").status, 200);
    post(address, "/embed", &json!({ "inputs": "w4" })).ok();
}

#[test]
fn an_error_while_loading_ends_the_server() {
    let load = || Err(ServeError::NoModel);
    let running = start(ServerConfig::default(), load, |_| panic!("it is not ready"));
    let error = running.ended().unwrap_err();
    assert!(matches!(error, ServeError::NoModel), "{error}");
    let two = || {
        let model = || Model::new("tiny", tiny(), None);
        Ok(vec![model()?, model()?])
    };
    let running = start(ServerConfig::default(), two, |_| panic!("it is not ready"));
    let error = running.ended().unwrap_err();
    assert_eq!(error.to_string(), "two models are named `tiny`");
    let running = start(
        ServerConfig::default(),
        || Ok(vec![]),
        |_| panic!("it is not ready"),
    );
    assert!(matches!(running.ended().unwrap_err(), ServeError::NoModel));
}

#[test]
fn a_server_can_be_stopped_while_loading() {
    let (hold, held) = mpsc::channel::<()>();
    let load = move || {
        let _ = held.recv();
        Err(ServeError::NoModel)
    };
    let running = start(ServerConfig::default(), load, |_| panic!("it is not ready"));
    assert_eq!(get(running.address, "/livez").status, 200);
    running.stopper.stop();
    running.ended().unwrap();
    drop(hold);
}

#[test]
fn stopping_finishes_accepted_requests_and_accepts_no_others() {
    let (model, gate) = gated();
    let config = ServerConfig {
        limits: Limits {
            batch_words: 6,
            ..Limits::default()
        },
        ..ServerConfig::default()
    };
    let running = serve(config, vec![model]);
    let (address, before) = (running.address, gate.batches());
    gate.close();
    let ask = |k: usize| {
        thread::spawn(move || post(address, "/embed", &json!({ "inputs": vec!["w4"; k] })))
    };
    let asked: Vec<_> = (1..=6).map(ask).collect();
    gate.wait_for(before + 1);
    while !get(address, "/metrics")
        .text()
        .contains("te_queue_size 6\n")
    {
        thread::sleep(Duration::from_millis(5));
    }
    // An idle connection, and one with half a request.
    let mut idle = connect(address);
    idle.send("GET", "/health", &[], b"");
    assert_eq!(idle.read().status, 200);
    let body = br#"{"inputs":"w9"}"#;
    let mut half = connect(address);
    half.write(b"POST /embed HTTP/1.1\r\nhost: t\r\ncontent-type: application/json\r\ncontent-length: 15\r\n\r\n");
    half.write(&body[..5]);
    thread::sleep(Duration::from_millis(100));
    running.stopper.stop();
    assert!(idle.try_read().is_none(), "the idle connection is closed");
    let begin = Instant::now();
    while TcpStream::connect(address).is_ok() {
        assert!(
            begin.elapsed() < Duration::from_secs(10),
            "connections are still accepted"
        );
        thread::sleep(Duration::from_millis(5));
    }
    half.write(&body[5..]);
    gate.open();
    for (k, answer) in asked.into_iter().enumerate() {
        assert_eq!(answer.join().unwrap().rows().len(), k + 1);
    }
    assert_eq!(half.read().rows().len(), 1);
    running.ended().unwrap();
}

#[test]
fn stopping_times_out_on_a_request_that_does_not_finish() {
    let (model, gate) = gated();
    let config = ServerConfig {
        timeouts: Timeouts {
            stop: Duration::from_millis(300),
            ..Timeouts::default()
        },
        ..ServerConfig::default()
    };
    let running = serve(config, vec![model]);
    let before = gate.batches();
    gate.close();
    let mut client = connect(running.address);
    client.send("POST", "/embed", &[], br#"{"inputs":"w4"}"#);
    gate.wait_for(before + 1);
    let begin = Instant::now();
    running.stopper.stop();
    assert!(client.try_read().is_none(), "the connection is closed");
    assert!(
        begin.elapsed() < Duration::from_secs(10),
        "{:?}",
        begin.elapsed()
    );
    gate.open();
    running.ended().unwrap();
}
