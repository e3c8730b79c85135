//! What is kept beside the ledger is what the ledger says: found where it is not, and mended.

use consent_manager::MIGRATIONS;
use consent_manager::commands::{count_earlier, count_some, recount, repair};
use consent_manager::domain::Difference;
use consent_manager::store::StoreError;
use jiff::SignedDuration;
use tonic::Code;
use tonic_types::StatusExt;
use yinyom_consent::wire;
use yinyom_db::DbError;
use yinyom_kernel::Scope;
use yinyom_proto::manager::v1 as pb;
use yinyom_testkit::{TestDb, both_databases};

use crate::support::history::{Dice, Histories};
use crate::support::*;

#[expect(clippy::disallowed_methods, reason = "the test is the business")]
pub fn scope(world: &World) -> Scope {
    Scope::assume(world.business)
}

async fn taken(db: TestDb, seed: u64) -> World {
    taken_of(db, seed, SignedDuration::from_hours(24 * 90)).await
}

/// Changes of so long a time.
async fn taken_of(db: TestDb, seed: u64, time: SignedDuration) -> World {
    let world = World::new(db).await;
    let span = (world.now() - time, world.now());
    let histories = Histories::throw(&mut Dice::new(seed), world.business, 200, span);
    for batch in histories.to_wire().chunks(7) {
        world.take(batch.to_vec()).await;
    }
    world
}

/// What a recount finds, in words.
async fn differences(world: &World) -> Vec<String> {
    let mut told = Vec::new();
    let found = recount(&world.db, scope(world), |it: &Difference| told.push(it.to_string()));
    let found = found.await.unwrap();
    assert_eq!(found.differences, told.len() as u64);
    told
}

async fn damage(world: &World, sql: &'static str) {
    let done = world.db.write(scope(world), move |mut tx| async move {
        let changed = tx.scoped(sql).execute().await?;
        tx.done::<_, DbError>(changed)
    });
    assert!(done.await.unwrap() > 0, "{sql}");
}

async fn trend(world: &World) -> Result<pb::GetConsentTrendResponse, tonic::Status> {
    let request = pb::GetConsentTrendRequest {
        parent: world.parent(),
        granularity: pb::Granularity::Week.into(),
        ..Default::default()
    };
    world.reports().get_consent_trend(request).await.map(tonic::Response::into_inner)
}

async fn what_ingestion_keeps_is_what_a_recount_finds(db: TestDb) {
    let world = taken(db, 11).await;
    assert_eq!(differences(&world).await, [""; 0]);
    let found = recount(&world.db, scope(&world), |_| {}).await.unwrap();
    assert_eq!((found.changes, found.contacts > 3), (200, true));
}

/// In one row, batch after batch.
async fn what_comes_within_a_quarter_of_an_hour_is_added_up(db: TestDb) {
    let world = taken_of(db, 15, SignedDuration::from_mins(40)).await;
    assert_eq!(differences(&world).await, [""; 0]);
}

