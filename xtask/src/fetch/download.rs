//! Downloading one file: from one address after another, resuming earlier attempts.

use super::catalogue::{Address, RemoteFile};
use super::error::{Fault, FetchError, Result, at};
use super::http::{Client, Have, HttpResponse};
use super::ledger::Ledger;
use super::progress::Progress;
use super::store::{Store, create_parent, write_toml};
use super::verify::{compare, html_page, is_lfs_pointer, sum_file};
use gensen_data::output::tell;
use gensen_data::scratch;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Attempts of a request without a byte of progress.
const RETRIES: u32 = 3;

/// Options of downloads.
pub struct DownloadOptions {
    /// The address tried first for every file, under its name in the catalogue.
    pub mirror: Option<String>,
    /// Download nothing.
    pub offline: bool,
    /// Timeout of a silent server, and the unit of delays between attempts.
    pub patience: Duration,
}

/// Downloads files into the folder of downloads.
pub struct Downloader<'a> {
    store: &'a Store,
    options: DownloadOptions,
    client: Client,
    ledger: Ledger,
}

/// The record beside an unfinished download.
#[derive(Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
struct Unfinished {
    url: String,
    validator: Option<String>,
    /// The expected hash of the whole file.
    sum: Option<String>,
}

impl Unfinished {
    /// Whether a partial download from here may be resumed from that address.
    fn continues_at(&self, address: &Address) -> bool {
        match address.expected.sum() {
            Some(sum) => self.sum.as_deref() == Some(sum),
            // Without a hash to verify at the end, only the same version from the same address is safe.
            None => self.url == address.url && self.validator.is_some(),
        }
    }
}

/// A failed request: try the next address, or give up.
enum RequestFailure {
    Address(Fault),
    Final(FetchError),
}

impl From<Fault> for RequestFailure {
    fn from(fault: Fault) -> Self {
        RequestFailure::Address(fault)
    }
}

impl From<FetchError> for RequestFailure {
    fn from(error: FetchError) -> Self {
        RequestFailure::Final(error)
    }
}

impl<'a> Downloader<'a> {
    pub fn new(store: &'a Store, options: DownloadOptions) -> Result<Self> {
        let client = Client::new(options.patience)?;
        Ok(Self {
            store,
            client,
            ledger: Ledger::open(store.sums())?,
            options,
        })
    }

    /// The path of the verified file, downloaded if necessary, and its address.
    ///
    /// # Errors
    ///
    /// When all addresses fail, with each one's reason; when the disk is full; when the file is missing and downloading is
    /// forbidden.
    pub fn bring(&mut self, file: &RemoteFile) -> Result<(PathBuf, String)> {
        let path = self.store.download(&file.name);
        let addresses = file.addresses(self.options.mirror.as_deref());
        let first = addresses
            .first()
            .map(|address| address.url.clone())
            .unwrap_or_default();
        if path.is_file() {
            if let Some(address) = self.recognise(&path, &addresses)? {
                return Ok((path, address));
            }
            tell!(
                "{}: the copy at {} is not the file expected; fetching it again",
                file.name,
                path.display()
            );
            if !self.options.offline {
                fs::remove_file(&path).map_err(at(&path))?;
            }
        }
        if self.options.offline {
            return Err(FetchError::Offline {
                name: file.name.clone(),
                path,
                url: first,
            });
        }
        let mut tried = Vec::new();
        for address in addresses {
            match self.bring_from(&file.name, &address, &path) {
                Ok(()) => return Ok((path, address.url)),
                Err(RequestFailure::Final(error)) => return Err(error),
                Err(RequestFailure::Address(fault)) => {
                    tell!("{}: {fault}", address.url);
                    tried.push((address.url, fault));
                }
            }
        }
        Err(FetchError::Download {
            name: file.name.clone(),
            tried,
        })
    }

    /// The address a file on disk may be from, by size and hash.
    fn recognise(&mut self, path: &Path, addresses: &[Address]) -> Result<Option<String>> {
        let found = sum_file(path)?;
        for address in addresses {
            if compare(&found, &address.expected).is_ok()
                && self.ledger.check(&address.key, &found)?.is_ok()
            {
                return Ok(Some(address.url.clone()));
            }
        }
        Ok(None)
    }

    fn bring_from(
        &mut self,
        name: &str,
        address: &Address,
        path: &Path,
    ) -> Result<(), RequestFailure> {
        let partial = self.store.partial(name);
        create_parent(&partial)?;
        let resumed = self.transfer(name, address, &partial)?;
        let mut verdict = self.verify(&partial, address)?;
        if verdict.is_err() {
            forget(&partial)?;
            // The existing partial file may be of another version, or damaged.
            if resumed {
                self.transfer(name, address, &partial)?;
                verdict = self.verify(&partial, address)?;
            }
        }
        if let Err(fault) = verdict {
            forget(&partial)?;
            return Err(fault.into());
        }
        scratch::publish(&partial, path).map_err(at(path))?;
        forget(&partial)?;
        Ok(())
    }

    fn verify(&mut self, partial: &Path, address: &Address) -> Result<Result<(), Fault>> {
        let found = sum_file(partial)?;
        match compare(&found, &address.expected) {
            Ok(()) => self.ledger.check(&address.key, &found),
            Err(fault) => Ok(Err(fault)),
        }
    }

