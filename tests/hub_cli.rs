//! Models of the hub, from a loopback server that mimics the Hugging Face Hub.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs
)]

mod program;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Output;
use std::sync::{Arc, Mutex};

use gensen_data::digest::sha256;
use ndarray::Array2;
use ndarray_npy::read_npy;
use program::{Home, text};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

#[derive(Clone, Default)]
struct Hub {
    /// Contents by file name.
    files: BTreeMap<String, Vec<u8>>,
    /// The bearer token that requests must carry.
    token: Option<String>,
    /// Announces a wrong hash of the weights.
    wrong_hash: bool,
    /// A file for which the server fails.
    fails: Option<String>,
    /// Aborts the first download of the weights half-way.
    breaks_off: bool,
}

struct Server {
    address: String,
    requests: Arc<Mutex<Vec<String>>>,
    hub: Arc<Mutex<Hub>>,
}

impl Server {
    fn start(hub: Hub) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let server = Self {
            address: address.clone(),
            requests: Arc::clone(&requests),
            hub: Arc::new(Mutex::new(hub)),
        };
        let hub = Arc::clone(&server.hub);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                answer(stream, &address, &hub, &requests);
            }
        });
        server
    }

    fn requests(&self) -> usize {
        self.requests.lock().unwrap().len()
    }
}

/// Answers one request: `/acme/tiny/resolve/REVISION/FILE`, and `/cdn/FILE` for the weights.
fn answer(mut stream: TcpStream, address: &str, hub: &Mutex<Hub>, requests: &Mutex<Vec<String>>) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let request = lines.next().unwrap().unwrap();
    let headers: BTreeMap<String, String> = lines
        .map(Result::unwrap)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| {
            line.split_once(": ")
                .map(|(k, v)| (k.to_lowercase(), v.to_owned()))
        })
        .collect();
    let path = request.split(' ').nth(1).unwrap().to_owned();
    requests.lock().unwrap().push(path.clone());
    let mut hub = hub.lock().unwrap();
    let mut reply = |status: &str, headers: String, body: &[u8], length: usize| {
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n"
        );
        // The client may hang up.
        let _ = stream
            .write_all(head.as_bytes())
            .and_then(|()| stream.write_all(body));
    };
    let bearer = hub.token.as_ref().map(|token| format!("Bearer {token}"));
    let on_cdn = path.starts_with("/cdn/");
    if !on_cdn && bearer.is_some() && headers.get("authorization") != bearer.as_ref() {
        return reply("401 Unauthorized", String::new(), b"", 0);
    }
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let file = match parts[..] {
        ["acme", "tiny", "resolve", revision, file]
            if ["main", "v1", COMMIT].contains(&revision) =>
        {
            file
        }
        ["cdn", file] => file,
        _ => return reply("404 Not Found", String::new(), b"", 0),
    };
    if hub.fails.as_deref() == Some(file) {
        return reply("500 Internal Server Error", String::new(), b"", 0);
    }
    let Some(contents) = hub.files.get(file).cloned() else {
        return reply("404 Not Found", String::new(), b"", 0);
    };
    let hash = match hub.wrong_hash {
        true => sha256(b"something else"),
        false => sha256(&contents),
    };
    let large = file == "model.safetensors";
    if large && !on_cdn {
        let location = format!(
            "Location: {address}/cdn/{file}\r\nX-Repo-Commit: {COMMIT}\r\nX-Linked-Etag: \"{hash}\"\r\nEtag: \"x\"\r\n"
        );
        return reply("302 Found", location, b"", 0);
    }
    let range = headers["range"].strip_prefix("bytes=").unwrap();
    let (start, end) = range.split_once('-').unwrap();
    let start: usize = start.parse().unwrap();
    let end = end.parse().map_or(contents.len(), |end: usize| end + 1);
    let body = &contents[start..end];
    let etag = if large {
        hash
    } else {
        sha256(&contents)[..40].to_owned()
    };
    let headers = format!(
        "Content-Range: bytes {start}-{}/{}\r\nX-Repo-Commit: {COMMIT}\r\nEtag: \"{etag}\"\r\n",
        end.saturating_sub(1),
        contents.len()
    );
    let cut = large && body.len() > 1 && std::mem::take(&mut hub.breaks_off);
    let sent = if cut { &body[..body.len() / 2] } else { body };
    reply("206 Partial Content", headers, sent, body.len());
}

