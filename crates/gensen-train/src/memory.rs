//! Checks that a model of the configured sizes fits in memory, before anything is read.

use gensen_data::spec::TaskKind;

use crate::config::Config;
use crate::error::TrainError;

/// A key that a model's size depends on.
struct SizeKey {
    name: &'static str,
    of: fn(&mut Config) -> &mut usize,
}

const KEYS: [SizeKey; 5] = [
    SizeKey {
        name: "model.hidden_size",
        of: |config| &mut config.model.hidden_size,
    },
    SizeKey {
        name: "model.embedding_size",
        of: |config| &mut config.model.embedding_size,
    },
    SizeKey {
        name: "model.layers",
        of: |config| &mut config.model.layers,
    },
    SizeKey {
        name: "model.target_embedding_size",
        of: |config| &mut config.model.target_embedding_size,
    },
    SizeKey {
        name: "model.inference_hidden_size",
        of: |config| &mut config.model.inference_hidden_size,
    },
];

/// A lower bound of the model's parameters with `source_words` words: target words and heads whose
/// sizes depend on the data are left out. In floating point, so that no size overflows.
fn numbers(config: &Config, source_words: usize) -> f64 {
    let model = &config.model;
    let size = |size: usize| size as f64;
    let (embedding, hidden) = (size(model.embedding_size), size(model.hidden_size));
    let directions = if model.bidirectional { 2.0 } else { 1.0 };
    let states = hidden / directions;
    let layer = |input: f64| 3.0 * hidden * (input + states + 2.0);
    let encoder = size(source_words) * embedding
        + layer(embedding)
        + (size(model.layers) - 1.0).max(0.0) * layer(hidden);
    let decoder = 3.0 * hidden * (size(model.target_embedding_size) + 2.0 * hidden);
    let head = size(model.inference_hidden_size);
    let of_task = |form: TaskKind, decoders: usize| match form {
        TaskKind::Nli => 4.0 * hidden * head,
        TaskKind::Classification => hidden * head,
        _ => size(decoders) * decoder,
    };
    let tasks = config.tasks.iter();
    encoder
        + tasks
            .map(|task| of_task(task.form(), task.decoders().len()))
            .sum::<f64>()
}

/// The machine's memory and swap in bytes, if the system reports them.
fn memory() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let kilobytes = |key: &str| -> Option<f64> {
        let line = text.lines().find_map(|line| line.strip_prefix(key))?;
        line.trim().strip_suffix("kB")?.trim().parse().ok()
    };
    let swap = kilobytes("SwapTotal:").unwrap_or(0.0);
    Some((kilobytes("MemTotal:")? + swap) * 1024.0)
}

/// Whether this many bytes can be allocated at once.
fn can_be_allocated(bytes: f64) -> bool {
    if bytes > isize::MAX as f64 || memory().is_some_and(|memory| bytes > memory) {
        return false;
    }
    // Checks the system's limits; the memory is not touched.
    Vec::<u8>::new().try_reserve_exact(bytes as usize).is_ok()
}

/// Refuses a model that does not fit `copies` times in the host's memory: once for initialising and
/// saving; on the CPU also for gradients, two moments and the mean of the weights.
///
/// # Errors
///
/// [`TrainError::Config`] names the key that contributes most, and the bytes.
pub fn check(config: &Config, source_words: usize, copies: usize) -> Result<(), TrainError> {
    let bytes = |config: &Config| numbers(config, source_words) * 4.0 * copies as f64;
    let whole = bytes(config);
    if can_be_allocated(whole) {
        return Ok(());
    }
    let mut least = (f64::INFINITY, String::new());
    for key in KEYS {
        let mut smaller = config.clone();
        let value = std::mem::replace((key.of)(&mut smaller), 2);
        let bytes = bytes(&smaller);
        if bytes < least.0 {
            least = (bytes, format!("{} = {value}", key.name));
        }
    }
    Err(TrainError::config(
        least.1,
        format!(
            "the model and its training would take at least {whole:.0} bytes ({:.1} GB), which cannot \
             be allocated",
            whole / 1e9
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Config {
        let tasks = "[[task]]\nname = 'fr'\nkind = 'translation'\ntrain = 'x'\n\
                     [[task]]\nname = 'nli'\nkind = 'nli'\ntrain = 'x'\n";
        toml::from_str(&format!("{text}\n{tasks}")).unwrap()
    }

    #[test]
    fn impossible_sizes_are_named_with_their_bytes() {
        for key in KEYS {
            let name = key.name.strip_prefix("model.").unwrap();
            for value in [1_usize << 44, usize::MAX >> 1] {
                let text = format!("[model]\n{name} = {value}");
                let error = check(&config(&text), 8, 4).unwrap_err().to_string();
                assert!(
                    error.contains(&format!("{} = {value}", key.name)),
                    "{error}"
                );
                assert!(error.contains(" bytes ("), "{error}");
            }
        }
    }

    #[test]
    fn the_models_that_are_shipped_can_be_allocated() {
        check(&config(""), 80_000, 1).unwrap();
    }

    #[test]
    fn numbers_are_those_of_the_encoder() {
        let text = "[model]\nembedding_size = 3\nhidden_size = 4\nlayers = 2";
        let mut config = config(text);
        config.tasks.clear();
        // Two directions of three gates of two states: weights of input and states, two biases.
        let layer = |input: usize| 2 * 3 * 2 * (input + 2 + 2);
        let expected = 7 * 3 + layer(3) + layer(4);
        assert_eq!(numbers(&config, 7), expected as f64);
    }
}
