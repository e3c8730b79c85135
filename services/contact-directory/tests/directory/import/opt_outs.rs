//! Another tool's suppression list: what it denies, what it keeps for later, and that it does nothing else.

use contact_directory::MIGRATIONS;
use contact_directory::api::wire::opt_outs::opt_outs;
use contact_directory::commands::import::opt_outs::OptOutResult;
use contact_directory::commands::import::rehearsal::Rehearsal;
use contact_directory::commands::{Error, Request};
use contact_directory::domain::Contact;
use yinyom_consent::ConsentState::{self, Denied, Granted, NotSet};
use yinyom_consent::{Cause, Channel, Surface};
use yinyom_identity::{Caller, ServiceScope};
use yinyom_kernel::{Clock, ContactId, Fault, RequestId};
use yinyom_proto::directory::v1::ImportRow;
use yinyom_testkit::{TestDb, both_databases};

use super::property::for_files;
use super::{DENIED, GRANTED, NOT_SET, ONE, TWO, With, contact, import, row};
use crate::commands::everything;
use crate::support::{House, START};

const MAIL: &str = "a@example.com";

async fn by(
    house: &House,
    caller: &Caller,
    rows: &[ImportRow],
) -> Result<Vec<OptOutResult>, Error> {
    house.directory.opt_out(caller, house.business, opt_outs(rows), None).await
}

async fn opt_out(house: &House, rows: &[ImportRow]) -> Vec<OptOutResult> {
    by(house, &house.owner, rows).await.unwrap()
}

fn no(phone: &str) -> ImportRow {
    row("").phone(phone).says(DENIED)
}

/// How many contacts and addresses of each row.
fn counts(results: &[OptOutResult]) -> Vec<(u64, u64)> {
    results.iter().map(|of| (of.denied, of.kept)).collect()
}

/// What is wrong with each row.
fn wrong(results: &[OptOutResult]) -> Vec<Vec<(&str, &str)>> {
    let of = |result: &OptOutResult| -> Vec<_> {
        let wrong = result.wrong.iter().flat_map(Fault::violations);
        wrong.map(|v| (&*Box::leak(v.field.clone().into_boxed_str()), v.reason)).collect()
    };
    results.iter().map(of).collect()
}

async fn state(house: &House, id: ContactId) -> (ConsentState, ConsentState) {
    let all = house.contacts().await;
    let of = all.iter().find(|contact| contact.id == id).unwrap();
    let now = house.clock.now();
    (of.consents.phone.state_at(now), of.consents.email.state_at(now))
}

async fn whoever_has_the_address_refuses_and_nobody_else(db: TestDb) {
    let house = House::on(db.handle()).await;
    let both = row("Both").phone(ONE).email(MAIL).says(GRANTED).says_email(GRANTED);
    let rows = [
        both,
        row("Asked").phone(TWO).phone(ONE),
        row("Refused").phone(ONE).says(DENIED),
        row("Other").phone(TWO).email(MAIL).says(GRANTED).says_email(GRANTED),
    ];
    let ids: Vec<_> = import(&house, &rows).await.iter().map(contact).collect();
    let before = house.ledger().await.len();
    // However it is written, and whoever else's name and key are in the row.
    let list =
        row("Other").id("C-9").account("Nowhere").lead("Nothing", "").phone("+66 81 234 5671");
    let results = opt_out(&house, &[list.says(DENIED).says_email(GRANTED).at(START - 60)]).await;
    assert_eq!((counts(&results), wrong(&results)), (vec![(2, 0)], vec![vec![]]));
    let mut states = Vec::new();
    for id in &ids {
        states.push(state(&house, *id).await);
    }
    let granted = (Granted, Granted);
    assert_eq!(states, [(Denied, Granted), (Denied, NotSet), (Denied, NotSet), granted]);
    assert_eq!(house.contacts().await.len(), 4, "nobody is created");
    assert_eq!(house.count("SELECT COUNT(*) FROM accounts WHERE business_id = $1").await, 0);
    assert_eq!(
        house.count("SELECT COUNT(*) FROM refused_addresses WHERE business_id = $1").await,
        0
    );
    let ledger = house.ledger().await;
    let new: Vec<_> = ledger.iter().filter(|change| change.claimed_at.is_some()).collect();
    assert_eq!((ledger.len() - before, new.len()), (2, 2), "who refused already is no event");
    for change in new {
        assert!(ids[..2].contains(&change.contact));
        assert_eq!((change.cause, change.surface), (Cause::Imported, Surface::Import));
        let [of] = change.channels[..] else { panic!("one channel") };
        assert_eq!((of.channel, of.to), (Channel::Phone, Some(Denied)));
    }
}

