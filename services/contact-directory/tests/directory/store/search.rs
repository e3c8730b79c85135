//! Contacts by what they have and what they said, over what the viewer may see.

use contact_directory::MIGRATIONS;
use contact_directory::domain::order::{Order, OrderKey};
use contact_directory::domain::{Consent, View, Viewer};
use contact_directory::store::find::{self, Wanted};
use yinyom_consent::ConsentState::{Denied, Granted, NotSet};
use yinyom_consent::{Channel, ConsentState};
use yinyom_kernel::ContactId;
use yinyom_policy::{NotSetVisibility, Rules};
use yinyom_testkit::{TestDb, both_databases};

use super::{Store, That, address, contact, said, until};

both_databases!(MIGRATIONS =>
    an_address_is_found_by_who_sees_it_and_by_nobody_else,
    an_address_is_found_whole_and_in_any_format,
    every_address_that_is_asked_for_must_be_there_and_seen,
    a_state_is_the_one_that_counts_at_that_instant,
    an_external_id_is_found_whole,
    conditions_narrow_each_other,
);

const VIEWERS: [Viewer; 6] = [
    Viewer::SeesEverything,
    Viewer::User,
    Viewer::Presumed,
    Viewer::Unknown,
    Viewer::ScopedService,
    Viewer::Service,
];

const SHOW: Rules =
    Rules { enforcement: true, not_set_visibility: NotSetVisibility::Show, ..Rules::INITIAL };
const MASK: Rules = Rules { not_set_visibility: NotSetVisibility::Mask, ..SHOW };
const OFF: Rules = Rules { enforcement: false, ..SHOW };

/// When searches are made, in microseconds.
const NOW: i64 = 5_000_000;

const EVERYTHING: View = View::new(Viewer::SeesEverything, SHOW);

async fn find(store: &Store, wanted: &Wanted, view: &View, now: i64) -> Vec<ContactId> {
    let order = Order { key: OrderKey::Name, descending: false };
    let at = find::At { order, cursor: None, rows: 100, now };
    let keys = store.keys().await;
    let page = find::page(&mut store.read().await, &keys, wanted, view, at).await.unwrap();
    assert_eq!(page.next, None);
    page.items.into_iter().map(|contact| contact.id).collect()
}

fn having(addresses: &[&str]) -> Wanted {
    Wanted { addresses: addresses.iter().map(|text| address(text)).collect(), ..Wanted::default() }
}

/// TRAPS 8: every viewer, under every rule, in every state: what is masked cannot be searched for.
async fn an_address_is_found_by_who_sees_it_and_by_nobody_else(db: TestDb) {
    let store = Store::over(db);
    let states: [(Consent, ConsentState); 6] = [
        (said(Granted), Granted),
        (said(NotSet), NotSet),
        (said(Denied), Denied),
        (until(NOW + 1), Granted),
        (until(NOW), NotSet),
        (until(NOW - 1), NotSet),
    ];
    for phones in [true, false] {
        let shared = if phones { "0812345678" } else { "one@example.com" };
        let people: Vec<_> = (states.iter().enumerate())
            .map(|(n, (consent, _))| {
                // The other channel says the opposite of nothing: it must not count.
                let (phone, email) =
                    if phones { (*consent, said(Granted)) } else { (said(Granted), *consent) };
                contact(&format!("{n}"), "").at(shared).says(phone, email)
            })
            .collect();
        store.put(&people.iter().collect::<Vec<_>>()).await;
        for (viewer, rules) in VIEWERS.into_iter().flat_map(|v| [OFF, SHOW, MASK].map(|r| (v, r))) {
            let view = View::new(viewer, rules);
            let seen =
                people.iter().zip(&states).filter(|(_, (_, state))| view.sight(*state).visible);
            let expected: Vec<_> = seen.map(|(contact, _)| contact.id).collect();
            let found = find(&store, &having(&[shared]), &view, NOW).await;
            assert_eq!(found, expected, "{viewer:?}, {rules:?}");
            if viewer == Viewer::Service && rules.enforcement {
                assert!(found.is_empty(), "sees no address at all");
            }
            let absent = find(&store, &having(&["0899999999"]), &view, NOW).await;
            assert!(absent.is_empty());
        }
    }
}

async fn an_address_is_found_whole_and_in_any_format(db: TestDb) {
    let store = Store::over(db);
    let one = contact("One", "").at("081-234-5678").at("Some.One@Example.com");
    store.put(&[&one, &contact("Other", "").at("0812345670")]).await;
    for written in ["+66 81 234 5678", "๐๘๑๒๓๔๕๖๗๘", "0066812345678", "some.one@EXAMPLE.com"]
    {
        assert_eq!(
            find(&store, &having(&[written]), &EVERYTHING, NOW).await,
            [one.id],
            "{written}"
        );
    }
    for other in ["0812345679", "one@example.com", "someone@example.com"] {
        assert!(find(&store, &having(&[other]), &EVERYTHING, NOW).await.is_empty(), "{other}");
    }
}

