//! A safe reader of Python pickles.
//!
//! Python's pickles are programs for a small stack machine that may call any function. This reader
//! implements only the opcodes that build plain values (numbers, strings, tuples, lists,
//! dictionaries) and those with which PyTorch writes tensors. Opcodes and function names come from
//! an allow-list; all others are an error that names them. Nothing is ever called: a tensor is a
//! [`Value::Call`] that records the function and its arguments.
//!
//! Protocols 0 to 5 are supported.
//!
//! # Limits
//!
//! A pickle has at most [`MAX_BYTES`]; marks nest at most [`MAX_MARKS`] deep; the stack holds at
//! most [`MAX_STACK`] values; integers have at most [`MAX_LONG_BYTES`]; the number of values is at
//! most 4,096 plus a third of the bytes read so far. Values are stored in one list and refer to
//! each other by [`ValueId`], so a value that is used a million times is stored once, and a value
//! that contains itself is harmless.

mod cursor;
mod machine;
mod text;

use std::borrow::Cow;

/// The size limit of a pickle, in bytes.
pub const MAX_BYTES: usize = 64 << 20;
/// The largest number of marks that may be open at once.
pub const MAX_MARKS: usize = 256;
/// The largest number of values on the stack.
pub const MAX_STACK: usize = 1 << 16;
/// The size limit of an integer, in bytes.
pub const MAX_LONG_BYTES: usize = 64;

/// Errors of reading a pickle. Positions are bytes from the start.
#[derive(Debug, thiserror::Error, PartialEq)]
#[non_exhaustive]
pub enum PickleError {
    /// The data ends before the pickle's last instruction.
    #[error("the pickle is truncated at byte {at}")]
    Truncated {
        /// The end of the data.
        at: usize,
    },
    /// An instruction that is not on the allow-list.
    #[error(
        "the pickle's opcode {name} at byte {at} is not allowed: a pickle is read as data and never run"
    )]
    Opcode {
        /// The opcode's name in Python's `pickletools`, or its number.
        name: String,
        /// Its position.
        at: usize,
    },
    /// A function or class that is not on the allow-list.
    #[error(
        "the pickle refers to `{name}` at byte {at}, which is not allowed: a pickle is read as data and never run"
    )]
    Global {
        /// `module.name`.
        name: String,
        /// Its position.
        at: usize,
    },
    /// An allowed instruction with an invalid argument or stack.
    #[error("malformed pickle at byte {at}: {what}")]
    Malformed {
        /// What is wrong.
        what: String,
        /// The instruction's position.
        at: usize,
    },
    /// One of the limits is exceeded.
    #[error("the pickle has {what} beyond the limit of {limit} at byte {at}")]
    TooLarge {
        /// What exceeds the limit.
        what: &'static str,
        /// The limit.
        limit: usize,
        /// The instruction's position.
        at: usize,
    },
}

/// The index of a value in its [`Pickle`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ValueId(u32);

/// One value; containers hold the ids of their items, see [`Pickle::value`].
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// `None`.
    None,
    /// `True` or `False`.
    Bool(bool),
    /// An integer of up to 64 bits.
    Int(i64),
    /// A longer integer: two's complement, least significant byte first.
    BigInt(&'a [u8]),
    /// A float.
    Float(f64),
    /// A byte string: Python 3's `bytes`, Python 2's `str`.
    Bytes(Cow<'a, [u8]>),
    /// A Unicode string.
    Text(Cow<'a, str>),
    /// A tuple.
    Tuple(Vec<ValueId>),
    /// A list.
    List(Vec<ValueId>),
    /// A dictionary or `collections.OrderedDict`: pairs of key and value in insertion order. A key
    /// may occur more than once.
    Dict(Vec<(ValueId, ValueId)>),
    /// An allowed function or class.
    Global(Global),
    /// A recorded call of an allowed function, with its argument tuple.
    Call(Global, ValueId),
    /// A reference to an object outside of the pickle: in PyTorch files, a storage.
    Persistent(ValueId),
}

impl Value<'_> {
    /// The kind of value, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::None => "None",
            Value::Bool(_) => "a bool",
            Value::Int(_) | Value::BigInt(_) => "an integer",
            Value::Float(_) => "a float",
            Value::Bytes(_) => "a byte string",
            Value::Text(_) => "a string",
            Value::Tuple(_) => "a tuple",
            Value::List(_) => "a list",
            Value::Dict(_) => "a dictionary",
            Value::Global(_) => "a function or class",
            Value::Call(..) => "a tensor",
            Value::Persistent(_) => "a storage",
        }
    }
}

