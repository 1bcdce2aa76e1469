//! The catalogue: sets, their files and addresses, and the steps that make them.
//!
//! It is `xtask/catalogue.toml`, compiled into the program, or the file of `--catalogue`.

mod check;

use super::convert::Step;
use super::error::{FetchError, Result, at};
use gensen_data::text;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Component, Path};

/// Everything that can be fetched.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalogue {
    /// Names for several sets at once.
    #[serde(default)]
    pub groups: BTreeMap<String, Vec<String>>,
    /// The sets.
    #[serde(rename = "set")]
    pub sets: Vec<DataSet>,
    /// The files; sets name them.
    #[serde(rename = "file", default)]
    pub files: Vec<RemoteFile>,
    /// Lists of files that a server publishes; sets name them like files.
    #[serde(rename = "listing", default)]
    pub listings: Vec<PageListing>,
}

/// A set, which is fetched by name.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DataSet {
    pub name: String,
    /// Contents and use, in one line.
    pub about: String,
    pub licence: String,
    /// Approximate bytes to download, if the files do not state their sizes.
    pub size: Option<u64>,
    /// Sets that must be complete first.
    #[serde(default)]
    pub needs: Vec<String>,
    /// Routes, tried in order.
    pub routes: Vec<Route>,
}

/// One way to make a set: downloads, then steps.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// Names of files and listings.
    #[serde(default)]
    pub files: Vec<String>,
    pub steps: Vec<Step>,
}

/// A file on a server.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RemoteFile {
    /// A path below the folder of downloads.
    pub name: String,
    /// Addresses, tried in order.
    pub urls: Vec<Location>,
    pub size: Option<u64>,
    pub sha256: Option<String>,
    /// SHA-1 of the file as a git blob, if only that is known.
    pub git_blob: Option<String>,
}

/// An address; a mirror with different bytes (repacked) states its own size and hash.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(
    untagged,
    deny_unknown_fields,
    expecting = "expected an address, or { url, size, sha256 } of one that serves other bytes"
)]
pub enum Location {
    Same(String),
    Other {
        url: String,
        size: Option<u64>,
        sha256: Option<String>,
    },
}

/// A list of files on a server, one relative path per line.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PageListing {
    pub name: String,
    /// The address of the list.
    pub list: String,
    /// The prefix of each line's address.
    pub base: String,
    /// Number of files taken from the start of the list.
    pub first: Option<usize>,
}

/// A place to download a file from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    pub url: String,
    pub expected: Expected,
    /// The key of the recorded hash: the file's name, or the address if its bytes differ.
    pub key: String,
}

/// The expected size and hash of a download.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    pub size: Option<u64>,
    pub sha256: Option<String>,
    pub git_blob: Option<String>,
}

impl Expected {
    /// The hash, if known.
    pub fn sum(&self) -> Option<&str> {
        self.sha256.as_deref().or(self.git_blob.as_deref())
    }
}

impl RemoteFile {
    /// The addresses in order, `mirror`'s first.
    pub fn addresses(&self, mirror: Option<&str>) -> Vec<Address> {
        let same = |url: String| Address {
            url,
            expected: Expected {
                size: self.size,
                sha256: self.sha256.clone(),
                git_blob: self.git_blob.clone(),
            },
            key: self.name.clone(),
        };
        let mirrored =
            mirror.map(|base| same(format!("{}/{}", base.trim_end_matches('/'), self.name)));
        let listed = self.urls.iter().map(|source| match source {
            Location::Same(url) => same(url.clone()),
            Location::Other { url, size, sha256 } => Address {
                url: url.clone(),
                expected: Expected {
                    size: *size,
                    sha256: sha256.clone(),
                    git_blob: None,
                },
                key: url.clone(),
            },
        });
        mirrored.into_iter().chain(listed).collect()
    }
}

impl Catalogue {
    /// The catalogue of this repository.
    pub fn built_in() -> Result<Self> {
        Self::parse(
            include_str!("../../catalogue.toml"),
            Path::new("xtask/catalogue.toml"),
        )
    }

    /// Reads a catalogue.
    ///
    /// # Errors
    ///
    /// When it cannot be read, holds an unknown key, or names something it does not define.
    pub fn read(path: &Path) -> Result<Self> {
        Self::parse(&text::read(path).map_err(at(path))?, path)
    }

    fn parse(text: &str, path: &Path) -> Result<Self> {
        let wrong = |problem: String| FetchError::Catalogue {
            path: path.into(),
            problem,
        };
        let catalogue: Self = toml::from_str(text).map_err(|source| FetchError::Malformed {
            path: path.into(),
            source,
        })?;
        catalogue.check().map_err(wrong)?;
        Ok(catalogue)
    }

    /// The set of that name.
    pub fn set(&self, name: &str) -> Option<&DataSet> {
        self.sets.iter().find(|set| set.name == name)
    }

    /// The named sets and members of groups, each once, needed sets first.
    ///
    /// # Errors
    ///
    /// When a name is neither a set nor a group, or needs are circular.
    pub fn select(&self, names: &[String]) -> Result<Vec<&DataSet>> {
        let mut selected = Vec::new();
        for name in names {
            self.add(name, &mut Vec::new(), &mut selected)?;
        }
        Ok(selected)
    }

