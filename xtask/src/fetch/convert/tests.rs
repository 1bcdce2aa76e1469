//! Conversions of small texts, in the format of each source.

use super::*;
use std::fs;

pub(super) struct Place {
    folder: tempfile::TempDir,
    downloads: HashMap<String, (PathBuf, String)>,
}

impl Place {
    pub(super) fn new(files: &[(&str, &[u8])]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut downloads = HashMap::new();
        for (name, bytes) in files {
            let path = folder.path().join("downloads").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, bytes).unwrap();
            downloads.insert((*name).to_owned(), (path, format!("http://host/{name}")));
        }
        Self { folder, downloads }
    }

    /// Runs steps in the catalogue's syntax; returns the notes.
    pub(super) fn take(&self, steps: &str) -> Result<Vec<String>> {
        #[derive(Deserialize)]
        struct Steps {
            steps: Vec<Step>,
        }
        let steps: Steps = toml::from_str(&format!("steps = [{steps}]")).unwrap();
        let work = Workplace {
            root: &self.folder.path().join("data"),
            stage: &self.folder.path().join("stage"),
            downloads: self.downloads.clone(),
            notes: RefCell::default(),
        };
        for step in &steps.steps {
            work.take(step)?;
        }
        Ok(work.notes.into_inner())
    }

    pub(super) fn read(&self, name: &str) -> String {
        String::from_utf8(self.bytes(name)).unwrap()
    }

    pub(super) fn bytes(&self, name: &str) -> Vec<u8> {
        fs::read(self.folder.path().join("stage").join(name)).unwrap()
    }
}

const SNLI: &str = "gold_label\tsentence1_parse\tsentence2_parse\tsentence1\tsentence2\tpairID\r\n\
    neutral\t(ROOT (NP (NNS Dogs)))\t(ROOT (NP (NNS Cats)))\tDogs, and \"cats\".\tCats aren't dogs.\t1\r\n\
    -\t(ROOT (NP (NNS Dogs)))\t(ROOT (NP (DT A) (NN dog)))\tDogs.\tA dog.\t2\r\n\
    entailment\t(ROOT (NP (NNS Dogs)))\t(ROOT (NP (NNS Cats)))\tDogs\u{2028}run.\tCats\u{a0}run.\t3";

