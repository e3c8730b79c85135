//! What is exported, as asked, and the rows of a file.

use jiff::tz::TimeZone;
use yinyom_consent::wire::{actor_name, parent_name, required};
use yinyom_consent::{Actor, CONTACTS, ChannelChange};
use yinyom_kernel::{BusinessId, InvalidInput, Language, Text, Violations};
use yinyom_privacy::Personal;
use yinyom_proto::manager::v1 as pb;
use yinyom_proto::types::v1 as types;
use yinyom_rpc::Call;
use yinyom_tables::{Cell, Column, Format, Kind, Row, Table};

use super::questions;
use crate::domain::{Evidence, Exported, Fixed, WantedRows};

/// A file that is asked for.
pub(in crate::api) struct Asked {
    pub(in crate::api) business: BusinessId,
    pub(in crate::api) wanted: WantedRows,
    pub(in crate::api) sheet: Sheet,
}

/// How it is written.
#[derive(Debug, Clone, Copy)]
pub(in crate::api) struct Sheet {
    pub(in crate::api) format: Format,
    pub(in crate::api) language: Language,
}

/// Which changes.
pub(in crate::api) fn changes(
    asked: &pb::ExportConsentChangesRequest,
    call: &Call,
) -> Result<Asked, InvalidInput> {
    let listed = pb::ListConsentChangesRequest {
        parent: asked.parent.clone(),
        channel: asked.channel,
        state: asked.state,
        surface: asked.surface,
        actor: asked.actor.clone(),
        cause: asked.cause,
        start_time: asked.start_time,
        end_time: asked.end_time,
        contact: asked.contact.clone(),
        from_state: asked.from_state,
        actor_role: asked.actor_role,
        surface_parent: asked.surface_parent.clone(),
        evidence_method: asked.evidence_method,
        notice_version: asked.notice_version.clone(),
        expire_start_time: asked.expire_start_time,
        expire_end_time: asked.expire_end_time,
        page_size: 0,
        page_token: String::new(),
    };
    let mut wrong = Violations::new();
    let filter = wrong.merge(questions::changes(&listed, call));
    let sheet = sheet(&mut wrong, asked.format, &asked.language_code);
    wrong.finish(filter.zip(sheet).map(|((business, filter, _), sheet)| Asked {
        business,
        wanted: WantedRows::Changes(filter),
        sheet,
    }))
}

/// Which consents.
pub(in crate::api) fn consents(
    asked: &pb::ExportConsentsRequest,
    call: &Call,
) -> Result<Asked, InvalidInput> {
    let listed = pb::ListConsentsRequest {
        parent: asked.parent.clone(),
        channel: asked.channel,
        state: asked.state,
        surface: asked.surface,
        actor: asked.actor.clone(),
        start_time: asked.start_time,
        end_time: asked.end_time,
        contact: asked.contact.clone(),
        cause: asked.cause,
        actor_role: asked.actor_role,
        surface_parent: asked.surface_parent.clone(),
        evidence_method: asked.evidence_method,
        notice_version: asked.notice_version.clone(),
        expire_start_time: asked.expire_start_time,
        expire_end_time: asked.expire_end_time,
        as_of_time: None,
        page_size: 0,
        page_token: String::new(),
    };
    let mut wrong = Violations::new();
    let filter = wrong.merge(questions::consents(&listed, call));
    let sheet = sheet(&mut wrong, asked.format, &asked.language_code);
    wrong.finish(filter.zip(sheet).map(|((business, filter, ..), sheet)| Asked {
        business,
        wanted: WantedRows::Consents(filter),
        sheet,
    }))
}

fn sheet(wrong: &mut Violations, format: i32, language_code: &str) -> Option<Sheet> {
    let format = required(wrong, "format", read_format(format))
        .and_then(|format| built(wrong, format, format.is_built()));
    let language = language(wrong, language_code);
    format.zip(language).map(|(format, language)| Sheet { format, language })
}

/// A format that this program was built without is as good as none.
fn built(wrong: &mut Violations, format: Format, is_built: bool) -> Option<Format> {
    if !is_built {
        let text = Text::new(
            "is not in this build of the service; CSV and JSON Lines always are.",
            "ไม่มีในบริการรุ่นที่ติดตั้งนี้ แต่ CSV และ JSON Lines มีเสมอ",
        );
        wrong.push("format", "FORMAT_NOT_BUILT", text);
    }
    is_built.then_some(format)
}

