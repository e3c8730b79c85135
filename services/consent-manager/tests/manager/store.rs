//! What the store gives back is what it was given, to the byte that is hashed.

use consent_manager::MIGRATIONS;
use consent_manager::domain::{ChangeFilter, ConsentFilter, Recorded};
use consent_manager::store::{changes, consents, heads, ledger, tree};
use jiff::Timestamp;
use uuid::Uuid;
use yinyom_consent::{
    Actor, Cause, Channel, ChannelChange, ConsentChange, ConsentState, EvidenceMethod, Role,
    Surface, SurfaceParent,
};
use yinyom_db::Tx;
use yinyom_kernel::{BusinessId, PageSize, Scope};
use yinyom_testkit::row_security::{assert_own_rows_alone, assert_row_security};
use yinyom_testkit::{TestDb, both_databases, on_postgres};
use yinyom_transparency::Node;

use crate::exports::lived;
use crate::recount;
use crate::support::World;

/// A change with each field now this way, now that way.
fn change(business: BusinessId, seq: i64, step: usize) -> ConsentChange {
    let at = |seconds: i64| Timestamp::from_second(seconds).unwrap();
    let state = |i: usize| [None, Some(1), Some(2), Some(3)][i % 4].map(ConsentState::from_code);
    let state = |i: usize| state(i).map(Result::unwrap);
    let carried = |channel, i: usize| ChannelChange {
        channel,
        from: state(i),
        to: state(i / 4),
        expires_at: i.is_multiple_of(3).then(|| at(2_000_000_000)),
    };
    let id = Uuid::from_u128(step as u128 + 1);
    ConsentChange {
        business,
        contact: Uuid::from_u128(7).into(),
        seq,
        recorded_at: Timestamp::from_microsecond(1_700_000_000_123_456).unwrap(),
        cause: Cause::ALL[step % Cause::ALL.len()],
        surface: Surface::ALL[step % Surface::ALL.len()],
        surface_parent: match step % 3 {
            0 => None,
            1 => Some(SurfaceParent::Lead(id.into())),
            _ => Some(SurfaceParent::Account(id.into())),
        },
        actor: match step % 5 {
            0 => Actor::Service { name: "campaigns".to_owned() },
            1 => Actor::Member { member: id.into(), role: None },
            i => Actor::Member { member: id.into(), role: Some(Role::ALL[i - 2]) },
        },
        channels: match step % 4 {
            0 => vec![carried(Channel::Phone, step)],
            1 => vec![carried(Channel::Email, step)],
            _ => vec![carried(Channel::Phone, step), carried(Channel::Email, step / 2)],
        },
        method: (!step.is_multiple_of(6)).then(|| EvidenceMethod::ALL[step % 6 - 1]),
        notice_version: step.is_multiple_of(2).then(|| format!("ฉบับที่ {step}")),
        claimed_at: (!step.is_multiple_of(2)).then(|| at(-1)),
        evidence_commitment: step.is_multiple_of(3).then_some([9; 32]),
    }
}

async fn every_change_can_be_hashed_again(db: TestDb) {
    let scope = some_scope();
    let business = scope.business();
    let entries: Vec<_> = (0..120)
        .zip(0_i64..)
        .map(|(step, index)| change(business, index + 1, step))
        .zip(0_i64..)
        .map(|(change, ledger_index)| Recorded {
            leaf_hash: change.leaf_hash(),
            sealed_evidence: change.evidence_commitment.map(|_| vec![0, 255, 1]),
            evidence_erasure: None,
            ingested_at: Timestamp::from_second(1_700_000_001).unwrap(),
            ledger_index,
            change,
        })
        .collect();
    let kept = entries.clone();
    db.write(scope, move |mut tx| async move {
        ledger::append(&mut tx, &entries, &[]).await?;
        tx.done::<_, consent_manager::store::StoreError>(())
    })
    .await
    .unwrap();

    let mut tx = db.read(scope).await.unwrap();
    let size = PageSize::read(1_000).unwrap();
    let mut found = changes::page(&mut tx, &ChangeFilter::default(), None, size).await.unwrap();
    found.reverse();
    assert_eq!(found, kept);
    assert!(found.iter().all(|entry| entry.change.leaf_hash() == entry.leaf_hash));
}

