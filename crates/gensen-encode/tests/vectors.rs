//! Truncated and quantised vectors, compared with those of sentence-transformers.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may panic"
)]

mod weights_support;

use std::fs;
use std::path::Path;

use gensen_data::vocabulary::Vocabulary;
use gensen_encode::model_folder::{ModelConfig, ModelFolder, Provenance};
use gensen_encode::weights::{EncoderState, StoredPrecision};
use gensen_encode::{
    Calibration, EncodeError, EncodeOptions, Pooling, Ranges, SentenceEncoder, VectorOptions,
    VectorPrecision, Vectors, normalize, quantize,
};
use ndarray::{Array2, Axis, array, concatenate, s};
use weights_support::{tensors, vocabulary, with_causes};

/// A matrix in golden.json.
fn matrix(value: &serde_json::Value) -> Array2<f32> {
    let rows: Vec<Vec<f32>> = serde_json::from_value(value.clone()).unwrap();
    let columns = rows[0].len();
    Array2::from_shape_vec((rows.len(), columns), rows.concat()).unwrap()
}

fn golden() -> serde_json::Value {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/quantize/golden.json");
    serde_json::from_slice(&fs::read(place).unwrap()).unwrap()
}

fn as_floats(vectors: &Vectors) -> Array2<f32> {
    match vectors {
        Vectors::F32(vectors) => vectors.clone(),
        Vectors::I8(vectors) => vectors.mapv(f32::from),
        Vectors::U8(vectors) => vectors.mapv(f32::from),
        other => panic!("{other:?}"),
    }
}

#[test]
fn integers_and_bits_are_those_of_sentence_transformers() {
    let golden = golden();
    let vectors = matrix(&golden["vectors"]);
    let mut short = vectors.slice(s![.., ..7]).to_owned();
    normalize(&mut short);
    for (vectors, ranges, results) in [
        (vectors, "ranges", "results"),
        (short, "short_ranges", "short_results"),
    ] {
        let ranges = matrix(&golden[ranges]);
        for precision in VectorPrecision::ALL {
            let found = quantize(vectors.view(), precision, Some(ranges.view())).unwrap();
            let expected = matrix(&golden[results][precision.name()]);
            assert_eq!(as_floats(&found), expected, "{precision} of {results}");
            assert_eq!(found.dim().1, precision.columns(vectors.ncols()));
        }
    }
}

#[test]
fn ranges_of_a_text_are_its_smallest_and_largest_values() {
    let golden = golden();
    let calibration_vectors = matrix(&golden["calibration"]);
    let ranges = ranges_of(&calibration_vectors);
    assert_eq!(ranges.whole(), matrix(&golden["ranges"]));
    assert_eq!((ranges.text(), ranges.width()), (("golden", 30), 19));

    // For vectors of length 1, ranges are exact with all dimensions, and valid with fewer.
    for dimensions in [19, 18, 7, 1] {
        let mut unit = calibration_vectors.slice(s![.., ..dimensions]).to_owned();
        normalize(&mut unit);
        let found = ranges.normalized(dimensions);
        for (k, column) in unit.columns().into_iter().enumerate() {
            let smallest = column.iter().copied().fold(f32::INFINITY, f32::min);
            let largest = column.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let (start, end) = (found[[0, k]], found[[1, k]]);
            if dimensions == 19 {
                assert_eq!((start, end), (smallest, largest));
            }
            assert!(
                start <= smallest + 1e-6 && largest <= end + 1e-6,
                "{dimensions}, {k}"
            );
            assert!(start >= -1.0 && end <= 1.0, "{start} to {end}");
        }
    }
    assert!(Calibration::new(Pooling::Last, 3).finish("").is_none());
}

/// Calibrates on the text in two pieces.
fn ranges_of(vectors: &Array2<f32>) -> Ranges {
    let mut calibration = Calibration::new(Pooling::Last, vectors.ncols());
    let (first, second) = vectors.view().split_at(Axis(0), 11);
    calibration.add(first);
    calibration.add(second);
    calibration.finish("golden").unwrap()
}

