//! A merge is undone: both are what they were, and nobody's refusal is forgotten by it.

use std::time::Duration;

use contact_directory::MIGRATIONS;
use contact_directory::commands::Error;
use contact_directory::commands::leads::LeadPatch;
use contact_directory::commands::merges::{MergeRetention, Undone, forget_ended};
use contact_directory::domain::Contact;
use contact_directory::domain::merge::Since;
use contact_directory::store::merges;
use yinyom_consent::{ByChannel, Cause, SurfaceParent};
use yinyom_identity::Caller;
use yinyom_kernel::{Clock, Code, ContactId, MergeId};
use yinyom_testkit::{TestDb, both_databases};

use super::accounts::account;
use super::counts::{Dice, assert_kept};
use super::leads::{lead, link};
use super::merges::{addresses, merge, merged};
use super::{
    ABSENT, DENIED, EMAIL, GRANTED, MAIL, NOT_SET, ONE, PHONE, TWO, causes, create, everything,
    grant_for, new, no_points, number, points, read, request, saying, set, states, stranger,
    update, why, withdrawal, word,
};
use crate::support::House;

both_databases!(MIGRATIONS =>
    both_are_what_they_were,
    what_was_refused_since_holds_for_both,
    every_way_to_say_something_is_noted,
    points_that_changed_since_stay_where_they_are,
    a_lead_and_an_account_since_stay_with_the_survivor,
    an_external_id_goes_back,
    the_latest_is_undone_first,
    what_can_be_undone_no_more_is_forgotten,
    a_masked_point_refuses_it,
    absent_and_foreign_merges_are_alike,
    a_request_takes_effect_once,
    no_refusal_is_lost_to_an_undo_at_the_same_time,
);

const DAY: Duration = Duration::from_hours(24);

pub async fn undo(house: &House, by: &Caller, merge: MergeId) -> Result<Undone, Error> {
    house.directory.undo_merge(&house.session(by).await, merge, String::new(), None).await
}

/// The owner undoes it: the survivor, and who is back.
pub async fn undone(house: &House, merge: MergeId) -> (Contact, Contact) {
    let undone = undo(house, &house.owner, merge).await.unwrap();
    let contact = |of| undone.contact(of).unwrap().clone();
    (contact(&undone.survivor), contact(&undone.restored))
}

/// What a contact is, but for what every change changes.
fn as_it_is(contact: &Contact) -> Contact {
    let at = contact.created_at;
    Contact { revision: 0, consent_seq: 0, updated_at: at, ..contact.clone() }
}

async fn both_are_what_they_were(db: TestDb) {
    let house = House::on(db.handle()).await;
    let session = house.session(&house.owner).await;
    let survivor = saying(&house, &[ONE, MAIL], &[(PHONE, GRANTED), (EMAIL, DENIED)]).await;
    let mut of = new("Chai", &[ONE, TWO]);
    of.external_id = number("C-7");
    let made = house.directory.create_contact(&session, of, None).await.unwrap().now.unwrap();
    let absorbed = grant_for(&house, made.id, PHONE, 9 * DAY).await;
    let (theirs, both) = (lead(&house, &absorbed).await, lead(&house, &survivor).await);
    link(&house, &both, &absorbed).await;
    house.pass(DAY).await;

    let (contact, id) = merged(&house, &survivor, &absorbed).await;
    assert_eq!(contact.consents.phone.expires_at, absorbed.consents.phone.expires_at);
    house.pass(DAY).await;
    let (one, two) = undone(&house, id).await;
    assert_eq!(as_it_is(&one), as_it_is(&survivor));
    assert_eq!(as_it_is(&two), as_it_is(&absorbed));
    assert_eq!((&one, &two), (&read(&house, one.id).await, &read(&house, two.id).await));
    assert!(one.revision > contact.revision && two.revision > absorbed.revision);

    let now = house.directory.lead(&session, theirs.id).await.unwrap();
    assert_eq!((now.primary_contact, now.revision), (absorbed.id, theirs.revision + 2));
    let of = async |id| {
        let page = house.directory.contacts_of_lead(&session, id, None, 9).await.unwrap();
        page.items.into_iter().map(|contact| contact.id).collect::<Vec<_>>()
    };
    assert_eq!((of(theirs.id).await, of(both.id).await.len()), (vec![absorbed.id], 2));
    assert_eq!(
        causes(&house, one.id).await,
        [Cause::Created, Cause::Set, Cause::Merged, Cause::MergeUndone,]
    );
    let ledger = house.ledger().await;
    let last = |of: ContactId| ledger.iter().rfind(|change| change.contact == of).unwrap();
    assert_eq!(last(two.id).cause, Cause::MergeUndone);
    assert_eq!(last(two.id).surface_parent, Some(SurfaceParent::Contact(one.id)));
    assert_eq!(last(one.id).surface_parent, Some(SurfaceParent::Contact(two.id)));
    assert!(last(two.id).channels.iter().all(|of| of.from.is_none()));
    for table in [
        "SELECT COUNT(*) FROM merges WHERE business_id = $1",
        "SELECT COUNT(*) FROM contact_aliases WHERE business_id = $1",
        "SELECT COUNT(*) FROM departed_contacts WHERE business_id = $1",
    ] {
        assert_eq!(house.count(table).await, 0, "{table}");
    }
    assert_kept(&house).await;
    // And again, the other way round.
    let (_, id) = merged(&house, &two, &one).await;
    let (back, other) = undone(&house, id).await;
    assert_eq!((as_it_is(&other), as_it_is(&back)), (as_it_is(&one), as_it_is(&two)));
}

