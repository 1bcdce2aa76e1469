//! Formats of vector files.

use std::ffi::OsStr;
use std::path::Path;

use clap::ValueEnum;

use crate::commands::UsageError;

/// The format of a file of vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// NumPy's array file: [lines, width].
    Npy,
    /// One JSON object per line: `line` (from 1), `text`, `vector`.
    Jsonl,
    /// Comma-separated, with a header: `line`, `text`, then one column per number, `v0`, `v1`, ...
    Csv,
    /// Apache Parquet: columns `line`, `text`, and `vector`, a list of numbers.
    #[cfg(feature = "parquet")]
    Parquet,
}

/// Format and compression of an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) format: Format,
    /// Whether the file is compressed with gzip.
    pub(crate) gzip: bool,
}

impl Format {
    fn extension(self) -> &'static str {
        match self {
            Self::Npy => "npy",
            Self::Jsonl => "jsonl",
            Self::Csv => "csv",
            #[cfg(feature = "parquet")]
            Self::Parquet => "parquet",
        }
    }

    /// Whether the format is line-based text.
    pub(crate) fn is_text(self) -> bool {
        matches!(self, Self::Jsonl | Self::Csv)
    }

    /// Determines an output's format: by `--format`, otherwise by extension.
    pub(crate) fn of(named: Option<Self>, place: &Path) -> Result<Written, UsageError> {
        let shown = place.display();
        if place == Path::new("-") {
            return match named.unwrap_or(Self::Jsonl) {
                format if format.is_text() => Ok(Written {
                    format,
                    gzip: false,
                }),
                format => Err(UsageError(format!(
                    "--output -: standard output supports `--format jsonl` and `--format csv`; .{} needs a file",
                    format.extension()
                ))),
            };
        }
        let extension = |path: &Path| {
            let extension = path.extension()?;
            Some(extension.to_str().unwrap_or_default().to_owned())
        };
        let gzip = place.extension() == Some(OsStr::new("gz"));
        let stem = place.with_extension("");
        let extension = match gzip {
            true => extension(&stem),
            false => extension(place),
        };
        let all = Self::value_variants();
        let told = extension.as_ref().map(|extension| {
            let mut all = all.iter().copied();
            all.find(|format| format.extension() == extension)
        });
        let format = match (named, told) {
            (Some(named), Some(Some(told))) if named != told => {
                return Err(UsageError(format!(
                    "--output {shown}: its extension contradicts --format"
                )));
            }
            (Some(format), _) | (None, Some(Some(format))) => format,
            (None, None) if !gzip => Self::Npy,
            (None, _) => {
                let known: Vec<String> =
                    all.iter().map(|f| format!(".{}", f.extension())).collect();
                return Err(UsageError(format!(
                    "--output {shown}: unknown extension, expected one of {}, .jsonl.gz, .csv.gz; or name the format \
                     with --format{}",
                    known.join(", "),
                    without_parquet(extension.as_deref()),
                )));
            }
        };
        if gzip && !format.is_text() {
            return Err(UsageError(format!(
                "--output {shown}: only .jsonl and .csv are written with gzip"
            )));
        }
        Ok(Written { format, gzip })
    }
}

/// Hint for builds without Parquet.
fn without_parquet(extension: Option<&str>) -> &'static str {
    match extension {
        Some("parquet") if cfg!(not(feature = "parquet")) => {
            " (this build has no Parquet: build with `--features parquet`)"
        }
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_tell_formats_and_unknown_ones_are_refused() {
        let of = |named, place: &str| Format::of(named, Path::new(place));
        let written = |format, gzip| Written { format, gzip };
        for (named, place, expected) in [
            (None, "v.npy", written(Format::Npy, false)),
            (None, "v", written(Format::Npy, false)),
            (None, "a.b/v.jsonl", written(Format::Jsonl, false)),
            (None, "v.csv.gz", written(Format::Csv, true)),
            (None, "-", written(Format::Jsonl, false)),
            (Some(Format::Csv), "-", written(Format::Csv, false)),
            (Some(Format::Csv), "v.txt", written(Format::Csv, false)),
            (Some(Format::Jsonl), "v.gz", written(Format::Jsonl, true)),
        ] {
            assert_eq!(of(named, place).unwrap(), expected, "{place}");
        }
        for (named, place, expected) in [
            (None, "v.txt", ".npy, .jsonl, .csv"),
            (None, "v.gz", "with --format"),
            (None, "v.NPY", "with --format"),
            (None, "v.npy.gz", "only .jsonl and .csv"),
            (Some(Format::Npy), "v.csv", "contradicts --format"),
            (Some(Format::Npy), "-", ".npy needs a file"),
            (Some(Format::Npy), "v.gz", "only .jsonl and .csv"),
        ] {
            let said = of(named, place).unwrap_err().to_string();
            assert!(said.contains(expected), "{place}: {said}");
        }
    }
}
