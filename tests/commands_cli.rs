//! Completions, manual pages, configurations and training from the program `gensen`.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs
)]

mod program;

use std::fs;

use program::{Home, ends_quietly, text};

#[test]
fn completions_know_commands_options_and_values() {
    let home = Home::new();
    for (shell, parts) in [
        ("bash", ["_gensen()", "--hidden-states", "max-padded"]),
        ("zsh", ["#compdef gensen", "--hidden-states", "max-padded"]),
        (
            "fish",
            ["complete -c gensen", "hidden-states", "max-padded"],
        ),
    ] {
        let script = text(&home.run(&["completions", shell], b"").stdout);
        for part in parts {
            assert!(script.contains(part), "{shell}: no {part}");
        }
    }
    home.refused(
        &["completions", "cmd"],
        b"",
        2,
        &["cmd", "bash", "zsh", "fish"],
    );
    ends_quietly(&mut home.command(&["completions", "bash"]));
}

/// Bash accepts the script, and it completes commands.
#[cfg(target_os = "linux")]
#[test]
fn bash_completes() {
    let home = Home::new();
    let script = home.run(&["completions", "bash"], b"").stdout;
    fs::write(home.path("gensen.bash"), script).unwrap();
    let complete = "source gensen.bash; COMP_WORDS=(gensen emb); COMP_CWORD=1; \
                    _gensen gensen emb gensen; echo ${COMPREPLY[@]}";
    let output = std::process::Command::new("bash")
        .args(["--norc", "-c", complete])
        .current_dir(home.path("."))
        .output()
        .unwrap();
    assert_eq!(text(&output.stdout), "embed\n", "{}", text(&output.stderr));
}

#[cfg(feature = "burn")]
#[test]
fn the_trainers_help_names_this_program() {
    let home = Home::new();
    for command in ["export", "check"] {
        let help = text(&home.run(&["train", command, "--help"], b"").stdout);
        assert!(
            help.contains(&format!("\n  gensen train {command} ")),
            "{help}"
        );
        assert!(!help.contains("gensen-train"), "{help}");
    }
}

