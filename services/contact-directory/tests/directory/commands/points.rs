//! Changing addresses, and what that does to a consent.

use std::time::Duration;

use contact_directory::MIGRATIONS;
use contact_directory::commands::contacts::ContactPatch;
use contact_directory::domain::contact::ExternalId;
use yinyom_consent::Cause::{
    ContactPointChanged, Created, Expired, RefusedAddress, Set as SetByWord,
};
use yinyom_kernel::{Code, Fault, PointId};
use yinyom_testkit::{TestDb, both_databases};

use super::{
    DENIED, EMAIL, GRANTED, MAIL, NOT_SET, ONE, PHONE, TWO, address, causes, create, delete,
    everything, grant_for, new, no_points, points, read, saying, set, states, update, why,
};
use crate::support::House;

both_databases!(MIGRATIONS =>
    points_are_kept_changed_added_and_removed,
    another_way_to_write_a_number_is_no_change,
    an_address_that_comes_asks_a_grant_anew,
    an_address_that_goes_changes_no_consent,
    a_denial_stays_whatever_comes,
    an_address_that_was_refused_is_refused_again,
    a_grant_that_ran_out_is_recorded_before_the_address,
    both_channels_are_changed_by_one_call,
    who_does_not_see_a_point_does_not_edit_it,
    a_point_of_another_contact_cannot_be_named,
);

const THREE: &str = "0812345673";

async fn points_are_kept_changed_added_and_removed(db: TestDb) {
    let house = House::on(db.handle()).await;
    let contact = create(&house, "Somchai", &["0812345600", ONE, TWO, MAIL]).await;
    let id = |text| {
        contact.points.iter().find(|point| point.address == address(text)).map(|point| point.id)
    };
    // ONE stays without its id being named, TWO becomes another number, one goes and one comes.
    let wanted = points(&[(None, ONE), (id(TWO), THREE), (None, "021234567")]);
    let after = update(&house, &house.owner, contact.id, wanted).await.unwrap();
    let now = |text| {
        after.points.iter().find(|point| point.address == address(text)).map(|point| point.id)
    };
    assert_eq!((now(ONE), now(THREE), now(MAIL)), (id(ONE), id(TWO), id(MAIL)));
    assert!(now("021234567").is_some_and(|new| contact.points.iter().all(|old| old.id != new)));
    assert_eq!((now(TWO), now("0812345600"), after.points.len()), (None, None, 4));
    assert!(after.points.is_sorted_by_key(|point| point.id));
    assert_eq!(read(&house, contact.id).await, after);
}

async fn another_way_to_write_a_number_is_no_change(db: TestDb) {
    let house = House::on(db.handle()).await;
    let before = saying(&house, &[ONE, MAIL], &[(PHONE, GRANTED), (EMAIL, GRANTED)]).await;
    let ledger = house.ledger().await;
    for written in ["081-234-5671", "+66 81 234 5671", "๐๘๑๒๓๔๕๖๗๑"] {
        let after = update(&house, &house.owner, before.id, points(&[(None, written)])).await;
        let after = after.unwrap();
        assert_eq!((&after.points, after.consents), (&before.points, before.consents), "{written}");
    }
    let after = update(&house, &house.owner, before.id, points(&[(None, "ONE@EXAMPLE.com")])).await;
    assert_eq!(after.unwrap().points, before.points);
    assert_eq!(house.ledger().await, ledger);
}

async fn an_address_that_comes_asks_a_grant_anew(db: TestDb) {
    let house = House::on(db.handle()).await;
    for change in [false, true] {
        let contact = saying(&house, &[ONE, MAIL], &[(PHONE, GRANTED), (EMAIL, GRANTED)]).await;
        let phone = contact.points_of(PHONE).next().unwrap().id;
        let wanted = if change { vec![(Some(phone), TWO)] } else { vec![(None, ONE), (None, TWO)] };
        let after = update(&house, &house.owner, contact.id, points(&wanted)).await.unwrap();
        assert_eq!(states(&house, &after), (NOT_SET, GRANTED), "of that channel alone");
        assert_eq!(after.consent_seq, contact.consent_seq + 1);
        let ledger = house.ledger().await;
        let change = ledger.iter().rfind(|change| change.contact == contact.id).unwrap();
        assert_eq!((change.seq, change.cause), (after.consent_seq, ContactPointChanged));
        let told: Vec<_> = change.channels.iter().map(|c| (c.channel, c.from, c.to)).collect();
        assert_eq!(told, [(PHONE, Some(GRANTED), Some(NOT_SET))]);
        assert_eq!(read(&house, contact.id).await, after);
    }
}

async fn an_address_that_goes_changes_no_consent(db: TestDb) {
    let house = House::on(db.handle()).await;
    let contact = saying(&house, &[ONE, TWO, MAIL], &[(PHONE, GRANTED), (EMAIL, DENIED)]).await;
    let ledger = house.ledger().await;
    update(&house, &house.owner, contact.id, points(&[(None, TWO)])).await.unwrap();
    update(&house, &house.owner, contact.id, no_points(PHONE)).await.unwrap();
    let after = update(&house, &house.owner, contact.id, no_points(EMAIL)).await.unwrap();
    assert_eq!((after.points.len(), after.consents), (0, contact.consents));
    assert_eq!(house.ledger().await, ledger);
    assert_eq!(house.count("SELECT COUNT(*) FROM contact_points WHERE business_id = $1").await, 0);
}