/// The functions and classes that a pickle may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Global {
    /// `collections.OrderedDict`.
    OrderedDict,
    /// `torch._utils._rebuild_tensor(storage, offset, size, stride)`.
    RebuildTensor,
    /// `torch._utils._rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks)`.
    RebuildTensorV2,
    /// `torch._utils._rebuild_parameter(tensor, requires_grad, hooks)`.
    RebuildParameter,
    /// `torch.FloatStorage`, `torch.cuda.FloatStorage` and so on.
    Storage(ElementType),
}

/// The type of a PyTorch storage's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElementType {
    /// 16-bit IEEE float.
    F16,
    /// 16-bit brain float.
    Bf16,
    /// 32-bit float.
    F32,
    /// 64-bit float.
    F64,
    /// Unsigned byte.
    U8,
    /// Signed byte.
    I8,
    /// 16-bit integer.
    I16,
    /// 32-bit integer.
    I32,
    /// 64-bit integer.
    I64,
    /// Boolean, one byte.
    Bool,
}

impl ElementType {
    /// Bytes per element.
    pub fn size(self) -> usize {
        match self {
            Self::U8 | Self::I8 | Self::Bool => 1,
            Self::F16 | Self::Bf16 | Self::I16 => 2,
            Self::F32 | Self::I32 => 4,
            Self::F64 | Self::I64 => 8,
        }
    }

    fn of_storage(class: &str) -> Option<Self> {
        Some(match class {
            "HalfStorage" => Self::F16,
            "BFloat16Storage" => Self::Bf16,
            "FloatStorage" => Self::F32,
            "DoubleStorage" => Self::F64,
            "ByteStorage" => Self::U8,
            "CharStorage" => Self::I8,
            "ShortStorage" => Self::I16,
            "IntStorage" => Self::I32,
            "LongStorage" => Self::I64,
            "BoolStorage" => Self::Bool,
            _ => return None,
        })
    }
}

impl Global {
    /// The allow-list.
    fn named(module: &str, name: &str) -> Option<Self> {
        match (module, name) {
            ("collections", "OrderedDict") => Some(Self::OrderedDict),
            ("torch._utils", "_rebuild_tensor") => Some(Self::RebuildTensor),
            ("torch._utils", "_rebuild_tensor_v2") => Some(Self::RebuildTensorV2),
            ("torch._utils", "_rebuild_parameter") => Some(Self::RebuildParameter),
            ("torch" | "torch.cuda", class) => ElementType::of_storage(class).map(Self::Storage),
            _ => None,
        }
    }
}

/// The values of one pickle.
#[derive(Clone, Debug)]
pub struct Pickle<'a> {
    values: Vec<Value<'a>>,
    root: ValueId,
    length: usize,
}

impl<'a> Pickle<'a> {
    /// Reads the pickle at the start of `bytes`. Other data may follow it; see [`Pickle::length`].
    ///
    /// ```
    /// use gensen_encode::weights::pickle::{Pickle, PickleError, Value};
    ///
    /// let pickle = Pickle::read(b"(I1\nS'two'\nt.")?;
    /// let Value::Tuple(items) = pickle.root() else { panic!() };
    /// assert_eq!(pickle.value(items[0]), &Value::Int(1));
    /// assert_eq!(pickle.text(items[1]), Some("two"));
    ///
    /// let refused = Pickle::read(b"cos\nsystem\n(S'ls'\ntR.");
    /// assert!(matches!(refused, Err(PickleError::Global { name, .. }) if name == "os.system"));
    /// # Ok::<(), PickleError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Truncated or malformed data, opcodes and names that are not on the allow-list, and data
    /// beyond the module's limits.
    pub fn read(bytes: &'a [u8]) -> Result<Self, PickleError> {
        machine::run(bytes)
    }

    /// The pickled value.
    pub fn root(&self) -> &Value<'a> {
        self.value(self.root)
    }

    /// The value with this id.
    ///
    /// # Panics
    ///
    /// If the id belongs to another pickle.
    pub fn value(&self, id: ValueId) -> &Value<'a> {
        &self.values[id.0 as usize]
    }

    /// The value with this id, if it is a Unicode string or a byte string that is UTF-8.
    pub fn text(&self, id: ValueId) -> Option<&str> {
        match self.value(id) {
            Value::Text(text) => Some(text),
            Value::Bytes(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    /// The value with this id, if it is a non-negative integer.
    pub fn size(&self, id: ValueId) -> Option<usize> {
        match self.value(id) {
            Value::Int(value) => usize::try_from(*value).ok(),
            _ => None,
        }
    }

    /// The pickle's length in bytes.
    pub fn length(&self) -> usize {
        self.length
    }
}
