//! Prometheus metrics, with text-embeddings-inference's names.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Values of the label `method`: `inputs` is one text, or a list.
const METHODS: [&str; 2] = ["single", "batch"];
/// Values of the label `err`.
const FAILURES: [&str; 8] = [
    "validation",
    "empty",
    "overloaded",
    "unhealthy",
    "backend",
    "unauthorized",
    "not_found",
    "method_not_allowed",
];

/// Counters and histograms since the server's start.
pub(crate) struct Metrics {
    requests: [AtomicU64; 2],
    successes: [AtomicU64; 2],
    failures: [AtomicU64; 8],
    abandoned: AtomicU64,
    inputs: AtomicU64,
    duration: Histogram,
    tokenization: Histogram,
    queue: Histogram,
    inference: Histogram,
    input_length: Histogram,
    batch_size: Histogram,
    batch_words: Histogram,
}

/// The time an answered request spent in each stage.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Times {
    pub(crate) total: Duration,
    pub(crate) tokenization: Duration,
    pub(crate) queue: Duration,
    pub(crate) inference: Duration,
}

impl Metrics {
    pub(crate) fn new(input_words: usize) -> Self {
        let seconds = || Histogram::new((1..=35).map(|k| 1e-5 * 1.5_f64.powi(k)));
        let doubling = |most: usize| {
            let steps = (0..21)
                .map(|k| 1 << k)
                .take_while(move |&step: &usize| step <= most);
            Histogram::new(steps.map(|step| step as f64))
        };
        Self {
            requests: Default::default(),
            successes: Default::default(),
            failures: Default::default(),
            abandoned: AtomicU64::new(0),
            inputs: AtomicU64::new(0),
            duration: seconds(),
            tokenization: seconds(),
            queue: seconds(),
            inference: seconds(),
            input_length: doubling(input_words),
            batch_size: doubling(4_096),
            batch_words: doubling(1 << 20),
        }
    }

    /// Counts a request; `single` if `inputs` is one text.
    pub(crate) fn request(&self, single: bool) {
        self.requests[usize::from(!single)].fetch_add(1, Ordering::Relaxed);
    }

    /// Counts an answered request; `lengths` are its inputs' lengths in words.
    pub(crate) fn answered(&self, single: bool, lengths: &[usize], times: Times) {
        self.successes[usize::from(!single)].fetch_add(1, Ordering::Relaxed);
        self.inputs
            .fetch_add(lengths.len() as u64, Ordering::Relaxed);
        self.input_length
            .add(lengths.iter().map(|&length| length as f64));
        self.duration.add([times.total.as_secs_f64()]);
        self.tokenization.add([times.tokenization.as_secs_f64()]);
        self.queue.add([times.queue.as_secs_f64()]);
        self.inference.add([times.inference.as_secs_f64()]);
    }

