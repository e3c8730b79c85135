//! Transfer, demotion and removal at the same time keep exactly one owner (TRAPS 7).

use consent_settings::MIGRATIONS;
use futures::FutureExt;
use futures::future::{BoxFuture, join_all};
use tonic::{Code, Status};
use yinyom_proto::settings::v1 as pb;
use yinyom_proto::types::v1::Role;
use yinyom_testkit::TestDb;

use crate::world::{World, business_of, to_role};

const ROUNDS: usize = 6;

async fn everything_at_once_keeps_exactly_one_owner(db: TestDb) {
    let world = World::start(db).await;
    for _ in 0..ROUNDS {
        let (_, owner) = world.business(pb::Plan::Gold).await;
        let mut colleagues = Vec::new();
        for _ in 0..3 {
            colleagues.push(world.colleague(&owner, Role::Admin).await);
        }
        let client = world.member(&owner).businesses;
        let attempts = colleagues.iter().flat_map(|colleague| {
            let transfer = pb::TransferOwnershipRequest {
                name: business_of(&owner),
                new_owner: colleague.name.clone(),
                request_id: String::new(),
            };
            let removal =
                pb::DeleteMemberRequest { name: colleague.name.clone(), ..Default::default() };
            let demotion = to_role(colleague, Role::User);
            let (mut a, mut b, mut c) = (client.clone(), client.clone(), client.clone());
            let attempts: [BoxFuture<'static, Result<(), Status>>; 3] = [
                async move { a.transfer_ownership(transfer).await.map(drop) }.boxed(),
                async move { b.update_member(demotion).await.map(drop) }.boxed(),
                async move { c.delete_member(removal).await.map(drop) }.boxed(),
            ];
            attempts
        });
        for refused in join_all(attempts).await.into_iter().filter_map(Result::err) {
            let known = [
                Code::PermissionDenied,
                Code::NotFound,
                Code::FailedPrecondition,
                Code::InvalidArgument,
            ];
            assert!(known.contains(&refused.code()), "{refused:?}");
        }
        let mut operator = world.service().policy;
        let policy = pb::GetPolicyRequest { name: business_of(&owner) };
        let policy = operator.get_policy(policy).await.unwrap().into_inner().policy.unwrap();
        let owners = policy.members.iter().filter(|member| member.role() == Role::Owner).count();
        assert_eq!(owners, 1, "{:?}", policy.members);
    }
}

/// The owner hands over and, at the same moment, tries to remove the heir: whichever comes second
/// must see the first.
async fn the_heir_is_not_removed_in_the_moment_of_the_transfer(db: TestDb) {
    let world = World::start(db).await;
    for _ in 0..ROUNDS {
        let (_, owner) = world.business(pb::Plan::Gold).await;
        let heir = world.colleague(&owner, Role::User).await;
        let transfer = pb::TransferOwnershipRequest {
            name: business_of(&owner),
            new_owner: heir.name.clone(),
            request_id: String::new(),
        };
        let removal = pb::DeleteMemberRequest { name: heir.name.clone(), ..Default::default() };
        let (mut a, mut b) = (world.member(&owner).businesses, world.member(&owner).businesses);
        let (transferred, removed) =
            tokio::join!(a.transfer_ownership(transfer), b.delete_member(removal));
        assert_ne!(transferred.is_ok(), removed.is_ok(), "{transferred:?} {removed:?}");
    }
}

yinyom_testkit::both_databases!(MIGRATIONS =>
    everything_at_once_keeps_exactly_one_owner,
    the_heir_is_not_removed_in_the_moment_of_the_transfer,
);