async fn every_damage_is_named_and_mended(db: TestDb) {
    let world = taken(db, 12).await;
    let before = trend(&world).await.unwrap();
    for (sql, named) in [
        (
            "UPDATE rollups SET grants = grants + 1 WHERE business_id = $1 AND series = 4",
            "rollups: Month of",
        ),
        ("DELETE FROM rollups WHERE business_id = $1 AND series = 0", "rollups: Instant of"),
        ("DELETE FROM rollups WHERE business_id = $1 AND series = 6", "rollups: MonthByActor of"),
        ("DELETE FROM rollups WHERE business_id = $1 AND series = 9", "rollups: DayByDoing of"),
        (
            "UPDATE rollups SET grants = grants + 1 WHERE business_id = $1 AND series = 8",
            "rollups: HourByDoing of",
        ),
        (
            "DELETE FROM rollups WHERE business_id = $1 AND series = 10",
            "rollups: SixHoursByDoing of",
        ),
        ("DELETE FROM rollups WHERE business_id = $1 AND series = 11", "rollups: SixthByDoing of"),
        (
            "UPDATE rollups SET unit = unit + 1000 WHERE business_id = $1 AND series = 0",
            "the same sums at other moments",
        ),
        (
            "INSERT INTO rollups (business_id, series, unit, value, channel, changes, grants,
                 refusals, resets, opt_outs, not_set, granted, denied)
             VALUES ($1, 3, 0, '', 2, 0, 0, 1, 0, 0, 0, 0, 1)",
            "rollups: Day of 1970-01, Email: refusals 1, and should be 0",
        ),
        ("UPDATE totals SET consents = consents + 1 WHERE business_id = $1", "totals: Phone"),
        ("DELETE FROM totals WHERE business_id = $1", "totals: Email"),
        (
            "UPDATE ledger_heads SET contacts = contacts + 1 WHERE business_id = $1",
            "ledger_heads: contacts",
        ),
        (
            "UPDATE consents SET state = 4 - state WHERE business_id = $1 AND channel = 1",
            "consents: Phone of contact",
        ),
        ("DELETE FROM consents WHERE business_id = $1", "consents: Email of contact"),
        (
            "UPDATE streams SET last_seq = last_seq + 1 WHERE business_id = $1",
            "streams: the end of contact",
        ),
    ] {
        damage(&world, sql).await;
        let found = differences(&world).await;
        assert!(found.iter().any(|it| it.contains(named)), "{sql}: {found:#?}");
        repair(&world.db, scope(&world)).await.unwrap();
        assert_eq!(differences(&world).await, [""; 0], "{sql}");
    }
    assert_eq!(trend(&world).await.unwrap(), before);
    // It goes on as before.
    let mut contact = Contact::new(world.business);
    world.take(vec![contact.created(world.now(), Granted, NotSet)]).await;
    assert_eq!(differences(&world).await, [""; 0]);
}

/// The statement of the migration that adds up what is there.
fn added_up(migration: &'static str) -> &'static str {
    let begin = migration.find("INSERT INTO rollups").unwrap();
    let end = migration[begin..].find(';').unwrap();
    &migration[begin..begin + end]
}

async fn what_is_from_before_a_series_is_added_up(db: TestDb) {
    let world = taken(db, 14).await;
    for (forget, postgres, sqlite) in [
        (
            "DELETE FROM rollups WHERE business_id = $1 AND series IN (8, 9)",
            include_str!("../../migrations/postgres/0009_expand_rollups_by_doing.sql"),
            include_str!("../../migrations/sqlite/0009_expand_rollups_by_doing.sql"),
        ),
        (
            "DELETE FROM rollups WHERE business_id = $1 AND series IN (10, 11)",
            include_str!(
                "../../migrations/postgres/0010_expand_rollups_by_six_hours_and_five_days.sql"
            ),
            include_str!(
                "../../migrations/sqlite/0010_expand_rollups_by_six_hours_and_five_days.sql"
            ),
        ),
    ] {
        damage(&world, forget).await;
        assert_ne!(differences(&world).await, [""; 0]);
        let sql = if world.db.is_postgres() { postgres } else { sqlite };
        let done = world.db.write(scope(&world), move |mut tx| async move {
            tx.query(added_up(sql)).execute().await?;
            tx.done::<_, DbError>(())
        });
        done.await.unwrap();
        assert_eq!(differences(&world).await, [""; 0]);
    }
}

async fn what_a_later_release_counts_is_left_to_it(db: TestDb) {
    let world = taken(db, 5).await;
    let later = "INSERT INTO rollups (business_id, series, unit, value, channel, changes, grants, refusals, resets,
             opt_outs, not_set, granted, denied)
         SELECT business_id, 99, unit, value, channel, 7, 0, 0, 0, 0, 0, 0, 0
         FROM rollups WHERE business_id = $1 AND series = 1";
    damage(&world, later).await;
    assert_eq!(differences(&world).await, [""; 0]);
}