async fn every_address_that_is_asked_for_must_be_there_and_seen(db: TestDb) {
    let store = Store::over(db);
    let one = contact("One", "").at("0812345671").at("0812345672").at("one@example.com");
    let one = one.says(said(Granted), said(Denied));
    let other = contact("Other", "").at("0812345671");
    store.put(&[&one, &other]).await;
    let two = having(&["0812345671", "0812345672"]);
    assert_eq!(find(&store, &two, &EVERYTHING, NOW).await, [one.id]);
    let both = having(&["0812345671", "one@example.com"]);
    assert_eq!(find(&store, &both, &EVERYTHING, NOW).await, [one.id]);
    // With the phone in sight, the hidden e-mail cannot be guessed either.
    let user = View::new(Viewer::User, SHOW);
    assert_eq!(find(&store, &having(&["0812345671"]), &user, NOW).await, [one.id, other.id]);
    assert!(find(&store, &both, &user, NOW).await.is_empty());
}

async fn a_state_is_the_one_that_counts_at_that_instant(db: TestDb) {
    let store = Store::over(db);
    let granted = contact("1 granted", "").says(said(Granted), said(NotSet));
    let ends = contact("2 ends", "").says(until(NOW), said(Denied));
    let denied = contact("3 denied", "").says(said(Denied), until(NOW));
    let recorded = Consent { state: NotSet, ..until(NOW) };
    let recorded = contact("4 recorded", "").says(recorded, said(NotSet));
    store.put(&[&granted, &ends, &denied, &recorded]).await;
    let ids = [granted.id, ends.id, denied.id, recorded.id];
    let cases: [(ConsentState, Option<Channel>, i64, &[usize]); 14] = [
        (Granted, Some(Channel::Phone), NOW - 1, &[0, 1]),
        (Granted, Some(Channel::Phone), NOW, &[0]),
        (NotSet, Some(Channel::Phone), NOW - 1, &[3]),
        (NotSet, Some(Channel::Phone), NOW, &[1, 3]),
        (Denied, Some(Channel::Phone), NOW, &[2]),
        (Granted, Some(Channel::Email), NOW - 1, &[2]),
        (Granted, Some(Channel::Email), NOW, &[]),
        (NotSet, Some(Channel::Email), NOW, &[0, 2, 3]),
        (Denied, Some(Channel::Email), NOW, &[1]),
        (Granted, None, NOW - 1, &[0, 1, 2]),
        (Granted, None, NOW, &[0]),
        (NotSet, None, NOW - 1, &[0, 3]),
        (NotSet, None, NOW, &[0, 1, 2, 3]),
        (Denied, None, NOW, &[1, 2]),
    ];
    for (state, channel, now, expected) in cases {
        let wanted = Wanted { state: Some(state), channel, ..Wanted::default() };
        // States are no secret: everybody sees them.
        for viewer in VIEWERS {
            let found = find(&store, &wanted, &View::new(viewer, MASK), now).await;
            let expected: Vec<_> = expected.iter().map(|n| ids[*n]).collect();
            assert_eq!(found, expected, "{state:?} {channel:?} at {now}");
        }
    }
}

async fn an_external_id_is_found_whole(db: TestDb) {
    let store = Store::over(db);
    let one = contact("One", "").number("C-1");
    store.put(&[&one, &contact("Other", "").number("C-10"), &contact("None", "")]).await;
    for (id, expected) in [("C-1", vec![one.id]), ("C-", vec![]), ("c-1", vec![]), ("", vec![])] {
        let wanted = Wanted { external_id: Some(id.to_owned()), ..Wanted::default() };
        assert_eq!(find(&store, &wanted, &EVERYTHING, NOW).await, expected, "{id}");
    }
}

async fn conditions_narrow_each_other(db: TestDb) {
    let store = Store::over(db);
    let one = contact("Anna", "A").number("1").at("0812345671").phone(said(Granted));
    let two = contact("Anna", "B").number("2").at("0812345671").phone(said(Denied));
    let three = contact("Bert", "C").number("3").at("0812345671").phone(said(Granted));
    store.put(&[&one, &two, &three]).await;
    let mut wanted = having(&["0812345671"]);
    assert_eq!(find(&store, &wanted, &EVERYTHING, NOW).await, [one.id, two.id, three.id]);
    wanted.name_prefix = Some("anna".to_owned());
    assert_eq!(find(&store, &wanted, &EVERYTHING, NOW).await, [one.id, two.id]);
    assert_eq!(find(&store, &wanted, &View::new(Viewer::User, MASK), NOW).await, [one.id]);
    (wanted.state, wanted.channel) = (Some(Denied), Some(Channel::Phone));
    assert_eq!(find(&store, &wanted, &EVERYTHING, NOW).await, [two.id]);
    wanted.external_id = Some("1".to_owned());
    assert!(find(&store, &wanted, &EVERYTHING, NOW).await.is_empty());
}
