//! Vectors in Apache Parquet: `line` (from 1), `text`, and `vector`, a list of numbers.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use gensen_data::scratch::Scratch;
use gensen_encode::Vectors;
use parquet::data_type::{ByteArray, ByteArrayType, DataType, FloatType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;

use crate::npy;

/// Bytes of vectors in a row group.
const GROUP_BYTES: usize = 32 << 20;

pub(crate) struct Parquet {
    writer: SerializedFileWriter<File>,
    scratch: Scratch,
    place: PathBuf,
    /// The number of the last line.
    line: i64,
    group: RowGroup,
}

/// Rows of the group that is not full yet.
#[derive(Default)]
struct RowGroup {
    lines: Vec<i64>,
    texts: Vec<ByteArray>,
    floats: Vec<f32>,
    integers: Vec<i32>,
    /// 0 where a vector begins, 1 for its other numbers.
    repetition: Vec<i16>,
}

impl Parquet {
    pub(super) fn create(place: &Path, kind: npy::NumberKind, lines_before: u64) -> Result<Self> {
        let context = || place.display().to_string();
        let element = match kind {
            npy::NumberKind::F32 => "float element",
            npy::NumberKind::I8 => "int32 element (INTEGER(8,true))",
            npy::NumberKind::U8 => "int32 element (INTEGER(8,false))",
        };
        let schema = format!(
            "message vectors {{ required int64 line; required binary text (STRING); \
             required group vector (LIST) {{ repeated group list {{ required {element}; }} }} }}"
        );
        let schema = Arc::new(parse_message_type(&schema)?);
        let version = env!("CARGO_PKG_VERSION");
        // Dictionaries and statistics of vectors would be useless.
        let properties = WriterProperties::builder()
            .set_created_by(format!("gensen version {version}"))
            .set_dictionary_enabled(false)
            .set_statistics_enabled(EnabledStatistics::None)
            .build();
        let scratch = Scratch::file(place).with_context(context)?;
        let file = File::options().write(true).open(scratch.path());
        let file = file.with_context(context)?;
        let writer = SerializedFileWriter::new(file, schema, Arc::new(properties));
        Ok(Self {
            writer: writer.with_context(context)?,
            scratch,
            place: place.to_owned(),
            line: lines_before as i64,
            group: RowGroup::default(),
        })
    }

    pub(super) fn write(&mut self, sentences: &[String], vectors: &Vectors) -> Result<()> {
        let (_, columns) = vectors.dim();
        for sentence in sentences {
            self.line += 1;
            self.group.lines.push(self.line);
            self.group.texts.push(sentence.as_bytes().to_vec().into());
            let places = 0..columns;
            let levels = places.map(|k| i16::from(k > 0));
            self.group.repetition.extend(levels);
        }
        match vectors {
            Vectors::F32(vectors) => self.group.floats.extend(vectors),
            Vectors::I8(vectors) => self
                .group
                .integers
                .extend(vectors.iter().map(|&x| i32::from(x))),
            Vectors::U8(vectors) => self
                .group
                .integers
                .extend(vectors.iter().map(|&x| i32::from(x))),
            other => anyhow::bail!("vectors without a Parquet type: {:?}", other.dim()),
        }
        match self.group.repetition.len() * size_of::<f32>() >= GROUP_BYTES {
            true => self.write_group(),
            false => Ok(()),
        }
    }

    fn write_group(&mut self) -> Result<()> {
        let group = std::mem::take(&mut self.group);
        let written = self.writer.next_row_group().and_then(|mut writer| {
            column::<Int64Type>(&mut writer, &group.lines, None)?;
            column::<ByteArrayType>(&mut writer, &group.texts, None)?;
            let repetition = Some(&group.repetition[..]);
            match group.integers.is_empty() {
                true => column::<FloatType>(&mut writer, &group.floats, repetition)?,
                false => column::<Int32Type>(&mut writer, &group.integers, repetition)?,
            }
            writer.close().map(drop)
        });
        written.with_context(|| self.place.display().to_string())
    }

    pub(super) fn finish(mut self) -> Result<()> {
        if !self.group.lines.is_empty() {
            self.write_group()?;
        }
        let Self {
            writer,
            scratch,
            place,
            ..
        } = self;
        let context = || place.display().to_string();
        drop(writer.into_inner().with_context(context)?);
        scratch.rename_to(&place).with_context(context)
    }
}

/// Writes the next column of a group; of a column of lists with the numbers' repetition levels.
fn column<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, File>,
    values: &[T::T],
    repetition: Option<&[i16]>,
) -> Result<(), ParquetError> {
    let Some(mut column) = group.next_column()? else {
        return Err(ParquetError::General("one column too many".to_owned()));
    };
    // No number is null.
    let definition = repetition.map(|levels| vec![1; levels.len()]);
    column
        .typed::<T>()
        .write_batch(values, definition.as_deref(), repetition)?;
    column.close()
}
