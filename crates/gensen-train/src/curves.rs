//! Learning curves as a picture.

use std::path::Path;

use gensen_data::scratch;
use plotters::coord::Shift;
use plotters::prelude::*;

use crate::error::{Cause, TrainError};
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
/// The colour of curves that belong to no task.
const GREY: RGBColor = RGBColor(70, 70, 70);

/// The picture's size in pixels, and the width of its legend.
const SIZE: (u32, u32) = (1160, 900);
const LEGEND: u32 = 200;
/// Line widths in pixels.
const TRAINING: u32 = 1;
const VALIDATION: u32 = 3;
/// The approximate number of ticks of an axis.
const TICKS: usize = 7;

/// Draws `curves.svg`: training losses as thin lines, validation losses as thick ones; below them
/// accuracy and the correlation of similarities, and the effective rank of sentence vectors. A task
/// has the same colour in all plots; a legend names it.
///
/// # Errors
///
/// [`TrainError::Picture`]; a file that cannot be written.
pub fn draw(path: &Path, metrics: &[Metric]) -> Result<(), TrainError> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        picture(&area, metrics).map_err(|source| TrainError::Picture {
            path: path.into(),
            source,
        })?;
    }
    scratch::write_file(path, |file| file.write_all(svg.as_bytes())).map_err(TrainError::io(path))
}

type Area<'a, 'b> = &'a DrawingArea<SVGBackend<'b>, Shift>;

/// One line of a plot.
struct Curve {
    points: Vec<(f64, f64)>,
    colour: RGBColor,
    width: u32,
}

/// A task's name and colour.
#[derive(Clone, Copy)]
struct TaskColour<'a> {
    name: &'a str,
    colour: RGBColor,
}

fn picture(area: Area<'_, '_>, metrics: &[Metric]) -> Result<(), Cause> {
    area.fill(&WHITE)?;
    let score = |m: &Metric| m.accuracy.or(m.pearson);
    let tasks = tasks(metrics, |m| m.loss.or(score(m)));
    let (plots, names) = area.split_horizontally(SIZE.0 - LEGEND);
    legend(&names, &tasks)?;
    let (losses, below) = plots.split_vertically(500);
    let (accuracy, rank) = below.split_horizontally((SIZE.0 - LEGEND) / 2);
    let splits = [(Split::Train, TRAINING), (Split::Validation, VALIDATION)];
    let losses_of = curves(metrics, &tasks, &splits, |m| m.loss);
    plot(&losses, "loss", &losses_of, None)?;
    let title = "accuracy, similarity (Pearson)";
    let scores = curves(metrics, &tasks, &splits, score);
    plot(&accuracy, title, &scores, Some((0.0, 1.0)))?;
    let encoder = TaskColour {
        name: "encoder",
        colour: GREY,
    };
    let ranks = curves(metrics, &[encoder], &splits, |m| m.effective_rank);
    plot(&rank, "effective rank of sentence vectors", &ranks, None)
}

/// The tasks that have this value, in the order of their first appearance, with their colours.
fn tasks(metrics: &[Metric], value: impl Fn(&Metric) -> Option<f64>) -> Vec<TaskColour<'_>> {
    let mut tasks: Vec<TaskColour<'_>> = Vec::new();
    for metric in metrics.iter().filter(|metric| value(metric).is_some()) {
        let name = metric.task.as_str();
        if tasks.iter().all(|task| task.name != name) {
            let (red, green, blue) = match COLOURS.get(tasks.len()) {
                Some(colour) => colour.rgb(),
                None => Palette99::pick(tasks.len()).rgb(),
            };
            let colour = RGBColor(red, green, blue);
            tasks.push(TaskColour { name, colour });
        }
    }
    tasks
}

