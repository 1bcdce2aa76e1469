//! The legacy format: five pickles (a magic number, the protocol version, properties of the
//! machine, the tensors, and the storages' keys), then each storage: its number of elements (eight
//! bytes, little-endian) and its elements.

use std::collections::BTreeMap;

use super::super::WeightsError;
use super::super::pickle::{Pickle, Value};
use super::view::{Views, views, wrong};
use super::{MAX_PICKLE_BYTES, TorchFile};

/// 0x1950a86a20f9469cfc6c, least significant byte first.
const MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
const PROTOCOL_VERSION: i64 = 1001;

pub(super) fn read(bytes: &[u8]) -> Result<TorchFile<'_>, WeightsError> {
    let mut rest = bytes;
    match next_pickle(&mut rest) {
        Ok(pickle) if pickle.root() == &Value::BigInt(&MAGIC) => {}
        _ => {
            return Err(wrong(
                "it starts neither with a zip archive nor with the legacy format's magic number",
            ));
        }
    }
    let version = next_pickle(&mut rest)?;
    if version.root() != &Value::Int(PROTOCOL_VERSION) {
        return Err(wrong(format!(
            "its protocol version is not {PROTOCOL_VERSION}"
        )));
    }
    check_byte_order(&next_pickle(&mut rest)?)?;
    let Views { views, storages } = views(&next_pickle(&mut rest)?)?;
    let keys = next_pickle(&mut rest)?;
    let Value::List(ids) = keys.root() else {
        return Err(wrong(format!(
            "the storages' keys are {}, expected a list",
            keys.root().kind()
        )));
    };

    let mut contents = BTreeMap::new();
    for &id in ids {
        let key = keys
            .text(id)
            .ok_or_else(|| wrong("a storage's key is not a string"))?;
        let storage = storages
            .get(key)
            .ok_or_else(|| wrong(format!("no tensor uses storage `{key}`")))?;
        let cut = || wrong(format!("the file ends inside storage `{key}`"));
        let length = u64::from_le_bytes(
            *take(&mut rest, 8)
                .and_then(<[u8]>::first_chunk)
                .ok_or_else(cut)?,
        );
        if length != storage.length as u64 {
            return Err(wrong(format!(
                "storage `{key}` has {length} elements, expected {}",
                storage.length
            )));
        }
        let length = storage.length.checked_mul(storage.element_type.size());
        let elements = length
            .and_then(|length| take(&mut rest, length))
            .ok_or_else(cut)?;
        if contents.insert(key.to_owned(), elements).is_some() {
            return Err(wrong(format!("storage `{key}` occurs twice")));
        }
    }
    if let Some(key) = storages.keys().find(|key| !contents.contains_key(*key)) {
        return Err(wrong(format!("storage `{key}` is missing")));
    }
    if !rest.is_empty() {
        return Err(wrong(format!(
            "{} bytes follow the last storage",
            rest.len()
        )));
    }
    Ok(TorchFile {
        views,
        storages: contents,
        length: bytes.len(),
    })
}

fn next_pickle<'a>(rest: &mut &'a [u8]) -> Result<Pickle<'a>, WeightsError> {
    let pickle = Pickle::read(&rest[..rest.len().min(MAX_PICKLE_BYTES)])?;
    *rest = &rest[pickle.length()..];
    Ok(pickle)
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(taken)
}

fn check_byte_order(properties: &Pickle<'_>) -> Result<(), WeightsError> {
    let little_endian = match properties.root() {
        Value::Dict(pairs) => pairs.iter().any(|&(key, value)| {
            properties.text(key) == Some("little_endian")
                && properties.value(value) == &Value::Bool(true)
        }),
        _ => false,
    };
    if little_endian {
        return Ok(());
    }
    Err(wrong("its byte order is not marked as little-endian"))
}