async fn what_was_refused_since_holds_for_both(db: TestDb) {
    let house = House::on(db.handle()).await;
    let granted = [(PHONE, GRANTED), (EMAIL, GRANTED)];
    let survivor = saying(&house, &[ONE, MAIL], &granted).await;
    let absorbed = saying(&house, &[TWO], &granted).await;
    let (_, id) = merged(&house, &survivor, &absorbed).await;
    house.pass(DAY).await;
    super::say(&house, &house.user, word(survivor.id, withdrawal(&[PHONE]))).await.unwrap();
    set(&house, &house.owner, survivor.id, &[(PHONE, GRANTED), (EMAIL, NOT_SET)]).await.unwrap();
    house.pass(DAY).await;
    set(&house, &house.owner, survivor.id, &[(EMAIL, GRANTED)]).await.unwrap();
    let (one, two) = undone(&house, id).await;
    for contact in [one, two] {
        assert_eq!(states(&house, &contact), (DENIED, NOT_SET), "whose yes it was nobody knows");
        assert!(contact.consents.phone.refused_before);
    }
    assert_kept(&house).await;
}

/// What the trigger notes is what the stream says, whoever says it and however.
async fn every_way_to_say_something_is_noted(db: TestDb) {
    use contact_directory::api::wire::import::lines;
    use contact_directory::commands::expiries::Expiries;
    use yinyom_proto::directory::v1::ImportRow;

    let house = House::on(db.handle()).await;
    for seed in 0..12 {
        let mut dice = Dice(seed);
        let survivor = saying(&house, &[ONE, MAIL], &[(PHONE, GRANTED), (EMAIL, GRANTED)]).await;
        let patch = contact_directory::commands::contacts::ContactPatch {
            external_id: Some(number(&format!("S-{seed}"))),
            ..Default::default()
        };
        update(&house, &house.owner, survivor.id, patch).await.unwrap();
        let absorbed = grant_for(&house, create(&house, "A", &[TWO]).await.id, PHONE, DAY).await;
        let (contact, id) = merged(&house, &survivor, &absorbed).await;
        for _ in 0..4 {
            house.pass(DAY / 3).await;
            let channel = dice.of(&[PHONE, EMAIL]);
            let state = dice.of(&[GRANTED, NOT_SET, DENIED]);
            match dice.below(6) {
                0 => {
                    let said = word(survivor.id, withdrawal(&[channel]));
                    super::say(&house, &house.user, said).await.unwrap();
                }
                1 | 2 => {
                    drop(
                        set(&house, &house.owner, survivor.id, &[(channel, state)]).await.unwrap(),
                    );
                }
                3 => {
                    let patch = points(&[(None, dice.of(&["0811111111", "new@example.com"]))]);
                    update(&house, &house.owner, survivor.id, patch).await.unwrap();
                }
                4 => drop(Expiries::new(house.directory.clone()).record_due().await.unwrap()),
                _ => {
                    let row = ImportRow {
                        external_id: format!("S-{seed}"),
                        first_name: "Somchai".to_owned(),
                        phone_consent: state.to_wire(),
                        ..ImportRow::default()
                    };
                    let rows = lines(&[row]);
                    let import = house.directory.import(&house.owner, house.business, rows, None);
                    import.await.unwrap();
                }
            }
        }
        let ledger = house.ledger().await;
        let since =
            ledger.iter().filter(|it| it.contact == survivor.id && it.seq > contact.consent_seq);
        let said = Since::of(since.flat_map(|it| it.channels.iter().map(|of| (it.cause, of))));
        let mut tx = house.db.read(house.scope()).await.unwrap();
        let noted = merges::find(&mut tx, id).await.unwrap().unwrap().since;
        drop(tx);
        assert_eq!(noted.map(|_, it| it.refused), said.map(|_, it| it.refused), "{seed}");
        let held = |it: ByChannel<Since>| it.map(|_, it| it.refused || it.asked_anew);
        assert_eq!(held(noted), held(said), "{seed}");
    }
}

