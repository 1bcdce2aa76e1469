//! Large files: uploads by Git LFS.

use std::ops::Range;
use std::time::Duration;

use gensen_data::digest::{Digest, hex};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::server::{HubServer, JSON, LFS_JSON, lacking, refused};
use super::{Contents, HubError};

/// The number of attempts to upload a part.
const TRIES: u32 = 3;

/// A large file.
pub(super) struct LfsObject<'a> {
    contents: &'a Contents,
    /// Its SHA-256.
    pub(super) oid: String,
    pub(super) size: u64,
}

impl<'a> LfsObject<'a> {
    pub(super) fn of(contents: &'a Contents) -> Result<Self, HubError> {
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

/// The response of Git LFS's batch API.
#[derive(Deserialize)]
struct LfsBatch {
    objects: Vec<BatchObject>,
}

#[derive(Deserialize)]
struct BatchObject {
    oid: String,
    #[serde(default)]
    actions: Option<LfsActions>,
    #[serde(default)]
    error: Option<Value>,
}

#[derive(Deserialize)]
struct LfsActions {
    upload: Option<LfsAction>,
    verify: Option<LfsAction>,
}

#[derive(Deserialize)]
struct LfsAction {
    href: String,
    #[serde(default)]
    header: Map<String, Value>,
}

/// Uploads those of the large files that the server does not have.
pub(super) fn upload(server: &HubServer, objects: &[LfsObject<'_>]) -> Result<(), HubError> {
    let url = format!(
        "{}/{}.git/info/lfs/objects/batch",
        server.endpoint(),
        server.repository()
    );
    let asked = objects
        .iter()
        .map(|object| json!({ "oid": object.oid, "size": object.size }));
    let body = json!({
        "operation": "upload",
        "transfers": ["basic", "multipart"],
        "objects": asked.collect::<Vec<_>>(),
        "hash_algo": "sha256",
        "ref": { "name": server.revision() },
    });
    let response = server.post(&url, LFS_JSON, body.to_string().as_bytes(), true)?;
    let batch: LfsBatch = response.json(&url)?;
    for object in objects {
        let found = batch.objects.iter().find(|found| found.oid == object.oid);
        let found =
            found.ok_or_else(|| lacking(&url, format!("nothing about object {}", object.oid)))?;
        if let Some(error) = &found.error {
            return Err(refused(&url, error.to_string()));
        }
        // Without actions, the server has the object already.
        let Some(actions) = &found.actions else {
            continue;
        };
        if let Some(upload) = &actions.upload {
            upload_object(server, object, upload)?;
        }
        if let Some(LfsAction { href, .. }) = &actions.verify {
            let body = json!({ "oid": object.oid, "size": object.size }).to_string();
            let response = server.post(href, JSON, body.as_bytes(), true)?;
            response.accepted(href)?;
        }
    }
    Ok(())
}

/// Uploads a large file, whole or in the parts that the server asks for.
fn upload_object(
    server: &HubServer,
    object: &LfsObject<'_>,
    action: &LfsAction,
) -> Result<(), HubError> {
    let href = &action.href;
    let Some(chunk) = action.header.get("chunk_size") else {
        return put(server, href, object.contents, 0..object.size).map(drop);
    };
    let chunk = match chunk {
        Value::String(text) => text.parse().ok(),
        other => other.as_u64(),
    };
    let chunk = chunk.filter(|&chunk| chunk > 0);
    let chunk = chunk.ok_or_else(|| lacking(href, "chunk_size is not a positive integer"))?;
    let mut parts = Vec::new();
    for (number, start) in (1..).zip((0..object.size).step_by(chunk as usize)) {
        let key = action
            .header
            .iter()
            .find(|(key, _)| key.parse() == Ok(number));
        let url = key.and_then(|(_, url)| url.as_str());
        let url = url.ok_or_else(|| lacking(href, format!("no address for part {number}")))?;
        let end = object.size.min(start + chunk);
        let etag = put(server, url, object.contents, start..end)?;
        let etag = etag.ok_or_else(|| lacking(url, "no ETag"))?;
        parts.push(json!({ "partNumber": number, "etag": etag }));
    }
    let body = json!({ "oid": object.oid, "parts": parts }).to_string();
    server
        .post(href, LFS_JSON, body.as_bytes(), false)?
        .accepted(href)?;
    Ok(())
}

/// Uploads a range of a file, trying again if the server is busy or the connection breaks; returns
/// the ETag.
fn put(
    server: &HubServer,
    url: &str,
    contents: &Contents,
    range: Range<u64>,
) -> Result<Option<String>, HubError> {
    let mut tried = 1;
    loop {
        let response = server.put(url, contents, range.clone());
        let again = match &response {
            Ok(response) => response.status >= 500,
            Err(error) => matches!(error, HubError::Request { .. }),
        };
        if !again || tried == TRIES {
            return Ok(response?.accepted(url)?.etag);
        }
        std::thread::sleep(Duration::from_secs(tried.into()));
        tried += 1;
    }
}
