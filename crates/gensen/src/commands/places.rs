//! Checks of inputs and outputs before any work: outputs that are inputs, coincide or cannot be written.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use clap::builder::{PathBufValueParser, TypedValueParser};
use gensen_data::scratch;
use gensen_data::text::regular;

use super::UsageError;

/// Parses a path other than `-`, for options that cannot be standard input or output.
pub(super) fn file() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(|path: PathBuf| match path == Path::new("-") {
        true => Err(
            "standard input and output are not supported here; name a file (`./-` for a file of that name)",
        ),
        false => Ok(path),
    })
}

/// Refuses an output with another extension.
pub(super) fn ends_in(option: &str, path: &Path, extension: &str) -> Result<(), UsageError> {
    match path.extension() {
        None => Ok(()),
        Some(found) if found == OsStr::new(extension) => Ok(()),
        Some(found) => Err(UsageError(format!(
            "{option} {}: expected the extension .{extension}, found .{}",
            path.display(),
            found.display()
        ))),
    }
}

/// Refuses inputs that cannot be read twice; `why` is the reason, for the message.
pub(super) fn read_twice(inputs: &[NamedPath<'_>], why: &str) -> Result<(), UsageError> {
    for (option, path) in inputs {
        // Opening a missing file names it.
        if path.exists()
            && let Err(error) = regular(path)
        {
            let path = path.display();
            return Err(UsageError(format!("{option} {path}: {error} ({why})")));
        }
    }
    Ok(())
}

/// A path and the option that gave it.
pub(super) type NamedPath<'a> = (&'a str, &'a Path);

/// Refuses outputs that are an input or another output. `-` is neither.
pub(super) fn distinct(
    inputs: &[NamedPath<'_>],
    outputs: &[NamedPath<'_>],
) -> Result<(), UsageError> {
    let is_place = |place: &&NamedPath<'_>| place.1 != Path::new("-");
    for (k, (option, path)) in outputs.iter().enumerate().filter(|(_, o)| is_place(o)) {
        let mut others = inputs.iter().chain(&outputs[..k]).filter(is_place);
        if let Some((other_option, other)) = others.find(|(_, other)| same(path, other)) {
            let (path, other) = (path.display(), other.display());
            return Err(UsageError(format!(
                "{option} {path}: the same place as {other_option} {other}"
            )));
        }
    }
    Ok(())
}

/// Refuses output files that are folders, in missing folders, or not writable.
pub(super) fn writable(outputs: &[NamedPath<'_>]) -> Result<(), UsageError> {
    for (option, path) in outputs.iter().filter(|place| place.1 != Path::new("-")) {
        let path_is = |problem: &str| UsageError(format!("{option} {}: {problem}", path.display()));
        if path.is_dir() {
            return Err(path_is("is a folder"));
        }
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        if folder.is_some_and(|folder| !folder.is_dir()) {
            return Err(path_is("no such folder"));
        }
    }
    can_be_written(outputs)
}

/// Refuses output files that cannot be written; creates the folders around them.
pub(super) fn can_be_written(outputs: &[NamedPath<'_>]) -> Result<(), UsageError> {
    for (option, path) in outputs.iter().filter(|place| place.1 != Path::new("-")) {
        let path_is = |problem: &str| UsageError(format!("{option} {}: {problem}", path.display()));
        if path.is_dir() {
            return Err(path_is("is a folder"));
        }
        scratch::check(path).map_err(|error| path_is(&error.to_string()))?;
    }
    Ok(())
}

/// Whether two paths are one file, or have the same name in the same folder.
fn same(a: &Path, b: &Path) -> bool {
    named(a) == named(b) || resolved(a) == resolved(b)
}

/// The path with links resolved, except in its last part.
fn named(path: &Path) -> PathBuf {
    match (path.parent(), path.file_name()) {
        (Some(folder), Some(name)) if folder.as_os_str().is_empty() => {
            resolved(Path::new(".")).join(name)
        }
        (Some(folder), Some(name)) => resolved(folder).join(name),
        _ => path.to_owned(),
    }
}

/// The path with links resolved, as far as it exists.
fn resolved(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| named(path))
}
