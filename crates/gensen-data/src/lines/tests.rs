use std::io;

use super::*;
use crate::error::chain;

fn reader(text: &[u8]) -> LineReader<&[u8]> {
    LineReader::new("f", text)
}

/// A stream that gives a byte at a time.
struct Drip<'a>(&'a [u8]);

impl Read for Drip<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = buffer.len().min(1);
        self.0.read(&mut buffer[..room])
    }
}

#[test]
fn blocks_hold_whole_lines_and_nothing_is_lost() {
    let text: String = (0..400_000).map(|i| format!("line {i}\n")).collect();
    let mut lines = reader(text.as_bytes());
    let (mut all, mut next, mut blocks) = (Vec::new(), 1, 0);
    while let Some((block, first)) = lines.next_block().unwrap() {
        assert_eq!(first, next);
        assert_eq!(block.last(), Some(&b'\n'));
        next += memchr::memchr_iter(b'\n', &block).count() as u64;
        all.extend(block);
        blocks += 1;
    }
    assert!(all == text.as_bytes() && blocks > 3);
    assert_eq!(lines.lines(), 400_000);
    assert_eq!(lines.bytes(), text.len() as u64);
}

#[test]
fn any_block_size_and_any_stream_give_the_same_lines() {
    let text = b"\xef\xbb\xbfone\n\ntwo three\nfour";
    let expected = [&b"one"[..], b"", b"two three", b"four"];
    for block_bytes in 1..text.len() + 2 {
        let drip = || LineReader::new("f", Drip(text)).block_bytes(block_bytes);
        let (mut blocks, mut found) = (drip(), Vec::new());
        while let Some((block, _)) = blocks.next_block().unwrap() {
            found.extend(split(&block).map(<[u8]>::to_vec));
        }
        assert_eq!(found, expected, "blocks of {block_bytes}");
        let mut lines = drip();
        for line in expected {
            assert_eq!(lines.next_line().unwrap(), Some(line));
        }
        assert_eq!(lines.next_line().unwrap(), None);
        let counts = (lines.lines(), lines.bytes(), lines.has_mark());
        assert_eq!(counts, (4, text.len() as u64, true));
    }
}

#[test]
fn a_line_is_handed_out_before_the_stream_gives_more() {
    /// Gives a line, and fails if more is wanted.
    struct Live(bool);
    impl Read for Live {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if std::mem::replace(&mut self.0, true) {
                return Err(io::Error::other("too early"));
            }
            (&b"line\n"[..]).read(buffer)
        }
    }
    let mut lines = LineReader::new("f", Live(false));
    assert_eq!(lines.next_line().unwrap(), Some(&b"line"[..]));
    assert!(lines.next_line().is_err());
}

#[test]
fn a_pointer_is_refused_however_its_bytes_come() {
    let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n";
    for block_bytes in [1, 7, 1000] {
        let mut lines = LineReader::new("f", Drip(pointer)).block_bytes(block_bytes);
        let said = chain(&lines.next_line().unwrap_err());
        assert!(said.contains("git lfs pull"), "{said}");
    }
}

#[test]
fn lines_are_counted_exactly() {
    let text: String = (0..300_000).map(|i| format!("{i}\n")).collect();
    let mut lines = reader(text.strip_suffix('\n').unwrap().as_bytes());
    for count in [1, 2, 250_000, 7] {
        let before = lines.lines();
        let (block, first) = lines.next_lines(count).unwrap().unwrap();
        assert_eq!((first, lines.lines()), (before + 1, before + count));
        assert!(block.starts_with(format!("{before}\n").as_bytes()));
    }
    assert!(lines.next_lines(u64::MAX).unwrap().is_some());
    assert_eq!(lines.lines(), 300_000);
    assert!(lines.next_lines(1).unwrap().is_none());
}

#[test]
fn marks_and_line_ends() {
    let mut lines = reader(b"\xef\xbb\xbfa\r\n\xef\xbb\xbfb");
    let (text, first) = lines.next_block().unwrap().unwrap();
    let text = checked("f", first, &text).unwrap();
    let found: Vec<_> = numbered_lines(text, 1).collect();
    assert_eq!(found, [(1, "a"), (2, "\u{feff}b")]);
    assert!(reader(b"").next_block().unwrap().is_none());
    assert!(reader(b"\xef\xbb\xbf").next_block().unwrap().is_none());
}

#[test]
fn bad_bytes_are_found_in_their_line() {
    let fault = |bytes: &[u8]| chain(&checked("f", 10, bytes).unwrap_err());
    assert!(fault(b"a\nb\n\xff\n").starts_with("f, line 12: invalid UTF-8"));
    assert!(fault(b"a\nb\0\n\xff\n").starts_with("f, line 11: a NUL byte"));
    assert!(fault(b"a\n\xff\nb\0\n").starts_with("f, line 11: invalid UTF-8"));
    assert!(fault(b"\xff\xfea\0").starts_with("f, line 10: invalid UTF-8"));
}

#[test]
fn an_endless_line_is_refused() {
    let endless = || LineReader::new("f", io::repeat(b'x'));
    for error in [
        endless().next_block().unwrap_err(),
        endless().next_line().unwrap_err(),
    ] {
        let said = chain(&error);
        assert!(said.starts_with("f, line 1: longer than"), "{said}");
    }
    let mut lines = LineReader::new("f", Read::chain(&b"a\nb\n"[..], io::repeat(b'x')));
    let error = chain(&lines.next_lines(5).unwrap_err());
    assert!(error.starts_with("f, line 3: longer than"), "{error}");
}
