//! JSON Lines: one object a row, keys in the order of the columns, `null` for what is not there.

use serde_json::Value;

use crate::table::{Cell, Row, Table, utc};
use crate::writer::TableError;

pub(crate) fn rows(table: &Table, rows: &[Row], out: &mut Vec<u8>) -> Result<(), TableError> {
    for row in rows {
        let mut before = b'{';
        for (column, cell) in table.columns.iter().zip(row) {
            out.push(before);
            serde_json::to_writer(&mut *out, column.key)?;
            out.push(b':');
            serde_json::to_writer(&mut *out, &value(cell))?;
            before = b',';
        }
        out.extend(b"}\n");
    }
    Ok(())
}

fn value(cell: &Cell) -> Value {
    match cell {
        Cell::Empty => Value::Null,
        Cell::Text(text) => Value::from(&**text),
        Cell::Integer(number) => Value::from(*number),
        Cell::Time(at) => Value::from(utc(*at)),
    }
}
