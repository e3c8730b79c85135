//! Whom a campaign may reach, and what is done to many at once, as everybody may ask for it.

use yinyom_proto::directory::v1 as dir;
use yinyom_proto::longrunning as lro;
use yinyom_proto::types::v1::{Channel, ConsentState, Surface};
use yinyom_tests::{Person, reason, refusing};

use crate::masks::{PHONE, Rules, World, surface_of};

fn question(world: &World, channel: Channel) -> dir::StreamReachableRequest {
    dir::StreamReachableRequest {
        parent: world.business.name.clone(),
        channel: channel.into(),
        with_addresses: true,
        ..Default::default()
    }
}

/// All that the stream tells, and where it ended.
async fn streamed(
    who: &Person,
    asked: dir::StreamReachableRequest,
) -> Result<(Vec<dir::ReachableContact>, String), tonic::Status> {
    let mut stream = who.reach.clone().stream_reachable(asked).await?.into_inner();
    let (mut all, mut token) = (Vec::new(), String::new());
    while let Some(message) = stream.message().await? {
        all.extend(message.contacts);
        token = message.resume_token;
    }
    Ok((all, token))
}

/// Owner, admin, listed users and scoped services, while enforcement is on; with it off users, too.
pub async fn whom_a_campaign_may_reach_is_told_to_those_who_see_addresses(mut world: World) {
    let yes = world.business.contact(&[PHONE], &["yes@example.co.th"]).await.name;
    let no = world.business.contact(&["0812345679"], &[]).await.name;
    world.business.say(&yes, Channel::Phone, ConsentState::Granted).await;
    world.business.say(&no, Channel::Phone, ConsentState::Denied).await;
    for rules in [Rules::Show, Rules::Off] {
        world.let_users_see(rules).await;
        for (who, viewer) in world.viewers() {
            let told = streamed(&viewer, question(&world, Channel::Phone)).await;
            match (who, rules) {
                ("dashboard", _) | ("user" | "officer", Rules::Mask | Rules::Show) => {
                    assert_eq!(reason(told), "HIDDEN_ADDRESSES", "{who} {rules:?}");
                }
                _ => {
                    let (told, token) = told.unwrap();
                    let [one] = &told[..] else { panic!("{who}: {told:?}") };
                    assert_eq!((&one.contact, one.points.len()), (&yes, 1), "of the channel alone");
                    assert_eq!(one.points[0].value, PHONE, "{who}");
                    let again = dir::StreamReachableRequest {
                        resume_token: token.clone(),
                        ..question(&world, Channel::Phone)
                    };
                    assert_eq!(streamed(&viewer, again.clone()).await.unwrap().0, [], "{who}");
                    // Of another question, and another's.
                    let other = dir::StreamReachableRequest { channel: 2, ..again.clone() };
                    assert_eq!(reason(streamed(&viewer, other).await), "INVALID_PAGE_TOKEN");
                    if who != "admin" {
                        let theirs = streamed(&world.business.admin, again).await;
                        assert_eq!(reason(theirs), "INVALID_PAGE_TOKEN", "{who}");
                    }
                }
            }
        }
    }
    assert_eq!(
        streamed(&world.business.owner, question(&world, Channel::Email)).await.unwrap().0,
        []
    );
    let stranger = streamed(&world.foreigner, question(&world, Channel::Phone)).await;
    assert_eq!(reason(stranger), "NOT_FOUND");
    world.house.close().await;
}

/// Everybody may record what many customers said; nobody finds out by that whose a number is, nor lifts a mask from themself.
pub async fn what_is_done_to_many_at_once_is_done_by_the_rules_of_one(world: World) {
    let hidden = world.business.contact(&[PHONE], &[]).await.name;
    world.business.say(&hidden, Channel::Phone, ConsentState::Denied).await;
    for (who, by) in world.viewers() {
        let sees = !matches!(who, "user" | "officer" | "dashboard");
        let find = |phone: &str| dir::BulkSetContactConsentsRequest {
            filter: Some(dir::ContactFilter { phone: phone.to_owned(), ..Default::default() }),
            surface: surface_of(who).into(),
            ..refusing(&world.business.name)
        };
        let mut found = Vec::new();
        for number in [PHONE, "0899999999"] {
            let begun = by.bulk.clone().bulk_set_contact_consents(find(number)).await.unwrap();
            found.push(done(&by, begun.into_inner()).await.0);
        }
        assert_eq!(found, [i64::from(sees), 0], "{who}");

        let grant = dir::ConsentAssignment {
            channel: Channel::Phone.into(),
            state: ConsentState::Granted.into(),
            expire_time: None,
        };
        let lift = dir::BulkSetContactConsentsRequest {
            contacts: vec![hidden.clone()],
            surface: surface_of(who).into(),
            assignments: vec![grant],
            ..refusing(&world.business.name)
        };
        let begun = by.bulk.clone().bulk_set_contact_consents(lift).await.unwrap().into_inner();
        let name = begun.name.clone();
        // A service without the scope sees nothing before and nothing after: it lifts nothing from itself.
        let may = sees || who == "dashboard";
        assert_eq!(done(&by, begun).await, (i64::from(may), i64::from(!may)), "{who}");
        let asked =
            dir::ListBulkSetResultsRequest { operation: name.clone(), ..Default::default() };
        let results = by.bulk.clone().list_bulk_set_results(asked.clone()).await.unwrap();
        match &results.into_inner().results[0].result {
            Some(dir::bulk_set_result::Result::Refusal(refusal)) => {
                assert_eq!(refusal.reason, "CANNOT_LIFT_OWN_MASK", "{who}");
            }
            told => assert!(may, "{who} {told:?}"),
        }
        let other = world.business.user.clone();
        if who != "user" {
            assert_eq!(reason(other.bulk.clone().list_bulk_set_results(asked).await), "NOT_FOUND");
            let get = lro::GetOperationRequest { name };
            assert_eq!(reason(other.operations.clone().get_operation(get).await), "NOT_FOUND");
        }
        world.business.say(&hidden, Channel::Phone, ConsentState::Denied).await;
    }
    let asked = dir::BulkSetContactConsentsRequest {
        contacts: vec![hidden],
        surface: Surface::Api.into(),
        ..refusing(&world.business.name)
    };
    let stranger = world.foreigner.bulk.clone().bulk_set_contact_consents(asked).await;
    assert_eq!(reason(stranger), "NOT_FOUND");
    world.house.close().await;
}

/// Of how many contacts it is recorded, and of how many not.
async fn done(by: &Person, begun: lro::Operation) -> (i64, i64) {
    let ended = by.waits_for(&begun.name).await;
    let Some(lro::operation::Result::Response(response)) = ended.result else {
        panic!("{ended:?}")
    };
    let response: dir::BulkSetContactConsentsResponse =
        prost::Message::decode(&response.value[..]).unwrap();
    (response.recorded_count, response.refused_count)
}
