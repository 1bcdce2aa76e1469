//! Converters on random text: the output is accepted by its readers, or the input is refused.

use super::tests::Place;
use gensen_data::{LABELS, check_tree};
use proptest::collection::vec;
use proptest::prelude::*;

/// Line ends of Python's `str.splitlines`, which SentEval's loaders of these files use.
const BOUNDARIES: [char; 10] = [
    '\n', '\r', '\x0b', '\x0c', '\x1c', '\x1d', '\x1e', '\u{85}', '\u{2028}', '\u{2029}',
];

/// Troublesome and ordinary bytes.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            "\n",
            "\r\n",
            "\r",
            "\t",
            " ",
            "\0",
            "\x0b",
            "\x0c",
            "\x1c",
            "\x1e",
            "\u{85}",
            "\u{2028}",
            "\u{2029}",
            "\u{feff}",
            "\"",
            ",",
            "'",
            "(",
            ")",
            "A word.",
            "3.5",
            "-",
            "entailment",
            "NEUTRAL",
            "Å",
            "(S (NN a))",
            "HUM:ind Who ?",
            "été",
            "1",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
        vec(any::<u8>(), 0..4),
    ];
    vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

/// A table of random rows under a header line.
fn table(header: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let width = header.split('\t').count();
    let field = prop_oneof![
        Just(b"neutral".to_vec()),
        Just(b"CONTRADICTION".to_vec()),
        Just(b"4.2".to_vec()),
        Just(b"(S (NN a) (VB b))".to_vec()),
        bytes(),
    ];
    vec(vec(field, width..=width), 0..4).prop_map(move |rows| {
        let rows = rows.into_iter().map(|row| row.join(&b'\t'));
        let mut text = header.as_bytes().to_vec();
        for row in rows {
            text.push(b'\n');
            text.extend(row);
        }
        text
    })
}

/// Runs a step. Returns its output unless it refuses the input.
fn take(text: &[u8], step: &str) -> Option<Place> {
    let place = Place::new(&[("t", text)]);
    match place.take(step) {
        Ok(_) => Some(place),
        Err(error) => {
            let said = error.to_string();
            assert!(said.contains("/t"), "no file is named: {said}");
            None
        }
    }
}

fn lines(text: &str, boundaries: &[char]) -> usize {
    let text = text.strip_suffix('\n').unwrap_or(text);
    1 + text.matches(boundaries).count()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn inference_pairs_have_three_columns_and_a_known_label(
        text in table("gold_label\tsentence1\tsentence2")
    ) {
        let step = r#"{ do = "nli", from = "t", to = "o", tokenizer = "moses", lowercase = true }"#;
        if let Some(place) = take(&text, step) {
            for line in place.read("o").lines() {
                let fields: Vec<_> = line.split('\t').collect();
                prop_assert_eq!(fields.len(), 3);
                prop_assert!(LABELS.contains(&fields[2]));
            }
        }
    }

    #[test]
    fn parses_are_whole(text in table("sentence1_parse\tsentence2_parse")) {
        if let Some(place) = take(&text, r#"{ do = "parses", from = ["t"], to = "o" }"#) {
            for line in place.read("o").split_terminator('\n') {
                prop_assert!(matches!(check_tree(line), Ok(true)), "{line}");
            }
        }
    }

    #[test]
    fn transfer_tasks_stay_aligned_line_by_line(
        text in table("gold_label\tsentence1\tsentence2"), pairs in bytes()
    ) {
        let step = r#"{ do = "senteval-snli", from = "t", split = "dev", to = "o" }"#;
        if let Some(place) = take(&text, step) {
            // Read as Latin-1.
            let files = ["o/labels.dev", "o/s1.dev", "o/s2.dev"]
                .map(|name| place.bytes(name).into_iter().map(char::from).collect::<String>());
            let counts = files.map(|text| lines(&text, &BOUNDARIES));
            prop_assert!(counts[0] == counts[1] && counts[0] == counts[2], "{counts:?}");
        }
        let step = r#"{ do = "senteval-sts-table", from = "t", name = "n", to = "o" }"#;
        if let Some(place) = take(&pairs, step) {
            let files = ["o/STS.input.n.txt", "o/STS.gs.n.txt"].map(|name| place.read(name));
            let [pairs, scores] = files.map(|text| lines(&text, &BOUNDARIES));
            prop_assert_eq!(pairs, scores);
        }
    }

    #[test]
    fn tables_of_scores_keep_their_rows(
        sick in table("pair_ID\tsentence_A\tsentence_B\trelatedness_score\tentailment_judgment"),
        text in bytes()
    ) {
        for (step, text, columns) in [
            ("senteval-sick", &sick, 5),
            ("senteval-sts-benchmark", &text, 7),
            ("senteval-sts-benchmark-csv", &text, 7),
        ] {
            let step = format!(r#"{{ do = "{step}", from = "t", to = "o" }}"#);
            if let Some(place) = take(text, &step) {
                let written = place.read("o");
                for line in written.split_terminator(['\n', '\r']) {
                    prop_assert_eq!(line.split('\t').count(), columns, "{}", line);
                }
            }
        }
    }

    #[test]
    fn sentences_and_questions_keep_their_lines(text in bytes()) {
        let given = text.split(|&byte| byte == b'\n').count() - usize::from(text.ends_with(b"\n"));
        let given = if text.is_empty() { 0 } else { given };
        for step in ["senteval-sentences", "senteval-trec"] {
            let step = format!(r#"{{ do = "{step}", from = "t", to = "o" }}"#);
            if let Some(place) = take(&text, &step) {
                let written = place.bytes("o");
                let ends = written.iter().filter(|byte| b"\n\r".contains(byte)).count();
                prop_assert_eq!(ends, given);
            }
        }
    }
}
