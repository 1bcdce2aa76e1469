//! The stack machine: the allowed opcodes and what they build.

use std::borrow::Cow;

use super::{
    Global, MAX_BYTES, MAX_LONG_BYTES, MAX_MARKS, MAX_STACK, Pickle, PickleError, Value, ValueId,
    text,
};

/// Runs the pickle at the start of `bytes`.
pub(super) fn run(bytes: &[u8]) -> Result<Pickle<'_>, PickleError> {
    let mut machine = Machine {
        bytes,
        at: 0,
        opcode_at: 0,
        values: Vec::new(),
        copied: 0,
        stack: Vec::new(),
        marks: Vec::new(),
        memo: Vec::new(),
    };
    while !machine.step()? {}
    let root = machine.pop()?;
    if !machine.stack.is_empty() || !machine.marks.is_empty() {
        return Err(machine.malformed("values are left over at the end"));
    }
    Ok(Pickle {
        values: machine.values,
        root,
        length: machine.at,
    })
}

struct Machine<'a> {
    bytes: &'a [u8],
    /// Where the next byte is read.
    at: usize,
    /// Where the current instruction began.
    opcode_at: usize,
    values: Vec<Value<'a>>,
    /// How many items were copied from one container into another.
    copied: usize,
    stack: Vec<ValueId>,
    /// The heights of the stack at which marks stand.
    marks: Vec<usize>,
    memo: Vec<Option<ValueId>>,
}