async fn what_nobody_has_is_kept_for_whoever_comes_with_it(db: TestDb) {
    let house = House::on(db.handle()).await;
    let results =
        opt_out(&house, &[no(ONE), no("081 234 5671").email(MAIL).says_email(DENIED)]).await;
    assert_eq!(counts(&results), [(0, 1), (0, 1)], "the same number is kept once");
    assert_eq!((house.contacts().await.len(), house.ledger().await.len()), (0, 0));
    let rows = [
        row("One").phone(ONE).email(MAIL).says(GRANTED).says_email(GRANTED),
        row("Two").phone(TWO).says(GRANTED),
    ];
    let ids: Vec<_> = import(&house, &rows).await.iter().map(contact).collect();
    assert_eq!(state(&house, ids[0]).await, (Denied, Denied));
    assert_eq!(state(&house, ids[1]).await, (Granted, NotSet));
    // Now somebody has it, and refuses already.
    let again = opt_out(&house, &[no(ONE)]).await;
    assert_eq!(counts(&again), [(0, 0)]);
    // It is the list's refusal, and not the contact's that came with it: it outlives the contact's erasure.
    let session = house.session(&house.owner).await;
    house.directory.delete_contact(&session, ids[0], String::new(), None).await.unwrap();
    let erased = (house.business, ids[0]);
    house.directory.erase_subject(&house.owner, erased, None).await.unwrap();
    let back = contact(&import(&house, &[row("Back").phone(ONE).says(GRANTED)]).await[0]);
    assert_eq!(state(&house, back).await.0, Denied);
}

async fn a_list_that_comes_again_changes_nothing(db: TestDb) {
    let house = House::on(db.handle()).await;
    import(&house, &[row("One").phone(ONE).email(MAIL).says(GRANTED)]).await;
    let list = [no(ONE), no(TWO), row("").email(MAIL).says_email(DENIED), no(ONE)];
    let first = opt_out(&house, &list).await;
    assert_eq!(counts(&first), [(1, 0), (0, 1), (1, 0), (0, 0)]);
    let before = everything(&house).await;
    house.pass(std::time::Duration::from_hours(1)).await;
    assert_eq!(counts(&opt_out(&house, &list).await), [(0, 0); 4]);
    assert_eq!(everything(&house).await, before);
    // Two rows are two words of the customer, each recorded by itself.
    assert_eq!(house.ledger().await.len(), 3);
}

async fn a_dirty_row_is_told_and_what_can_be_read_of_it_is_refused(db: TestDb) {
    let house = House::on(db.handle()).await;
    import(&house, &[row("One").phone(ONE).email(MAIL).says(GRANTED).says_email(GRANTED)]).await;
    let list = [
        row("Somchai"),
        row("").phone(ONE),
        row("").says(DENIED),
        row("").phone("12").phone(TWO).says(DENIED),
        no(ONE).at(START + 3_600),
        row("").email("nobody").says_email(DENIED),
        row("").email(MAIL).says_email(GRANTED).phone("12").says(NOT_SET),
        ImportRow { email_consent: 9, ..row("").email(MAIL) },
        (0..21).fold(row("").says(DENIED), |row, n| row.phone(&format!("08123457{n:02}"))),
    ];
    let results = opt_out(&house, &list).await;
    let expected: [&[(&str, &str)]; 9] = [
        &[("phones", "REQUIRED")],
        &[("phone_consent", "REQUIRED")],
        &[("phones", "REQUIRED")],
        &[("phones[0]", "INVALID_PHONE")],
        &[("consent_time", "IN_FUTURE")],
        &[("emails[0]", "INVALID_EMAIL")],
        &[],
        &[("email_consent", "UNKNOWN_VALUE")],
        &[("phones", "TOO_MANY")],
    ];
    assert_eq!(wrong(&results), expected);
    let done = [(0, 0), (0, 0), (0, 0), (0, 1), (1, 0), (0, 0), (0, 0), (0, 0), (0, 20)];
    assert_eq!(counts(&results), done, "nothing of a refusal is lost");
    let ledger = house.ledger().await;
    assert_eq!(
        (ledger.len(), ledger[1].claimed_at),
        (2, None),
        "a time to come is claimed by nobody"
    );
}

