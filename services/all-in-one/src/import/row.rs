//! One row of a file: what the directory is asked to take, or why it is not even asked.

use std::fmt;

use jiff::tz::TimeZone;
use prost::Message;
use yinyom_kernel::{Fault, Text};
use yinyom_privacy::{Email, Phone};
use yinyom_proto::directory::v1::ImportRow;
use yinyom_proto::types::v1::ConsentState;

use super::dates::instant;
use super::headers::{Column, Kind, Layout};
use super::text::{emails, phones, trim};
use super::words::{UnknownWord, consent};

/// No row of a person is larger; a batch of such rows still fits a message.
const MAX_ROW_BYTES: usize = 16 * 1024;

/// A row as the file has it.
#[derive(Clone, PartialEq, Eq)]
pub struct Line {
    /// As a spreadsheet numbers it: the headers are row 1.
    pub number: i64,
    /// Its cells. Personal.
    pub cells: Vec<String>,
    /// Where its text is not UTF-8: the cells hold replacement characters there.
    pub damaged: Vec<usize>,
}

impl Line {
    /// Whether there is nothing in it.
    pub fn is_blank(&self) -> bool {
        self.damaged.is_empty() && self.cells.iter().all(|cell| trim(cell).is_empty())
    }

    fn cell(&self, at: usize) -> &str {
        self.cells.get(at).map_or("", |cell| trim(cell))
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").field("number", &self.number).finish_non_exhaustive()
    }
}

/// Why a row is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The header of the column, empty if it is the row as a whole.
    pub column: String,
    /// What a person reads.
    pub text: String,
}

/// A row that can be sent.
pub struct Prepared {
    /// The row as the directory takes it. Personal.
    pub row: ImportRow,
    /// Where its addresses came from.
    pub origins: Origins,
}

/// The columns that the phones and e-mails of a row came from, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origins {
    phones: Vec<usize>,
    emails: Vec<usize>,
}

/// How rows of a file are read.
pub struct Reader {
    layout: Layout,
    zone: TimeZone,
    language: yinyom_kernel::Language,
}

impl Reader {
    /// For files with the columns of `layout`; dates are days of `zone`, problems are told in
    /// `language`.
    pub const fn new(layout: Layout, zone: TimeZone, language: yinyom_kernel::Language) -> Self {
        Self { layout, zone, language }
    }

    /// The columns.
    pub const fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Reads a row, or tells everything that is wrong with it.
    pub fn read(&self, line: &Line) -> Result<Prepared, Vec<Problem>> {
        let mut problems = self.shape(line);
        let phone_consent = self.consent(line, Column::PhoneConsent, &mut problems);
        let email_consent = self.consent(line, Column::EmailConsent, &mut problems);
        let consent_time = self.time(line, &mut problems);
        let (phones, phone_columns) = self.addresses(line, Column::Phone, phones);
        let (emails, email_columns) = self.addresses(line, Column::Email, emails);
        let says =
            |state: Option<ConsentState>, column, addresses: &[String]| match self.layout.kind() {
                Kind::People => state.unwrap_or_default(),
                Kind::OptOuts => refuses(state, self.layout.has(column), addresses),
            };
        let phone_consent = says(phone_consent, Column::PhoneConsent, &phones);
        let email_consent = says(email_consent, Column::EmailConsent, &emails);
        let row = ImportRow {
            row_number: line.number,
            external_id: self.text(line, Column::ExternalId),
            first_name: self.text(line, Column::FirstName),
            last_name: self.text(line, Column::LastName),
            phones,
            emails,
            account: self.text(line, Column::Account),
            lead_title: self.text(line, Column::LeadTitle),
            lead_source: self.text(line, Column::LeadSource),
            phone_consent: phone_consent.into(),
            email_consent: email_consent.into(),
            consent_time,
        };
        let origins = Origins { phones: phone_columns, emails: email_columns };
        let prepared = Prepared { row, origins };
        if prepared.row.encoded_len() > MAX_ROW_BYTES {
            problems.push(self.problem(
                None,
                &Text::new("The row is too large for one person.", "แถวนี้ยาวเกินไปสำหรับข้อมูลหนึ่งคน"),
            ));
        }
        if problems.is_empty() {
            return Ok(prepared);
        }
        // The directory won't see this row, so what it would have found is found here: whoever mends
        // the file should hear of everything at once.
        self.check_addresses(&prepared, &mut problems);
        Err(problems)
    }

