//! `gensen serve`: vectors over HTTP.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use clap::builder::RangedU64ValueParser;
use gensen_data::scratch;
use gensen_serve::{Limits, Model, ServeError, Server, ServerConfig, Timeouts};

use super::UsageError;
use super::encoding::{ModelPlace, Pool, WeightPrecision, folder, use_threads};
use crate::device::{self, Device};
use crate::output::say;
use crate::{INTERRUPTED, english, hub};

/// Serve vectors over HTTP, for clients of text-embeddings-inference and of OpenAI.
///
/// Prints its address when ready. SIGTERM or SIGINT stops the server once accepted requests are answered; a second
/// signal stops it at once.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  gensen serve\n  gensen serve --model english=models/english --model nli=models/nli_large --port 8080\n  \
                  curl http://127.0.0.1:8080/embed -H 'Content-Type: application/json' -d '{\"inputs\": \"A sentence.\"}'"
)]
pub(crate) struct Arguments {
    /// A model folder, or a model on the Hugging Face Hub, served as NAME (without it, as the folder's or the hub's
    /// name). Repeat it for several models; the first is the default. [default: the built-in model]
    #[arg(short, long, required = !english::IS_THERE, value_name = "[NAME=]DIR|hf://OWNER/NAME[@REV]")]
    model: Vec<String>,
    /// Address or host name to listen on; 0.0.0.0 for access from other machines.
    #[arg(long, default_value = "127.0.0.1", value_name = "HOST")]
    host: String,
    /// Port; 0 for any free port.
    #[arg(long, default_value_t = 8080, value_name = "N")]
    port: u16,
    /// Bearer token that requests must carry. Other users of the machine can see command lines but not the
    /// environment.
    #[arg(
        long,
        env = "GENSEN_API_KEY",
        hide_env_values = true,
        value_name = "TOKEN"
    )]
    api_key: Option<String>,
    /// Pooling of hidden states into a vector. [default: each model's own]
    #[arg(long)]
    pool: Option<Pool>,
    /// Precision of the encoder's weights in memory; f16 and i8 need the CPU.
    #[arg(long, default_value = "f32")]
    precision: WeightPrecision,
    /// Device: `auto`, a name such as `cuda:1`, or `list` to print all.
    #[arg(long, default_value = "auto", value_name = "NAME|list")]
    device: String,
    /// Number of threads. [default: all cores]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1024), value_name = "N")]
    threads: Option<u32>,
    /// How long a batch that is not full waits for more requests. Requests that arrive during a batch share the
    /// next one in any case.
    #[arg(long, default_value_t = 0.0, value_parser = milliseconds, value_name = "MILLISECONDS")]
    batch_window: f64,
    /// Words per batch at most. A longer input is a batch of its own.
    #[arg(long, default_value_t = Limits::default().batch_words, value_parser = positive(), value_name = "N")]
    max_batch_words: usize,
    /// Requests per batch at most; 1 encodes each by itself. [default: unlimited]
    #[arg(long, value_parser = positive(), value_name = "N")]
    max_batch_requests: Option<usize>,
    /// Inputs per request at most; more are refused with 413.
    #[arg(long, default_value_t = Limits::default().inputs, value_parser = positive(), value_name = "N")]
    max_inputs: usize,
    /// Words per input at most, <s> and </s> included; more are refused with 413.
    #[arg(long, default_value_t = Limits::default().input_words, value_parser = positive(), value_name = "N")]
    max_input_words: usize,
    /// Truncate longer inputs unless a request specifies otherwise.
    #[arg(long)]
    auto_truncate: bool,
    /// Words in the queue at most; further requests are refused with 429.
    #[arg(long, default_value_t = Limits::default().queue_words, value_parser = positive(), value_name = "N")]
    max_queue_words: usize,
    /// Bytes per request at most; more are refused with 413.
    #[arg(long, default_value_t = Limits::default().body_bytes, value_parser = positive(), value_name = "BYTES")]
    max_body_bytes: usize,
    /// Approximate bytes per response at most; more are refused with 413. At most four times as much waits to be sent.
    #[arg(long, default_value_t = Limits::default().response_bytes, value_parser = positive(), value_name = "BYTES")]
    max_response_bytes: usize,
    /// Concurrent requests at most; more are refused with 429.
    #[arg(long, default_value_t = Limits::default().requests, value_parser = positive(), value_name = "N")]
    max_requests: usize,
    /// Open connections at most; new ones wait.
    #[arg(long, default_value_t = Limits::default().connections, value_parser = positive(), value_name = "N")]
    max_connections: usize,
    /// Time limit of a request: after it, 408 if the body is incomplete, 503 if the response is.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=86_400), value_name = "SECONDS")]
    timeout: u32,
}

fn positive() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..)
}

