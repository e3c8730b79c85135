//! What a file says of consent. An old one resurrects nobody.

use std::time::Duration;

use contact_directory::MIGRATIONS;
use contact_directory::api::wire::opt_outs::opt_outs;
use contact_directory::commands::consents::{Saying, Word};
use contact_directory::commands::import::Became::{Created, Unchanged, Updated};
use contact_directory::commands::import::RowResult;
use contact_directory::commands::merges::Pair;
use contact_directory::domain::evidence::Evidence;
use contact_directory::domain::import::Kept;
use contact_directory::domain::set::{AssignmentInput, Assignments, Withdrawal};
use contact_directory::domain::surface::Place;
use jiff::Timestamp;
use yinyom_consent::{
    Actor, ByChannel, Cause, Channel, ChannelChange, ConsentState, Role, Surface,
};
use yinyom_kernel::{Clock, ContactId};
use yinyom_proto::directory::v1::ImportRow;
use yinyom_testkit::{TestDb, both_databases};

use super::{DENIED, GRANTED, NOT_SET, ONE, TWO, With, became, contact, import, row};
use crate::support::{House, START};

fn kept(result: &RowResult) -> ByChannel<Option<Kept>> {
    match result {
        RowResult::Taken { kept, .. } => *kept,
        RowResult::Rejected { .. } => panic!("rejected"),
    }
}

async fn state(house: &House, id: ContactId, channel: Channel) -> ConsentState {
    let contacts = house.contacts().await;
    let contact = contacts.iter().find(|contact| contact.id == id).unwrap();
    contact.consents.get(channel).state_at(house.clock.now())
}

async fn say(house: &House, contact: ContactId, word: Word) {
    let session = house.session(&house.owner).await;
    let evidence = Evidence::default();
    let (place, etag, untimely) = (Place::Contacts, String::new(), None);
    let saying = Saying { contact, place, word, evidence, etag, untimely };
    house.directory.say(&session, saying, None).await.unwrap();
}

fn set(house: &House, state: ConsentState, expires_in: Option<Duration>) -> Word {
    let now = house.clock.now();
    let given = AssignmentInput {
        channel: Some(Channel::Phone),
        state: Some(state),
        expires_at: expires_in.map(|time| now + time),
    };
    Word::Set(Assignments::read(&[given]).unwrap())
}

fn withdraw() -> Word {
    Word::Withdraw(Withdrawal::read(&[Some(Channel::Phone)]).unwrap())
}

/// The row's result, and that the same row does nothing when it comes again.
async fn twice(house: &House, row: ImportRow) -> RowResult {
    let first = import(house, std::slice::from_ref(&row)).await.remove(0);
    let ledger = house.ledger().await;
    let again = import(house, &[row]).await.remove(0);
    assert_eq!(became(std::slice::from_ref(&again)), [Some(Unchanged)]);
    assert_eq!(kept(&again), kept(&first), "what was kept is told again");
    assert_eq!(house.ledger().await, ledger);
    first
}

/// From when the row is taken, whenever the customer said so: that is a claim.
async fn a_grant_of_a_row_runs_out_when_the_business_says(db: TestDb) {
    let house = House::on(db.handle()).await;
    let year = Duration::from_hours(24 * 365);
    house.rule(|policy| policy.rules.default_grant_lifetime = Some(year)).await;
    let end = house.clock.now() + year;
    let known = import(&house, &[row("Known").id("1").phone(ONE)]).await;
    let rows = [
        row("Known").id("1").phone(ONE).says(GRANTED).at(START - 86_400),
        row("New").id("2").phone(TWO).says(GRANTED),
        row("No").id("3").phone(TWO).says(DENIED),
    ];
    let taken = import(&house, &rows).await;
    assert_eq!(contact(&taken[0]), contact(&known[0]));
    let ends = async |id: ContactId| {
        let contacts = house.contacts().await;
        contacts.iter().find(|contact| contact.id == id).unwrap().consents.phone.expires_at
    };
    assert_eq!(ends(contact(&taken[0])).await, Some(end));
    assert_eq!(ends(contact(&taken[1])).await, Some(end));
    assert_eq!(ends(contact(&taken[2])).await, None);
    // The same again is no renewal.
    house.pass(Duration::from_hours(1)).await;
    assert_eq!(became(&import(&house, &rows[..1]).await), [Some(Unchanged)]);
    assert_eq!(ends(contact(&taken[0])).await, Some(end));
    let told: Vec<_> = house.ledger().await;
    let told: Vec<_> = told.iter().flat_map(|c| &c.channels).filter_map(|c| c.expires_at).collect();
    assert_eq!(told, [end, end], "and the ledger is told");
}

