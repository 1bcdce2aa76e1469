//! Reports: a Markdown page laid out as the paper's Table 2, with everything that defines the numbers.

use std::fmt::Write;
use std::path::Path;

use crate::chart::write_bar_chart;
use crate::embedder::Role;
use crate::error::{EvalError, Result};
use crate::evaluate::{Report, TaskResult, write_whole};
use crate::published::{COLUMNS, Publication, ROWS, Row};
use crate::scores::{Scores, hundredths};
use crate::tasks::TASKS;

impl Report {
    /// The result of a task, by name.
    pub fn result(&self, task: &str) -> Option<&TaskResult> {
        self.results.iter().find(|result| result.task == task)
    }
}

/// Writes reports as a JSON list, complete or not at all.
///
/// # Errors
///
/// [`EvalError::Io`].
pub fn write_json(reports: &[Report], path: &Path) -> Result<()> {
    write_whole(path, |file| {
        Ok(serde_json::to_writer_pretty(file, reports)?)
    })
}

/// Reads reports that [`write_json`] wrote.
///
/// # Errors
///
/// [`EvalError::Io`], [`EvalError::Library`].
pub fn read_json(path: &Path) -> Result<Vec<Report>> {
    let bytes = std::fs::read(path).map_err(EvalError::io(path))?;
    serde_json::from_slice(&bytes).map_err(EvalError::library(path, "expected reports"))
}

/// Writes a report of evaluations: `NAME.json`, `NAME.md`, and a bar chart per task in the folder `NAME.charts`, where
/// `json` is the path `NAME.json`.
///
/// # Errors
///
/// [`EvalError::Io`]; [`EvalError::Library`] if a chart cannot be drawn.
pub fn write_report(reports: &[Report], json: &Path) -> Result<()> {
    let charts = json.with_extension("charts");
    let folder = charts.file_name().unwrap_or_default().to_string_lossy();
    let mut page = markdown(reports);
    page.push_str("\n## Charts\n\n");
    for task in tasks(reports) {
        write_bar_chart(reports, task, &charts.join(format!("{task}.svg")))?;
        push(&mut page, format_args!("![{task}]({folder}/{task}.svg)\n"));
    }
    write_whole(&json.with_extension("md"), |file| {
        file.write_all(page.as_bytes())
    })?;
    write_json(reports, json)
}

/// The names of the tasks that have results, in the order of the table.
fn tasks(reports: &[Report]) -> Vec<&'static str> {
    let names = TASKS.iter().map(|task| task.name);
    names
        .filter(|name| reports.iter().any(|report| report.result(name).is_some()))
        .collect()
}

/// A Markdown page: the reports laid out as the paper's Table 2, published rows, other tasks, and everything that defines
/// each number.
pub fn markdown(reports: &[Report]) -> String {
    let mut page = String::from("# Transfer evaluation\n\n");
    table_2(&mut page, reports);
    other_tasks(&mut page, reports);
    let losses = beaten_by_chance(reports);
    if !losses.is_empty() {
        page.push_str("\n## No better than its random initialisation\n\n");
        losses
            .iter()
            .for_each(|line| push(&mut page, format_args!("- {line}")));
    }
    for report in reports {
        settings(&mut page, report);
    }
    page
}

fn push(page: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _ = writeln!(page, "{line}");
}

fn table_2(page: &mut String, reports: &[Report]) {
    page.push_str("| |");
    COLUMNS
        .iter()
        .for_each(|(heading, _)| page.push_str(&format!(" {heading} |")));
    page.push_str("\n| --- |");
    page.push_str(&" ---: |".repeat(COLUMNS.len()));
    page.push('\n');
    for report in reports {
        let cells = COLUMNS.map(|(heading, task)| cell(heading, report.result(task)));
        push(
            page,
            format_args!("| **{}** | {} |", report.embedder.name, cells.join(" | ")),
        );
    }
    for Row {
        name,
        source,
        cells,
    } in ROWS
    {
        let mark = match source {
            Publication::PaperFromMemory => " [1]",
            Publication::InferSent => " [2]",
            Publication::RandomEncoders => " [3]",
        };
        push(
            page,
            format_args!("| {name}{mark} | {} |", cells.join(" | ")),
        );
    }
    page.push_str(
        "\nAccuracy; MRPC accuracy/F1; SICK-R Pearson; STS-B Pearson/Spearman, both supervised.\n\
         [1] Subramanian et al. 2018, Table 2, transcribed from memory; only the last row's MRPC, \
         SICK and STS-B were compared with a second source. [2] InferSent's README. \
         [3] Wieting and Kiela 2019; MRPC accuracy and STS-B Pearson alone.\n",
    );
}

