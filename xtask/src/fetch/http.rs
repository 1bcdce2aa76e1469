//! HTTP requests for files or their remaining parts.

use super::error::{Fault, FetchError, Result, at};
use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;
use ureq::http::{HeaderMap, header};
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};

/// A client that keeps connections open between requests.
pub struct Client {
    agent: ureq::Agent,
}

/// A response with the whole file, or the part from `start` on.
pub struct HttpResponse {
    pub start: u64,
    /// The size of the whole file, if stated.
    pub total: Option<u64>,
    /// The version of the file: an entity tag or a date.
    pub validator: Option<String>,
    pub is_html: bool,
    /// Whether the response states its length, so that truncation can be detected.
    pub says_its_end: bool,
    pub body: Box<dyn Read>,
}

/// The existing part of a file.
pub struct Have<'a> {
    pub bytes: u64,
    pub validator: Option<&'a str>,
}

impl Client {
    /// `patience` is the timeout of a silent server.
    ///
    /// The environment's `ALL_PROXY`, `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` are respected;
    /// `SSL_CERT_FILE` replaces the built-in certificate authorities.
    ///
    /// # Errors
    ///
    /// When `SSL_CERT_FILE` cannot be read or holds no certificate.
    pub fn new(patience: Duration) -> Result<Self> {
        let mut tls = TlsConfig::builder();
        if let Some(path) = std::env::var_os("SSL_CERT_FILE").map(PathBuf::from) {
            let pem = std::fs::read(&path).map_err(at(&path))?;
            let authorities: Vec<_> = parse_pem(&pem)
                .filter_map(|item| match item {
                    Ok(PemItem::Certificate(certificate)) => Some(certificate),
                    _ => None,
                })
                .collect();
            if authorities.is_empty() {
                let problem = "no certificate in it (SSL_CERT_FILE names it)".into();
                return Err(FetchError::Input { path, problem });
            }
            tls = tls.root_certs(RootCerts::new_with_certs(&authorities));
        }
        let config = ureq::Agent::config_builder()
            .tls_config(tls.build())
            .http_status_as_error(false)
            .max_redirects(10)
            // A compressed response could not be resumed or compared with a size.
            .accept_encoding("identity")
            .user_agent(concat!("gensen-xtask/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(patience))
            .timeout_recv_response(Some(patience))
            .timeout_per_read(Some(patience))
            .build();
        Ok(Self {
            agent: config.new_agent(),
        })
    }

    /// Requests a file, or its remaining part.
    ///
    /// A server without range support, or with another version, sends the whole file; then `start` is 0.
    pub fn get(&self, url: &str, have: &Have<'_>) -> Result<HttpResponse, Fault> {
        let mut request = self.agent.get(url);
        if have.bytes > 0 {
            request = request.header(header::RANGE, format!("bytes={}-", have.bytes));
            if let Some(validator) = have.validator {
                request = request.header(header::IF_RANGE, validator);
            }
        }
        let response = request.call().map_err(|error| match error {
            ureq::Error::TooManyRedirects => Fault::RedirectLoop,
            other => Fault::Network(other.to_string()),
        })?;
        let status = response.status().as_u16();
        let headers = response.headers();
        let (start, total) = match status {
            200 => (0, number(headers, header::CONTENT_LENGTH)),
            206 => content_range(headers).ok_or_else(|| {
                Fault::Network("the answer to a request for a range names no range".into())
            })?,
            // The existing part is already the whole file.
            416 if unsatisfied_total(headers) == Some(have.bytes) => (have.bytes, Some(have.bytes)),
            _ => return Err(Fault::Status(status)),
        };
        if status == 416 {
            let body = Box::new(std::io::empty());
            return Ok(HttpResponse {
                start,
                total,
                validator: None,
                is_html: false,
                says_its_end: true,
                body,
            });
        }
        if let Some(encoding) = text(headers, header::CONTENT_ENCODING)
            && encoding != "identity"
        {
            return Err(Fault::Encoded(encoding.into()));
        }
        let is_html = text(headers, header::CONTENT_TYPE).is_some_and(|kind| {
            kind.trim_start()
                .to_ascii_lowercase()
                .starts_with("text/html")
        });
        let says_its_end = headers.contains_key(header::CONTENT_LENGTH)
            || headers.contains_key(header::TRANSFER_ENCODING);
        // A weak tag does not guarantee the same bytes.
        let validator = text(headers, header::ETAG)
            .filter(|tag| !tag.starts_with("W/"))
            .or_else(|| text(headers, header::LAST_MODIFIED))
            .map(str::to_owned);
        let body = Box::new(
            response
                .into_body()
                .into_with_config()
                .limit(u64::MAX)
                .reader(),
        );
        Ok(HttpResponse {
            start,
            total,
            validator,
            is_html,
            says_its_end,
            body,
        })
    }
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

fn number(headers: &HeaderMap, name: header::HeaderName) -> Option<u64> {
    text(headers, name)?.trim().parse().ok()
}

/// `bytes START-END/TOTAL`, where the total may be `*`.
fn content_range(headers: &HeaderMap) -> Option<(u64, Option<u64>)> {
    let (range, total) = text(headers, header::CONTENT_RANGE)?
        .strip_prefix("bytes ")?
        .split_once('/')?;
    let (start, _) = range.split_once('-')?;
    Some((start.trim().parse().ok()?, total.trim().parse().ok()))
}

/// `bytes */TOTAL`
fn unsatisfied_total(headers: &HeaderMap) -> Option<u64> {
    text(headers, header::CONTENT_RANGE)?
        .strip_prefix("bytes */")?
        .trim()
        .parse()
        .ok()
}
