//! A batch of changes. One that cannot be read spoils its own stream only.

use std::collections::HashMap;

use yinyom_consent::{CONTACTS, wire};
use yinyom_kernel::{BusinessId, InvalidInput, Name, Text, Violations, one_line};
use yinyom_privacy::DataKey;
use yinyom_proto::manager::v1 as pb;

use crate::domain::{Outcome, Stream, StreamResult, Submission};

/// The most changes that one batch holds.
const MAX_CHANGES: usize = 1_000;
/// Four times what reference and note can have.
const MAX_SEALED_BYTES: usize = 32 * 1024;
const MAX_NAME_CHARS: usize = 200;

/// Reads a batch, stream by stream, each in the order in which it was sent.
pub(in crate::api) fn read(
    request: pb::RecordConsentChangesRequest,
) -> Result<(BusinessId, Vec<Stream>), InvalidInput> {
    let mut wrong = Violations::new();
    let business = wrong.take("parent", Name::parse_business(&request.parent));
    match request.changes.len() {
        1..=MAX_CHANGES => {}
        0 => wrong.missing("changes"),
        _ => wrong.push(
            "changes",
            "TOO_MANY",
            Text::new(
                format!("holds more than {MAX_CHANGES} changes."),
                format!("มีรายการเกิน {MAX_CHANGES} รายการ"),
            ),
        ),
    }
    let business = wrong.finish(business)?;
    let mut streams: Vec<Stream> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for (place, sent) in request.changes.into_iter().enumerate() {
        let stream = *places.entry(sent.contact.clone()).or_insert_with(|| {
            streams.push(begin(business, &sent.contact));
            streams.len() - 1
        });
        let Some(stream) = streams.get_mut(stream) else { continue };
        if let Ok(changes) = &mut stream.changes {
            match submission(business, place, sent) {
                Ok(submission) => changes.push(submission),
                Err(invalid) => stream.changes = Err(invalid),
            }
        }
    }
    Ok((business, streams))
}

fn begin(business: BusinessId, name: &str) -> Stream {
    let contact = CONTACTS.parse(name).ok().filter(|(owner, _)| *owner == business);
    Stream {
        name: name.to_owned(),
        contact: contact.map(|(_, contact)| contact),
        changes: Ok(Vec::new()),
    }
}

fn submission(
    business: BusinessId,
    place: usize,
    sent: pb::ConsentChange,
) -> Result<Submission, InvalidInput> {
    let mut wrong = Violations::new();
    let change = wrong.merge(wire::change_from_wire(business, &sent));
    // What a database cannot hold must not cost the other streams their transaction.
    line(&mut wrong, "notice_version", &sent.notice_version);
    line(&mut wrong, "actor", &sent.actor);
    if sent.sealed_evidence.len() > MAX_SEALED_BYTES {
        let text = Text::new("is too long.", "ยาวเกินไป");
        wrong.push("sealed_evidence", "TOO_LONG", text);
    }
    if !sent.sealed_evidence.is_empty() && sent.evidence_commitment.is_empty() {
        wrong.missing("evidence_commitment");
    }
    let subject_key = match sent.subject_key.as_slice() {
        [] => None,
        bytes => {
            let key = DataKey::restore(bytes);
            if key.is_none() {
                let text = Text::new("has 32 bytes.", "ต้องมี 32 ไบต์");
                wrong.push("subject_key", "INVALID_LENGTH", text);
            }
            key
        }
    };
    let change = wrong.finish(change)?;
    Ok(Submission {
        place,
        leaf_hash: change.leaf_hash(),
        change,
        sealed_evidence: Some(sent.sealed_evidence).filter(|sealed| !sealed.is_empty()),
        subject_key,
    })
}

fn line(wrong: &mut Violations, field: &str, text: &str) {
    wrong.merge(one_line(field, text, MAX_NAME_CHARS));
}

/// What became of a stream.
pub(in crate::api) fn result(result: StreamResult) -> pb::StreamResult {
    let (outcome, last_seq) = (outcome(result.outcome), result.last_seq);
    pb::StreamResult { contact: result.name, outcome: outcome.into(), last_seq }
}

/// What became of a stream, of whatever.
pub(super) const fn outcome(outcome: Outcome) -> pb::RecordOutcome {
    match outcome {
        Outcome::Recorded => pb::RecordOutcome::Recorded,
        Outcome::Gap => pb::RecordOutcome::Gap,
        Outcome::Conflict => pb::RecordOutcome::Conflict,
        Outcome::Invalid => pb::RecordOutcome::Invalid,
    }
}
