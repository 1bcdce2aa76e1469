//! Uploads to the hub, through its HTTP interface.
//!
//! A push makes the repository if need be, asks the server which files it wants in Git LFS, uploads those
//! under their SHA-256, and then makes one commit of all: what others see is the old state or the new one.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use gensen_data::digest::{Digest, hex};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use ureq::{Agent, SendBody};

use super::settings::Settings;
use super::{HubError, parse};

/// The hub itself.
const HUB: &str = "https://huggingface.co";
/// Bytes of a file by which the server tells what it is.
const SAMPLE_BYTES: usize = 512;
/// What Git LFS speaks.
const LFS_JSON: &str = "application/vnd.git-lfs+json";
const JSON: &str = "application/json";
/// How often the upload of a large file is tried.
const TRIES: u32 = 3;

/// A file to push.
#[derive(Clone, Debug)]
pub struct Upload {
    /// Its name in the repository.
    pub name: String,
    /// What it holds.
    pub contents: Contents,
}

/// What a file holds.
#[derive(Clone, Debug)]
pub enum Contents {
    /// What another file holds.
    File(PathBuf),
    /// These bytes.
    Bytes(Vec<u8>),
}

/// How files are pushed.
#[derive(Clone, Debug)]
pub struct PushOptions {
    /// The branch, which a new repository has if it is `main`.
    pub revision: String,
    /// Whether a repository that is made is private.
    pub private: bool,
    /// The commit's message.
    pub message: String,
}

/// Commits these files to the model repository `OWNER/NAME`, which is made if it is not there. Other files
/// of the repository stay. Returns the address of the commit.
///
/// # Errors
///
/// [`HubError`]: a malformed name, no token, no network, what the server refuses.
pub fn push(name: &str, files: &[Upload], options: &PushOptions) -> Result<String, HubError> {
    let (repository, revision) = parse(name)?;
    if revision != "main" {
        return Err(HubError::Name(name.to_owned()));
    }
    let settings = Settings::of_environment();
    if settings.offline {
        return Err(HubError::PushOffline);
    }
    let server = Server {
        endpoint: settings.endpoint.unwrap_or_else(|| HUB.to_owned()),
        token: settings.token.ok_or(HubError::NoToken)?,
        agent: agent(),
        repository: repository.to_owned(),
        revision: options.revision.clone(),
    };
    server.create(options.private)?;
    let modes = server.modes(files)?;
    let mut commit = vec![json!({
        "key": "header",
        "value": { "summary": options.message, "description": "" },
    })];
    let mut large = Vec::new();
    for (file, mode) in files.iter().zip(modes) {
        match mode {
            Mode::Regular => {
                let content = BASE64.encode(file.contents.read()?);
                commit.push(json!({
                    "key": "file",
                    "value": { "content": content, "path": file.name, "encoding": "base64" },
                }));
            }
            Mode::Lfs => {
                let object = Object::of(&file.contents)?;
                commit.push(json!({
                    "key": "lfsFile",
                    "value": {
                        "path": file.name, "algo": "sha256", "oid": object.oid, "size": object.size,
                    },
                }));
                large.push(object);
            }
        }
    }
    if !large.is_empty() {
        server.upload(&large)?;
    }
    server.commit(&commit)
}

fn agent() -> Agent {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .timeout_connect(Some(Duration::from_secs(30)))
        .timeout_recv_response(Some(Duration::from_secs(300)))
        .build();
    Agent::new_with_config(config)
}

/// How the server wants a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    Regular,
    Lfs,
}

/// A large file.
struct Object<'a> {
    contents: &'a Contents,
    /// Its SHA-256.
    oid: String,
    size: u64,
}

impl<'a> Object<'a> {
    fn of(contents: &'a Contents) -> Result<Self, HubError> {
        let mut digest = Digest::default();
        let size = digest.read(contents.open(0)?).map_err(contents.error())?;
        let oid = hex(&digest.finish());
        Ok(Self {
            contents,
            oid,
            size,
        })
    }
}

impl Contents {
    fn size(&self) -> Result<u64, HubError> {
        match self {
            Self::File(path) => Ok(fs::metadata(path).map_err(self.error())?.len()),
            Self::Bytes(bytes) => Ok(bytes.len() as u64),
        }
    }

    /// What comes after the first `start` bytes.
    fn open(&self, start: u64) -> Result<Box<dyn Read + '_>, HubError> {
        Ok(match self {
            Self::File(path) => {
                let mut file = File::open(path).map_err(self.error())?;
                file.seek(SeekFrom::Start(start)).map_err(self.error())?;
                Box::new(file)
            }
            Self::Bytes(bytes) => Box::new(bytes.get(start as usize..).unwrap_or_default()),
        })
    }

    /// The largest number of bytes.
    fn start(&self, most: u64) -> Result<Vec<u8>, HubError> {
        let mut bytes = Vec::new();
        let read = self.open(0)?.take(most).read_to_end(&mut bytes);
        read.map_err(self.error())?;
        Ok(bytes)
    }

    fn read(&self) -> Result<Vec<u8>, HubError> {
        self.start(u64::MAX)
    }

    fn error(&self) -> impl FnOnce(std::io::Error) -> HubError {
        let path = match self {
            Self::File(path) => path.clone(),
            Self::Bytes(_) => PathBuf::new(),
        };
        move |source| HubError::Io { path, source }
    }
}

