//! Cuts a stream into blocks of whole lines, so that blocks can be parsed in parallel.

use std::io::{self, Read};

/// The usual size of a block. Blocks are read in batches of a few per thread, so this bounds the memory.
const BLOCK_BYTES: usize = 1 << 20;

/// The longest line that is accepted: 65,536 dimensions of 60 characters fit.
pub(super) const MAX_LINE_BYTES: usize = 4 << 20;

/// What [`LineBlocks::next_batch`] can fail with.
pub(super) enum BlockError {
    Io(io::Error),
    LineTooLong,
}

pub(super) struct LineBlocks<R> {
    reader: R,
    /// The start of a line whose end has not been read yet.
    rest: Vec<u8>,
    block_bytes: usize,
}

impl<R: Read> LineBlocks<R> {
    pub(super) fn new(reader: R) -> Self {
        Self {
            reader,
            rest: Vec::new(),
            block_bytes: BLOCK_BYTES,
        }
    }

    /// Up to `count` blocks; an empty batch is the end of the stream.
    pub(super) fn next_batch(&mut self, count: usize) -> Result<Vec<Vec<u8>>, BlockError> {
        let mut batch = Vec::with_capacity(count);
        while batch.len() < count
            && let Some(block) = self.next_block()?
        {
            batch.push(block);
        }
        Ok(batch)
    }

    /// The next block: whole lines, only the last of the stream may lack its line feed.
    fn next_block(&mut self) -> Result<Option<Vec<u8>>, BlockError> {
        let mut block = std::mem::take(&mut self.rest);
        loop {
            let old = block.len();
            block.reserve(self.block_bytes);
            let read = (&mut self.reader)
                .take(self.block_bytes as u64)
                .read_to_end(&mut block);
            if read.map_err(BlockError::Io)? < self.block_bytes {
                return Ok((!block.is_empty()).then_some(block)); // the end of the stream
            }
            if let Some(at) = memchr::memrchr(b'\n', &block[old..]) {
                self.rest = block.split_off(old + at + 1);
                return Ok(Some(block));
            }
            if block.len() > MAX_LINE_BYTES {
                return Err(BlockError::LineTooLong);
            }
        }
    }
}

/// The lines of a block, without their line feeds.
pub(super) fn lines(block: &[u8]) -> impl Iterator<Item = &[u8]> {
    let end = block.len() - usize::from(block.last() == Some(&b'\n'));
    let mut rest = block.get(..end);
    std::iter::from_fn(move || {
        let bytes = rest?;
        let (line, after) = match memchr::memchr(b'\n', bytes) {
            Some(at) => (bytes.get(..at)?, bytes.get(at + 1..)),
            None => (bytes, None),
        };
        rest = after;
        Some(line)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reader that hands out a byte at a time.
    struct Drip<'a>(&'a [u8]);

    impl Read for Drip<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0.read(&mut buffer[..1])
        }
    }

    #[test]
    fn any_block_size_gives_the_same_lines() {
        let text = b"one\n\ntwo three\nfour";
        for block_bytes in 1..text.len() + 2 {
            let mut blocks = LineBlocks {
                reader: Drip(text),
                rest: Vec::new(),
                block_bytes,
            };
            let mut found: Vec<Vec<u8>> = Vec::new();
            while let Ok(batch) = blocks.next_batch(2)
                && !batch.is_empty()
            {
                found.extend(
                    batch
                        .iter()
                        .flat_map(|block| lines(block).map(<[u8]>::to_vec)),
                );
            }
            assert_eq!(
                found,
                [&b"one"[..], b"", b"two three", b"four"],
                "block of {block_bytes}"
            );
        }
    }

    #[test]
    fn line_too_long() {
        let endless = io::repeat(b'x');
        let result = LineBlocks::new(endless).next_batch(1);
        assert!(matches!(result, Err(BlockError::LineTooLong)));
    }
}
