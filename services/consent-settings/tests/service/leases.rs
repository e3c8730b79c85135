//! Taking a right away returns only when nobody can use it any more (TRAPS 6).
//!
//! The clock of the service stands still unless a test moves it, so a call that waits for a holder
//! waits for ever: that it returns is always because of what the test did.

use std::sync::Arc;
use std::time::Duration;

use consent_settings::MIGRATIONS;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use uuid::Uuid;
use yinyom_policy::{Membership, Policies, PoliciesConfig, RemoteSource, Standing};
use yinyom_proto::settings::v1 as pb;
use yinyom_proto::types::v1::Role;
use yinyom_testkit::TestDb;

use crate::world::{
    Client, World, add, business_of, ids, member_update, remove, request_id, settings_update,
    to_role,
};

/// A call under way.
type Waiting = JoinHandle<Result<(), Status>>;

fn start<T>(call: impl Future<Output = Result<T, Status>> + Send + 'static) -> Waiting {
    tokio::spawn(async move { call.await.map(drop) })
}

/// The rules as of now.
async fn policy(world: &World, colleague: &pb::Member) -> pb::Policy {
    let request = pb::GetPolicyRequest { name: business_of(colleague) };
    let answer = world.service().policy.get_policy(request).await.unwrap();
    answer.into_inner().policy.unwrap()
}

/// Returns once the rules have another revision than `before`.
async fn committed(world: &World, colleague: &pb::Member, before: i64) -> i64 {
    loop {
        let revision = policy(world, colleague).await.revision;
        if revision != before {
            return revision;
        }
        tokio::task::yield_now().await;
    }
}

/// Fails if `call` returns although nobody has acknowledged. It has the time of many other calls to.
async fn still_waits(world: &World, colleague: &pb::Member, call: &Waiting, what: &str) {
    for _ in 0..20 {
        policy(world, colleague).await;
        assert!(!call.is_finished(), "{what} must not return");
    }
}

/// Every call that takes a right away, with what prepares for it done.
async fn takers(world: &World, owner: &pb::Member) -> Vec<(&'static str, Taker)> {
    let viewer = world.colleague(owner, Role::User).await;
    let removed = world.colleague(owner, Role::User).await;
    let demoted = world.colleague(owner, Role::Admin).await;
    let officer = world.colleague(owner, Role::User).await;
    let mut client = world.member(owner);
    client.settings.add_viewers(add(&[&viewer])).await.unwrap();
    let flag = |on| member_update(&officer, "protection_officer", |m| m.protection_officer = on);
    client.businesses.update_member(flag(true)).await.unwrap();
    let regrant =
        |on| settings_update(owner, "members_may_regrant", |s| s.members_may_regrant = on);
    client.settings.update_consent_settings(regrant(true)).await.unwrap();
    let removal = pb::DeleteMemberRequest { name: removed.name.clone(), ..Default::default() };
    let transfer = pb::TransferOwnershipRequest {
        name: business_of(owner),
        new_owner: demoted.name.clone(),
        request_id: String::new(),
    };
    vec![
        ("viewer removed", Taker::Viewers(remove(&[&viewer]))),
        ("member removed", Taker::Delete(removal)),
        ("demotion", Taker::Member(to_role(&demoted, Role::User))),
        ("flag taken", Taker::Member(flag(false))),
        (
            "enforcement on",
            Taker::Settings(settings_update(owner, "enforcement_enabled", |s| {
                s.enforcement_enabled = true;
            })),
        ),
        (
            "show to mask",
            Taker::Settings(settings_update(owner, "not_set_visibility", |s| {
                s.set_not_set_visibility(pb::NotSetVisibility::Mask);
            })),
        ),
        ("regrant off", Taker::Settings(regrant(false))),
        (
            "most restrictive",
            Taker::Settings(settings_update(owner, "shared_address_policy", |s| {
                s.set_shared_address_policy(pb::SharedAddressPolicy::MostRestrictive);
            })),
        ),
        ("transfer", Taker::Transfer(transfer)),
    ]
}

enum Taker {
    Viewers(pb::RemoveViewersRequest),
    Delete(pb::DeleteMemberRequest),
    Member(pb::UpdateMemberRequest),
    Settings(pb::UpdateConsentSettingsRequest),
    Transfer(pb::TransferOwnershipRequest),
}

impl Taker {
    /// The same once more, if it can succeed twice.
    fn again(&self) -> Option<Self> {
        match self {
            Self::Viewers(request) => Some(Self::Viewers(request.clone())),
            Self::Member(request) => Some(Self::Member(request.clone())),
            Self::Settings(request) => Some(Self::Settings(request.clone())),
            Self::Delete(_) | Self::Transfer(_) => None,
        }
    }

