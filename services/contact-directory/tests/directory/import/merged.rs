//! Rows about contacts that were merged: they find the one that stayed, make nobody anew, and grant nothing that one of them
//! refused.

use contact_directory::MIGRATIONS;
use contact_directory::commands::consents::{Saying, Word};
use contact_directory::commands::import::Became::{Created, Unchanged, Updated};
use contact_directory::commands::import::RowResult;
use contact_directory::commands::merges::Pair;
use contact_directory::domain::Contact;
use contact_directory::domain::evidence::Evidence;
use contact_directory::domain::import::Kept;
use contact_directory::domain::set::{AssignmentInput, Assignments, Withdrawal};
use contact_directory::domain::surface::Place;
use yinyom_consent::{Channel, ConsentState as State};
use yinyom_kernel::{ContactId, MergeId};
use yinyom_testkit::{TestDb, both_databases};

use super::{DENIED, GRANTED, ONE, TWO, With, became, contact, import, row};
use crate::support::House;

both_databases!(MIGRATIONS =>
    rows_of_a_merged_contact_find_the_survivor,
    no_row_grants_what_a_predecessor_refused,
    the_same_person_under_another_key_starts_denied,
    an_import_and_a_merge_at_once_make_nobody_anew,
    after_an_undo_rows_find_their_own,
);

async fn say(house: &House, contact: ContactId, word: Word) {
    let session = house.session(&house.owner).await;
    let (evidence, place) = (Evidence::default(), Place::Contacts);
    let saying = Saying { contact, place, word, evidence, etag: String::new(), untimely: None };
    house.directory.say(&session, saying, None).await.unwrap();
}

async fn set(house: &House, contact: ContactId, state: State) {
    let phone = Some(Channel::Phone);
    let given = AssignmentInput { channel: phone, state: Some(state), expires_at: None };
    say(house, contact, Word::Set(Assignments::read(&[given]).unwrap())).await;
}

async fn merge(house: &House, survivor: ContactId, absorbed: ContactId) -> MergeId {
    let session = house.session(&house.owner).await;
    let (survivor_etag, absorbed_etag) = (String::new(), String::new());
    let pair = Pair { survivor, absorbed, survivor_etag, absorbed_etag };
    house.directory.merge_contacts(&session, pair, None).await.unwrap().id
}

async fn read(house: &House, id: ContactId) -> Contact {
    house.contacts().await.into_iter().find(|contact| contact.id == id).unwrap()
}

fn kept(result: &RowResult) -> Option<Kept> {
    match result {
        RowResult::Taken { kept, .. } => kept.phone,
        RowResult::Rejected { .. } => panic!("rejected"),
    }
}

async fn rows_of_a_merged_contact_find_the_survivor(db: TestDb) {
    let house = House::on(db.handle()).await;
    let file = [
        row("Somchai").id("A-1").phone(ONE),
        row("Chai").id("A-2").phone(TWO).lead("Buys", "Web").account("Acme"),
        row("Nameless").phone("0833333333"),
    ];
    let made = import(&house, &file).await;
    let [one, two, three] = [0, 1, 2].map(|at: usize| contact(&made[at]));
    merge(&house, one, two).await;
    merge(&house, one, three).await;
    let before = read(&house, one).await;
    assert_eq!(before.points.len(), 3);
    let again = import(&house, &file).await;
    assert_eq!(became(&again), [Some(Unchanged); 3], "not even a name");
    assert!(again.iter().all(|result| contact(result) == one));
    assert_eq!((house.contacts().await.len(), read(&house, one).await), (1, before));
    let more = [file[1].clone().phone("0844444444").says(DENIED)];
    assert_eq!(became(&import(&house, &more).await), [Some(Updated)]);
    let now = read(&house, one).await;
    assert_eq!((now.points.len(), now.consents.phone.state), (4, State::Denied));
    assert_eq!(now.name.display().expose(), "Somchai");
    let wrong = [file[1].clone().email("no address").says_email(DENIED)];
    let rejected = import(&house, &wrong).await;
    assert_eq!(super::refuser(&rejected[0]), Some(one), "its refusal is taken all the same");
}