/// Of what is written for people.
pub(super) fn language(wrong: &mut Violations, code: &str) -> Option<Language> {
    match code {
        "" | "en" => Some(Language::English),
        "th" => Some(Language::Thai),
        _ => {
            let text = Text::new("must be en or th.", "ต้องเป็น en หรือ th");
            wrong.push("language_code", "UNKNOWN_LANGUAGE", text);
            None
        }
    }
}

fn read_format(number: i32) -> Result<Option<Format>, InvalidInput> {
    match pb::ExportFormat::try_from(number) {
        Ok(pb::ExportFormat::Unspecified) => Ok(None),
        Ok(pb::ExportFormat::Csv) => Ok(Some(Format::Csv)),
        Ok(pb::ExportFormat::JsonLines) => Ok(Some(Format::JsonLines)),
        Ok(pb::ExportFormat::Parquet) => Ok(Some(Format::Parquet)),
        Ok(pb::ExportFormat::Xlsx) => Ok(Some(Format::Xlsx)),
        // Only that it is unknown counts; `required` says it in its own words.
        Err(_) => Err(InvalidInput::one("", "UNKNOWN_VALUE", Text::new("", ""))),
    }
}

impl Sheet {
    /// The columns, in the language and the zone that people read.
    pub(in crate::api) fn table(self, wanted: &WantedRows, fixed: &Fixed) -> Table {
        let changes = matches!(wanted, WantedRows::Changes(_));
        let columns = COLUMNS.iter().filter(|column| column.is_in(changes));
        let title = match (changes, self.language) {
            (true, Language::English) => "Consent changes",
            (true, Language::Thai) => "การเปลี่ยนแปลงความยินยอม",
            (false, Language::English) => "Consents",
            (false, Language::Thai) => "ความยินยอม",
        };
        Table {
            title,
            columns: columns.map(|column| column.of(changes, self.language)).collect(),
            // Settings admits no other zones than those that are known.
            zone: TimeZone::get(&fixed.zone).unwrap_or(TimeZone::UTC),
            as_of: fixed.at,
        }
    }
}

/// A column, and what is in it.
struct Field {
    key: &'static str,
    english: &'static str,
    thai: &'static str,
    kind: Kind,
    cell: fn(&Exported, Option<&ChannelChange>) -> Cell,
}

impl Field {
    /// Whence a channel came is for changes alone.
    fn is_in(&self, changes: bool) -> bool {
        changes || self.key != FROM_STATE
    }

    fn of(&self, changes: bool, language: Language) -> Column {
        let (key, english, thai) = match self.key {
            TO_STATE if !changes => ("state", "State", "สถานะ"),
            key => (key, self.english, self.thai),
        };
        let title = match language {
            Language::English => english,
            Language::Thai => thai,
        };
        Column { key, title, kind: self.kind }
    }
}

/// The rows of one change, or of one consent.
pub(in crate::api) fn rows(exported: &Exported, changes: bool) -> Vec<Row> {
    let row = |carried: Option<&ChannelChange>| {
        let fields = COLUMNS.iter().filter(|field| field.is_in(changes));
        fields.map(|field| (field.cell)(exported, carried)).collect()
    };
    match exported.channels.as_slice() {
        [] => vec![row(None)],
        channels => channels.iter().map(|carried| row(Some(carried))).collect(),
    }
}

const FROM_STATE: &str = "from_state";
const TO_STATE: &str = "to_state";

macro_rules! field {
    ($key:expr, $english:literal, $thai:literal, $kind:ident, $cell:expr) => {
        Field { key: $key, english: $english, thai: $thai, kind: Kind::$kind, cell: $cell }
    };
}

