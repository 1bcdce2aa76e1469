//! State shared by all requests.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::Semaphore;

use crate::auth::TokenHash;
use crate::batcher::Pace;
use crate::metrics::Metrics;
use crate::problem::{Problem, ProblemKind};
use crate::queue::{Bounds, Queue};
use crate::{Model, ServeError, ServerConfig};

/// Unit in which unsent responses are counted, in bytes.
const UNIT: usize = 1 << 10;
/// Bound on unsent responses, as a multiple of the largest response.
const LARGEST_ANSWERS: usize = 4;

/// State shared by all requests.
pub(crate) struct App {
    pub(crate) config: ServerConfig,
    pub(crate) key: Option<TokenHash>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) metrics: Metrics,
    pub(crate) pace: Pace,
    /// Permits for concurrent requests.
    pub(crate) requests: Semaphore,
    /// Permits for unsent responses, in [units](App::units).
    pub(crate) unsent: Arc<Semaphore>,
    models: OnceLock<Arc<Vec<Model>>>,
    stops: AtomicBool,
    /// Start time in seconds since 1970.
    pub(crate) started: u64,
}

impl App {
    pub(crate) fn new(config: ServerConfig) -> Result<Self, ServeError> {
        config.check()?;
        let limits = &config.limits;
        let bounds = Bounds {
            queue_words: limits.queue_words,
            batch_words: limits.batch_words,
            batch_requests: limits.batch_requests.unwrap_or(usize::MAX),
            window: config.batch_window,
        };
        let unsent = LARGEST_ANSWERS * Self::units(limits.response_bytes) as usize;
        Ok(Self {
            key: config.api_key.as_deref().map(TokenHash::new),
            queue: Arc::new(Queue::new(bounds)),
            metrics: Metrics::new(limits.input_words),
            pace: Pace::default(),
            requests: Semaphore::new(limits.requests),
            unsent: Arc::new(Semaphore::new(unsent)),
            models: OnceLock::new(),
            stops: AtomicBool::new(false),
            started: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| since.as_secs()),
            config,
        })
    }

    /// Converts bytes to units of [`App::unsent`].
    pub(crate) fn units(bytes: usize) -> u32 {
        // `ServerConfig::check` bounds an answer to 2³² bytes.
        bytes.div_ceil(UNIT) as u32
    }

    /// Encodes a warm-up text with each model, and makes the models available to requests.
    pub(crate) fn install(&self, models: Vec<Model>) -> Result<Arc<Vec<Model>>, ServeError> {
        let Some(first) = models.first() else {
            return Err(ServeError::NoModel);
        };
        for (k, model) in models.iter().enumerate() {
            if models[..k].iter().any(|other| other.name() == model.name()) {
                let name = model.name().to_owned();
                return Err(ServeError::SameName { name });
            }
            model.vectors(&["warm up"])?;
        }
        tracing::info!(
            "{} model{} ready, the first is {}",
            models.len(),
            if models.len() == 1 { "" } else { "s" },
            first.name()
        );
        let models = Arc::new(models);
        Ok(Arc::clone(self.models.get_or_init(|| models)))
    }

    /// The models, once they are loaded.
    pub(crate) fn models(&self) -> Result<&Arc<Vec<Model>>, Problem> {
        self.models.get().ok_or_else(|| {
            Problem::new(ProblemKind::Unready, "the model is loading").retry_after(1)
        })
    }

    /// Makes readiness probes fail; requests in progress are finished.
    pub(crate) fn stop(&self) {
        self.stops.store(true, Ordering::Release);
    }

    /// Whether the server is ready.
    pub(crate) fn ready(&self) -> Result<(), Problem> {
        if self.stops.load(Ordering::Acquire) {
            return Err(Problem::new(ProblemKind::Unready, "the server is stopping"));
        }
        self.models().map(|_| ())
    }

    /// The model with this name and its index; the first model without a name.
    pub(crate) fn model(&self, name: Option<&str>) -> Result<(usize, &Model), Problem> {
        let models = self.models()?;
        let Some(name) = name else {
            return Ok((0, &models[0]));
        };
        let mut numbered = models.iter().enumerate();
        numbered
            .find(|(_, model)| model.name() == name)
            .ok_or_else(|| {
                let names: Vec<&str> = models.iter().map(Model::name).collect();
                let message = format!(
                    "the model `{}` does not exist; the models are {}",
                    excerpt(name),
                    names.join(", ")
                );
                Problem::new(ProblemKind::UnknownModel, message).param("model")
            })
    }
}

/// The beginning of text from a client, escaped for use in a message.
pub(crate) fn excerpt(text: &str) -> String {
    const MOST: usize = 60;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}...", text[..end].escape_debug()),
        None => text.escape_debug().to_string(),
    }
}