impl<'a> Machine<'a> {
    /// Does one instruction; true at the end of the pickle.
    fn step(&mut self) -> Result<bool, PickleError> {
        self.opcode_at = self.at;
        let opcode = self.u8()?;
        match opcode {
            b'.' => return Ok(true),

            // Framing.
            0x80 => {
                let protocol = self.u8()?;
                if protocol > 5 {
                    return Err(self.malformed(&format!("protocol {protocol} is unknown")));
                }
            }
            0x95 => {
                let length = self.length(8)?;
                if length > self.bytes.len() - self.at {
                    return Err(self.truncated());
                }
            }

            // Constants and numbers.
            b'N' => self.push(Value::None)?,
            0x88 => self.push(Value::Bool(true))?,
            0x89 => self.push(Value::Bool(false))?,
            b'K' => {
                let value = self.u8()?;
                self.push(Value::Int(value.into()))?;
            }
            b'M' => {
                let value = u16::from_le_bytes(self.array()?);
                self.push(Value::Int(value.into()))?;
            }
            b'J' => {
                let value = i32::from_le_bytes(self.array()?);
                self.push(Value::Int(value.into()))?;
            }
            b'I' => {
                let value = match text::integer(self.line()?) {
                    Some(text::Integer::Bool(value)) => Value::Bool(value),
                    Some(text::Integer::Int(value)) => Value::Int(value),
                    None => return Err(self.malformed("not an integer")),
                };
                self.push(value)?;
            }
            b'L' => {
                let line = self.line()?;
                let value = text::number(line.strip_suffix(b"L").unwrap_or(line))
                    .ok_or_else(|| self.malformed("not an integer of up to 64 bits"))?;
                self.push(Value::Int(value))?;
            }
            0x8a => self.long(1)?,
            0x8b => self.long(4)?,
            b'F' => {
                let value =
                    text::number(self.line()?).ok_or_else(|| self.malformed("not a float"))?;
                self.push(Value::Float(value))?;
            }
            b'G' => {
                let value = f64::from_be_bytes(self.array()?);
                self.push(Value::Float(value))?;
            }

            // Strings.
            b'U' | b'C' => self.byte_string(1)?,
            b'T' | b'B' => self.byte_string(4)?,
            0x8e => self.byte_string(8)?,
            b'S' => {
                let value = text::quoted(self.line()?)
                    .ok_or_else(|| self.malformed("not a quoted string"))?;
                self.push(Value::Bytes(Cow::Owned(value)))?;
            }
            0x8c => self.unicode_string(1)?,
            b'X' => self.unicode_string(4)?,
            0x8d => self.unicode_string(8)?,
            b'V' => {
                let value = text::raw_unicode_escape(self.line()?)
                    .ok_or_else(|| self.malformed("not an escaped Unicode string"))?;
                self.push(Value::Text(Cow::Owned(value)))?;
            }

            // Containers.
            b')' => self.push(Value::Tuple(Vec::new()))?,
            b']' => self.push(Value::List(Vec::new()))?,
            b'}' => self.push(Value::Dict(Vec::new()))?,
            b'(' => {
                self.check("open marks", self.marks.len(), MAX_MARKS)?;
                self.marks.push(self.stack.len());
            }
            b't' => {
                let items = self.pop_mark()?;
                self.push(Value::Tuple(items))?;
            }
            0x85..=0x87 => {
                let items = self.pop_many(usize::from(opcode - 0x84))?;
                self.push(Value::Tuple(items))?;
            }
            b'l' => {
                let items = self.pop_mark()?;
                self.push(Value::List(items))?;
            }
            b'd' => {
                let items = self.pop_mark()?;
                let pairs = self.pairs(&items)?;
                self.push(Value::Dict(pairs))?;
            }
            b'a' => {
                let items = self.pop_many(1)?;
                self.append(items)?;
            }
            b'e' => {
                let items = self.pop_mark()?;
                self.append(items)?;
            }
            b's' => {
                let items = self.pop_many(2)?;
                self.set_items(&items)?;
            }
            b'u' => {
                let items = self.pop_mark()?;
                self.set_items(&items)?;
            }

            // The stack and the memo.
            b'0' => {
                if self.marks.last() == Some(&self.stack.len()) {
                    self.marks.pop();
                } else {
                    self.pop()?;
                }
            }
            b'1' => {
                self.pop_mark()?;
            }
            b'2' => {
                let top = self.top()?;
                self.push_id(top)?;
            }
            b'p' => {
                let index = self.memo_line()?;
                self.memoise(index)?;
            }
            b'q' => {
                let index = self.length(1)?;
                self.memoise(index)?;
            }
            b'r' => {
                let index = self.length(4)?;
                self.memoise(index)?;
            }
            0x94 => self.memoise(self.memo.len())?,
            b'g' => {
                let index = self.memo_line()?;
                self.recall(index)?;
            }
            b'h' => {
                let index = self.length(1)?;
                self.recall(index)?;
            }
            b'j' => {
                let index = self.length(4)?;
                self.recall(index)?;
            }

            // Names and what is made with them.
            b'c' => {
                let module = String::from_utf8_lossy(self.line()?);
                let name = String::from_utf8_lossy(self.line()?);
                self.global(&module, &name)?;
            }
            0x93 => self.stack_global()?,
            b'R' => self.reduce()?,
            b'b' => {
                // The state of an `OrderedDict`: PyTorch hangs the versions of its layers on it.
                self.pop()?;
                let top = self.top()?;
                if !matches!(self.values.get(top.0 as usize), Some(Value::Dict(_))) {
                    return Err(self.opcode("BUILD"));
                }
            }
            b'Q' => {
                let id = self.pop()?;
                self.push(Value::Persistent(id))?;
            }

            _ => {
                let name = refused_opcode(opcode);
                return Err(self.opcode(&name));
            }
        }
        Ok(false)
    }

    // What an instruction's argument is made of.