/// Draws the legend.
fn legend(area: Area<'_, '_>, tasks: &[TaskColour<'_>]) -> Result<(), Cause> {
    let lines = tasks
        .iter()
        .map(|task| (task.name, task.colour, VALIDATION));
    let kinds = [
        ("training", GREY, TRAINING),
        ("validation", GREY, VALIDATION),
    ];
    let rows = lines.chain(kinds).enumerate();
    for (row, (name, colour, width)) in rows {
        let gap = if row < tasks.len() { 0 } else { 12 };
        let y = 55 + 22 * row as i32 + gap;
        let line = PathElement::new([(8, y), (32, y)], colour.stroke_width(width));
        area.draw(&line)?;
        let text = Text::new(name.to_owned(), (40, y - 7), ("sans-serif", 14));
        area.draw(&text)?;
    }
    Ok(())
}

fn curves(
    metrics: &[Metric],
    tasks: &[TaskColour<'_>],
    splits: &[(Split, u32)],
    value: impl Fn(&Metric) -> Option<f64>,
) -> Vec<Curve> {
    let mut curves = Vec::new();
    for &(split, width) in splits {
        for task in tasks {
            let of_task = |m: &&Metric| m.split == split && m.task == task.name;
            let points = metrics.iter().filter(of_task);
            let points = points.filter_map(|m| Some((m.step as f64, value(m)?)));
            curves.push(Curve {
                points: points.filter(|(_, y)| y.is_finite()).collect(),
                colour: task.colour,
                width,
            });
        }
    }
    curves.retain(|curve| !curve.points.is_empty());
    curves
}

fn plot(
    area: Area<'_, '_>,
    title: &str,
    curves: &[Curve],
    range: Option<(f64, f64)>,
) -> Result<(), Cause> {
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
        // Room for half of the last tick's label.
        .margin_right(30)
        .x_label_area_size(40)
        .y_label_area_size(50)
        .build_cartesian_2d(0.0..last, low..high)?;
    chart
        .configure_mesh()
        .x_desc("step")
        .x_labels(TICKS)
        .y_labels(TICKS)
        .x_label_formatter(&|x| tick(*x))
        .y_label_formatter(&|y| tick(*y))
        .label_style(("sans-serif", 13))
        .axis_desc_style(("sans-serif", 14))
        .bold_line_style(BLACK.mix(0.12))
        .light_line_style(WHITE)
        .draw()?;
    for curve in curves {
        let style = curve.colour.stroke_width(curve.width);
        chart.draw_series(LineSeries::new(curve.points.iter().copied(), style))?;
    }
    Ok(())
}

/// A tick's label, without trailing zeros: `0.5`, `400`, `20k`.
fn tick(value: f64) -> String {
    let (value, unit) = match value.abs() {
        10_000_000.0.. => (value / 1e6, "M"),
        10_000.0.. => (value / 1e3, "k"),
        _ => (value, ""),
    };
    // Removes rounding errors of summed steps, and turns -0 into 0.
    let rounded = (value * 1e4).round() / 1e4 + 0.0;
    format!("{rounded}{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_axes_are_short() {
        let ticks = [0.0, 0.1 + 0.2, 5.0, 400.0, 9_500.0, 12_500.0, 2e7, -1e-9];
        let expected = ["0", "0.3", "5", "400", "9500", "12.5k", "20M", "0"];
        assert_eq!(ticks.map(tick), expected);
    }

    #[test]
    fn a_task_has_one_colour_everywhere_and_one_name() {
        let metric = |task: &str, step: u64, split, loss, accuracy| Metric {
            loss,
            accuracy,
            ..Metric::new(step, split, task)
        };
        let mut metrics = Vec::new();
        for step in [0, 100, 200] {
            for split in [Split::Train, Split::Validation] {
                metrics.push(metric("fr-en", step, split, Some(3.0), None));
                metrics.push(metric("nli", step, split, Some(1.0), Some(0.5)));
            }
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("curves.svg");
        draw(&path, &metrics).unwrap();
        let svg = std::fs::read_to_string(path).unwrap();
        let count = |part: &str| svg.matches(part).count();
        assert_eq!((count("\nnli\n"), count("\nfr-en\n")), (1, 1), "{svg}");
        let [first, second] = ["#1F77B4", "#FF7F0E"];
        // Two curves and a name; of inference, accuracy too.
        assert_eq!((count(first), count(second)), (3, 5), "{svg}");
        assert!(svg.contains("\n200\n") && !svg.contains("200.0"), "{svg}");
    }
}
