//! Models of the Hugging Face Hub, `hf://OWNER/NAME[@REVISION]`: downloads and uploads.
//!
//! Files are kept in the cache that all programs of the hub share (`HF_HUB_CACHE`, `HF_HOME`, by
//! default `~/.cache/huggingface`); a model whose files are all there is opened without the
//! network. `HF_ENDPOINT` names another server. `HF_TOKEN`, or the token that `hf auth login` saved
//! (`HF_TOKEN_PATH`), gives access to private models. `HF_HUB_OFFLINE=1` forbids the network.

mod contents;
mod lfs;
mod push;
mod server;
mod settings;

use std::fs;
use std::path::{Path, PathBuf};

use gensen_data::{digest, scratch};
use hf_hub::api::sync::{ApiBuilder, ApiError};
use hf_hub::{Cache, Repo, RepoType};

pub use contents::Contents;
pub use push::{PushOptions, Upload, push};
use settings::HubSettings;

use crate::model_folder::{CARD_FILE, CONFIG_FILE, MAP_FILE, VOCABULARY_FILE, WEIGHTS_FILE};

/// The prefix of names of models on the hub.
pub const SCHEME: &str = "hf://";

/// The required and the optional files of a model.
const NEEDED: [&str; 3] = [CONFIG_FILE, VOCABULARY_FILE, WEIGHTS_FILE];
const OPTIONAL: [&str; 2] = [CARD_FILE, MAP_FILE];

/// Errors of downloads and uploads.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HubError {
    /// A malformed name.
    #[error("malformed model name `{0}`: expected OWNER/NAME or OWNER/NAME@REVISION")]
    Name(String),
    /// The model is not in the cache, and the network must not be used.
    #[error("{name} is not in the cache {}, and HF_HUB_OFFLINE forbids downloads", cache.display())]
    Offline {
        /// The model.
        name: String,
        /// The cache.
        cache: PathBuf,
    },
    /// A file cannot be downloaded.
    #[error("{url}: {problem}")]
    Download {
        /// The file's address.
        url: String,
        /// The likely reason.
        problem: &'static str,
        /// What happened.
        source: gensen_data::error::Cause,
    },
    /// A downloaded file is not the one that the server announced.
    #[error("{url}: the file has SHA-256 {found}, the server announced {expected}; it was removed")]
    Hash {
        /// The file's address.
        url: String,
        /// The announced SHA-256.
        expected: String,
        /// The file's SHA-256.
        found: String,
    },
    /// A request of an upload did not reach the server, or its response was cut off.
    #[error("{url}: the request failed")]
    Request {
        /// The address of the request.
        url: String,
        /// What happened.
        source: Box<ureq::Error>,
    },
    /// The server refused an upload.
    #[error("{url}: {problem}")]
    Refused {
        /// The address of the request.
        url: String,
        /// The status, and the server's own message.
        problem: String,
    },
    /// The server's response is not JSON of the expected form.
    #[error("{url}: malformed response")]
    Json {
        /// The address of the request.
        url: String,
        /// What is wrong, and where.
        source: serde_json::Error,
    },
    /// The server's response lacks something that the upload needs.
    #[error("{url}: malformed response: {problem}")]
    Response {
        /// The address of the request.
        url: String,
        /// What is missing.
        problem: String,
    },
    /// No token, which uploads need.
    #[error("no access token: set HF_TOKEN, or log in with `hf auth login`")]
    NoToken,
    /// The network must not be used.
    #[error("HF_HUB_OFFLINE forbids uploads")]
    PushOffline,
    /// A file of the cache or a file to push cannot be read or written.
    #[error("{}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What happened.
        source: std::io::Error,
    },
}

const NOT_DOWNLOADED: &str = "the download failed";

