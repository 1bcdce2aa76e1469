//! Saved linear maps: a map that was loaded survives saving and loading.
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
    map.save(&saved).expect("a loaded map can be saved");
    let again = LinearMap::load(&saved).expect("a saved map can be loaded");
    assert_eq!(again.coefficients(), map.coefficients());
    assert_eq!(again.intercept(), map.intercept());
});
