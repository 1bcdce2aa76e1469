//! Two text columns of Parquet files.

use super::Workplace;
use super::text::TextOutput;
use crate::fetch::error::{FetchError, Result, at};
use gensen_data::panics;
use parquet::basic::{Encoding, Type};
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::column::reader::{ColumnReader, get_column_reader};
use parquet::data_type::ByteArray;
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::schema::types::SchemaDescriptor;
use std::fs::File;
use std::path::Path;

/// Values decoded at a time.
const BATCH: usize = 4096;

/// Writes one text for each of two columns (named by their last part), all files in order. Line
/// breaks and NUL inside a value become spaces; a missing value is an empty line.
///
/// # Errors
///
/// When a file is damaged, or a column is absent, ambiguous, repeated, or not of UTF-8 text.
pub fn columns(
    work: &Workplace<'_>,
    from: &[String],
    columns: &[String; 2],
    to: &[String; 2],
) -> Result<()> {
    let mut rows = [0, 0];
    for ((column, to), rows) in columns.iter().zip(to).zip(&mut rows) {
        let mut output = TextOutput::create(&work.output(to)?)?;
        let mut missing = 0;
        for name in from {
            let path = work.input(name)?;
            read_column(&path, column, &mut |value| match value {
                Some(text) if text.contains(['\n', '\r', '\0']) => {
                    output.line(&text.replace(['\n', '\r', '\0'], " "))
                }
                Some(text) => output.line(text),
                None => {
                    missing += 1;
                    output.line("")
                }
            })?;
        }
        if missing > 0 {
            work.note(format!("{to}: {missing} missing values, now empty lines"));
        }
        *rows = output.lines();
        output.finish()?;
    }
    let [one, two] = rows;
    if one != two {
        return Err(FetchError::Input {
            path: work.root.join(&to[0]),
            problem: format!(
                "column '{}' has {one} rows, '{}' has {two}",
                columns[0], columns[1]
            ),
        });
    }
    Ok(())
}

fn read_column(
    path: &Path,
    column: &str,
    emit: &mut dyn FnMut(Option<&str>) -> Result<()>,
) -> Result<()> {
    let wrong = |problem: String| FetchError::Input {
        path: path.into(),
        problem: format!("as Parquet: {problem}"),
    };
    let file = File::open(path).map_err(at(path))?;
    let reader = decode(|| SerializedFileReader::new(file)).map_err(wrong)?;
    let schema = reader.metadata().file_metadata().schema_descr();
    let index = find_column(schema, column).map_err(wrong)?;
    let about = schema.column(index);
    let (mut values, mut levels) = (Vec::<ByteArray>::new(), Vec::new());
    for group in 0..reader.num_row_groups() {
        let (mut column, rows) = decode(|| {
            let group = reader.get_row_group(group)?;
            let pages = group.get_column_page_reader(index)?;
            let pages = Box::new(CheckedPages::new(pages, about.max_def_level() > 0));
            match get_column_reader(about.clone(), pages) {
                ColumnReader::ByteArrayColumnReader(column) => {
                    Ok((column, group.metadata().num_rows()))
                }
                _ => Err(ParquetError::General("a column changes its type".into())),
            }
        })
        .map_err(wrong)?;
        let mut done = 0;
        loop {
            values.clear();
            levels.clear();
            let (records, ..) =
                decode(|| column.read_records(BATCH, Some(&mut levels), None, &mut values))
                    .map_err(wrong)?;
            if records == 0 {
                break;
            }
            done += records as i64;
            let mut given = values.iter();
            for record in 0..records {
                let missing =
                    about.max_def_level() > 0 && levels.get(record) != Some(&about.max_def_level());
                if missing {
                    emit(None)?;
                    continue;
                }
                let value = given.next().map(ByteArray::data);
                let text = value.and_then(|bytes| str::from_utf8(bytes).ok());
                emit(Some(text.ok_or_else(|| {
                    wrong(format!("a value of column '{}' is not UTF-8", about.name()))
                })?))?;
            }
        }
        if done != rows {
            return Err(wrong(format!(
                "a column has {done} of the {rows} rows that its group states"
            )));
        }
    }
    Ok(())
}

/// The index of the only text column of that name.
fn find_column(schema: &SchemaDescriptor, name: &str) -> Result<usize, String> {
    let mut found = (0..)
        .zip(schema.columns())
        .filter(|(_, c)| c.name() == name);
    let Some((index, column)) = found.next() else {
        return Err(format!("it has no column '{name}'"));
    };
    if found.next().is_some() {
        return Err(format!("several columns are called '{name}'"));
    }
    if column.physical_type() != Type::BYTE_ARRAY || column.max_rep_level() > 0 {
        return Err(format!("column '{name}' is not of text"));
    }
    Ok(index)
}

/// Runs a part of the decoder; its panics on damaged files become errors.
fn decode<T>(part: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, String> {
    match panics::catch(part) {
        Ok(decoded) => decoded.map_err(|error| error.to_string()),
        Err(_) => Err("it is damaged".into()),
    }
}

/// Checks that pages have enough bytes for their stated numbers of values, since the decoder allocates for these.
struct CheckedPages {
    pages: Box<dyn PageReader>,
    /// Whether values may be missing; then definition levels precede them.
    optional: bool,
}

impl CheckedPages {
    fn new(pages: Box<dyn PageReader>, optional: bool) -> Self {
        Self { pages, optional }
    }

    fn check(&self, page: &Page) -> Result<(), ParquetError> {
        let wrong = |problem: &str| Err(ParquetError::General(problem.into()));
        let (bytes, levels) = match page {
            // Each value has at least the four bytes of its length.
            Page::DictionaryPage {
                buf, num_values, ..
            } if *num_values as usize > buf.len() / 4 => {
                return wrong("a dictionary states more values than it has room for");
            }
            Page::DictionaryPage { .. } => return Ok(()),
            Page::DataPage { buf, .. } => match (self.optional, buf.first_chunk()) {
                (false, _) => (buf, 0),
                (true, Some(size)) => (buf, 4 + u32::from_le_bytes(*size) as usize),
                (true, None) => return wrong("a page ends too early"),
            },
            Page::DataPageV2 {
                buf,
                def_levels_byte_len: levels,
                ..
            } => (buf, *levels as usize),
        };
        let is_delta = matches!(
            page.encoding(),
            Encoding::DELTA_LENGTH_BYTE_ARRAY | Encoding::DELTA_BYTE_ARRAY
        );
        let stated = bytes.get(levels..).and_then(delta_values);
        if is_delta && stated.is_none_or(|stated| stated > u64::from(page.num_values())) {
            return wrong("a page states more values than it has");
        }
        Ok(())
    }
}

/// The number of values of a block of deltas: the third number of its header.
fn delta_values(bytes: &[u8]) -> Option<u64> {
    let mut bytes = bytes.iter();
    let mut number = 0;
    for _ in 0..3 {
        number = 0;
        for shift in (0..).step_by(7) {
            let byte = *bytes.next()?;
            number |= u64::from(byte & 0x7f).checked_shl(shift)?;
            if byte < 0x80 {
                break;
            }
        }
    }
    Some(number)
}

impl Iterator for CheckedPages {
    type Item = Result<Page, ParquetError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

impl PageReader for CheckedPages {
    fn get_next_page(&mut self) -> Result<Option<Page>, ParquetError> {
        let page = self.pages.get_next_page()?;
        if let Some(page) = &page {
            self.check(page)?;
        }
        Ok(page)
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>, ParquetError> {
        self.pages.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<(), ParquetError> {
        self.pages.skip_next_page()
    }
}
