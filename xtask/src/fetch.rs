//! `cargo xtask fetch-data`: corpora, word vectors, models and test sets, ready to use.
//!
//! [`catalogue`] defines the sets. [`download`] fetches each file, with resuming and mirrors; [`verify`] and [`ledger`]
//! check it; [`unpack`] extracts archives; [`convert`] converts them to what GenSen reads; [`store`] publishes the result,
//! complete or not at all.

mod catalogue;
mod convert;
mod download;
mod error;
mod http;
mod ledger;
mod list;
mod progress;
mod store;
mod unpack;
mod verify;

use anyhow::{Context, Result, bail};
use catalogue::{Catalogue, DataSet, Location, PageListing, RemoteFile, Route, is_inside};
use convert::Workplace;
use download::{DownloadOptions, Downloader};
use error::FetchError;
use gensen_data::digest::sha256;
use gensen_data::error::chain;
use gensen_data::output::{OutputError, print, say, tell};
use gensen_data::scratch::{self, Scratch};
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::time::Duration;
use store::{Stamp, Store};

/// Version of the conversions, part of every set's definition: a new version rebuilds all sets.
const CONVERSIONS: u32 = 2;

/// Arguments of `cargo xtask fetch-data`.
#[derive(clap::Args)]
#[command(after_help = "Example: cargo xtask fetch-data nli senteval\n\n\
    docs/data.md describes the sets and where their files land.")]
pub struct Arguments {
    /// Sets or groups to fetch; --list shows them
    #[arg(value_name = "SET", required_unless_present = "list")]
    sets: Vec<String>,
    /// List all sets with sizes, licences and uses
    #[arg(long)]
    list: bool,
    /// Data folder
    #[arg(long, default_value = "data")]
    dir: PathBuf,
    /// Try this address first for every file, under its name in the catalogue
    #[arg(long, value_name = "URL")]
    mirror: Option<String>,
    /// Download nothing; use the files in DIR/.fetch/downloads
    #[arg(long)]
    offline: bool,
    /// Catalogue, instead of the built-in one
    #[arg(long, value_name = "FILE")]
    catalogue: Option<PathBuf>,
    /// Timeout of a silent server, in seconds
    #[arg(long, default_value_t = 60.0, value_parser = parse_patience, value_name = "SECONDS")]
    patience: f64,
}

fn parse_patience(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.001..=86_400.0).contains(&seconds) => Ok(seconds),
        _ => Err("expected seconds from 0.001 to 86400".into()),
    }
}

/// Exit status after a signal: 128 + SIGINT's number.
const INTERRUPTED: i32 = 130;

/// Fetches the sets in order; a failed one does not stop the others.
pub fn run(arguments: &Arguments) -> Result<()> {
    let catalogue = match &arguments.catalogue {
        Some(path) => Catalogue::read(path)?,
        None => Catalogue::built_in()?,
    };
    if arguments.list {
        return Ok(print(format_args!("{}", list::table(&catalogue)))?);
    }
    ctrlc::set_handler(|| {
        // Partial downloads are kept: the next call resumes them.
        scratch::remove_all();
        std::process::exit(INTERRUPTED);
    })
    .context("signals cannot be handled")?;
    let sets = catalogue.select(&arguments.sets)?;
    let store = Store::open(&arguments.dir)?;
    let options = DownloadOptions {
        mirror: arguments.mirror.clone(),
        offline: arguments.offline,
        patience: Duration::from_secs_f64(arguments.patience),
    };
    let mut fetcher = Fetcher {
        catalogue: &catalogue,
        store: &store,
        downloader: Downloader::new(&store, options)?,
        definitions: HashMap::new(),
        said: Ok(()),
    };
    let mut failed = BTreeMap::new();
    for set in sets {
        if let Some(needed) = set.needs.iter().find(|&name| failed.contains_key(name)) {
            failed.insert(
                set.name.clone(),
                format!(
                    "set '{}' needs '{needed}', which could not be fetched",
                    set.name
                ),
            );
            continue;
        }
        if let Err(error) = fetcher.bring(set) {
            // No other set will fare better on a full disk.
            let full = matches!(error, FetchError::DiskFull { .. });
            failed.insert(set.name.clone(), chain(&error));
            if full {
                break;
            }
        }
    }
    if failed.is_empty() {
        return Ok(fetcher.said?);
    }
    bail!(
        "{}",
        failed.into_values().collect::<Vec<_>>().join("\nerror: ")
    )
}

struct Fetcher<'a> {
    catalogue: &'a Catalogue,
    store: &'a Store,
    downloader: Downloader<'a>,
    /// Definitions of the sets so far, for sets that need them.
    definitions: HashMap<String, String>,
    /// The first failure of standard output. Fetching continues.
    said: Result<(), OutputError>,
}

