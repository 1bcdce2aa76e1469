//! Tensors as views into storages, as the pickle describes them.

use std::collections::BTreeMap;

use super::super::WeightsError;
use super::super::pickle::{ElementType, Global, Pickle, Value, ValueId};
use super::super::tensor::element_count;
use super::MAX_DIMENSIONS;

/// A reference to a storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StorageRef {
    pub(super) key: String,
    pub(super) element_type: ElementType,
    /// The number of elements in the whole storage.
    pub(super) length: usize,
}

/// A view into a storage.
#[derive(Clone, Debug)]
pub(super) struct View {
    pub(super) storage: StorageRef,
    pub(super) offset: usize,
    pub(super) shape: Vec<usize>,
    pub(super) strides: Vec<usize>,
}

impl View {
    /// The size of the view's elements in the storage's type, in bytes.
    pub(super) fn byte_len(&self) -> usize {
        element_count(&self.shape)
            .and_then(|count| count.checked_mul(self.storage.element_type.size()))
            .unwrap_or(usize::MAX)
    }

    /// The view's elements in row-major order, from the storage's bytes; `None` if the storage is
    /// too short.
    pub(super) fn gather<const WIDTH: usize>(
        &self,
        storage: &[u8],
        number: impl Fn([u8; WIDTH]) -> f32,
    ) -> Option<Vec<f32>> {
        let (storage, _) = storage.as_chunks::<WIDTH>();
        let count = element_count(&self.shape)?;
        if count == 0 {
            return Some(Vec::new());
        }
        if self.is_contiguous() {
            let end = self.offset.checked_add(count)?;
            let elements = storage.get(self.offset..end)?.iter();
            return Some(elements.map(|&element| number(element)).collect());
        }
        let mut values = Vec::with_capacity(count);
        let mut index = vec![0usize; self.shape.len()];
        for _ in 0..count {
            let steps = index.iter().zip(&self.strides);
            let place = self.offset + steps.map(|(index, stride)| index * stride).sum::<usize>();
            values.push(number(*storage.get(place)?));
            for (index, &extent) in index.iter_mut().zip(&self.shape).rev() {
                *index += 1;
                if *index < extent {
                    break;
                }
                *index = 0;
            }
        }
        Some(values)
    }

    fn is_contiguous(&self) -> bool {
        let mut expected = 1usize;
        self.shape
            .iter()
            .zip(&self.strides)
            .rev()
            .all(|(&extent, &stride)| {
                let fits = extent == 1 || stride == expected;
                expected = expected.saturating_mul(extent);
                fits
            })
    }

    /// Checks that the view lies within its storage and is not larger.
    fn check(&self) -> Result<(), String> {
        if self.shape.len() != self.strides.len() || self.shape.len() > MAX_DIMENSIONS {
            return Err(format!(
                "{} dimensions and {} strides, expected equally many and at most {MAX_DIMENSIONS}",
                self.shape.len(),
                self.strides.len()
            ));
        }
        let beyond = || {
            format!(
                "offset {}, shape {:?} and strides {:?} reach beyond the {} elements of storage `{}`",
                self.offset, self.shape, self.strides, self.storage.length, self.storage.key
            )
        };
        let count = element_count(&self.shape).ok_or_else(beyond)?;
        if count == 0 {
            return Ok(());
        }
        let last = self
            .shape
            .iter()
            .zip(&self.strides)
            .try_fold(self.offset, |last, (&extent, &stride)| {
                last.checked_add((extent - 1).checked_mul(stride)?)
            });
        if count > self.storage.length || last.is_none_or(|last| last >= self.storage.length) {
            return Err(beyond());
        }
        Ok(())
    }
}

/// The views in a pickle, and their storages.
pub(super) struct Views {
    pub(super) views: BTreeMap<String, View>,
    pub(super) storages: BTreeMap<String, StorageRef>,
}

/// Reads a pickle that is a dictionary from names to tensors.
pub(super) fn views(pickle: &Pickle<'_>) -> Result<Views, WeightsError> {
    let Value::Dict(pairs) = pickle.root() else {
        return Err(wrong(format!(
            "it holds {}, expected a dictionary from names to tensors",
            pickle.root().kind()
        )));
    };
    let mut found = Views {
        views: BTreeMap::new(),
        storages: BTreeMap::new(),
    };
    for &(key, value) in pairs {
        let name = pickle.text(key).ok_or_else(|| {
            wrong(format!(
                "a tensor's name is {}, expected UTF-8 text",
                pickle.value(key).kind()
            ))
        })?;
        let in_tensor = |what| wrong(format!("tensor `{name}`: {what}"));
        let view = view(pickle, value).map_err(in_tensor)?;
        view.check().map_err(in_tensor)?;
        let storage = &view.storage;
        let known = found.storages.entry(storage.key.clone());
        if known.or_insert_with(|| storage.clone()) != storage {
            let what = format!(
                "storage `{}` has another type or length in an earlier tensor",
                storage.key
            );
            return Err(in_tensor(what));
        }
        if found.views.insert(name.to_owned(), view).is_some() {
            return Err(in_tensor("occurs twice".to_owned()));
        }
    }
    Ok(found)
}

