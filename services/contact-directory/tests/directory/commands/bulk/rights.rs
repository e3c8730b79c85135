//! By whose rights it goes on, who sees it, and what it keeps of whom.

use std::time::Duration;

use contact_directory::MIGRATIONS;
use contact_directory::commands::bulk::{Covers, Said};
use contact_directory::domain::bulk::{BLOCK, Became, State};
use contact_directory::domain::surface::Place;
use contact_directory::store::find::Wanted;
use yinyom_consent::{Actor, Role};
use yinyom_identity::{Caller, ServiceScope};
use yinyom_kernel::{Code, OperationId};
use yinyom_testkit::{TestDb, both_databases};

use super::{
    LIFT, SEALED, became, begin, begin_as, begun, nobody, progress, refused, said, step, to_the_end,
};
use crate::commands::{
    ABSENT, DENIED, EMAIL, GRANTED, MAIL, NOT_SET, NOTE, ONE, PHONE, TWO, address, create,
    evidence, read, request, saying, states, why,
};
use crate::support::House;

both_databases!(MIGRATIONS =>
    who_is_demoted_goes_on_with_what_is_left,
    who_is_removed_goes_on_with_nothing,
    a_service_that_nobody_knows_any_more_goes_on_with_nothing,
    a_filter_finds_what_its_asker_sees_and_is_not_kept,
    others_see_none,
    nothing_personal_outlives_it,
    a_refusal_is_taken_by_everybody_even_while_no_rules_can_be_had,
    what_needs_rules_waits_for_them,
);

async fn who_is_demoted_goes_on_with_what_is_left(db: TestDb) {
    let house = House::on(db.handle()).await;
    let first = saying(&house, &[ONE], &[(PHONE, DENIED)]).await.id;
    let second = saying(&house, &[TWO], &[(PHONE, DENIED)]).await.id;
    let unasked = create(&house, "Unasked", &["0812345673"]).await.id;
    // The first block ends with the first of them, the second begins with the other.
    let mut named = nobody(1, BLOCK - 1);
    named.extend([first, second, unasked]);
    let id = begun(&house, &house.admin, &named, &[(PHONE, GRANTED)]).await;
    step(&house).await;
    let member = house.admin.member().unwrap();
    house.rule(|policy| policy.members.get_mut(&member).unwrap().role = Role::User).await;
    to_the_end(&house).await;
    assert_eq!(progress(&house, id).await.0, State::Succeeded);
    assert!(matches!(became(&house, id, first).await, Some(Became::Recorded(_))));
    assert_eq!(became(&house, id, second).await, refused(LIFT), "as an admin no more");
    assert!(matches!(became(&house, id, unasked).await, Some(Became::Recorded(_))));
    let ledger = house.ledger().await;
    let role = |contact| match &ledger.iter().rfind(|of| of.contact == contact).unwrap().actor {
        Actor::Member { role, .. } => *role,
        Actor::Service { .. } => None,
    };
    assert_eq!((role(first), role(unasked)), (Some(Role::Admin), Some(Role::User)));
}

async fn who_is_removed_goes_on_with_nothing(db: TestDb) {
    let house = House::on(db.handle()).await;
    let (first, second) =
        (create(&house, "A", &[ONE]).await.id, create(&house, "B", &[TWO]).await.id);
    let mut named = nobody(1, BLOCK - 1);
    named.extend([first, second]);
    let id = begun(&house, &house.user, &named, &[(PHONE, DENIED)]).await;
    step(&house).await;
    house.remove(&house.user).await;
    to_the_end(&house).await;
    let done = i64::try_from(BLOCK).unwrap();
    assert_eq!(progress(&house, id).await, (State::Stopped, done + 1, 1, done - 1));
    assert_eq!(states(&house, &read(&house, first).await).0, DENIED, "what was done stays");
    assert_eq!(states(&house, &read(&house, second).await).0, NOT_SET);
    assert_eq!(became(&house, id, second).await, None);
}

