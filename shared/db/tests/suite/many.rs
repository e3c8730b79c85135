//! Many values in one statement, and what a value is after a round trip.

use sqlx::AssertSqlSafe;
use uuid::Uuid;
use yinyom_db::{DbError, Record, Rows, Tx};
use yinyom_kernel::Scope;
use yinyom_testkit::{TestDb, both_databases};

use crate::{MIGRATIONS, put, some_scope, units};

both_databases!(MIGRATIONS =>
    every_kind_of_value_comes_back_as_it_went,
    a_record_takes_each_column_by_its_name_wherever_it_stands,
    a_record_whose_column_is_not_there_is_an_error,
    a_batch_is_inserted_updated_and_joined_by_one_statement_each,
    an_empty_batch_is_nothing,
    a_ragged_batch_is_refused,
    a_list_finds_what_is_in_it_and_nothing_else,
    a_long_list_finds_as_much_as_a_list,
    no_row_is_compared_with_one_item_of_a_long_list_after_the_other,
    no_statement_waits_for_workers_to_start,
    a_mark_that_is_missing_is_an_error,
    rows_locked_for_update_make_others_wait,
    a_statement_that_is_planned_for_its_values_leaves_no_plan,
    a_statement_is_planned_for_its_values_only_where_it_says_so,
);

#[derive(Debug, Clone, PartialEq, Record)]
struct Entry {
    id: Uuid,
    unit: i64,
    count: i32,
    body: Option<Vec<u8>>,
    note: Option<String>,
    flag: Option<bool>,
    at: Option<i64>,
}

/// What has columns of its own before and after those of another record.
#[derive(Debug, PartialEq, Record)]
struct Around {
    before: i64,
    #[record(flatten)]
    entry: Entry,
    after: i64,
}

fn entries() -> Vec<Entry> {
    let empty = Entry {
        id: Uuid::now_v7(),
        unit: 0,
        count: 0,
        body: None,
        note: None,
        flag: None,
        at: None,
    };
    let some = |unit, note: &str, body: &[u8], flag, at| Entry {
        id: Uuid::now_v7(),
        unit,
        count: i32::MAX,
        body: Some(body.to_vec()),
        note: Some(note.to_owned()),
        flag: Some(flag),
        at: Some(at),
    };
    vec![
        empty,
        some(i64::MIN, "ยินยอม, \"quoted\" \\ {list} \u{1}", &[0, 255, 39], true, i64::MAX),
        some(7, "", &[], false, -1),
    ]
}

async fn all(tx: &mut Tx) -> Result<Vec<Entry>, DbError> {
    tx.scoped(
        "SELECT id, unit, count, body, note, flag, at FROM entry WHERE business_id = $1 ORDER BY id",
    )
    .fetch_all()
    .await
}

fn batch(entries: &[Entry]) -> Rows<'_> {
    Rows::new()
        .uuids("id", entries.iter().map(|e| e.id))
        .ints("unit", entries.iter().map(|e| e.unit))
        .ints("count", entries.iter().map(|e| i64::from(e.count)))
        .bytes("body", entries.iter().map(|e| e.body.as_deref()))
        .texts("note", entries.iter().map(|e| e.note.as_deref()))
        .flags("flag", entries.iter().map(|e| e.flag))
        .ints("at", entries.iter().map(|e| e.at))
}

const INSERT: &str = "
    INSERT INTO entry (business_id, id, unit, count, body, note, flag, at)
    SELECT $1, id, unit, count, body, note, flag, at FROM {rows} WHERE true
    ON CONFLICT (business_id, id) DO NOTHING";