/// The server, and what is pushed to.
struct Server {
    endpoint: String,
    token: String,
    agent: Agent,
    repository: String,
    revision: String,
}

/// A server's answer.
struct Answer {
    status: u16,
    etag: Option<String>,
    body: String,
}

/// What Git LFS says of an object.
#[derive(Deserialize)]
struct Batch {
    objects: Vec<BatchObject>,
}

#[derive(Deserialize)]
struct BatchObject {
    oid: String,
    #[serde(default)]
    actions: Option<Actions>,
    #[serde(default)]
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Actions {
    upload: Option<Action>,
    verify: Option<Action>,
}

#[derive(Deserialize)]
struct Action {
    href: String,
    #[serde(default)]
    header: Map<String, Value>,
}

impl Server {
    /// Makes the repository unless it is there.
    fn create(&self, private: bool) -> Result<(), HubError> {
        let url = format!("{}/api/repos/create", self.endpoint);
        let (owner, name) = self.repository.split_once('/').unwrap_or(("", ""));
        let body = json!({
            "type": "model", "organization": owner, "name": name, "private": private,
        });
        let answer = self.post(&url, JSON, body.to_string().as_bytes(), true)?;
        match answer.status {
            409 => Ok(()),
            _ => answer.accepted(&url).map(drop),
        }
    }

    /// How the server wants each file.
    fn modes(&self, files: &[Upload]) -> Result<Vec<Mode>, HubError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Wanted {
            path: String,
            upload_mode: Mode,
        }
        #[derive(Deserialize)]
        struct Answered {
            files: Vec<Wanted>,
        }
        let url = self.api("preupload");
        let mut asked = Vec::new();
        for file in files {
            let sample = file.contents.start(SAMPLE_BYTES as u64)?;
            asked.push(json!({
                "path": file.name, "sample": BASE64.encode(sample), "size": file.contents.size()?,
            }));
        }
        let body = json!({ "files": asked }).to_string();
        let answer = self.post(&url, JSON, body.as_bytes(), true)?;
        let answer: Answered = answer.json(&url)?;
        let mode = |file: &Upload| {
            let found = answer.files.iter().find(|wanted| wanted.path == file.name);
            let found = found.map(|wanted| wanted.upload_mode);
            found.ok_or_else(|| problem(&url, format!("nothing is said of {}", file.name)))
        };
        files.iter().map(mode).collect()
    }

