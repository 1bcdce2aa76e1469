//! `gensen push` to a loopback server that mimics the Hugging Face Hub.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs
)]

mod program;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Output;
use std::sync::{Arc, Mutex, MutexGuard};

use gensen_data::digest::sha256;
use ndarray::Array2;
use ndarray_npy::read_npy;
use program::{Home, path, text};
use serde_json::{Value, json};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
const TOKEN: &str = "hf_writes";

/// The server's contents and behaviour.
#[derive(Default)]
struct Hub {
    repositories: BTreeSet<String>,
    /// Large files by their SHA-256.
    objects: BTreeMap<String, Vec<u8>>,
    /// Uploaded parts that are not assembled yet, by object and number.
    parts: BTreeMap<(String, usize), Vec<u8>>,
    verified: BTreeSet<String>,
    /// Files of the branch `main`.
    files: BTreeMap<String, Vec<u8>>,
    /// Headers of commits.
    commits: Vec<Value>,
    /// The size of a part in bytes, for multipart uploads.
    chunk: Option<usize>,
    /// The number of uploads that fail first.
    failing_uploads: usize,
    /// Refuses commits.
    refuses: bool,
}

struct Server {
    address: String,
    hub: Arc<Mutex<Hub>>,
}

struct Request {
    method: String,
    path: String,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Server {
    fn start(hub: Hub) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let server = Self {
            address: address.clone(),
            hub: Arc::new(Mutex::new(hub)),
        };
        let hub = Arc::clone(&server.hub);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let request = read(&stream);
                let reply = answer(&request, &address, &mut hub.lock().unwrap());
                write(stream, &request, reply);
            }
        });
        server
    }

    fn hub(&self) -> MutexGuard<'_, Hub> {
        self.hub.lock().unwrap()
    }
}

fn read(stream: &TcpStream) -> Request {
    let mut reader = BufReader::new(stream);
    let mut line = || {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    };
    let first = line();
    let mut headers = BTreeMap::new();
    while let Some((name, value)) = line().split_once(": ") {
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let length = headers
        .get("content-length")
        .map_or(0, |length| length.parse().unwrap());
    assert!(
        !headers.contains_key("transfer-encoding"),
        "storage wants lengths"
    );
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let mut parts = first.split(' ');
    let mut next = || parts.next().unwrap().to_owned();
    Request {
        method: next(),
        path: next(),
        headers,
        body,
    }
}

struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

fn reply(status: u16, body: impl Into<Vec<u8>>) -> Reply {
    let (headers, body) = (Vec::new(), body.into());
    Reply {
        status,
        headers,
        body,
    }
}

fn write(mut stream: TcpStream, request: &Request, reply: Reply) {
    let length = reply.body.len();
    let mut head = format!(
        "HTTP/1.1 {} X\r\nContent-Length: {length}\r\n",
        reply.status
    );
    head += "Connection: close\r\n";
    for (name, value) in reply.headers {
        head += &format!("{name}: {value}\r\n");
    }
    head += "\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    if request.method != "HEAD" {
        stream.write_all(&reply.body).unwrap();
    }
}

fn base64(text: &str) -> Vec<u8> {
    let digit = |c: u8| match c {
        b'A'..=b'Z' => c - b'A',
        b'a'..=b'z' => c - b'a' + 26,
        b'0'..=b'9' => c - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => panic!("{c} in base64"),
    };
    let digits: Vec<u8> = text.trim_end_matches('=').bytes().map(digit).collect();
    let mut bytes = Vec::new();
    for four in digits.chunks(4) {
        let bits = four
            .iter()
            .fold(0_u32, |bits, &d| (bits << 6) | u32::from(d));
        let bits = bits << (6 * (4 - four.len()));
        bytes.extend(&bits.to_be_bytes()[1..four.len()]);
    }
    bytes
}

