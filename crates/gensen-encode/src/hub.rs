//! Models from the Hugging Face Hub, `hf://OWNER/NAME[@REVISION]`, and models that are pushed there.
//!
//! Files are kept in the cache that other programs of the hub share, by the settings of its own
//! library: `HF_HUB_CACHE`, `HF_HOME`, else `~/.cache/huggingface`; a model that is there whole is used
//! without the network. `HF_ENDPOINT` names another server; `HF_TOKEN`, or a token that `hf auth login`
//! saved (`HF_TOKEN_PATH`), opens private models; `HF_HUB_OFFLINE=1` keeps off the network.

mod push;
mod settings;

use std::fs;
use std::path::{Path, PathBuf};

use gensen_data::{digest, scratch};
use hf_hub::api::sync::{ApiBuilder, ApiError};
use hf_hub::{Cache, Repo, RepoType};

pub use push::{Contents, PushOptions, Upload, push};
use settings::Settings;

use crate::model_folder::{CARD_FILE, CONFIG_FILE, MAP_FILE, VOCABULARY_FILE, WEIGHTS_FILE};

/// What a model's name begins with if it is on the hub.
pub const SCHEME: &str = "hf://";

/// The files a model has, and those it may have.
const NEEDED: [&str; 3] = [CONFIG_FILE, VOCABULARY_FILE, WEIGHTS_FILE];
const OPTIONAL: [&str; 2] = [CARD_FILE, MAP_FILE];

/// Why a model does not come from the hub, or go there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HubError {
    /// A malformed name.
    #[error("`{0}` does not name a model of the hub, expected OWNER/NAME or OWNER/NAME@REVISION")]
    Name(String),
    /// Not in the cache, and the network is not to be used.
    #[error("{name} is not in the cache {}, and HF_HUB_OFFLINE forbids to download it", cache.display())]
    Offline {
        /// The model.
        name: String,
        /// The cache.
        cache: PathBuf,
    },
    /// The server did not give a file.
    #[error("{url}: {problem}")]
    Download {
        /// The file's address.
        url: String,
        /// What it means.
        problem: &'static str,
        /// What happened.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A file is not what the server said it is.
    #[error("{url}: the file has SHA-256 {found}, the server announced {expected}; it was removed")]
    Hash {
        /// The file's address.
        url: String,
        /// What the server said.
        expected: String,
        /// What came.
        found: String,
    },
    /// The server did not take an upload.
    #[error("{url}: {problem}")]
    Upload {
        /// The address that was asked.
        url: String,
        /// What happened.
        problem: String,
    },
    /// Nothing that lets a model be pushed.
    #[error("there is no token: set HF_TOKEN, or log in with `hf auth login`")]
    NoToken,
    /// The network is not to be used.
    #[error("HF_HUB_OFFLINE forbids to push")]
    PushOffline,
    /// A file of the cache, or one to push, cannot be read.
    #[error("{}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What happened.
        source: std::io::Error,
    },
}

const NOT_REACHED: &str = "it could not be downloaded";

/// The folder that holds a model of the hub, downloaded if it is not in the cache.
///
/// `name` is `OWNER/NAME` or `OWNER/NAME@REVISION`, with or without `hf://` before it; a revision is
/// a branch, a tag or a commit, `main` if none is named.
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
    let settings = Settings::of_environment();
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
        problem: NOT_REACHED,
        source: cause(error),
    })?;
    let download = |revision: &str, file| {
        let (name, revision) = (owner_and_name.to_owned(), revision.to_owned());
        let remote = api.repo(Repo::with_revision(name, RepoType::Model, revision));
        let url = remote.url(file);
        let path = remote.get(file).map_err(|error| problem(&url, error))?;
        verify(&url, &path).map(|()| path)
    };
    let folder = match whole {
        Some(folder) => folder,
        None => {
            // The first file tells the commit, from which the others are taken: a branch may move
            // meanwhile.
            let config = download(revision, CONFIG_FILE).map_err(Problem::into_error)?;
            let folder = parent(&config);
            for file in NEEDED.into_iter().skip(1) {
                download(&commit(&folder), file).map_err(Problem::into_error)?;
            }
            folder
        }
    };
    let missing: Vec<&str> = cached.missing(&folder).collect();
    for file in missing {
        match download(&commit(&folder), file) {
            Ok(_) => {}
            Err(Problem::Absent(_)) => cached.note_absent(&folder, file)?,
            Err(other) => return Err(other.into_error()),
        }
    }
    Ok(folder)
}

