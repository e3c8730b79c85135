//! What a database can answer besides rows, sorted by what a caller can do about it.
//!
//! A driver's own message may quote a stored value (`invalid input syntax for type uuid: "…"`), so
//! none is kept here unless its class speaks of the SQL text alone. Everything in this room can be
//! logged.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use sqlx::error::{DatabaseError, ErrorKind};
use yinyom_kernel::{Code, Fault, Text};

/// A statement or a unit of work that did not succeed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DbError {
    /// The database cannot be reached, or cannot take work now. The same request may succeed later;
    /// whether a commit that was cut off took effect is unknown, which is what request ids are for.
    #[error("the database is not available")]
    Unavailable(#[source] Cause),

    /// Another unit of work won. Nothing was changed; the same request may succeed at once.
    #[error("another unit of work was in the way")]
    Conflict(#[source] Cause),

    /// The statement would have broken a constraint. Nothing was changed.
    #[error("{0}")]
    Constraint(Violated),

    /// The code or the schema is wrong: a statement that the database does not understand, a row
    /// that does not have its type, a unit of work that was handled wrongly.
    #[error("the database was used wrongly")]
    Bug(#[source] Cause),
}

impl DbError {
    /// Whether a unique index refused the row. A store that expects this writes `ON CONFLICT`
    /// instead, because a unit of work cannot go on after a failed statement.
    pub fn is_unique_violation(&self) -> bool {
        matches!(self, Self::Constraint(Violated { kind: Constraint::Unique, .. }))
    }

    pub(crate) fn bug(what: impl Into<Cow<'static, str>>) -> Self {
        Self::Bug(Cause(what.into()))
    }

    pub(crate) fn unavailable(what: impl Into<Cow<'static, str>>) -> Self {
        Self::Unavailable(Cause(what.into()))
    }
}

impl From<yinyom_failpoints::Cut> for DbError {
    fn from(_: yinyom_failpoints::Cut) -> Self {
        Self::unavailable("a failpoint says so")
    }
}

/// What kind of constraint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Constraint {
    Unique,
    ForeignKey,
    NotNull,
    Check,
}

/// A constraint that a statement would have broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violated {
    /// What it demands.
    pub kind: Constraint,
    /// Its name on PostgreSQL; on SQLite the columns or the name, whichever SQLite tells.
    pub name: String,
}

impl fmt::Display for Violated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the {:?} constraint {:?} would have been broken", self.kind, self.name)
    }
}

/// What the database said, without what it was told.
#[derive(Clone, PartialEq, Eq)]
pub struct Cause(Cow<'static, str>);

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Cause {}

impl Fault for DbError {
    fn code(&self) -> Code {
        match self {
            Self::Unavailable(_) => Code::Unavailable,
            Self::Conflict(_) => Code::Aborted,
            Self::Constraint(violated) => match violated.kind {
                Constraint::Unique | Constraint::ForeignKey => Code::Aborted,
                Constraint::NotNull | Constraint::Check => Code::Internal,
            },
            Self::Bug(_) => Code::Internal,
        }
    }

    fn reason(&self) -> &'static str {
        match self.code() {
            Code::Unavailable => "STORE_UNAVAILABLE",
            Code::Aborted => "CONFLICT",
            _ => "INTERNAL",
        }
    }

    fn text(&self) -> Text {
        match self.code() {
            Code::Unavailable => Text::new(
                "The store cannot be reached at the moment. Please try again shortly.",
                "ระบบจัดเก็บข้อมูลไม่พร้อมใช้งานชั่วคราว กรุณาลองใหม่ในอีกสักครู่",
            ),
            Code::Aborted => Text::new(
                "The same data was being changed at the same moment. Please try again.",
                "มีการแก้ไขข้อมูลเดียวกันในเวลาเดียวกัน กรุณาลองใหม่อีกครั้ง",
            ),
            _ => Text::new("Something went wrong on our side.", "เกิดข้อผิดพลาดภายในระบบ"),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self.code() {
            Code::Unavailable => Some(Duration::from_secs(1)),
            Code::Aborted => Some(Duration::from_millis(50)),
            _ => None,
        }
    }
}

impl From<sqlx::Error> for DbError {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error;
        match error {
            Error::Database(error) => classify(&*error),
            Error::Io(error) => Self::unavailable(format!("input or output: {:?}", error.kind())),
            Error::Tls(_) => Self::unavailable("TLS to the database failed"),
            Error::PoolTimedOut => Self::unavailable("no connection became free in time"),
            Error::PoolClosed => Self::unavailable("the database is being closed"),
            Error::WorkerCrashed => Self::unavailable("the connection's worker crashed"),
            Error::BeginFailed => Self::unavailable("no transaction could be begun"),
            Error::RowNotFound => Self::bug("a row that must exist does not"),
            Error::ColumnNotFound(name) => Self::bug(format!("no column {name:?} in the row")),
            Error::ColumnDecode { index, source } => {
                Self::bug(format!("column {index}: {}", decoding(&source.to_string())))
            }
            Error::Decode(source) => Self::bug(decoding(&source.to_string()).into_owned()),
            Error::Encode(_) => Self::bug("a bound value could not be encoded"),
            Error::Configuration(_) => Self::bug("the database's address cannot be understood"),
            Error::Protocol(_) => Self::bug("the database's protocol was broken"),
            _ => Self::bug("the driver failed"),
        }
    }
}

