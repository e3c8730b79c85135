//! Addresses that several contacts have: who is told of them, what, and what another policy would do.

use std::time::Duration;

use contact_directory::MIGRATIONS;
use contact_directory::commands::shared_addresses::SharedAddresses;
use contact_directory::commands::{Asked, Error, Seen};
use contact_directory::domain::check::Check;
use contact_directory::store::shared::{Holders, Wanted};
use yinyom_consent::Channel;
use yinyom_identity::{Caller, ServiceScope};
use yinyom_kernel::{Code, ContactId};
use yinyom_policy::SharedAddressPolicy;
use yinyom_testkit::{TestDb, both_databases};

use super::{
    DENIED, EMAIL, GRANTED, MAIL, NOT_SET, ONE, PHONE, TWO, create, delete, grant_for, saying, why,
};
use crate::support::House;

both_databases!(MIGRATIONS =>
    what_several_contacts_have_is_listed_with_them,
    a_conflict_needs_a_yes_and_a_no,
    pages_go_through_all_of_them_once,
    a_switchboard_is_one_address_with_its_first_contacts,
    who_may_not_rest_on_hidden_addresses_is_told_nothing,
    what_is_shown_by_privilege_alone_is_on_record,
    the_preview_of_a_policy_is_what_checks_would_answer,
);

const HIDDEN: (Code, &str) = (Code::PermissionDenied, "HIDDEN_ADDRESSES");

const ALL: Wanted = Wanted { channel: None, only_conflicts: false };
const CONFLICTS: Wanted = Wanted { channel: None, only_conflicts: true };

async fn list(house: &House, by: &Caller, wanted: Wanted) -> Result<Seen<SharedAddresses>, Error> {
    let session = house.session(by).await;
    let method = "/yinyom.directory.v1.SharedAddressService/ListSharedAddresses";
    let asked = Asked { caller: by, method, call_id: "call" };
    house.directory.shared_addresses(&session, asked, wanted, None, 20).await
}

/// The channel, who has it, and how many of them are not asked, said yes and said no.
type Told = (Channel, Vec<ContactId>, (i64, i64, i64));

async fn told(house: &House, wanted: Wanted) -> Vec<Told> {
    let seen = list(house, &house.owner, wanted).await.unwrap();
    let mut told: Vec<Told> = (seen.what().addresses.iter())
        .map(|of| {
            let Holders { not_set, granted, denied } = of.holders;
            let ids = of.points.iter().map(|(id, _)| *id).collect();
            (of.channel, ids, (not_set, granted, denied))
        })
        .collect();
    told.sort_by_key(|(_, ids, _)| ids.clone());
    told
}

async fn what_several_contacts_have_is_listed_with_them(db: TestDb) {
    let house = House::on(db.handle()).await;
    let mother = saying(&house, &[ONE, MAIL], &[(PHONE, DENIED), (EMAIL, GRANTED)]).await;
    let daughter = saying(&house, &["+66812345671", TWO], &[(PHONE, GRANTED)]).await;
    let alone = saying(&house, &["0899999999"], &[(PHONE, DENIED)]).await;
    let both = vec![mother.id, daughter.id];
    assert_eq!(told(&house, ALL).await, [(PHONE, both.clone(), (0, 1, 1))]);
    assert_eq!(told(&house, Wanted { channel: Some(EMAIL), ..ALL }).await, []);
    let third = create(&house, "Third", &[MAIL]).await;
    assert_eq!(
        told(&house, ALL).await,
        [(PHONE, both, (0, 1, 1)), (EMAIL, vec![mother.id, third.id], (1, 1, 0))]
    );
    delete(&house, &house.owner, daughter.id).await.unwrap();
    delete(&house, &house.owner, third.id).await.unwrap();
    assert_eq!(told(&house, ALL).await, [], "each has its own again: {:?}", alone.id);
}

