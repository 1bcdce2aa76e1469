//! A server's configuration.

use std::time::Duration;

use crate::ServeError;

/// The encoder's limit on the length of a sentence, in words.
const MOST_WORDS: usize = 1 << 17;

/// A server's configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerConfig {
    /// Limits on requests and on the queue.
    pub limits: Limits,
    /// Timeouts.
    pub timeouts: Timeouts,
    /// How long a batch with free space waits for more inputs. Inputs that arrive while a batch is being encoded share
    /// the next one in any case.
    pub batch_window: Duration,
    /// Whether to truncate inputs that are too long, unless the request says otherwise; if false, they are refused.
    pub auto_truncate: bool,
    /// The bearer token that requests must carry, except probes (`/livez`, `/health`) and pages (`/`, `/docs`).
    pub api_key: Option<String>,
}

/// Bounds on requests and on the queue. A request that exceeds one is refused with a message that names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Maximum bytes in a request's body (413 if exceeded).
    pub body_bytes: usize,
    /// Maximum inputs in a request (413).
    pub inputs: usize,
    /// Maximum words in an input, `<s>` and `</s>` included (413, unless the input is truncated).
    pub input_words: usize,
    /// Maximum words in a batch. A longer input forms a batch by itself.
    pub batch_words: usize,
    /// Maximum requests in a batch; `Some(1)` encodes each request by itself.
    pub batch_requests: Option<usize>,
    /// Maximum queued words (429). A request with more words than this gets 413, because it could never be admitted.
    pub queue_words: usize,
    /// Maximum bytes in a response, estimated from its number of values (413). Unsent responses of all requests are
    /// bounded by four times this.
    pub response_bytes: usize,
    /// Maximum concurrent requests (429).
    pub requests: usize,
    /// Maximum open connections; further ones wait to be accepted.
    pub connections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 2_000_000,
            inputs: 2_048,
            input_words: 4_096,
            batch_words: 8_192,
            batch_requests: None,
            queue_words: 262_144,
            response_bytes: 64 << 20,
            requests: 512,
            connections: 1_024,
        }
    }
}

/// Timeouts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// From a request's head to its response: 408 if the body has not arrived by then, 503 if the result is not ready.
    pub request: Duration,
    /// For receiving a request's head, and for the next request on an idle connection.
    pub head: Duration,
    /// For a client that does not read its response.
    pub write: Duration,
    /// For finishing accepted requests when the server stops.
    pub stop: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            request: Duration::from_secs(30),
            head: Duration::from_secs(30),
            write: Duration::from_secs(30),
            stop: Duration::from_secs(60),
        }
    }
}

impl ServerConfig {
    /// Checks the settings' ranges.
    pub(crate) fn check(&self) -> Result<(), ServeError> {
        let limits = &self.limits;
        let range = |setting, found: usize, least: usize, most: usize| {
            if (least..=most).contains(&found) {
                return Ok(());
            }
            Err(ServeError::Setting {
                setting,
                found: found.to_string(),
                expected: match most {
                    usize::MAX => format!("at least {least}"),
                    _ => format!("{least} to {most}"),
                },
            })
        };
        // `<s>`, a word and `</s>`.
        range("input_words", limits.input_words, 3, MOST_WORDS)?;
        range("body_bytes", limits.body_bytes, 1, usize::MAX)?;
        range("inputs", limits.inputs, 1, usize::MAX)?;
        range("batch_words", limits.batch_words, 1, usize::MAX)?;
        if let Some(requests) = limits.batch_requests {
            range("batch_requests", requests, 1, usize::MAX)?;
        }
        range(
            "queue_words",
            limits.queue_words,
            limits.input_words,
            usize::MAX,
        )?;
        range("response_bytes", limits.response_bytes, 1 << 16, 1 << 32)?;
        range("requests", limits.requests, 1, 1 << 20)?;
        range("connections", limits.connections, 1, 1 << 20)?;
        let Timeouts {
            request,
            head,
            write,
            stop,
        } = self.timeouts;
        for (setting, found) in [
            ("timeouts.request", request),
            ("timeouts.head", head),
            ("timeouts.write", write),
            ("timeouts.stop", stop),
        ] {
            if found.is_zero() {
                return Err(ServeError::Setting {
                    setting,
                    found: format!("{found:?}"),
                    expected: "more than 0 seconds".to_owned(),
                });
            }
        }
        match &self.api_key {
            // A header cannot carry other characters.
            Some(key) if key.is_empty() || !key.bytes().all(|b| b.is_ascii_graphic()) => {
                Err(ServeError::Setting {
                    setting: "api_key",
                    found: format!("{} characters", key.chars().count()),
                    expected: "printable ASCII characters without spaces".to_owned(),
                })
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_out_of_range_are_named() {
        let refused = |change: fn(&mut ServerConfig)| {
            let mut config = ServerConfig::default();
            change(&mut config);
            config.check().unwrap_err().to_string()
        };
        assert!(ServerConfig::default().check().is_ok());
        assert_eq!(
            refused(|c| c.limits.input_words = 2),
            "the setting `input_words` is 2, expected 3 to 131072"
        );
        assert_eq!(
            refused(|c| c.limits.queue_words = 4_095),
            "the setting `queue_words` is 4095, expected at least 4096"
        );
        assert_eq!(
            refused(|c| c.limits.batch_requests = Some(0)),
            "the setting `batch_requests` is 0, expected at least 1"
        );
        assert!(refused(|c| c.timeouts.request = Duration::ZERO).contains("timeouts.request"));
        let key = refused(|c| c.api_key = Some("two words".into()));
        assert!(key.contains("api_key") && !key.contains("two"), "{key}");
    }
}