    fn start(self, client: &Client) -> Waiting {
        let Client { mut businesses, mut settings, .. } = client.clone();
        match self {
            Self::Viewers(request) => start(async move { settings.remove_viewers(request).await }),
            Self::Delete(request) => start(async move { businesses.delete_member(request).await }),
            Self::Member(request) => start(async move { businesses.update_member(request).await }),
            Self::Settings(request) => {
                start(async move { settings.update_consent_settings(request).await })
            }
            Self::Transfer(request) => {
                start(async move { businesses.transfer_ownership(request).await })
            }
        }
    }
}

async fn every_right_taken_away_waits_for_a_live_holder_and_for_its_acknowledgement_only(
    db: TestDb,
) {
    let world = World::start(db).await;
    let (business, owner) = world.business(pb::Plan::Gold).await;
    let (mut directory, holder) = (world.service(), Uuid::now_v7());
    let takers = takers(&world, &owner).await;
    for (what, taker) in takers {
        let before = directory.catch_up(holder, 0).await;
        let call = taker.start(&world.member(&owner));
        let after = committed(&world, &owner, before).await;
        // It is told, and says that it has not applied it yet.
        let told = directory.renew(holder, before).await;
        assert_eq!(
            (told.revision, &told.changed_businesses[..]),
            (after, &[business.name.clone()][..])
        );
        still_waits(&world, &owner, &call, what).await;
        directory.renew(holder, after).await;
        call.await.unwrap().unwrap_or_else(|status| panic!("{what}: {status:?}"));
    }
}

async fn giving_a_right_does_not_wait(db: TestDb) {
    let world = World::start(db).await;
    let (_, owner) = world.business(pb::Plan::Gold).await;
    world.enforce(&owner).await;
    // A holder that never applies anything.
    world.service().renew(Uuid::now_v7(), 0).await;
    let user = world.colleague(&owner, Role::User).await;
    let mut client = world.member(&owner);
    client.settings.add_viewers(add(&[&user])).await.unwrap();
    client.businesses.update_member(to_role(&user, Role::Admin)).await.unwrap();
    let off = settings_update(&owner, "enforcement_enabled", |s| s.enforcement_enabled = false);
    client.settings.update_consent_settings(off).await.unwrap();
}

async fn a_holder_that_died_is_waited_for_as_long_as_its_lease_and_no_longer(db: TestDb) {
    let world = World::start(db).await;
    let (_, owner) = world.business(pb::Plan::Gold).await;
    let user = world.colleague(&owner, Role::User).await;
    let mut client = world.member(&owner).settings;
    client.add_viewers(add(&[&user])).await.unwrap();
    let before = world.service().catch_up(Uuid::now_v7(), 0).await;
    let call = start(async move { client.remove_viewers(remove(&[&user])).await });
    committed(&world, &owner, before).await;
    world.clock.advance(Duration::from_millis(1_400));
    still_waits(&world, &owner, &call, "the dead holder may still show what it was given: it")
        .await;
    world.clock.advance(Duration::from_millis(200));
    call.await.unwrap().unwrap();
}

async fn a_holder_that_is_long_gone_holds_up_nobody(db: TestDb) {
    let world = World::start(db).await;
    let (_, owner) = world.business(pb::Plan::Gold).await;
    world.service().renew(Uuid::now_v7(), 0).await;
    world.clock.advance(Duration::from_secs(10));
    world.enforce(&owner).await;
}

/// The second try finds nothing to do. The first one's answer is still outstanding, and so is the
/// right that it takes.
async fn who_finds_the_right_gone_already_waits_too(db: TestDb) {
    let world = World::start(db).await;
    let (_, owner) = world.business(pb::Plan::Gold).await;
    let (mut directory, holder) = (world.service(), Uuid::now_v7());
    for (what, taker) in takers(&world, &owner).await {
        let Some(again) = taker.again() else { continue };
        let before = directory.catch_up(holder, 0).await;
        let call = taker.start(&world.member(&owner));
        let after = committed(&world, &owner, before).await;
        let again = again.start(&world.member(&owner));
        still_waits(&world, &owner, &again, what).await;
        assert!(!call.is_finished());
        directory.renew(holder, after).await;
        call.await.unwrap().unwrap();
        again.await.unwrap().unwrap();
    }
}