async fn a_conflict_needs_a_yes_and_a_no(db: TestDb) {
    let house = House::on(db.handle()).await;
    let (one, other) = (create(&house, "One", &[ONE]).await, create(&house, "Other", &[ONE]).await);
    let states = [NOT_SET, GRANTED, DENIED];
    for (a, b) in states.into_iter().flat_map(|a| states.map(|b| (a, b))) {
        for (contact, state) in [(&one, a), (&other, b)] {
            super::set(&house, &house.owner, contact.id, &[(PHONE, state)]).await.unwrap();
        }
        let conflict = matches!((a, b), (GRANTED, DENIED) | (DENIED, GRANTED));
        assert_eq!(told(&house, CONFLICTS).await.len(), usize::from(conflict), "{a:?} {b:?}");
        assert_eq!(told(&house, ALL).await.len(), 1);
    }
    // A yes that has run out is none, recorded or not.
    super::set(&house, &house.owner, other.id, &[(PHONE, DENIED)]).await.unwrap();
    grant_for(&house, one.id, PHONE, Duration::from_hours(1)).await;
    assert_eq!(told(&house, CONFLICTS).await.len(), 1);
    house.pass(Duration::from_hours(1)).await;
    assert_eq!(told(&house, CONFLICTS).await, []);
    assert_eq!(told(&house, ALL).await[0].2, (1, 0, 1));
}

async fn pages_go_through_all_of_them_once(db: TestDb) {
    let house = House::on(db.handle()).await;
    let phones: Vec<_> = (0..7).map(|n| format!("081999000{n}")).collect();
    let addresses: Vec<_> = phones.iter().map(String::as_str).chain([MAIL]).collect();
    create(&house, "One", &addresses).await;
    create(&house, "Other", &addresses).await;
    let session = house.session(&house.owner).await;
    let asked = Asked { caller: &house.owner, method: "/list", call_id: "call" };
    let (mut after, mut seen, mut pages) = (None, Vec::new(), 0);
    loop {
        let page = house.directory.shared_addresses(&session, asked, ALL, after.as_ref(), 3);
        let page = page.await.unwrap().what().clone();
        seen.extend(page.addresses.iter().map(|of| of.points.clone()));
        pages += 1;
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!((pages, seen.len()), (3, 8));
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 8, "each once");
}

async fn a_switchboard_is_one_address_with_its_first_contacts(db: TestDb) {
    let house = House::on(db.handle()).await;
    for _ in 0..60 {
        create(&house, "P", &[ONE]).await;
    }
    let told = told(&house, ALL).await;
    let [(_, ids, counts)] = &told[..] else { panic!("one address") };
    assert_eq!((ids.len(), *counts), (50, (60, 0, 0)));
    assert!(ids.is_sorted());
}

async fn who_may_not_rest_on_hidden_addresses_is_told_nothing(db: TestDb) {
    let house = House::on(db.handle()).await;
    saying(&house, &[ONE], &[(PHONE, GRANTED)]).await;
    create(&house, "P", &[ONE]).await;
    let (scoped, service) = (House::service(&[ServiceScope::AddressesRead]), House::service(&[]));
    let ask = async |caller: &Caller| {
        let session = house.session(caller).await;
        let listed = list(&house, caller, ALL).await.map(drop).map_err(|e| why::<()>(Err(e)));
        let summary = house.directory.shared_address_summary(&session, caller).await;
        let preview = house.directory.preview_shared_address_policy(&session, caller).await;
        let all = [
            listed,
            summary.map(drop).map_err(|e| why::<()>(Err(e))),
            preview.map(drop).map_err(|e| why::<()>(Err(e))),
        ];
        assert_eq!(all[0], all[1]);
        assert_eq!(all[0], all[2]);
        all[0]
    };
    for caller in [&house.owner, &house.admin, &house.listed, &scoped] {
        assert_eq!(ask(caller).await, Ok(()));
    }
    for caller in [&house.user, &service] {
        assert_eq!(ask(caller).await, Err(HIDDEN));
    }
    house.rule(|policy| policy.rules.enforcement = false).await;
    assert_eq!(ask(&house.user).await, Ok(()), "as before enforcement");
    assert_eq!(ask(&service).await, Err(HIDDEN));
    house.rule(|policy| policy.rules.enforcement = true).await;
    // A right that goes while the answer is on its way.
    let session = house.session(&house.listed).await;
    house.rule(|policy| policy.members.values_mut().for_each(|member| member.listed = false)).await;
    let late = house.directory.shared_address_summary(&session, &house.listed).await;
    assert_eq!(why(late), HIDDEN);
    house.lapse();
    assert_eq!(ask(&house.owner).await, Err((Code::Unavailable, "POLICY_UNAVAILABLE")));
}