/// A decoder's complaint, as far as it speaks of types and not of the value.
fn decoding(complaint: &str) -> Cow<'static, str> {
    if complaint.starts_with("mismatched types") || complaint.starts_with("unexpected null") {
        Cow::Owned(complaint.to_owned())
    } else {
        Cow::Borrowed("a value could not be decoded")
    }
}

fn classify(error: &dyn DatabaseError) -> DbError {
    let code = error.code().unwrap_or_default().into_owned();
    let kind = match error.kind() {
        ErrorKind::UniqueViolation => Some(Constraint::Unique),
        ErrorKind::ForeignKeyViolation => Some(Constraint::ForeignKey),
        ErrorKind::NotNullViolation => Some(Constraint::NotNull),
        ErrorKind::CheckViolation => Some(Constraint::Check),
        _ => None,
    };
    if let Some(kind) = kind {
        return DbError::Constraint(Violated { kind, name: constraint_name(error) });
    }
    match code.parse::<i32>() {
        // SQLite's codes are decimal and never five digits; SQLSTATE always has five characters.
        Ok(number) if code.len() < 5 => classify_sqlite(number, error.message()),
        _ => classify_postgres(&code, error.message()),
    }
}

fn constraint_name(error: &dyn DatabaseError) -> String {
    error.constraint().map_or_else(
        // "UNIQUE constraint failed: contact.business_id, contact.external_id"
        || error.message().rsplit(": ").next().unwrap_or_default().to_owned(),
        str::to_owned,
    )
}

/// Whether SQLite says that somebody else is at the file.
pub(crate) fn is_busy(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(DatabaseError::code);
    code.and_then(|code| code.parse::<i32>().ok()).is_some_and(|code| code & 0xff == 5)
}

fn classify_sqlite(code: i32, message: &str) -> DbError {
    const BUSY_SNAPSHOT: i32 = 517;
    let cause = |text: &str| Cause(format!("SQLite code {code}: {text}").into());
    match (code, code & 0xff) {
        (BUSY_SNAPSHOT, _) => DbError::Conflict(cause("the snapshot is stale")),
        (_, 5 | 6 | 15) => DbError::Unavailable(cause("busy")),
        (_, 7) => DbError::Unavailable(cause("out of memory")),
        // A file system that was mounted for reading after an error of the disk says this.
        (_, 8) => DbError::Unavailable(cause("the file may not be written")),
        (_, 10) => DbError::Unavailable(cause("input or output")),
        (_, 13) => DbError::Unavailable(cause("the disk is full")),
        (_, 14) => DbError::Unavailable(cause("the file cannot be opened")),
        // The statement itself is wrong; SQLite then quotes the statement, which is our own text.
        (_, 1) => DbError::Bug(cause(message)),
        _ => DbError::Bug(cause("see sqlite.org/rescode.html")),
    }
}

fn classify_postgres(code: &str, message: &str) -> DbError {
    let cause = |text: &str| Cause(format!("SQLSTATE {code}: {text}").into());
    match code {
        "40001" => DbError::Conflict(cause("serialization failure")),
        "40P01" => DbError::Conflict(cause("deadlock")),
        // The other unit is stuck, or there is a queue: to come again at once would make it longer.
        "55P03" => DbError::Unavailable(cause("a lock was not available in time")),
        "57014" => DbError::Unavailable(cause("the statement took too long")),
        "25P03" | "25P04" => DbError::Unavailable(cause("the transaction took too long")),
        "40003" => DbError::Unavailable(cause("it is not known whether the unit took effect")),
        // A primary that was demoted a moment ago says this to its old clients.
        "25006" => DbError::Unavailable(cause(message)),
        _ => match code.get(..2) {
            Some("08" | "28" | "3D" | "53" | "57" | "58") => DbError::Unavailable(cause(message)),
            // Syntax and names: the message quotes the statement, which is our own text.
            Some("42") => DbError::Bug(cause(message)),
            _ => DbError::Bug(cause("see the list of error codes in PostgreSQL's manual")),
        },
    }
}