    /// Makes requests until the partial file has the length the server states. Returns whether part of it existed
    /// before.
    fn transfer(
        &self,
        name: &str,
        address: &Address,
        partial: &Path,
    ) -> Result<bool, RequestFailure> {
        let mut resumed = false;
        let mut best = 0;
        let mut idle = 0;
        loop {
            let fault = match self.request(name, address, partial, &mut resumed) {
                Ok(()) => return Ok(resumed),
                Err(RequestFailure::Address(fault)) if fault.is_passing() => fault,
                Err(failure) => return Err(failure),
            };
            let length = fs::metadata(partial).map_or(0, |file| file.len());
            idle = if length > best { 0 } else { idle + 1 };
            best = best.max(length);
            if idle >= RETRIES {
                return Err(fault.into());
            }
            tell!("{}: {fault}; trying again", address.url);
            std::thread::sleep(self.options.patience.min(Duration::from_secs(1)) * (1 << idle) / 2);
        }
    }

    /// One request, appended to the partial file.
    fn request(
        &self,
        name: &str,
        address: &Address,
        partial: &Path,
        resumed: &mut bool,
    ) -> Result<(), RequestFailure> {
        let origin = read_origin(partial);
        let mut have = fs::metadata(partial).map_or(0, |file| file.len());
        if have > 0 && !origin.continues_at(address) {
            forget(partial)?;
            have = 0;
        }
        if have > 0 && address.expected.size == Some(have) {
            *resumed = true;
            return Ok(());
        }
        let validator = origin
            .validator
            .as_deref()
            .filter(|_| origin.url == address.url);
        let answer = match self.client.get(
            &address.url,
            &Have {
                bytes: have,
                validator,
            },
        ) {
            // The file is shorter than the partial one: another version.
            Err(Fault::Status(416)) if have > 0 => {
                forget(partial)?;
                have = 0;
                self.client.get(
                    &address.url,
                    &Have {
                        bytes: 0,
                        validator: None,
                    },
                )?
            }
            other => other?,
        };
        if answer.start != 0 && answer.start != have {
            return Err(Fault::Network(format!(
                "asked for bytes from {have} on, got them from {} on",
                answer.start
            ))
            .into());
        }
        *resumed |= answer.start > 0;
        self.receive(name, address, partial, answer)
    }

    fn receive(
        &self,
        name: &str,
        address: &Address,
        partial: &Path,
        mut answer: HttpResponse,
    ) -> Result<(), RequestFailure> {
        let full = |error| match at(partial)(error) {
            FetchError::DiskFull { path, .. } => FetchError::DiskFull {
                path,
                url: Some(address.url.clone()),
            },
            other => other,
        };
        if let (Some(expected), Some(total)) = (address.expected.size, answer.total)
            && expected != total
        {
            // An HTML page is a likely reason, so the message mentions it.
            if answer.start == 0 && answer.is_html {
                let (start, _) = read_start(&mut answer.body);
                return Err(Fault::HtmlPage(html_page(&start).flatten()).into());
            }
            return Err(Fault::WrongSize {
                expected,
                found: total,
            }
            .into());
        }
        let limit = address.expected.size.or(answer.total);
        let (mut start, mut broken) = (Vec::new(), None);
        let mut file = if answer.start == 0 {
            (start, broken) = read_start(&mut answer.body);
            let page = html_page(&start);
            // Some servers declare everything HTML; a hash is more reliable.
            let called_so = answer.is_html && address.expected.sum().is_none();
            if (page.is_some() || called_so) && !name.ends_with(".html") {
                return Err(Fault::HtmlPage(page.flatten()).into());
            }
            if is_lfs_pointer(&start) {
                return Err(Fault::LfsPointer.into());
            }
            // A broken connection would look like the end of the file.
            let vouched = address.expected.size.is_some() || address.expected.sum().is_some();
            if !answer.says_its_end && !vouched {
                return Err(Fault::NoEnd.into());
            }
            let origin = Unfinished {
                url: address.url.clone(),
                validator: answer.validator.take(),
                sum: address.expected.sum().map(str::to_owned),
            };
            write_toml(&origin_path(partial), &origin)?;
            scratch::create_part(partial).map_err(full)?
        } else {
            File::options().append(true).open(partial).map_err(full)?
        };
        let mut length = answer.start;
        let progress = Progress::bytes(name, length, limit);
        let mut buffer = vec![0; 1 << 16];
        let mut chunk = start.as_slice();
        loop {
            file.write_all(chunk).map_err(full)?;
            length += chunk.len() as u64;
            progress.at(length);
            // A server that sends more than it stated could fill the disk.
            if let Some(limit) = limit
                && length > limit
            {
                return Err(Fault::WrongSize {
                    expected: limit,
                    found: length,
                }
                .into());
            }
            chunk = match broken
                .take()
                .map_or_else(|| answer.body.read(&mut buffer), Err)
            {
                Ok(0) => break,
                Ok(count) => &buffer[..count],
                Err(error) => {
                    return Err(match answer.total {
                        Some(expected) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                            Fault::Truncated {
                                expected,
                                found: length,
                            }
                        }
                        _ => Fault::Network(format!("{error} after {length} bytes")),
                    }
                    .into());
                }
            };
        }
        match limit {
            Some(expected) if length < expected => Err(Fault::Truncated {
                expected,
                found: length,
            }
            .into()),
            _ => Ok(()),
        }
    }
}

/// The first bytes of a body, enough to identify it, and the error that ended it.
fn read_start(body: &mut impl Read) -> (Vec<u8>, Option<std::io::Error>) {
    let mut start = Vec::new();
    let broken = body.take(1024).read_to_end(&mut start).err();
    (start, broken)
}

fn origin_path(partial: &Path) -> PathBuf {
    partial.with_extension("part-origin")
}

fn read_origin(partial: &Path) -> Unfinished {
    fs::read_to_string(origin_path(partial))
        .ok()
        .and_then(|text| toml::from_str(&text).ok())
        .unwrap_or_default()
}

fn forget(partial: &Path) -> Result<()> {
    for path in [partial.to_path_buf(), origin_path(partial)] {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(at(&path)(error));
            }
            _ => {}
        }
    }
    Ok(())
}
