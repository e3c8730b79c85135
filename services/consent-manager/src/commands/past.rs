//! Contacts as they stood at a past moment («could we e-mail her on 3 March?»).
//!
//! The changes of a contact are in the order of their numbers. What stood at a moment is what they made up to the last one
//! that the directory had recorded by then, whatever the clocks said of those before it (TRAPS 11).

use std::collections::HashMap;

use jiff::Timestamp;
use yinyom_consent::ByChannel;
use yinyom_db::Tx;
use yinyom_kernel::{ContactId, InvalidInput, Text};

use crate::domain::{Made, Stood, stood as stood_by_last, stood_after};
use crate::store::StoreError;
use crate::store::past::{self, Lasts};

/// Only what has been can be told.
pub(super) fn is_past(at: Timestamp, now: Timestamp) -> Result<(), InvalidInput> {
    if at <= now {
        return Ok(());
    }
    let text = Text::new("must not be in the future.", "ต้องไม่เป็นเวลาในอนาคต");
    Err(InvalidInput::one("as_of_time", "IN_THE_FUTURE", text))
}

/// How each of these contacts stood, in their order; those that were not there are left out.
pub(super) async fn stood(
    tx: &mut Tx,
    contacts: &[ContactId],
    at: Timestamp,
) -> Result<Vec<(ContactId, Vec<Made>)>, StoreError> {
    let lasts = past::lasts(tx, contacts, at).await?;
    let mut wanted: Vec<_> = lasts
        .iter()
        .flat_map(|(contact, Lasts { seq, phone, email })| {
            [Some(*seq), *phone, *email].into_iter().flatten().map(|seq| (*contact, seq))
        })
        .collect();
    wanted.sort_unstable();
    wanted.dedup();
    let changes =
        if wanted.is_empty() { HashMap::new() } else { past::changes(tx, &wanted).await? };
    let mut all = Vec::with_capacity(contacts.len());
    for contact in contacts {
        let Some(lasts) = lasts.get(contact) else { continue };
        let of = |seq: Option<i64>| seq.and_then(|seq| changes.get(&(*contact, seq)));
        let last = of(Some(lasts.seq)).ok_or(StoreError::Unreadable("a change is gone"))?;
        let by_channel = ByChannel { phone: of(lasts.phone), email: of(lasts.email) };
        match stood_by_last(last, &by_channel, at) {
            Stood::Absent => {}
            Stood::So(made) => all.push((*contact, made)),
            Stood::AskAll => {
                let made = stood_after(&past::up_to(tx, *contact, lasts.seq).await?, at);
                all.push((*contact, made));
            }
        }
    }
    Ok(all)
}