async fn a_service_that_nobody_knows_any_more_goes_on_with_nothing(db: TestDb) {
    let house = House::on(db.handle()).await;
    let contact = create(&house, "A", &[ONE]).await.id;
    let service = House::service(&[ServiceScope::AddressesRead]);
    let word = Said { place: Place::Api, ..said(&[(PHONE, DENIED)]) };
    // This directory was given no caller table.
    let id = begin(&house, &service, Covers::Named(vec![contact]), word).await.unwrap().id;
    to_the_end(&house).await;
    assert_eq!(progress(&house, id).await, (State::Stopped, 1, 0, 0));
    assert_eq!(states(&house, &read(&house, contact).await).0, NOT_SET);
}

async fn a_filter_finds_what_its_asker_sees_and_is_not_kept(db: TestDb) {
    let house = House::on(db.handle()).await;
    let hidden = saying(&house, &[ONE], &[(PHONE, DENIED)]).await.id;
    let seen = saying(&house, &[TWO], &[(PHONE, GRANTED)]).await.id;
    let by_phone = |text: &str| {
        Covers::Matching(Wanted { addresses: vec![address(text)], ..Wanted::default() })
    };
    let word = || said(&[(EMAIL, DENIED)]);
    // The number that is hidden, and one that nobody has.
    for guess in [ONE, "0899999999"] {
        let found = begin(&house, &house.user, by_phone(guess), word()).await.unwrap();
        assert_eq!(found.total, 0, "a mask hides from filters, too");
    }
    assert_eq!(begin(&house, &house.user, by_phone(TWO), word()).await.unwrap().total, 1);
    assert_eq!(begin(&house, &house.owner, by_phone(ONE), word()).await.unwrap().total, 1);
    let by_state = Wanted { state: Some(DENIED), channel: Some(PHONE), ..Wanted::default() };
    let id = begin(&house, &house.user, Covers::Matching(by_state), word()).await.unwrap().id;
    to_the_end(&house).await;
    assert!(became(&house, id, hidden).await.is_some() && became(&house, id, seen).await.is_none());
    let kept: Vec<(Vec<u8>, Vec<u8>)> = house
        .rows(
            "SELECT o.word, b.contacts FROM operations o JOIN operation_blocks b
                 ON b.business_id = o.business_id AND b.operation_id = o.operation_id
             WHERE o.business_id = $1",
        )
        .await;
    let kept: Vec<u8> = kept.into_iter().flat_map(|(word, ids)| [word, ids].concat()).collect();
    for address in ["+66812345671", "+66812345672"] {
        assert!(!kept.windows(address.len()).any(|part| part == address.as_bytes()));
    }
    // Each of these was a look-up: a caller's are counted, whichever way they ask.
    let mut told = Vec::new();
    for _ in 0..30 {
        told.push(begin(&house, &house.user, by_phone(ONE), word()).await);
        to_the_end(&house).await;
    }
    assert_eq!(why(told.pop().unwrap()), (Code::ResourceExhausted, "LOOKUP_RATE_LIMITED"));
}

async fn others_see_none(db: TestDb) {
    let house = House::on(db.handle()).await;
    let contact = create(&house, "A", &[ONE]).await.id;
    let id = begun(&house, &house.listed, &[contact], &[(PHONE, DENIED)]).await;
    let service = House::service(&[ServiceScope::AddressesRead]);
    for (by, sees) in [
        (&house.owner, true),
        (&house.admin, true),
        (&house.listed, true),
        (&house.user, false),
        (&service, false),
    ] {
        let session = house.session(by).await;
        let directory = &house.directory;
        let listed = directory.operations(&session, by, None, None, 10).await.unwrap().items.len();
        assert_eq!(listed, usize::from(sees));
        if sees {
            assert_eq!(directory.operation(&session, by, id).await.unwrap().total, 1);
            continue;
        }
        assert_eq!(why(directory.operation(&session, by, id).await), ABSENT);
        assert_eq!(why(directory.cancel_operation(&session, by, id).await), ABSENT);
        assert_eq!(why(directory.delete_operation(&session, by, id).await), ABSENT);
        assert_eq!(why(directory.bulk_results(&session, by, id, false, None, 10).await), ABSENT);
    }
    let stranger = house.neighbour().await;
    let other =
        Caller::Member { business: stranger.business(), member: house.owner.member().unwrap() };
    assert_eq!(why(house.directory.operation(&stranger, &other, id).await), ABSENT);
    assert_eq!(progress(&house, id).await.0, State::Running, "none of them ended it");
    house.lapse();
    // Whether there is one or not: who is what is not known at present. The own ones are.
    let session = house.session(&house.admin).await;
    let unknown = (Code::Unavailable, "POLICY_UNAVAILABLE");
    for id in [id, OperationId::generate()] {
        assert_eq!(why(house.directory.operation(&session, &house.admin, id).await), unknown);
    }
    let own = house.session(&house.listed).await;
    assert!(house.directory.operation(&own, &house.listed, id).await.is_ok());
}

