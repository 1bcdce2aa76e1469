//! Settings from environment variables, with the names and rules of Python's `huggingface_hub`.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

/// The cache and the server.
#[derive(Debug)]
pub(super) struct HubSettings {
    /// The folder of cached repositories.
    pub(super) cache: PathBuf,
    /// Whether the network must not be used.
    pub(super) offline: bool,
    /// The server's address, if it is not the hub itself.
    pub(super) endpoint: Option<String>,
    /// The access token.
    pub(super) token: Option<String>,
}

impl HubSettings {
    pub(super) fn of_environment() -> Self {
        Self::new(|name| env::var_os(name))
    }

    fn new(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        // An empty variable counts as unset.
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let text = |name: &str| set(name).and_then(|value| value.into_string().ok());
        let user = set("HOME")
            .or_else(|| set("USERPROFILE"))
            .map(PathBuf::from);
        let path = |name: &str| set(name).map(|path| in_home(path.into(), user.as_deref()));
        let home = path("HF_HOME").unwrap_or_else(|| {
            let caches = path("XDG_CACHE_HOME");
            let caches = caches.unwrap_or_else(|| in_home("~/.cache".into(), user.as_deref()));
            caches.join("huggingface")
        });
        let token_path = path("HF_TOKEN_PATH").unwrap_or_else(|| home.join("token"));
        let named = text("HF_TOKEN").or_else(|| text("HUGGING_FACE_HUB_TOKEN"));
        let saved = || fs::read_to_string(token_path).ok();
        let implicit = !text("HF_HUB_DISABLE_IMPLICIT_TOKEN").is_some_and(is_true);
        let token = || named.and_then(clean).or_else(|| saved().and_then(clean));
        Self {
            cache: path("HF_HUB_CACHE")
                .or_else(|| path("HUGGINGFACE_HUB_CACHE"))
                .unwrap_or_else(|| home.join("hub")),
            offline: text("HF_HUB_OFFLINE")
                .or_else(|| text("TRANSFORMERS_OFFLINE"))
                .is_some_and(is_true),
            endpoint: text("HF_ENDPOINT").map(|url| url.trim_end_matches('/').to_owned()),
            token: implicit.then(token).flatten(),
        }
    }
}

fn is_true(value: String) -> bool {
    ["1", "ON", "YES", "TRUE"].contains(&value.to_uppercase().as_str())
}

/// A token without line ends and surrounding white space; `None` if nothing is left.
fn clean(token: String) -> Option<String> {
    let token = token.replace(['\r', '\n'], "");
    let token = token.trim();
    (!token.is_empty()).then(|| token.to_owned())
}

/// Replaces a leading `~` with the user's folder.
fn in_home(path: PathBuf, user: Option<&Path>) -> PathBuf {
    match (path.strip_prefix("~"), user) {
        (Ok(rest), Some(user)) => user.join(rest),
        _ => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(variables: &[(&str, &str)]) -> HubSettings {
        HubSettings::new(|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| value.into())
        })
    }

    #[test]
    fn booleans_are_those_of_the_hubs_library() {
        for (value, offline) in [
            ("1", true),
            ("true", true),
            ("Yes", true),
            ("ON", true),
            ("0", false),
            ("false", false),
            ("no", false),
            ("off", false),
            ("", false),
            ("2", false),
        ] {
            assert_eq!(
                settings(&[("HF_HUB_OFFLINE", value)]).offline,
                offline,
                "{value}"
            );
            assert_eq!(
                settings(&[("TRANSFORMERS_OFFLINE", value)]).offline,
                offline,
                "{value}"
            );
        }
    }

    #[test]
    fn the_cache_and_the_saved_token_each_have_their_place() {
        let cache = |variables: &[(&str, &str)]| settings(variables).cache;
        assert_eq!(
            cache(&[("HOME", "/u")]),
            Path::new("/u/.cache/huggingface/hub")
        );
        let xdg = [("HOME", "/u"), ("XDG_CACHE_HOME", "/x")];
        assert_eq!(cache(&xdg), Path::new("/x/huggingface/hub"));
        let home = [("HOME", "/u"), ("HF_HOME", "~/hf")];
        assert_eq!(cache(&home), Path::new("/u/hf/hub"));
        let named = [("HF_HOME", "/h"), ("HF_HUB_CACHE", "/c")];
        assert_eq!(cache(&named), Path::new("/c"));

        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().to_str().unwrap();
        let other = folder.path().join("other");
        fs::write(folder.path().join("token"), "saved\n").unwrap();
        fs::write(&other, "other").unwrap();
        let token = |more: &[(&str, &str)]| {
            let places = [("HF_HOME", home), ("HF_HUB_CACHE", "/elsewhere")];
            settings(&[&places, more].concat()).token
        };
        assert_eq!(token(&[]).as_deref(), Some("saved"));
        assert_eq!(
            token(&[("HF_TOKEN", "named\r\n")]).as_deref(),
            Some("named")
        );
        assert_eq!(token(&[("HF_TOKEN", " \n")]).as_deref(), Some("saved"));
        assert_eq!(token(&[("HF_TOKEN", "")]).as_deref(), Some("saved"));
        let path = [("HF_TOKEN_PATH", other.to_str().unwrap())];
        assert_eq!(token(&path).as_deref(), Some("other"));
        assert_eq!(token(&[("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")]), None);
        assert_eq!(
            settings(&[("HF_HOME", "/none"), ("HF_TOKEN", "")]).token,
            None
        );
    }
}
