//! Pickles: any bytes give values or an error, and every value is accessible.
#![no_main]

use gensen_encode::weights::pickle::{Pickle, Value};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(pickle) = Pickle::read(bytes) else {
        return;
    };
    assert!(pickle.length() <= bytes.len());
    match pickle.root() {
        Value::Tuple(items) | Value::List(items) => items.iter().for_each(|&item| {
            pickle.value(item).kind();
        }),
        Value::Dict(pairs) => pairs.iter().for_each(|&(key, value)| {
            pickle.text(key);
            pickle.size(value);
        }),
        other => drop(other.kind()),
    }
});