async fn points_that_changed_since_stay_where_they_are(db: TestDb) {
    let house = House::on(db.handle()).await;
    let survivor = create(&house, "Somchai", &[ONE]).await;
    let absorbed = create(&house, "Chai", &[ONE, TWO, "0899999999", MAIL]).await;
    let (contact, id) = merged(&house, &survivor, &absorbed).await;
    let of =
        |text: &str| contact.points.iter().find(|p| p.address == super::address(text)).unwrap().id;
    // The second is mended, the third removed, a fourth is new.
    let wanted =
        points(&[(Some(of(ONE)), ONE), (Some(of(TWO)), "0822222222"), (None, "0833333333")]);
    update(&house, &house.owner, contact.id, wanted).await.unwrap();
    let (one, two) = undone(&house, id).await;
    assert_eq!(addresses(&one), ["+66812345671", "+66822222222", "+66833333333"]);
    assert_eq!(addresses(&two), ["+66812345671", "one@example.com"]);
    let own = |text: &str| absorbed.points.iter().find(|p| p.address == super::address(text));
    for text in [ONE, MAIL] {
        assert!(two.points.contains(own(text).unwrap()), "with its id");
    }
    assert_kept(&house).await;

    let (_, id) = merged(&house, &one, &two).await;
    update(&house, &house.owner, one.id, no_points(PHONE)).await.unwrap();
    let (_, two) = undone(&house, id).await;
    assert_eq!(addresses(&two), ["one@example.com"], "what was removed stays so");
}

async fn a_lead_and_an_account_since_stay_with_the_survivor(db: TestDb) {
    use contact_directory::commands::leads::Link;

    let house = House::on(db.handle()).await;
    let session = house.session(&house.owner).await;
    let (survivor, absorbed) = (create(&house, "1", &[]).await, create(&house, "2", &[]).await);
    let primary = create(&house, "3", &[]).await;
    let [gone, shared, left] =
        [lead(&house, &absorbed).await, lead(&house, &primary).await, lead(&house, &primary).await];
    link(&house, &shared, &absorbed).await;
    link(&house, &left, &absorbed).await;
    let (_, id) = merged(&house, &survivor, &absorbed).await;
    let since = account(&house, "Since").await;
    let add = Link::Add(vec![survivor.id]);
    house.directory.link_account_contacts(&session, since.id, add, None).await.unwrap();
    house.directory.delete_lead(&session, gone.id, String::new(), None).await.unwrap();
    let remove = Link::Remove(vec![survivor.id]);
    house.directory.link_lead_contacts(&session, left.id, remove, None).await.unwrap();
    let patch = LeadPatch { primary_contact: Some(survivor.id), ..LeadPatch::default() };
    house.directory.update_lead(&session, shared.id, patch, String::new(), None).await.unwrap();
    undone(&house, id).await;
    let of = async |id| {
        let page = house.directory.contacts_of_lead(&session, id, None, 9).await.unwrap();
        page.items.len()
    };
    let now = house.directory.lead(&session, shared.id).await.unwrap();
    assert_eq!(now.primary_contact, survivor.id, "it was made that since");
    assert_eq!((of(shared.id).await, of(left.id).await), (3, 1));
    let page = house.directory.contacts_of_account(&session, since.id, None, 9).await.unwrap();
    assert_eq!(page.items.iter().map(|it| it.id).collect::<Vec<_>>(), [survivor.id]);
}

