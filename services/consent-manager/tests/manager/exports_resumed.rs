//! A file that broke off is gone on with, and is the same file.

use consent_manager::MIGRATIONS;
use tonic::Code;
use yinyom_kernel::Scope;
use yinyom_proto::manager::v1 as pb;
use yinyom_proto::types::v1::Channel;
use yinyom_testkit::{TestDb, both_databases};

use crate::exports::{Ask, FORMATS, Message, bytes, lived};
use crate::support::*;

/// Changes with notes that cannot be made smaller.
pub async fn noisy(world: &World, times: usize) {
    let mut contact = Contact::new(world.business);
    let changes = (0..times).map(|_| {
        let note: String = (0..20).map(|_| uuid::Uuid::new_v4().to_string()).collect();
        contact.phone_with_note(world.now(), Granted, &note)
    });
    world.take(changes.collect()).await;
}

async fn town(db: TestDb) -> World {
    let world = World::new(db).await;
    lived(&world, 5).await;
    for _ in 0..3 {
        noisy(&world, 200).await;
    }
    world
}

/// Of each kind and format.
fn asks(world: &World) -> Vec<Ask> {
    let changes = FORMATS.map(|format| Ask::changes(world, format));
    let consents = FORMATS.map(|format| Ask::consents(world, format));
    changes.into_iter().chain(consents).collect()
}

async fn cut_after_any_message_and_gone_on_with_it_is_byte_for_byte_the_same(db: TestDb) {
    let world = town(db).await;
    for (i, ask) in asks(&world).into_iter().enumerate() {
        let messages = ask.all(&world).await;
        if i < 4 {
            assert!(messages.len() > 2, "{i}: it must break off in the middle, too");
        }
        let whole = bytes(&messages);
        // What comes meanwhile is not in it.
        noisy(&world, 1).await;
        // All of them further down, one after the other.
        for cut in (1..=messages.len()).step_by(messages.len().div_ceil(4)) {
            let had = &messages[..cut];
            let rest = ask.after(&had[cut - 1].token).all(&world).await;
            assert!([bytes(had), bytes(&rest)].concat() == whole, "{i}: cut after {cut}");
            let (end, first) = (rest.last().unwrap(), messages.last().unwrap());
            assert_eq!(end.progress.rows, first.progress.rows);
            assert_eq!((end.progress.bytes, end.progress.complete), (first.progress.bytes, true));
        }
        // Again and again, after one message each time.
        let officer = || world.tokens.member(world.business, world.members.officer);
        let (mut stitched, mut next) = (Vec::<u8>::new(), ask.clone());
        let mut last: Option<Message> = None;
        while !last.as_ref().is_some_and(|last| last.progress.complete) {
            let one = next.take(officer(), &world, 1).await.unwrap().remove(0);
            stitched.extend(&one.data);
            next = ask.after(&one.token);
            last = Some(one);
        }
        assert_eq!(i64::try_from(stitched.len()), Ok(last.unwrap().progress.bytes));
        assert!(stitched == ask.file(&world).await, "{i}: nothing came since it began");
    }
}

async fn a_token_is_good_for_its_question_and_its_asker_only(db: TestDb) {
    let world = town(db).await;
    let ask = Ask::changes(&world, pb::ExportFormat::JsonLines);
    let token = ask.all(&world).await.remove(0).token;
    let Ask::Changes(mut other) = ask.after(&token) else { unreachable!() };
    other.channel = Channel::Phone.into();
    let mut csv = other.clone();
    (csv.channel, csv.format) = (0, pb::ExportFormat::Csv.into());
    let parent = world.parent();
    let consents = pb::ExportConsentsRequest {
        parent,
        format: pb::ExportFormat::JsonLines.into(),
        resume_token: token.clone(),
        ..Default::default()
    };
    let officer = world.tokens.member(world.business, world.members.officer);
    let owner = world.tokens.member(world.business, world.members.owner);
    for (ask, bearer) in [
        (Ask::Changes(other), officer.clone()),
        (Ask::Changes(csv), officer.clone()),
        (Ask::Consents(consents), officer.clone()),
        (ask.after(&token), owner),
        (ask.after("x"), officer),
    ] {
        let status = ask.take(bearer, &world, 1).await.unwrap_err();
        let expected = (Code::InvalidArgument, "INVALID_PAGE_TOKEN".to_owned());
        assert_eq!(refusal(&status), expected);
    }
}

async fn what_would_not_fit_what_the_client_has_is_refused_and_not_sent(db: TestDb) {
    let world = town(db).await;
    let officer = || world.tokens.member(world.business, world.members.officer);
    let mut begun = Vec::new();
    for format in FORMATS {
        let ask = Ask::changes(&world, format);
        // The first message may be empty, or no more than a magic number.
        let messages = ask.all(&world).await;
        let first = messages.into_iter().find(|it| it.progress.bytes > 1_000).unwrap();
        begun.push((format, ask.after(&first.token)));
    }
    // Somebody's key is destroyed: their notes are gone from what is made again.
    let business = world.business;
    #[expect(clippy::disallowed_methods, reason = "the test destroys in its business")]
    let scope = Scope::assume(business);
    let gone = world.db.write(scope, move |mut tx| async move {
        let gone = tx.scoped("DELETE FROM subjects WHERE business_id = $1").execute().await?;
        tx.done::<_, yinyom_db::DbError>(gone)
    });
    assert!(gone.await.unwrap() > 0);
    for (format, ask) in begun {
        let answer = ask.take(officer(), &world, usize::MAX).await;
        if matches!(format, pb::ExportFormat::Csv | pb::ExportFormat::JsonLines) {
            let rest = bytes(&answer.unwrap());
            let rest = String::from_utf8(rest).unwrap();
            assert!(!rest.contains("ticket 7"), "what is sent later is without them");
        } else {
            let expected = (Code::FailedPrecondition, "EXPORT_CHANGED".to_owned());
            assert_eq!(refusal(&answer.unwrap_err()), expected, "{format:?}");
        }
    }
}

async fn a_token_of_a_ledger_that_was_rolled_back_is_refused(db: TestDb) {
    let world = town(db).await;
    let ask = Ask::changes(&world, pb::ExportFormat::Csv);
    let token = ask.all(&world).await.remove(0).token;
    let business = world.business.uuid();
    let unbound = world.db.unbound().await;
    let gone = unbound.write_unscoped(move |mut tx| async move {
        let sql = "DELETE FROM ledger WHERE business_id = $1 AND ledger_index > 100";
        let rows = tx.query(sql).bind(business).execute().await?;
        tx.done::<_, yinyom_db::DbError>(rows)
    });
    assert!(gone.await.unwrap() > 0);
    let officer = world.tokens.member(world.business, world.members.officer);
    let status = ask.after(&token).take(officer, &world, 1).await.unwrap_err();
    assert_eq!(refusal(&status), (Code::FailedPrecondition, "EXPORT_CHANGED".to_owned()));
}

both_databases!(MIGRATIONS =>
    cut_after_any_message_and_gone_on_with_it_is_byte_for_byte_the_same,
    a_token_is_good_for_its_question_and_its_asker_only,
    what_would_not_fit_what_the_client_has_is_refused_and_not_sent,
    a_token_of_a_ledger_that_was_rolled_back_is_refused,
);