async fn nothing_personal_outlives_it(db: TestDb) {
    let house = House::on(db.handle()).await;
    let contact = create(&house, "Somchai", &[ONE]).await.id;
    let word = Said { evidence: evidence(), ..said(&[(PHONE, DENIED)]) };
    let wanted = Wanted { addresses: vec![address(ONE)], ..Wanted::default() };
    let sent = request("bulk", ONE.as_bytes());
    let covers = Covers::Matching(wanted);
    begin_as(&house, &house.owner, covers, word, Some(sent)).await.unwrap();
    assert_eq!(house.count(SEALED).await, 1, "until it has ended");
    let all = async || -> Vec<u8> {
        let rows: Vec<(Vec<u8>, Option<Vec<u8>>)> =
            house.rows("SELECT word, sealed FROM operations WHERE business_id = $1").await;
        rows.into_iter()
            .flat_map(|(word, sealed)| [word, sealed.unwrap_or_default()].concat())
            .collect()
    };
    let holds =
        |bytes: &[u8], text: &str| bytes.windows(text.len()).any(|part| part == text.as_bytes());
    let kept = all().await;
    assert!(!holds(&kept, NOTE) && !holds(&kept, "A-17") && !holds(&kept, "+66812345671"));
    to_the_end(&house).await;
    assert_eq!(house.count(SEALED).await, 0);
    house.directory.erase_subject(&house.owner, (house.business, contact), None).await.unwrap();
    let fingerprints =
        "SELECT COUNT(*) FROM requests WHERE business_id = $1 AND length(fingerprint) > 0";
    assert_eq!(house.count(fingerprints).await, 0, "nor what was asked for by number");
}

async fn a_refusal_is_taken_by_everybody_even_while_no_rules_can_be_had(db: TestDb) {
    let house = House::on(db.handle()).await;
    let masked = saying(&house, &[ONE], &[(PHONE, DENIED)]).await.id;
    let free = saying(&house, &[TWO, MAIL], &[(PHONE, GRANTED), (EMAIL, GRANTED)]).await.id;
    let both = [(PHONE, DENIED), (EMAIL, DENIED)];
    let id = begun(&house, &house.user, &[masked, free], &both).await;
    house.lapse();
    to_the_end(&house).await;
    house.speak(Duration::from_secs(1)).await;
    assert_eq!(progress(&house, id).await, (State::Succeeded, 2, 2, 0));
    assert_eq!(states(&house, &read(&house, free).await), (DENIED, DENIED));
}

async fn what_needs_rules_waits_for_them(db: TestDb) {
    let house = House::on(db.handle()).await;
    let masked = saying(&house, &[ONE], &[(PHONE, DENIED)]).await.id;
    let id = begun(&house, &house.owner, &[masked], &[(PHONE, GRANTED)]).await;
    house.lapse();
    for _ in 0..3 {
        to_the_end(&house).await;
        house.clock.advance(Duration::from_secs(2));
    }
    house.speak(Duration::from_secs(2)).await;
    assert_eq!(
        progress(&house, id).await,
        (State::Running, 1, 0, 0),
        "refused it would be for ever"
    );
    to_the_end(&house).await;
    assert_eq!(progress(&house, id).await, (State::Succeeded, 1, 1, 0));
}
