//! The HTTP interface of the hub.

use std::io::Read;
use std::ops::Range;
use std::time::Duration;

use base64::Engine as _;
pub(super) use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use ureq::{Agent, SendBody};

use super::settings::HubSettings;
use super::{Contents, HubError, Upload};

/// The address of the hub itself.
const HUB: &str = "https://huggingface.co";
/// The bytes at the start of a file from which the server guesses its type.
const SAMPLE_BYTES: u64 = 512;
/// The content type of Git LFS.
pub(super) const LFS_JSON: &str = "application/vnd.git-lfs+json";
pub(super) const JSON: &str = "application/json";

/// A repository on the server.
pub(super) struct HubServer {
    endpoint: String,
    token: String,
    agent: Agent,
    owner: String,
    name: String,
    revision: String,
}

/// The upload mode that the server requests for a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum UploadMode {
    /// Inline in the commit.
    Regular,
    /// As a Git LFS object.
    Lfs,
}

impl HubServer {
    /// The branch `revision` of `repository`, `OWNER/NAME`.
    pub(super) fn new(
        settings: HubSettings,
        repository: &str,
        revision: &str,
    ) -> Result<Self, HubError> {
        let (owner, name) = repository
            .split_once('/')
            .ok_or_else(|| HubError::Name(repository.to_owned()))?;
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(Duration::from_secs(30)))
            .timeout_recv_response(Some(Duration::from_secs(300)))
            .build();
        Ok(Self {
            endpoint: settings.endpoint.unwrap_or_else(|| HUB.to_owned()),
            token: settings.token.ok_or(HubError::NoToken)?,
            agent: Agent::new_with_config(config),
            owner: owner.to_owned(),
            name: name.to_owned(),
            revision: revision.to_owned(),
        })
    }

    pub(super) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// `OWNER/NAME`.
    pub(super) fn repository(&self) -> String {
        format!("{}/{}", self.owner, self.name)
    }

    pub(super) fn revision(&self) -> &str {
        &self.revision
    }

    /// Creates the repository unless it exists.
    pub(super) fn create(&self, private: bool) -> Result<(), HubError> {
        let url = format!("{}/api/repos/create", self.endpoint);
        let body = json!({
            "type": "model", "organization": self.owner, "name": self.name, "private": private,
        });
        let response = self.post(&url, JSON, body.to_string().as_bytes(), true)?;
        match response.status {
            409 => Ok(()),
            _ => response.accepted(&url).map(drop),
        }
    }

    /// Asks how the server wants each file.
    pub(super) fn modes(&self, files: &[Upload]) -> Result<Vec<UploadMode>, HubError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Wanted {
            path: String,
            upload_mode: UploadMode,
        }
        #[derive(Deserialize)]
        struct Preupload {
            files: Vec<Wanted>,
        }
        let url = self.api("preupload");
        let mut asked = Vec::new();
        for file in files {
            let sample = file.contents.start(SAMPLE_BYTES)?;
            asked.push(json!({
                "path": file.name, "sample": BASE64.encode(sample), "size": file.contents.size()?,
            }));
        }
        let body = json!({ "files": asked }).to_string();
        let response = self.post(&url, JSON, body.as_bytes(), true)?;
        let response: Preupload = response.json(&url)?;
        let mode = |file: &Upload| {
            let found = response
                .files
                .iter()
                .find(|wanted| wanted.path == file.name);
            let found = found.map(|wanted| wanted.upload_mode);
            found.ok_or_else(|| lacking(&url, format!("no upload mode for {}", file.name)))
        };
        files.iter().map(mode).collect()
    }

    /// Makes a commit; returns its address.
    pub(super) fn commit(&self, lines: &[Value]) -> Result<String, HubError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Committed {
            commit_url: String,
        }
        let url = self.api("commit");
        let body: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let response = self.post(&url, "application/x-ndjson", body.as_bytes(), true)?;
        let response: Committed = response.json(&url)?;
        Ok(response.commit_url)
    }

    /// The address of a function of the hub's API for the branch.
    fn api(&self, function: &str) -> String {
        let (endpoint, repository) = (&self.endpoint, self.repository());
        let revision = self.revision.replace('/', "%2F");
        format!("{endpoint}/api/models/{repository}/{function}/{revision}")
    }

    /// Posts `body` of the content type `kind`, with the token or without.
    pub(super) fn post(
        &self,
        url: &str,
        kind: &str,
        body: &[u8],
        token: bool,
    ) -> Result<Response, HubError> {
        let mut request = self.agent.post(url).header("Content-Type", kind);
        if kind == LFS_JSON {
            request = request.header("Accept", LFS_JSON);
        }
        if token {
            request = request.header("Authorization", format!("Bearer {}", self.token));
        }
        Response::read(url, request.send(body))
    }

    /// Uploads a range of a file to storage; returns the response. The address itself is the
    /// permission, so no token is sent.
    pub(super) fn put(
        &self,
        url: &str,
        contents: &Contents,
        range: Range<u64>,
    ) -> Result<Response, HubError> {
        let length = range.end - range.start;
        let mut part = contents.open(range.start)?.take(length);
        let request = self
            .agent
            .put(url)
            .header("Content-Length", length.to_string());
        Response::read(url, request.send(SendBody::from_reader(&mut part)))
    }
}

/// A response of the server.
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) etag: Option<String>,
    body: String,
}

impl Response {
    fn read(
        url: &str,
        sent: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> Result<Self, HubError> {
        let failed = |error| HubError::Request {
            url: without_query(url),
            source: Box::new(error),
        };
        let mut response = sent.map_err(failed)?;
        let etag = response.headers().get("etag");
        let etag = etag.and_then(|etag| etag.to_str().ok()).map(str::to_owned);
        let body = response.body_mut().read_to_string().map_err(failed)?;
        Ok(Self {
            status: response.status().as_u16(),
            etag,
            body,
        })
    }

    /// The response itself, unless the server refused the request.
    pub(super) fn accepted(self, url: &str) -> Result<Self, HubError> {
        if (200..300).contains(&self.status) {
            return Ok(self);
        }
        let body = serde_json::from_str::<Value>(&self.body).ok();
        let message = body.as_ref().and_then(|body| body["error"].as_str());
        let message = message.map_or(String::new(), |message| format!(": {message}"));
        let hint = match self.status {
            401 | 403 => "; the token must have permission to write to the repository",
            _ => "",
        };
        let problem = format!("status {}{message}{hint}", self.status);
        Err(refused(url, problem))
    }

    pub(super) fn json<T: DeserializeOwned>(self, url: &str) -> Result<T, HubError> {
        let body = self.accepted(url)?.body;
        serde_json::from_str(&body).map_err(|source| HubError::Json {
            url: without_query(url),
            source,
        })
    }
}

pub(super) fn refused(url: &str, problem: String) -> HubError {
    HubError::Refused {
        url: without_query(url),
        problem,
    }
}

/// The response lacks something.
pub(super) fn lacking(url: &str, problem: impl Into<String>) -> HubError {
    HubError::Response {
        url: without_query(url),
        problem: problem.into(),
    }
}

/// The address without its query, which may hold the permission to upload and must not be printed.
fn without_query(url: &str) -> String {
    let end = url.find('?').unwrap_or(url.len());
    url[..end].to_owned()
}
