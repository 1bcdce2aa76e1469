//! A bar chart of one task's scores.

use std::path::Path;

use plotters::prelude::*;

use crate::error::{EvalError, Result};
use crate::evaluate::{Report, write_whole};
use crate::published::{COLUMNS, ROWS};

const WIDTH: u32 = 760;
const BAR: i32 = 26;
const LABELS: i32 = 320;

/// Draws the reports' scores in `task`, and the published ones below them, as an SVG file.
///
/// # Errors
///
/// [`EvalError::File`] if drawing fails, [`EvalError::Io`].
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
    let mut svg = String::new();
    draw(&mut svg, task, &bars).map_err(|error| EvalError::File {
        path: path.to_owned(),
        problem: format!("could not draw the chart: {error}"),
    })?;
    write_whole(path, |file| file.write_all(svg.as_bytes()))
}

fn draw(
    svg: &mut String,
    task: &str,
    bars: &[(String, f64, bool)],
) -> std::result::Result<(), Box<dyn std::error::Error>> {
    let largest = bars.iter().map(|bar| bar.1).fold(1.0, f64::max);
    let height = 50 + BAR * bars.len() as i32;
    let root = SVGBackend::with_string(svg, (WIDTH, height as u32)).into_drawing_area();
    root.fill(&WHITE)?;
    root.draw(&Text::new(task.to_owned(), (10, 12), ("sans-serif", 18)))?;
    let text = ("sans-serif", 13);
    for (i, (name, score, own)) in bars.iter().enumerate() {
        let top = 40 + BAR * i as i32;
        let length = f64::from(WIDTH as i32 - LABELS - 60) * (score / largest).max(0.0);
        let right = LABELS + length as i32;
        let colour = if *own {
            RGBColor(31, 98, 168)
        } else {
            RGBColor(170, 184, 198)
        };
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
