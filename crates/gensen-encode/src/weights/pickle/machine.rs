//! The stack machine: the allowed opcodes and what they build.

use std::borrow::Cow;

use super::{
    Global, MAX_LONG_BYTES, MAX_MARKS, MAX_STACK, Pickle, PickleError, Value, ValueId,
    cursor::Cursor, text,
};

/// Runs the pickle at the start of `bytes`.
pub(super) fn run(bytes: &[u8]) -> Result<Pickle<'_>, PickleError> {
    let mut machine = Machine {
        input: Cursor::new(bytes),
        values: Vec::new(),
        copied: 0,
        stack: Vec::new(),
        marks: Vec::new(),
        memo: Vec::new(),
    };
    while !machine.step()? {}
    let root = machine.pop()?;
    if !machine.stack.is_empty() || !machine.marks.is_empty() {
        return Err(machine
            .input
            .malformed("more than one value is left on the stack"));
    }
    Ok(Pickle {
        values: machine.values,
        root,
        length: machine.input.position(),
    })
}

struct Machine<'a> {
    input: Cursor<'a>,
    values: Vec<Value<'a>>,
    /// The number of items that were copied from one container into another.
    copied: usize,
    stack: Vec<ValueId>,
    /// The height of the stack at each open mark.
    marks: Vec<usize>,
    memo: Vec<Option<ValueId>>,
}

impl<'a> Machine<'a> {
    /// Executes one instruction; true at the end of the pickle.
    fn step(&mut self) -> Result<bool, PickleError> {
        let opcode = self.input.next_opcode()?;
        match opcode {
            b'.' => return Ok(true),

            // Framing.
            0x80 => {
                let protocol = self.input.u8()?;
                if protocol > 5 {
                    return Err(self
                        .input
                        .malformed(&format!("protocol {protocol} is unknown")));
                }
            }
            0x95 => {
                let length = self.input.length(8)?;
                self.input.check_rest(length)?;
            }

            // Constants and numbers.
            b'N' => self.push(Value::None)?,
            0x88 => self.push(Value::Bool(true))?,
            0x89 => self.push(Value::Bool(false))?,
            b'K' => {
                let value = self.input.u8()?;
                self.push(Value::Int(value.into()))?;
            }
            b'M' => {
                let value = u16::from_le_bytes(self.input.array()?);
                self.push(Value::Int(value.into()))?;
            }
            b'J' => {
                let value = i32::from_le_bytes(self.input.array()?);
                self.push(Value::Int(value.into()))?;
            }
            b'I' => {
                let value = match text::integer(self.input.line()?) {
                    Some(text::Integer::Bool(value)) => Value::Bool(value),
                    Some(text::Integer::Int(value)) => Value::Int(value),
                    None => return Err(self.input.malformed("not an integer")),
                };
                self.push(value)?;
            }
            b'L' => {
                let line = self.input.line()?;
                let value = text::number(line.strip_suffix(b"L").unwrap_or(line))
                    .ok_or_else(|| self.input.malformed("not an integer of up to 64 bits"))?;
                self.push(Value::Int(value))?;
            }
            0x8a => self.long(1)?,
            0x8b => self.long(4)?,
            b'F' => {
                let value = text::number(self.input.line()?)
                    .ok_or_else(|| self.input.malformed("not a float"))?;
                self.push(Value::Float(value))?;
            }
            b'G' => {
                let value = f64::from_be_bytes(self.input.array()?);
                self.push(Value::Float(value))?;
            }

            // Strings.
            b'U' | b'C' => self.byte_string(1)?,
            b'T' | b'B' => self.byte_string(4)?,
            0x8e => self.byte_string(8)?,
            b'S' => {
                let value = text::quoted(self.input.line()?)
                    .ok_or_else(|| self.input.malformed("not a quoted string"))?;
                self.push(Value::Bytes(Cow::Owned(value)))?;
            }
            0x8c => self.unicode_string(1)?,
            b'X' => self.unicode_string(4)?,
            0x8d => self.unicode_string(8)?,
            b'V' => {
                let value = text::raw_unicode_escape(self.input.line()?)
                    .ok_or_else(|| self.input.malformed("not an escaped Unicode string"))?;
                self.push(Value::Text(Cow::Owned(value)))?;
            }

            // Containers.
            b')' => self.push(Value::Tuple(Vec::new()))?,
            b']' => self.push(Value::List(Vec::new()))?,
            b'}' => self.push(Value::Dict(Vec::new()))?,
            b'(' => {
                self.input
                    .check("open marks", self.marks.len(), MAX_MARKS)?;
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
                let index = self.input.length(1)?;
                self.memoise(index)?;
            }
            b'r' => {
                let index = self.input.length(4)?;
                self.memoise(index)?;
            }
            0x94 => self.memoise(self.memo.len())?,
            b'g' => {
                let index = self.memo_line()?;
                self.recall(index)?;
            }
            b'h' => {
                let index = self.input.length(1)?;
                self.recall(index)?;
            }
            b'j' => {
                let index = self.input.length(4)?;
                self.recall(index)?;
            }

            // Names and calls.
            b'c' => {
                let module = String::from_utf8_lossy(self.input.line()?);
                let name = String::from_utf8_lossy(self.input.line()?);
                self.global(&module, &name)?;
            }
            0x93 => self.stack_global()?,
            b'R' => self.reduce()?,
            b'b' => {
                // The state of an `OrderedDict`, in which PyTorch stores the versions of its
                // layers.
                self.pop()?;
                let top = self.top()?;
                if !matches!(self.values.get(top.0 as usize), Some(Value::Dict(_))) {
                    return Err(self.input.opcode("BUILD"));
                }
            }
            b'Q' => {
                let id = self.pop()?;
                self.push(Value::Persistent(id))?;
            }

            _ => {
                let name = refused_opcode(opcode);
                return Err(self.input.opcode(&name));
            }
        }
        Ok(false)
    }