async fn a_repeated_request_waits_like_the_first(db: TestDb) {
    let world = World::start(db).await;
    let (_, owner) = world.business(pb::Plan::Gold).await;
    let user = world.colleague(&owner, Role::User).await;
    let mut client = world.member(&owner).settings;
    client.add_viewers(add(&[&user])).await.unwrap();
    let (mut directory, holder) = (world.service(), Uuid::now_v7());
    let before = directory.catch_up(holder, 0).await;
    let request = pb::RemoveViewersRequest { request_id: request_id(), ..remove(&[&user]) };
    let (mut other, again) = (client.clone(), request.clone());
    let first = start(async move { client.remove_viewers(request).await });
    let after = committed(&world, &owner, before).await;
    // The caller loses patience, and asks again.
    first.abort();
    let second = start(async move { other.remove_viewers(again).await });
    still_waits(&world, &owner, &second, "the repeated request").await;
    directory.renew(holder, after).await;
    second.await.unwrap().unwrap();
}

async fn replicas_of_settings_know_each_others_holders(db: TestDb) {
    let world = World::start(db).await;
    let (_, owner) = world.business(pb::Plan::Gold).await;
    let user = world.colleague(&owner, Role::User).await;
    let mut client = world.member(&owner).settings;
    client.add_viewers(add(&[&user])).await.unwrap();
    let replica = world.replica().await;
    let (mut directory, holder) = (replica.service(), Uuid::now_v7());
    let before = directory.catch_up(holder, 0).await;
    let call = start(async move { client.remove_viewers(remove(&[&user])).await });
    let after = committed(&world, &owner, before).await;
    still_waits(&world, &owner, &call, "with a holder at another replica it").await;
    assert_eq!(directory.catch_up(holder, before).await, after);
    call.await.unwrap().unwrap();
}

async fn a_renewal_that_waits_is_answered_by_the_change(db: TestDb) {
    let world = World::start(db).await;
    let (business, owner) = world.business(pb::Plan::Gold).await;
    let (mut directory, holder) = (world.service(), Uuid::now_v7());
    let applied = directory.catch_up(holder, 0).await;
    let request = pb::RenewPolicyLeaseRequest {
        holder: holder.to_string(),
        applied_revision: applied,
        max_wait: Some(prost_types::Duration { seconds: 3_600, nanos: 0 }),
    };
    let renewal = async { directory.policy.renew_policy_lease(request).await };
    let (renewed, _) = tokio::join!(renewal, world.colleague(&owner, Role::User));
    assert_eq!(renewed.unwrap().into_inner().changed_businesses, [business.name]);
}

/// With the copy that the directory and the manager really keep.
async fn no_read_that_starts_after_the_answer_reveals(db: TestDb) {
    let world = World::start(db).await;
    let (_, owner) = world.business(pb::Plan::Gold).await;
    let user = world.colleague(&owner, Role::User).await;
    world.enforce(&owner).await;
    let source = Arc::new(RemoteSource::new(world.connection("directory")));
    let policies = Policies::new(source, world.clock.clone(), PoliciesConfig::default());
    let stop = CancellationToken::new();
    let keeping = tokio::spawn(policies.clone().keep_lease(stop.clone()));
    policies.ready().await;
    let (business, member) = ids(&user.name);
    let mut client = world.member(&owner);
    for _ in 0..5 {
        client.settings.add_viewers(add(&[&user])).await.unwrap();
        client.settings.remove_viewers(remove(&[&user])).await.unwrap();
        let standing = policies.of(business).await;
        assert!(matches!(standing, Standing::Live(_)));
        let Membership::Member(seen) = standing.membership(member) else { panic!("a member") };
        assert!(!seen.listed);
    }
    let removal = pb::DeleteMemberRequest { name: user.name.clone(), ..Default::default() };
    client.businesses.delete_member(removal).await.unwrap();
    assert_eq!(policies.of(business).await.membership(member), Membership::Stranger);
    stop.cancel();
    keeping.await.unwrap();
}

yinyom_testkit::both_databases!(MIGRATIONS =>
    every_right_taken_away_waits_for_a_live_holder_and_for_its_acknowledgement_only,
    giving_a_right_does_not_wait,
    a_holder_that_died_is_waited_for_as_long_as_its_lease_and_no_longer,
    a_holder_that_is_long_gone_holds_up_nobody,
    who_finds_the_right_gone_already_waits_too,
    a_repeated_request_waits_like_the_first,
    replicas_of_settings_know_each_others_holders,
    a_renewal_that_waits_is_answered_by_the_change,
    no_read_that_starts_after_the_answer_reveals,
);