async fn an_external_id_goes_back(db: TestDb) {
    let house = House::on(db.handle()).await;
    let session = house.session(&house.owner).await;
    let patch = |id: &str| contact_directory::commands::contacts::ContactPatch {
        external_id: Some(number(id)),
        ..Default::default()
    };
    for (since, survivors, restoreds) in
        [(None, "", "C-7"), (Some("D-1"), "D-1", "C-7"), (Some(""), "", "C-7")]
    {
        let survivor = create(&house, "Somchai", &[]).await;
        let mut of = new("Chai", &[]);
        of.external_id = number("C-7");
        let absorbed = house.directory.create_contact(&session, of, None).await.unwrap();
        let absorbed = absorbed.now.unwrap();
        let (_, id) = merged(&house, &survivor, &absorbed).await;
        if let Some(since) = since {
            update(&house, &house.owner, survivor.id, patch(since)).await.unwrap();
        }
        let (one, two) = undone(&house, id).await;
        assert_eq!((&one.external_id, &two.external_id), (&number(survivors), &number(restoreds)));
        for contact in [one, two] {
            super::delete(&house, &house.owner, contact.id).await.unwrap();
        }
    }
}

async fn the_latest_is_undone_first(db: TestDb) {
    let house = House::on(db.handle()).await;
    let [a, b, c, d] = [
        saying(&house, &[ONE], &[(PHONE, GRANTED)]).await,
        saying(&house, &[TWO], &[(PHONE, GRANTED)]).await,
        saying(&house, &["0833333333"], &[(PHONE, DENIED)]).await,
        create(&house, "D", &[MAIL]).await,
    ];
    let (_, first) = merged(&house, &a, &b).await;
    let (_, second) = merged(&house, &a, &c).await;
    let not_latest = (Code::FailedPrecondition, "MERGE_NOT_LATEST");
    assert_eq!(why(undo(&house, &house.owner, first).await), not_latest);
    let (whole, third) = merged(&house, &d, &a).await;
    assert_eq!(addresses(&whole).len(), 4);
    for inner in [first, second] {
        assert_eq!(why(undo(&house, &house.owner, inner).await), ABSENT, "its survivor is merged");
    }
    house.pass(DAY).await;
    set(&house, &house.owner, d.id, &[(EMAIL, DENIED)]).await.unwrap();
    let (_, back) = undone(&house, third).await;
    assert_eq!(states(&house, &back), (DENIED, DENIED));
    let (_, back) = undone(&house, second).await;
    assert_eq!(states(&house, &back), (DENIED, DENIED));
    let (one, two) = undone(&house, first).await;
    for contact in [one, two] {
        assert_eq!(states(&house, &contact), (GRANTED, DENIED), "whose it was since, nobody knows");
        assert_eq!((addresses(&contact).len(), contact.merges), (1, 0));
    }
    assert_kept(&house).await;
}

async fn what_can_be_undone_no_more_is_forgotten(db: TestDb) {
    let mut house = House::on(db.handle()).await;
    let [a, b, c] = [
        create(&house, "A", &[]).await,
        create(&house, "B", &[]).await,
        create(&house, "C", &[]).await,
    ];
    let (_, early) = merged(&house, &a, &b).await;
    house.pass(20 * DAY).await;
    let (_, late) = merged(&house, &a, &c).await;
    let kept = "SELECT COUNT(*) FROM merges WHERE business_id = $1
                AND record IS NOT NULL AND subject_key IS NOT NULL AND seal_key IS NOT NULL";
    let forget = async |house: &House| {
        forget_ended(&house.db, house.clock.now().as_microsecond()).await.unwrap()
    };
    assert_eq!((forget(&house).await, house.count(kept).await), (0, 2));
    house.pass((10 * DAY).saturating_sub(Duration::from_micros(1))).await;
    undone(&house, late).await;
    let (_, late) = merged(&house, &a, &read(&house, c.id).await).await;
    house.pass(Duration::from_micros(1)).await;
    let expired = (Code::FailedPrecondition, "MERGE_EXPIRED");
    assert_eq!(why(undo(&house, &house.owner, early).await), expired, "forgotten or not");
    assert_eq!((forget(&house).await, house.count(kept).await), (1, 1));
    assert_eq!(why(undo(&house, &house.owner, early).await), expired);
    house.pass(30 * DAY).await;
    assert_eq!((forget(&house).await, house.count(kept).await), (1, 0));
    assert_eq!(why(undo(&house, &house.owner, late).await), expired);
    assert_eq!(house.count("SELECT COUNT(*) FROM merges WHERE business_id = $1").await, 2);
    let due = "SELECT COUNT(*) FROM due_work WHERE business_id = $1 AND kind = 'merges'";
    assert_eq!(house.count(due).await, 0);

    house.directory = house.directory.clone().with_merge_retention(MergeRetention { days: 0 });
    let (one, two) = (create(&house, "X", &[]).await, create(&house, "Y", &[]).await);
    let (_, never) = merged(&house, &one, &two).await;
    assert_eq!(why(undo(&house, &house.owner, never).await), expired);
}