/// The commit that a folder of the cache is of.
fn commit(folder: &Path) -> String {
    let name = folder.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// A model's folder in the cache, laid out as the hub's own library has it.
struct Cached(PathBuf);

impl Cached {
    fn new(cache: &Path, owner_and_name: &str) -> Self {
        Self(cache.join(format!("models--{}", owner_and_name.replace('/', "--"))))
    }

    /// Where the files of a revision are, if it is known which commit that is.
    fn snapshot(&self, revision: &str) -> Option<PathBuf> {
        let is_commit = revision.len() == 40 && revision.bytes().all(|b| b.is_ascii_hexdigit());
        let commit = match is_commit {
            true => revision.to_owned(),
            false => fs::read_to_string(self.0.join("refs").join(revision)).ok()?,
        };
        Some(self.0.join("snapshots").join(commit.trim()))
    }

    /// Files that the model may have, and that are neither here nor known to be absent.
    fn missing(&self, folder: &Path) -> impl Iterator<Item = &'static str> {
        let absent = self.0.join(".no_exist").join(commit(folder));
        let here = folder.to_owned();
        let known = move |file: &&str| here.join(file).exists() || absent.join(file).exists();
        OPTIONAL.into_iter().filter(move |file| !known(file))
    }

    /// Notes that a commit has no such file.
    fn note_absent(&self, folder: &Path, file: &str) -> Result<(), HubError> {
        let note = self.0.join(".no_exist").join(commit(folder)).join(file);
        let made =
            fs::create_dir_all(parent(&note)).and_then(|()| scratch::write_file(&note, |_| Ok(())));
        made.map_err(|source| HubError::Io { path: note, source })
    }
}

/// `OWNER/NAME` and the revision.
fn parse(name: &str) -> Result<(&str, &str), HubError> {
    let wrong = || HubError::Name(name.to_owned());
    let bare = name.strip_prefix(SCHEME).unwrap_or(name);
    let (model, revision) = bare.split_once('@').unwrap_or((bare, "main"));
    let plain = |part: &str| {
        let known = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        !part.is_empty() && part.chars().all(known) && part.chars().any(|c| c != '.')
    };
    let (owner, model_name) = model.split_once('/').ok_or_else(wrong)?;
    if plain(owner) && plain(model_name) && revision.split('/').all(plain) {
        Ok((model, revision))
    } else {
        Err(wrong())
    }
}

/// Why one file did not come.
enum Problem {
    /// The server has no such file, model or revision.
    Absent(HubError),
    Other(HubError),
}

impl Problem {
    fn into_error(self) -> HubError {
        match self {
            Self::Absent(error) | Self::Other(error) => error,
        }
    }
}

fn problem(url: &str, error: ApiError) -> Problem {
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
        _ => NOT_REACHED,
    };
    let download = HubError::Download {
        url: url.to_owned(),
        problem,
        source: cause(error),
    };
    if status == Some(404) {
        Problem::Absent(download)
    } else {
        Problem::Other(download)
    }
}

/// What lies below the errors of hf-hub, which repeat it in their text.
fn cause(error: ApiError) -> Box<dyn std::error::Error + Send + Sync> {
    match error {
        ApiError::RequestError(error) => error,
        ApiError::IoError(error) => Box::new(error),
        ApiError::TooManyRetries(error) => cause(*error),
        error => Box::new(error),
    }
}

/// Checks a file that was just downloaded: the hub names large files by their SHA-256.
fn verify(url: &str, path: &Path) -> Result<(), Problem> {
    let io = |source| {
        Problem::Other(HubError::Io {
            path: path.to_owned(),
            source,
        })
    };
    let blob = fs::canonicalize(path).map_err(io)?;
    let expected = blob.file_name().unwrap_or_default().to_string_lossy();
    if expected.len() != 64 || !expected.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(());
    }
    let (found, _) = digest::sha256_of_file(&blob).map_err(io)?;
    if found.eq_ignore_ascii_case(&expected) {
        return Ok(());
    }
    fs::remove_file(path).map_err(io)?;
    fs::remove_file(&blob).map_err(io)?;
    Err(Problem::Other(HubError::Hash {
        url: url.to_owned(),
        expected: expected.into_owned(),
        found,
    }))
}

fn parent(file: &Path) -> PathBuf {
    file.parent().unwrap_or(Path::new("")).to_owned()
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