fn view(pickle: &Pickle<'_>, id: ValueId) -> Result<View, String> {
    let (function, arguments) = call(pickle, id)?;
    // A parameter wraps a tensor.
    let (function, arguments) = match (function, arguments) {
        (Global::RebuildParameter, &[tensor, ..]) => call(pickle, tensor)?,
        other => other,
    };
    match (function, arguments) {
        (Global::RebuildTensor, &[storage, offset, shape, strides])
        | (Global::RebuildTensorV2, &[storage, offset, shape, strides, _, _, ..]) => {
            let (storage, start) = storage_ref(pickle, storage)?;
            let offset = pickle.size(offset).and_then(|x| x.checked_add(start));
            Ok(View {
                storage,
                offset: offset.ok_or("its offset is not a size")?,
                shape: sizes(pickle, shape).ok_or("its shape is not a tuple of sizes")?,
                strides: sizes(pickle, strides).ok_or("its strides are not a tuple of sizes")?,
            })
        }
        _ => Err("it has the wrong number of arguments".to_owned()),
    }
}

fn call<'p>(pickle: &'p Pickle<'_>, id: ValueId) -> Result<(Global, &'p [ValueId]), String> {
    match pickle.value(id) {
        &Value::Call(function, arguments) => match pickle.value(arguments) {
            Value::Tuple(arguments) => Ok((function, arguments)),
            other => Err(format!("its arguments are {}", other.kind())),
        },
        other => Err(format!("it is {}, expected a tensor", other.kind())),
    }
}

/// The storage of a persistent identifier, and the start of the part of it that the tensor uses.
fn storage_ref(pickle: &Pickle<'_>, id: ValueId) -> Result<(StorageRef, usize), String> {
    let Value::Persistent(id) = *pickle.value(id) else {
        return Err(format!("its storage is {}", pickle.value(id).kind()));
    };
    // ("storage", class, key, device, length) and, in the legacy format, the part: None or
    // (key, offset, length).
    let (class, key, length, part) = match pickle.value(id) {
        Value::Tuple(items) => match **items {
            [tag, class, key, _, length] if pickle.text(tag) == Some("storage") => {
                (class, key, length, None)
            }
            [tag, class, key, _, length, part] if pickle.text(tag) == Some("storage") => {
                (class, key, length, Some(part))
            }
            _ => return Err("its storage's identifier is malformed".to_owned()),
        },
        other => return Err(format!("its storage's identifier is {}", other.kind())),
    };
    let &Value::Global(Global::Storage(element_type)) = pickle.value(class) else {
        return Err(format!(
            "its storage's class is {}",
            pickle.value(class).kind()
        ));
    };
    let storage = StorageRef {
        key: pickle
            .text(key)
            .ok_or("its storage's key is not a string")?
            .to_owned(),
        element_type,
        length: pickle
            .size(length)
            .ok_or("its storage's length is not a size")?,
    };
    let start = match part.map(|part| pickle.value(part)) {
        None | Some(Value::None) => 0,
        Some(Value::Tuple(items)) => match **items {
            [_, offset, _] => pickle
                .size(offset)
                .ok_or("the offset of its storage's part is not a size")?,
            _ => return Err("its storage's part is malformed".to_owned()),
        },
        Some(other) => return Err(format!("its storage's part is {}", other.kind())),
    };
    Ok((storage, start))
}

fn sizes(pickle: &Pickle<'_>, id: ValueId) -> Option<Vec<usize>> {
    match pickle.value(id) {
        // `View::check` refuses more dimensions.
        Value::Tuple(items) | Value::List(items) => items
            .iter()
            .take(MAX_DIMENSIONS + 1)
            .map(|&item| pickle.size(item))
            .collect(),
        _ => None,
    }
}

pub(super) fn wrong(what: impl Into<String>) -> WeightsError {
    WeightsError::Torch(what.into())
}
