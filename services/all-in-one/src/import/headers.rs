//! Which column is which, by its header in English or Thai.

use std::collections::BTreeMap;

use super::text::fold;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Column {
    ExternalId,
    FirstName,
    LastName,
    Phone,
    Email,
    Account,
    LeadTitle,
    LeadSource,
    PhoneConsent,
    EmailConsent,
    ConsentDate,
}

/// The headers that stand for each column, the one that we call it by first.
const NAMES: [(Column, &[&str]); 11] = [
    (
        Column::ExternalId,
        &[
            "External ID",
            "Customer ID",
            "Customer Code",
            "Contact ID",
            "รหัสลูกค้า",
            "รหัสผู้ติดต่อ",
            "รหัสอ้างอิง",
        ],
    ),
    (
        Column::FirstName,
        &[
            "First Name",
            "Given Name",
            "Name",
            "Full Name",
            "ชื่อ",
            "ชื่อจริง",
            "ชื่อ-นามสกุล",
            "ชื่อ นามสกุล",
            "ชื่อผู้ติดต่อ",
        ],
    ),
    (Column::LastName, &["Last Name", "Surname", "Family Name", "นามสกุล"]),
    (
        Column::Phone,
        &[
            "Phone",
            "Phone Number",
            "Telephone",
            "Tel",
            "Mobile",
            "Mobile Phone",
            "Mobile Number",
            "เบอร์โทรศัพท์",
            "เบอร์โทร",
            "โทรศัพท์",
            "โทร",
            "มือถือ",
            "เบอร์มือถือ",
            "โทรศัพท์มือถือ",
            "เบอร์โทรศัพท์มือถือ",
        ],
    ),
    (Column::Email, &["Email", "E-mail", "Email Address", "Mail", "อีเมล", "อีเมล์"]),
    (
        Column::Account,
        &[
            "Account",
            "Account Name",
            "Company",
            "Company Name",
            "Organization",
            "บริษัท",
            "ชื่อบริษัท",
            "ทะเบียนลูกค้า",
            "องค์กร",
            "หน่วยงาน",
        ],
    ),
    (
        Column::LeadTitle,
        &["Lead Title", "Lead", "Lead Name", "ชื่อ Lead", "หัวข้อ Lead", "หัวข้อ", "ชื่อลีด"],
    ),
    (
        Column::LeadSource,
        &["Lead Source", "Source", "ที่มา", "แหล่งที่มา", "ที่มาของ Lead", "แหล่งที่มาของ Lead"],
    ),
    (
        Column::PhoneConsent,
        &[
            "Phone Consent",
            "Consent Phone",
            "ความยินยอมเบอร์โทรศัพท์",
            "ความยินยอมโทรศัพท์",
            "ความยินยอมเบอร์โทร",
            "ยินยอมเบอร์โทรศัพท์",
        ],
    ),
    (
        Column::EmailConsent,
        &[
            "Email Consent",
            "E-mail Consent",
            "Consent Email",
            "ความยินยอมอีเมล",
            "ความยินยอมอีเมล์",
            "ยินยอมอีเมล",
        ],
    ),
    (
        Column::ConsentDate,
        &[
            "Consent Date",
            "Consent Time",
            "Date of Consent",
            "วันที่ให้ความยินยอม",
            "วันที่ยินยอม",
            "วันที่ความยินยอม",
        ],
    ),
];

/// Our own columns in front of a rejects file: such a file, once mended, is imported again as it is.
pub const REJECT_COLUMNS: [&str; 3] = ["row", "column", "problem"];

impl Column {
    /// What we call it.
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(column, _)| *column == self).map_or("", |(_, names)| names[0])
    }

    /// Whether its cells of one row are put together, where others may be there once only.
    pub const fn may_repeat(self) -> bool {
        matches!(self, Self::Phone | Self::Email)
    }

    fn of(header: &str) -> Option<Self> {
        let key = key(header);
        let exact = |key: &str| {
            NAMES.iter().find(|(_, names)| names.iter().any(|name| self::key(name) == key))
        };
        let found = exact(&key).map(|(column, _)| *column);
        // `Phone 2`, `อีเมล 3`.
        let numbered = || {
            let stem = key.trim_end_matches(|c: char| c.is_ascii_digit());
            exact(stem).map(|(column, _)| *column).filter(|column| column.may_repeat())
        };
        found.or_else(numbered)
    }
}