/// In the order of the file.
const COLUMNS: &[Field] = &[
    field!("contact", "Contact", "ผู้ติดต่อ", Text, |it, _| {
        let change = &it.entry.recorded.change;
        Cell::text(CONTACTS.format(change.business, change.contact))
    }),
    field!("channel", "Channel", "ช่องทาง", Text, |_, carried| {
        carried.map_or(Cell::Empty, |it| {
            word(types::Channel::from(it.channel).as_str_name(), "CHANNEL_")
        })
    }),
    field!(FROM_STATE, "State before", "สถานะเดิม", Text, |_, carried| {
        state(carried.and_then(|it| it.from))
    }),
    field!(TO_STATE, "State after", "สถานะใหม่", Text, |_, carried| {
        state(carried.and_then(|it| it.to))
    }),
    field!("expire_time", "Expires", "หมดอายุเมื่อ", Time, |_, carried| {
        Cell::time(carried.and_then(|it| it.expires_at))
    }),
    field!("record_time", "Changed", "เปลี่ยนเมื่อ", Time, |it, _| {
        Cell::Time(it.entry.recorded.change.recorded_at)
    }),
    field!("cause", "Cause", "สาเหตุ", Text, |it, _| {
        let cause = types::ChangeCause::from(it.entry.recorded.change.cause);
        word(cause.as_str_name(), "CHANGE_CAUSE_")
    }),
    field!("surface", "Surface", "หน้าที่บันทึก", Text, |it, _| {
        let surface = types::Surface::from(it.entry.recorded.change.surface);
        word(surface.as_str_name(), "SURFACE_")
    }),
    field!(
        "surface_parent",
        "Lead or account",
        "ลีดหรือทะเบียนลูกค้า",
        Text,
        |it, _| {
            let change = &it.entry.recorded.change;
            change
                .surface_parent
                .map_or(Cell::Empty, |parent| Cell::text(parent_name(change.business, parent)))
        }
    ),
    field!("actor", "Changed by", "ผู้บันทึก", Text, |it, _| {
        let change = &it.entry.recorded.change;
        Cell::text(actor_name(change.business, &change.actor))
    }),
    field!("actor_role", "Role", "บทบาท", Text, |it, _| match it
        .entry
        .recorded
        .change
        .actor
    {
        Actor::Member { role: Some(role), .. } => {
            word(types::Role::from(role).as_str_name(), "ROLE_")
        }
        _ => Cell::Empty,
    }),
    field!(
        "evidence_method",
        "Told by",
        "วิธีที่ลูกค้าแจ้ง",
        Text,
        |it, _| {
            it.entry.recorded.change.method.map_or(Cell::Empty, |method| {
                word(types::EvidenceMethod::from(method).as_str_name(), "EVIDENCE_METHOD_")
            })
        }
    ),
    field!(
        "notice_version",
        "Notice version",
        "เวอร์ชันประกาศความเป็นส่วนตัว",
        Text,
        |it, _| { Cell::text(it.entry.recorded.change.notice_version.clone().unwrap_or_default()) }
    ),
    field!(
        "claimed_time",
        "Customer said so",
        "ลูกค้าแจ้งเมื่อ",
        Time,
        |it, _| { Cell::time(it.entry.recorded.change.claimed_at) }
    ),
    // Only readers of the ledger get here: `commands::Reading` is behind every row.
    field!("reference", "Reference", "เอกสารอ้างอิง", Text, |it, _| {
        match &it.entry.evidence {
            Evidence::Opened(opened) => personal(opened.reference.clone()),
            Evidence::Nothing => Cell::Empty,
        }
    }),
    field!("note", "Note", "หมายเหตุ", Text, |it, _| match &it.entry.evidence {
        Evidence::Opened(opened) => personal(opened.note.clone()),
        Evidence::Nothing => Cell::Empty,
    }),
    field!(
        "seq",
        "Number of the contact's change",
        "ครั้งที่ของผู้ติดต่อ",
        Integer,
        |it, _| { Cell::Integer(it.entry.recorded.change.seq) }
    ),
    field!(
        "ledger_index",
        "Ledger index",
        "ลำดับในบันทึก",
        Integer,
        |it, _| { Cell::Integer(it.entry.recorded.ledger_index) }
    ),
    field!(
        "ingest_time",
        "Taken by the ledger",
        "บันทึกรับเข้าเมื่อ",
        Time,
        |it, _| { Cell::Time(it.entry.recorded.ingested_at) }
    ),
    field!(
        "leaf_hash",
        "Leaf hash",
        "ค่าแฮชของรายการ",
        Text,
        |it, _| { Cell::text(hex::encode(it.entry.recorded.leaf_hash)) }
    ),
];

/// A word of the API, without its prefix.
fn word(name: &'static str, prefix: &str) -> Cell {
    Cell::word(name.strip_prefix(prefix).unwrap_or(name))
}

fn state(state: Option<yinyom_consent::ConsentState>) -> Cell {
    state.map_or(Cell::Empty, |state| {
        word(types::ConsentState::from(state).as_str_name(), "CONSENT_STATE_")
    })
}

fn personal(text: Option<Personal>) -> Cell {
    Cell::text(text.map(Personal::into_inner).unwrap_or_default())
}
