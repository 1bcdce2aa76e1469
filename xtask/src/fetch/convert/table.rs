//! Columns of tab-separated tables.

use super::text::InputTexts;
use crate::fetch::error::Result;

/// The indices of the needed fields in a row.
pub struct FieldColumns<const N: usize> {
    places: [usize; N],
    /// Columns of the header line, if there is one.
    width: Option<usize>,
}

impl<const N: usize> FieldColumns<N> {
    /// Reads the header line and finds columns by name.
    ///
    /// # Errors
    ///
    /// If the header line lacks one of them.
    pub fn named(texts: &mut InputTexts, names: [&str; N]) -> Result<Self> {
        let mut line = String::new();
        texts.next(&mut line)?;
        let header: Vec<&str> = line.split('\t').collect();
        let mut places = [0; N];
        for (place, name) in places.iter_mut().zip(names) {
            *place = header
                .iter()
                .position(|field| *field == name)
                .ok_or_else(|| texts.wrong(format!("the header line has no column '{name}'")))?;
        }
        Ok(Self {
            places,
            width: Some(header.len()),
        })
    }

    /// The first columns of a table without a header line.
    pub fn first() -> Self {
        Self {
            places: std::array::from_fn(|place| place),
            width: None,
        }
    }

    /// The needed fields of a row. Other columns at its end may be absent; without a header line, there may be more of them.
    ///
    /// # Errors
    ///
    /// A row that lacks a field, or has more columns than the header line, which is ambiguous.
    pub fn of<'a>(&self, row: &'a str) -> Result<[&'a str; N], String> {
        let found = row.split('\t').count();
        if let Some(width) = self.width.filter(|&width| found > width) {
            return Err(format!(
                "the row has {found} columns, but the header line has {width}"
            ));
        }
        let mut fields = [""; N];
        for (field, &place) in fields.iter_mut().zip(&self.places) {
            *field = row.split('\t').nth(place).ok_or_else(|| {
                format!(
                    "the row has {found} columns, expected at least {}",
                    place + 1
                )
            })?;
        }
        Ok(fields)
    }
}
