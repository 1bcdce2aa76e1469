//! The embedded model opens, and its vectors distinguish sentences.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests")]

use gensen_encode::weights::StoredPrecision;
use gensen_encode::{
    EncodeOptions, EncoderPrecision, SentenceEncoder, VectorOptions, VectorPrecision, Vectors,
};
use ndarray::{Array1, Array2, ArrayView1};

fn cosine(a: ArrayView1<'_, f32>, b: ArrayView1<'_, f32>) -> f32 {
    a.dot(&b) / (a.dot(&a) * b.dot(&b)).sqrt()
}

/// A sentence, a paraphrase, and an unrelated sentence.
const TRIPLES: [[&str; 3]; 5] = [
    [
        "A man is playing a guitar.",
        "Someone plays the guitar.",
        "The parliament voted on the budget.",
    ],
    [
        "The cat sleeps on the sofa.",
        "A kitten is asleep on the couch.",
        "Shares fell sharply on Monday.",
    ],
    [
        "How do I reset my password?",
        "I forgot my password and want a new one.",
        "The soup was cold.",
    ],
    [
        "The film was wonderful.",
        "I loved this movie.",
        "Trains to Berlin leave every hour.",
    ],
    [
        "It is raining heavily.",
        "There is a lot of rain.",
        "She studies mathematics at the university.",
    ],
];

fn vectors(encoder: &SentenceEncoder) -> Array2<f32> {
    let sentences = TRIPLES.as_flattened();
    encoder
        .encode(sentences, &EncodeOptions::default())
        .unwrap()
}

#[test]
fn a_paraphrase_is_nearer_than_another_sentence() {
    let vectors = vectors(&gensen_english::load().unwrap());
    assert_eq!(vectors.dim(), (3 * TRIPLES.len(), 1024));
    for (k, [sentence, same, other]) in TRIPLES.iter().enumerate() {
        let row = |n: usize| vectors.row(3 * k + n);
        let (near, far) = (cosine(row(0), row(1)), cosine(row(0), row(2)));
        assert!(
            near > far + 0.1,
            "`{sentence}`: {near} to `{same}`, {far} to `{other}`"
        );
    }
}

#[test]
fn integers_in_memory_give_the_vectors_of_floats() {
    let model = gensen_english::model().unwrap();
    assert_eq!(model.weights().precision(), StoredPrecision::I8);
    let floats = vectors(&gensen_english::load().unwrap());
    let encoder = SentenceEncoder::new_with(model, EncoderPrecision::I8).unwrap();
    for (found, expected) in vectors(&encoder).rows().into_iter().zip(floats.rows()) {
        let cosine = cosine(found, expected);
        // The weights are the same integers; only the inputs are rounded, to 8 or 14 bits.
        assert!(cosine > 0.99999, "{cosine}");
    }
}

#[test]
fn vectors_of_8_bits_say_nearly_the_same() {
    let encoder = gensen_english::load().unwrap();
    let options = EncodeOptions::default();
    for (dimensions, normalize) in [(1024, false), (1024, true), (300, true), (64, true)] {
        let floats = VectorOptions::default()
            .dimensions(dimensions)
            .normalize(normalize);
        let integers = floats.clone().precision(VectorPrecision::Int8);
        let convert = |vector_options: VectorOptions| {
            let converter = vector_options.converter(std::slice::from_ref(&encoder), &options);
            converter.unwrap().convert(vectors(&encoder)).unwrap()
        };
        let (Vectors::F32(floats), Vectors::I8(integers)) = (convert(floats), convert(integers))
        else {
            panic!("float32 is f32, int8 is i8");
        };
        let ranges = &encoder.model().config().ranges[0];
        let ranges = match normalize {
            true => ranges.normalized(dimensions),
            false => ranges.whole(),
        };
        for (row, expected) in integers.rows().into_iter().zip(floats.rows()) {
            let middle = |k: usize| {
                let (start, end) = (ranges[[0, k]], ranges[[1, k]]);
                start + (f32::from(row[k]) + 128.5) * (end - start) / 255.0
            };
            let found = Array1::from_shape_fn(dimensions, middle);
            let cosine = cosine(found.view(), expected);
            // Values of new sentences may be outside the ranges found in calibration.
            assert!(cosine > 0.998, "{dimensions}, {normalize}: {cosine}");
        }
    }
}
