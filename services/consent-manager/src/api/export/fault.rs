//! Why an export is not gone on with.

use yinyom_kernel::{Code, Fault, Text};
use yinyom_tables::{MAX_SHEET_ROWS, TableError};

/// No file, or no more of it.
#[derive(Debug, thiserror::Error)]
pub(in crate::api) enum ExportFault {
    #[error("more rows than a sheet has")]
    TooManyRows,
    /// Somebody was erased meanwhile, the ledger was restored, or another version of the program goes on.
    #[error("what was sent is no longer what the ledger makes")]
    Changed,
    #[error("a file cannot be written: {0}")]
    Unwritable(#[source] TableError),
    #[error("a thread that writes a file died")]
    Died,
}

impl From<TableError> for ExportFault {
    fn from(error: TableError) -> Self {
        match error {
            TableError::TooManyRows => Self::TooManyRows,
            error => Self::Unwritable(error),
        }
    }
}

impl From<std::io::Error> for ExportFault {
    fn from(error: std::io::Error) -> Self {
        Self::Unwritable(error.into())
    }
}

impl Fault for ExportFault {
    fn code(&self) -> Code {
        match self {
            Self::TooManyRows | Self::Changed => Code::FailedPrecondition,
            Self::Unwritable(_) | Self::Died => Code::Internal,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::TooManyRows => "TOO_MANY_ROWS",
            Self::Changed => "EXPORT_CHANGED",
            Self::Unwritable(_) | Self::Died => "INTERNAL",
        }
    }

    fn text(&self) -> Text {
        match self {
            // The formats that every build has.
            Self::TooManyRows => Text::new(
                "An Excel sheet has 1,048,575 rows, and these are more. Ask for CSV or JSON Lines, or for less.",
                "แผ่นงาน Excel มีได้ 1,048,575 แถว แต่ข้อมูลนี้มีมากกว่า กรุณาเลือก CSV หรือ JSON Lines หรือจำกัดขอบเขตข้อมูล",
            ),
            Self::Changed => Text::new(
                "What you have of the file is no longer what the ledger says, since a person was erased, for instance. Begin again.",
                "ส่วนของไฟล์ที่คุณมีไม่ตรงกับบันทึกแล้ว เช่น มีการลบข้อมูลของบุคคล กรุณาเริ่มใหม่",
            ),
            Self::Unwritable(_) | Self::Died => {
                Text::new("Something went wrong on our side.", "เกิดข้อผิดพลาดภายในระบบ")
            }
        }
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::TooManyRows => vec![
                ("max_rows", MAX_SHEET_ROWS.to_string()),
                ("formats", "CSV,JSON_LINES".to_owned()),
            ],
            _ => Vec::new(),
        }
    }
}