/// A header without what exports vary in: case, blanks and punctuation.
fn key(header: &str) -> String {
    const LOOSE: [char; 12] = ['_', '-', '.', ':', '*', '(', ')', '/', '"', '\'', '–', '#'];
    fold(header).chars().filter(|c| !(c.is_whitespace() || LOOSE.contains(c))).collect()
}

/// The headers of a file cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    #[error(
        "there is no column of names; name one of them \"First Name\" (ชื่อ) or \"Last Name\" (นามสกุล). \
         The first row must hold the headers"
    )]
    NoName,
    #[error(
        "there is no column of phone numbers or e-mail addresses; name one of them \"Phone\" (เบอร์โทรศัพท์) or \
         \"Email\" (อีเมล). The first row must hold the headers"
    )]
    NoAddress,
    #[error("the columns {first:?} and {second:?} both mean {meaning:?}; leave out one of them")]
    Twice { meaning: &'static str, first: String, second: String },
}

/// What the rows of a file are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    People,
    /// Addresses that must not be used.
    OptOuts,
}

impl Kind {
    const fn reads(self, column: Column) -> bool {
        match self {
            Self::People => true,
            Self::OptOuts => matches!(
                column,
                Column::Phone
                    | Column::Email
                    | Column::PhoneConsent
                    | Column::EmailConsent
                    | Column::ConsentDate
            ),
        }
    }
}

/// The columns of a file.
#[derive(Debug, Clone)]
pub struct Layout {
    kind: Kind,
    headers: Vec<String>,
    columns: Vec<Option<Column>>,
}

impl Layout {
    /// Reads the header row of a file whose rows are of that kind.
    pub fn of(kind: Kind, headers: Vec<String>) -> Result<Self, HeaderError> {
        let columns: Vec<Option<Column>> =
            headers.iter().map(|h| Column::of(h).filter(|column| kind.reads(*column))).collect();
        let mut seen: BTreeMap<Column, &String> = BTreeMap::new();
        for (header, column) in headers.iter().zip(&columns) {
            let Some(column) = column.filter(|column| !column.may_repeat()) else { continue };
            if let Some(first) = seen.insert(column, header) {
                return Err(HeaderError::Twice {
                    meaning: column.name(),
                    first: first.clone(),
                    second: header.clone(),
                });
            }
        }
        let has = |column| columns.contains(&Some(column));
        match kind {
            Kind::People if !has(Column::FirstName) && !has(Column::LastName) => {
                Err(HeaderError::NoName)
            }
            Kind::OptOuts if !has(Column::Phone) && !has(Column::Email) => {
                Err(HeaderError::NoAddress)
            }
            _ => Ok(Self { kind, headers, columns }),
        }
    }

    /// What the rows are.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether the file has such a column.
    pub fn has(&self, column: Column) -> bool {
        self.columns.contains(&Some(column))
    }

    /// The headers as the file has them.
    pub fn headers(&self) -> &[String] {
        &self.headers
    }

    /// Where cells of `column` are, from the left.
    pub fn positions(&self, column: Column) -> impl Iterator<Item = usize> {
        self.columns
            .iter()
            .enumerate()
            .filter_map(move |(at, c)| (*c == Some(column)).then_some(at))
    }

