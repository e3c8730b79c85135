//! Exports: what is in them, of which moment, for whom.

use consent_manager::MIGRATIONS;
use jiff::SignedDuration;
use serde_json::Value;
use tonic::{Code, Status};
use yinyom_consent::{ByChannel, Cause, wire};
use yinyom_proto::manager::v1 as pb;
use yinyom_proto::types::v1::{self as types, ChangeCause, Channel, ConsentState};
use yinyom_testkit::tokens::Bearer;
use yinyom_testkit::{TestDb, both_databases};

use crate::exports_resumed::noisy;
use crate::support::*;

pub const FORMATS: [pb::ExportFormat; 4] = [
    pb::ExportFormat::Csv,
    pb::ExportFormat::JsonLines,
    pb::ExportFormat::Parquet,
    pb::ExportFormat::Xlsx,
];

/// What is asked for.
#[derive(Clone)]
pub enum Ask {
    Changes(pb::ExportConsentChangesRequest),
    Consents(pb::ExportConsentsRequest),
}

/// A message of either.
#[derive(Debug, Clone)]
pub struct Message {
    pub data: Vec<u8>,
    pub token: String,
    pub progress: pb::ExportProgress,
}

impl Ask {
    pub fn changes(world: &World, format: pb::ExportFormat) -> Self {
        let (parent, format) = (world.parent(), format.into());
        Self::Changes(pb::ExportConsentChangesRequest { parent, format, ..Default::default() })
    }

    pub fn consents(world: &World, format: pb::ExportFormat) -> Self {
        let (parent, format) = (world.parent(), format.into());
        Self::Consents(pb::ExportConsentsRequest { parent, format, ..Default::default() })
    }

    pub fn after(&self, token: &str) -> Self {
        let mut ask = self.clone();
        match &mut ask {
            Self::Changes(ask) => token.clone_into(&mut ask.resume_token),
            Self::Consents(ask) => token.clone_into(&mut ask.resume_token),
        }
        ask
    }

    /// Takes `most` messages, or all there are.
    pub async fn take(
        &self,
        bearer: Bearer,
        world: &World,
        most: usize,
    ) -> Result<Vec<Message>, Status> {
        let mut exports = world.exports_as(bearer);
        let mut taken = Vec::new();
        match self {
            Self::Changes(ask) => {
                let mut answers = exports.export_consent_changes(ask.clone()).await?.into_inner();
                while taken.len() < most
                    && let Some(it) = answers.message().await?
                {
                    let (data, progress) = (it.data, it.progress.unwrap());
                    taken.push(Message { data, token: it.resume_token, progress });
                }
            }
            Self::Consents(ask) => {
                let mut answers = exports.export_consents(ask.clone()).await?.into_inner();
                while taken.len() < most
                    && let Some(it) = answers.message().await?
                {
                    let (data, progress) = (it.data, it.progress.unwrap());
                    taken.push(Message { data, token: it.resume_token, progress });
                }
            }
        }
        Ok(taken)
    }

    /// All of it, for an officer.
    pub async fn all(&self, world: &World) -> Vec<Message> {
        let officer = world.tokens.member(world.business, world.members.officer);
        self.take(officer, world, usize::MAX).await.unwrap()
    }

    pub async fn file(&self, world: &World) -> Vec<u8> {
        bytes(&self.all(world).await)
    }

