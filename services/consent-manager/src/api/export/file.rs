//! A file on its way out, in pieces, from its beginning or from where it broke off.

use std::collections::VecDeque;
use std::io::Read;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::Instant;
use yinyom_consent::wire::timestamp;
use yinyom_proto::manager::v1 as pb;
use yinyom_tables::{Cell, MAX_SHEET_ROWS, Rest, TableError, Writer};

use super::super::Unanswered;
use super::super::wire::export::{Sheet, rows};
use super::{ExportFault, Mark};
use crate::commands::TableExport;
use crate::domain::{Exported, WantedRows, Written};

/// The most bytes of a message, or some more where one row is large.
const PIECE: usize = 256 * 1024;
/// A client that waits for longer hears that there is nothing yet, so that it knows that somebody works.
const SILENCE: Duration = Duration::from_secs(2);

/// What is sent at a time.
pub(super) struct Piece {
    pub(super) data: Vec<u8>,
    pub(super) mark: Mark,
    pub(super) progress: pb::ExportProgress,
}

/// Bytes that are made and not sent.
struct Made {
    data: Vec<u8>,
    written: Option<Written>,
    rows: u64,
}

type Writing = JoinHandle<Result<Rest, TableError>>;

/// What comes next.
enum Stage {
    /// Whether the rows are as many as a sheet has: they are counted first.
    Counting(Box<TableExport>, u64),
    Rows(Box<Writer>),
    /// The last bytes are made.
    Finishing(Writing),
    /// They are in a file.
    Reading(std::fs::File),
    End,
    Over,
}

/// One file.
pub(super) struct File {
    export: TableExport,
    sheet: Sheet,
    stage: Stage,
    made: VecDeque<Made>,
    /// After what was sent.
    mark: Mark,
    /// Rows that were given to the writer.
    rows: u64,
    /// Over everything that was made, of a format that is not by row.
    hash: Sha256,
    hashed: u64,
    /// What the client has already, if it must be made again.
    had: Option<Mark>,
}

impl File {
    /// A new one.
    pub(super) fn begin(export: TableExport, sheet: Sheet) -> Result<Self, ExportFault> {
        let fixed = export.fixed().clone();
        let mark = Mark { fixed, bytes: 0, rows: 0, written: None, hash: None };
        Self::resume(export, sheet, mark)
    }

    /// One that a client has as far as `mark`, after whose last row `export` goes on.
    pub(super) fn resume(
        export: TableExport,
        sheet: Sheet,
        mark: Mark,
    ) -> Result<Self, ExportFault> {
        if exceeds(&export, sheet) {
            return Err(ExportFault::TooManyRows);
        }
        let by_row = sheet.format.is_by_row();
        let rows = if by_row { mark.rows } else { 0 };
        let stage = if may_exceed(&export, sheet) {
            Stage::Counting(Box::new(export.again()), 0)
        } else if by_row && mark.bytes > 0 {
            let table = sheet.table(export.wanted(), export.fixed());
            let writer = Writer::resume(table, sheet.format).ok_or(ExportFault::Changed)?;
            Stage::Rows(Box::new(writer))
        } else {
            begin_rows(&export, sheet)?
        };
        Ok(Self {
            export,
            sheet,
            stage,
            made: VecDeque::new(),
            rows,
            hash: Sha256::new(),
            hashed: 0,
            had: (!by_row && mark.bytes > 0).then(|| mark.clone()),
            mark,
        })
    }

    /// The next piece; `None` after the last. Whoever may no longer read the ledger gets none.
    pub(super) async fn next(&mut self) -> Result<Option<Piece>, Unanswered> {
        let began = Instant::now();
        loop {
            if let Some(made) = self.made.pop_front() {
                if let Some(data) = self.not_had(made)? {
                    return self.send(data, false).await.map(Some);
                }
            } else if matches!(self.stage, Stage::Over) {
                return Ok(None);
            } else if matches!(self.stage, Stage::End) {
                if self.had.is_some() {
                    return Err(ExportFault::Changed.into());
                }
                self.stage = Stage::Over;
                return self.send(Vec::new(), true).await.map(Some);
            } else if began.elapsed() >= SILENCE {
                return self.send(Vec::new(), false).await.map(Some);
            } else {
                self.work().await?;
            }
        }
    }

    async fn send(&self, data: Vec<u8>, complete: bool) -> Result<Piece, Unanswered> {
        self.export.confirm().await?;
        let Mark { fixed, bytes, .. } = &self.mark;
        let progress = pb::ExportProgress {
            bytes: count(*bytes),
            rows: count(if self.sheet.format.is_by_row() { self.mark.rows } else { self.rows }),
            changes_read: match &self.stage {
                Stage::Counting(export, _) => export.read(),
                _ => self.export.read(),
            },
            changes_total: fixed.end,
            as_of_time: Some(timestamp(fixed.at)),
            complete,
        };
        Ok(Piece { data, mark: self.mark.clone(), progress })
    }