/// Downloads a model of the hub, unless it is in the cache, and returns its folder.
///
/// `name` is `OWNER/NAME` or `OWNER/NAME@REVISION`, with or without `hf://` before it. The revision
/// is a branch, a tag or a commit, by default `main`.
///
/// ```no_run
/// let folder = gensen_encode::hub::fetch("hf://owner/nli_large@v1")?;
/// # Ok::<(), gensen_encode::hub::HubError>(())
/// ```
///
/// # Errors
///
/// [`HubError`].
pub fn fetch(name: &str) -> Result<PathBuf, HubError> {
    let (owner_and_name, revision) = parse(name)?;
    let settings = HubSettings::of_environment();
    let cached = Cached::new(&settings.cache, owner_and_name);
    let snapshot = cached.snapshot(revision);
    let whole = snapshot.filter(|folder| NEEDED.iter().all(|file| folder.join(file).exists()));
    if let Some(folder) = &whole
        && (settings.offline || cached.missing(folder).next().is_none())
    {
        return Ok(folder.clone());
    }
    if settings.offline {
        return Err(HubError::Offline {
            name: owner_and_name.to_owned(),
            cache: settings.cache,
        });
    }
    let mut builder = ApiBuilder::from_cache(Cache::new(settings.cache.clone()))
        .with_retries(3)
        .with_token(settings.token);
    if let Some(endpoint) = settings.endpoint {
        builder = builder.with_endpoint(endpoint);
    }
    let api = builder.build().map_err(|error| HubError::Download {
        url: format!("{SCHEME}{owner_and_name}"),
        problem: NOT_DOWNLOADED,
        source: cause(error),
    })?;
    let download = |revision: &str, file| {
        let (name, revision) = (owner_and_name.to_owned(), revision.to_owned());
        let remote = api.repo(Repo::with_revision(name, RepoType::Model, revision));
        let url = remote.url(file);
        let path = remote.get(file).map_err(|error| file_error(&url, error))?;
        verify(&url, &path).map(|()| path)
    };
    let folder = match whole {
        Some(folder) => folder,
        None => {
            // A branch may move meanwhile: the other files come from the same commit as the first.
            let config = download(revision, CONFIG_FILE).map_err(DownloadError::into_error)?;
            let folder = parent(&config);
            for file in NEEDED.into_iter().skip(1) {
                download(&commit(&folder), file).map_err(DownloadError::into_error)?;
            }
            folder
        }
    };
    let missing: Vec<&str> = cached.missing(&folder).collect();
    for file in missing {
        match download(&commit(&folder), file) {
            Ok(_) => {}
            Err(DownloadError::Absent(_)) => cached.note_absent(&folder, file)?,
            Err(other) => return Err(other.into_error()),
        }
    }
    Ok(folder)
}

/// The commit of a snapshot folder of the cache, which is its name.
fn commit(folder: &Path) -> String {
    #[allow(
        clippy::expect_used,
        reason = "`Cached::snapshot` and hf-hub name folders `snapshots/COMMIT`"
    )]
    let name = folder.file_name().expect("a snapshot folder has a name");
    name.to_string_lossy().into_owned()
}

/// A model's folder in the cache, in the layout of `huggingface_hub`.
struct Cached(PathBuf);

impl Cached {
    fn new(cache: &Path, owner_and_name: &str) -> Self {
        Self(cache.join(format!("models--{}", owner_and_name.replace('/', "--"))))
    }

    /// The folder of a revision, if the cache has the commit of that revision.
    fn snapshot(&self, revision: &str) -> Option<PathBuf> {
        let is_commit = revision.len() == 40 && revision.bytes().all(|b| b.is_ascii_hexdigit());
        let commit = match is_commit {
            true => revision.to_owned(),
            false => fs::read_to_string(self.0.join("refs").join(revision)).ok()?,
        };
        let commit = Some(commit.trim()).filter(|commit| is_plain(commit))?;
        Some(self.0.join("snapshots").join(commit))
    }

    /// Optional files that are neither in the cache nor known to be absent from the repository.
    fn missing(&self, folder: &Path) -> impl Iterator<Item = &'static str> {
        let absent = self.0.join(".no_exist").join(commit(folder));
        let here = folder.to_owned();
        let known = move |file: &&str| here.join(file).exists() || absent.join(file).exists();
        OPTIONAL.into_iter().filter(move |file| !known(file))
    }

    /// Records in the cache that a commit lacks a file.
    fn note_absent(&self, folder: &Path, file: &str) -> Result<(), HubError> {
        let note = self.0.join(".no_exist").join(commit(folder)).join(file);
        let made =
            fs::create_dir_all(parent(&note)).and_then(|()| scratch::write_file(&note, |_| Ok(())));
        made.map_err(|source| HubError::Io { path: note, source })
    }
}

