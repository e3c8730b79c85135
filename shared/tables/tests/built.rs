//! A program may be built without the formats whose libraries are large.

#![allow(clippy::unwrap_used)]

use jiff::Timestamp;
use jiff::tz::TimeZone;
use yinyom_tables::{Format, Table, TableError, Writer};

#[test]
fn a_format_that_is_not_built_is_refused_and_no_other_one() {
    let dir = tempfile::tempdir().unwrap();
    for format in Format::ALL {
        let built = match format {
            Format::Csv | Format::JsonLines => true,
            Format::Parquet => cfg!(feature = "parquet"),
            Format::Xlsx => cfg!(feature = "xlsx"),
        };
        assert_eq!(format.is_built(), built, "{format:?}");
        let table = Table {
            title: "none",
            columns: Vec::new(),
            zone: TimeZone::UTC,
            as_of: Timestamp::UNIX_EPOCH,
        };
        match Writer::begin(table, format, dir.path()) {
            Ok(_) => assert!(built, "{format:?}"),
            Err(error) => assert!(!built && matches!(error, TableError::NotBuilt), "{format:?}"),
        }
    }
}