async fn every_kind_of_value_comes_back_as_it_went(db: TestDb) {
    let mut expected = entries();
    expected.sort_by_key(|e| e.id);
    let one_by_one = expected.clone();
    let found = db
        .write::<_, DbError, _, _>(some_scope(), |mut tx| async move {
            for e in one_by_one {
                tx.scoped(
                    "INSERT INTO entry (business_id, id, unit, count, body, note, flag, at)
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
                )
                .bind(e.id)
                .bind(e.unit)
                .bind(e.count)
                .bind(e.body.as_deref())
                .bind(e.note.as_deref())
                .bind(e.flag)
                .bind(e.at)
                .execute()
                .await?;
            }
            let found = all(&mut tx).await?;
            tx.done(found)
        })
        .await
        .unwrap();
    assert_eq!(found, expected);
}

async fn a_record_takes_each_column_by_its_name_wherever_it_stands(db: TestDb) {
    let mut entries = entries();
    entries.sort_by_key(|e| e.id);
    let scope = some_scope();
    keep(&db, scope, entries.clone()).await;
    let around = |entry| Around { before: 1, entry, after: 2 };
    let expected: Vec<_> = entries.into_iter().map(around).collect();
    for columns in [
        "1 AS before, id, unit, count, body, note, flag, at, 2 AS after",
        "2 AS after, at, flag, note, body, count, unit, id, 1 AS before",
        "0 AS nobody, 1 AS before, 2 AS after, unit, id, count, body, note, flag, at",
    ] {
        let columns =
            columns.replace("1 AS", "CAST(1 AS BIGINT) AS").replace("2 AS", "CAST(2 AS BIGINT) AS");
        let sql = format!("SELECT {columns} FROM entry WHERE business_id = $1 ORDER BY id");
        let mut tx = db.read(scope).await.unwrap();
        let first: Around = tx.scoped(AssertSqlSafe(sql.clone())).fetch_one().await.unwrap();
        assert_eq!(first, expected[0]);
        // What the first row has told holds for the others.
        let found: Vec<Around> = tx.scoped(AssertSqlSafe(sql)).fetch_all().await.unwrap();
        assert_eq!(found, expected);
    }
}

async fn a_record_whose_column_is_not_there_is_an_error(db: TestDb) {
    let mut tx = db.read(some_scope()).await.unwrap();
    let found = tx.query("SELECT CAST(1 AS BIGINT) AS before").fetch_one::<Around>().await;
    assert!(found.is_err());
}

async fn a_batch_is_inserted_updated_and_joined_by_one_statement_each(db: TestDb) {
    let mut expected = entries();
    expected.sort_by_key(|e| e.id);
    let given = expected.clone();
    db.write::<_, DbError, _, _>(some_scope(), |mut tx| async move {
        assert_eq!(tx.scoped(INSERT).rows(batch(&given)).execute().await?, 3);
        assert_eq!(all(&mut tx).await?, given);
        assert_eq!(tx.scoped(INSERT).rows(batch(&given)).execute().await?, 0);

        let renamed =
            Rows::new().uuids("id", given[1..].iter().map(|e| e.id)).texts("note", ["one", "two"]);
        let update = "UPDATE entry SET note = batch.note FROM {rows}
                      WHERE entry.business_id = $1 AND entry.id = batch.id";
        assert_eq!(tx.scoped(update).rows(renamed).execute().await?, 2);

        let wanted = Rows::new().uuids("id", [given[2].id, Uuid::now_v7()]);
        let join = "SELECT entry.note FROM entry JOIN {rows} ON entry.id = batch.id
                    WHERE business_id = $1";
        let notes: Vec<String> = tx.scoped(join).rows(wanted).scalars().await?;
        assert_eq!(notes, ["two"]);
        tx.done(())
    })
    .await
    .unwrap();
}

async fn an_empty_batch_is_nothing(db: TestDb) {
    let inserted = db
        .write::<_, DbError, _, _>(some_scope(), |mut tx| async move {
            let inserted = tx.scoped(INSERT).rows(batch(&[])).execute().await?;
            tx.done(inserted)
        })
        .await;
    assert_eq!(inserted.unwrap(), 0);
}