async fn no_row_grants_what_a_predecessor_refused(db: TestDb) {
    let house = House::on(db.handle()).await;
    let file = [row("Somchai").id("A-1").phone(ONE), row("Chai").id("A-2").phone(TWO)];
    let made = import(&house, &file).await;
    let (one, two) = (contact(&made[0]), contact(&made[1]));
    let withdraw = Withdrawal::read(&[Some(Channel::Phone)]).unwrap();
    say(&house, two, Word::Withdraw(withdraw)).await;
    set(&house, two, State::NotSet).await;
    merge(&house, one, two).await;
    let granted = file.map(|row| row.says(GRANTED));
    for _ in 0..2 {
        let results = import(&house, &granted).await;
        assert!(results.iter().all(|result| kept(result) == Some(Kept::RefusedBefore)));
        assert_eq!(read(&house, one).await.consents.phone.state, State::NotSet);
    }
}

async fn the_same_person_under_another_key_starts_denied(db: TestDb) {
    let house = House::on(db.handle()).await;
    let file = [row("Somchai").id("A-1").phone(ONE), row("Chai").id("A-2").phone(TWO)];
    let made = import(&house, &file).await;
    let (one, two) = (contact(&made[0]), contact(&made[1]));
    let withdraw = Withdrawal::read(&[Some(Channel::Phone)]).unwrap();
    say(&house, two, Word::Withdraw(withdraw)).await;
    merge(&house, one, two).await;
    let alike = [
        row("CHAI").id("B-1").phone(TWO).says(GRANTED),
        row("Chai").id("B-2").phone("0855555555").says(GRANTED),
        row("Other").id("B-3").phone(TWO).says(GRANTED),
    ];
    let results = import(&house, &alike).await;
    assert_eq!(became(&results), [Some(Created); 3]);
    assert_eq!(kept(&results[0]), Some(Kept::Denied), "by the name that it had");
    assert_eq!(
        (kept(&results[1]), kept(&results[2])),
        (None, None),
        "another number, another name"
    );
}

async fn an_import_and_a_merge_at_once_make_nobody_anew(db: TestDb) {
    let house = House::on(db.handle()).await;
    for round in 0..6 {
        let numbers = [format!("A-{round}"), format!("B-{round}")];
        let file = [
            row("Somchai").id(&numbers[0]).phone(ONE),
            row("Chai").id(&numbers[1]).phone(TWO).says(DENIED),
        ];
        let made = import(&house, &file).await;
        let (one, two) = (contact(&made[0]), contact(&made[1]));
        let granted = file.map(|row| row.says(GRANTED));
        let (_, results) = tokio::join!(merge(&house, one, two), import(&house, &granted));
        assert!(results.iter().all(|result| [one, two].contains(&contact(result))));
        assert_eq!(house.contacts().await.len(), round + 1);
        assert_eq!(read(&house, one).await.consents.phone.state, State::Denied);
    }
}

async fn after_an_undo_rows_find_their_own(db: TestDb) {
    let house = House::on(db.handle()).await;
    let file = [
        row("Somchai").id("A-1").phone(ONE),
        row("Chai").id("A-2").phone(TWO),
        row("Nameless").phone("0833333333"),
    ];
    let made = import(&house, &file).await;
    let [one, two, three] = [0, 1, 2].map(|at: usize| contact(&made[at]));
    let first = merge(&house, one, two).await;
    let second = merge(&house, one, three).await;
    let session = house.session(&house.owner).await;
    for id in [second, first] {
        house.directory.undo_merge(&session, id, String::new(), None).await.unwrap();
    }
    let again = import(&house, &file).await;
    assert_eq!(became(&again), [Some(Unchanged); 3]);
    assert_eq!(again.iter().map(contact).collect::<Vec<_>>(), [one, two, three]);
}
