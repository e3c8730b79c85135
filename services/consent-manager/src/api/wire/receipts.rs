//! Receipts, as asked and as answered.

use yinyom_consent::wire::required;
use yinyom_consent::{CONTACTS, Channel};
use yinyom_kernel::{BusinessId, ContactId, InvalidInput, Language, Text, Violations};
use yinyom_proto::manager::v1 as pb;
use yinyom_receipt::Receipt;

use super::export::language;

/// A receipt that is asked for.
pub(in crate::api) struct Asked {
    pub(in crate::api) name: (BusinessId, ContactId),
    pub(in crate::api) channel: Channel,
    pub(in crate::api) format: Format,
    pub(in crate::api) language: Language,
}

/// How it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::api) enum Format {
    Json,
    Html,
}

/// Of which consent, and how.
pub(in crate::api) fn question(
    asked: &pb::GetConsentReceiptRequest,
) -> Result<Asked, InvalidInput> {
    let mut wrong = Violations::new();
    let name = wrong.take("contact", CONTACTS.parse(&asked.contact));
    let channel = required(&mut wrong, "channel", Channel::from_wire(asked.channel));
    let format = required(&mut wrong, "format", read_format(asked.format));
    let language = language(&mut wrong, &asked.language_code);
    let asked = name.zip(channel).zip(format.zip(language));
    wrong.finish(asked.map(|((name, channel), (format, language))| Asked {
        name,
        channel,
        format,
        language,
    }))
}

fn read_format(number: i32) -> Result<Option<Format>, InvalidInput> {
    match pb::ReceiptFormat::try_from(number) {
        Ok(pb::ReceiptFormat::Unspecified) => Ok(None),
        Ok(pb::ReceiptFormat::Json) => Ok(Some(Format::Json)),
        Ok(pb::ReceiptFormat::Html) => Ok(Some(Format::Html)),
        // Only that it is unknown counts; `required` says it in its own words.
        Err(_) => Err(InvalidInput::one("", "UNKNOWN_VALUE", Text::new("", ""))),
    }
}

/// The receipt.
pub(in crate::api) fn answer(
    receipt: &Receipt,
    jws: String,
    format: Format,
) -> pb::GetConsentReceiptResponse {
    let (content, media_type) = match format {
        Format::Json => (receipt.json().unwrap_or_default(), "application/json"),
        Format::Html => (receipt.page(&jws).unwrap_or_default(), "text/html; charset=utf-8"),
    };
    let (media_type, receipt_id) = (media_type.to_owned(), receipt.receipt_id.clone());
    pb::GetConsentReceiptResponse { content, media_type, jws, receipt_id }
}
