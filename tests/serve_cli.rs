//! The program `gensen serve`: address, log, signals.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs
)]

mod program;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use program::Home;
use serde_json::{Value, json};

/// A server that is killed if the test fails.
struct Served {
    child: Child,
    address: String,
}

fn serve(home: &Home, arguments: &[&str]) -> Served {
    let mut child = home
        .command(&[&["serve", "--port", "0"], arguments].concat())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let address = line.trim_end().strip_prefix("http://").map(str::to_owned);
    let Some(address) = address else {
        let mut log = String::new();
        child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut log)
            .unwrap();
        panic!("expected an address, found `{line}`: {log}");
    };
    Served { child, address }
}

impl Served {
    /// The status and body of a response.
    fn ask(&self, path: &str, headers: &str, body: &Value) -> (u16, Value) {
        let body = body.to_string();
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(
            stream,
            "POST {path} HTTP/1.1\r\nhost: t\r\ncontent-type: application/json\r\nconnection: close\r\n{headers}\
             content-length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap())
    }

    /// Sends a signal; returns the exit status and the log.
    fn end(mut self, signal: &str) -> (ExitStatus, String) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args([signal, &id]).status().unwrap();
        assert!(sent.success());
        let begin = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(
                begin.elapsed() < Duration::from_secs(300),
                "still running after {signal}"
            );
            thread::sleep(Duration::from_millis(10));
        };
        let mut log = String::new();
        self.child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut log)
            .unwrap();
        (status, log)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn serves_the_built_in_model_and_logs_each_request() {
    let home = Home::new();
    let served = serve(&home, &[]);
    assert!(
        served.address.starts_with("127.0.0.1:"),
        "{}",
        served.address
    );
    let (status, found) = served.ask(
        "/embed",
        "",
        &json!({ "inputs": ["A sentence.", "Another."] }),
    );
    assert_eq!(status, 200, "{found}");
    assert_eq!(found[1].as_array().unwrap().len(), 1024);
    assert_eq!(
        served.ask("/v1/embeddings", "", &json!({ "input": [1] })).0,
        400
    );
    let (status, log) = served.end("-TERM");
    assert_eq!(status.code(), Some(0), "{log}");
    let requests: Vec<&str> = log.lines().filter(|line| line.contains("POST")).collect();
    assert_eq!(requests.len(), 2, "{log}");
    assert!(
        requests[0].contains("POST /embed 200 ") && requests[0].ends_with(" ms, 2 texts, 9 words"),
        "{log}"
    );
    assert!(requests[1].contains("POST /v1/embeddings 400 "), "{log}");
}

#[test]
fn serves_models_by_name() {
    let home = Home::new();
    let served = serve(
        &home,
        &[
            "--model",
            "one=tiny-1layer",
            "--model",
            "tiny-2layer",
            "--pool",
            "max",
        ],
    );
    for (model, status) in [("one", 200), ("tiny-2layer", 200), ("tiny-1layer", 404)] {
        let found = served.ask(
            "/v1/embeddings",
            "",
            &json!({ "input": "the king", "model": model }),
        );
        assert_eq!(found.0, status, "{model}: {}", found.1);
    }
    let (_, found) = served.ask(
        "/embed",
        "",
        &json!({ "inputs": "the king", "normalize": false }),
    );
    let vectors = home.embed(b"the king\n", &["--pool", "max"]);
    let found: Vec<f32> = found[0]
        .as_array()
        .unwrap()
        .iter()
        .map(|x| x.as_f64().unwrap() as f32)
        .collect();
    assert_eq!(found, vectors.row(0).to_vec());
    assert_eq!(served.end("-INT").0.code(), Some(0));
}

#[test]
fn reads_the_token_from_the_environment() {
    let home = Home::new();
    let mut command = home.command(&[
        "serve",
        "--port",
        "0",
        "--model",
        "tiny-1layer",
        "--pool",
        "max",
    ]);
    let child = command
        .env("GENSEN_API_KEY", "s3cret")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = child.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let address = line.trim_end().strip_prefix("http://").unwrap().to_owned();
    let served = Served { child, address };
    let body = json!({ "inputs": "the king" });
    assert_eq!(served.ask("/embed", "", &body).0, 401);
    assert_eq!(
        served
            .ask("/embed", "authorization: Bearer s3cret\r\n", &body)
            .0,
        200
    );
    let (_, log) = served.end("-TERM");
    assert!(!log.contains("s3cret"), "{log}");
}

#[test]
fn finishes_accepted_requests_when_it_is_stopped() {
    let home = Home::new();
    let arguments = [
        "--threads",
        "1",
        "--max-batch-words",
        "100",
        "--timeout",
        "600",
    ];
    let served = serve(&home, &arguments);
    let texts =
        vec!["It takes a while to encode all of these sentences, of which there are many."; 400];
    let ask = |served: &Served| {
        let body = json!({ "inputs": texts }).to_string();
        let mut stream = TcpStream::connect(&served.address).unwrap();
        write!(
            stream,
            "POST /embed HTTP/1.1\r\nhost: t\r\ncontent-type: application/json\r\nconnection: close\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        stream
    };
    let mut stream = ask(&served);
    let answer = thread::spawn(move || {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    });
    // The request is being encoded.
    let begin = Instant::now();
    loop {
        let mut metrics = TcpStream::connect(&served.address).unwrap();
        metrics
            .write_all(b"GET /metrics HTTP/1.1\r\nhost: t\r\nconnection: close\r\n\r\n")
            .unwrap();
        let mut text = String::new();
        metrics.read_to_string(&mut text).unwrap();
        if text.lines().any(|line| line == "te_queue_size 1") {
            break;
        }
        assert!(begin.elapsed() < Duration::from_secs(30), "{text}");
    }
    let (status, log) = served.end("-TERM");
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(log.contains("finishing accepted requests"), "{log}");
    let answer = answer.join().unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let found: Value = serde_json::from_str(body).unwrap();
    assert_eq!(found.as_array().unwrap().len(), 400);
}

#[test]
fn wrong_usage_is_named() {
    let home = Home::new();
    let refused = |arguments: &[&str], code, expected| {
        let arguments = [&["serve", "--port", "0"], arguments].concat();
        home.refused(&arguments, b"", code, &[expected]);
    };
    refused(
        &["--max-queue-words", "9"],
        2,
        "`queue_words` is 9, expected at least 4096",
    );
    refused(
        &["--pool", "max-padded"],
        2,
        "max-padded, which makes a vector depend on the other sentences",
    );
    refused(
        &["--model", "a b=tiny-1layer"],
        2,
        "malformed model name `a b`",
    );
    let twice = [
        "--model",
        "a=tiny-1layer",
        "--model",
        "a=tiny-2layer",
        "--pool",
        "max",
    ];
    refused(&twice, 2, "two models are named `a`");
    refused(&["--model", "nowhere"], 1, "nowhere");
    refused(&["--batch-window=-1"], 2, "--batch-window");
    refused(&["--host", "no such host"], 1, "--host no such host");
}
