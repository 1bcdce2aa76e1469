//! `gensen serve`: vectors over HTTP.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use clap::builder::RangedU64ValueParser;
use gensen_data::scratch;
use gensen_serve::{Config, Limits, Model, ServeError, Server, Timeouts};

use super::Usage;
use super::encoding::{ModelPlace, Pool, Weights, folder, use_threads};
use crate::device::{self, Device};
use crate::output::say;
use crate::{INTERRUPTED, english, hub};

/// Serve vectors over HTTP, for clients of text-embeddings-inference and of OpenAI.
///
/// The address is printed when the server is ready. SIGTERM and SIGINT end the program after the accepted
/// requests; a second signal ends it at once.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  gensen serve\n  gensen serve --model english=models/english --model nli=models/nli_large --port 8080\n  \
                  curl http://127.0.0.1:8080/embed -H 'Content-Type: application/json' -d '{\"inputs\": [\"A sentence.\"]}'"
)]
pub(crate) struct Arguments {
    /// A model under a name that clients ask for: its folder, or a model of the Hugging Face Hub. The folder's
    /// name or the model's on the hub without NAME; the first model is the default one.
    /// [default: the model in the box]
    #[arg(long, required = !english::IS_THERE, value_name = "[NAME=]DIR|hf://OWNER/NAME[@REV]")]
    model: Vec<String>,
    /// The address or host name to listen on; 0.0.0.0 for other machines.
    #[arg(long, default_value = "127.0.0.1", value_name = "HOST")]
    host: String,
    /// The port; 0 takes a free one.
    #[arg(long, default_value_t = 8080, value_name = "N")]
    port: u16,
    /// The bearer token that requests must carry. (A command line can be seen by others of this machine; the
    /// environment cannot.)
    #[arg(
        long,
        env = "GENSEN_API_KEY",
        hide_env_values = true,
        value_name = "TOKEN"
    )]
    api_key: Option<String>,
    /// How hidden states become a vector. [default: as each model says]
    #[arg(long)]
    pool: Option<Pool>,
    /// How the encoder keeps its weights in memory; f16 and i8 are for the CPU.
    #[arg(long, default_value = "f32")]
    precision: Weights,
    /// Where to compute: `auto`, a device such as `cuda:1`, or `list` to see them.
    #[arg(long, default_value = "auto", value_name = "NAME|list")]
    device: String,
    /// Threads to compute with. [default: all]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1024), value_name = "N")]
    threads: Option<u32>,
    /// How long a batch that is not full waits for further requests. Requests that come while a batch is
    /// computed share the next one in any case.
    #[arg(long, default_value_t = 0.0, value_parser = milliseconds, value_name = "MILLISECONDS")]
    batch_window: f64,
    /// The most words of a batch. A longer input is a batch of its own.
    #[arg(long, default_value_t = Limits::default().batch_words, value_parser = positive(), value_name = "N")]
    max_batch_words: usize,
    /// The most requests that share a batch; 1 encodes each by itself. [default: no bound]
    #[arg(long, value_parser = positive(), value_name = "N")]
    max_batch_requests: Option<usize>,
    /// The most inputs of a request: beyond, 413.
    #[arg(long, default_value_t = Limits::default().inputs, value_parser = positive(), value_name = "N")]
    max_inputs: usize,
    /// The most words of an input, <s> and </s> included: beyond, 413.
    #[arg(long, default_value_t = Limits::default().input_words, value_parser = positive(), value_name = "N")]
    max_input_words: usize,
    /// Cut inputs that are too long, where a request does not say.
    #[arg(long)]
    auto_truncate: bool,
    /// The most words that wait to be encoded: beyond, 429.
    #[arg(long, default_value_t = Limits::default().queue_words, value_parser = positive(), value_name = "N")]
    max_queue_words: usize,
    /// The most bytes of a request: beyond, 413.
    #[arg(long, default_value_t = Limits::default().body_bytes, value_parser = positive(), value_name = "BYTES")]
    max_body_bytes: usize,
    /// The most bytes of an answer, about: beyond, 413. At most four times as much waits to be sent.
    #[arg(long, default_value_t = Limits::default().response_bytes, value_parser = positive(), value_name = "BYTES")]
    max_response_bytes: usize,
    /// The most requests at once: beyond, 429.
    #[arg(long, default_value_t = Limits::default().requests, value_parser = positive(), value_name = "N")]
    max_requests: usize,
    /// The most open connections: beyond, new ones wait.
    #[arg(long, default_value_t = Limits::default().connections, value_parser = positive(), value_name = "N")]
    max_connections: usize,
    /// How long a request may take: beyond, 408 if its body is not there, 503 if its answer is not.
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
    fn config(&self) -> Config {
        let timeout = Duration::from_secs(self.timeout.into());
        Config {
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
        let unknown = || Usage(format!("--host {}: no address has this name", self.host));
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
        tracing::warn!("{address}: other machines may ask, and need no token (--api-key)");
    }
    let stopper = server.stopper();
    let is_second = AtomicBool::new(false);
    ctrlc::set_handler(move || {
        if is_second.swap(true, Ordering::Relaxed) {
            scratch::remove_all();
            std::process::exit(INTERRUPTED);
        }
        tracing::info!("finishing the requests that were accepted");
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

/// `NAME=PLACE`, or a place alone.
fn named(model: &str) -> (Option<String>, String) {
    match model.split_once('=') {
        Some((name, place)) => (Some(name.to_owned()), place.to_owned()),
        None => (None, model.to_owned()),
    }
}

/// The name of a model that is given none: that on the hub, or that of its folder.
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

/// What is wrong with the command line is an error of usage.
fn usage(error: ServeError) -> anyhow::Error {
    match error {
        ServeError::Setting { .. }
        | ServeError::Name { .. }
        | ServeError::SameName { .. }
        | ServeError::Pooling { .. } => Usage(error.to_string()).into(),
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
