//! Uploads to the hub.
//!
//! A push creates the repository if it does not exist, asks the server which files it wants in Git
//! LFS, uploads those under their SHA-256, and then makes one commit of all files: others see the
//! old state or the new one.

use base64::Engine as _;
use serde_json::json;

use super::lfs::{self, LfsObject};
use super::server::{BASE64, HubServer, UploadMode};
use super::settings::HubSettings;
use super::{Contents, HubError, parse};

/// A file to push.
#[derive(Clone, Debug)]
pub struct Upload {
    /// Its name in the repository.
    pub name: String,
    /// Its contents.
    pub contents: Contents,
}

/// Options of a push.
#[derive(Clone, Debug)]
pub struct PushOptions {
    /// The branch. It must exist, except `main` in a new repository.
    pub revision: String,
    /// Whether a new repository is private.
    pub private: bool,
    /// The commit message.
    pub message: String,
}

/// Commits files to the model repository `OWNER/NAME`, which is created if it does not exist. Other
/// files of the repository stay. Returns the address of the commit.
///
/// # Errors
///
/// [`HubError`]: a malformed name, no token, no network, a refusal of the server.
pub fn push(name: &str, files: &[Upload], options: &PushOptions) -> Result<String, HubError> {
    let (repository, revision) = parse(name)?;
    if revision != "main" {
        return Err(HubError::Name(name.to_owned()));
    }
    let settings = HubSettings::of_environment();
    if settings.offline {
        return Err(HubError::PushOffline);
    }
    let server = HubServer::new(settings, repository, &options.revision)?;
    server.create(options.private)?;
    let modes = server.modes(files)?;
    let mut commit = vec![json!({
        "key": "header",
        "value": { "summary": options.message, "description": "" },
    })];
    let mut large = Vec::new();
    for (file, mode) in files.iter().zip(modes) {
        match mode {
            UploadMode::Regular => {
                let content = BASE64.encode(file.contents.read()?);
                commit.push(json!({
                    "key": "file",
                    "value": { "content": content, "path": file.name, "encoding": "base64" },
                }));
            }
            UploadMode::Lfs => {
                let object = LfsObject::of(&file.contents)?;
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
        lfs::upload(&server, &large)?;
    }
    server.commit(&commit)
}
