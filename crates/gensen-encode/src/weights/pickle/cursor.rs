//! The bytes of a pickle: reading arguments, and errors with positions.

use super::{MAX_BYTES, PickleError};

pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    /// The position of the next byte.
    at: usize,
    /// The position of the current instruction.
    opcode_at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            at: 0,
            opcode_at: 0,
        }
    }

    /// The position of the next byte: how many have been read.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// The position of the current instruction.
    pub(super) fn opcode_at(&self) -> usize {
        self.opcode_at
    }

    /// Reads the opcode of the next instruction.
    pub(super) fn next_opcode(&mut self) -> Result<u8, PickleError> {
        self.opcode_at = self.at;
        self.u8()
    }

    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], PickleError> {
        let rest = &self.bytes[self.at..];
        let taken = rest.get(..length).ok_or_else(|| self.truncated())?;
        self.at += length;
        self.check("bytes", self.at, MAX_BYTES + 1)?;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], PickleError> {
        let bytes = self.take(N)?;
        bytes.try_into().map_err(|_| self.truncated())
    }

    pub(super) fn u8(&mut self) -> Result<u8, PickleError> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// Reads an unsigned number of `width` (at most 8) bytes.
    pub(super) fn length(&mut self, width: usize) -> Result<usize, PickleError> {
        let value = self
            .take(width)?
            .iter()
            .rev()
            .fold(0u64, |value, &byte| value << 8 | u64::from(byte));
        usize::try_from(value).map_err(|_| self.truncated())
    }

    /// Reads up to the next line feed, which is dropped.
    pub(super) fn line(&mut self) -> Result<&'a [u8], PickleError> {
        let rest = &self.bytes[self.at..];
        let length = rest.iter().position(|&byte| byte == b'\n');
        let line = self.take(length.ok_or_else(|| self.truncated())?)?;
        self.take(1)?;
        Ok(line)
    }

    /// Checks that at least `length` bytes are left.
    pub(super) fn check_rest(&self, length: usize) -> Result<(), PickleError> {
        if length > self.bytes.len() - self.at {
            return Err(self.truncated());
        }
        Ok(())
    }

    /// Checks that `count` is below `limit`.
    pub(super) fn check(
        &self,
        what: &'static str,
        count: usize,
        limit: usize,
    ) -> Result<(), PickleError> {
        if count < limit {
            return Ok(());
        }
        Err(PickleError::TooLarge {
            what,
            limit,
            at: self.opcode_at,
        })
    }

    fn truncated(&self) -> PickleError {
        PickleError::Truncated {
            at: self.bytes.len(),
        }
    }

    pub(super) fn malformed(&self, what: &str) -> PickleError {
        PickleError::Malformed {
            what: what.to_owned(),
            at: self.opcode_at,
        }
    }

    /// The opcode `name` is not allowed.
    pub(super) fn opcode(&self, name: &str) -> PickleError {
        PickleError::Opcode {
            name: name.to_owned(),
            at: self.opcode_at,
        }
    }
}
