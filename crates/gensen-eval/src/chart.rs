//! A bar chart of one task's scores.

use std::path::Path;

use plotters::prelude::*;

use crate::error::{Cause, EvalError, Result};
use crate::evaluate::{Report, write_whole};
use crate::published::{COLUMNS, ROWS};

const WIDTH: u32 = 760;
const BAR: i32 = 26;
const LABELS: i32 = 320;

/// Draws the reports' scores in `task`, with published scores below them, as an SVG file.
///
/// # Errors
///
/// [`EvalError::Library`] if drawing fails, [`EvalError::Io`].
pub fn write_bar_chart(reports: &[Report], task: &str, path: &Path) -> Result<()> {
    let mut bars: Vec<(String, f64, bool)> = reports
        .iter()
        .filter_map(|r| {
            Some((
                r.embedder.name.clone(),
                r.result(task)?.scores.main()?,
                true,
            ))
        })
        .collect();
    if let Some(column) = COLUMNS.iter().position(|(_, name)| *name == task) {
        bars.extend(ROWS.iter().filter_map(|row| {
            let first = row.cells[column].split('/').next()?;
            let score: f64 = first.parse().ok()?;
            let score = if score < 1.0 { 100.0 * score } else { score };
            Some((row.name.to_owned(), score, false))
        }));
    }
    let metric = reports
        .iter()
        .find_map(|r| Some(r.result(task)?.scores.main_metric()));
    let title = match metric {
        Some(metric) => format!("{task}: {metric}"),
        None => task.to_owned(),
    };
    let mut svg = String::new();
    let drawn = draw(&mut svg, &title, &bars);
    drawn.map_err(EvalError::library(path, "could not draw the chart"))?;
    write_whole(path, |file| file.write_all(svg.as_bytes()))
}

fn draw(
    svg: &mut String,
    title: &str,
    bars: &[(String, f64, bool)],
) -> std::result::Result<(), Cause> {
    let largest = bars.iter().map(|bar| bar.1).fold(1.0, f64::max);
    let height = 50 + BAR * bars.len() as i32;
    let root = SVGBackend::with_string(svg, (WIDTH, height as u32)).into_drawing_area();
    root.fill(&WHITE)?;
    root.draw(&Text::new(title.to_owned(), (10, 12), ("sans-serif", 18)))?;
    let text = ("sans-serif", 13);
    let (own, published) = (RGBColor(31, 98, 168), RGBColor(170, 184, 198));
    // The colours' legend, if there are two.
    let legend = [(230, own, "measured"), (120, published, "published")];
    let both = bars.iter().any(|bar| !bar.2);
    for (from_right, colour, name) in legend.into_iter().filter(|_| both) {
        let x = WIDTH as i32 - from_right;
        let square = Rectangle::new([(x, 14), (x + 12, 26)], colour.filled());
        root.draw(&square)?;
        root.draw(&Text::new(name, (x + 18, 14), text))?;
    }
    for (i, (name, score, is_own)) in bars.iter().enumerate() {
        let top = 40 + BAR * i as i32;
        let length = f64::from(WIDTH as i32 - LABELS - 60) * (score / largest).max(0.0);
        let right = LABELS + length as i32;
        let colour = if *is_own { own } else { published };
        let bar = [(LABELS, top), (right, top + BAR - 6)];
        root.draw(&Rectangle::new(bar, colour.filled()))?;
        root.draw(&Text::new(name.clone(), (10, top + 3), text))?;
        root.draw(&Text::new(
            format!("{score:.1}"),
            (right + 6, top + 3),
            text,
        ))?;
    }
    root.present()?;
    Ok(())
}
