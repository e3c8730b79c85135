//! SQLite keeps no statistics and takes the index that looks best by its columns. What is done for each row of a large
//! change, in triggers too, must find its rows by their key: by time that would be seen at a hundred thousand contacts only.

use contact_directory::MIGRATIONS;

async fn plan(db: &yinyom_testkit::TestDb, sql: &'static str) -> String {
    let mut tx = db.read_unscoped().await.unwrap();
    let steps = tx.query(sql).fetch_all::<(i64, i64, i64, String)>().await.unwrap();
    steps.into_iter().map(|(_, _, _, step)| step).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn points_of_a_contact_are_found_by_the_contact_and_not_among_all_of_a_channel() {
    let db = yinyom_testkit::sqlite(&MIGRATIONS).await;
    // As the triggers have it that count who shares an address.
    let of_contact = "EXPLAIN QUERY PLAN SELECT blind_index FROM contact_points
        WHERE business_id = x'00' AND contact_id = x'00' AND channel = 1";
    let plan_of_contact = plan(&db, of_contact).await;
    assert!(plan_of_contact.contains("(business_id=? AND contact_id=?"), "{plan_of_contact}");
    let by_address = "EXPLAIN QUERY PLAN SELECT contact_id FROM contact_points
        WHERE business_id = x'00' AND channel = 1 AND blind_index = x'00'";
    let plan_by_address = plan(&db, by_address).await;
    let key = "(business_id=? AND blind_index=? AND channel=?)";
    assert!(plan_by_address.contains(key), "{plan_by_address}");
}