async fn a_consent_of_a_contact_that_is_not_there_is_found(db: TestDb) {
    let world = taken(db, 13).await;
    let sql = "INSERT INTO consents (business_id, contact_id, channel, state, seq, updated_at, cause,
                   surface, actor_kind, actor_name)
               SELECT $1, $1, 2, 2, 1, 1, 2, 4, 2, 'nobody' FROM ledger_heads WHERE business_id = $1";
    damage(&world, sql).await;
    let found = differences(&world).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("consents: Email of contact"), "{found:?}");
}

/// As a database is that has not been counted by time yet.
async fn forget(world: &World) {
    let done = world.db.write(scope(world), |mut tx| async move {
        for sql in [
            "DELETE FROM rollups WHERE business_id = $1",
            "UPDATE streams SET last_at = NULL WHERE business_id = $1",
            "INSERT INTO uncounted_ledgers (business_id) VALUES ($1)",
        ] {
            tx.scoped(sql).execute().await?;
        }
        let sql = "UPDATE ledger_heads SET counted_to = $2 WHERE business_id = $1";
        tx.scoped(sql).bind(uuid::Uuid::nil()).execute().await?;
        tx.done::<_, StoreError>(())
    });
    done.await.unwrap();
}

async fn while_earlier_changes_are_counted_reports_wait(db: TestDb) {
    let world = taken(db, 14).await;
    let expected = trend(&world).await.unwrap();
    let summary = world.summary().await;
    forget(&world).await;
    let refused = trend(&world).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::Unavailable, "REPORTS_BEING_REBUILT".to_owned()));
    assert!(refused.get_details_retry_info().is_some());
    assert_eq!(differences(&world).await, ["rollups: not counted yet"]);
    assert_eq!(world.summary().await, summary, "what is now needs no counts by time");
    let past = pb::GetConsentSummaryRequest {
        parent: world.parent(),
        as_of_time: Some(wire::timestamp(world.now())),
    };
    let refused = world.reports().get_consent_summary(past).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::Unavailable, "REPORTS_BEING_REBUILT".to_owned()));

    count_earlier(&world.db).await.unwrap();
    assert_eq!(differences(&world).await, [""; 0]);
    assert_eq!(trend(&world).await.unwrap(), expected);
}

async fn changes_that_arrive_while_earlier_ones_are_counted_are_counted_once(db: TestDb) {
    let world = World::new(db).await;
    let span = (world.now() - SignedDuration::from_hours(24 * 90), world.now());
    let histories = Histories::throw(&mut Dice::new(15), world.business, 300, span);
    let changes = histories.to_wire();
    let (earlier, since) = changes.split_at(150);
    for batch in earlier.chunks(20) {
        world.take(batch.to_vec()).await;
    }
    forget(&world).await;
    let mut since = since.chunks(15);
    let mut steps = 0;
    while count_some(&world.db, scope(&world), 5).await.unwrap() {
        if let Some(batch) = since.next() {
            world.take(batch.to_vec()).await;
        }
        steps += 1;
    }
    assert!(steps > 3, "contact by contact");
    for batch in since {
        world.take(batch.to_vec()).await;
    }
    assert_eq!(differences(&world).await, [""; 0]);
}

both_databases!(MIGRATIONS =>
    what_ingestion_keeps_is_what_a_recount_finds,
    what_comes_within_a_quarter_of_an_hour_is_added_up,
    every_damage_is_named_and_mended,
    what_is_from_before_a_series_is_added_up,
    what_a_later_release_counts_is_left_to_it,
    a_consent_of_a_contact_that_is_not_there_is_found,
    while_earlier_changes_are_counted_reports_wait,
    changes_that_arrive_while_earlier_ones_are_counted_are_counted_once,
);
