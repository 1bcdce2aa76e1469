//! Training on devices served by other processes.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs
)]

mod support;

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use support::{Run, TINY};

/// The largest relative difference between local and remote losses: on the served device, linear
/// maps and norms are Burn's operations, which add in a different order from the CPU's kernels.
const ROUNDING: f64 = 1e-3;
/// The same of runs in mixed precision and in f32.
const MIXED_ROUNDING: f64 = 5e-3;

/// A served CPU; dropping it ends the server.
struct Server {
    process: Child,
    address: String,
}

impl Server {
    fn start(token: Option<&str>) -> Self {
        let mut command = serve_device(&["--listen", "127.0.0.1:0", "--device", "cpu"]);
        if let Some(token) = token {
            command.env("GENSEN_REMOTE_TOKEN", token);
        }
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.as_mut().unwrap())
            .read_line(&mut line)
            .unwrap();
        let address = line.split([' ', ',']).nth(3).expect(&line).to_owned();
        Self { process, address }
    }

    fn device(&self) -> String {
        format!("remote:{}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A proxy that counts the server's messages: one per response that a client waits for.
struct Tap {
    address: String,
    answers: Arc<AtomicUsize>,
}

impl Tap {
    fn before(server: &Server) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let answers = Arc::new(AtomicUsize::new(0));
        let (behind, count) = (server.address.clone(), Arc::clone(&answers));
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(&behind) else {
                    return;
                };
                let [to_server, to_client] = [&server, &client].map(|s| s.try_clone().unwrap());
                thread::spawn(move || {
                    let _ = io::copy(&mut &client, &mut &to_server);
                    let _ = to_server.shutdown(Shutdown::Write);
                });
                let count = Arc::clone(&count);
                thread::spawn(move || {
                    // Ends with the connection.
                    let _ = Self::pass_on(server, &to_client, &count);
                    let _ = to_client.shutdown(Shutdown::Write);
                });
            }
        });
        Self { address, answers }
    }

    /// Forwards the server's bytes: the WebSocket handshake, then frames (RFC 6455, section 5.2).
    /// Counts frames that start a binary message.
    fn pass_on(server: TcpStream, mut client: &TcpStream, answers: &AtomicUsize) -> io::Result<()> {
        let mut server = BufReader::new(server);
        loop {
            let mut line = Vec::new();
            server.read_until(b'\n', &mut line)?;
            client.write_all(&line)?;
            if line.len() <= 2 {
                break;
            }
        }
        loop {
            let mut head = vec![0; 2];
            server.read_exact(&mut head)?;
            let (operation, length) = (head[0] & 0xf, head[1]);
            assert!(length < 128, "a server's frames have no mask");
            let extension = match length {
                126 => 2,
                127 => 8,
                _ => 0,
            };
            head.resize(2 + extension, 0);
            server.read_exact(&mut head[2..])?;
            let long = head[2..].iter().fold(0, |n, &b| n << 8 | u64::from(b));
            let length = if extension > 0 { long } else { length.into() };
            client.write_all(&head)?;
            io::copy(&mut (&mut server).take(length), &mut client)?;
            if operation == 2 {
                answers.fetch_add(1, Ordering::SeqCst);
            }
        }
    }
}