/// Splits a name into `OWNER/NAME` and the revision.
fn parse(name: &str) -> Result<(&str, &str), HubError> {
    let wrong = || HubError::Name(name.to_owned());
    let bare = name.strip_prefix(SCHEME).unwrap_or(name);
    let (model, revision) = bare.split_once('@').unwrap_or((bare, "main"));
    let (owner, model_name) = model.split_once('/').ok_or_else(wrong)?;
    if is_plain(owner) && is_plain(model_name) && revision.split('/').all(is_plain) {
        Ok((model, revision))
    } else {
        Err(wrong())
    }
}

/// Whether this is one part of a path with the characters of names on the hub, and not `.` or `..`.
fn is_plain(part: &str) -> bool {
    let known = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    !part.is_empty() && part.chars().all(known) && part.chars().any(|c| c != '.')
}

/// Errors of downloading a file.
enum DownloadError {
    /// The server has no such file, model or revision.
    Absent(HubError),
    Other(HubError),
}

impl DownloadError {
    fn into_error(self) -> HubError {
        match self {
            Self::Absent(error) | Self::Other(error) => error,
        }
    }
}

fn file_error(url: &str, error: ApiError) -> DownloadError {
    let status = match &error {
        ApiError::RequestError(error) => match **error {
            ureq::Error::StatusCode(status) => Some(status),
            _ => None,
        },
        _ => None,
    };
    let problem = match status {
        Some(401 | 403) => "a private model needs HF_TOKEN",
        Some(404) => "no such model, revision or file",
        _ => NOT_DOWNLOADED,
    };
    let download = HubError::Download {
        url: url.to_owned(),
        problem,
        source: cause(error),
    };
    if status == Some(404) {
        DownloadError::Absent(download)
    } else {
        DownloadError::Other(download)
    }
}

/// The cause of an error of hf-hub, whose own text repeats it.
fn cause(error: ApiError) -> gensen_data::error::Cause {
    match error {
        ApiError::RequestError(error) => error,
        ApiError::IoError(error) => Box::new(error),
        ApiError::TooManyRetries(error) => cause(*error),
        error => Box::new(error),
    }
}

/// Checks the SHA-256 of a downloaded file. The hub announces it only for large files.
fn verify(url: &str, path: &Path) -> Result<(), DownloadError> {
    let io = |source| {
        DownloadError::Other(HubError::Io {
            path: path.to_owned(),
            source,
        })
    };
    let blob = fs::canonicalize(path).map_err(io)?;
    // The cache names blobs by the ETag, which is the SHA-256 of a large file.
    #[allow(
        clippy::expect_used,
        reason = "the canonical path of a file has a name"
    )]
    let expected = blob
        .file_name()
        .expect("a blob has a name")
        .to_string_lossy();
    if expected.len() != 64 || !expected.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(());
    }
    let (found, _) = digest::sha256_of_file(&blob).map_err(io)?;
    if found.eq_ignore_ascii_case(&expected) {
        return Ok(());
    }
    fs::remove_file(path).map_err(io)?;
    fs::remove_file(&blob).map_err(io)?;
    Err(DownloadError::Other(HubError::Hash {
        url: url.to_owned(),
        expected: expected.into_owned(),
        found,
    }))
}

/// The folder of a file in the cache.
fn parent(file: &Path) -> PathBuf {
    #[allow(
        clippy::expect_used,
        reason = "all paths here have a folder and a name"
    )]
    file.parent().expect("a file in a folder").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert_eq!(parse("hf://a/b").unwrap(), ("a/b", "main"));
        assert_eq!(parse("a/b-c.d@v1").unwrap(), ("a/b-c.d", "v1"));
        assert_eq!(parse("hf://a/b@pr/3").unwrap(), ("a/b", "pr/3"));
        for wrong in [
            "",
            "a",
            "a/",
            "/b",
            "a/b/c",
            "a/..",
            "../b",
            "a/b@",
            "a/b@../..",
            "a b/c",
            "a/b@x\0",
        ] {
            assert!(matches!(parse(wrong), Err(HubError::Name(_))), "{wrong:?}");
        }
    }
}
