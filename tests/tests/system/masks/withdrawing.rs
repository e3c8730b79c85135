//! Withdrawing is as easy as giving (PDPA s.19).

use tonic::Code;
use yinyom_proto::directory::v1 as dir;
use yinyom_proto::settings::v1 as set;
use yinyom_proto::types::v1::{Channel, ConsentState, Surface};
use yinyom_tests::{assign, mask, refusal};

use crate::masks::{EMAIL, PHONE, PHONE_MASK, Rules, STATES, World, get, surface_of, withdrawal};

pub async fn everybody_may_withdraw_whatever_they_see(mut world: World) {
    for rules in [Rules::Show, Rules::Mask, Rules::Off] {
        world.let_users_see(rules).await;
        for (who, viewer) in world.viewers() {
            for state in STATES {
                let contact = world.business.contact(&[PHONE], &[EMAIL]).await.name;
                world.business.say(&contact, Channel::Phone, state).await;
                // Somebody changed it since: what was read then is good enough for a refusal.
                let before = get(&world.business.owner, &contact).await;
                let asked = withdrawal(&contact, surface_of(who));
                let answer = viewer.consents.clone().withdraw_consent(asked).await;
                let said = answer.unwrap().into_inner().contact_consents.unwrap();
                let states: Vec<_> = said.consents.iter().map(dir::ChannelConsent::state).collect();
                let denied = [ConsentState::Denied; 2];
                assert_eq!(states, denied, "{who} {rules:?} {state:?}");
                assert_eq!(said.consent_seq, 3, "one change for both channels");
                assert_ne!(said.etag, before.etag);
                // And once more: it is evidence, renewed.
                let again = withdrawal(&contact, surface_of(who));
                let answer = viewer.consents.clone().withdraw_consent(again).await.unwrap();
                assert_eq!(answer.into_inner().contact_consents.unwrap().consent_seq, 4);
            }
        }
    }
    refused_for_who_and_what_alone(&world).await;
    world.house.close().await;
}

/// «Refused only for identity, unknown contact, malformed request or false surface.»
async fn refused_for_who_and_what_alone(world: &World) {
    let contact = world.business.contact(&[PHONE], &[EMAIL]).await.name;
    let asked = withdrawal(&contact, Surface::Contacts);
    let stranger = world.foreigner.consents.clone().withdraw_consent(asked.clone()).await;
    assert_eq!(refusal(&stranger.unwrap_err()).0, Code::NotFound);
    let vendor = world.house.named("vendor").consents.withdraw_consent(asked.clone()).await;
    assert_eq!(refusal(&vendor.unwrap_err()).1, "RPC_NOT_ALLOWED");
    let by_service = world.house.named("mailer").consents.withdraw_consent(asked).await;
    assert_eq!(refusal(&by_service.unwrap_err()).1, "SURFACE_MISMATCH");
    let nobody = format!("{}/contacts/{}", world.business.name, uuid::Uuid::now_v7());
    let asked = withdrawal(&nobody, Surface::Contacts);
    let answer = world.business.user.consents.clone().withdraw_consent(asked).await;
    assert_eq!(refusal(&answer.unwrap_err()).0, Code::NotFound);
    // A stale etag stops what would change a state, and there is none to stop a refusal.
    let stale = dir::SetContactConsentsRequest {
        etag: "\"0\"".to_owned(),
        ..assign(&contact, &[(Channel::Phone, ConsentState::Denied)])
    };
    let answer = world.business.user.consents.clone().set_contact_consents(stale).await;
    assert_eq!(refusal(&answer.unwrap_err()).1, "ETAG_MISMATCH");
    let asked = withdrawal(&contact, Surface::Contacts);
    world.business.user.consents.clone().withdraw_consent(asked).await.unwrap();
}

/// «A later downgrade reveals nothing», and withdrawal is never plan-gated.
pub async fn a_downgrade_takes_withdrawals_and_reveals_nothing(mut world: World) {
    let contact = world.business.contact(&[PHONE], &[EMAIL]).await.name;
    world.business.say(&contact, Channel::Phone, ConsentState::Denied).await;
    let downgrade = set::UpdateBusinessRequest {
        business: Some(set::Business {
            name: world.business.name.clone(),
            plan: set::Plan::Free.into(),
            ..Default::default()
        }),
        update_mask: Some(mask(&["plan"])),
        ..Default::default()
    };
    world.house.named("vendor").businesses.update_business(downgrade).await.unwrap();
    let user = world.business.user.clone();
    assert_eq!(get(&user, &contact).await.phones[0].value, PHONE_MASK);
    let asked = withdrawal(&contact, Surface::Contacts);
    user.consents.clone().withdraw_consent(asked).await.unwrap();

    // Off is off: without the plan it does not come back.
    world.let_users_see(Rules::Off).await;
    let again = set::UpdateConsentSettingsRequest {
        consent_settings: Some(set::ConsentSettings {
            name: format!("{}/consentSettings", world.business.name),
            enforcement_enabled: true,
            ..Default::default()
        }),
        update_mask: Some(mask(&["enforcement_enabled"])),
        ..Default::default()
    };
    let refused = world.business.owner.settings.update_consent_settings(again).await;
    let (code, reason, _) = refusal(&refused.unwrap_err());
    assert_eq!((code, &*reason), (Code::FailedPrecondition, "PLAN_NOT_ELIGIBLE"));
    world.house.close().await;
}
