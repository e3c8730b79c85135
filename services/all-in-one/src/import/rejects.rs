//! The rows that were not taken, as a CSV that a spreadsheet opens and that, once mended, is imported
//! again: row, column, problem, and then the row as it was.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::headers::REJECT_COLUMNS;
use super::row::{Line, Problem};

/// Without it spreadsheets read UTF-8 as something else.
const BOM: &str = "\u{FEFF}";

/// The rejects file. It is made at the first reject and is its owner's alone: it holds people.
pub struct Rejects {
    path: PathBuf,
    headers: Vec<String>,
    /// Columns at the left that an earlier rejects file has put there.
    ours: usize,
    file: Option<csv::Writer<BufWriter<File>>>,
}

impl Rejects {
    /// Rejects of a file with `headers`, to be written to `path`.
    pub fn new(path: PathBuf, headers: Vec<String>) -> Self {
        let rejects = headers.iter().map(String::as_str).take(REJECT_COLUMNS.len());
        let ours = if rejects.eq(REJECT_COLUMNS) { REJECT_COLUMNS.len() } else { 0 };
        Self { path, headers, ours, file: None }
    }

    /// Where they go, if there are any.
    pub fn path(&self) -> Option<&Path> {
        self.file.as_ref().map(|_| self.path.as_path())
    }

    /// Adds a row.
    pub fn write(&mut self, line: &Line, problems: &[Problem]) -> io::Result<()> {
        let headers = self.headers.len();
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(create(&self.path, &self.headers[self.ours..])?),
        };
        let own = [line.number.to_string(), columns(problems), told(problems)];
        let cells = line.cells.len().max(headers);
        let original = (self.ours..cells).map(|at| line.cells.get(at).map_or("", String::as_str));
        file.write_record(own.iter().map(String::as_str).chain(original)).map_err(io::Error::from)
    }

    /// Writes what is left.
    pub fn finish(&mut self) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), csv::Writer::flush)
    }
}

fn create(path: &Path, headers: &[String]) -> io::Result<csv::Writer<BufWriter<File>>> {
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    // One of an earlier run may have been anybody's.
    file.set_permissions(Permissions::from_mode(0o600))?;
    let mut file = BufWriter::new(file);
    file.write_all(BOM.as_bytes())?;
    let mut writer = csv::WriterBuilder::new()
        .flexible(true)
        .terminator(csv::Terminator::CRLF)
        .from_writer(file);
    writer.write_record(REJECT_COLUMNS.into_iter().chain(headers.iter().map(String::as_str)))?;
    Ok(writer)
}

fn columns(problems: &[Problem]) -> String {
    let mut columns: Vec<&str> = Vec::new();
    for problem in problems.iter().filter(|problem| !problem.column.is_empty()) {
        if !columns.contains(&problem.column.as_str()) {
            columns.push(&problem.column);
        }
    }
    columns.join("; ")
}

/// One problem needs no column in front: the column stands beside it.
fn told(problems: &[Problem]) -> String {
    let named = problems.len() > 1;
    let texts: Vec<String> = problems
        .iter()
        .map(|problem| match problem.column.as_str() {
            column if named && !column.is_empty() => format!("{column}: {}", problem.text),
            _ => problem.text.clone(),
        })
        .collect();
    texts.join(" ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn problem(column: &str, text: &str) -> Problem {
        Problem { column: column.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn a_reject_keeps_its_row_and_its_owner() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rejects.csv");
        let mut rejects = Rejects::new(path.clone(), vec!["ชื่อ".to_owned(), "Phone".to_owned()]);
        let line = Line {
            number: 12,
            cells: vec!["สม\n\"ชาย\"".to_owned(), "+66".to_owned()],
            damaged: Vec::new(),
        };
        rejects
            .write(&line, &[problem("Phone", "is wrong."), problem("Phone", "is odd.")])
            .unwrap();
        rejects.write(&line, &[problem("", "The row is odd.")]).unwrap();
        rejects.finish().unwrap();

        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("\u{FEFF}row,column,problem,ชื่อ,Phone\r\n"));
        let mut read = csv::Reader::from_path(&path).unwrap();
        let rows: Vec<csv::StringRecord> = read.records().map(Result::unwrap).collect();
        assert_eq!(
            rows[0],
            vec!["12", "Phone", "Phone: is wrong. Phone: is odd.", "สม\n\"ชาย\"", "+66"]
        );
        assert_eq!(&rows[1][2], "The row is odd.");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_rejects_file_that_is_imported_again_has_our_columns_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("again.csv");
        let headers = ["row", "column", "problem", "ชื่อ"].map(str::to_owned).to_vec();
        let cells = ["12", "Phone", "is wrong.", "สมชาย"].map(str::to_owned).to_vec();
        let mut rejects = Rejects::new(path.clone(), headers);
        let line = Line { number: 2, cells, damaged: Vec::new() };
        rejects.write(&line, &[problem("ชื่อ", "is wrong too.")]).unwrap();
        rejects.finish().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, "\u{FEFF}row,column,problem,ชื่อ\r\n2,ชื่อ,is wrong too.,สมชาย\r\n");
    }

    #[test]
    fn without_a_reject_there_is_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rejects.csv");
        let mut rejects = Rejects::new(path.clone(), Vec::new());
        rejects.finish().unwrap();
        assert_eq!(rejects.path(), None);
        assert!(!path.exists());
    }
}
