//! SHA-256 of bytes, streams and files, and hexadecimal encoding.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::path::Path;

use sha2::Digest as _;

/// The bytes read from a stream at a time.
const CHUNK_BYTES: usize = 1 << 18;

/// An incremental SHA-256 (FIPS 180-4).
///
/// ```
/// use gensen_data::digest::{Digest, hex, sha256};
///
/// let mut digest = Digest::default();
/// digest.update("a");
/// digest.update("bc");
/// assert_eq!(hex(&digest.finish()), sha256("abc"));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Digest(sha2::Sha256);

impl Digest {
    /// Hashes more bytes.
    pub fn update(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.update(bytes);
    }

    /// Hashes the rest of a stream, and returns its number of bytes.
    ///
    /// # Errors
    ///
    /// Those of the stream.
    pub fn read(&mut self, stream: impl Read) -> io::Result<u64> {
        let mut bytes = 0;
        chunks(stream, |chunk| {
            self.update(chunk);
            bytes += chunk.len() as u64;
        })?;
        Ok(bytes)
    }

    /// The hash.
    pub fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}

/// A writer that hashes all bytes written through it.
#[derive(Debug)]
pub struct Hashing<W> {
    inner: W,
    digest: Digest,
    bytes: u64,
}

impl<W: Write> Hashing<W> {
    /// Wraps `inner`.
    pub fn new(inner: W) -> Self {
        Self {
            inner,
            digest: Digest::default(),
            bytes: 0,
        }
    }

    /// The inner writer, the hash in hexadecimal and the number of bytes written.
    pub fn finish(self) -> (W, String, u64) {
        (self.inner, hex(&self.digest.finish()), self.bytes)
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(buffer)?;
        self.digest.update(&buffer[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Calls `each` with a stream's bytes, piece by piece.
///
/// # Errors
///
/// Those of the stream.
pub fn chunks(mut stream: impl Read, mut each: impl FnMut(&[u8])) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(read) => each(&buffer[..read]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// The SHA-256 of bytes in hexadecimal.
pub fn sha256(bytes: impl AsRef<[u8]>) -> String {
    hex(&sha2::Sha256::digest(bytes))
}

/// The SHA-256 of a file in hexadecimal, and its size in bytes.
///
/// # Errors
///
/// If it cannot be read.
pub fn sha256_of_file(path: &Path) -> io::Result<(String, u64)> {
    let mut digest = Digest::default();
    let bytes = digest.read(File::open(path)?)?;
    Ok((hex(&digest.finish()), bytes))
}

/// Bytes as lower-case hexadecimal digits, two for each byte.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The output of `sha256sum` for `hello\n`.
    const HELLO: &str = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";

    #[test]
    fn every_way_gives_what_sha256sum_gives() {
        assert_eq!(sha256("hello\n"), HELLO);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "hello\n").unwrap();
        assert_eq!(sha256_of_file(&path).unwrap(), (HELLO.to_owned(), 6));
        let mut hashing = Hashing::new(Vec::new());
        hashing.write_all(b"hel").unwrap();
        hashing.write_all(b"lo\n").unwrap();
        assert_eq!(hashing.finish(), (b"hello\n".to_vec(), HELLO.to_owned(), 6));
    }

    #[test]
    fn streams_longer_than_a_chunk_are_read_to_their_end() {
        let long = vec![7; 2 * CHUNK_BYTES + 1];
        let mut digest = Digest::default();
        assert_eq!(digest.read(&long[..]).unwrap(), long.len() as u64);
        assert_eq!(hex(&digest.finish()), sha256(&long));
    }

    #[test]
    fn digits_are_two_a_byte() {
        assert_eq!(hex(&[0, 10, 255]), "000aff");
    }
}
