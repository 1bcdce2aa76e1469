//! Hostile files cannot make the readers allocate more than a small multiple of their size.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may panic"
)]

mod weights_support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use gensen_encode::weights::torch::TorchFile;
use gensen_encode::weights::vocabulary_pickle;
use weights_support::{legacy, read};

/// The system's allocator, counting the bytes in use.
struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

// SAFETY: every call is forwarded unchanged to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), SeqCst) + layout.size();
        PEAK.fetch_max(now, SeqCst);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), SeqCst);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The peak of the bytes allocated by `work`.
fn peak_of(work: impl FnOnce()) -> usize {
    let before = NOW.load(SeqCst);
    PEAK.store(before, SeqCst);
    work();
    PEAK.load(SeqCst) - before
}

/// The allowance besides a multiple of the file's size: the reader's first 4,096 values and buffers
/// of threads.
const SLACK: usize = 1 << 20;

#[test]
fn hostile_pickles_stay_small() {
    let _lock = ONE_AT_A_TIME.lock();
    let many = 300_000;
    let repeat = |start: &[u8], unit: &[u8], end: &[u8]| {
        let mut bytes = start.to_vec();
        (0..many).for_each(|_| bytes.extend(unit));
        bytes.extend(end);
        bytes
    };
    let mut doubling = b"\x80\x02]q\x00".to_vec();
    for _ in 0..200 {
        // [x, x], then [[x, x], [x, x]] and so on: 2^200 leaves, if they are all visited.
        doubling.extend(b"0](h\x00h\x00eq\x00");
    }
    doubling.push(b'.');
    let mut copies = b"\x80\x02(".to_vec();
    (0..5000).for_each(|_| copies.extend(b"K\x01K\x02\x86"));
    copies.extend(b"lq\x000ccollections\nOrderedDict\nq\x010");
    (0..20_000).for_each(|_| copies.extend(b"h\x01h\x00\x85R0"));
    copies.extend(b"N.");

    for (what, bytes) in [
        (
            "a long string that is not there",
            b"T\xff\xff\xff\x7fshort".to_vec(),
        ),
        (
            "a longer one",
            b"\x8e\xff\xff\xff\xff\xff\xff\xff\xff".to_vec(),
        ),
        (
            "a longer one in Unicode",
            b"\x8d\xff\xff\xff\xff\xff\xff\xff\x7f".to_vec(),
        ),
        ("a long integer", b"\x8b\xff\xff\xff\x7f".to_vec()),
        (
            "a frame",
            b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7fN.".to_vec(),
        ),
        ("a memo index", b"N\x72\xff\xff\xff\xff.".to_vec()),
        ("a memo index as text", b"Np4294967295\n.".to_vec()),
        ("marks", repeat(b"", b"(", b".")),
        ("empty lists", repeat(b"", b"]", b".")),
        ("empty lists, dropped", repeat(b"", b"]0", b"N.")),
        ("nested lists", repeat(b"]", b"]a", b".")),
        ("nested tuples", repeat(b")", b"\x85", b".")),
        ("references", repeat(b"]q\x00(", b"h\x00", b"e.")),
        ("duplicates", repeat(b"](N", b"2", b"e.")),
        ("duplicates, appended", repeat(b"]N", b"20", b"a.")),
        ("memo entries", repeat(b"N", b"\x94", b".")),
        ("doubling", doubling),
        ("copies", copies),
        ("a list that holds itself", b"]q\x00h\x00a.".to_vec()),
    ] {
        let torch = legacy(&bytes, &[]);
        let peak = peak_of(|| {
            vocabulary_pickle::read(&bytes).unwrap_err();
            TorchFile::read(&torch).map(drop).unwrap_err();
        });
        let limit = 40 * bytes.len() + SLACK;
        assert!(
            peak <= limit,
            "{what}: {peak} bytes for a file of {}",
            bytes.len()
        );
    }
}

#[test]
fn honest_files_cost_little_more_than_what_they_hold() {
    let _lock = ONE_AT_A_TIME.lock();
    for name in [
        "tiny-1layer.model",
        "tiny-1layer.zip.model",
        "best_model.model",
    ] {
        let bytes = read(&format!("tiny-1layer/{name}"));
        let peak = peak_of(|| drop(TorchFile::read(&bytes).unwrap().encoder().unwrap()));
        assert!(
            peak <= 3 * bytes.len() + SLACK,
            "{name}: {peak} bytes for {}",
            bytes.len()
        );
    }
}