    /// The headers of the columns that nothing is read from.
    pub fn ignored(&self) -> Vec<&str> {
        let ours = |header: &str| REJECT_COLUMNS.contains(&header);
        self.headers
            .iter()
            .zip(&self.columns)
            .filter(|(header, column)| column.is_none() && !key(header).is_empty() && !ours(header))
            .map(|(header, _)| header.as_str())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn layout(headers: &[&str]) -> Result<Layout, HeaderError> {
        Layout::of(Kind::People, headers.iter().map(|h| (*h).to_owned()).collect())
    }

    fn list(headers: &[&str]) -> Result<Layout, HeaderError> {
        Layout::of(Kind::OptOuts, headers.iter().map(|h| (*h).to_owned()).collect())
    }

    #[test]
    fn a_list_of_opt_outs_needs_addresses_and_no_names() {
        for headers in [&["อีเมล"][..], &["Mobile", "row"], &["Name", "ชื่อ", "Phone"]]
        {
            assert!(list(headers).is_ok(), "{headers:?}");
        }
        assert_eq!(list(&["First Name", "รหัสลูกค้า"]).unwrap_err(), HeaderError::NoAddress);
        let told = list(&["ชื่อ", "Phone", "Phone Consent", "Reason", "วันที่ให้ความยินยอม"]).unwrap();
        assert_eq!(told.ignored(), ["ชื่อ", "Reason"], "who expects a name to arrive is told");
        let twice = list(&["Phone", "Phone Consent", "ยินยอมเบอร์โทรศัพท์"]).unwrap_err();
        assert!(matches!(twice, HeaderError::Twice { meaning: "Phone Consent", .. }));
    }

    #[test]
    fn no_header_stands_for_two_columns() {
        let mut keys: Vec<String> =
            NAMES.iter().flat_map(|(_, names)| names.iter().map(|name| key(name))).collect();
        let all = keys.len();
        keys.sort();
        keys.dedup();
        // `Email` and `E-mail`, `ชื่อ-นามสกุล` and `ชื่อ นามสกุล` are the same key of one column.
        let same = NAMES.iter().flat_map(|(column, names)| {
            names.iter().map(move |name| Column::of(name) == Some(*column))
        });
        assert!(same.into_iter().all(|own| own));
        assert_eq!(all - keys.len(), 3);
    }

    #[test]
    fn headers_are_known_in_both_languages_and_any_case() {
        for (header, column) in [
            ("\u{FEFF}ทะเบียนลูกค้า", Column::Account),
            ("FIRST_NAME", Column::FirstName),
            ("ชื่อ", Column::FirstName),
            ("นามสกุล ", Column::LastName),
            ("e-mail", Column::Email),
            ("มือถือ", Column::Phone),
            ("Phone 2", Column::Phone),
            ("อีเมล ๒", Column::Email),
            ("ชื่อ Lead", Column::LeadTitle),
            ("แหล่งที่มา", Column::LeadSource),
            ("ความยินยอมเบอร์โทรศัพท์", Column::PhoneConsent),
            ("email consent*", Column::EmailConsent),
            ("วันที่ให้ความยินยอม", Column::ConsentDate),
            ("รหัสลูกค้า", Column::ExternalId),
        ] {
            assert_eq!(Column::of(header), Some(column), "{header}");
        }
    }

    #[test]
    fn what_is_not_known_is_not_guessed() {
        for header in
            ["Note", "หมายเหตุ", "Consent", "ความยินยอม", "Phone Type", "ชื่อเล่น", "First Name 2", ""]
        {
            assert_eq!(Column::of(header), None, "{header}");
        }
        let layout = layout(&["ชื่อ", "Note", "row", "problem", "", "สถานะ"]).unwrap();
        assert_eq!(layout.ignored(), ["Note", "สถานะ"]);
    }

    #[test]
    fn several_phone_columns_are_read_and_two_first_names_are_refused() {
        let layout = layout(&["Mobile", "Name", "เบอร์โทรศัพท์"]).unwrap();
        assert_eq!(layout.positions(Column::Phone).collect::<Vec<_>>(), [0, 2]);
        let twice = self::layout(&["First Name", "ชื่อ"]).unwrap_err();
        assert!(matches!(twice, HeaderError::Twice { meaning: "First Name", .. }));
    }

    #[test]
    fn a_file_without_names_is_refused_before_a_row_is_sent() {
        assert_eq!(layout(&["Phone", "Email"]).unwrap_err(), HeaderError::NoName);
        assert_eq!(layout(&[]).unwrap_err(), HeaderError::NoName);
    }

    proptest! {
        #[test]
        fn no_header_row_panics(headers in prop::collection::vec(any::<String>(), 0..8)) {
            for kind in [Kind::People, Kind::OptOuts] {
                if let Ok(layout) = Layout::of(kind, headers.clone()) {
                    layout.ignored();
                }
            }
        }
    }
}