async fn a_denial_stays_whatever_comes(db: TestDb) {
    let house = House::on(db.handle()).await;
    let contact = saying(&house, &[ONE], &[(PHONE, DENIED)]).await;
    let ledger = house.ledger().await;
    let after = update(&house, &house.owner, contact.id, points(&[(None, TWO)])).await.unwrap();
    assert_eq!(states(&house, &after), (DENIED, NOT_SET));
    assert_eq!(house.ledger().await, ledger);
}

async fn an_address_that_was_refused_is_refused_again(db: TestDb) {
    let house = House::on(db.handle()).await;
    let gone = saying(&house, &[ONE, MAIL], &[(PHONE, DENIED), (EMAIL, GRANTED)]).await;
    delete(&house, &house.owner, gone.id).await.unwrap();

    let back = create(&house, "Back", &["+66 81 234 5671", MAIL]).await;
    assert_eq!(states(&house, &back), (DENIED, NOT_SET));
    assert!(back.consents.phone.refused_before && !back.consents.email.refused_before);
    let other = saying(&house, &[TWO], &[(PHONE, GRANTED)]).await;
    let wanted = points(&[(None, TWO), (None, ONE)]);
    let after = update(&house, &house.owner, other.id, wanted).await.unwrap();
    assert_eq!(states(&house, &after), (DENIED, NOT_SET));
    assert_eq!(causes(&house, other.id).await, [Created, SetByWord, RefusedAddress]);

    let theirs = house.neighbour().await;
    let theirs = house.directory.create_contact(&theirs, new("Theirs", &[ONE]), None).await;
    let theirs = theirs.unwrap().now.unwrap();
    assert_eq!(states(&house, &theirs), (NOT_SET, NOT_SET), "another business was told nothing");
}

async fn a_grant_that_ran_out_is_recorded_before_the_address(db: TestDb) {
    let house = House::on(db.handle()).await;
    let contact = create(&house, "Somchai", &[ONE]).await;
    grant_for(&house, contact.id, PHONE, Duration::from_mins(1)).await;
    house.pass(Duration::from_mins(1)).await;
    let after = update(&house, &house.owner, contact.id, points(&[(None, TWO)])).await.unwrap();
    assert_eq!(causes(&house, contact.id).await, [Created, SetByWord, Expired]);
    assert_eq!(after.consent_seq, 3);
    assert!(after.consents.phone.expires_at.is_some(), "it is known that it ran out");
}

async fn both_channels_are_changed_by_one_call(db: TestDb) {
    let house = House::on(db.handle()).await;
    let refused = saying(&house, &[MAIL], &[(EMAIL, DENIED)]).await;
    delete(&house, &house.owner, refused.id).await.unwrap();
    let states_before = [(PHONE, GRANTED), (EMAIL, GRANTED)];
    let contact = saying(&house, &[ONE, "two@example.com"], &states_before).await;
    let mut patch = points(&[(None, TWO)]);
    patch.points.email = points(&[(None, MAIL)]).points.email;
    let after = update(&house, &house.owner, contact.id, patch).await.unwrap();
    assert_eq!(states(&house, &after), (NOT_SET, DENIED));
    let expected = [Created, SetByWord, RefusedAddress, ContactPointChanged];
    assert_eq!(causes(&house, contact.id).await, expected);
    assert_eq!(after.consent_seq, 4);
    assert_eq!(after.revision, contact.revision + 1, "one change of the contact");
}

async fn who_does_not_see_a_point_does_not_edit_it(db: TestDb) {
    let house = House::on(db.handle()).await;
    let contact = saying(&house, &[ONE, MAIL], &[(PHONE, DENIED), (EMAIL, GRANTED)]).await;
    let before = everything(&house).await;
    let masked = (Code::PermissionDenied, "CONTACT_POINT_MASKED");
    // The key too: an import of an old file under another one would make a twin whose address shows.
    let shifted = ContactPatch {
        external_id: Some(ExternalId::read("E-9").unwrap()),
        ..ContactPatch::default()
    };
    for patch in
        [points(&[(None, TWO)]), no_points(PHONE), points(&[(None, "two@example.com")]), shifted]
    {
        assert_eq!(why(update(&house, &house.user, contact.id, patch).await), masked);
    }
    assert_eq!(why(delete(&house, &house.user, contact.id).await), masked);
    assert_eq!(everything(&house).await, before);
    update(&house, &house.listed, contact.id, points(&[(None, TWO)])).await.unwrap();
    set(&house, &house.owner, contact.id, &[(PHONE, GRANTED)]).await.unwrap();
    update(&house, &house.user, contact.id, points(&[(None, THREE)])).await.unwrap();
}

async fn a_point_of_another_contact_cannot_be_named(db: TestDb) {
    let house = House::on(db.handle()).await;
    let (one, other) = (create(&house, "One", &[ONE]).await, create(&house, "Two", &[TWO]).await);
    let before = everything(&house).await;
    for id in [other.points[0].id, PointId::generate()] {
        let wanted = points(&[(Some(id), THREE)]);
        let error = update(&house, &house.owner, one.id, wanted).await.unwrap_err();
        let wrong: Vec<_> = error.violations().iter().map(|v| (&v.field[..], v.reason)).collect();
        assert_eq!(wrong, [("contact.phones[0].id", "UNKNOWN_POINT")]);
    }
    assert_eq!(everything(&house).await, before);
}
