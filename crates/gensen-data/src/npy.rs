//! The header of NumPy's `.npy` files, format versions 1 to 3 (NEP 1): the type, order and shape of
//! the numbers that follow.

use std::io::{self, Read};

/// The first bytes of every `.npy` file.
pub const MAGIC: &[u8] = b"\x93NUMPY";

/// The length limit of a header in bytes.
pub const MAX_HEADER_BYTES: usize = 1 << 16;

/// The header of a `.npy` file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// NumPy's descriptor of the numbers' type: `<f4` is little-endian 32-bit float.
    pub descr: String,
    /// Whether the numbers are in column-major order.
    pub fortran_order: bool,
    /// The array's dimensions; empty for a single number.
    pub shape: Vec<u64>,
    /// The offset of the numbers in the file, in bytes.
    pub start: usize,
}

impl Header {
    /// Reads a header, up to the first number.
    ///
    /// ```
    /// use gensen_data::npy::Header;
    ///
    /// let bytes = Header::write("<f4", &[2, 3], 128);
    /// let header = Header::read(&mut &bytes[..])?;
    /// assert_eq!((&*header.descr, &header.shape[..], header.start), ("<f4", &[2, 3][..], 128));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`] if this is not a header of an array of numbers, or if it is
    /// truncated or longer than [`MAX_HEADER_BYTES`]; errors of the reader.
    pub fn read(file: &mut impl Read) -> io::Result<Self> {
        let mut magic = [0; MAGIC.len()];
        exact(file, &mut magic, "not a .npy file")?;
        if magic != MAGIC {
            return Err(invalid("not a .npy file"));
        }
        const CUT_OFF: &str = "its header is truncated";
        let mut version = [0; 2];
        exact(file, &mut version, CUT_OFF)?;
        let mut length = [0; 4];
        let length_bytes = match version[0] {
            1 => 2,
            2 | 3 => 4,
            other => {
                let problem = format!("version {other} of the .npy format, expected 1 to 3");
                return Err(invalid(problem));
            }
        };
        exact(file, &mut length[..length_bytes], CUT_OFF)?;
        let length = u32::from_le_bytes(length) as usize;
        if length > MAX_HEADER_BYTES {
            return Err(invalid(format!(
                "its header has {length} bytes, expected at most {MAX_HEADER_BYTES}"
            )));
        }
        let mut header = vec![0; length];
        exact(file, &mut header, CUT_OFF)?;
        let header = std::str::from_utf8(&header).map_err(|_| invalid("its header is not text"))?;
        let start = MAGIC.len() + version.len() + length_bytes + length;
        Self::parse(header, start)
    }

    fn parse(header: &str, start: usize) -> io::Result<Self> {
        let value = |key: &str| {
            let (_, after) = header
                .split_once(&format!("'{key}':"))
                .ok_or_else(|| invalid(format!("its header has no `{key}`: {}", header.trim())))?;
            Ok::<_, io::Error>(after.trim_start())
        };
        let descr = value("descr")?;
        let (descr, _) = descr
            .strip_prefix('\'')
            .and_then(|rest| rest.split_once('\''))
            .ok_or_else(|| invalid("an array of records, expected numbers"))?;
        let order = value("fortran_order")?;
        let fortran_order = match (order.starts_with("True"), order.starts_with("False")) {
            (true, _) => true,
            (_, true) => false,
            _ => {
                return Err(invalid(
                    "its header's `fortran_order` is neither True nor False",
                ));
            }
        };
        let (extents, _) = value("shape")?
            .strip_prefix('(')
            .and_then(|rest| rest.split_once(')'))
            .ok_or_else(|| invalid("its header's `shape` is not a tuple"))?;
        let shape = extents
            .split(',')
            .map(str::trim)
            .filter(|extent| !extent.is_empty())
            .map(str::parse)
            .collect::<Result<_, _>>()
            .map_err(|_| invalid(format!("an array of shape ({extents})")))?;
        Ok(Self {
            descr: descr.to_owned(),
            fortran_order,
            shape,
            start,
        })
    }

    /// A header of numbers in row-major order, format version 1, padded with spaces to `bytes`,
    /// which NumPy requires to be a multiple of 64.
    ///
    /// # Panics
    /// If the header does not fit in `bytes`, or if `bytes` is more than 65,545, the limit of
    /// version 1.
    pub fn write(descr: &str, shape: &[u64], bytes: usize) -> Vec<u8> {
        let mut extents: String = shape.iter().map(|extent| format!("{extent}, ")).collect();
        if shape.len() > 1 {
            extents.truncate(extents.len() - 2);
        }
        let dictionary =
            format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({extents}), }}");
        let before = MAGIC.len() + 4;
        assert!(
            before + dictionary.len() < bytes,
            "a header of {bytes} bytes"
        );
        let length = bytes - before;
        assert!(length <= usize::from(u16::MAX), "a header of {bytes} bytes");
        let mut header = MAGIC.to_vec();
        header.extend([1, 0]);
        header.extend((length as u16).to_le_bytes());
        header.extend(format!("{dictionary:<width$}\n", width = length - 1).bytes());
        header
    }
}

fn invalid(problem: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem.into())
}

/// Fills `bytes`; if the file ends before, the error is `problem`.
fn exact(file: &mut impl Read, bytes: &mut [u8], problem: &str) -> io::Result<()> {
    file.read_exact(bytes).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => invalid(problem),
        _ => error,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_as_numpy_writes_them() {
        let text = |shape: &[u64]| {
            let header = Header::write("<f4", shape, 192);
            assert_eq!((header.len(), header.last()), (192, Some(&b'\n')));
            assert_eq!(u16::from_le_bytes([header[8], header[9]]), 182);
            String::from_utf8_lossy(&header[10..]).trim_end().to_owned()
        };
        let expected = "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }";
        assert_eq!(text(&[3, 4]), expected);
        assert!(text(&[7]).contains("'shape': (7, ), "));
        text(&[u64::MAX; 3]);
    }

    #[test]
    fn what_is_written_is_read_in_every_version() {
        for shape in [&[][..], &[7], &[3, 4], &[1, 2, 3]] {
            let one = Header::write("|u1", shape, 128);
            let header = Header::read(&mut &one[..]).unwrap();
            assert_eq!(
                (&*header.descr, &header.shape[..], header.start),
                ("|u1", shape, 128)
            );
            assert!(!header.fortran_order);
            let mut two = MAGIC.to_vec();
            two.extend([2, 0]);
            two.extend(118_u32.to_le_bytes());
            two.extend(&one[10..]);
            assert_eq!(Header::read(&mut &two[..]).unwrap().start, 130);
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let whole = Header::write("<f4", &[2, 3], 128);
        let with = |place: usize, byte: u8| {
            let mut bytes = whole.clone();
            bytes[place] = byte;
            bytes
        };
        for (bytes, expected) in [
            (b"the dog\n".to_vec(), "not a .npy file"),
            (b"\x93NUMPY".to_vec(), "truncated"),
            (whole[..100].to_vec(), "truncated"),
            (with(6, 9), "version 9 of the .npy format"),
            (with(9, 0xff), "truncated"),
            (with(11, b'x'), "no `descr`"),
            (
                b"\x93NUMPY\x02\x00\xff\xff\xff\xff".to_vec(),
                "its header has 4294967295 bytes",
            ),
        ] {
            let error = Header::read(&mut &bytes[..]).unwrap_err().to_string();
            assert!(error.contains(expected), "{expected}: {error}");
        }
    }
}
