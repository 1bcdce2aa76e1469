//! `KEY=VALUE` overrides of a configuration.

use super::Config;
use crate::error::TrainError;

/// Parses `table` as a configuration after applying each `KEY=VALUE`.
pub(super) fn apply(
    origin: &str,
    mut table: toml::Table,
    overrides: &[String],
) -> Result<Config, TrainError> {
    for assignment in overrides {
        let origin = format!("--set {assignment}");
        let error = |problem: &str| TrainError::config(&*origin, problem);
        let (key, value) = assignment
            .split_once('=')
            .ok_or_else(|| error("expected KEY=VALUE, such as training.steps=500"))?;
        if value.trim().is_empty() {
            // Such as an unset shell variable.
            return Err(error("expected a value after ="));
        }
        let quoted = || toml::Value::String(value.trim().into());
        let value = format!("value = {value}").parse::<toml::Table>();
        let value = value
            .ok()
            .and_then(|mut t| t.remove("value"))
            .unwrap_or_else(quoted);
        set(&mut table, key.trim(), value).map_err(|problem| error(&problem))?;
        // Checked one by one, so that the error names the override.
        let checked = table.clone().try_into::<Config>();
        checked.map_err(TrainError::invalid(&origin))?;
    }
    table.try_into().map_err(TrainError::invalid(origin))
}

/// Sets a dotted key.
fn set(table: &mut toml::Table, key: &str, value: toml::Value) -> Result<(), String> {
    match key.split_once('.') {
        None => {
            table.insert(key.into(), value);
            Ok(())
        }
        Some((first, rest)) => {
            let inner = table
                .entry(first)
                .or_insert_with(|| toml::Value::Table(toml::Table::new()));
            let inner = inner.as_table_mut();
            set(
                inner.ok_or_else(|| format!("`{first}` is not a table"))?,
                rest,
                value,
            )
        }
    }
}
