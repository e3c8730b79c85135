//! Who may import, batch by batch.

use contact_directory::MIGRATIONS;
use contact_directory::commands::Error;
use contact_directory::commands::import::RowResult;
use yinyom_identity::{Caller, ServiceScope};
use yinyom_kernel::{BusinessId, Code, Fault, MemberId};
use yinyom_testkit::{TestDb, both_databases};

use super::{ONE, With, by, row};
use crate::support::House;

fn refused(result: Result<Vec<RowResult>, Error>) -> (Code, &'static str) {
    let error = result.unwrap_err();
    (error.code(), error.reason())
}

async fn owner_admin_listed_users_and_scoped_services_import_and_nobody_else(db: TestDb) {
    let house = House::on(db.handle()).await;
    let scoped = House::service(&[ServiceScope::AddressesRead]);
    let unscoped = House::service(&[]);
    for (i, caller) in [&house.owner, &house.admin, &house.listed, &scoped].into_iter().enumerate()
    {
        by(&house, caller, &[row(&format!("Row {i}"))]).await.unwrap();
    }
    let stored = house.contacts().await.len();
    // A service that sees masks could find out a hidden number by importing guesses until nothing changes.
    for caller in [&house.user, &unscoped] {
        let refusal = refused(by(&house, caller, &[row("Somchai")]).await);
        assert_eq!(refusal, (Code::PermissionDenied, "IMPORT_NOT_ALLOWED"));
    }
    let stranger = Caller::Member { business: house.business, member: MemberId::generate() };
    let foreign =
        Caller::Member { business: BusinessId::generate(), member: house.owner.member().unwrap() };
    let operator = Caller::Operator { name: "vendor".to_owned() };
    for nobody in [&stranger, &foreign, &operator] {
        let refusal = refused(by(&house, nobody, &[row("Somchai")]).await);
        assert_eq!(refusal, (Code::NotFound, "NOT_FOUND"));
    }
    assert_eq!(house.contacts().await.len(), stored, "nothing of it was stored");
}

async fn who_loses_the_right_imports_no_further_batch(db: TestDb) {
    let house = House::on(db.handle()).await;
    by(&house, &house.listed, &[row("One")]).await.unwrap();
    let member = house.listed.member().unwrap();
    house.rule(|policy| policy.members.get_mut(&member).unwrap().listed = false).await;
    let refusal = refused(by(&house, &house.listed, &[row("Two")]).await);
    assert_eq!(refusal, (Code::PermissionDenied, "IMPORT_NOT_ALLOWED"));
    house.remove(&house.admin).await;
    let refusal = refused(by(&house, &house.admin, &[row("Two")]).await);
    assert_eq!(refusal, (Code::NotFound, "NOT_FOUND"));
    assert_eq!(house.contacts().await.len(), 1);
}

async fn without_a_lease_no_member_imports_and_a_scoped_service_does(db: TestDb) {
    let house = House::on(db.handle()).await;
    by(&house, &house.owner, &[row("One").phone(ONE)]).await.unwrap();
    house.lapse();
    let refusal = refused(by(&house, &house.owner, &[row("Two")]).await);
    assert_eq!(refusal, (Code::Unavailable, "POLICY_UNAVAILABLE"));
    by(&house, &House::service(&[ServiceScope::AddressesRead]), &[row("Three")]).await.unwrap();
    assert_eq!(house.contacts().await.len(), 2);
}

both_databases!(MIGRATIONS =>
    owner_admin_listed_users_and_scoped_services_import_and_nobody_else,
    who_loses_the_right_imports_no_further_batch,
    without_a_lease_no_member_imports_and_a_scoped_service_does,
);