    /// The header of the column that a field of the row came from, for a path such as `phones[1]`.
    pub fn column_of(&self, origins: &Origins, field: &str) -> String {
        let field = field.split_once("].").map_or(field, |(head, tail)| {
            // `rows[3].phones[0]` and `phones[0].value` both name the phone.
            if head.starts_with("rows[") { tail } else { field }
        });
        let (name, rest) = field.split_once(['[', '.']).unwrap_or((field, ""));
        let index: Option<usize> = rest.split(']').next().and_then(|index| index.parse().ok());
        let among = |columns: &[usize]| index.and_then(|index| columns.get(index).copied());
        let (at, column) = match name {
            "phones" => (among(&origins.phones), Column::Phone),
            "emails" => (among(&origins.emails), Column::Email),
            "external_id" => (None, Column::ExternalId),
            "first_name" => (None, Column::FirstName),
            "last_name" => (None, Column::LastName),
            "account" => (None, Column::Account),
            "lead_title" => (None, Column::LeadTitle),
            "lead_source" => (None, Column::LeadSource),
            "phone_consent" => (None, Column::PhoneConsent),
            "email_consent" => (None, Column::EmailConsent),
            "consent_time" => (None, Column::ConsentDate),
            _ => return field.to_owned(),
        };
        at.map_or_else(|| self.header(column), |at| self.header_at(at))
    }

    fn shape(&self, line: &Line) -> Vec<Problem> {
        let mut problems = Vec::new();
        for at in &line.damaged {
            let text = Text::new("must be UTF-8 text.", "ต้องเป็นข้อความแบบ UTF-8");
            problems.push(self.problem(Some(self.header_at(*at)), &text));
        }
        let surplus = line.cells.iter().skip(self.layout.headers().len());
        if surplus.into_iter().any(|cell| !trim(cell).is_empty()) {
            problems.push(self.problem(
                None,
                &Text::new(
                    "The row has more cells than there are headers.",
                    "แถวนี้มีจำนวนช่องมากกว่าหัวคอลัมน์",
                ),
            ));
        }
        problems
    }

    fn text(&self, line: &Line, column: Column) -> String {
        self.layout.positions(column).next().map_or_else(String::new, |at| line.cell(at).to_owned())
    }

    fn consent(
        &self,
        line: &Line,
        column: Column,
        problems: &mut Vec<Problem>,
    ) -> Option<ConsentState> {
        consent(&self.text(line, column)).unwrap_or_else(|UnknownWord| {
            problems.push(self.problem(Some(self.header(column)), &UnknownWord::text()));
            None
        })
    }

    fn time(&self, line: &Line, problems: &mut Vec<Problem>) -> Option<prost_types::Timestamp> {
        match instant(&self.text(line, Column::ConsentDate), &self.zone) {
            Ok(at) => at.map(|at| prost_types::Timestamp {
                seconds: at.as_second(),
                nanos: at.subsec_nanosecond(),
            }),
            Err(problem) => {
                let column = self.header(Column::ConsentDate);
                problems.push(self.problem(Some(column), &problem.text()));
                None
            }
        }
    }

    /// The addresses of all cells of `column`, each with where it came from.
    fn addresses(
        &self,
        line: &Line,
        column: Column,
        split: fn(&str) -> Vec<String>,
    ) -> (Vec<String>, Vec<usize>) {
        let mut addresses = Vec::new();
        let mut origins = Vec::new();
        for at in self.layout.positions(column) {
            for address in split(line.cell(at)) {
                if !addresses.contains(&address) {
                    addresses.push(address);
                    origins.push(at);
                }
            }
        }
        (addresses, origins)
    }

    fn check_addresses(&self, prepared: &Prepared, problems: &mut Vec<Problem>) {
        for (phone, at) in prepared.row.phones.iter().zip(&prepared.origins.phones) {
            if let Err(wrong) = Phone::parse(phone) {
                problems.push(self.problem(Some(self.header_at(*at)), &wrong.text()));
            }
        }
        for (email, at) in prepared.row.emails.iter().zip(&prepared.origins.emails) {
            if let Err(wrong) = Email::parse(email) {
                problems.push(self.problem(Some(self.header_at(*at)), &wrong.text()));
            }
        }
    }

    fn header(&self, column: Column) -> String {
        self.layout
            .positions(column)
            .next()
            .map_or_else(|| column.name().to_owned(), |at| self.header_at(at))
    }

    fn header_at(&self, at: usize) -> String {
        self.layout.headers().get(at).map_or_else(String::new, |header| trim(header).to_owned())
    }

    fn problem(&self, column: Option<String>, text: &Text) -> Problem {
        Problem { column: column.unwrap_or_default(), text: text.get(self.language).to_owned() }
    }
}

/// What a row of a suppression list says of a channel. In a file without a word on it, whoever is in it refuses; where
/// there is a column of consents, only those who refuse there do, and an empty cell is no refusal.
fn refuses(state: Option<ConsentState>, has_column: bool, addresses: &[String]) -> ConsentState {
    match state {
        Some(state) => state,
        None if has_column => ConsentState::NotSet,
        None if addresses.is_empty() => ConsentState::Unspecified,
        None => ConsentState::Denied,
    }
}

#[cfg(test)]
#[path = "row_tests.rs"]
mod tests;