    /// Counts a refused or failed request by its `error_type`.
    pub(crate) fn failed(&self, error_type: &str) {
        if let Some(k) = FAILURES.iter().position(|&failure| failure == error_type) {
            self.failures[k].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts a request whose client disconnected.
    pub(crate) fn abandoned(&self) {
        self.abandoned.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a batch.
    pub(crate) fn batch(&self, inputs: usize, words: usize) {
        self.batch_size.add([inputs as f64]);
        self.batch_words.add([words as f64]);
    }

    /// All metrics in Prometheus's text format, with the number of queued requests and words.
    pub(crate) fn text(&self, (jobs, words): (usize, usize)) -> String {
        let mut text = String::new();
        let mut counter = |name: &str, label: &str, values: &[(&str, &AtomicU64)]| {
            let _ = writeln!(text, "# TYPE {name} counter");
            for (value, count) in values {
                let count = count.load(Ordering::Relaxed);
                let _ = match label {
                    "" => writeln!(text, "{name} {count}"),
                    _ => writeln!(text, "{name}{{{label}=\"{value}\"}} {count}"),
                };
            }
        };
        let requests: Vec<_> = METHODS.into_iter().zip(&self.requests).collect();
        counter("te_request_count", "method", &requests);
        let successes: Vec<_> = METHODS.into_iter().zip(&self.successes).collect();
        counter("te_request_success", "method", &successes);
        let failures: Vec<_> = FAILURES.into_iter().zip(&self.failures).collect();
        counter("te_request_failure", "err", &failures);
        counter("te_embed_count", "", &[("", &self.inputs)]);
        counter("gensen_requests_abandoned", "", &[("", &self.abandoned)]);
        for (name, value) in [("te_queue_size", jobs), ("gensen_queue_words", words)] {
            let _ = writeln!(text, "# TYPE {name} gauge\n{name} {value}");
        }
        for (name, histogram) in [
            ("te_request_duration", &self.duration),
            ("te_request_tokenization_duration", &self.tokenization),
            ("te_request_queue_duration", &self.queue),
            ("te_request_inference_duration", &self.inference),
            ("te_request_input_length", &self.input_length),
            ("te_batch_next_size", &self.batch_size),
            ("te_batch_next_tokens", &self.batch_words),
        ] {
            histogram.write(name, &mut text);
        }
        text
    }
}

/// Counts of values at or below each bound.
struct Histogram {
    bounds: Vec<f64>,
    counts: Mutex<BucketCounts>,
}

struct BucketCounts {
    /// One bucket per bound, and one for larger values.
    buckets: Vec<u64>,
    sum: f64,
}

impl Histogram {
    fn new(bounds: impl Iterator<Item = f64>) -> Self {
        let bounds: Vec<f64> = bounds.collect();
        let buckets = vec![0; bounds.len() + 1];
        Self {
            counts: Mutex::new(BucketCounts { buckets, sum: 0.0 }),
            bounds,
        }
    }

    fn add(&self, values: impl IntoIterator<Item = f64>) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        for value in values {
            let bucket = self.bounds.partition_point(|&bound| bound < value);
            counts.buckets[bucket] += 1;
            counts.sum += value;
        }
    }

    fn write(&self, name: &str, text: &mut String) {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = writeln!(text, "# TYPE {name} histogram");
        let mut count = 0;
        let bounds = self
            .bounds
            .iter()
            .map(f64::to_string)
            .chain(["+Inf".to_owned()]);
        for (bound, bucket) in bounds.zip(&counts.buckets) {
            count += bucket;
            let _ = writeln!(text, "{name}_bucket{{le=\"{bound}\"}} {count}");
        }
        let _ = writeln!(text, "{name}_sum {}\n{name}_count {count}", counts.sum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn histograms_are_cumulative_and_bounds_belong_to_their_bucket() {
        let histogram = Histogram::new([1.0, 2.0].into_iter());
        histogram.add([0.5, 1.0, 1.5, 7.0]);
        let mut text = String::new();
        histogram.write("h", &mut text);
        let expected = "# TYPE h histogram\nh_bucket{le=\"1\"} 2\nh_bucket{le=\"2\"} 3\n\
                        h_bucket{le=\"+Inf\"} 4\nh_sum 10\nh_count 4\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn requests_are_counted_by_their_outcome() {
        let metrics = Metrics::new(512);
        metrics.request(true);
        metrics.request(false);
        metrics.answered(false, &[3, 9], Times::default());
        metrics.failed("overloaded");
        let text = metrics.text((2, 70));
        for line in [
            "te_request_count{method=\"single\"} 1",
            "te_request_success{method=\"batch\"} 1",
            "te_request_success{method=\"single\"} 0",
            "te_request_failure{err=\"overloaded\"} 1",
            "te_embed_count 2",
            "te_queue_size 2",
            "gensen_queue_words 70",
            "te_request_input_length_bucket{le=\"4\"} 1",
            "te_request_input_length_sum 12",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
    }
}