/// A home with a model folder `tiny-1layer`, and a hub with the same model.
fn home_and_hub() -> (Home, Hub) {
    let home = Home::new();
    let files = fs::read_dir(home.path("tiny-1layer"))
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            (
                path.file_name().unwrap().to_string_lossy().into_owned(),
                fs::read(path).unwrap(),
            )
        });
    let files = files.collect();
    (
        home,
        Hub {
            files,
            ..Hub::default()
        },
    )
}

fn embed(home: &Home, model: &str, server: &Server, cache: &str, more: &[(&str, &str)]) -> Output {
    fs::write(home.path("input.txt"), "a man is singing .\n").unwrap();
    let mut command = home.command(&[
        "embed",
        "--model",
        model,
        "--input",
        "input.txt",
        "--output",
        "v.npy",
    ]);
    for variable in [
        "http_proxy",
        "HTTP_PROXY",
        "https_proxy",
        "HTTPS_PROXY",
        "all_proxy",
        "ALL_PROXY",
    ] {
        command.env_remove(variable);
    }
    for variable in [
        "HF_TOKEN",
        "HF_TOKEN_PATH",
        "HF_HUB_CACHE",
        "HF_HUB_OFFLINE",
    ] {
        command.env_remove(variable);
    }
    command
        .env("HF_ENDPOINT", &server.address)
        .env("HF_HOME", home.path(cache));
    command.envs(more.iter().copied()).output().unwrap()
}

#[track_caller]
fn vector(home: &Home, output: &Output) -> Array2<f32> {
    assert!(output.status.success(), "{}", text(&output.stderr));
    read_npy(home.path("v.npy")).unwrap()
}

#[track_caller]
fn refused(output: &Output, expected: &[&str]) {
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    for part in expected {
        assert!(message.contains(part), "`{part}` is not in: {message}");
    }
}

#[test]
fn a_model_is_downloaded_once() {
    let (home, hub) = home_and_hub();
    let server = Server::start(hub);
    let local = vector(&home, &embed(&home, "tiny-1layer", &server, "cache", &[]));
    assert_eq!(server.requests(), 0);
    for model in ["hf://acme/tiny", "hf://acme/tiny@v1"] {
        let before = server.requests();
        assert_eq!(
            vector(&home, &embed(&home, model, &server, "cache", &[])),
            local
        );
        let after = server.requests();
        assert!(after > before, "{model}");
        assert_eq!(
            vector(&home, &embed(&home, model, &server, "cache", &[])),
            local
        );
        assert_eq!(server.requests(), after, "{model} was in the cache");
        let offline = embed(&home, model, &server, "cache", &[("HF_HUB_OFFLINE", "1")]);
        assert_eq!(vector(&home, &offline), local);
    }
    let weights = |path: &String| path.starts_with("/cdn/");
    let requests = server.requests.lock().unwrap();
    let downloads = requests.iter().filter(|path| weights(path)).count();
    assert!(
        downloads <= 4,
        "the two revisions are one commit: {requests:?}"
    );
}

#[test]
fn tokens() {
    let (home, mut hub) = home_and_hub();
    hub.token = Some("secret".to_owned());
    let server = Server::start(hub);
    let run = |more: &[_]| embed(&home, "hf://acme/tiny", &server, "cache", more);
    refused(
        &run(&[]),
        &["401", "HF_TOKEN", "/acme/tiny/resolve/main/config.json"],
    );
    vector(&home, &run(&[("HF_TOKEN", "secret")]));
}