    /// Uploads large files that the server does not have yet.
    fn upload(&self, objects: &[Object<'_>]) -> Result<(), HubError> {
        let url = format!(
            "{}/{}.git/info/lfs/objects/batch",
            self.endpoint, self.repository
        );
        let asked = objects
            .iter()
            .map(|object| json!({ "oid": object.oid, "size": object.size }));
        let body = json!({
            "operation": "upload",
            "transfers": ["basic", "multipart"],
            "objects": asked.collect::<Vec<_>>(),
            "hash_algo": "sha256",
            "ref": { "name": self.revision },
        });
        let answer = self.post(&url, LFS_JSON, body.to_string().as_bytes(), true)?;
        let batch: Batch = answer.json(&url)?;
        for object in objects {
            let found = batch.objects.iter().find(|found| found.oid == object.oid);
            let found = found.ok_or_else(|| problem(&url, "an object is not in the answer"))?;
            if let Some(error) = &found.error {
                return Err(problem(&url, error.to_string()));
            }
            // Without actions, the server has it.
            let Some(actions) = &found.actions else {
                continue;
            };
            if let Some(upload) = &actions.upload {
                self.upload_object(object, upload)?;
            }
            if let Some(Action { href, .. }) = &actions.verify {
                let body = json!({ "oid": object.oid, "size": object.size }).to_string();
                let answer = self.post(href, JSON, body.as_bytes(), true)?;
                answer.accepted(href)?;
            }
        }
        Ok(())
    }

    /// Uploads a large file, whole or in the parts that the server asks for.
    fn upload_object(&self, object: &Object<'_>, action: &Action) -> Result<(), HubError> {
        let href = &action.href;
        let Some(chunk) = action.header.get("chunk_size") else {
            return self.put(href, object.contents, 0..object.size).map(drop);
        };
        let chunk = match chunk {
            Value::String(text) => text.parse().ok(),
            other => other.as_u64(),
        };
        let chunk = chunk.filter(|&chunk| chunk > 0);
        let chunk = chunk.ok_or_else(|| problem(href, "a malformed chunk_size"))?;
        let mut parts = Vec::new();
        for (number, start) in (1..).zip((0..object.size).step_by(chunk as usize)) {
            let key = action
                .header
                .iter()
                .find(|(key, _)| key.parse() == Ok(number));
            let url = key.and_then(|(_, url)| url.as_str());
            let url = url.ok_or_else(|| problem(href, format!("no address for part {number}")))?;
            let end = object.size.min(start + chunk);
            let etag = self.put(url, object.contents, start..end)?;
            let etag = etag.ok_or_else(|| problem(url, "an answer without an ETag"))?;
            parts.push(json!({ "partNumber": number, "etag": etag }));
        }
        let body = json!({ "oid": object.oid, "parts": parts }).to_string();
        self.post(href, LFS_JSON, body.as_bytes(), false)?
            .accepted(href)?;
        Ok(())
    }

    /// Uploads a range of a file; returns the ETag. The address itself grants that, no token does.
    fn put(
        &self,
        url: &str,
        contents: &Contents,
        range: std::ops::Range<u64>,
    ) -> Result<Option<String>, HubError> {
        let length = range.end - range.start;
        let mut tried = 1;
        loop {
            let mut part = contents.open(range.start)?.take(length);
            let request = self
                .agent
                .put(url)
                .header("Content-Length", length.to_string());
            let sent = request.send(SendBody::from_reader(&mut part));
            let answer = sent
                .map_err(|error| problem(url, error))
                .and_then(Answer::of(url));
            match answer {
                // A server that is busy, or a line that broke.
                Ok(Answer { status: 500.., .. }) | Err(_) if tried < TRIES => {
                    std::thread::sleep(Duration::from_secs(tried.into()));
                    tried += 1;
                }
                Ok(answer) => return answer.accepted(url).map(|answer| answer.etag),
                Err(error) => return Err(error),
            }
        }
    }

    /// Commits; returns the address of the commit.
    fn commit(&self, lines: &[Value]) -> Result<String, HubError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Committed {
            commit_url: String,
        }
        let url = self.api("commit");
        let body: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let answer = self.post(&url, "application/x-ndjson", body.as_bytes(), true)?;
        let answer: Committed = answer.json(&url)?;
        Ok(answer.commit_url)
    }

    /// The address of one of the repository's functions for the branch.
    fn api(&self, function: &str) -> String {
        let (endpoint, repository) = (&self.endpoint, &self.repository);
        let revision = self.revision.replace('/', "%2F");
        format!("{endpoint}/api/models/{repository}/{function}/{revision}")
    }

    fn post(&self, url: &str, kind: &str, body: &[u8], token: bool) -> Result<Answer, HubError> {
        let mut request = self.agent.post(url).header("Content-Type", kind);
        if kind == LFS_JSON {
            request = request.header("Accept", LFS_JSON);
        }
        if token {
            request = request.header("Authorization", format!("Bearer {}", self.token));
        }
        let sent = request.send(body).map_err(|error| problem(url, error));
        sent.and_then(Answer::of(url))
    }
}

impl Answer {
    fn of(url: &str) -> impl Fn(ureq::http::Response<ureq::Body>) -> Result<Self, HubError> {
        let url = url.to_owned();
        move |mut response| {
            let etag = response.headers().get("etag");
            let etag = etag.and_then(|etag| etag.to_str().ok()).map(str::to_owned);
            let body = response.body_mut().read_to_string();
            Ok(Self {
                status: response.status().as_u16(),
                etag,
                body: body.map_err(|error| problem(&url, error))?,
            })
        }
    }

    /// Itself, unless the server refused.
    fn accepted(self, url: &str) -> Result<Self, HubError> {
        if (200..300).contains(&self.status) {
            return Ok(self);
        }
        let said = serde_json::from_str::<Value>(&self.body).ok();
        let said = said.as_ref().and_then(|said| said["error"].as_str());
        let said = said.map_or(String::new(), |said| format!(": {said}"));
        let hint = match self.status {
            401 | 403 => "; the token must be one that may write to the repository",
            _ => "",
        };
        Err(problem(url, format!("status {}{said}{hint}", self.status)))
    }

    fn json<T: serde::de::DeserializeOwned>(self, url: &str) -> Result<T, HubError> {
        let body = self.accepted(url)?.body;
        serde_json::from_str(&body).map_err(|error| problem(url, format!("its answer: {error}")))
    }
}

fn problem(url: &str, problem: impl ToString) -> HubError {
    // What grants an upload is in the address, and is nobody's business.
    let url = url.split('?').next().unwrap_or(url).to_owned();
    HubError::Upload {
        url,
        problem: problem.to_string(),
    }
}