async fn a_row_with_a_word_is_one_change_that_says_where_it_came_from(db: TestDb) {
    let house = House::on(db.handle()).await;
    import(&house, &[row("Somchai").phone(ONE).says(GRANTED).at(START - 86_400)]).await;
    let ledger = house.ledger().await;
    let [change] = &ledger[..] else { panic!("one change, not {}", ledger.len()) };
    assert_eq!((change.seq, change.cause, change.surface), (1, Cause::Imported, Surface::Import));
    assert_eq!(change.surface_parent, None);
    assert_eq!(change.claimed_at.map(Timestamp::as_second), Some(START - 86_400));
    assert_eq!(change.recorded_at, house.clock.now(), "a claim is kept beside the server's time");
    assert_eq!(change.method, None);
    let member = house.owner.member().unwrap();
    assert_eq!(change.actor, Actor::Member { member, role: Some(Role::Owner) });
    let of = |channel, to| ChannelChange { channel, from: None, to: Some(to), expires_at: None };
    let expected =
        [of(Channel::Phone, ConsentState::Granted), of(Channel::Email, ConsentState::NotSet)];
    assert_eq!(change.channels, expected);
}

async fn what_a_row_does_not_say_rests_on_nothing(db: TestDb) {
    let house = House::on(db.handle()).await;
    import(&house, &[row("Somchai").phone(ONE).at(START)]).await;
    let ledger = house.ledger().await;
    assert_eq!((ledger[0].cause, ledger[0].claimed_at), (Cause::Created, None));
}

async fn a_refusal_in_a_file_always_applies(db: TestDb) {
    let house = House::on(db.handle()).await;
    let id = contact(&import(&house, &[row("Somchai").phone(ONE).says(GRANTED)]).await[0]);
    let result = twice(&house, row("Somchai").phone(ONE).says(DENIED)).await;
    assert_eq!(became(std::slice::from_ref(&result)), [Some(Updated)]);
    assert_eq!(state(&house, id, Channel::Phone).await, ConsentState::Denied);
}

async fn nothing_in_a_file_ends_a_refusal(db: TestDb) {
    let house = House::on(db.handle()).await;
    let id = contact(&import(&house, &[row("Somchai").phone(ONE)]).await[0]);
    say(&house, id, withdraw()).await;
    for word in [GRANTED, NOT_SET] {
        let result = twice(&house, row("Somchai").phone(ONE).says(word)).await;
        assert_eq!(became(std::slice::from_ref(&result)), [Some(Unchanged)]);
        assert_eq!(kept(&result), ByChannel { phone: Some(Kept::Denied), email: None });
    }
    assert_eq!(state(&house, id, Channel::Phone).await, ConsentState::Denied);
    // Not after somebody took the refusal back without asking the customer, either.
    say(&house, id, set(&house, ConsentState::NotSet, None)).await;
    let result = twice(&house, row("Somchai").phone(ONE).says(GRANTED)).await;
    assert_eq!(kept(&result).phone, Some(Kept::RefusedBefore));
    assert_eq!(state(&house, id, Channel::Phone).await, ConsentState::NotSet);
}

async fn not_asked_never_replaces_a_grant(db: TestDb) {
    let house = House::on(db.handle()).await;
    let id = contact(&import(&house, &[row("Somchai").phone(ONE).says(GRANTED)]).await[0]);
    let result = twice(&house, row("Somchai").phone(ONE).says(NOT_SET)).await;
    assert_eq!(kept(&result).phone, Some(Kept::Granted));
    assert_eq!(state(&house, id, Channel::Phone).await, ConsentState::Granted);
}

async fn who_refused_and_was_deleted_is_not_imported_back(db: TestDb) {
    let house = House::on(db.handle()).await;
    let file = row("Somchai").id("C-1").phone(ONE).email("a@example.com");
    let id = contact(&import(&house, std::slice::from_ref(&file)).await[0]);
    say(&house, id, withdraw()).await;
    let session = house.session(&house.owner).await;
    house.directory.delete_contact(&session, id, String::new(), None).await.unwrap();

    let result = twice(&house, file.says(GRANTED).says_email(GRANTED)).await;
    assert_eq!(became(std::slice::from_ref(&result)), [Some(Created)]);
    assert_eq!(kept(&result), ByChannel { phone: Some(Kept::Denied), email: None });
    let back = contact(&result);
    assert_ne!(back, id);
    assert_eq!(state(&house, back, Channel::Phone).await, ConsentState::Denied);
    assert_eq!(state(&house, back, Channel::Email).await, ConsentState::Granted);
    // Nor is somebody else with the address, whether new or known.
    let other = twice(&house, row("Somsri").phone(ONE).says(GRANTED)).await;
    assert_eq!(kept(&other).phone, Some(Kept::Denied));
    import(&house, &[row("Anong").id("C-3").phone(TWO).says(GRANTED)]).await;
    let known = twice(&house, row("Anong").id("C-3").phone(ONE).says(GRANTED)).await;
    assert_eq!(kept(&known).phone, Some(Kept::Denied));
    assert_eq!(state(&house, contact(&known), Channel::Phone).await, ConsentState::Denied);
}