    fn add<'a>(
        &'a self,
        name: &str,
        above: &mut Vec<String>,
        selected: &mut Vec<&'a DataSet>,
    ) -> Result<()> {
        if above.iter().any(|other| other == name) {
            return Err(FetchError::Catalogue {
                path: "catalogue".into(),
                problem: format!("'{name}' needs itself, through {}", above.join(" -> ")),
            });
        }
        above.push(name.to_owned());
        if let Some(members) = self.groups.get(name) {
            for member in members {
                self.add(member, above, selected)?;
            }
        } else if let Some(set) = self.set(name) {
            for needed in &set.needs {
                self.add(needed, above, selected)?;
            }
            if !selected.iter().any(|other| other.name == set.name) {
                selected.push(set);
            }
        } else {
            let sets = self.sets.iter().map(|set| set.name.as_str());
            return Err(FetchError::UnknownSet {
                name: name.to_owned(),
                known: sets
                    .chain(self.groups.keys().map(String::as_str))
                    .collect::<Vec<_>>()
                    .join(", "),
            });
        }
        above.pop();
        Ok(())
    }

    /// Approximate bytes of a set's first route, if known.
    pub fn download_size(&self, set: &DataSet) -> Option<u64> {
        set.size.or_else(|| {
            let names = &set.routes.first()?.files;
            names
                .iter()
                .map(|name| self.files.iter().find(|file| &file.name == name)?.size)
                .sum()
        })
    }
}

/// Whether a relative path stays below its folder.
pub fn is_inside(path: &str) -> bool {
    !path.is_empty()
        && !path.contains(['\\', '\0'])
        && Path::new(path)
            .components()
            .all(|part| matches!(part, Component::Normal(_)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use gensen_data::error::chain;

    fn parse(text: &str) -> Result<Catalogue> {
        Catalogue::parse(text, Path::new("test.toml"))
    }

    const SMALL: &str = r#"
        [groups]
        both = ["a", "b"]
        [[set]]
        name = "a"
        about = "first"
        licence = "none"
        routes = [{ files = ["x.txt"], steps = [{ do = "copy", from = "x.txt", to = "a/x.txt" }] }]
        [[set]]
        name = "b"
        about = "second"
        licence = "none"
        needs = ["a"]
        routes = [{ steps = [{ do = "copy", from = "a/x.txt", to = "b/x.txt" }] }]
        [[file]]
        name = "x.txt"
        size = 3
        urls = ["http://one/x", { url = "http://two/x", size = 4 }]
    "#;

    #[test]
    fn the_built_in_catalogue_is_sound() {
        let catalogue = Catalogue::built_in().unwrap();
        for set in &catalogue.sets {
            assert!(
                !catalogue
                    .select(std::slice::from_ref(&set.name))
                    .unwrap()
                    .is_empty()
            );
        }
        assert!(catalogue.groups.contains_key("all"));
    }

    #[test]
    fn needs_come_first_and_once() {
        let catalogue = parse(SMALL).unwrap();
        let names = |asked: &[&str]| {
            let asked: Vec<String> = asked.iter().map(|&name| name.to_owned()).collect();
            let sets = catalogue.select(&asked).unwrap();
            sets.iter().map(|set| set.name.clone()).collect::<Vec<_>>()
        };
        assert_eq!(names(&["b"]), ["a", "b"]);
        assert_eq!(names(&["b", "both", "a"]), ["a", "b"]);
        assert!(
            catalogue
                .select(&["c".to_owned()])
                .unwrap_err()
                .to_string()
                .contains("a, b, both")
        );
    }

    #[test]
    fn a_mirror_may_serve_other_bytes() {
        let addresses = parse(SMALL).unwrap().files[0].addresses(Some("http://near/"));
        let seen: Vec<_> = addresses
            .iter()
            .map(|a| (a.url.as_str(), a.expected.size, a.key.as_str()))
            .collect();
        assert_eq!(
            seen,
            [
                ("http://near/x.txt", Some(3), "x.txt"),
                ("http://one/x", Some(3), "x.txt"),
                ("http://two/x", Some(4), "http://two/x"),
            ]
        );
    }

    #[test]
    fn mistakes_are_named() {
        for (from, to, said) in [
            (
                "name = \"x.txt\"",
                "name = \"../x.txt\"",
                "leaves the folder",
            ),
            (
                "to = \"a/x.txt\"",
                "to = \"/etc/x.txt\"",
                "outside the data",
            ),
            ("needs = [\"a\"]", "needs = [\"z\"]", "needs 'z'"),
            ("about = \"first\"", "abuot = \"first\"", "abuot"),
            ("size = 3", "sha256 = \"12\"", "not a hash"),
            ("\"http://one/x\"", "\"ftp://one/x\"", "not an HTTP"),
            ("name = \"b\"", "name = \"a\"", "twice"),
            ("name = \"b\"", "name = \"../b\"", "cannot be a file's"),
            ("size = 4", "bytes = 4", "{ url, size, sha256 }"),
        ] {
            let error = chain(&parse(&SMALL.replacen(from, to, 1)).unwrap_err());
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn a_circle_is_found() {
        let text = SMALL.replacen(
            "licence = \"none\"",
            "licence = \"none\"\nneeds = [\"b\"]",
            1,
        );
        let error = parse(&text)
            .unwrap()
            .select(&["a".to_owned()])
            .unwrap_err()
            .to_string();
        assert!(error.contains("needs itself"), "{error}");
    }
}
