//! Gzip with several members and zero padding after the last.

use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;

/// Unpacks gzip (RFC 1952), all members of it. Zero bytes after a member are skipped, as gzip and
/// Python do: tapes and some archivers pad their blocks with them.
///
/// # Errors
/// Reading fails with [`io::ErrorKind::InvalidData`] if other bytes follow a member, and with
/// [`io::ErrorKind::UnexpectedEof`] if a member is truncated.
///
/// ```
/// # use std::io::{Read, Write};
/// # let mut packed = flate2::write::GzEncoder::new(Vec::new(), Default::default());
/// # packed.write_all(b"text")?;
/// # let mut packed = packed.finish()?;
/// packed.extend([0; 512]);
/// let mut text = String::new();
/// gensen_data::gzip::unpack(&packed[..]).read_to_string(&mut text)?;
/// assert_eq!(text, "text");
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn unpack<R: BufRead>(packed: R) -> impl Read {
    Unpack {
        members: 1,
        state: GzipState::Member(Box::new(GzDecoder::new(packed))),
    }
}

/// The first bytes of a gzip member.
pub const MAGIC: [u8; 2] = [0x1f, 0x8b];

struct Unpack<R: BufRead> {
    /// The number of members so far, with the current one.
    members: u64,
    state: GzipState<R>,
}

enum GzipState<R: BufRead> {
    Member(Box<GzDecoder<R>>),
    /// After a member.
    Between(R),
    End,
}

impl<R: BufRead> Unpack<R> {
    /// Moves to the next member, or to the end.
    fn next_member(&mut self, mut packed: R) -> io::Result<()> {
        loop {
            let bytes = match packed.fill_buf() {
                Ok(bytes) => bytes,
                Err(error) => {
                    self.state = GzipState::Between(packed);
                    return Err(error);
                }
            };
            match bytes {
                [] => return Ok(()),
                [0, ..] => {
                    let zeros = bytes.iter().take_while(|&&byte| byte == 0).count();
                    packed.consume(zeros);
                }
                [first, ..] if *first == MAGIC[0] => {
                    self.members += 1;
                    self.state = GzipState::Member(Box::new(GzDecoder::new(packed)));
                    return Ok(());
                }
                _ => return Err(trailing()),
            }
        }
    }
}

impl<R: BufRead> Read for Unpack<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            match std::mem::replace(&mut self.state, GzipState::End) {
                GzipState::End => return Ok(0),
                GzipState::Between(packed) => self.next_member(packed)?,
                GzipState::Member(mut member) => match member.read(buffer) {
                    Ok(0) => self.next_member(member.into_inner())?,
                    read => {
                        let no_header = member.header().is_none();
                        self.state = GzipState::Member(member);
                        return read.map_err(|error| match error.kind() {
                            io::ErrorKind::Interrupted => error,
                            _ if no_header && self.members > 1 => trailing(),
                            io::ErrorKind::UnexpectedEof => io::Error::new(
                                io::ErrorKind::UnexpectedEof,
                                "the gzip data are truncated: the file is incomplete",
                            ),
                            _ => error,
                        });
                    }
                },
            }
        }
    }
}

fn trailing() -> io::Error {
    let problem = "the gzip data are followed by bytes that are neither gzip nor zero: the file \
                   is damaged, or something was appended to it";
    io::Error::new(io::ErrorKind::InvalidData, problem)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn packed(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn read(bytes: &[u8]) -> Result<String, io::Error> {
        // A buffer of one byte, so that members and zeros begin at every place in it.
        let bytes = io::BufReader::with_capacity(1, bytes);
        let mut text = String::new();
        unpack(bytes).read_to_string(&mut text)?;
        Ok(text)
    }

    #[test]
    fn members_follow_one_another_and_zeros_are_passed_over() {
        let zeros = [0; 512];
        let members = [&packed(b"a")[..], &packed(b""), &packed(b"b"), &zeros].concat();
        assert_eq!(read(&members).unwrap(), "ab");
        let apart = [&packed(b"a")[..], &zeros, &packed(b"b")].concat();
        assert_eq!(read(&apart).unwrap(), "ab");
        assert_eq!(read(&packed(b"")).unwrap(), "");
    }

    #[test]
    fn other_bytes_after_a_member_are_named() {
        for rest in [
            &b"garbage\n"[..],
            b"\0\0x",
            b"\x1fx",
            b"\x1f",
            b"\x1f\x8b\x08",
        ] {
            let said = read(&[&packed(b"a")[..], rest].concat())
                .unwrap_err()
                .to_string();
            assert!(said.contains("gzip data are followed"), "{rest:?}: {said}");
        }
    }

    #[test]
    fn a_file_cut_off_anywhere_is_an_error() {
        let whole = [packed(b"some text"), packed(b"and more")].concat();
        let first = packed(b"some text").len();
        for end in (1..whole.len()).filter(|&end| end != first) {
            assert!(read(&whole[..end]).is_err(), "{end} of {}", whole.len());
        }
        let said = read(&whole[..first - 3]).unwrap_err().to_string();
        assert!(said.contains("truncated"), "{said}");
    }
}