fn milliseconds(text: &str) -> Result<f64, String> {
    let most = 1000.0;
    match text.parse() {
        Ok(found) if (0.0..=most).contains(&found) => Ok(found),
        _ => Err(format!("expected 0 to {most}")),
    }
}

impl Arguments {
    fn config(&self) -> ServerConfig {
        let timeout = Duration::from_secs(self.timeout.into());
        ServerConfig {
            limits: Limits {
                body_bytes: self.max_body_bytes,
                inputs: self.max_inputs,
                input_words: self.max_input_words,
                batch_words: self.max_batch_words,
                batch_requests: self.max_batch_requests,
                queue_words: self.max_queue_words,
                response_bytes: self.max_response_bytes,
                requests: self.max_requests,
                connections: self.max_connections,
            },
            timeouts: Timeouts {
                request: timeout,
                stop: timeout + Timeouts::default().write,
                ..Timeouts::default()
            },
            batch_window: Duration::from_secs_f64(self.batch_window / 1e3),
            auto_truncate: self.auto_truncate,
            api_key: self.api_key.clone(),
        }
    }

    fn address(&self) -> Result<SocketAddr> {
        let found = (&*self.host, self.port).to_socket_addrs();
        let mut found = found.with_context(|| format!("--host {}", self.host))?;
        let unknown = || UsageError(format!("--host {}: no address has this name", self.host));
        Ok(found.next().ok_or_else(unknown)?)
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    device::guard(&arguments.device, || serve(arguments))
}

fn serve(arguments: &Arguments) -> Result<()> {
    use_threads(arguments.threads)?;
    let device = Device::open(&arguments.device)?;
    let address = arguments.address()?;
    let server = Server::bind(address, arguments.config()).map_err(usage)?;
    if !address.ip().is_loopback() && arguments.api_key.is_none() {
        tracing::warn!("{address}: open to other machines without a token (--api-key)");
    }
    let stopper = server.stopper();
    let is_second = AtomicBool::new(false);
    ctrlc::set_handler(move || {
        if is_second.swap(true, Ordering::Relaxed) {
            scratch::remove_all();
            std::process::exit(INTERRUPTED);
        }
        tracing::info!("finishing accepted requests");
        stopper.stop();
    })
    .context("signals cannot be handled")?;
    let models: Vec<(Option<String>, String)> = match &arguments.model[..] {
        [] => vec![(Some(english::NAME.to_owned()), String::new())],
        models => models.iter().map(|model| named(model)).collect(),
    };
    let (pool, precision) = (arguments.pool, arguments.precision);
    let load = move || -> Result<Vec<Model>> {
        let models = models.into_iter().map(|(name, place)| {
            let name = name.unwrap_or_else(|| name_of(&place));
            let place = match place.is_empty() {
                true => ModelPlace::InTheBox,
                false => ModelPlace::Folder(folder(Path::new(&place))?),
            };
            let encoder = place.load(&device, precision.into())?;
            Model::new(name, encoder, pool.map(Into::into)).map_err(usage)
        });
        models.collect()
    };
    let ready = |address| {
        if let Err(error) = say!("http://{address}") {
            tracing::warn!("{error:#}");
        }
    };
    server
        .run(load, ready)
        .map_err(|error| match error.downcast() {
            Ok(error) => usage(error),
            Err(error) => error,
        })
}

/// `NAME=PLACE` or `PLACE`.
fn named(model: &str) -> (Option<String>, String) {
    match model.split_once('=') {
        Some((name, place)) => (Some(name.to_owned()), place.to_owned()),
        None => (None, model.to_owned()),
    }
}

/// The default name of a model: that on the hub, or that of its folder.
fn name_of(place: &str) -> String {
    if let Some(name) = place.strip_prefix(hub::SCHEME) {
        return name.split('@').next().unwrap_or(name).to_owned();
    }
    let path = PathBuf::from(place);
    let path = path.canonicalize().unwrap_or(path);
    path.file_name().map_or_else(
        || place.to_owned(),
        |name| name.to_string_lossy().into_owned(),
    )
}

/// Turns errors caused by the command line into usage errors.
fn usage(error: ServeError) -> anyhow::Error {
    match error {
        ServeError::Setting { .. }
        | ServeError::Name { .. }
        | ServeError::SameName { .. }
        | ServeError::Pooling { .. } => UsageError(error.to_string()).into(),
        error => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_have_the_names_they_are_given_or_those_of_their_places() {
        let name = |model| {
            let (name, place) = named(model);
            (name.unwrap_or_else(|| name_of(&place)), place)
        };
        let pair = |name: &str, place: &str| (name.to_owned(), place.to_owned());
        assert_eq!(name("a=models/b"), pair("a", "models/b"));
        assert_eq!(name("models/b"), pair("b", "models/b"));
        assert_eq!(name("hf://owner/m@v1"), pair("owner/m", "hf://owner/m@v1"));
        assert_eq!(name("x=hf://owner/m"), pair("x", "hf://owner/m"));
    }
}
