use super::*;

const WORDS: [&str; 8] = [
    "<s>", "<pad>", "</s>", "<unk>", "funny", "fun", "--", "sunny",
];

fn vocabulary() -> Vocabulary {
    Vocabulary::from_words(WORDS).unwrap()
}

/// Looks these words up; the embedding of word `i` is `[i, 1]`.
fn numbers(words: &[&str]) -> (Vec<Option<u32>>, Vec<f32>) {
    let vocabulary = vocabulary();
    let values = (0..WORDS.len()).flat_map(|i| [i as f32, 1.0]).collect();
    let embedding = Tensor::new(vec![WORDS.len(), 2], values).unwrap();
    let spelling = OnceLock::new();
    let mut speller = Speller::new(&vocabulary, &spelling, &embedding);
    let found = words.iter().map(|word| speller.number(word).unwrap());
    (found.collect(), speller.embeddings().to_vec())
}

#[test]
fn words_are_compared_by_the_n_grams_they_share() {
    let vocabulary = vocabulary();
    let (spelling, embedding) = (
        OnceLock::new(),
        Tensor::new(vec![8, 1], vec![1.0; 8]).unwrap(),
    );
    let mut speller = Speller::new(&vocabulary, &spelling, &embedding);
    let neighbours = speller.neighbours("unfunny");
    // Three words are indexed: n-grams of one of them, and of none, weigh 1, those of two of them 0. `<funny>` has three
    // of its own (`<funn`, `funn`, `funny`). `<unfunny>` has 18 n-grams, 7 of two words; it shares `funn` and `funny`.
    let expected = 2.0 / (3.0_f64 * 11.0).sqrt();
    assert_eq!(neighbours.len(), 1, "{neighbours:?}");
    assert_eq!(neighbours[0].1, 4);
    assert!(
        (neighbours[0].0 - expected).abs() < 1e-12,
        "{neighbours:?}, expected {expected}"
    );
}

#[test]
fn an_unknown_word_has_the_mean_direction_and_norm_of_its_neighbours() {
    let (numbers, embeddings) = numbers(&["funnyy", "zzz", "funnyy", "?!", "funnier"]);
    assert_eq!(numbers[0], Some(0));
    assert_eq!(numbers[1], None, "nothing is spelt like it");
    assert_eq!(numbers[2], numbers[0], "a word is looked up once");
    assert_eq!(numbers[3], None, "punctuation is no word");
    let norm = embeddings[0].hypot(embeddings[1]);
    assert!((norm - 4.0_f32.hypot(1.0)).abs() < 1e-5, "{embeddings:?}");
}

#[test]
fn hashes_of_words_that_are_none_are_empty() {
    let mut hashes = vec![1];
    for word in ["", "--", "...", &"a".repeat(65)] {
        assert!(!grams_of(word, &mut hashes), "{word}");
        assert!(hashes.is_empty());
    }
    assert!(grams_of("a", &mut hashes));
    assert_eq!(hashes.len(), 1, "`<a>`");
    assert!(grams_of("été", &mut hashes));
    assert_eq!(hashes.len(), 6, "`<été>` in characters");
}

#[test]
fn names_are_read_back() {
    for known in UnknownWords::ALL {
        assert_eq!(known.name().parse::<UnknownWords>().unwrap(), known);
    }
    let error = "oov".parse::<UnknownWords>().unwrap_err();
    assert_eq!(
        error.to_string(),
        "unknown words as `oov`: expected unk or spelling"
    );
}
