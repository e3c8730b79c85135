//! Who a row is about, and what it does to names, addresses, accounts and leads.

use contact_directory::MIGRATIONS;
use contact_directory::commands::contacts::{ContactPatch, NamePatch};
use contact_directory::commands::import::Became::{Created, Unchanged, Updated};
use yinyom_consent::Channel;
use yinyom_testkit::{TestDb, both_databases};

use yinyom_proto::directory::v1::ImportRow;

use super::{DENIED, GRANTED, ONE, TWO, With, became, contact, import, row, wrong};
use crate::support::House;

async fn a_file_that_is_imported_twice_changes_nothing_the_second_time(db: TestDb) {
    let house = House::on(db.handle()).await;
    let rows = [
        row("Somchai").id("C-1").phone(ONE).email("somchai@example.com").says(GRANTED),
        row("Somsri").phone(TWO).account("Rose Garden").lead("A big order", "fair"),
        row("Nobody knows"),
    ];
    assert_eq!(became(&import(&house, &rows).await), [Some(Created); 3]);
    let (contacts, ledger) = (house.contacts().await, house.ledger().await);
    let again = import(&house, &rows).await;
    assert_eq!(became(&again), [Some(Unchanged); 3]);
    assert_eq!(house.contacts().await, contacts);
    assert_eq!(house.ledger().await, ledger);
    for (table, rows) in [
        ("SELECT COUNT(*) FROM accounts WHERE business_id = $1", 1),
        ("SELECT COUNT(*) FROM account_contacts WHERE business_id = $1", 1),
        ("SELECT COUNT(*) FROM leads WHERE business_id = $1", 1),
        ("SELECT COUNT(*) FROM lead_contacts WHERE business_id = $1", 1),
        ("SELECT COUNT(*) FROM contact_fingerprints WHERE business_id = $1", 3),
    ] {
        assert_eq!(house.count(table).await, rows, "{table}");
    }
}

async fn an_external_id_finds_its_contact_whatever_else_the_row_says(db: TestDb) {
    let house = House::on(db.handle()).await;
    let first = import(&house, &[row("Somchai").id("C-1").phone(ONE)]).await;
    let second = import(&house, &[row("Somchay").id("C-1").phone(TWO)]).await;
    assert_eq!(became(&second), [Some(Updated)]);
    assert_eq!(contact(&second[0]), contact(&first[0]));
    let [found] = &house.contacts().await[..] else { panic!("one contact") };
    assert_eq!(found.name.display().expose(), "Somchay");
    assert_eq!(found.points.len(), 2, "addresses are added and never removed");
    assert_eq!(found.revision, 2);
    // By now a row without the id is recognised by either of the states that a file has told of.
    for known in [row("somchai").phone(ONE), row("Somchay").phone(ONE).phone(TWO)] {
        assert_eq!(became(&import(&house, &[known]).await), [Some(Unchanged)]);
    }
}

/// One person under another key is a new contact, and what they refused stays refused: a file that was renumbered, that
/// lacks a column or has an id at last must not get around it.
async fn another_key_gets_nobody_around_a_refusal(db: TestDb) {
    let house = House::on(db.handle()).await;
    let somchai = || row("Somchai").phone(ONE);
    import(&house, &[somchai().id("OLD-1").says(DENIED)]).await;
    for twin in [
        somchai().id("NEW-1").says(GRANTED),
        somchai().email("somchai@example.com").says(GRANTED),
        row("SOMCHAI").phone(ONE).phone(TWO).says(GRANTED),
    ] {
        let imported = import(&house, std::slice::from_ref(&twin)).await;
        assert_eq!(became(&imported), [Some(Created)]);
        assert_eq!(became(&import(&house, &[twin]).await), [Some(Unchanged)]);
    }
    // Also within one file, whichever row comes first says no.
    let rows = [
        row("Somsri").id("S-1").phone(TWO).says(DENIED),
        row("Somsri").id("S-2").phone(TWO).says(GRANTED),
    ];
    import(&house, &rows).await;
    for contact in house.contacts().await {
        assert_eq!(
            contact.consents.phone.state.to_wire(),
            DENIED as i32,
            "{:?}",
            contact.external_id
        );
    }
    // A family shares a phone: consent is each one's own.
    import(&house, &[row("Malee").phone(ONE).says(GRANTED)]).await;
    let granted = house
        .contacts()
        .await
        .iter()
        .filter(|c| c.consents.phone.state.to_wire() == GRANTED as i32)
        .count();
    assert_eq!(granted, 1);
}