#[test]
fn what_cannot_be_made_integers_is_named() {
    let vectors = array![[0.5_f32, 1.0], [f32::NAN, 0.0]];
    let error = quantize(vectors.view(), VectorPrecision::Binary, None).unwrap_err();
    assert!(
        matches!(error, EncodeError::NotFinite { row: 1 }),
        "{error}"
    );
    let vectors = vectors.slice(s![..1, ..]);
    let with = |ranges: Option<Array2<f32>>| {
        let ranges = ranges.as_ref().map(|ranges| ranges.view());
        let error = quantize(vectors, VectorPrecision::Int8, ranges).unwrap_err();
        error.to_string()
    };
    for (found, expected) in [
        (with(None), "found none, expected"),
        (with(Some(array![[0.0], [1.0]])), "found [2, 1], expected"),
        (
            with(Some(array![[0.0, 0.0], [1.0, f32::INFINITY]])),
            "found the value inf",
        ),
    ] {
        assert!(found.contains(expected), "{found}");
    }
    let error = "int4".parse::<VectorPrecision>().unwrap_err().to_string();
    assert!(error.contains("`int4`: expected float32, int8"), "{error}");
    assert_eq!(
        "ubinary".parse::<VectorPrecision>().unwrap().name(),
        "ubinary"
    );
}

const TEXT: [&str; 4] = ["the dog", "a man and a dog", "", "two men are in the house"];

fn write_model(place: &Path) {
    let weights = EncoderState::new(tensors("tiny-1layer/tiny-1layer.safetensors")).unwrap();
    let provenance = Provenance {
        name: "tiny".into(),
        ..Provenance::default()
    };
    let config = ModelConfig::new(&weights, provenance);
    let words = Vocabulary::from_words(vocabulary()).unwrap();
    let model = ModelFolder::new(config, words, weights).unwrap();
    model.write(place, StoredPrecision::F32).unwrap();
}

/// Writes the ranges of [`TEXT`] to the model's folder.
fn calibrate(place: &Path, pooling: Pooling) {
    let encoder = SentenceEncoder::load(place).unwrap();
    let options = EncodeOptions::default().pooling(pooling);
    let mut calibration = Calibration::new(pooling, encoder.width());
    calibration.add(encoder.encode(&TEXT, &options).unwrap().view());
    calibration.finish("TEXT").unwrap().save(place).unwrap();
}

#[test]
fn a_model_folder_keeps_its_ranges() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("tiny");
    write_model(&place);
    let plain = fs::read_to_string(place.join("config.json")).unwrap();
    let options = EncodeOptions::default();
    let int8 = VectorOptions::default().precision(VectorPrecision::Int8);
    let converter = |vectors: &VectorOptions, options: &EncodeOptions| {
        vectors.converter(&[SentenceEncoder::load(&place).unwrap()], options)
    };
    let error = converter(&int8, &options).unwrap_err().to_string();
    let remedy = "`gensen calibrate DIR --input sentences.txt --pool last`";
    assert!(
        error.contains("`tiny`") && error.contains(remedy),
        "{error}"
    );
    let bits = VectorOptions::default().precision(VectorPrecision::Binary);
    assert_eq!(converter(&bits, &options).unwrap().columns(), 8);

    calibrate(&place, Pooling::Last);
    let max = EncodeOptions::default().pooling(Pooling::Max);
    let error = converter(&int8, &max).unwrap_err().to_string();
    assert!(error.contains("--pool max`"), "{error}");
    calibrate(&place, Pooling::Max);
    calibrate(&place, Pooling::Last);

    let encoder = SentenceEncoder::load(&place).unwrap();
    assert_eq!(encoder.model().config().ranges.len(), 2);
    let written = fs::read_to_string(place.join("config.json")).unwrap();
    let unchanged = plain.trim_end_matches("\n}\n");
    assert!(written.starts_with(unchanged), "{written}");
    assert_eq!(written.lines().count(), plain.lines().count() + 4);
    // After reading and writing, they are the same numbers.
    let again = folder.path().join("again");
    encoder.model().write(&again, StoredPrecision::F32).unwrap();
    let rewritten = fs::read_to_string(again.join("config.json")).unwrap();
    assert_eq!(rewritten, written);

    let vectors = encoder.encode(&TEXT, &options).unwrap();
    let found = converter(&int8, &options).unwrap();
    let Vectors::I8(found) = found.convert(vectors.clone()).unwrap() else {
        panic!("int8 is i8");
    };
    for column in found.columns() {
        let ends = (column.iter().min().unwrap(), column.iter().max().unwrap());
        // The last step may end slightly below or above the largest value, by rounding.
        assert!(*ends.0 == -128 && *ends.1 >= 126, "{ends:?}");
    }
    let short = int8.clone().dimensions(16).normalize(true);
    let found = converter(&short, &options).unwrap().convert(vectors);
    assert_eq!(found.unwrap().dim(), (TEXT.len(), 16));
}