fn answer(request: &Request, address: &str, hub: &mut Hub) -> Reply {
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let method = request.method.as_str();
    let allowed = request.headers.get("authorization") == Some(&format!("Bearer {TOKEN}"));
    let body = || serde_json::from_slice::<Value>(&request.body).unwrap();
    match (method, &parts[..]) {
        // Storage: the URL is presigned, and a token would be refused.
        ("PUT", ["storage", oid, number]) => {
            assert_eq!(query, "signature=s3cret");
            assert!(
                !request.headers.contains_key("authorization"),
                "token given to storage"
            );
            if hub.failing_uploads > 0 {
                hub.failing_uploads -= 1;
                return reply(503, "busy");
            }
            let key = ((*oid).to_owned(), number.parse().unwrap());
            let etag = format!("\"{}\"", sha256(&request.body));
            hub.parts.insert(key, request.body.clone());
            if hub.chunk.is_none() {
                finish(hub, oid);
            }
            let mut reply = reply(200, "");
            reply.headers.push(("ETag", etag));
            reply
        }
        ("POST", ["storage", oid, "complete"]) => {
            let body = body();
            for part in body["parts"].as_array().unwrap() {
                let number = part["partNumber"].as_u64().unwrap() as usize;
                let stored = &hub.parts[&((*oid).to_owned(), number)];
                assert_eq!(part["etag"], format!("\"{}\"", sha256(stored)));
            }
            finish(hub, oid);
            reply(200, "{}")
        }
        ("GET" | "HEAD", ["acme", "tiny", "resolve", _, file]) => match hub.files.get(*file) {
            None => reply(404, ""),
            Some(contents) => {
                let mut reply = reply(200, contents.clone());
                reply.headers.push(("X-Repo-Commit", COMMIT.to_owned()));
                reply
                    .headers
                    .push(("ETag", format!("\"{}\"", sha256(contents))));
                let range = request.headers.get("range");
                if let Some(range) = range.and_then(|range| range.strip_prefix("bytes=")) {
                    let (start, end) = range.split_once('-').unwrap();
                    let start: usize = start.parse().unwrap();
                    let last = contents.len() - 1;
                    let end = end.parse::<usize>().map_or(last, |end| end.min(last));
                    reply.status = 206;
                    let range = format!("bytes {start}-{end}/{}", contents.len());
                    reply.headers.push(("Content-Range", range));
                    reply.body = contents[start..=end].to_vec();
                }
                reply
            }
        },
        _ if !allowed => reply(401, r#"{"error":"Invalid credentials"}"#),
        ("POST", ["api", "repos", "create"]) => {
            let body = body();
            assert_eq!(body["type"], "model");
            let text = |key: &str| body[key].as_str().unwrap().to_owned();
            let name = format!("{}/{}", text("organization"), text("name"));
            match hub.repositories.insert(name) {
                true => reply(200, r#"{"url":"x"}"#),
                false => reply(409, r#"{"error":"You already created this model repo"}"#),
            }
        }
        ("POST", ["api", "models", "acme", "tiny", "preupload", "main"]) => {
            let wanted = |file: &Value| {
                let name = file["path"].as_str().unwrap();
                assert!(base64(file["sample"].as_str().unwrap()).len() <= 512);
                let large = name.ends_with(".safetensors");
                let mode = if large { "lfs" } else { "regular" };
                json!({ "path": name, "uploadMode": mode, "shouldIgnore": false })
            };
            let body = body();
            let files = body["files"].as_array().unwrap().iter().map(wanted);
            let files: Vec<Value> = files.collect();
            reply(200, json!({ "files": files }).to_string())
        }
        ("POST", ["acme", "tiny.git", "info", "lfs", "objects", "batch"]) => {
            assert_eq!(request.headers["accept"], "application/vnd.git-lfs+json");
            let objects = |object: &Value| {
                let oid = object["oid"].as_str().unwrap();
                if hub.objects.contains_key(oid) {
                    return json!({ "oid": oid, "size": object["size"] });
                }
                let put = |k: usize| format!("{address}/storage/{oid}/{k}?signature=s3cret");
                let upload = match hub.chunk {
                    None => json!({ "href": put(1) }),
                    Some(chunk) => {
                        let size = object["size"].as_u64().unwrap() as usize;
                        let mut header = json!({ "chunk_size": chunk.to_string() });
                        for number in 1..=size.div_ceil(chunk) {
                            header[format!("{number:05}")] = json!(put(number));
                        }
                        let href = format!("{address}/storage/{oid}/complete");
                        json!({ "href": href, "header": header })
                    }
                };
                let verify = json!({ "href": format!("{address}/verify") });
                let actions = json!({ "upload": upload, "verify": verify });
                json!({ "oid": oid, "size": object["size"], "actions": actions })
            };
            let body = body();
            let objects: Vec<Value> = body["objects"]
                .as_array()
                .unwrap()
                .iter()
                .map(objects)
                .collect();
            reply(
                200,
                json!({ "transfer": "basic", "objects": objects }).to_string(),
            )
        }
        ("POST", ["verify"]) => {
            let body = body();
            let oid = body["oid"].as_str().unwrap();
            let size = hub.objects[oid].len() as u64;
            assert_eq!(body["size"].as_u64(), Some(size));
            hub.verified.insert(oid.to_owned());
            reply(200, "{}")
        }
        ("POST", ["api", "models", "acme", "tiny", "commit", "main"]) => {
            assert_eq!(request.headers["content-type"], "application/x-ndjson");
            if hub.refuses {
                return reply(403, r#"{"error":"this token only reads"}"#);
            }
            for line in str::from_utf8(&request.body).unwrap().lines() {
                let line: Value = serde_json::from_str(line).unwrap();
                let value = &line["value"];
                let name = || value["path"].as_str().unwrap().to_owned();
                match line["key"].as_str().unwrap() {
                    "header" => hub.commits.push(value.clone()),
                    "file" => {
                        assert_eq!(value["encoding"], "base64");
                        let contents = base64(value["content"].as_str().unwrap());
                        hub.files.insert(name(), contents);
                    }
                    "lfsFile" => {
                        let oid = value["oid"].as_str().unwrap();
                        assert!(hub.verified.contains(oid), "{oid} was not verified");
                        let contents = hub.objects[oid].clone();
                        hub.files.insert(name(), contents);
                    }
                    other => panic!("{other}"),
                }
            }
            let url = format!("{address}/acme/tiny/commit/{COMMIT}");
            reply(
                200,
                json!({ "commitUrl": url, "commitOid": COMMIT }).to_string(),
            )
        }
        other => reply(404, format!("{other:?}")),
    }
}

/// Assembles the parts of an object.
fn finish(hub: &mut Hub, oid: &str) {
    let of_object = hub
        .parts
        .range((oid.to_owned(), 0)..=(oid.to_owned(), usize::MAX));
    let whole: Vec<u8> = of_object.flat_map(|(_, part)| part.clone()).collect();
    assert_eq!(sha256(&whole), oid);
    hub.objects.insert(oid.to_owned(), whole);
}

fn push(home: &Home, server: &Server, token: Option<&str>, more: &[&str]) -> Output {
    let mut command = home.command(&[&["push", "tiny-1layer", "acme/tiny"], more].concat());
    command.env("HF_ENDPOINT", &server.address);
    command.env("HF_HOME", home.path("hf"));
    for name in [
        "HF_TOKEN",
        "HUGGING_FACE_HUB_TOKEN",
        "HF_HUB_OFFLINE",
        "HF_HUB_CACHE",
    ] {
        command.env_remove(name);
    }
    if let Some(token) = token {
        command.env("HF_TOKEN", token);
    }
    command.output().unwrap()
}

#[track_caller]
fn succeeds(output: &Output) -> String {
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

#[track_caller]
fn refused(output: &Output, code: i32, expected: &[&str]) {
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{message}");
    for part in expected {
        assert!(message.contains(part), "`{part}` is not in: {message}");
    }
}

#[test]
fn a_pushed_model_is_the_model_that_others_get() {
    let home = Home::new();
    let before = fs::read(home.path("tiny-1layer/README.md")).unwrap();
    for chunk in [None, Some(10_000)] {
        let server = Server::start(Hub {
            chunk,
            failing_uploads: 1,
            ..Hub::default()
        });
        let more = [
            "--language",
            "en,de",
            "--license",
            "mit",
            "--message",
            "First",
        ];
        let said = succeeds(&push(&home, &server, Some(TOKEN), &more));
        assert_eq!(
            said,
            format!("{}/acme/tiny/commit/{COMMIT}\n", server.address)
        );
        let hub = server.hub();
        let names: Vec<&str> = hub.files.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            ["README.md", "config.json", "model.safetensors", "vocab.txt"]
        );
        for name in &names[1..] {
            let own = fs::read(home.path("tiny-1layer").join(name)).unwrap();
            assert!(hub.files[*name] == own, "{name}");
        }
        let card = text(&hub.files["README.md"]);
        let block = "language:\n- \"en\"\n- \"de\"\nlicense: \"mit\"\n---\n";
        assert!(
            card.starts_with("---\nlibrary_name: gensen\n") && card.contains(block),
            "{card}"
        );
        assert_eq!(hub.commits[0]["summary"], "First");
        drop(hub);

        let mut embed = home.command(&[
            "embed",
            "--model",
            "hf://acme/tiny",
            "--output",
            "v.npy",
            "the dog",
        ]);
        embed
            .env("HF_ENDPOINT", &server.address)
            .env("HF_HUB_CACHE", home.path("cache"));
        succeeds(&embed.output().unwrap());
        let found: Array2<f32> = read_npy(home.path("v.npy")).unwrap();
        assert_eq!(found, home.embed(b"the dog\n", &[]));
        fs::remove_dir_all(home.path("cache")).unwrap();

        // Pushing again: the repository and the weights exist.
        server.hub().parts.clear();
        succeeds(&push(&home, &server, Some(TOKEN), &more));
        let hub = server.hub();
        assert_eq!((hub.commits.len(), hub.parts.len()), (2, 0));
    }
    assert_eq!(
        fs::read(home.path("tiny-1layer/README.md")).unwrap(),
        before
    );
}

#[test]
fn scores_of_the_model_and_of_no_other_go_on_the_card() {
    let home = Home::new();
    let folder = "data/downstream/STS/STS13-en-test";
    fs::create_dir_all(home.path(folder)).unwrap();
    for set in ["FNWN", "headlines", "OnWN"] {
        let file = |kind| home.path(&format!("{folder}/STS.{kind}.{set}.txt"));
        fs::write(
            file("input"),
            "the dog\tthe dog\nthe man\ta town\nthe\tof a\n",
        )
        .unwrap();
        fs::write(file("gs"), "5.0\n1.0\n2.0\n").unwrap();
    }
    let eval = ["eval", "--data", "data", "--tasks", "STS13", "--output"];
    for model in ["tiny-1layer", "tiny-2layer"] {
        let report = format!("{model}.json");
        let arguments = [&eval[..], &[&report, "--model", model]].concat();
        succeeds(&home.command(&arguments).output().unwrap());
    }
    let server = Server::start(Hub::default());
    let print = ["--dry-run", "--report", "tiny-1layer.json"];
    let card = succeeds(&push(&home, &server, None, &print));
    let report: Value =
        serde_json::from_slice(&fs::read(home.path("tiny-1layer.json")).unwrap()).unwrap();
    let mean = report[0]["results"][0]["scores"]["pearson"]["mean"]
        .as_f64()
        .unwrap();
    let expected = format!(
        "  - task:\n      type: sentence-similarity\n    dataset:\n      name: \"STS13\"\n      \
         type: \"STS13\"\n    metrics:\n    - type: pearson\n      name: \"Pearson x 100\"\n      \
         value: {:.4}\n",
        100.0 * mean
    );
    assert!(
        card.contains("\nmodel-index:\n- name: ") && card.contains(&expected),
        "{card}"
    );
    let weights = fs::metadata(home.path("tiny-1layer/model.safetensors")).unwrap();
    let listed = format!("model.safetensors\t{}\n", weights.len());
    assert!(
        card.contains(&listed) && card.contains("\ntotal\t"),
        "{card}"
    );
    assert!(card.starts_with("README.md\t"), "{card}");
    assert!(server.hub().repositories.is_empty());
    let other = ["--report", "tiny-2layer.json"];
    refused(
        &push(&home, &server, Some(TOKEN), &other),
        1,
        &["tiny-2layer.json", "this model"],
    );
    let wrong = [
        "--report",
        path(&home.path("tiny-1layer/config.json"))
            .to_owned()
            .leak(),
    ];
    refused(
        &push(&home, &server, Some(TOKEN), &wrong),
        1,
        &["config.json", "reports"],
    );
}

#[test]
fn faults_are_named_and_nothing_is_half_pushed() {
    let home = Home::new();
    let server = Server::start(Hub::default());
    refused(
        &push(&home, &server, None, &[]),
        1,
        &["HF_TOKEN", "hf auth login"],
    );
    refused(
        &push(&home, &server, Some("hf_reads"), &[]),
        1,
        &[
            "/api/repos/create",
            "401",
            "Invalid credentials",
            "permission to write",
        ],
    );
    server.hub().refuses = true;
    refused(
        &push(&home, &server, Some(TOKEN), &[]),
        1,
        &["commit", "this token only reads"],
    );
    assert!(server.hub().files.is_empty());
    *server.hub() = Hub {
        failing_uploads: 9,
        ..Hub::default()
    };
    let output = push(&home, &server, Some(TOKEN), &[]);
    refused(&output, 1, &["/storage/", "503"]);
    assert!(
        !text(&output.stderr).contains("s3cret"),
        "{}",
        text(&output.stderr)
    );
    assert!(server.hub().files.is_empty());

    let mut offline = home.command(&["push", "tiny-1layer", "acme/tiny"]);
    offline.env("HF_HUB_OFFLINE", "1").env("HF_TOKEN", TOKEN);
    refused(&offline.output().unwrap(), 1, &["HF_HUB_OFFLINE"]);
    for (model, name, code, expected) in [
        ("tiny-1layer", "acme", 2, "OWNER/NAME"),
        ("tiny-1layer", "acme/tiny@v1", 2, "acme/tiny@v1"),
        ("absent", "acme/tiny", 1, "absent"),
    ] {
        let mut command = home.command(&["push", model, name]);
        command
            .env("HF_ENDPOINT", &server.address)
            .env("HF_TOKEN", TOKEN);
        refused(&command.output().unwrap(), code, &[expected]);
    }
}
