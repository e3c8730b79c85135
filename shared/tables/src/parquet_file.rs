//! Parquet: typed columns, each of which may be null, in groups of rows that are compressed and let go.

use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, TimeUnit, Type as Physical, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::Type;

use crate::table::{Cell, Column, Kind, Row, Table, utc};

/// A group is full with so many rows,
const GROUP_ROWS: usize = 4_000;
/// or once they weigh so many bytes.
const GROUP_BYTES: usize = 2 * 1024 * 1024;

pub(crate) struct ParquetFile {
    file: SerializedFileWriter<Vec<u8>>,
    columns: Vec<Column>,
    rows: Vec<Row>,
    bytes: usize,
}

impl ParquetFile {
    pub(crate) fn begin(table: &Table) -> Result<Self, ParquetError> {
        let fields = table.columns.iter().map(|column| field(column).map(Arc::new));
        let schema = Type::group_type_builder("schema")
            .with_fields(fields.collect::<Result<_, _>>()?)
            .build()?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .build();
        Ok(Self {
            file: SerializedFileWriter::new(Vec::new(), Arc::new(schema), Arc::new(properties))?,
            columns: table.columns.clone(),
            rows: Vec::new(),
            bytes: 0,
        })
    }

    /// Where a group ends depends on the rows alone, not on the pieces that they come in.
    pub(crate) fn write(&mut self, rows: Vec<Row>) -> Result<(), ParquetError> {
        for row in rows {
            self.bytes += row.iter().map(Cell::weight).sum::<usize>();
            self.rows.push(row);
            if self.rows.len() >= GROUP_ROWS || self.bytes >= GROUP_BYTES {
                self.close_group()?;
            }
        }
        Ok(())
    }

    pub(crate) fn take(&mut self) -> Result<Vec<u8>, ParquetError> {
        self.file.flush()?;
        Ok(std::mem::take(self.file.inner_mut()))
    }

    pub(crate) fn finish(mut self) -> Result<Vec<u8>, ParquetError> {
        self.close_group()?;
        self.file.finish()?;
        self.take()
    }

    fn close_group(&mut self) -> Result<(), ParquetError> {
        self.bytes = 0;
        let rows = std::mem::take(&mut self.rows);
        if rows.is_empty() {
            return Ok(());
        }
        let mut group = self.file.next_row_group()?;
        for (at, column) in self.columns.iter().enumerate() {
            if let Some(mut out) = group.next_column()? {
                let cells = rows.iter().map(|row| row.get(at).unwrap_or(&Cell::Empty));
                match column.kind {
                    Kind::Text => texts(cells, &mut out)?,
                    Kind::Integer | Kind::Time => numbers(cells, &mut out)?,
                }
                out.close()?;
            }
        }
        group.close()?;
        Ok(())
    }
}

fn field(column: &Column) -> Result<Type, ParquetError> {
    let (physical, logical) = match column.kind {
        Kind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        Kind::Integer => (Physical::INT64, None),
        Kind::Time => (Physical::INT64, Some(LogicalType::timestamp(true, TimeUnit::MICROS))),
    };
    Type::primitive_type_builder(column.key, physical)
        .with_repetition(Repetition::OPTIONAL)
        .with_logical_type(logical)
        .build()
}

fn texts<'a>(
    cells: impl Iterator<Item = &'a Cell>,
    out: &mut SerializedColumnWriter<'_>,
) -> Result<(), ParquetError> {
    let (mut there, mut values) = (Vec::new(), Vec::new());
    for cell in cells {
        let value = match cell {
            Cell::Empty => None,
            Cell::Text(text) => Some(text.clone().into_owned()),
            Cell::Integer(number) => Some(number.to_string()),
            Cell::Time(at) => Some(utc(*at)),
        };
        there.push(i16::from(value.is_some()));
        values.extend(value.map(|text| ByteArray::from(text.into_bytes())));
    }
    out.typed::<ByteArrayType>().write_batch(&values, Some(&there), None)?;
    Ok(())
}

fn numbers<'a>(
    cells: impl Iterator<Item = &'a Cell>,
    out: &mut SerializedColumnWriter<'_>,
) -> Result<(), ParquetError> {
    let (mut there, mut values) = (Vec::new(), Vec::new());
    for cell in cells {
        let value = match cell {
            Cell::Integer(number) => Some(*number),
            Cell::Time(at) => Some(at.as_microsecond()),
            Cell::Empty | Cell::Text(_) => None,
        };
        there.push(i16::from(value.is_some()));
        values.extend(value);
    }
    out.typed::<Int64Type>().write_batch(&values, Some(&there), None)?;
    Ok(())
}
