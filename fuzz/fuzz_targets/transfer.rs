//! Files of transfer tasks: the first byte selects the task, and all of its files hold the rest.
#![no_main]

use std::fs;

use gensen_eval::tasks::TASKS;
use gensen_fuzz::folder;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((which, bytes)) = bytes.split_first() else {
        return;
    };
    let task = &TASKS[*which as usize % TASKS.len()];
    let root = folder();
    for path in task.paths(root) {
        fs::create_dir_all(path.parent().expect("a folder")).expect("writable");
        fs::write(&path, bytes).expect("writable");
    }
    if let Ok(data) = task.load(root) {
        assert!(data.is_some(), "{}: its files exist", task.name);
        assert!(task.data_hash(root).expect("readable").is_some());
    }
});
