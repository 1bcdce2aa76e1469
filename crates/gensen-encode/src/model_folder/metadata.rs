//! The YAML metadata of a model card, which the hub uses to find and compare models.

use std::fmt::Write as _;

/// Metadata to add to a card. Empty fields leave the card's own values.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CardMetadata {
    /// Language codes: `en`.
    pub languages: Vec<String>,
    /// The licence by the hub's identifier: `cc-by-4.0`, `other`.
    pub licence: Option<String>,
    /// Training data sets on the hub: `owner/name`.
    pub datasets: Vec<String>,
    /// The model's name, shown with its results.
    pub name: String,
    /// Evaluation results.
    pub results: Vec<CardResult>,
}

/// A model's results on one data set.
#[derive(Clone, Debug, PartialEq)]
pub struct CardResult {
    /// The kind of task by the hub's identifier: `sentence-similarity`.
    pub task: &'static str,
    /// The data set's name.
    pub dataset: String,
    /// Metrics: the hub's identifier (`pearson`), the display name, and the value.
    pub metrics: Vec<(&'static str, String, f64)>,
}

impl CardMetadata {
    /// `card` with this metadata in its block at the top, which is added if missing. Other keys of
    /// the block and the text below it stay.
    pub fn add_to(&self, card: &str) -> String {
        let blocks = self.blocks();
        let (old, text) = split(card);
        let mut page = String::from("---\n");
        let mut kept = true;
        for line in old.lines() {
            // Lines that begin with white space, `-` or `#` continue the value of the key above.
            if !line.starts_with([' ', '-', '#', '\t']) {
                let key = line.split(':').next().unwrap_or(line);
                kept = !blocks.iter().any(|(new, _)| *new == key);
            }
            if kept {
                page.extend([line, "\n"]);
            }
        }
        page.extend(blocks.into_iter().map(|(_, block)| block));
        page.push_str("---\n");
        page.push_str(text);
        page
    }

    /// The keys to write and their lines.
    fn blocks(&self) -> Vec<(&'static str, String)> {
        let list = |key, values: &[String]| {
            let lines = values.iter().map(|value| format!("- {}\n", quoted(value)));
            (key, format!("{key}:\n{}", lines.collect::<String>()))
        };
        let mut blocks = Vec::new();
        if !self.languages.is_empty() {
            blocks.push(list("language", &self.languages));
        }
        if let Some(licence) = &self.licence {
            blocks.push(("license", format!("license: {}\n", quoted(licence))));
        }
        if !self.datasets.is_empty() {
            blocks.push(list("datasets", &self.datasets));
        }
        if !self.results.is_empty() {
            blocks.push(("model-index", self.index()));
        }
        blocks
    }

    fn index(&self) -> String {
        let mut text = String::new();
        // Writing to a `String` cannot fail.
        let _ = writeln!(
            text,
            "model-index:\n- name: {}\n  results:",
            quoted(&self.name)
        );
        for result in &self.results {
            let (task, dataset) = (result.task, quoted(&result.dataset));
            let _ = writeln!(
                text,
                "  - task:\n      type: {task}\n    dataset:\n      name: {dataset}\n      \
                 type: {dataset}\n    metrics:"
            );
            for (kind, name, value) in &result.metrics {
                let name = quoted(name);
                let _ = writeln!(
                    text,
                    "    - type: {kind}\n      name: {name}\n      value: {value:.4}"
                );
            }
        }
        text
    }
}

/// The metadata block without its `---` lines, and the text below it.
fn split(card: &str) -> (&str, &str) {
    let Some(rest) = card.strip_prefix("---\n") else {
        return ("", card);
    };
    match rest.split_once("\n---\n") {
        Some((block, text)) => (block, text),
        None => ("", card),
    }
}

/// A quoted YAML string; JSON's syntax is valid YAML.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata() -> CardMetadata {
        CardMetadata {
            languages: vec!["en".into()],
            licence: Some("cc-by-4.0".into()),
            datasets: Vec::new(),
            name: "a: \"b\"".into(),
            results: vec![CardResult {
                task: "sentence-similarity",
                dataset: "STSBenchmark".into(),
                metrics: vec![("pearson", "Pearson x 100".into(), 79.25)],
            }],
        }
    }

    #[test]
    fn new_keys_replace_old_ones_and_others_stay() {
        let card = "---\nlicense: mit\nlanguage:\n- de\n- fr\ndatasets:\n  - x/y\ntags:\n- gensen\n---\n\n# Title\n---\n";
        let expected = "---\ndatasets:\n  - x/y\ntags:\n- gensen\n\
            language:\n- \"en\"\nlicense: \"cc-by-4.0\"\n\
            model-index:\n- name: \"a: \\\"b\\\"\"\n  results:\n  - task:\n      type: sentence-similarity\n    \
            dataset:\n      name: \"STSBenchmark\"\n      type: \"STSBenchmark\"\n    metrics:\n    \
            - type: pearson\n      name: \"Pearson x 100\"\n      value: 79.2500\n\
            ---\n\n# Title\n---\n";
        assert_eq!(metadata().add_to(card), expected);
        // Adding it again is a no-op.
        assert_eq!(metadata().add_to(expected), expected);
    }

    #[test]
    fn a_card_without_a_block_gets_one() {
        let metadata = CardMetadata {
            licence: Some("mit".into()),
            ..CardMetadata::default()
        };
        assert_eq!(
            metadata.add_to("# T\n"),
            "---\nlicense: \"mit\"\n---\n# T\n"
        );
        assert_eq!(
            CardMetadata::default().add_to("---\na: b\n---\n"),
            "---\na: b\n---\n"
        );
    }
}