    /// One step.
    async fn work(&mut self) -> Result<(), Unanswered> {
        match &mut self.stage {
            Stage::Counting(export, rows) => match export.count().await? {
                Some(more) => {
                    *rows = rows.saturating_add(more as u64);
                    if *rows > MAX_SHEET_ROWS {
                        return Err(ExportFault::TooManyRows.into());
                    }
                }
                None => self.stage = begin_rows(&self.export, self.sheet)?,
            },
            Stage::Rows(_) => match self.export.next().await? {
                Some(exported) => self.write(exported).await?,
                None => {
                    if let Stage::Rows(writer) = std::mem::replace(&mut self.stage, Stage::End) {
                        self.stage = Stage::Finishing(spawn_blocking(move || writer.finish()));
                    }
                }
            },
            Stage::Finishing(writing) => {
                let Ok(finished) = tokio::time::timeout(SILENCE, writing).await else {
                    return Ok(());
                };
                match finished.map_err(|_| ExportFault::Died)?.map_err(ExportFault::from)? {
                    Rest::File(file) => self.stage = Stage::Reading(file),
                    Rest::Bytes(data) => {
                        self.stage = Stage::End;
                        self.cut(Made { data, written: self.mark.written, rows: self.rows });
                    }
                }
            }
            Stage::Reading(file) => {
                let mut data = Vec::with_capacity(PIECE);
                file.by_ref()
                    .take(PIECE as u64)
                    .read_to_end(&mut data)
                    .map_err(ExportFault::from)?;
                if data.is_empty() {
                    self.stage = Stage::End;
                }
                self.cut(Made { data, written: None, rows: self.rows });
            }
            Stage::End | Stage::Over => {}
        }
        Ok(())
    }

    /// Gives rows to the writer, on a thread that may be kept busy.
    async fn write(&mut self, exported: Vec<Exported>) -> Result<(), Unanswered> {
        let Stage::Rows(mut writer) = std::mem::replace(&mut self.stage, Stage::End) else {
            return Ok(());
        };
        let (changes, mut written_rows) =
            (matches!(self.export.wanted(), WantedRows::Changes(_)), self.rows);
        let writing = spawn_blocking(move || {
            let mut all = Vec::new();
            let (mut batch, mut weight) = (Vec::new(), 0);
            let mut left = exported.len();
            for one in exported {
                left -= 1;
                let made = rows(&one, changes);
                weight += made.iter().flatten().map(Cell::weight).sum::<usize>();
                written_rows += made.len() as u64;
                batch.extend(made);
                if weight >= PIECE || left == 0 {
                    writer.write(std::mem::take(&mut batch))?;
                    weight = 0;
                    let written = Some(written(&one, changes));
                    all.push(Made { data: writer.take()?, written, rows: written_rows });
                }
            }
            Ok::<_, TableError>((writer, all, written_rows))
        });
        let done = writing.await.map_err(|_| ExportFault::Died)?;
        let (writer, all, written_rows) = done.map_err(ExportFault::from)?;
        self.stage = Stage::Rows(writer);
        self.rows = written_rows;
        for made in all {
            self.cut(made);
        }
        Ok(())
    }

    /// Takes what was made. A piece of a format that is by row ends where a row ends; others are cut anywhere.
    fn cut(&mut self, made: Made) {
        if made.data.is_empty() {
            return;
        }
        if self.sheet.format.is_by_row() {
            self.made.push_back(made);
            return;
        }
        let pieces = made.data.chunks(PIECE).map(|data| {
            let (data, written, rows) = (data.to_vec(), None, made.rows);
            Made { data, written, rows }
        });
        self.made.extend(pieces);
    }

    /// Notes what is sent next, without what the client has already, which must be what it was.
    fn not_had(&mut self, made: Made) -> Result<Option<Vec<u8>>, ExportFault> {
        let Made { mut data, written, rows } = made;
        if self.sheet.format.is_by_row() {
            self.mark.written = written;
        } else {
            if let Some(had) = &self.had {
                let left = usize::try_from(had.bytes - self.hashed).unwrap_or(usize::MAX);
                let rest = data.split_off(left.min(data.len()));
                self.hash.update(&data);
                self.hashed += data.len() as u64;
                if self.hashed < had.bytes {
                    return Ok(None);
                }
                if had.hash != Some(self.hash.clone().finalize().into()) {
                    return Err(ExportFault::Changed);
                }
                self.had = None;
                data = rest;
                if data.is_empty() {
                    return Ok(None);
                }
            }
            self.hash.update(&data);
            self.hashed += data.len() as u64;
            self.mark.hash = Some(self.hash.clone().finalize().into());
        }
        self.mark.rows = rows;
        self.mark.bytes += data.len() as u64;
        Ok(Some(data))
    }
}

/// Files on the way have no name, so that they are gone with this, however it ends.
fn begin_rows(export: &TableExport, sheet: Sheet) -> Result<Stage, ExportFault> {
    let table = sheet.table(export.wanted(), export.fixed());
    let writer = Writer::begin(table, sheet.format, &std::env::temp_dir())?;
    Ok(Stage::Rows(Box::new(writer)))
}

/// Whether these are more rows than the format has, without a look: a change is one row at least.
fn exceeds(export: &TableExport, sheet: Sheet) -> bool {
    let changes = matches!(export.wanted(), WantedRows::Changes(_)) && export.wanted().is_all();
    let least = export.fixed().end.unsigned_abs();
    sheet.format == yinyom_tables::Format::Xlsx && changes && least > MAX_SHEET_ROWS
}

/// Whether these may be more rows than the format has. One change is two rows at most, and so are the consents of one contact,
/// which has one change at least.
fn may_exceed(export: &TableExport, sheet: Sheet) -> bool {
    let most = export.fixed().end.unsigned_abs().saturating_mul(2);
    sheet.format == yinyom_tables::Format::Xlsx && most > MAX_SHEET_ROWS
}

fn written(one: &Exported, changes: bool) -> Written {
    let recorded = &one.entry.recorded;
    match one.channels.first() {
        Some(carried) if !changes => Written::Consent(recorded.change.contact, carried.channel),
        _ => Written::Change(recorded.ledger_index),
    }
}

fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