#[test]
fn dimensions_are_cut_off_before_lengths_are_made_1() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("tiny");
    write_model(&place);
    let encoder = SentenceEncoder::load(&place).unwrap();
    let options = EncodeOptions::default();
    let vectors = encoder.encode(&TEXT, &options).unwrap();
    let short = VectorOptions::default().dimensions(10);
    let encoders = [encoder];
    let converted = |options_of_vectors: &VectorOptions| {
        let converter = options_of_vectors.converter(&encoders, &options).unwrap();
        as_floats(&converter.convert(vectors.clone()).unwrap())
    };
    assert_eq!(converted(&short), vectors.slice(s![.., ..10]));
    for row in converted(&short.clone().normalize(true)).rows() {
        assert!((row.dot(&row) - 1.0).abs() < 1e-6);
    }
    for dimensions in [0, 65] {
        let error = short.clone().dimensions(dimensions);
        let error = error.converter(&encoders, &options).unwrap_err();
        let expected = format!("{dimensions} dimensions asked for, expected 1 to 64");
        assert!(error.to_string().contains(&expected), "{error}");
    }
}

#[test]
fn several_encoders_have_their_ranges_side_by_side() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("tiny");
    write_model(&place);
    calibrate(&place, Pooling::Last);
    let encoder = SentenceEncoder::load(&place).unwrap();
    let options = EncodeOptions::default();
    let vectors = encoder.encode(&TEXT, &options).unwrap();
    let both = concatenate(Axis(1), &[vectors.view(), vectors.view()]).unwrap();
    let uint8 = VectorOptions::default().precision(VectorPrecision::Uint8);
    let one = uint8.converter(std::slice::from_ref(&encoder), &options);
    let one = as_floats(&one.unwrap().convert(vectors).unwrap());
    let encoders = [encoder.clone(), encoder];
    let two = uint8.clone().dimensions(100).converter(&encoders, &options);
    let two = as_floats(&two.unwrap().convert(both).unwrap());
    assert_eq!(two.slice(s![.., ..64]), one);
    assert_eq!(two.slice(s![.., 64..]), one.slice(s![.., ..36]));
    let error = uint8.normalize(true).converter(&encoders, &options);
    let error = error.unwrap_err().to_string();
    assert!(error.contains("several models"), "{error}");
}

#[test]
fn malformed_ranges_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("tiny");
    write_model(&place);
    calibrate(&place, Pooling::Last);
    let config = place.join("config.json");
    let json = fs::read_to_string(&config).unwrap();
    let with = |json: &str| {
        fs::write(&config, json).unwrap();
        with_causes(&ModelFolder::open(&place).unwrap_err())
    };
    let (before, line) = json.split_once("\"ranges\": [\n").unwrap();
    let line = line.lines().next().unwrap();
    let two = format!("{before}\"ranges\": [\n{line},\n{line}\n  ]\n}}\n");
    let lines = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut value: serde_json::Value = serde_json::from_str(&json).unwrap();
        change(&mut value["ranges"][0]);
        value.to_string()
    };
    for (found, expected) in [
        (with(&two), "`ranges` is two of pooling last"),
        (
            with(&lines(&|ranges| {
                drop(ranges["minimum"].as_array_mut().unwrap().pop())
            })),
            "63 numbers as `minimum`",
        ),
        (
            with(&lines(&|ranges| ranges["unit_minimum"][3] = 2.0.into())),
            "a `unit_maximum` below the minimum (number 3)",
        ),
        (
            with(&lines(&|ranges| ranges["prefix_lengths"][0] = 0.0.into())),
            "0 in `prefix_lengths`",
        ),
        (
            with(&lines(&|ranges| ranges["maximum"][0] = 1e300.into())),
            "number out of range",
        ),
        (
            with(&lines(&|ranges| ranges["median"] = 1.into())),
            "unknown field `median`",
        ),
    ] {
        assert!(found.contains(expected), "{expected}: {found}");
    }
    let wider = ranges_of(&Array2::zeros((12, 5)));
    fs::write(&config, &json).unwrap();
    let error = wider.save(&place).unwrap_err().to_string();
    assert!(error.contains("5 numbers as `minimum`"), "{error}");
    assert_eq!(fs::read_to_string(&config).unwrap(), json);
}