/// And what is not shown is not.
async fn what_is_shown_by_privilege_alone_is_on_record(db: TestDb) {
    let house = House::on(db.handle()).await;
    let denied = saying(&house, &[ONE, MAIL, TWO], &[(PHONE, DENIED), (EMAIL, DENIED)]).await;
    saying(&house, &[ONE], &[(PHONE, GRANTED)]).await;
    let seen = list(&house, &house.listed, ALL).await.unwrap();
    let of = seen.what().contacts.iter().find(|contact| contact.id == denied.id).unwrap();
    assert_eq!(of.points.len(), 1, "the address that is shared, and no other");
    assert!(seen.look().sights(of).phone.visible);
    let recorded = "SELECT COUNT(*) FROM audit_outbox WHERE business_id = $1";
    assert_eq!(house.count(recorded).await, 1);
}

/// Whom the strict policy stops: contact by contact, as the one rule answers.
async fn the_preview_of_a_policy_is_what_checks_would_answer(db: TestDb) {
    let house = House::on(db.handle()).await;
    let states = [NOT_SET, GRANTED, DENIED];
    for (at, (phone, email)) in states.into_iter().flat_map(|p| states.map(|e| (p, e))).enumerate()
    {
        let own = format!("081888000{at}");
        let all = [&[ONE, MAIL][..], &[ONE, &own], &[MAIL, TWO], &[]];
        for addresses in all {
            saying(&house, addresses, &[(PHONE, phone), (EMAIL, email)]).await;
        }
    }
    let out = create(&house, "Out", &[ONE]).await;
    grant_for(&house, out.id, PHONE, Duration::from_hours(1)).await;
    house.pass(Duration::from_hours(1)).await;
    let ids: Vec<_> = house.contacts().await.iter().map(|contact| contact.id).collect();
    let owner = house.owner.clone();
    let mut answers = Vec::new();
    for policy in [SharedAddressPolicy::RecordOnly, SharedAddressPolicy::MostRestrictive] {
        house.rule(|of| of.rules.shared_address_policy = policy).await;
        let session = house.session(&owner).await;
        let mut of = Vec::new();
        for channel in [PHONE, EMAIL] {
            of.push(house.directory.check(&session, &owner, channel, &ids).await.unwrap());
        }
        answers.push(of);
        let preview =
            house.directory.preview_shared_address_policy(&session, &owner).await.unwrap();
        assert_eq!(preview.current, policy);
    }
    let session = house.session(&owner).await;
    let preview = house.directory.preview_shared_address_policy(&session, &owner).await.unwrap();
    for (at, channel) in [PHONE, EMAIL].into_iter().enumerate() {
        let (loose, strict) = (&answers[0][at], &answers[1][at]);
        let stopped: Vec<_> = (loose.iter().zip(strict))
            .filter(|(_, strict)| **strict == Some(Check::SharedAddressDenied))
            .map(|(loose, _)| loose.unwrap())
            .collect();
        assert!(stopped.len() > 3, "{stopped:?}");
        let told = *preview.stopped.get(channel);
        assert_eq!(told.contacts, i64::try_from(stopped.len()).unwrap());
        let allowed = stopped.iter().filter(|check| check.allowed()).count();
        assert_eq!(told.granted, i64::try_from(allowed).unwrap());
        // Everybody else is answered alike.
        let others =
            loose.iter().zip(strict).filter(|(_, s)| **s != Some(Check::SharedAddressDenied));
        assert!(others.clone().all(|(loose, strict)| loose == strict));
        assert!(others.count() > 3);
    }
}
