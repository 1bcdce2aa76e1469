//! Tasks' data, kept in memory for several evaluations.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Task, TaskData};
use crate::error::Result;

/// Tasks' data and the hashes of their files, kept in memory and shared by clones.
///
/// Entries are found by the task's name, so all must come from one data folder.
#[derive(Clone, Debug, Default)]
pub struct KeptTasks {
    data: Kept<Arc<TaskData>>,
    hashes: Kept<String>,
}

type Kept<T> = Arc<Mutex<HashMap<&'static str, T>>>;

impl KeptTasks {
    pub(crate) fn data(
        &self,
        task: &Task,
        read: impl FnOnce() -> Result<Option<Arc<TaskData>>>,
    ) -> Result<Option<Arc<TaskData>>> {
        get(&self.data, task, read)
    }

    pub(crate) fn hash(
        &self,
        task: &Task,
        read: impl FnOnce() -> Result<Option<String>>,
    ) -> Result<Option<String>> {
        get(&self.hashes, task, read)
    }
}

/// The kept value of a task, or the result of `read`, which is then kept unless it is an error or `None`.
fn get<T: Clone>(
    kept: &Kept<T>,
    task: &Task,
    read: impl FnOnce() -> Result<Option<T>>,
) -> Result<Option<T>> {
    // An insertion cannot be interrupted halfway, so a poisoned lock is still consistent.
    let lock = || kept.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(found) = lock().get(task.name) {
        return Ok(Some(found.clone()));
    }
    let found = read()?;
    if let Some(found) = &found {
        lock().insert(task.name, found.clone());
    }
    Ok(found)
}
