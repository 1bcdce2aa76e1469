//! What the operator of a server chooses.

use std::time::Duration;

use crate::ServeError;

/// The longest sentence an encoder takes, in words.
const MOST_WORDS: usize = 1 << 17;

/// What the operator of a server chooses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// Bounds on requests and on the queue.
    pub limits: Limits,
    /// How long things may take.
    pub timeouts: Timeouts,
    /// How long a batch with room in it waits for further inputs. Inputs that arrive while another batch
    /// is computed share the next one in any case.
    pub batch_window: Duration,
    /// Whether inputs that are too long are cut where a request does not say; without it, they are
    /// refused.
    pub auto_truncate: bool,
    /// The bearer token that requests must carry. Probes (`/livez`, `/health`) and pages (`/`, `/docs`)
    /// need none.
    pub api_key: Option<String>,
}

/// Bounds on requests and on the queue. What exceeds one is refused with a message that names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request's body: beyond, 413.
    pub body_bytes: usize,
    /// Inputs of a request: beyond, 413.
    pub inputs: usize,
    /// Words of an input, `<s>` and `</s>` included: beyond, 413, or the input is cut.
    pub input_words: usize,
    /// Words of a batch. A longer input is a batch of its own.
    pub batch_words: usize,
    /// Requests whose inputs share a batch; `Some(1)` encodes each request by itself.
    pub batch_requests: Option<usize>,
    /// Words that are admitted and not yet encoded: beyond, 429. A request with more words than this is
    /// refused with 413, because it could never be admitted.
    pub queue_words: usize,
    /// Bytes of an answer, estimated from the numbers in it: beyond, 413. At most four times as much waits
    /// to be sent.
    pub response_bytes: usize,
    /// Requests that are being read and computed: beyond, 429.
    pub requests: usize,
    /// Open connections: beyond, a new one waits to be accepted.
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

/// How long things may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// From a request's head to its answer. A body that is not there by then is answered with 408, a
    /// request that is not computed by then with 503.
    pub request: Duration,
    /// For a request's head, and for the next request on an idle connection.
    pub head: Duration,
    /// For a client that takes nothing of its answer.
    pub write: Duration,
    /// After the server was told to stop, for the requests that it accepted.
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

impl Config {
    /// Refuses what makes no sense.
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
            // A header cannot carry others.
            Some(key) if key.is_empty() || !key.bytes().all(|b| b.is_ascii_graphic()) => {
                Err(ServeError::Setting {
                    setting: "api_key",
                    found: format!("{} characters", key.chars().count()),
                    expected: "printable ASCII characters without blanks".to_owned(),
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
    fn settings_that_make_no_sense_are_named() {
        let refused = |change: fn(&mut Config)| {
            let mut config = Config::default();
            change(&mut config);
            config.check().unwrap_err().to_string()
        };
        assert!(Config::default().check().is_ok());
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