async fn an_empty_cell_takes_no_name_away(db: TestDb) {
    let house = House::on(db.handle()).await;
    let whole = ImportRow { last_name: "Jaidee".to_owned(), ..row("Somchai").id("C-1") };
    import(&house, &[whole]).await;
    assert_eq!(became(&import(&house, &[row("Somchai").id("C-1")]).await), [Some(Unchanged)]);
    let [found] = &house.contacts().await[..] else { panic!("one contact") };
    assert_eq!(found.name.display().expose(), "Somchai Jaidee");
}

async fn an_external_id_that_is_new_is_somebody_new(db: TestDb) {
    let house = House::on(db.handle()).await;
    let rows = [row("Somchai").phone(ONE), row("Somchai").phone(ONE).id("C-2")];
    assert_eq!(became(&import(&house, &rows).await), [Some(Created); 2]);
    let one = import(&house, &rows).await;
    assert_eq!(became(&one), [Some(Unchanged); 2]);
    assert_ne!(contact(&one[0]), contact(&one[1]));
}

async fn nobody_is_matched_by_an_address_alone(db: TestDb) {
    let house = House::on(db.handle()).await;
    let family = [row("Somchai").phone(ONE), row("Somsri").phone(ONE), row("Somchai")];
    assert_eq!(became(&import(&house, &family).await), [Some(Created); 3]);
    // Nor is one's external id another's.
    import(&house, &[row("Anong").id("C-1").phone(TWO)]).await;
    assert_eq!(became(&import(&house, &[row("Kanya").phone(TWO)]).await), [Some(Created)]);
}

async fn an_old_row_does_not_undo_what_somebody_mended(db: TestDb) {
    let house = House::on(db.handle()).await;
    let old = [row("Somchia").phone(ONE)];
    let id = contact(&import(&house, &old).await[0]);
    let session = house.session(&house.owner).await;
    let name = NamePatch { first: Some("Somchai".to_owned()), last: None };
    let patch = ContactPatch { name: Some(name), ..ContactPatch::default() };
    house.directory.update_contact(&session, id, patch, String::new(), None).await.unwrap();
    assert_eq!(became(&import(&house, &old).await), [Some(Unchanged)]);
    assert_eq!(house.contacts().await[0].name.display().expose(), "Somchai");
}

async fn rows_of_one_batch_know_of_each_other(db: TestDb) {
    let house = House::on(db.handle()).await;
    let rows = [
        row("Somchai").id("C-1").phone(ONE).account("Rose Garden").lead("Order", "Fair"),
        row("Somchai").id("C-1").phone(TWO).account("rose  GARDEN").lead("order", "FAIR"),
        row("SOMCHAI").phone("+66812345671"),
        row("Somsri").account("Rose Garden"),
        row("Somsri").lead("Order", ""),
    ];
    let results = import(&house, &rows).await;
    let expected = [Created, Updated, Unchanged, Created, Updated].map(Some);
    assert_eq!(became(&results), expected);
    assert_eq!(contact(&results[2]), contact(&results[0]));
    let contacts = house.contacts().await;
    assert_eq!(contacts.len(), 2);
    let somchai = contacts.iter().find(|c| c.id == contact(&results[0])).unwrap();
    assert_eq!((somchai.points.len(), somchai.revision), (2, 2));
    assert_eq!(house.count("SELECT COUNT(*) FROM accounts WHERE business_id = $1").await, 1);
    assert_eq!(
        house.count("SELECT COUNT(*) FROM account_contacts WHERE business_id = $1").await,
        2
    );
    assert_eq!(house.count("SELECT COUNT(*) FROM leads WHERE business_id = $1").await, 2);
    house.ledger().await;
}

async fn an_account_or_a_lead_is_news_of_a_contact_that_is_known(db: TestDb) {
    let house = House::on(db.handle()).await;
    import(&house, &[row("Somchai").phone(ONE)]).await;
    let before = house.contacts().await;
    for news in [
        row("Somchai").phone(ONE).account("Rose Garden"),
        row("Somchai").phone(ONE).lead("Order", "fair"),
        row("Somchai").phone(ONE).lead("Order", "shop"),
    ] {
        assert_eq!(became(&import(&house, std::slice::from_ref(&news)).await), [Some(Updated)]);
        assert_eq!(became(&import(&house, &[news]).await), [Some(Unchanged)]);
    }
    assert_eq!(house.contacts().await, before, "its links are not of the contact itself");
}