impl Fetcher<'_> {
    fn bring(&mut self, set: &DataSet) -> Result<(), FetchError> {
        let definition = self.definition(set);
        self.definitions
            .insert(set.name.clone(), definition.clone());
        if let Some(stamp) = self.store.finished(&set.name, &definition) {
            self.say(&format!(
                "{}: already complete ({}); nothing to do",
                set.name,
                summary(&stamp)
            ));
            return Ok(());
        }
        let mut reasons = Vec::new();
        for route in &set.routes {
            match self.follow(set, route) {
                Ok((stage, notes)) => {
                    let stamp = self.store.publish(stage, &set.name, &definition)?;
                    for note in notes {
                        self.say(&format!("{}: {note}", set.name));
                    }
                    self.say(&format!("{}: done ({})", set.name, summary(&stamp)));
                    for (path, size) in &stamp.files {
                        let path = self.store.root().join(path);
                        self.say(&format!("  {} ({})", path.display(), list::bytes(*size)));
                    }
                    return Ok(());
                }
                Err(error @ FetchError::DiskFull { .. }) => return Err(error),
                Err(error) => reasons.push(chain(&error)),
            }
        }
        Err(FetchError::Routes {
            set: set.name.clone(),
            routes: reasons,
        })
    }

    /// Prints a line, unless standard output has failed before.
    fn say(&mut self, line: &str) {
        if self.said.is_ok() {
            self.said = say!("{line}");
        }
    }

    /// A hash of everything a set's contents depend on.
    fn definition(&self, set: &DataSet) -> String {
        let DataSet {
            name: _,
            about: _,
            licence: _,
            size: _,
            needs,
            routes,
        } = set;
        let names: Vec<&String> = routes.iter().flat_map(|route| &route.files).collect();
        let files: Vec<&RemoteFile> = self
            .catalogue
            .files
            .iter()
            .filter(|file| names.contains(&&file.name))
            .collect();
        let listings: Vec<&PageListing> = self
            .catalogue
            .listings
            .iter()
            .filter(|listing| names.contains(&&listing.name))
            .collect();
        // Addresses may change; only the contents count.
        let sums: Vec<_> = files
            .iter()
            .map(|file| {
                let RemoteFile {
                    name,
                    urls: _,
                    size,
                    sha256,
                    git_blob,
                } = file;
                (name, size, sha256, git_blob)
            })
            .collect();
        let needs: Vec<_> = needs
            .iter()
            .map(|name| self.definitions.get(name))
            .collect();
        sha256(format!(
            "{CONVERSIONS} {routes:?} {sums:?} {listings:?} {needs:?}"
        ))
    }

    /// Downloads a route's files and runs its steps. Returns where they wrote, and notes on the text.
    fn follow(
        &mut self,
        set: &DataSet,
        route: &Route,
    ) -> Result<(Scratch, Vec<String>), FetchError> {
        let mut downloads = HashMap::new();
        for name in &route.files {
            let brought = match self.catalogue.files.iter().find(|file| &file.name == name) {
                Some(file) => self.downloader.bring(file)?,
                None => self.bring_listing(name)?,
            };
            downloads.insert(name.clone(), brought);
        }
        let stage = self.store.stage(&set.name)?;
        let work = Workplace {
            root: self.store.root(),
            stage: stage.path(),
            downloads,
            notes: RefCell::default(),
        };
        tell!("{}: everything is there; converting", set.name);
        for step in &route.steps {
            work.take(step)?;
        }
        let notes = work.notes.into_inner();
        Ok((stage, notes))
    }

    /// Fetches the files a server lists, into a folder named after the list.
    fn bring_listing(&mut self, name: &str) -> Result<(PathBuf, String), FetchError> {
        let wrong = |problem: String| FetchError::Catalogue {
            path: "catalogue".into(),
            problem,
        };
        let listing = self
            .catalogue
            .listings
            .iter()
            .find(|listing| listing.name == name)
            .ok_or_else(|| wrong(format!("'{name}' is not defined")))?;
        let remote = |name: String, url: String| RemoteFile {
            name,
            urls: vec![Location::Same(url)],
            size: None,
            sha256: None,
            git_blob: None,
        };
        let (path, url) = self
            .downloader
            .bring(&remote(format!("{name}.list"), listing.list.clone()))?;
        let text = gensen_data::text::read(&path).map_err(error::at(&path))?;
        let first = listing.first.unwrap_or(usize::MAX);
        let lines = text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .take(first);
        for (number, line) in lines.enumerate() {
            if !is_inside(line) {
                return Err(FetchError::Line {
                    path,
                    line: number as u64 + 1,
                    problem: format!(
                        "'{line}' leaves the folder of downloads (the list is from {url})"
                    ),
                });
            }
            self.downloader.bring(&remote(
                format!("{name}/{line}"),
                format!("{}{line}", listing.base),
            ))?;
        }
        Ok((self.store.download(name), url))
    }
}

fn summary(stamp: &Stamp) -> String {
    let total = stamp.files.iter().map(|(_, size)| size).sum();
    let count = stamp.files.len();
    format!(
        "{count} file{}, {}",
        if count == 1 { "" } else { "s" },
        list::bytes(total)
    )
}
