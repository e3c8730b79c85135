//! Rows of a suppression list, and what became of them.

use yinyom_consent::wire::{optional, read_timestamp};
use yinyom_consent::{Channel, ConsentState};
use yinyom_kernel::{Language, Violations};
use yinyom_privacy::Address;
use yinyom_proto::directory::v1 as pb;

use super::refusal::refusal;
use crate::commands::import::opt_outs::{OptOut, OptOutResult};
use crate::domain::points::{field_of, read_those_that_are};

/// Reads rows, each by itself, and of a wrong one what can be read: a refusal that is told is not lost for a
/// neighbour's sake.
pub fn opt_outs(rows: &[pb::ImportRow]) -> Vec<OptOut> {
    rows.iter().map(opt_out).collect()
}

fn opt_out(row: &pb::ImportRow) -> OptOut {
    let mut wrong = Violations::new();
    let said_at = read_timestamp(&mut wrong, "consent_time", row.consent_time.as_ref());
    let mut refused = of(&mut wrong, Channel::Phone, &row.phones, row.phone_consent);
    refused.extend(of(&mut wrong, Channel::Email, &row.emails, row.email_consent));
    let says_nothing = row.phone_consent == 0 && row.email_consent == 0;
    if says_nothing && row.phones.is_empty() && row.emails.is_empty() {
        wrong.missing(field_of(Channel::Phone));
    }
    OptOut { refused, said_at, wrong: wrong.finish(Some(())).err() }
}

/// What a row refuses in one channel.
fn of(wrong: &mut Violations, channel: Channel, given: &[String], says: i32) -> Vec<Address> {
    let field = match channel {
        Channel::Phone => "phone_consent",
        Channel::Email => "email_consent",
    };
    match optional(wrong, field, ConsentState::from_wire(says)) {
        Some(Some(ConsentState::Denied)) => {
            if given.is_empty() {
                wrong.missing(field_of(channel));
            }
            let given: Vec<_> = given.iter().map(String::as_str).collect();
            read_those_that_are(wrong, channel, &given)
        }
        Some(None) if !given.is_empty() => {
            wrong.missing(field);
            Vec::new()
        }
        _ => Vec::new(),
    }
}

/// What became of a row, in the caller's language.
pub fn result(
    row: &pb::ImportRow,
    result: OptOutResult,
    language: Language,
) -> pb::ImportRowResult {
    let OptOutResult { wrong, denied, kept } = result;
    let outcome = match &wrong {
        Some(_) => pb::ImportOutcome::Rejected,
        None if denied == 0 && kept == 0 => pb::ImportOutcome::Unchanged,
        None => pb::ImportOutcome::Updated,
    };
    pb::ImportRowResult {
        row_number: row.row_number,
        outcome: outcome.into(),
        refusal: wrong.map(|wrong| refusal(&wrong, language)),
        denied_contacts: i64::try_from(denied).unwrap_or(i64::MAX),
        kept_addresses: i64::try_from(kept).unwrap_or(i64::MAX),
        ..pb::ImportRowResult::default()
    }
}