async fn postgres_itself_keeps_businesses_apart(db: TestDb) {
    let across =
        ["due_work", "erased_streams", "key_holders", "uncounted_ledgers", "unsigned_ledgers"];
    assert_row_security(&db, &across, &["erasure_checks", "master_keys", "task_leases"]).await;
    let (ours, theirs) = (some_scope(), some_scope());
    for scope in [ours, theirs] {
        db.write(scope, move |mut tx| async move {
            let change = change(scope.business(), 1, 1);
            let recorded = Recorded {
                leaf_hash: change.leaf_hash(),
                sealed_evidence: None,
                evidence_erasure: None,
                ingested_at: change.recorded_at,
                ledger_index: 0,
                change,
            };
            ledger::append(&mut tx, &[recorded], &[vec![1]]).await?;
            heads::lock(&mut tx).await?;
            tree::keep(&mut tx, &[(Node { level: 4, index: 0 }, [7; 32])]).await?;
            tx.done::<_, consent_manager::store::StoreError>(())
        })
        .await
        .unwrap();
    }
    let tables = assert_own_rows_alone(&db, ours, theirs).await;
    assert_eq!(
        tables,
        if db.is_postgres() { vec!["ledger", "ledger_heads", "tree_nodes"] } else { vec![] }
    );
}

/// How many rows of the ledger and of consents PostgreSQL has gathered for this transaction, other than one by one in the
/// order of an index.
async fn looked_at(tx: &mut Tx) -> i64 {
    let both = ["ledger", "consents"].map(|of| {
        format!(
            "pg_stat_get_xact_tuples_fetched('{of}'::regclass) + pg_stat_get_xact_tuples_returned('{of}'::regclass)"
        )
    });
    tx.query(sqlx::AssertSqlSafe(format!("SELECT {}", both.join(" + ")))).scalar().await.unwrap()
}

/// Whatever the planner believes of filters that are not there.
async fn a_page_reads_what_it_shows_and_not_the_business(db: TestDb) {
    let world = World::new(db).await;
    lived(&world, 300).await;
    for told in ["ANALYZE ledger", "ANALYZE consents"] {
        let mut tx = world.db.read_unscoped().await.unwrap();
        tx.query(told).execute().await.unwrap();
    }
    let size = PageSize::read(10).unwrap();
    let (of_changes, of_consents) = (ChangeFilter::default(), ConsentFilter::default());
    let mut tx = world.db.snapshot(recount::scope(&world)).await.unwrap();
    for _ in 0..3 {
        let before = looked_at(&mut tx).await;
        let changes = changes::page(&mut tx, &of_changes, None, size).await.unwrap();
        let after_changes = looked_at(&mut tx).await;
        let now = world.now();
        let consents = consents::page(&mut tx, &of_consents, now, None, size).await.unwrap();
        let after_consents = looked_at(&mut tx).await;
        assert_eq!(
            (changes.len(), consents.len()),
            (11, 11),
            "one more, to know whether there is one"
        );
        let each = (after_changes - before, after_consents - after_changes);
        assert!(each.0 <= 50 && each.1 <= 50, "{each:?}");
    }
}

#[test]
fn a_page_reads_what_it_shows_and_not_the_business_on_postgres() {
    on_postgres(&MIGRATIONS, a_page_reads_what_it_shows_and_not_the_business);
}

#[expect(clippy::disallowed_methods, reason = "the test is the business")]
fn some_scope() -> Scope {
    Scope::assume(BusinessId::generate())
}

both_databases!(MIGRATIONS =>
    every_change_can_be_hashed_again,
    postgres_itself_keeps_businesses_apart,
);
