//! Saved linear maps: what is loaded can be saved, and comes back.
#![no_main]

use std::fs;

use gensen_expand::LinearMap;
use gensen_fuzz::folder;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let (given, saved) = (folder().join("given"), folder().join("saved"));
    fs::write(&given, bytes).expect("writable");
    let Ok(map) = LinearMap::load(&given) else {
        return;
    };
    assert!(map.coefficients().iter().chain(map.intercept()).all(|x| x.is_finite()));
    map.save(&saved).expect("what was loaded is saved");
    let again = LinearMap::load(&saved).expect("what was saved is loaded");
    assert_eq!(again.coefficients(), map.coefficients());
    assert_eq!(again.intercept(), map.intercept());
});
