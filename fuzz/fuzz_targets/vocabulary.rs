//! Pickled vocabularies and lists of words, and the `Vocabulary` of their words.
#![no_main]

use gensen_data::vocabulary::Vocabulary;
use gensen_encode::weights::vocabulary_pickle;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let words = match vocabulary_pickle::read(bytes) {
        Ok(words) => words,
        Err(_) => match std::str::from_utf8(bytes) {
            Ok(text) => text.split('\n').map(str::to_owned).collect(),
            Err(_) => return,
        },
    };
    let Ok(vocabulary) = Vocabulary::from_words(&words) else {
        return;
    };
    assert!(vocabulary.words().eq(&words));
    for (id, word) in words.iter().enumerate() {
        assert_eq!(vocabulary.id(word), Some(id as u32));
    }
});
