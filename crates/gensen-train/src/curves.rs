//! Learning curves as a picture.

use std::path::Path;

use gensen_data::scratch;
use plotters::coord::Shift;
use plotters::prelude::*;

use crate::error::TrainError;
use crate::metrics::{Metric, Split};

const COLOURS: [RGBColor; 8] = [
    RGBColor(31, 119, 180),
    RGBColor(255, 127, 14),
    RGBColor(44, 160, 44),
    RGBColor(214, 39, 40),
    RGBColor(148, 103, 189),
    RGBColor(140, 86, 75),
    RGBColor(227, 119, 194),
    RGBColor(23, 190, 207),
];

/// Draws `curves.svg`: training losses as thin lines, validation losses as thick ones, one colour
/// a task; below them accuracy and the correlation of similarities, and the effective rank of sentence
/// vectors.
pub fn draw(path: &Path, metrics: &[Metric]) -> Result<(), TrainError> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (960, 900)).into_drawing_area();
        picture(&area, metrics).map_err(|problem| TrainError::Picture {
            path: path.into(),
            problem,
        })?;
    }
    scratch::write_file(path, |file| file.write_all(svg.as_bytes())).map_err(TrainError::io(path))
}

/// One line of a plot.
struct Curve {
    label: String,
    points: Vec<(f64, f64)>,
    colour: RGBColor,
    width: u32,
}

fn picture(area: &DrawingArea<SVGBackend<'_>, Shift>, metrics: &[Metric]) -> Result<(), String> {
    area.fill(&WHITE).map_err(|e| e.to_string())?;
    let (losses, below) = area.split_vertically(500);
    let (accuracy, rank) = below.split_horizontally(480);
    plot(&losses, "loss", curves(metrics, |m| m.loss, true), None)?;
    let unit = Some((0.0, 1.0));
    plot(
        &accuracy,
        "accuracy, similarity (Pearson)",
        curves(metrics, |m| m.accuracy.or(m.pearson), true),
        unit,
    )?;
    let ranks = curves(metrics, |m| m.effective_rank, false);
    plot(&rank, "effective rank of sentence vectors", ranks, None)
}

fn curves(metrics: &[Metric], value: impl Fn(&Metric) -> Option<f64>, train: bool) -> Vec<Curve> {
    let mut tasks: Vec<&str> = Vec::new();
    for metric in metrics.iter().filter(|m| value(m).is_some()) {
        if !tasks.contains(&metric.task.as_str()) {
            tasks.push(&metric.task);
        }
    }
    let splits = [(Split::Train, 1), (Split::Validation, 3)];
    let splits = splits
        .into_iter()
        .filter(|(split, _)| train || *split != Split::Train);
    let mut curves = Vec::new();
    for (split, width) in splits {
        for (k, task) in tasks.iter().enumerate() {
            let of_task = metrics
                .iter()
                .filter(|m| m.split == split && m.task == *task);
            let points: Vec<_> = of_task
                .filter_map(|m| Some((m.step as f64, value(m)?)))
                .filter(|(_, y)| y.is_finite())
                .collect();
            if !points.is_empty() {
                let split = if split == Split::Train {
                    "training"
                } else {
                    "validation"
                };
                curves.push(Curve {
                    label: format!("{task} ({split})"),
                    points,
                    colour: COLOURS[k % COLOURS.len()],
                    width,
                });
            }
        }
    }
    curves
}

fn plot(
    area: &DrawingArea<SVGBackend<'_>, Shift>,
    title: &str,
    curves: Vec<Curve>,
    range: Option<(f64, f64)>,
) -> Result<(), String> {
    let points = || curves.iter().flat_map(|curve| curve.points.iter().copied());
    let last = points().map(|(x, _)| x).fold(1.0, f64::max);
    let (low, high) = range.unwrap_or_else(|| {
        let low = points().map(|(_, y)| y).fold(f64::INFINITY, f64::min);
        let high = points().map(|(_, y)| y).fold(0.0, f64::max);
        (
            low.min(0.0),
            if high > low.min(0.0) {
                high * 1.05
            } else {
                1.0
            },
        )
    });
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 18))
        .margin(10)
        .x_label_area_size(35)
        .y_label_area_size(50)
        .build_cartesian_2d(0.0..last, low..high)
        .map_err(|e| e.to_string())?;
    chart
        .configure_mesh()
        .x_desc("step")
        .light_line_style(WHITE)
        .draw()
        .map_err(|e| e.to_string())?;
    for curve in curves {
        let style = curve.colour.stroke_width(curve.width);
        chart
            .draw_series(LineSeries::new(curve.points, style))
            .map_err(|e| e.to_string())?
            .label(curve.label)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
    }
    chart
        .configure_series_labels()
        .background_style(WHITE.mix(0.85))
        .border_style(BLACK.mix(0.3))
        .draw()
        .map_err(|e| e.to_string())
}