async fn a_ragged_batch_is_refused(db: TestDb) {
    let mut tx = db.read(some_scope()).await.unwrap();
    let ragged = Rows::new().ints("a", [1, 2]).ints("b", [1]);
    let answer = tx.query("SELECT COUNT(*) FROM {rows}").rows(ragged).scalar::<i64>().await;
    assert!(matches!(answer, Err(DbError::Bug(_))), "{answer:?}");
}

async fn a_list_finds_what_is_in_it_and_nothing_else(db: TestDb) {
    let scope = some_scope();
    let given = entries();
    let (ids, batched) = (given.iter().map(|e| e.id).collect::<Vec<_>>(), given.clone());
    db.write::<_, DbError, _, _>(scope, |mut tx| async move {
        tx.scoped(INSERT).rows(batch(&batched)).execute().await?;
        tx.done(())
    })
    .await
    .unwrap();
    let mut tx = db.read(scope).await.unwrap();
    let by_id = "SELECT unit FROM entry WHERE business_id = $1 AND id IN {list} AND unit < $3";
    let found: Vec<i64> =
        tx.scoped(by_id).list(&[ids[0], ids[2], Uuid::now_v7()]).bind(5).scalars().await.unwrap();
    assert_eq!(found, [0]);
    let found: Vec<i64> = tx.scoped(by_id).list::<Uuid>(&[]).bind(5).scalars().await.unwrap();
    assert_eq!(found, [0; 0]);

    let by_all = "SELECT id FROM entry WHERE business_id = $1
                  AND unit IN {list} AND note IN {list} AND note IN {list} AND body IN {list}";
    let found: Vec<Uuid> = tx
        .scoped(by_all)
        .list(&[i64::MIN, 7])
        .list(&["", given[1].note.as_deref().unwrap()])
        .list(&[String::new(), "it's".to_owned()])
        .list(&[vec![], vec![1]])
        .scalars()
        .await
        .unwrap();
    assert_eq!(found, [ids[2]]);
}

/// A plan for any values takes an empty range for a third of a large business.
async fn no_statement_waits_for_workers_to_start(db: TestDb) {
    if db.is_postgres() {
        let mut tx = db.read(some_scope()).await.unwrap();
        let workers = tx.query("SHOW max_parallel_workers_per_gather");
        assert_eq!(workers.scalar::<String>().await.unwrap(), "0");
    }
}

async fn a_mark_that_is_missing_is_an_error(db: TestDb) {
    let mut tx = db.read(some_scope()).await.unwrap();
    let answer = tx.query("SELECT 1").list(&[1_i64]).scalars::<i64>().await;
    assert!(matches!(answer, Err(DbError::Bug(_))), "{answer:?}");
    let mut tx = db.read(some_scope()).await.unwrap();
    let answer = tx.query("SELECT COUNT(*) FROM {rows}").scalar::<i64>().await;
    assert!(matches!(answer, Err(DbError::Bug(_))), "{answer:?}");
}

async fn rows_locked_for_update_make_others_wait(db: TestDb) {
    let scope = some_scope();
    let id = Uuid::now_v7();
    put(&db, scope, id, 0).await.unwrap();
    // Without the lock, two of these read the same number and one increment is lost.
    let mut raises = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let db = db.handle();
        raises.spawn(async move {
            db.write::<_, DbError, _, _>(scope, move |mut tx| async move {
                let unit: i64 = tx
                    .scoped("SELECT unit FROM entry WHERE business_id = $1 AND id = $2")
                    .bind(id)
                    .for_update()
                    .scalar()
                    .await?;
                tx.scoped("UPDATE entry SET unit = $3 WHERE business_id = $1 AND id = $2")
                    .bind(id)
                    .bind(unit + 1)
                    .execute()
                    .await?;
                tx.done(())
            })
            .await
            .unwrap();
        });
    }
    raises.join_all().await;
    assert_eq!(units(&db, scope).await, [20]);
}

