//! One page for a person, on paper or on a screen. No script; what comes from the ledger is escaped by `maud`.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use yinyom_consent::{Cause, Channel, ConsentState, EvidenceMethod, Role, Surface};
use yinyom_kernel::Language;

use crate::verify::language;
use crate::words::{self, Word};
use crate::{Event, Receipt};

/// Of the events; the rest is in the signed part.
const MOST_EVENTS: usize = 10;
/// Where the signed part is.
const SIGNED: &str = "<meta name=\"consent-receipt\" content=\"";

const STYLE: &str = "
@page { size: A4; margin: 14mm }
* { box-sizing: border-box }
body { font: 10.5pt/1.5 'Sarabun', 'Noto Sans Thai', 'Leelawadee UI', 'Thonburi', 'Tahoma', 'Noto Sans', sans-serif;
  color: #1a1a1a; max-width: 182mm; margin: 0 auto; padding: 4mm }
h1 { font-size: 17pt; line-height: 1.3; margin: 0 0 1mm }
h2 { font-size: 11.5pt; margin: 5mm 0 1.5mm; border-bottom: 0.3mm solid #bbb }
p { margin: 0 0 2mm }
.state { border: 0.5mm solid #1a1a1a; border-radius: 2mm; padding: 3mm 4mm; margin: 4mm 0 }
.state strong { font-size: 15pt; line-height: 1.4; display: block }
.GRANTED { border-color: #14713d } .GRANTED strong { color: #14713d }
.DENIED { border-color: #a5281b } .DENIED strong { color: #a5281b }
dl { display: grid; grid-template-columns: 42mm 1fr; gap: 0.8mm 4mm; margin: 0 }
dt { color: #555 } dd { margin: 0; overflow-wrap: anywhere }
table { width: 100%; border-collapse: collapse; font-size: 9.5pt }
th { text-align: left; font-weight: 600; color: #555 }
th, td { padding: 1mm 2mm 1mm 0; border-bottom: 0.2mm solid #ddd; vertical-align: top }
.small { font-size: 8.5pt; color: #555 } code { font-size: 8.5pt; overflow-wrap: anywhere }
";

/// The page's own sentences.
struct Say(Language);

impl Say {
    const fn of(&self, english: &'static str, thai: &'static str) -> &'static str {
        match self.0 {
            Language::English => english,
            Language::Thai => thai,
        }
    }
}

impl Receipt {
    /// The page, which holds `jws`. `None` if this is no receipt that was made here.
    pub fn page(&self, jws: &str) -> Option<String> {
        let language = language(self);
        let say = Say(language);
        let purpose = self.pii_processing.purposes.first()?;
        let newest = self.events.first()?;
        let controller = self.party_identification.first()?;
        let zone = TimeZone::get(&self.time_zone).unwrap_or(TimeZone::UTC);
        let time = |at: Timestamp| spoken(at, &zone, language);
        let state = purpose.state.as_deref();
        let known = state.and_then(|it| words::find(ConsentState::ALL, words::state, it));
        let gone = say.of("The contact is no longer kept", "ไม่มีข้อมูลผู้ติดต่อแล้ว");
        let channel = told(Channel::ALL, words::channel, &purpose.channel, language);
        let title = say.of("Consent receipt", "ใบรับรองความยินยอม");
        let page = html! {
            (DOCTYPE)
            html lang=(language.tag()) {
                head {
                    meta charset="utf-8";
                    meta http-equiv="Content-Security-Policy"
                        content="default-src 'none'; style-src 'unsafe-inline'";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="consent-receipt" content=(jws);
                    title { (title) }
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    h1 { (title) }
                    p.small {
                        (say.of("Issued", "ออกเมื่อ")) " " (time(self.issue_time))
                        " · " (say.of("Personal Data Protection Act, Thailand",
                            "พระราชบัญญัติคุ้มครองข้อมูลส่วนบุคคล พ.ศ. 2562"))
                    }
                    div class={ "state " (state.unwrap_or_default()) } {
                        (purpose.purpose)
                        strong { (known.map_or(gone, |it| words::state(it).get(language))) }
                        (say.of("since", "ตั้งแต่")) " " (time(newest.event_time))
                        @if let Some(at) = purpose.expire_time {
                            " " (say.of("until", "ถึง")) " " (time(at))
                        }
                    }
                    h2 { (say.of("What it is about", "รายละเอียด")) }
                    dl {
                        dt { (say.of("Controller", "ผู้ควบคุมข้อมูล")) } dd { (controller.party_name) }
                        dt { (say.of("You are kept as", "รหัสของคุณ")) } dd { (self.pii_principal_id) }
                        @if !self.merged_records.is_empty() {
                            dt { (say.of("Merged with it", "รวมกับ")) }
                            dd {
                                @for record in &self.merged_records { (holder(record)) br; }
                                span.small { (say.of(
                                    "What was said there before is in a receipt of its own: ask for it.",
                                    "ประวัติก่อนการรวมอยู่ในใบรับรองของรหัสนั้น ขอได้จากธุรกิจ")) }
                            }
                        }
                        @if let Some(record) = &self.merged_into_record {
                            dt { (say.of("Merged into", "รวมเข้ากับ")) }
                            dd {
                                (holder(record)) br;
                                span.small { (say.of(
                                    "What was said since is in its receipt: ask for it.",
                                    "ประวัติหลังการรวมอยู่ในใบรับรองของรหัสนั้น ขอได้จากธุรกิจ")) }
                            }
                        }
                        dt { (say.of("Personal data", "ข้อมูลส่วนบุคคล")) } dd { (channel) }
                        dt { (say.of("Lawful basis", "ฐานกฎหมาย")) }
                        dd { (say.of("your consent", "ความยินยอมของคุณ")) }
                        dt { (say.of("Privacy notice", "ประกาศความเป็นส่วนตัว")) }
                        dd {
                            @match &self.pii_processing.privacy_notice {
                                Some(notice) => { (say.of("version", "เวอร์ชัน")) " " (notice.version) }
                                None => { (say.of("none on record", "ไม่มีบันทึก")) }
                            }
                        }
                        dt { (say.of("To withdraw", "การถอนความยินยอม")) }
                        dd { (purpose.withdrawal_method) }
                        dt { (say.of("Kept", "ระยะเวลาเก็บ")) } dd { (purpose.retention_period) }
                    }
                    h2 { (say.of("What happened", "ประวัติ")) }
                    (events(self, &say, &time))
                    h2 { (say.of("Proof", "การพิสูจน์")) }
                    p.small {
                        (say.of(
                            "This page holds a signed record. Anyone can check it, without asking the business, with the public keys of its ledger:",
                            "หน้านี้มีบันทึกที่ลงลายมือชื่อดิจิทัลอยู่ภายใน ทุกคนตรวจสอบได้ด้วยกุญแจสาธารณะของบัญชี โดยไม่ต้องถามธุรกิจ:"))
                        " " code { "yinyom verify-receipt FILE --public-key ledger.pub" }
                    }
                    dl.small {
                        dt { (say.of("Receipt", "เลขที่ใบรับรอง")) } dd { code { (self.receipt_id) } }
                        dt { (say.of("In the ledger", "ลำดับในบัญชี")) }
                        dd {
                            (newest.ledger.index) " " (say.of("of", "จาก")) " " (self.ledger.tree_size)
                        }
                        dt { (say.of("Leaf hash", "ค่าแฮช")) } dd { code { (newest.ledger.leaf_hash) } }
                    }
                }
            }
        };
        Some(page.into_string())
    }
}

fn events(receipt: &Receipt, say: &Say, time: &impl Fn(Timestamp) -> String) -> Markup {
    let shown = &receipt.events[..receipt.events.len().min(MOST_EVENTS)];
    let more = receipt.events_omitted + (receipt.events.len() - shown.len()) as u64;
    html! {
        table {
            thead { tr {
                th { (say.of("When", "เมื่อ")) }
                th { (say.of("What", "เหตุการณ์")) }
                th { (say.of("Consent", "ความยินยอม")) }
                th { (say.of("How, where", "วิธี, ที่บันทึก")) }
                th { (say.of("By", "โดย")) }
            } }
            tbody { @for event in shown { (row(event, say, time)) } }
        }
        @if more > 0 {
            p.small { (more) " " (say.of("earlier events are not shown here.", "เหตุการณ์ก่อนหน้าไม่ได้แสดงในหน้านี้")) }
        }
    }
}

fn row(event: &Event, say: &Say, time: &impl Fn(Timestamp) -> String) -> Markup {
    let language = say.0;
    let state = event.event_state.as_deref();
    html! {
        tr {
            td {
                (time(event.event_time))
                @if let Some(at) = event.claimed_time {
                    br; span.small { (say.of("said", "แจ้งเมื่อ")) " " (time(at)) }
                }
            }
            td { (told(Cause::ALL, words::cause, &event.event_type, language)) }
            td {
                @match state {
                    Some(state) => { (told(ConsentState::ALL, words::state, state, language)) }
                    None => { "–" }
                }
                @if let Some(at) = event.expire_time {
                    br; span.small { (say.of("until", "ถึง")) " " (time(at)) }
                }
            }
            td {
                @if let Some(method) = &event.collection_method {
                    (told(EvidenceMethod::ALL, words::method, method, language)) ", "
                }
                (told(Surface::ALL, words::surface, &event.surface, language))
            }
            td {
                @match &event.entity_role {
                    Some(role) => { (told(Role::ALL, words::role, role, language)) }
                    None => { (event.entity_id) }
                }
            }
        }
    }
}

/// The contact of a record.
fn holder(record: &str) -> &str {
    record.split("/consents/").next().unwrap_or(record)
}

/// A word, as far as it is known here.
fn told<'a, T: Copy>(
    all: &[T],
    word: impl Fn(T) -> Word,
    code: &'a str,
    language: Language,
) -> &'a str {
    words::find(all, &word, code).map_or(code, |it| word(it).get(language))
}

/// In Thailand years are counted from the Buddha's death.
fn spoken(at: Timestamp, zone: &TimeZone, language: Language) -> String {
    let local = zone.to_datetime(at);
    let offset = zone.to_offset(at);
    match language {
        Language::English => format!("{} (UTC{offset})", local.strftime("%-d %B %Y, %H:%M:%S")),
        Language::Thai => format!(
            "{} {} {} {} น. (UTC{offset})",
            local.day(),
            THAI_MONTHS[usize::from(local.month().unsigned_abs() - 1) % 12],
            i32::from(local.year()) + 543,
            local.strftime("%H:%M:%S")
        ),
    }
}

const THAI_MONTHS: [&str; 12] = [
    "มกราคม",
    "กุมภาพันธ์",
    "มีนาคม",
    "เมษายน",
    "พฤษภาคม",
    "มิถุนายน",
    "กรกฎาคม",
    "สิงหาคม",
    "กันยายน",
    "ตุลาคม",
    "พฤศจิกายน",
    "ธันวาคม",
];

/// The signed part of a page.
pub(crate) fn signed_part(page: &str) -> Option<&str> {
    let (_, rest) = page.split_once(SIGNED)?;
    rest.split_once('"').map(|(jws, _)| jws)
}