    pub async fn lines(&self, world: &World) -> Vec<Value> {
        let text = String::from_utf8(self.file(world).await).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

pub fn bytes(messages: &[Message]) -> Vec<u8> {
    messages.iter().flat_map(|message| message.data.clone()).collect()
}

/// Contacts with a history of all kinds.
pub async fn lived(world: &World, contacts: usize) -> Vec<Contact> {
    let hour = SignedDuration::from_hours(1);
    let mut all: Vec<_> = (0..contacts).map(|_| Contact::new(world.business)).collect();
    for (i, contact) in all.iter_mut().enumerate() {
        let now = world.now();
        let mut changes = vec![contact.created(now, NotSet, [Granted, Denied][i % 2])];
        changes.push(contact.phone_with_note(now, Granted, &format!("=SUM(1) หมายเหตุ {i}")));
        match i % 5 {
            0 => changes.push(contact.phone_until(now, now + hour)),
            1 => changes.push(contact.phone(now, Denied)),
            2 => changes.push(contact.gone(now, Cause::Deleted)),
            3 => {
                changes.push(contact.gone(now, Cause::Merged));
                let to = ByChannel { phone: To::State(Denied), email: To::State(NotSet) };
                let back = contact.change(now, Cause::MergeUndone, to, None);
                changes.push(wire::change_to_wire(&back));
            }
            _ => {}
        }
        world.take(changes).await;
    }
    all
}

async fn every_change_is_there_once_for_each_of_its_channels(db: TestDb) {
    let world = World::new(db).await;
    lived(&world, 10).await;
    let request = pb::ListConsentChangesRequest {
        parent: world.parent(),
        page_size: 1_000,
        ..Default::default()
    };
    let mut ledger = world.ledger(world.members.owner);
    let listed = ledger.list_consent_changes(request).await.unwrap().into_inner().entries;
    let mut expected = Vec::new();
    for entry in listed.iter().rev() {
        for carried in &entry.channels {
            let state = |state: ConsentState| match state {
                ConsentState::Unspecified => Value::Null,
                state => state.as_str_name().trim_start_matches("CONSENT_STATE_").into(),
            };
            let note =
                entry.evidence.as_ref().map(|it| it.note.clone()).filter(|it| !it.is_empty());
            expected.push((
                entry.ledger_index,
                entry.contact.clone(),
                state(carried.from_state()),
                state(carried.to_state()),
                note,
            ));
        }
    }
    let lines = Ask::changes(&world, pb::ExportFormat::JsonLines).lines(&world).await;
    let got: Vec<_> = lines
        .iter()
        .map(|line| {
            let note = line["note"].as_str().map(str::to_owned);
            let contact = line["contact"].as_str().unwrap().to_owned();
            (
                line["ledger_index"].as_i64().unwrap(),
                contact,
                line["from_state"].clone(),
                line["to_state"].clone(),
                note,
            )
        })
        .collect();
    assert_eq!(got, expected);
    assert_eq!(lines[0]["leaf_hash"].as_str().unwrap().len(), 64);
    let read = i64::try_from(listed.len()).unwrap();
    for format in FORMATS {
        let messages = Ask::changes(&world, format).all(&world).await;
        let last = &messages.last().unwrap().progress;
        assert!(last.complete, "{format:?}");
        assert_eq!(last.rows, i64::try_from(expected.len()).unwrap(), "{format:?}");
        assert_eq!(last.bytes, i64::try_from(bytes(&messages).len()).unwrap());
        assert_eq!((last.changes_read, last.changes_total), (read, read));
        assert!(messages[..messages.len() - 1].iter().all(|it| !it.progress.complete));
    }
}

async fn consents_are_those_of_the_moment_at_which_it_began(db: TestDb) {
    let world = World::new(db).await;
    let mut contacts = lived(&world, 25).await;
    // Grants of an hour run out meanwhile, and nobody has recorded it yet.
    world.clock.advance(std::time::Duration::from_hours(2));
    world.policies.renew().await.unwrap();
    let request =
        pb::ListConsentsRequest { parent: world.parent(), page_size: 1_000, ..Default::default() };
    let mut ledger = world.ledger(world.members.owner);
    let listed = ledger.list_consents(request).await.unwrap().into_inner().consents;
    let expected: Vec<_> = listed
        .iter()
        .map(|it| {
            let channel = it.channel().as_str_name().trim_start_matches("CHANNEL_");
            let state = it.state().as_str_name().trim_start_matches("CONSENT_STATE_");
            (it.contact.clone(), channel.to_owned(), state.to_owned(), it.seq)
        })
        .collect();
    let ask = Ask::consents(&world, pb::ExportFormat::JsonLines);
    let of = |lines: &[Value]| -> Vec<_> {
        lines
            .iter()
            .map(|line| {
                let text = |key: &str| line[key].as_str().unwrap().to_owned();
                (text("contact"), text("channel"), text("state"), line["seq"].as_i64().unwrap())
            })
            .collect()
    };
    assert_eq!(of(&ask.lines(&world).await), expected);
    assert!(expected.iter().any(|it| it.2 == "NOT_SET" && it.1 == "PHONE"));

    // What comes after it has begun is not in it, however late the rest is taken.
    let officer = || world.tokens.member(world.business, world.members.officer);
    let begun = ask.take(officer(), &world, 1).await.unwrap();
    for contact in &mut contacts {
        world.take(vec![contact.phone(world.now(), Denied)]).await;
    }
    lived(&world, 3).await;
    world.clock.advance(std::time::Duration::from_hours(24 * 300));
    world.policies.renew().await.unwrap();
    let rest = ask.after(&begun[0].token).all(&world).await;
    let whole = String::from_utf8([bytes(&begun), bytes(&rest)].concat()).unwrap();
    let lines: Vec<Value> = whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(of(&lines), expected);
    assert_ne!(of(&ask.lines(&world).await), expected, "a new one is of now");
}

async fn headers_are_in_the_language_and_times_in_the_zone_that_people_read(db: TestDb) {
    let world = World::new(db).await;
    lived(&world, 1).await;
    for (language_code, header) in [("", "Contact,Channel"), ("th", "ผู้ติดต่อ,ช่องทาง")]
    {
        let (parent, format) = (world.parent(), pb::ExportFormat::Csv.into());
        let language_code = language_code.to_owned();
        let ask =
            pb::ExportConsentChangesRequest { parent, format, language_code, ..Default::default() };
        let file = Ask::Changes(ask).file(&world).await;
        let text = String::from_utf8(file).unwrap();
        assert!(text.starts_with(&format!("\u{feff}{header}")), "{text}");
        let mut reader = csv::Reader::from_reader(text.trim_start_matches('\u{feff}').as_bytes());
        let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
        assert_eq!(&rows[0][5], "2026-03-01T00:00:00.000000+07:00");
        // A formula is none.
        assert_eq!(&rows[2][15], "'=SUM(1) หมายเหตุ 0");
    }
}

async fn a_filter_means_what_it_means_in_a_list(db: TestDb) {
    let world = World::new(db).await;
    let contacts = lived(&world, 15).await;
    let mut ledger = world.ledger(world.members.owner);
    let filters: [fn(&mut pb::ListConsentChangesRequest, &Contact); 7] = [
        |ask, _| ask.channel = Channel::Phone.into(),
        |ask, _| ask.state = ConsentState::Denied.into(),
        |ask, _| ask.cause = ChangeCause::Merged.into(),
        |ask, contact| ask.contact = contact.name(),
        |ask, _| ask.from_state = ConsentState::Granted.into(),
        |ask, _| ask.evidence_method = types::EvidenceMethod::Call.into(),
        |ask, _| ask.expire_start_time = Some(prost_types::Timestamp::default()),
    ];
    for (i, filter) in filters.iter().enumerate() {
        let mut list = pb::ListConsentChangesRequest {
            parent: world.parent(),
            page_size: 1_000,
            ..Default::default()
        };
        filter(&mut list, &contacts[4]);
        let ask = pb::ExportConsentChangesRequest {
            parent: list.parent.clone(),
            format: pb::ExportFormat::JsonLines.into(),
            channel: list.channel,
            state: list.state,
            cause: list.cause,
            contact: list.contact.clone(),
            from_state: list.from_state,
            evidence_method: list.evidence_method,
            expire_start_time: list.expire_start_time,
            ..Default::default()
        };
        let listed = ledger.list_consent_changes(list).await.unwrap().into_inner().entries;
        let mut expected: Vec<_> = listed.iter().map(|entry| entry.ledger_index).collect();
        expected.reverse();
        let lines = Ask::Changes(ask).lines(&world).await;
        let mut got: Vec<_> = lines.iter().map(|l| l["ledger_index"].as_i64().unwrap()).collect();
        got.dedup();
        assert!(!got.is_empty() && got == expected, "filter {i}: {got:?} {expected:?}");
    }
}

async fn nobody_else_gets_a_file_or_the_rest_of_one(db: TestDb) {
    let world = World::new(db).await;
    lived(&world, 2).await;
    for _ in 0..4 {
        noisy(&world, 300).await;
    }
    let ask = Ask::changes(&world, pb::ExportFormat::JsonLines);
    for member in [world.members.listed, world.members.user] {
        let bearer = world.tokens.member(world.business, member);
        let status = ask.take(bearer, &world, 1).await.unwrap_err();
        assert_eq!(refusal(&status).1, "LEDGER_READERS_ONLY");
    }
    let status = ask.take(world.tokens.named("vendor"), &world, 1).await.unwrap_err();
    assert_eq!(refusal(&status).0, Code::PermissionDenied);
    assert!(ask.take(world.tokens.named("warehouse"), &world, 1).await.is_ok());

    // Whoever loses the role in the middle gets no more, of no format.
    let officer = world.tokens.member(world.business, world.members.officer);
    let Ask::Changes(ask) = ask else { unreachable!() };
    let mut exports = world.exports_as(officer);
    let mut answers = exports.export_consent_changes(ask).await.unwrap().into_inner();
    answers.message().await.unwrap().unwrap();
    let officer = world.members.officer;
    world.settings.change(world.business, |policy| {
        policy.members.get_mut(&officer).unwrap().protection_officer = false;
    });
    world.policies.renew().await.unwrap();
    let mut more = 0;
    let status = loop {
        match answers.message().await {
            Ok(Some(_)) => more += 1,
            Ok(None) => panic!("all of it was sent"),
            Err(status) => break status,
        }
    };
    assert_eq!(refusal(&status).1, "LEDGER_READERS_ONLY");
    assert!(more <= 2, "what was on its way already: {more}");
}

async fn everything_that_is_wrong_is_said_at_once(db: TestDb) {
    let world = World::new(db).await;
    let ask = Ask::Changes(pb::ExportConsentChangesRequest {
        parent: world.parent(),
        language_code: "fr".to_owned(),
        channel: 9,
        ..Default::default()
    });
    let officer = world.tokens.member(world.business, world.members.officer);
    let status = ask.take(officer, &world, 1).await.unwrap_err();
    let details = tonic_types::StatusExt::get_error_details(&status);
    let mut fields: Vec<_> =
        details.bad_request().unwrap().field_violations.iter().map(|it| it.field.clone()).collect();
    fields.sort();
    assert_eq!(fields, ["channel", "format", "language_code"]);
}

async fn more_rows_than_a_sheet_has_are_refused_before_the_first_byte(db: TestDb) {
    let world = World::new(db).await;
    lived(&world, 1).await;
    let business = world.business.uuid();
    let unbound = world.db.unbound().await;
    let moved = unbound.write_unscoped(move |mut tx| async move {
        let sql =
            "UPDATE ledger SET ledger_index = 1048575 WHERE business_id = $1 AND ledger_index = 2";
        let rows = tx.query(sql).bind(business).execute().await?;
        tx.done::<_, yinyom_db::DbError>(rows)
    });
    assert_eq!(moved.await.unwrap(), 1);
    let officer = || world.tokens.member(world.business, world.members.officer);
    let refused = Ask::changes(&world, pb::ExportFormat::Xlsx).take(officer(), &world, 1).await;
    let status = refused.unwrap_err();
    assert_eq!(refusal(&status), (Code::FailedPrecondition, "TOO_MANY_ROWS".to_owned()));
    let told = format!("{status:?}");
    assert!(["CSV", "JSON Lines"].iter().all(|it| told.contains(it)), "{told}");
    assert!(!told.contains("Parquet"), "not every build has it: {told}");
    // Of so many changes few consents may come: these are counted, and the other formats have no limit.
    assert!(
        Ask::consents(&world, pb::ExportFormat::Xlsx)
            .all(&world)
            .await
            .last()
            .unwrap()
            .progress
            .complete
    );
    assert!(Ask::changes(&world, pb::ExportFormat::Csv).take(officer(), &world, 1).await.is_ok());
}

both_databases!(MIGRATIONS =>
    every_change_is_there_once_for_each_of_its_channels,
    consents_are_those_of_the_moment_at_which_it_began,
    headers_are_in_the_language_and_times_in_the_zone_that_people_read,
    a_filter_means_what_it_means_in_a_list,
    nobody_else_gets_a_file_or_the_rest_of_one,
    everything_that_is_wrong_is_said_at_once,
    more_rows_than_a_sheet_has_are_refused_before_the_first_byte,
);