async fn a_rejected_row_stores_nothing_and_disturbs_no_other(db: TestDb) {
    let house = House::on(db.handle()).await;
    let long = "ก".repeat(201);
    let mut bad = row("").id("a\u{0}b").phone("12").phone("•••-•••-••••").email("•••••@•••••");
    bad.last_name.clone_from(&long);
    bad.account.clone_from(&long);
    "a\nb".clone_into(&mut bad.lead_title);
    bad.phone_consent = 99;
    bad.email_consent = -1;
    let crowded = (0..21).fold(row("Many"), |row, n| row.phone(&format!("08123456{n:02}")));
    let rows = [
        row("Before").phone(ONE),
        bad,
        row("Sourced").lead("", "fair"),
        row("Early").phone(TWO).says(GRANTED).at(crate::support::START + 3_600),
        row("Late").at(i64::MAX).account("Nowhere"),
        crowded,
        row("After").phone(ONE),
    ];
    let results = import(&house, &rows).await;
    assert_eq!(
        wrong(&results[1]),
        [
            ("external_id".to_owned(), "CONTROL_CHARACTER"),
            ("last_name".to_owned(), "TOO_LONG"),
            ("phones[0]".to_owned(), "INVALID_PHONE"),
            ("phones[1]".to_owned(), "MASKED_VALUE"),
            ("emails[0]".to_owned(), "MASKED_VALUE"),
            ("account".to_owned(), "TOO_LONG"),
            ("lead_title".to_owned(), "CONTROL_CHARACTER"),
            ("phone_consent".to_owned(), "UNKNOWN_VALUE"),
            ("email_consent".to_owned(), "UNKNOWN_VALUE"),
        ]
    );
    assert_eq!(wrong(&results[2]), [("lead_title".to_owned(), "REQUIRED")]);
    assert_eq!(wrong(&results[3]), [("consent_time".to_owned(), "IN_FUTURE")]);
    assert_eq!(wrong(&results[4]), [("consent_time".to_owned(), "INVALID_TIMESTAMP")]);
    assert_eq!(wrong(&results[5]), [("phones".to_owned(), "TOO_MANY")]);
    let names: Vec<_> =
        house.contacts().await.iter().map(|c| c.name.display().into_inner()).collect();
    assert_eq!(names.len(), 2);
    assert!(names.contains(&"Before".to_owned()) && names.contains(&"After".to_owned()));
    assert_eq!(house.count("SELECT COUNT(*) FROM accounts WHERE business_id = $1").await, 0);
    assert_eq!(house.ledger().await.len(), 2);
}

async fn a_contact_never_has_more_addresses_than_it_may(db: TestDb) {
    let house = House::on(db.handle()).await;
    let full = (0..20).fold(row("Many").id("C-1"), |row, n| row.phone(&format!("08123456{n:02}")));
    import(&house, std::slice::from_ref(&full)).await;
    let more = row("More").id("C-1").phone("0899999999").account("Nowhere").says(GRANTED);
    let results = import(&house, &[more, full]).await;
    assert_eq!(wrong(&results[0]), [("phones".to_owned(), "TOO_MANY")]);
    assert_eq!(became(&results)[1], Some(Unchanged), "a full contact takes what it has");
    let [contact] = &house.contacts().await[..] else { panic!("one contact") };
    assert_eq!(contact.points_of(Channel::Phone).count(), 20);
    assert_eq!((contact.name.display().expose().as_str(), contact.revision), ("Many", 1));
    assert_eq!(house.count("SELECT COUNT(*) FROM accounts WHERE business_id = $1").await, 0);
    assert_eq!(
        became(&import(&house, &[row("Many").id("C-1").email("a@example.com")]).await),
        [Some(Updated)]
    );
}

both_databases!(MIGRATIONS =>
    a_file_that_is_imported_twice_changes_nothing_the_second_time,
    an_external_id_finds_its_contact_whatever_else_the_row_says,
    another_key_gets_nobody_around_a_refusal,
    an_empty_cell_takes_no_name_away,
    an_external_id_that_is_new_is_somebody_new,
    nobody_is_matched_by_an_address_alone,
    an_old_row_does_not_undo_what_somebody_mended,
    rows_of_one_batch_know_of_each_other,
    an_account_or_a_lead_is_news_of_a_contact_that_is_known,
    a_rejected_row_stores_nothing_and_disturbs_no_other,
    a_contact_never_has_more_addresses_than_it_may,
);