#[test]
fn snli_becomes_three_columns_and_loses_rows_without_label() {
    let place = Place::new(&[("t.txt", SNLI.as_bytes())]);
    let notes = place
        .take(r#"{ do = "nli", from = "t.txt", to = "snli/t.tsv", tokenizer = "moses", lowercase = true }"#)
        .unwrap();
    assert_eq!(
        place.read("snli/t.tsv"),
        "dogs , and &quot; cats &quot; .\tcats aren &apos;t dogs .\tneutral\n\
         dogs run .\tcats run .\tentailment\n"
    );
    assert_eq!(
        notes,
        [
            "t.txt: 1 rows without a label left out",
            "t.txt: 3 lines ended in CR LF"
        ]
    );
}

#[test]
fn labels_in_capitals_and_rows_without_their_last_columns_are_taken() {
    let text = "gold_label\tsentence1\tsentence2\tpairID\nNEUTRAL\ta\tb\nEntailment\tc\td\t7\n";
    let place = Place::new(&[("t.txt", text.as_bytes())]);
    place
        .take(
            r#"{ do = "nli", from = "t.txt", to = "t.tsv", tokenizer = "whitespace", lowercase = false },
               { do = "senteval-snli", from = "t.txt", split = "dev", to = "SNLI" }"#,
        )
        .unwrap();
    assert_eq!(place.read("t.tsv"), "a\tb\tneutral\nc\td\tentailment\n");
    assert_eq!(place.read("SNLI/labels.dev"), "neutral\nentailment\n");
}

#[test]
fn what_the_evaluation_would_refuse_is_refused_when_it_is_converted() {
    let sick = "pair_ID\tsentence_A\tsentence_B\trelatedness_score\tentailment_judgment\n";
    for (step, text, said) in [
        (
            "senteval-sick",
            format!("{sick}1\ta\tb\t5.5\tNEUTRAL\n"),
            "t:2: score '5.5', expected",
        ),
        (
            "senteval-sick",
            format!("{sick}1\ta\tb\t\tNEUTRAL\n"),
            "t:2: score '', expected",
        ),
        (
            "senteval-sick",
            format!("{sick}1\ta\tb\t3\tMAYBE\n"),
            "t:2: label 'MAYBE', expected",
        ),
        (
            "senteval-sts-benchmark",
            "g\tf\ty\t1\tnan\ta\tb\n".into(),
            "t:1: score 'nan', expected",
        ),
        (
            "senteval-sts-benchmark-csv",
            "a,b,x\n".into(),
            "t:1: score 'x', expected",
        ),
        (
            "senteval-trec",
            "HUM:ind\n".into(),
            "t:1: expected 'CLASS:subclass question'",
        ),
    ] {
        let place = Place::new(&[("t", text.as_bytes())]);
        let step = format!(r#"{{ do = "{step}", from = "t", to = "o" }}"#);
        let error = place.take(&step).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn distinct_parses_are_written_once() {
    let place = Place::new(&[
        ("t.txt", SNLI.as_bytes()),
        (
            "u.txt",
            SNLI.replacen("(ROOT (NP (NNS Dogs)))", "n/a", 1)
                .replacen("(NNS Cats)", "(NNS Cats", 1)
                .as_bytes(),
        ),
    ]);
    let notes = place
        .take(r#"{ do = "parses", from = ["t.txt", "u.txt"], to = "t.mrg" }"#)
        .unwrap();
    assert!(notes.contains(&"u.txt: 2 sentences without a whole parse left out".to_owned()));
    assert_eq!(
        place.read("t.mrg"),
        "(ROOT (NP (NNS Dogs)))\n(ROOT (NP (NNS Cats)))\n(ROOT (NP (DT A) (NN dog)))\n"
    );
}

#[test]
fn faults_of_tables_are_named_with_their_line() {
    for (from, to, expected) in [
        (
            "neutral",
            "neutrall",
            "t.txt:2: label `neutrall`, expected entailment",
        ),
        (
            "gold_label",
            "label",
            "t.txt:1: the header line has no column 'gold_label'",
        ),
        (
            "\tA dog.\t2",
            "",
            "t.txt:3: the row has 4 columns, expected at least 5",
        ),
        (
            "\t2\r",
            "\t2\tneutral\r",
            "t.txt:3: the row has 7 columns, but the header line has 6",
        ),
    ] {
        let place = Place::new(&[("t.txt", SNLI.replacen(from, to, 1).as_bytes())]);
        let error = place
            .take(r#"{ do = "nli", from = "t.txt", to = "t", tokenizer = "whitespace", lowercase = false }"#)
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{error}");
    }
}

fn split(train: &str) -> String {
    format!(
        r#"{{ do = "parallel", from = ["a", "b"], to = "nmt", languages = ["en", "de"],
             tokenizer = "moses", lowercase = true, dev = 10, seed = 42{train} }}"#
    )
}

fn parallel_place() -> Place {
    let text = |language: &str, from: usize, to: usize| -> String {
        (from..to)
            .map(|i| format!("{language} number {i}, Ä\t\"x\".\n"))
            .collect()
    };
    Place::new(&[
        ("a.en", text("English", 0, 300).as_bytes()),
        ("a.de", text("German", 0, 300).as_bytes()),
        // No final line break, and a line in another encoding.
        (
            "b.en",
            (text("English", 300, 400) + "English number 400").as_bytes(),
        ),
        (
            "b.de",
            [
                text("German", 300, 400).as_bytes(),
                b"German number 400 \xfc",
            ]
            .concat()
            .as_slice(),
        ),
    ])
}

#[test]
fn pairs_stay_pairs_and_the_sizes_are_right() {
    let place = parallel_place();
    let notes = place.take(&split("")).unwrap();
    assert_eq!(
        notes,
        ["b.de: 1 lines were not UTF-8, read as Windows-1252"]
    );
    let read = |name: &str| {
        place
            .read(name)
            .lines()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let (train, dev) = (read("nmt/train.en"), read("nmt/dev.en"));
    assert_eq!((train.len(), dev.len()), (391, 10));
    for (english, german) in [(train, read("nmt/train.de")), (dev, read("nmt/dev.de"))] {
        for (english, german) in english.iter().zip(&german) {
            let number = |line: &str| line.split(' ').nth(2).unwrap().to_owned();
            assert!(english.starts_with("english number ") && german.starts_with("german number "));
            assert_eq!(number(english), number(german));
        }
        assert_eq!(english.len(), german.len());
    }
    assert!(place.read("nmt/train.en").starts_with("english number "));
    assert!(
        place
            .read("nmt/train.en")
            .contains(" , ä &quot; x &quot; .\n")
    );
    let whole = place.read("nmt/train.de") + &place.read("nmt/dev.de");
    assert!(whole.contains("german number 400 ü\n"));
}

#[test]
fn the_same_seed_holds_out_the_same_pairs() {
    let (first, second) = (parallel_place(), parallel_place());
    first.take(&split("")).unwrap();
    second.take(&split("")).unwrap();
    assert_eq!(first.read("nmt/dev.en"), second.read("nmt/dev.en"));
    let other = parallel_place();
    other.take(&split("").replace("42", "43")).unwrap();
    assert_ne!(first.read("nmt/dev.en"), other.read("nmt/dev.en"));
}

#[test]
fn more_pairs_than_wanted_are_thinned_out_and_fewer_refused() {
    let place = parallel_place();
    let notes = place.take(&split(", train = 350")).unwrap();
    assert!(notes[0].contains("41 of 401 pairs left out"), "{notes:?}");
    assert_eq!(place.read("nmt/train.de").lines().count(), 350);
    let error = parallel_place()
        .take(&split(", train = 392"))
        .unwrap_err()
        .to_string();
    assert!(error.contains("there are 401 in a, b"), "{error}");
}

#[test]
fn texts_that_are_not_aligned_are_refused() {
    let place = Place::new(&[
        ("a.en", b"1\n2\n"),
        ("a.de", b"1\n"),
        ("b.en", b""),
        ("b.de", b""),
    ]);
    let error = place.take(&split("")).unwrap_err().to_string();
    assert!(error.contains("it has 2 lines and a.de has 1"), "{error}");
}

const PARQUET: &str =
    r#"{ do = "parquet-columns", from = ["x"], columns = ["en", "de"], to = ["o.en", "o.de"] }"#;

#[test]
fn parquet_of_several_forms_is_read() {
    for (bytes, rows) in [
        (
            &include_bytes!("../../../tests/data/snappy.parquet")[..],
            1000,
        ),
        (include_bytes!("../../../tests/data/gzip_v2.parquet"), 1000),
        (include_bytes!("../../../tests/data/plain.parquet"), 200),
        (include_bytes!("../../../tests/data/small.parquet"), 60),
        (include_bytes!("../../../tests/data/zstd.parquet"), 60),
        (
            include_bytes!("../../../tests/data/zstd_delta_v2.parquet"),
            200,
        ),
        (include_bytes!("../../../tests/data/delta.parquet"), 60),
        (
            include_bytes!("../../../tests/data/delta_length.parquet"),
            60,
        ),
    ] {
        let place = Place::new(&[("x", bytes)]);
        let notes = place.take(PARQUET).unwrap();
        assert_eq!(
            notes,
            [format!(
                "o.de: {} missing values, now empty lines",
                rows / 50
            )]
        );
        let (english, german) = (place.read("o.en"), place.read("o.de"));
        for (i, (english, german)) in english.lines().zip(german.lines()).enumerate() {
            let expected = if i == 1 {
                "two lines".into()
            } else {
                format!("Sentence {i} is nice.")
            };
            assert_eq!(english, expected);
            let expected = if i % 50 == 49 {
                String::new()
            } else {
                format!("Satz {} ist schön.", i % 70)
            };
            assert_eq!(german, expected);
        }
        assert_eq!(
            (english.lines().count(), german.lines().count()),
            (rows, rows)
        );
    }
}

#[test]
fn parquet_that_cannot_be_read_is_refused_by_name() {
    for (bytes, said) in [
        (
            &include_bytes!("../../../tests/data/brotli.parquet")[..],
            "brotli",
        ),
        (
            include_bytes!("../../../tests/data/no_text.parquet"),
            "column 'en' is not of text",
        ),
        (b"PAR1 but not really", "x: as Parquet: "),
        (b"\xff\xff\xff\x7fPAR1", "x: as Parquet: "),
        (b"", "x: as Parquet: "),
    ] {
        let error = Place::new(&[("x", bytes)])
            .take(PARQUET)
            .unwrap_err()
            .to_string();
        assert!(error.contains(said), "{error}");
    }
    for (bytes, column, said) in [
        (
            &include_bytes!("../../../tests/data/small.parquet")[..],
            "fr",
            "no column 'fr'",
        ),
        (
            include_bytes!("../../../tests/data/no_text.parquet"),
            "element",
            "column 'element' is not of text",
        ),
    ] {
        let error = Place::new(&[("x", bytes)])
            .take(&PARQUET.replace("\"en\"", &format!("{column:?}")))
            .unwrap_err()
            .to_string();
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn damaged_parquet_is_an_error_or_read_and_never_aborts() {
    for whole in [
        &include_bytes!("../../../tests/data/small.parquet")[..],
        include_bytes!("../../../tests/data/zstd.parquet"),
        include_bytes!("../../../tests/data/delta.parquet"),
        include_bytes!("../../../tests/data/delta_length.parquet"),
    ] {
        let place = Place::new(&[("x", whole)]);
        let mut refused = 0;
        for i in 0..whole.len() {
            let mut bytes = whole.to_vec();
            bytes[i] ^= [0x55, 0x80, 0xff][i % 3];
            fs::write(&place.downloads["x"].0, bytes).unwrap();
            refused += usize::from(place.take(PARQUET).is_err());
        }
        assert!(refused > whole.len() / 8, "{refused} of {}", whole.len());
    }
}

#[test]
fn books_get_a_paragraph_a_line() {
    let place = Place::new(&[]);
    let folder = place.folder.path().join("data/raw/train");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("8.txt"), "\u{feff}\n \n").unwrap();
    fs::write(folder.join("._7.txt"), "a Macintosh's").unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink("..", folder.join("around")).unwrap();
    fs::write(
        folder.join("7.txt"),
        "\u{feff}  THE TITLE\r\n\r\n\r\nIt was a\r\n  dark night.\r\n \r\nThe end.",
    )
    .unwrap();
    let notes = place
        .take(r#"{ do = "books", from = "raw", to = "pg" }"#)
        .unwrap();
    assert_eq!(notes, ["train/8.txt: a book without text left out"]);
    let books = gensen_data::files::below(&place.folder.path().join("stage"), |_| true).unwrap();
    assert_eq!(books.len(), 1, "{books:?}");
    assert_eq!(
        place.read("pg/train/7.txt"),
        "THE TITLE\nIt was a dark night.\nThe end.\n"
    );
}

#[test]
fn sentences_are_made_visible_and_put_into_penn_treebank_words() {
    let place = Place::new(&[("mr.pos", b"it's \"good\" , caf\xe9 .\nlast (one)")]);
    place
        .take(r#"{ do = "senteval-sentences", from = "mr.pos", to = "MR/mr.pos" }"#)
        .unwrap();
    assert_eq!(
        place.read("MR/mr.pos"),
        "it 's `` good '' , cafM-i .\nlast ( one )\n"
    );
}

#[test]
fn trec_keeps_its_encoding_and_loses_its_quotes() {
    let place = Place::new(&[(
        "t",
        b"NUM:date When did `` caf\xe9 ''\ropen ?\nDESC:def What 's x ?\n",
    )]);
    place
        .take(r#"{ do = "senteval-trec", from = "t", to = "TREC/t" }"#)
        .unwrap();
    let bytes = fs::read(place.folder.path().join("stage/TREC/t")).unwrap();
    assert_eq!(
        bytes,
        b"NUM:date When did  caf\xe9  open ?\nDESC:def What s x ?\n"
    );
    let error = Place::new(&[("t", b"<html>\n")])
        .take(r#"{ do = "senteval-trec", from = "t", to = "TREC/t" }"#)
        .unwrap_err()
        .to_string();
    assert!(error.contains("t:1: expected"), "{error}");
}

#[test]
fn sick_keeps_its_header_and_case() {
    let text = "pair_ID\tsentence_A\tsentence_B\trelatedness_score\tentailment_judgment\r\n\
        4\tA dog isn't running, \"is\" it?\tDogs & cats\t3.6\tNEUTRAL\r\n";
    let place = Place::new(&[("s", text.as_bytes())]);
    place
        .take(r#"{ do = "senteval-sick", from = "s", to = "SICK/s" }"#)
        .unwrap();
    assert_eq!(
        place.read("SICK/s"),
        "pair_ID\tsentence_A\tsentence_B\trelatedness_score\tentailment_judgment\n\
         4\tA dog isn 't running , \" is \" it ?\tDogs & cats\t3.6\tNEUTRAL\n"
    );
}

#[test]
fn unrated_pairs_keep_an_empty_line() {
    let table = "3.80\tA Dog runs.\tDogs run.\n\tUnrated, this.\tone\n0\ta\tb\textra\n";
    let place = Place::new(&[
        ("table", table.as_bytes()),
        (
            "input",
            b"A Dog runs.\tDogs run.\nUnrated, this.\tone\na\tb\n",
        ),
        ("gold", b"3.80\n\n0\n"),
    ]);
    place
        .take(
            r#"{ do = "senteval-sts-table", from = "table", name = "x", to = "one" },
               { do = "senteval-sts", input = "input", gold = "gold", name = "x", to = "two" }"#,
        )
        .unwrap();
    assert_eq!(
        place.read("one/STS.input.x.txt"),
        "a dog runs .\tdogs run .\nunrated , this .\tone\na\tb\n"
    );
    assert_eq!(place.read("one/STS.gs.x.txt"), "3.80\n\n0\n");
    for name in ["STS.input.x.txt", "STS.gs.x.txt"] {
        assert_eq!(
            place.read(&format!("one/{name}")),
            place.read(&format!("two/{name}"))
        );
    }
    let step = r#"{ do = "senteval-sts", input = "input", gold = "gold", name = "x", to = "two" }"#;
    for (gold, said) in [
        ("3.80\n0\n", "2 scores for 3 pairs"),
        ("3.80\n7\n0\n", "gold:2: score '7', expected"),
    ] {
        let place = Place::new(&[("input", b"a\tb\na\tb\na\tb\n"), ("gold", gold.as_bytes())]);
        let error = place.take(step).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn the_sts_benchmark_is_made_from_either_source() {
    let place = Place::new(&[
        (
            "tsv",
            b"genre\tfile\t2012test\t1\t2.500\tA \"Man\".\tmen, too\tsource one\tsource two\n",
        ),
        ("csv", b"\"A \"\"Man\"\".\",\"men, too\",2.500\n"),
    ]);
    place
        .take(
            r#"{ do = "senteval-sts-benchmark", from = "tsv", to = "a" },
               { do = "senteval-sts-benchmark-csv", from = "csv", to = "b" }"#,
        )
        .unwrap();
    assert_eq!(
        place.read("a"),
        "genre\tfile\t2012test\t1\t2.500\ta \" man \" .\tmen , too\n"
    );
    assert_eq!(
        place.read("b"),
        "unknown\tunknown\tunknown\t1\t2.500\ta \" man \" .\tmen , too\n"
    );
}

#[test]
fn snli_as_a_transfer_task_is_three_files() {
    let place = Place::new(&[("t.txt", SNLI.as_bytes())]);
    place
        .take(r#"{ do = "senteval-snli", from = "t.txt", split = "dev", to = "SNLI" }"#)
        .unwrap();
    assert_eq!(place.read("SNLI/labels.dev"), "neutral\nentailment\n");
    assert!(
        place
            .read("SNLI/s2.dev")
            .starts_with("Cats are n't dogs .\n")
    );
    assert_eq!(place.read("SNLI/s1.dev").lines().count(), 2);
}

#[test]
fn tables_are_joined_under_one_header() {
    let place = Place::new(&[
        ("train", "\u{feff}Quality\ta\r\n1\t\"x\r\n".as_bytes()),
        ("val", b"Quality\ta\n0\ty"),
    ]);
    place
        .take(r#"{ do = "concat", from = ["train", "val"], to = "m", header = true }"#)
        .unwrap();
    assert_eq!(place.read("m"), "Quality\ta\n1\t\"x\n0\ty\n");
}

#[test]
fn tables_under_different_headers_are_not_joined() {
    let place = Place::new(&[("train", b"a\tb\n1\t2\n"), ("val", b"0\ty\n1\tz\n")]);
    let error = place
        .take(r#"{ do = "concat", from = ["train", "val"], to = "m", header = true }"#)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("val:1: the header line is '0\ty'"),
        "{error}"
    );
}

#[test]
fn a_step_that_reads_what_is_not_there_says_so() {
    let error = Place::new(&[])
        .take(r#"{ do = "copy", from = "nothing", to = "x" }"#)
        .unwrap_err()
        .to_string();
    assert!(error.contains("a step reads 'nothing'"), "{error}");
}