/// A file that says no of a merged contact says nothing new where it refuses already. If the two part, each has heard it.
async fn a_refusal_of_merged_contacts_is_of_both_even_if_it_is_no_change(db: TestDb) {
    let house = House::on(db.handle()).await;
    let session = house.session(&house.owner).await;
    let no = |row: ImportRow| row.says(DENIED);
    for (n, way) in ["a row", "a row that is rejected", "a list", "nothing"].into_iter().enumerate()
    {
        let (one, two) = (format!("08100000{n}1"), format!("08100000{n}2"));
        let (yes, other) = (format!("Yes {n}"), format!("No {n}"));
        let there =
            [row("Yes").id(&yes).phone(&one).says(GRANTED), no(row("No").id(&other).phone(&two))];
        let ids: Vec<_> = import(&house, &there).await.iter().map(contact).collect();
        let (survivor_etag, absorbed_etag) = <_>::default();
        let pair = Pair { survivor: ids[0], absorbed: ids[1], survivor_etag, absorbed_etag };
        let merged = house.directory.merge_contacts(&session, pair, None).await.unwrap();
        let before = house.ledger().await.len();
        match way {
            "a row" => {
                let said = import(&house, &[no(row("Yes").id(&yes))]).await;
                assert_eq!(became(&said), [Some(Unchanged)]);
            }
            "a row that is rejected" => {
                let said = import(&house, &[no(row("Yes").id(&yes).phone("12"))]).await;
                assert_eq!(became(&said), [None]);
            }
            "a list" => {
                let list = opt_outs(&[no(row("").phone(&one))]);
                let of = house.directory.opt_out(&house.owner, house.business, list, None);
                assert_eq!(of.await.unwrap()[0].denied, 0);
            }
            _ => {}
        }
        assert_eq!(house.ledger().await.len(), before, "{way}");
        house.directory.undo_merge(&session, merged.id, String::new(), None).await.unwrap();
        let expected = if way == "nothing" { ConsentState::Granted } else { ConsentState::Denied };
        assert_eq!(state(&house, ids[0], Channel::Phone).await, expected, "{way}");
        assert_eq!(state(&house, ids[1], Channel::Phone).await, ConsentState::Denied, "{way}");
    }
}

async fn an_address_that_comes_asks_anew_before_the_row_is_heard(db: TestDb) {
    let house = House::on(db.handle()).await;
    let id =
        contact(&import(&house, &[row("Somchai").id("C-1").phone(ONE).says(GRANTED)]).await[0]);
    twice(&house, row("Somchai").id("C-1").phone(ONE).phone(TWO)).await;
    assert_eq!(state(&house, id, Channel::Phone).await, ConsentState::NotSet);
    // A new address in the other channel is nothing to this one.
    twice(&house, row("Somchai").id("C-1").phone("0810000000").says(GRANTED)).await;
    twice(&house, row("Somchai").id("C-1").email("a@example.com")).await;
    assert_eq!(state(&house, id, Channel::Phone).await, ConsentState::Granted);
    let causes: Vec<_> = house.ledger().await.iter().map(|change| change.cause).collect();
    assert_eq!(causes, [Cause::Imported, Cause::ContactPointChanged, Cause::Imported]);
}

async fn a_grant_that_ran_out_is_recorded_before_what_follows(db: TestDb) {
    let house = House::on(db.handle()).await;
    let id = contact(&import(&house, &[row("Somchai").phone(ONE)]).await[0]);
    say(&house, id, set(&house, ConsentState::Granted, Some(Duration::from_mins(1)))).await;
    house.pass(Duration::from_mins(1)).await;
    assert_eq!(
        became(&import(&house, &[row("Somchai").phone(ONE).says(NOT_SET)]).await),
        [Some(Unchanged)]
    );
    import(&house, &[row("Somchai").phone(ONE).says(DENIED).at(START)]).await;
    let ledger = house.ledger().await;
    let tail: Vec<_> = ledger[2..].iter().map(|c| (c.cause, c.claimed_at.is_some())).collect();
    assert_eq!(tail, [(Cause::Expired, false), (Cause::Imported, true)]);
}

both_databases!(MIGRATIONS =>
    a_grant_of_a_row_runs_out_when_the_business_says,
    a_row_with_a_word_is_one_change_that_says_where_it_came_from,
    what_a_row_does_not_say_rests_on_nothing,
    a_refusal_in_a_file_always_applies,
    nothing_in_a_file_ends_a_refusal,
    not_asked_never_replaces_a_grant,
    who_refused_and_was_deleted_is_not_imported_back,
    a_refusal_of_merged_contacts_is_of_both_even_if_it_is_no_change,
    an_address_that_comes_asks_anew_before_the_row_is_heard,
    a_grant_that_ran_out_is_recorded_before_what_follows,
);