    fn take(&mut self, length: usize) -> Result<&'a [u8], PickleError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let taken = rest.get(..length).ok_or_else(|| self.truncated())?;
        self.at += length;
        self.check("bytes", self.at, MAX_BYTES + 1)?;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], PickleError> {
        let bytes = self.take(N)?;
        bytes.try_into().map_err(|_| self.truncated())
    }

    fn u8(&mut self) -> Result<u8, PickleError> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// An unsigned number of `width` (at most 8) bytes.
    fn length(&mut self, width: usize) -> Result<usize, PickleError> {
        let value = self
            .take(width)?
            .iter()
            .rev()
            .fold(0u64, |value, &byte| value << 8 | u64::from(byte));
        usize::try_from(value).map_err(|_| self.truncated())
    }

    fn line(&mut self) -> Result<&'a [u8], PickleError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let length = rest.iter().position(|&byte| byte == b'\n');
        let line = self.take(length.ok_or_else(|| self.truncated())?)?;
        self.take(1)?;
        Ok(line)
    }

    fn memo_line(&mut self) -> Result<usize, PickleError> {
        text::number(self.line()?).ok_or_else(|| self.malformed("not a memo index"))
    }

    fn long(&mut self, width: usize) -> Result<(), PickleError> {
        let length = self.length(width)?;
        self.check("a longer integer", length, MAX_LONG_BYTES + 1)?;
        let bytes = self.take(length)?;
        let negative = bytes.last().is_some_and(|&byte| byte >= 0x80);
        let mut padded = [if negative { 0xff } else { 0 }; 8];
        self.push(match padded.get_mut(..length) {
            Some(start) => {
                start.copy_from_slice(bytes);
                Value::Int(i64::from_le_bytes(padded))
            }
            None => Value::BigInt(bytes),
        })
    }

    fn byte_string(&mut self, width: usize) -> Result<(), PickleError> {
        let length = self.length(width)?;
        let bytes = self.take(length)?;
        self.push(Value::Bytes(Cow::Borrowed(bytes)))
    }

    fn unicode_string(&mut self, width: usize) -> Result<(), PickleError> {
        let length = self.length(width)?;
        let text = std::str::from_utf8(self.take(length)?)
            .map_err(|_| self.malformed("a string is not UTF-8"))?;
        self.push(Value::Text(Cow::Borrowed(text)))
    }

    // The stack.

    fn push(&mut self, value: Value<'a>) -> Result<(), PickleError> {
        self.check_values(0)?;
        let id = u32::try_from(self.values.len()).map_err(|_| self.truncated())?;
        self.values.push(value);
        self.push_id(ValueId(id))
    }

    fn push_id(&mut self, id: ValueId) -> Result<(), PickleError> {
        self.check("values on its stack", self.stack.len(), MAX_STACK)?;
        self.stack.push(id);
        Ok(())
    }

    fn top(&self) -> Result<ValueId, PickleError> {
        let floor = self.marks.last().copied().unwrap_or(0);
        match self.stack.last() {
            Some(&top) if self.stack.len() > floor => Ok(top),
            _ => Err(self.malformed("the stack is empty")),
        }
    }

    fn pop(&mut self) -> Result<ValueId, PickleError> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    fn pop_many(&mut self, count: usize) -> Result<Vec<ValueId>, PickleError> {
        let floor = self.marks.last().copied().unwrap_or(0);
        match self.stack.len().checked_sub(count) {
            Some(start) if start >= floor => Ok(self.stack.split_off(start)),
            _ => Err(self.malformed("the stack is empty")),
        }
    }

    fn pop_mark(&mut self) -> Result<Vec<ValueId>, PickleError> {
        let mark = self.marks.pop();
        let mark = mark.ok_or_else(|| self.malformed("no mark is open"))?;
        Ok(self.stack.split_off(mark))
    }

    // Containers.

    fn pairs(&self, items: &[ValueId]) -> Result<Vec<(ValueId, ValueId)>, PickleError> {
        let (pairs, rest) = items.as_chunks::<2>();
        if !rest.is_empty() {
            return Err(self.malformed("a dictionary's key has no value"));
        }
        Ok(pairs.iter().map(|&[key, value]| (key, value)).collect())
    }

    fn append(&mut self, items: Vec<ValueId>) -> Result<(), PickleError> {
        let top = self.top()?;
        match self.values.get_mut(top.0 as usize) {
            Some(Value::List(list)) => list.extend(items),
            _ => return Err(self.malformed("items are appended to what is no list")),
        }
        Ok(())
    }

    fn set_items(&mut self, items: &[ValueId]) -> Result<(), PickleError> {
        let pairs = self.pairs(items)?;
        let top = self.top()?;
        match self.values.get_mut(top.0 as usize) {
            Some(Value::Dict(dict)) => dict.extend(pairs),
            _ => return Err(self.malformed("items are set in what is no dictionary")),
        }
        Ok(())
    }

    // The memo.

    fn memoise(&mut self, index: usize) -> Result<(), PickleError> {
        let top = self.top()?;
        // Python counts the entries up, each of which takes a byte at least.
        self.check("a memo index", index, self.at)?;
        if index >= self.memo.len() {
            self.memo.resize(index + 1, None);
        }
        if let Some(slot) = self.memo.get_mut(index) {
            *slot = Some(top);
        }
        Ok(())
    }

    fn recall(&mut self, index: usize) -> Result<(), PickleError> {
        match self.memo.get(index) {
            Some(&Some(id)) => self.push_id(id),
            _ => Err(self.malformed(&format!("memo entry {index} was never set"))),
        }
    }

    // Names.

    fn global(&mut self, module: &str, name: &str) -> Result<(), PickleError> {
        match Global::named(module, name) {
            Some(global) => self.push(Value::Global(global)),
            None => Err(PickleError::Global {
                name: format!("{module}.{name}").chars().take(200).collect(),
                at: self.opcode_at,
            }),
        }
    }

    fn stack_global(&mut self) -> Result<(), PickleError> {
        let items = self.pop_many(2)?;
        let names: Vec<Cow<'a, str>> = items
            .iter()
            .filter_map(|id| match self.values.get(id.0 as usize) {
                Some(Value::Text(text)) => Some(text.clone()),
                _ => None,
            })
            .collect();
        match &*names {
            [module, name] => self.global(module, name),
            _ => Err(self.malformed("a name is no string")),
        }
    }

    fn reduce(&mut self) -> Result<(), PickleError> {
        let arguments = self.pop()?;
        let function = self.pop()?;
        let Some(Value::Global(function)) = self.values.get(function.0 as usize).cloned() else {
            return Err(self.opcode("REDUCE"));
        };
        let Some(Value::Tuple(items)) = self.values.get(arguments.0 as usize) else {
            return Err(self.malformed("a call's arguments are no tuple"));
        };
        match function {
            Global::OrderedDict => {
                let pairs = match items.as_slice() {
                    [] => Vec::new(),
                    &[pairs] => self.ordered_pairs(pairs)?,
                    _ => return Err(self.malformed("an OrderedDict takes one argument")),
                };
                self.push(Value::Dict(pairs))
            }
            Global::RebuildTensor | Global::RebuildTensorV2 | Global::RebuildParameter => {
                self.push(Value::Call(function, arguments))
            }
            Global::Storage(_) => Err(self.opcode("REDUCE")),
        }
    }

    /// What an `OrderedDict` is made of: a list or tuple of pairs, each a list or tuple.
    fn ordered_pairs(&mut self, id: ValueId) -> Result<Vec<(ValueId, ValueId)>, PickleError> {
        let items = |id: ValueId| match self.values.get(id.0 as usize) {
            Some(Value::List(items) | Value::Tuple(items)) => Some(items.as_slice()),
            _ => None,
        };
        let wrong = || self.malformed("an OrderedDict is made of what is no list of pairs");
        let list = items(id).ok_or_else(wrong)?;
        // One list may serve many dictionaries: what they copy counts like values.
        self.check_values(list.len())?;
        let pairs = list
            .iter()
            .map(|&pair| match items(pair) {
                Some(&[key, value]) => Ok((key, value)),
                _ => Err(wrong()),
            })
            .collect::<Result<Vec<_>, _>>()?;
        self.copied += pairs.len();
        Ok(pairs)
    }

    // Caps and errors.

    /// Room for one more value and `copies` copied items.
    fn check_values(&self, copies: usize) -> Result<(), PickleError> {
        let count = self.values.len() + self.copied + copies;
        self.check("values", count, 4096 + self.at / 3)
    }

    fn check(&self, what: &'static str, count: usize, limit: usize) -> Result<(), PickleError> {
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

    fn malformed(&self, what: &str) -> PickleError {
        PickleError::Malformed {
            what: what.to_owned(),
            at: self.opcode_at,
        }
    }

    fn opcode(&self, name: &str) -> PickleError {
        PickleError::Opcode {
            name: name.to_owned(),
            at: self.opcode_at,
        }
    }
}

/// The name of an opcode that is not allowed.
fn refused_opcode(opcode: u8) -> String {
    match opcode {
        b'i' => "INST",
        b'o' => "OBJ",
        b'P' => "PERSID",
        0x81 => "NEWOBJ",
        0x92 => "NEWOBJ_EX",
        0x82 => "EXT1",
        0x83 => "EXT2",
        0x84 => "EXT4",
        0x8f => "EMPTY_SET",
        0x90 => "ADDITEMS",
        0x91 => "FROZENSET",
        0x96 => "BYTEARRAY8",
        0x97 => "NEXT_BUFFER",
        0x98 => "READONLY_BUFFER",
        _ => return format!("0x{opcode:02x} (unknown)"),
    }
    .to_owned()
}