async fn a_statement_that_is_planned_for_its_values_leaves_no_plan(db: TestDb) {
    const KEPT: &str = "SELECT $1 + 1";
    const PLANNED: &str = "SELECT $1 + 2";
    let mut tx = db.read(some_scope()).await.unwrap();
    for n in 0..10_i64 {
        assert_eq!(tx.query(KEPT).bind(n).scalar::<i64>().await.unwrap(), n + 1);
        let planned = tx.query(PLANNED).bind(n).plan_for_values();
        assert_eq!(planned.scalar::<i64>().await.unwrap(), n + 2);
    }
    if db.is_postgres() {
        let kept =
            "SELECT statement FROM pg_prepared_statements WHERE statement LIKE 'SELECT $1 +%'";
        assert_eq!(tx.query(kept).scalars::<String>().await.unwrap(), [KEPT]);
    }
}

async fn a_statement_is_planned_for_its_values_only_where_it_says_so(db: TestDb) {
    const HOW: &str = "SELECT current_setting('plan_cache_mode')";
    if !db.is_postgres() {
        return;
    }
    for in_transaction in [false, true] {
        let open = async || {
            if in_transaction {
                db.snapshot(some_scope()).await
            } else {
                db.read(some_scope()).await
            }
            .unwrap()
        };
        let mut tx = open().await;
        assert_eq!(tx.query(HOW).scalar::<String>().await.unwrap(), "force_generic_plan");
        let planned = tx.query(HOW).plan_for_values();
        assert_eq!(planned.scalar::<String>().await.unwrap(), "force_custom_plan");
        drop(tx);
        // As many as there are connections, and the same one among them.
        for _ in 0..20 {
            let mut next = open().await;
            assert_eq!(next.query(HOW).scalar::<String>().await.unwrap(), "force_generic_plan");
        }
    }
}

async fn a_long_list_finds_as_much_as_a_list(db: TestDb) {
    let (written, scope) = (many(100), some_scope());
    let ids: Vec<_> = written.iter().map(|entry| entry.id).collect();
    keep(&db, scope, written).await;
    for wanted in [&ids[..0], &ids[..1], &ids[..32], &ids[..33], &ids[..]] {
        let among: Vec<_> = wanted.iter().copied().chain([Uuid::now_v7()]).collect();
        let mut tx = db.read(scope).await.unwrap();
        let sql = "SELECT id FROM entry WHERE business_id = $1 AND id IN {list} ORDER BY id";
        let listed: Vec<Uuid> = tx.scoped(sql).list(&among).scalars().await.unwrap();
        let found: Vec<Uuid> = tx.scoped(sql).long_list(&among).scalars().await.unwrap();
        assert_eq!((&listed, listed.len()), (&found, wanted.len()));
    }
}

async fn no_row_is_compared_with_one_item_of_a_long_list_after_the_other(db: TestDb) {
    if !db.is_postgres() {
        return;
    }
    let (written, scope) = (many(100), some_scope());
    let ids: Vec<_> = written.iter().map(|entry| entry.id).collect();
    keep(&db, scope, written).await;
    let mut tx = db.read(scope).await.unwrap();
    let plan: Vec<String> = tx
        .scoped("EXPLAIN SELECT id FROM entry WHERE business_id = $1 AND id IN {list}")
        .long_list(&ids)
        .scalars()
        .await
        .unwrap();
    let plan = plan.join("\n");
    assert!(plan.contains("unnest") && !plan.contains("ANY"), "{plan}");
}

fn many(number: usize) -> Vec<Entry> {
    let entry = |_| Entry { id: Uuid::now_v7(), ..entries().swap_remove(0) };
    (0..number).map(entry).collect()
}

async fn keep(db: &TestDb, scope: Scope, written: Vec<Entry>) {
    db.write::<_, DbError, _, _>(scope, |mut tx| async move {
        tx.scoped(INSERT).rows(batch(&written)).execute().await?;
        tx.done(())
    })
    .await
    .unwrap();
}