fn cell(heading: &str, result: Option<&TaskResult>) -> String {
    let Some(result) = result else {
        return "-".to_owned();
    };
    match &result.scores {
        Scores::Relatedness(r) if heading == "SICK-R" => match r.pearson {
            Some(r) => format!("{r:.3}").trim_start_matches('0').to_owned(),
            None => "undefined".to_owned(),
        },
        scores => scores.to_string(),
    }
}

fn other_tasks(page: &mut String, reports: &[Report]) {
    let mut tasks = tasks(reports);
    tasks.retain(|task| COLUMNS.iter().all(|(_, shown)| shown != task));
    if tasks.is_empty() {
        return;
    }
    page.push_str("\n## Other tasks\n\n| |");
    reports
        .iter()
        .for_each(|report| page.push_str(&format!(" {} |", report.embedder.name)));
    page.push_str("\n| --- |");
    page.push_str(&" ---: |".repeat(reports.len()));
    page.push('\n');
    for task in tasks {
        let cells: Vec<String> = reports
            .iter()
            .map(|report| cell(task, report.result(task)))
            .collect();
        push(page, format_args!("| {task} | {} |", cells.join(" | ")));
    }
    page.push_str(
        "\nSimilarity (STS12 to STS16): means over the year's sets of Pearson/Spearman, by cosine.\n",
    );
    for (report, result) in reports
        .iter()
        .flat_map(|report| report.results.iter().map(move |result| (report, result)))
    {
        let Scores::Similarity(found) = &result.scores else {
            continue;
        };
        let [p, s] = [found.pearson, found.spearman];
        push(
            page,
            format_args!(
                "- {}, {}: weighted means {}/{}, pooled {}/{}",
                report.embedder.name,
                result.task,
                hundredths(p.weighted_mean),
                hundredths(s.weighted_mean),
                hundredths(p.pooled),
                hundredths(s.pooled),
            ),
        );
    }
}

/// The tasks in which a model is no better than its random initialisation.
pub fn beaten_by_chance(reports: &[Report]) -> Vec<String> {
    let of = |role| {
        reports
            .iter()
            .filter(move |report| report.embedder.role == role)
    };
    let mut lines = Vec::new();
    for (model, random) in
        of(Role::Model).flat_map(|m| of(Role::RandomInitialisation).map(move |r| (m, r)))
    {
        for result in &model.results {
            let chance = random.result(&result.task).and_then(|r| r.scores.main());
            if let (Some(found), Some(chance)) = (result.scores.main(), chance)
                && found <= chance
            {
                let name = &model.embedder.name;
                lines.push(format!(
                    "{name}, {}: {found:.1}, untrained {chance:.1}",
                    result.task
                ));
            }
        }
    }
    lines
}

fn settings(page: &mut String, report: &Report) {
    let info = &report.embedder;
    push(page, format_args!("\n## {}\n", info.name));
    push(page, format_args!("- identity {}", info.identity));
    info.details
        .iter()
        .for_each(|(k, v)| push(page, format_args!("- {k}: {v}")));
    push(page, format_args!("- classifier {}", report.classifier));
    push(
        page,
        format_args!("- folds {}, lower-cased {}", report.folds, report.lowercase),
    );
    push(page, format_args!("- gensen-eval {}", report.version));
    if !report.results.is_empty() {
        page.push_str("\n| task | score | dev | pooling | width | sentences | seconds | data |\n");
        page.push_str("| --- | ---: | ---: | --- | ---: | ---: | ---: | --- |\n");
    }
    for r in &report.results {
        let dev = match &r.scores {
            Scores::Accuracy { accuracies, .. } => format!("{:.1}", accuracies.dev),
            Scores::Relatedness(r) => hundredths(r.dev_pearson),
            _ => "-".to_owned(),
        };
        push(
            page,
            format_args!(
                "| {} | {} | {dev} | {} | {} | {} | {:.1} | {} |",
                r.task,
                r.scores,
                r.pooling
                    .map_or("-".to_owned(), |pooling| pooling.to_string()),
                r.width,
                r.sentences,
                r.seconds,
                r.data_hash.get(..12).unwrap_or(&r.data_hash),
            ),
        );
    }
    for (title, tasks) in [("Failed", &report.failed), ("Skipped", &report.skipped)] {
        if !tasks.is_empty() {
            push(page, format_args!("\n{title}:\n"));
        }
        for unscored in tasks {
            push(
                page,
                format_args!("- {}: {}", unscored.task, unscored.reason),
            );
        }
    }
}