fn serve_device(options: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gensen-train"));
    command
        .arg("serve-device")
        .args(options)
        .env_remove("GENSEN_REMOTE_TOKEN")
        .env_remove("RUST_LOG")
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// Panics unless both runs reported the same losses, up to rounding.
fn assert_near(run: &Run, other: &Run) {
    assert_within(run, other, ROUNDING);
}

fn assert_within(run: &Run, other: &Run, tolerance: f64) {
    let [found, expected] = [run.metrics(), other.metrics()];
    assert_eq!(found.len(), expected.len(), "count of metrics");
    let mut largest = (0.0, String::new());
    for (found, expected) in found.iter().zip(&expected) {
        for key in ["step", "split", "task"] {
            assert_eq!(found[key], expected[key], "{found} and {expected}");
        }
        let [Some(a), Some(b)] = [found["loss"].as_f64(), expected["loss"].as_f64()] else {
            assert_eq!(found["loss"], expected["loss"]);
            continue;
        };
        let difference = (a - b).abs() / b.abs();
        if difference > largest.0 || difference.is_nan() {
            largest = (difference, format!("{found} and {expected}"));
        }
    }
    eprintln!("largest relative difference of losses: {:.1e}", largest.0);
    assert!(largest.0 <= tolerance, "{}: {}", largest.0, largest.1);
}

fn assert_refused(output: &Output, expected: &[&str]) {
    let message = String::from_utf8_lossy(&output.stderr);
    let code = output.status.code();
    assert!(matches!(code, Some(1 | 2)), "exit code {code:?}: {message}");
    assert!(!message.contains("panicked"), "{message}");
    for part in expected {
        assert!(message.contains(part), "`{part}` is not in: {message}");
    }
}

#[test]
fn a_run_on_a_served_device_has_the_losses_of_a_local_one() {
    let server = Server::start(None);
    let local = Run::new(TINY);
    local.succeed(&["--device", "cpu"]);
    let run = Run::new(TINY);
    run.succeed(&["--device", &server.device()]);
    assert_near(&run, &local);
    // The server outlives its clients.
    let next = Run::new(TINY);
    next.succeed(&["--device", &server.device(), "--set", "training.steps=2"]);
}

/// Each further step adds one answer, with its losses and norms. No operation, upload or update
/// waits for the device.
#[test]
fn a_step_waits_for_nothing_but_its_numbers() {
    let server = Server::start(None);
    let answers = |steps: usize| {
        let tap = Tap::before(&server);
        let run = Run::new(TINY);
        let device = format!("remote:{}", tap.address);
        let steps = format!("training.steps={steps}");
        let only_at_the_end = [
            "management.monitor_every=1000",
            "management.validate_every=1000",
            "management.checkpoint_every=1000",
        ];
        let settings = [steps.as_str()].into_iter().chain(only_at_the_end);
        let settings = settings.flat_map(|setting| ["--set", setting]);
        let options: Vec<&str> = ["--device", &device].into_iter().chain(settings).collect();
        run.succeed(&options);
        tap.answers.load(Ordering::SeqCst)
    };
    let (few, many) = (answers(8), answers(40));
    eprintln!("answers: {few} in 8 steps, {many} in 40");
    assert_eq!(many - few, 32);
}

#[test]
fn a_run_in_mixed_precision_has_the_losses_of_one_in_single_precision() {
    let server = Server::start(None);
    let local = Run::new(TINY);
    local.succeed(&["--device", "cpu"]);
    for precision in ["bf16", "f16"] {
        let run = Run::new(TINY);
        let precision = format!("training.precision=\"{precision}\"");
        run.succeed(&["--device", &server.device(), "--set", &precision]);
        assert_within(&run, &local, MIXED_ROUNDING);
    }
}

#[test]
fn two_servers_have_the_losses_of_two_local_devices() {
    let (first, second) = (Server::start(None), Server::start(None));
    let local = Run::new(TINY);
    local.succeed(&["--device", "cpu,cpu"]);
    let run = Run::new(TINY);
    let devices = format!("{},{}", first.device(), second.device());
    run.succeed(&["--device", &devices]);
    assert_near(&run, &local);
}

#[test]
fn a_server_killed_in_mid_run_ends_the_run_and_another_one_resumes_it() {
    let local = Run::new(TINY);
    local.succeed(&["--device", "cpu"]);
    let run = Run::new(TINY);
    let mut server = Server::start(None);
    let device = server.device();
    let mut command = run.command(&["--device", &device]);
    let command = command.stdout(Stdio::null()).stderr(Stdio::piped());
    let trainer = command.spawn().unwrap();
    let started = Instant::now();
    while !run.checkpoint(10).exists() {
        assert!(
            started.elapsed() < Duration::from_secs(300),
            "no checkpoint"
        );
        sleep(Duration::from_millis(5));
    }
    server.process.kill().unwrap();
    let killed = Instant::now();
    let output = trainer.wait_with_output().unwrap();
    assert_refused(&output, &[&format!("lost the connection to {device}")]);
    assert!(killed.elapsed() < Duration::from_secs(20));
    assert!(!run.checkpoint(40).exists(), "the run was over already");

    let server = Server::start(None);
    let output = run.train(&["--device", &server.device()]);
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{log}");
    assert!(log.contains("step-000000"), "it did not resume: {log}");
    assert_near(&run, &local);
}

#[test]
fn a_host_that_cannot_be_had_is_refused_before_any_work() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = closed.local_addr().unwrap().to_string();
    drop(closed);
    for (address, expected) in [
        (address.as_str(), "serve-device"),
        ("nobody.invalid:7878", "serve-device"),
        ("127.0.0.1", "HOST:PORT"),
        (":7878", "HOST:PORT"),
        ("127.0.0.1:70000", "HOST:PORT"),
    ] {
        let run = Run::new(TINY);
        let started = Instant::now();
        let output = run.train(&["--device", &format!("remote:{address}")]);
        assert_refused(&output, &[&format!("remote:{address}"), expected]);
        assert!(started.elapsed() < Duration::from_secs(15));
        assert!(!run.folder().exists(), "a run was begun");
    }
}

#[test]
fn only_those_who_have_the_token_are_let_in() {
    let server = Server::start(Some("open sesame"));
    let train = |token: Option<&str>| {
        let run = Run::new(TINY);
        let mut command = run.command(&["--device", &server.device(), "--set", "training.steps=1"]);
        command.env_remove("GENSEN_REMOTE_TOKEN");
        if let Some(token) = token {
            command.env("GENSEN_REMOTE_TOKEN", token);
        }
        let output = command.output().unwrap();
        assert_eq!(output.status.success(), run.checkpoint(1).exists());
        output
    };
    assert_refused(&train(None), &["rejected the credential"]);
    assert_refused(&train(Some("open barley")), &["rejected the credential"]);
    assert!(train(Some("open sesame")).status.success());
}

#[test]
fn a_server_names_the_address_it_cannot_have_and_ends_cleanly() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (listen, expected) in [
        (address.as_str(), "in use"),
        ("nobody.invalid:7878", "nobody.invalid"),
        ("127.0.0.1", "127.0.0.1"),
    ] {
        let mut command = serve_device(&["--listen", listen]);
        let output = command.stderr(Stdio::piped()).output().unwrap();
        assert_refused(&output, &[&format!("--listen {listen}"), expected]);
    }
    for signal in ["INT", "TERM"] {
        let mut server = Server::start(None);
        let id = server.process.id().to_string();
        let run = Run::new(TINY);
        run.succeed(&["--device", &server.device(), "--set", "training.steps=1"]);
        let sent = Command::new("kill")
            .args([format!("-{signal}"), id])
            .status();
        assert!(sent.unwrap().success());
        assert!(server.process.wait().unwrap().success(), "SIG{signal}");
    }
}

#[test]
fn what_is_no_server_is_refused() {
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap().to_string();
    let answering = std::thread::spawn(move || {
        for _ in 0..2 {
            drop(other.accept().unwrap());
        }
    });
    let run = Run::new(TINY);
    let output = run.train(&["--device", &format!("remote:{address}")]);
    assert_refused(&output, &[&format!("remote:{address}")]);
    answering.join().unwrap();
}
