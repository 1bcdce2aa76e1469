//! burn-train's dashboard in the terminal: curves of every metric, progress, and a way to stop.

use std::collections::HashSet;
use std::sync::Arc;

use crate::metrics::{Metric, Split};
use crate::run::Event;
use burn_train::Interrupter;
use burn_train::logger::TrainingProgressLogger;
use burn_train::metric::{
    MetricDefinition, MetricEntry, MetricId, NumericAttributes, NumericEntry, SerializedEntry,
};
use burn_train::renderer::tui::TuiMetricsRendererWrapper;
use burn_train::renderer::{MetricState, MetricsRenderer, MetricsRendererTraining};

/// Shows a run's events.
pub(crate) struct Dashboard {
    renderer: TuiMetricsRendererWrapper,
    steps: u64,
    known: HashSet<String>,
}

impl Dashboard {
    /// Opens the dashboard; stopping it there interrupts the run through `interrupter`.
    pub(crate) fn new(steps: u64, interrupter: &Interrupter) -> Self {
        let mut renderer = TuiMetricsRendererWrapper::new(interrupter.clone(), None);
        let items = usize::try_from(steps).unwrap_or(usize::MAX);
        renderer.start(1, 1, Some(items), Some("steps"));
        renderer.start_split("train", items);
        Self {
            renderer,
            steps,
            known: HashSet::new(),
        }
    }

    pub(crate) fn show(&mut self, event: &Event<'_>) {
        match event {
            Event::Resumed { step, .. } | Event::Step { step, .. } => {
                let done = usize::try_from((*step).min(self.steps)).unwrap_or(usize::MAX);
                self.renderer.update_split(done);
            }
            Event::Metrics(metrics) => metrics.iter().for_each(|metric| self.add(metric)),
            Event::Checkpoint { path } => {
                self.renderer
                    .log_event_training(format!("checkpoint {}", path.display()));
            }
        }
    }

    fn add(&mut self, metric: &Metric) {
        let values = [
            ("loss", metric.loss, "nats", false),
            ("accuracy", metric.accuracy, "", true),
            ("effective rank", metric.effective_rank, "", true),
        ];
        for (name, value, unit, higher_is_better) in values {
            let Some(value) = value else { continue };
            let name = format!("{}: {name}", metric.task);
            let id = MetricId::new(Arc::new(name.clone()));
            if self.known.insert(name.clone()) {
                let attributes = NumericAttributes {
                    unit: (!unit.is_empty()).then(|| unit.into()),
                    higher_is_better,
                };
                self.renderer.register_metric(MetricDefinition {
                    metric_id: id.clone(),
                    name: Arc::new(name),
                    description: None,
                    attributes: attributes.into(),
                });
            }
            let text = SerializedEntry::new(format!("{value:.4} {unit}"), value.to_string());
            let entry = NumericEntry::Value(value);
            let state = MetricState::Numeric(MetricEntry::new(id, text), Some(entry));
            match metric.split {
                Split::Train => self.renderer.update_train(state),
                Split::Validation | Split::Test => self.renderer.update_valid(state),
            }
        }
    }

    pub(crate) fn finish(&mut self) {
        self.renderer.end_split();
        self.renderer.end();
    }
}
