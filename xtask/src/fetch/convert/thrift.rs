//! Thrift's compact protocol, as far as Parquet's headers use it.
//!
//! The protocol is described at
//! <https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md>.

use std::collections::BTreeMap;

/// Values a page may have.
const MAX_VALUES: usize = 1 << 27;
/// How deep structures may be nested.
const MAX_DEPTH: usize = 32;

/// What is wrong with a file, without its name.
pub type Parsed<T> = std::result::Result<T, String>;

/// A value in Thrift's compact protocol, in which Parquet's headers are written.
#[derive(Debug)]
pub enum Value {
    Bool(bool),
    Int(i64),
    Bytes(Vec<u8>),
    List(Vec<Value>),
    Struct(BTreeMap<i64, Value>),
    Other,
}

impl Value {
    pub fn field(&self, id: i64) -> Parsed<&Value> {
        match self {
            Value::Struct(fields) => fields
                .get(&id)
                .ok_or_else(|| format!("field {id} of a header is missing")),
            _ => Err("a header is not a structure".into()),
        }
    }

    pub fn int(&self, id: i64) -> Parsed<i64> {
        match self.field(id)? {
            Value::Int(number) => Ok(*number),
            _ => Err(format!("field {id} of a header is not a number")),
        }
    }

    pub fn count(&self, id: i64) -> Parsed<usize> {
        usize::try_from(self.int(id)?)
            .ok()
            .filter(|&count| count <= MAX_VALUES)
            .ok_or_else(|| format!("field {id} of a header is negative or too large"))
    }

    pub fn list(&self, id: i64) -> Parsed<&[Value]> {
        match self.field(id)? {
            Value::List(values) => Ok(values),
            _ => Err(format!("field {id} of a header is not a list")),
        }
    }

    pub fn bytes(&self) -> Parsed<&[u8]> {
        match self {
            Value::Bytes(bytes) => Ok(bytes),
            _ => Err("a name in a header is not text".into()),
        }
    }
}

/// Bytes still to be read.
pub struct Thrift<'a>(pub &'a [u8]);

impl<'a> Thrift<'a> {
    pub fn take(&mut self, count: usize) -> Parsed<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or("it ends too early")?;
        self.0 = rest;
        Ok(taken)
    }

    pub fn byte(&mut self) -> Parsed<u8> {
        self.take(1)?
            .first()
            .copied()
            .ok_or_else(|| "it ends too early".into())
    }

    pub fn u32(&mut self) -> Parsed<u32> {
        Ok(u32::from_le_bytes(
            self.take(4)?.try_into().map_err(|_| "it ends too early")?,
        ))
    }

    /// A value in plain encoding. What is not UTF-8 is replaced by U+FFFD.
    pub fn text(&mut self) -> Parsed<String> {
        let length = self.u32()? as usize;
        Ok(String::from_utf8_lossy(self.take(length)?).into_owned())
    }

    pub fn varint(&mut self) -> Parsed<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err("a number has too many digits".into())
    }

    fn zigzag(&mut self) -> Parsed<i64> {
        let number = self.varint()?;
        Ok((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    pub fn structure(&mut self, depth: usize) -> Parsed<Value> {
        if depth > MAX_DEPTH {
            return Err("its headers are nested too deeply".into());
        }
        let mut fields = BTreeMap::new();
        let mut id = 0;
        loop {
            let byte = self.byte()?;
            if byte == 0 {
                return Ok(Value::Struct(fields));
            }
            id = match byte >> 4 {
                0 => self.zigzag()?,
                delta => id + i64::from(delta),
            };
            let value = match byte & 0x0f {
                1 => Value::Bool(true),
                2 => Value::Bool(false),
                kind => self.value(kind, depth)?,
            };
            fields.insert(id, value);
        }
    }

    fn value(&mut self, kind: u8, depth: usize) -> Parsed<Value> {
        Ok(match kind {
            1 | 2 => Value::Bool(self.byte()? == 1),
            3 => Value::Int(i64::from(self.byte()?.cast_signed())),
            4..=6 => Value::Int(self.zigzag()?),
            7 => {
                self.take(8)?;
                Value::Other
            }
            8 => {
                let length = usize::try_from(self.varint()?).map_err(|_| "a text is too long")?;
                Value::Bytes(self.take(length)?.to_vec())
            }
            9 | 10 => {
                let byte = self.byte()?;
                let length = match byte >> 4 {
                    15 => self.varint()?,
                    short => u64::from(short),
                };
                // Every element has a byte at least.
                if length > self.0.len() as u64 || depth > MAX_DEPTH {
                    return Err("a list is longer than the file".into());
                }
                Value::List(
                    (0..length)
                        .map(|_| self.value(byte & 0x0f, depth + 1))
                        .collect::<Parsed<_>>()?,
                )
            }
            12 => self.structure(depth + 1)?,
            other => return Err(format!("values of kind {other} in headers are not read")),
        })
    }
}