async fn a_masked_point_refuses_it(db: TestDb) {
    let house = House::on(db.handle()).await;
    let survivor = saying(&house, &[ONE], &[(PHONE, GRANTED)]).await;
    let absorbed = saying(&house, &[TWO], &[(PHONE, DENIED)]).await;
    let (_, id) = merged(&house, &survivor, &absorbed).await;
    let before = everything(&house).await;
    let masked = (Code::PermissionDenied, "CONTACT_POINT_MASKED");
    assert_eq!(why(undo(&house, &house.user, id).await), masked);
    update(&house, &house.owner, survivor.id, no_points(PHONE)).await.unwrap();
    let lifts = (Code::PermissionDenied, "CANNOT_LIFT_OWN_MASK");
    assert_eq!(why(undo(&house, &house.user, id).await), lifts);
    assert_eq!(everything(&house).await.len(), before.len());
}

async fn absent_and_foreign_merges_are_alike(db: TestDb) {
    let house = House::on(db.handle()).await;
    let (one, two) = (create(&house, "One", &[ONE]).await, create(&house, "Two", &[TWO]).await);
    let (_, id) = merged(&house, &one, &two).await;
    let before = everything(&house).await;
    assert_eq!(why(undo(&house, &house.owner, MergeId::generate()).await), ABSENT);
    let theirs = stranger(&house).await;
    assert_eq!(why(house.directory.undo_merge(&theirs, id, String::new(), None).await), ABSENT);
    let page = house.directory.find_merges(&theirs, None, None, 9).await.unwrap();
    assert!(page.items.is_empty());
    let session = house.session(&house.user).await;
    let old = yinyom_kernel::Etag::of(99).to_string();
    let refused = house.directory.undo_merge(&session, id, old, None).await;
    assert_eq!(why(refused), (Code::Aborted, "ETAG_MISMATCH"));
    assert_eq!(everything(&house).await, before);
    let page = house.directory.find_merges(&session, Some(one.id), None, 9).await.unwrap();
    let told = &page.items[0];
    assert_eq!((told.merge.id, told.merge.absorbed), (id, two.id));
    assert_eq!(told.was.as_ref().map(|(name, _)| name), Some(&two.name));
    super::delete(&house, &house.owner, one.id).await.unwrap();
    assert_eq!(why(undo(&house, &house.owner, id).await), ABSENT, "its survivor is gone");
    assert!(house.directory.find_merges(&session, None, None, 9).await.unwrap().items.is_empty());
}

async fn a_request_takes_effect_once(db: TestDb) {
    let house = House::on(db.handle()).await;
    let (one, two) = (create(&house, "One", &[ONE]).await, create(&house, "Two", &[TWO]).await);
    let (_, id) = merged(&house, &one, &two).await;
    let (session, asked) = (house.session(&house.owner).await, request("UndoMerge", b"it"));
    let send = || house.directory.undo_merge(&session, id, String::new(), Some(asked.clone()));
    let first = send().await.unwrap();
    let after = everything(&house).await;
    let again = send().await.unwrap();
    assert_eq!((first.survivor, first.restored), (again.survivor, again.restored));
    assert_eq!(again.contact(&again.restored).map(|contact| contact.id), Some(two.id));
    assert_eq!(everything(&house).await, after);
    merged(&house, &one, &two).await;
    let again = send().await.unwrap();
    assert!(again.contact(&again.restored).is_none(), "nothing is shown of who is gone");
}

async fn no_refusal_is_lost_to_an_undo_at_the_same_time(db: TestDb) {
    let house = House::on(db.handle()).await;
    for _ in 0..6 {
        let survivor = saying(&house, &[ONE], &[(PHONE, GRANTED)]).await;
        let absorbed = saying(&house, &[TWO], &[(PHONE, GRANTED)]).await;
        let made = merge(&house, &house.owner, survivor.id, absorbed.id).await.unwrap();
        let before = read(&house, survivor.id).await.consent_seq;
        let (undone, said) = tokio::join!(
            undo(&house, &house.owner, made.id),
            super::say(&house, &house.user, word(survivor.id, withdrawal(&[PHONE]))),
        );
        undone.unwrap();
        let said = said.unwrap().receipt.consent_seq;
        assert_eq!(states(&house, &read(&house, survivor.id).await).0, DENIED);
        let back = states(&house, &read(&house, absorbed.id).await).0;
        // Said of the merged contact, it is of both; of the survivor alone, it is of that.
        assert_eq!(back, if said == before + 1 { DENIED } else { GRANTED });
    }
}