#[test]
fn every_command_has_a_manual_page() {
    let home = Home::new();
    let said = text(&home.run(&["man", "man1"], b"").stdout);
    let mut pages: Vec<String> = fs::read_dir(home.path("man1"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    pages.sort();
    assert_eq!(said, format!("{} pages in man1\n", pages.len()));
    for page in [
        "gensen.1",
        "gensen-embed.1",
        "gensen-eval.1",
        "gensen-man.1",
    ] {
        assert!(pages.iter().any(|found| found == page), "{page}: {pages:?}");
    }
    let page = fs::read_to_string(home.path("man1/gensen-embed.1")).unwrap();
    for part in [
        ".TH gensen-embed",
        "gensen embed",
        "hidden\\-states",
        "Examples:",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }

    // Pages of an earlier release are replaced. If a file is not one of our pages, nothing is written.
    fs::write(
        home.path("man1/gensen-embed.1"),
        ".TH gensen-embed 1\nold\n",
    )
    .unwrap();
    home.run(&["man", "man1"], b"");
    assert_eq!(
        fs::read_to_string(home.path("man1/gensen-embed.1")).unwrap(),
        page
    );
    fs::create_dir(home.path("mine")).unwrap();
    fs::write(home.path("mine/gensen.1"), "my notes\n").unwrap();
    home.refused(&["man", "mine"], b"", 1, &["mine/gensen.1", "not replaced"]);
    assert_eq!(fs::read_dir(home.path("mine")).unwrap().count(), 1);
    assert_eq!(
        fs::read_to_string(home.path("mine/gensen.1")).unwrap(),
        "my notes\n"
    );
}

#[cfg(feature = "burn")]
mod training {
    use super::*;

    const CONFIG: &str = "[run]\nname = \"mine\"\n[training]\nsteps = 7\nbatch_size = 4\n\
                          [[task]]\nname = \"fr-en\"\nkind = \"translation\"\ntrain = \"a.tsv\"\n";

    #[test]
    fn a_configuration_is_checked_with_its_inputs() {
        let home = Home::new();
        fs::write(home.path("mine.toml"), CONFIG).unwrap();
        let check = ["config", "check", "mine.toml"];
        home.refused(&check, b"", 1, &["fr-en", "a.tsv", "does not exist"]);
        fs::write(home.path("a.tsv"), "a\tb\n").unwrap();
        let said = text(&home.run(&check, b"").stdout);
        let expected =
            "mine.toml: valid; run `mine` in runs/mine, 7 steps of 4 sentences (fr-en)\n";
        assert_eq!(said, expected);
        let set = [&check[..], &["--set", "training.steps=0"]].concat();
        home.refused(&set, b"", 2, &["training.steps"]);
        fs::write(home.path("wrong.toml"), CONFIG.replace("steps", "step")).unwrap();
        let wrong = ["config", "check", "wrong.toml"];
        home.refused(&wrong, b"", 2, &["wrong.toml", "step", "line 4"]);
        home.refused(
            &["config", "check", "absent.toml"],
            b"",
            2,
            &["absent.toml"],
        );
    }

    #[test]
    fn a_printed_configuration_explains_every_key_and_is_one() {
        let home = Home::new();
        fs::write(home.path("mine.toml"), CONFIG).unwrap();
        let print = ["config", "print", "mine.toml", "--set", "model.layers=2"];
        let printed = home.run(&print, b"").stdout;
        let page = text(&printed);
        for part in [
            "# Encoder layers.\nlayers = 2\n",
            "# Gradients are scaled down to this global norm.\nclip_norm = 1.0\n",
            "# The run's own folder. Default: `runs/NAME`.\n# folder =\n",
            "train = [\"a.tsv\"]\n",
        ] {
            assert!(page.contains(part), "{part} is not in\n{page}");
        }
        // Printing the result again is a no-op.
        fs::write(home.path("again.toml"), &printed).unwrap();
        let again = home.run(&["config", "print", "again.toml"], b"").stdout;
        assert_eq!(text(&again), page);
        let sample = text(&home.run(&["config", "print"], b"").stdout);
        assert!(sample.contains("name = \"sample\""), "{sample}");
    }

    #[test]
    fn train_is_the_trainer() {
        let home = Home::new();
        let small = [
            "train",
            "--set",
            "training.steps=2",
            "--set",
            "model.hidden_size=16",
            "--set",
            "model.embedding_size=8",
            "--set",
            "run.folder=r",
            "--device",
            "cpu",
        ];
        let output = home.gensen(&small, b"");
        let message = text(&output.stderr);
        assert!(output.status.success(), "{message}");
        assert!(
            text(&output.stdout).contains("finished 2 steps"),
            "{message}"
        );
        let export = ["train", "export", "--run", "r", "--output", "m"];
        assert_eq!(text(&home.gensen(&export, b"").stdout), "m\n");

        // `inspect` shows the outputs of a run.
        let inspect = |path: &str| text(&home.run(&["inspect", path], b"").stdout);
        let run = inspect("r");
        for part in [
            "training run r",
            "latest step 2",
            "fr-en\tvalidation",
            "its model is r/model",
        ] {
            assert!(run.contains(part), "{part}: {run}");
        }
        let events = fs::read_dir(home.path("r"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name());
        let events = events.filter_map(|name| name.into_string().ok());
        let events: Vec<String> = events.filter(|name| name.contains("tfevents")).collect();
        assert_eq!(events.len(), 1, "{events:?}");
        let step = "r/checkpoints/step-00000002";
        for (file, expected) in [
            (events[0].as_str(), "TensorBoard events, "),
            ("config.toml", "training configuration: run `sample`"),
            ("vocab/source.txt", "vocabulary, "),
            ("metrics.jsonl", "metrics of a training run, "),
            ("curves.svg", "SVG picture, "),
            ("log.txt", "text, "),
            ("best", "text, 1 lines"),
            ("model/config.json", "JSON\nformat_version\t1"),
            ("model/README.md", "text, "),
        ] {
            let shown = inspect(&format!("r/{file}"));
            assert!(shown.starts_with(expected), "{file}: {shown}");
        }
        assert!(inspect(step).starts_with("checkpoint of step 2\nsafetensors, "));
        for (file, expected) in [
            ("manifest.json", "JSON\nformat_version\t1"),
            ("state.json", "JSON\n"),
            ("optimizer.safetensors", "safetensors, "),
        ] {
            let shown = inspect(&format!("{step}/{file}"));
            assert!(shown.starts_with(expected), "{file}: {shown}");
        }
        let mut shards = vec![home.path("r/shards")];
        let mut seen = 0;
        while let Some(folder) = shards.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap().to_str().unwrap().to_owned();
                if path.is_dir() {
                    shards.push(path);
                } else if !name.starts_with('.') {
                    let shown = inspect(path.to_str().unwrap());
                    let kinds = ["prepared training data, ", "vocabulary, ", "JSON\n"];
                    let known = kinds.iter().any(|kind| shown.starts_with(kind));
                    assert!(known, "{name}: {shown}");
                    seen += 1;
                }
            }
        }
        assert!(seen > 20, "{seen}");

        home.refused(
            &["train", "--set", "training.step=1"],
            b"",
            2,
            &["training.step"],
        );
        if !cfg!(feature = "tui") {
            home.refused(&["train", "--tui"], b"", 2, &["--tui", "--features tui"]);
        }
    }
}