/// Whatever is there and whatever the list says: a channel stays as it is or refuses, and a contact is who it was.
async fn nothing_but_a_refusal_comes_of_a_list_and_a_dry_run_tells_it(db: TestDb) {
    for_files(&db, async |house, rows| {
        let (there, list) = rows.split_at(rows.len() / 2);
        import(&house, there).await;
        let before = house.contacts().await;
        let stored = everything(&house).await;
        let (mut rehearsal, mut told, mut done) = (Rehearsal::default(), Vec::new(), Vec::new());
        for batch in list.chunks(3).chain(list.chunks(2)) {
            let (of, batch) = (&mut rehearsal, opt_outs(batch));
            let house = (&house, house.business);
            let it = house.0.directory.rehearse_opt_outs(&house.0.owner, house.1, batch, of).await;
            told.extend(it.unwrap());
        }
        assert_eq!(everything(&house).await, stored, "a dry run stores nothing");
        for batch in list.chunks(3).chain(list.chunks(2)) {
            done.extend(opt_out(&house, batch).await);
        }
        assert_eq!(told, done);
        let refuses = |address: &yinyom_privacy::Address| {
            opt_outs(list).iter().any(|row| row.refused.contains(address))
        };
        let after = house.contacts().await;
        let who = |all: &[Contact]| -> Vec<_> {
            all.iter().map(|of| (of.id, of.name.clone(), of.points.clone())).collect()
        };
        assert_eq!(who(&after), who(&before));
        for (before, after) in before.iter().zip(&after) {
            for (channel, is) in after.consents.iter() {
                let named = after.points_of(channel).any(|point| refuses(&point.address));
                let was = before.consents.get(channel);
                assert_eq!(is.state, if named { Denied } else { was.state });
                assert!(named || is == was);
            }
        }
        house.ledger().await;
    });
}

async fn a_batch_that_is_sent_again_is_answered_as_it_was(db: TestDb) {
    let house = House::on(db.handle()).await;
    import(&house, &[row("One").phone(ONE)]).await;
    let list = [no(ONE), no(TWO).at(START + 60), no("12")];
    let id = RequestId::generate();
    let send = async |body: &[u8]| {
        let request = Request { rpc: "import".to_owned(), id, body: body.to_vec() };
        house.directory.opt_out(&house.owner, house.business, opt_outs(&list), Some(request)).await
    };
    let first = send(b"list").await.unwrap();
    assert_eq!(counts(&first), [(1, 0), (0, 1), (0, 0)]);
    let before = everything(&house).await;
    house.pass(std::time::Duration::from_hours(1)).await;
    assert_eq!(send(b"list").await.unwrap(), first, "what was in the future then is told so again");
    assert!(send(b"other").await.is_err());
    assert_eq!(everything(&house).await, before);
}

async fn a_list_is_of_one_business_and_of_who_may_import(db: TestDb) {
    let house = House::on(db.handle()).await;
    import(&house, &[row("One").phone(ONE).says(GRANTED)]).await;
    let neighbour = house.neighbour().await;
    let owner = match &neighbour.actor {
        yinyom_consent::Actor::Member { member, .. } => {
            Caller::Member { business: neighbour.business(), member: *member }
        }
        yinyom_consent::Actor::Service { .. } => unreachable!(),
    };
    let of = neighbour.business();
    let told = house.directory.opt_out(&owner, of, opt_outs(&[no(ONE)]), None).await.unwrap();
    assert_eq!(counts(&told), [(0, 1)], "who has it elsewhere is nobody here");
    let before = everything(&house).await;
    for caller in [&house.user, &House::service(&[])] {
        let refused = by(&house, caller, &[no(ONE)]).await.unwrap_err();
        assert_eq!(refused.reason(), "IMPORT_NOT_ALLOWED");
    }
    assert_eq!(by(&house, &owner, &[no(ONE)]).await.unwrap_err().reason(), "NOT_FOUND");
    assert_eq!(everything(&house).await, before);
    let scoped = House::service(&[ServiceScope::AddressesRead]);
    for (n, caller) in [&house.admin, &house.listed, &scoped].into_iter().enumerate() {
        let phone = format!("08111111{n:02}");
        assert_eq!(counts(&by(&house, caller, &[no(&phone)]).await.unwrap()), [(0, 1)]);
    }
}

async fn a_grant_that_ran_out_is_recorded_before_the_refusal(db: TestDb) {
    let house = House::on(db.handle()).await;
    let day = std::time::Duration::from_hours(24);
    house.rule(|policy| policy.rules.default_grant_lifetime = Some(day / 2)).await;
    import(&house, &[row("One").phone(ONE).says(GRANTED)]).await;
    house.clock.advance(day / 2);
    house.rule(|_| {}).await;
    assert_eq!(counts(&opt_out(&house, &[no(ONE).at(START)]).await), [(1, 0)]);
    let told: Vec<_> =
        house.ledger().await.iter().map(|c| (c.cause, c.claimed_at.is_some())).collect();
    assert_eq!(told, [(Cause::Imported, false), (Cause::Expired, false), (Cause::Imported, true)]);
}

both_databases!(MIGRATIONS =>
    whoever_has_the_address_refuses_and_nobody_else,
    what_nobody_has_is_kept_for_whoever_comes_with_it,
    a_list_that_comes_again_changes_nothing,
    a_dirty_row_is_told_and_what_can_be_read_of_it_is_refused,
    nothing_but_a_refusal_comes_of_a_list_and_a_dry_run_tells_it,
    a_batch_that_is_sent_again_is_answered_as_it_was,
    a_list_is_of_one_business_and_of_who_may_import,
    a_grant_that_ran_out_is_recorded_before_the_refusal,
);