#[test]
fn a_saved_token_counts_wherever_the_cache_is() {
    let (home, mut hub) = home_and_hub();
    hub.token = Some("secret".to_owned());
    let server = Server::start(hub);
    fs::create_dir(home.path("home")).unwrap();
    fs::write(home.path("home/token"), "secret\n").unwrap();
    let cache = home.path("elsewhere");
    let more = [("HF_HUB_CACHE", cache.to_str().unwrap())];
    let saved = embed(&home, "hf://acme/tiny", &server, "home", &more);
    vector(&home, &saved);
    let line_end = [("HF_TOKEN", "secret\r\n")];
    vector(
        &home,
        &embed(&home, "hf://acme/tiny", &server, "other", &line_end),
    );
}

#[test]
fn an_optional_file_that_failed_is_fetched_again() {
    let (home, mut hub) = home_and_hub();
    hub.fails = Some("map.safetensors".to_owned());
    let server = Server::start(hub);
    let run = |more: &[_]| embed(&home, "hf://acme/tiny", &server, "cache", more);
    refused(&run(&[]), &["map.safetensors", "500"]);
    refused(&run(&[]), &["map.safetensors", "500"]);
    vector(&home, &run(&[("HF_HUB_OFFLINE", "yes")]));
    server.hub.lock().unwrap().fails = None;
    vector(&home, &run(&[("HF_HUB_OFFLINE", "false")]));
    // The absence of the file is cached.
    let before = server.requests();
    vector(&home, &run(&[]));
    assert_eq!(server.requests(), before);
}

#[test]
fn pinned_commits_and_refs_are_found_as_the_hubs_library_leaves_them() {
    let (home, hub) = home_and_hub();
    let server = Server::start(hub);
    let run = |model: &str, more: &[_]| embed(&home, model, &server, "cache", more);
    vector(&home, &run("hf://acme/tiny", &[]));
    let refs = home.path("cache/hub/models--acme--tiny/refs");
    fs::remove_dir_all(&refs).unwrap();
    let offline = [("HF_HUB_OFFLINE", "1")];
    refused(&run("hf://acme/tiny", &offline), &["acme/tiny"]);
    vector(&home, &run(&format!("hf://acme/tiny@{COMMIT}"), &offline));
    fs::create_dir(&refs).unwrap();
    fs::write(refs.join("main"), format!("{COMMIT}\n")).unwrap();
    vector(&home, &run("hf://acme/tiny", &offline));
}

#[test]
fn a_download_that_breaks_off_goes_on() {
    let (home, mut hub) = home_and_hub();
    hub.breaks_off = true;
    let server = Server::start(hub);
    vector(
        &home,
        &embed(&home, "hf://acme/tiny", &server, "cache", &[]),
    );
    assert!(!server.hub.lock().unwrap().breaks_off);
}

#[test]
fn faults() {
    let (home, hub) = home_and_hub();
    let server = Server::start(Hub {
        wrong_hash: true,
        ..hub.clone()
    });
    let run = |model, more: &[_]| embed(&home, model, &server, "cache", more);
    refused(
        &run("hf://acme/none", &[]),
        &["/acme/none/resolve/main/config.json", "404"],
    );
    refused(
        &run("hf://acme/tiny@v2", &[]),
        &["/acme/tiny/resolve/v2/config.json", "404"],
    );
    refused(&run("hf://acme", &[]), &["`hf://acme`", "OWNER/NAME"]);
    refused(
        &run("hf://acme/tiny", &[("HF_HUB_OFFLINE", "1")]),
        &["acme/tiny", "HF_HUB_OFFLINE"],
    );
    refused(
        &run("hf://acme/tiny", &[]),
        &["model.safetensors", "SHA-256"],
    );
    // The damaged file has been removed.
    server.hub.lock().unwrap().wrong_hash = false;
    vector(&home, &run("hf://acme/tiny", &[]));
    // A model with a missing file is rejected.
    server.hub.lock().unwrap().files.remove("vocab.txt");
    let output = embed(&home, "hf://acme/tiny", &server, "fresh", &[]);
    refused(&output, &["/vocab.txt", "404"]);
}