    // Arguments of instructions.

    fn memo_line(&mut self) -> Result<usize, PickleError> {
        text::number(self.input.line()?).ok_or_else(|| self.input.malformed("not a memo index"))
    }

    fn long(&mut self, width: usize) -> Result<(), PickleError> {
        let length = self.input.length(width)?;
        self.input
            .check("a longer integer", length, MAX_LONG_BYTES + 1)?;
        let bytes = self.input.take(length)?;
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
        let length = self.input.length(width)?;
        let bytes = self.input.take(length)?;
        self.push(Value::Bytes(Cow::Borrowed(bytes)))
    }

    fn unicode_string(&mut self, width: usize) -> Result<(), PickleError> {
        let length = self.input.length(width)?;
        let text = std::str::from_utf8(self.input.take(length)?)
            .map_err(|_| self.input.malformed("a string is not UTF-8"))?;
        self.push(Value::Text(Cow::Borrowed(text)))
    }

    // The stack.

    fn push(&mut self, value: Value<'a>) -> Result<(), PickleError> {
        self.check_values(0)?;
        #[allow(
            clippy::expect_used,
            reason = "`check_values` and `MAX_BYTES` bound the number of values far below 2^32"
        )]
        let id = u32::try_from(self.values.len()).expect("an id of 32 bits");
        self.values.push(value);
        self.push_id(ValueId(id))
    }

    fn push_id(&mut self, id: ValueId) -> Result<(), PickleError> {
        self.input
            .check("values on its stack", self.stack.len(), MAX_STACK)?;
        self.stack.push(id);
        Ok(())
    }

    fn top(&self) -> Result<ValueId, PickleError> {
        let floor = self.marks.last().copied().unwrap_or(0);
        match self.stack.last() {
            Some(&top) if self.stack.len() > floor => Ok(top),
            _ => Err(self.input.malformed("the stack is empty")),
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
            _ => Err(self.input.malformed("the stack is empty")),
        }
    }

    fn pop_mark(&mut self) -> Result<Vec<ValueId>, PickleError> {
        let mark = self.marks.pop();
        let mark = mark.ok_or_else(|| self.input.malformed("no mark is open"))?;
        Ok(self.stack.split_off(mark))
    }

    // Containers.

    fn pairs(&self, items: &[ValueId]) -> Result<Vec<(ValueId, ValueId)>, PickleError> {
        let (pairs, rest) = items.as_chunks::<2>();
        if !rest.is_empty() {
            return Err(self.input.malformed("a dictionary key has no value"));
        }
        Ok(pairs.iter().map(|&[key, value]| (key, value)).collect())
    }

    fn append(&mut self, items: Vec<ValueId>) -> Result<(), PickleError> {
        let top = self.top()?;
        match self.values.get_mut(top.0 as usize) {
            Some(Value::List(list)) => list.extend(items),
            _ => return Err(self.input.malformed("APPEND on a value that is not a list")),
        }
        Ok(())
    }

    fn set_items(&mut self, items: &[ValueId]) -> Result<(), PickleError> {
        let pairs = self.pairs(items)?;
        let top = self.top()?;
        match self.values.get_mut(top.0 as usize) {
            Some(Value::Dict(dict)) => dict.extend(pairs),
            _ => {
                return Err(self
                    .input
                    .malformed("SETITEM on a value that is not a dictionary"));
            }
        }
        Ok(())
    }

    // The memo.

    fn memoise(&mut self, index: usize) -> Result<(), PickleError> {
        let top = self.top()?;
        // Python numbers entries consecutively, and each takes at least one byte.
        self.input
            .check("a memo index", index, self.input.position())?;
        if index >= self.memo.len() {
            self.memo.resize(index + 1, None);
        }
        self.memo[index] = Some(top);
        Ok(())
    }

    fn recall(&mut self, index: usize) -> Result<(), PickleError> {
        match self.memo.get(index) {
            Some(&Some(id)) => self.push_id(id),
            _ => Err(self
                .input
                .malformed(&format!("memo entry {index} was never set"))),
        }
    }

    // Names.

    fn global(&mut self, module: &str, name: &str) -> Result<(), PickleError> {
        match Global::named(module, name) {
            Some(global) => self.push(Value::Global(global)),
            None => Err(PickleError::Global {
                name: format!("{module}.{name}").chars().take(200).collect(),
                at: self.input.opcode_at(),
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
            _ => Err(self
                .input
                .malformed("a module or function name is not a string")),
        }
    }

    fn reduce(&mut self) -> Result<(), PickleError> {
        let arguments = self.pop()?;
        let function = self.pop()?;
        let Some(Value::Global(function)) = self.values.get(function.0 as usize).cloned() else {
            return Err(self.input.opcode("REDUCE"));
        };
        let Some(Value::Tuple(items)) = self.values.get(arguments.0 as usize) else {
            return Err(self.input.malformed("a call's arguments are not a tuple"));
        };
        match function {
            Global::OrderedDict => {
                let pairs = match items.as_slice() {
                    [] => Vec::new(),
                    &[pairs] => self.ordered_pairs(pairs)?,
                    _ => {
                        return Err(self
                            .input
                            .malformed("OrderedDict takes at most one argument"));
                    }
                };
                self.push(Value::Dict(pairs))
            }
            Global::RebuildTensor | Global::RebuildTensorV2 | Global::RebuildParameter => {
                self.push(Value::Call(function, arguments))
            }
            Global::Storage(_) => Err(self.input.opcode("REDUCE")),
        }
    }

    /// The argument of `OrderedDict`: a list or tuple of pairs, each a list or tuple.
    fn ordered_pairs(&mut self, id: ValueId) -> Result<Vec<(ValueId, ValueId)>, PickleError> {
        let items = |id: ValueId| match self.values.get(id.0 as usize) {
            Some(Value::List(items) | Value::Tuple(items)) => Some(items.as_slice()),
            _ => None,
        };
        let wrong = || {
            self.input
                .malformed("the argument of OrderedDict is not a list of pairs")
        };
        let list = items(id).ok_or_else(wrong)?;
        // Many dictionaries may copy the same list, so copied items count as values.
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

    /// Checks that there may be one more value and `copies` more copied items.
    fn check_values(&self, copies: usize) -> Result<(), PickleError> {
        let count = self.values.len() + self.copied + copies;
        self.input
            .check("values", count, 4096 + self.input.position() / 3)
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
