//! No one lifts a mask from themself, on any path.

use tonic::Code;
use tonic_types::StatusExt;
use yinyom_proto::directory::v1 as dir;
use yinyom_proto::directory::v1::batch_set_contact_consents_result::Result as Row;
use yinyom_proto::types::v1::{Channel, ConsentState};
use yinyom_tests::{assign, mask, reason, refusal};

use crate::masks::seen::expected;
use crate::masks::{EMAIL, PHONE, PHONE_MASK, Rules, STATES, World, get, surface_of};

/// Rules × viewer × old state × new state, alone and as a row of a batch.
pub async fn nobody_lifts_a_mask_from_themself(mut world: World) {
    for rules in [Rules::Show, Rules::Mask, Rules::Off] {
        world.let_users_see(rules).await;
        for (who, viewer) in world.viewers() {
            for (old, new) in STATES.into_iter().flat_map(|old| STATES.map(|new| (old, new))) {
                let contact = world.business.contact(&[PHONE], &[]).await.name;
                world.business.say(&contact, Channel::Phone, old).await;
                let sees = |state| expected(who, rules, state).0;
                let lifts = !sees(old) && sees(new);
                let said = dir::SetContactConsentsRequest {
                    surface: surface_of(who).into(),
                    ..assign(&contact, &[(Channel::Phone, new)])
                };
                let batch = dir::BatchSetContactConsentsRequest {
                    parent: world.business.name.clone(),
                    requests: vec![said.clone()],
                    ..Default::default()
                };
                let what = format!("{who} {rules:?} {old:?} → {new:?}");
                let row = viewer.consents.clone().batch_set_contact_consents(batch).await.unwrap();
                let row = row.into_inner().results.remove(0).result.unwrap();
                if lifts {
                    assert_eq!(refused_row(row), "CANNOT_LIFT_OWN_MASK", "{what}");
                    let refused = viewer.consents.clone().set_contact_consents(said).await;
                    assert_eq!(reason(refused), "CANNOT_LIFT_OWN_MASK", "{what}");
                    let stays = get(&world.business.owner, &contact).await;
                    assert_eq!(stays.phones[0].consent_state(), old, "{what}");
                } else {
                    let said =
                        viewer.consents.clone().set_contact_consents(said).await.expect(&what);
                    let seq = said.into_inner().contact_consents.unwrap().consent_seq;
                    assert_eq!(seq, 4, "{what}: the row before is recorded, too");
                }
            }
        }
    }
    world.house.close().await;
}

fn refused_row(row: Row) -> String {
    match row {
        Row::Refusal(refusal) => refusal.reason,
        Row::ContactConsents(recorded) => panic!("{recorded:?}"),
    }
}

/// Both change or neither, and who is refused is told what is always taken.
pub async fn one_refused_channel_refuses_both(world: World) {
    let contact = world.business.contact(&[PHONE], &[EMAIL]).await.name;
    world.business.say(&contact, Channel::Phone, ConsentState::Denied).await;
    let before = get(&world.business.owner, &contact).await;
    let both = [(Channel::Email, ConsentState::Denied), (Channel::Phone, ConsentState::Granted)];
    let said = assign(&contact, &both);
    let refused = world.business.user.consents.clone().set_contact_consents(said).await;
    let refused = refused.unwrap_err();
    let (code, reason, _) = refusal(&refused);
    assert_eq!((code, &*reason), (Code::PermissionDenied, "CANNOT_LIFT_OWN_MASK"));
    let info = refused.get_details_error_info().unwrap();
    assert_eq!(info.metadata["channels"], "PHONE");
    assert_eq!(
        info.metadata["withdraw_method"],
        "yinyom.directory.v1.ConsentService/WithdrawConsent"
    );
    assert!(refused.message().contains("WithdrawConsent"));
    assert_eq!(before, get(&world.business.owner, &contact).await);
    world.house.close().await;
}

/// One hidden point is enough, whichever channel is edited; a name is nobody's secret.
pub async fn who_cannot_see_a_point_cannot_edit_it(mut world: World) {
    for regrant in [false, true] {
        world.let_members_regrant(regrant).await;
        let contact = world.business.contact(&[PHONE], &[EMAIL]).await.name;
        world.business.say(&contact, Channel::Phone, ConsentState::Denied).await;
        let before = get(&world.business.owner, &contact).await;
        for (who, viewer) in world.viewers() {
            if !matches!(who, "user" | "officer" | "dashboard") {
                continue;
            }
            let seen = get(&viewer, &contact).await;
            for paths in [&["phones"][..], &["emails"], &["first_name", "emails"]] {
                let update = |contact: dir::Contact| dir::UpdateContactRequest {
                    contact: Some(contact),
                    update_mask: Some(mask(paths)),
                    ..Default::default()
                };
                // What was read, sent back as it is: a mask is never written.
                let refused = viewer.contacts.clone().update_contact(update(seen.clone())).await;
                let (code, ..) = refusal(&refused.unwrap_err());
                let masks = paths.contains(&"phones") || who == "dashboard";
                let expected = if masks { Code::InvalidArgument } else { Code::PermissionDenied };
                assert_eq!(code, expected, "{who} {paths:?}");
                // Everything removed, and something added.
                let none = dir::Contact { phones: Vec::new(), emails: Vec::new(), ..seen.clone() };
                let refused = viewer.contacts.clone().update_contact(update(none)).await;
                assert_eq!(reason(refused), "CONTACT_POINT_MASKED", "{who} {paths:?}");
            }
            let delete = dir::DeleteContactRequest { name: contact.clone(), ..Default::default() };
            let refused = viewer.contacts.clone().delete_contact(delete).await;
            assert_eq!(reason(refused), "CONTACT_POINT_MASKED", "{who}");
        }
        assert_eq!(before, get(&world.business.owner, &contact).await, "regrant {regrant}");
    }
    world.house.close().await;
}

/// «Unless the business sets `members_may_regrant`», and no longer than it does.
pub async fn members_may_regrant_where_the_business_lets_them(mut world: World) {
    let contact = world.business.contact(&[PHONE], &[EMAIL]).await.name;
    let user = world.business.user.clone();
    let grant = || assign(&contact, &[(Channel::Phone, ConsentState::Granted)]);
    world.business.say(&contact, Channel::Phone, ConsentState::Denied).await;
    assert_eq!(get(&user, &contact).await.phones[0].value, PHONE_MASK);
    world.let_members_regrant(true).await;
    assert_eq!(
        get(&user, &contact).await.phones[0].value,
        PHONE_MASK,
        "the rule alone shows nothing"
    );
    user.consents.clone().set_contact_consents(grant()).await.unwrap();
    assert_eq!(get(&user, &contact).await.phones[0].value, PHONE);

    world.business.say(&contact, Channel::Phone, ConsentState::Denied).await;
    // When this has returned nobody may any more.
    let off = |settings: &mut yinyom_proto::settings::v1::ConsentSettings| {
        settings.members_may_regrant = false;
    };
    world.business.set_rules(&["members_may_regrant"], off).await;
    let refused = user.consents.clone().set_contact_consents(grant()).await;
    assert_eq!(reason(refused), "CANNOT_LIFT_OWN_MASK");
    world.house.close().await;
}
