//! Sentence splitting with a small Punkt model written for this test. The expected sentences are
//! those of NLTK 3.10 with the same model.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

use std::fs;
use std::ops::Range;

use gensen_data::tokenizer::{Nltk, Punkt, Resources, Tokens, by_name};
use tempfile::TempDir;

fn model() -> TempDir {
    let root = TempDir::new().unwrap();
    let folder = root.path().join("english");
    fs::create_dir(&folder).unwrap();
    for (name, text) in [
        ("abbrev_types.txt", "dr\netc\np.m\nvol\n"),
        ("collocations.tab", "##number##\tmai\nst\tives\n"),
        ("sent_starters.txt", "however\nthe\n"),
        (
            "ortho_context.tab",
            "the\t48\nsmith\t12\nhe\t114\nrain\t96\nives\t4\n",
        ),
    ] {
        fs::write(folder.join(name), text).unwrap();
    }
    root
}

#[test]
fn tokenizer_punkt_splits_as_nltk_does() {
    let root = model();
    let punkt = Punkt::read(&root.path().join("english")).unwrap();
    let cases: [(&str, &[&str]); 9] = [
        (
            "Dr. Smith came at 5 p.m. The rain fell.",
            &["Dr. Smith came at 5 p.m.", "The rain fell."],
        ),
        (
            "He left etc. However, he came back.",
            &["He left etc.", "However, he came back."],
        ),
        (
            "He lives in St. Ives. (It rains.) \"Yes!\" He went.",
            &[
                "He lives in St. Ives.",
                "(It rains.)",
                "\"Yes!\"",
                "He went.",
            ],
        ),
        (
            "It was No. 5. He saw J. Smith. A. B. Smith too?! Yes...  no. Rain, etc. and more.",
            &[
                "It was No.",
                "5.",
                "He saw J. Smith.",
                "A. B. Smith too?!",
                "Yes...  no.",
                "Rain, etc. and more.",
            ],
        ),
        (
            "  One.Two. Three!\t‘Four?’ Five -- six.",
            &["  One.Two.", "Three!", "‘Four?’", "Five -- six."],
        ),
        (
            "On the 3. mai he came. On the 3. Rain fell.",
            &["On the 3. mai he came.", "On the 3.", "Rain fell."],
        ),
        (
            "Wait... what? ... Yes. . . . No.\nNew line. here",
            &[
                "Wait... what?",
                "... Yes.",
                ".",
                ".",
                ".",
                "No.",
                "New line.",
                "here",
            ],
        ),
        ("", &[]),
        ("   ", &[]),
    ];
    for (text, expected) in cases {
        let found: Vec<&str> = punkt
            .sentences(text)
            .into_iter()
            .map(|s| &text[s])
            .collect();
        assert_eq!(found, expected, "{text:?}");
    }
}

#[test]
fn tokenizer_nltk_tokenizes_each_sentence() {
    let root = model();
    let (mut tokens, mut offsets) = (Tokens::default(), Vec::<Range<usize>>::new());
    let nltk = Nltk::with_punkt(&root.path().join("english")).unwrap();
    let line = "Dr. Ives left. \"So?\"";
    nltk.tokenize_with_offsets(line, &mut tokens, &mut offsets);
    let words: Vec<&str> = tokens.iter().collect();
    assert_eq!(words, ["Dr.", "Ives", "left", ".", "``", "So", "?", "''"]);
    assert_eq!(
        offsets,
        [0..3, 4..8, 9..13, 13..14, 15..16, 16..18, 18..19, 19..20]
    );

    let resources = Resources {
        punkt: Some(root.path().to_owned()),
        ..Resources::default()
    };
    let mut again = Tokens::default();
    by_name("nltk", "en", &resources)
        .unwrap()
        .tokenize(line, &mut again);
    assert_eq!(tokens, again);
}

#[test]
fn tokenizer_punkt_names_the_wrong_line() {
    let root = model();
    let file = root.path().join("english/ortho_context.tab");
    fs::write(&file, "the\t48\nsmith\ttwelve\n").unwrap();
    let message = Punkt::read(&root.path().join("english"))
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("ortho_context.tab, line 2") && message.contains("twelve"),
        "{message}"
    );

    fs::remove_file(&file).unwrap();
    let message = Punkt::read(&root.path().join("english"))
        .unwrap_err()
        .to_string();
    assert!(message.contains("ortho_context.tab"), "{message}");
}

#[test]
fn tokenizer_names_that_are_unknown_list_the_known_ones() {
    for name in ["mosses", "moses+bold", "nltk+x", "ptb+", ""] {
        let message = by_name(name, "en", &Resources::default())
            .err()
            .unwrap()
            .to_string();
        assert!(
            message.contains("moses+no-escape") && message.contains("ptb"),
            "{message}"
        );
    }
    let message = by_name("moses", "it", &Resources::default())
        .err()
        .unwrap()
        .to_string();
    assert!(
        message.contains("`it`") && message.contains("en, fr or de"),
        "{message}"
    );
}
