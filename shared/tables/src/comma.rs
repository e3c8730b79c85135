//! CSV as Excel opens it: UTF-8 with a byte order mark, CRLF, no formulas.

use std::borrow::Cow;

use csv::{QuoteStyle, Terminator, WriterBuilder};

use crate::table::{Cell, Row, Table, local};
use crate::writer::TableError;

const BYTE_ORDER_MARK: &str = "\u{feff}";

pub(crate) fn header(table: &Table, out: &mut Vec<u8>) -> Result<(), TableError> {
    out.extend(BYTE_ORDER_MARK.as_bytes());
    let mut csv = to(out);
    csv.write_record(table.columns.iter().map(|column| column.title))?;
    csv.flush()?;
    Ok(())
}

pub(crate) fn rows(table: &Table, rows: &[Row], out: &mut Vec<u8>) -> Result<(), TableError> {
    let mut csv = to(out);
    for row in rows {
        for cell in row {
            csv.write_field(field(table, cell).as_bytes())?;
        }
        csv.write_record(None::<&[u8]>)?;
    }
    csv.flush()?;
    Ok(())
}

fn to(out: &mut Vec<u8>) -> csv::Writer<&mut Vec<u8>> {
    let mut format = WriterBuilder::new();
    format.terminator(Terminator::CRLF).quote_style(QuoteStyle::Necessary).from_writer(out)
}

fn field<'a>(table: &Table, cell: &'a Cell) -> Cow<'a, str> {
    match cell {
        Cell::Empty => Cow::Borrowed(""),
        Cell::Text(text) if is_formula(text) => Cow::Owned(format!("'{text}")),
        Cell::Text(text) => Cow::Borrowed(text),
        Cell::Integer(number) => Cow::Owned(number.to_string()),
        Cell::Time(at) => Cow::Owned(local(*at, &table.zone)),
    }
}

/// Whether a spreadsheet would calculate instead of showing it. Full-width signs are as good as others to some.
fn is_formula(text: &str) -> bool {
    text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'])
}
