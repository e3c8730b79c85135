//! The office: founds a business and changes its rules, one call after the other, each until it is told that it is done.

use std::time::Duration;

use prost_types::FieldMask;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Code, Status};
use uuid::Uuid;
use yinyom_consent::{MEMBERS, Role};
use yinyom_kernel::{BusinessId, MemberId, Name};
use yinyom_proto::settings::v1 as pb;
use yinyom_proto::settings::v1::business_service_client::BusinessServiceClient;
use yinyom_proto::settings::v1::consent_settings_service_client::ConsentSettingsServiceClient;
use yinyom_testkit::tokens::Bearer;

use super::law::{Law, Standing};
use super::{Run, SETTINGS};
use crate::clock::elapsed;
use crate::dice::Dice;
use crate::wire::channel;

/// Milliseconds: at times longer than a call waits for leases, at times so short that it is called again in the middle.
const PATIENCE: &[u64] = &[50, 200, 1_000, 3_000];

/// How a new member stands.
const NEW: Standing = Standing { role: Role::User, listed: false };

type Wire = InterceptedService<Channel, Bearer>;

/// Rules, until nothing goes wrong any more and every directory has heard of it.
pub async fn rule(run: Run) -> turmoil::Result {
    let mut office = Office::found(run).await?;
    while !office.run.board.healed() {
        office.change().await?;
        tokio::time::sleep(office.dice.millis(0..=150)).await;
    }
    while !office.run.all_current() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

struct Office {
    run: Run,
    dice: Dice,
    /// Which settings it talks to, while that answers.
    wire: Channel,
    bearer: Bearer,
    business: BusinessId,
    owner: MemberId,
}

/// One change of the rules.
enum Act {
    List(MemberId),
    Unlist(MemberId),
    Role(MemberId, Role),
    Hire(MemberId),
    Fire(MemberId),
    Enforce(bool),
    HideNotSet(bool),
}

impl Office {
    /// Founds a business that enforces consent.
    async fn found(run: Run) -> Result<Self, crate::Trouble> {
        let dice = Dice::of(run.seed, "office");
        let owner = MemberId::generate();
        let mut office = Self {
            bearer: run.tokens.named("vendor"),
            wire: channel(SETTINGS, dice.clone()),
            business: BusinessId::generate(),
            owner,
            dice,
            run,
        };
        let request = pb::CreateBusinessRequest {
            business: Some(pb::Business {
                display_name: "Baan Suan".to_owned(),
                plan: pb::Plan::Gold.into(),
                ..Default::default()
            }),
            owner_display_name: "Somsri".to_owned(),
            owner_member_id: owner.to_string(),
            request_id: Uuid::now_v7().to_string(),
        };
        let made = office
            .insist(async |wire| {
                BusinessServiceClient::new(wire).create_business(request.clone()).await
            })
            .await?;
        let owner_name = made.owner.unwrap_or_default().name;
        (office.business, office.owner) = MEMBERS.parse(&owner_name)?;
        office.bearer = office.run.tokens.member(office.business, office.owner);
        let mut law = Law::default();
        law.members.insert(office.owner, Standing { role: Role::Owner, listed: false });
        office.run.history.propose(law);
        office.run.history.returned(elapsed());
        for _ in 0..3 {
            office.enact(Act::Hire(MemberId::generate())).await?;
        }
        office.enact(Act::Enforce(true)).await?;
        let _ = office.run.business.set(office.business);
        Ok(office)
    }

    /// Changes something.
    async fn change(&mut self) -> Result<(), Status> {
        let law = self.run.history.last();
        let colleagues: Vec<_> =
            law.members.keys().copied().filter(|member| *member != self.owner).collect();
        let Some(member) = (!colleagues.is_empty()).then(|| *self.dice.pick(&colleagues)) else {
            return self.enact(Act::Hire(MemberId::generate())).await;
        };
        let standing = law.members.get(&member).copied().unwrap_or(NEW);
        let act = match self.dice.number(0..=9) {
            0..=3 if standing.listed => Act::Unlist(member),
            0..=3 => Act::List(member),
            4..=5 if standing.role == Role::User => Act::Role(member, Role::Admin),
            4..=5 => Act::Role(member, Role::User),
            6 => Act::Enforce(!law.enforcement),
            7 => Act::HideNotSet(!law.hides_not_set),
            8 => Act::Fire(member),
            _ => Act::Hire(MemberId::generate()),
        };
        self.enact(act).await
    }

    /// Proposes the law that `act` makes, and calls until settings says that it holds.
    async fn enact(&mut self, act: Act) -> Result<(), Status> {
        let mut law = self.run.history.last();
        amend(&mut law, &act);
        self.run.history.propose(law);
        let request_id = Uuid::now_v7().to_string();
        let names = Names { business: self.business };
        self.insist(async |wire| names.call(wire, &act, &request_id).await).await?;
        self.run.history.returned(elapsed());
        Ok(())
    }

    /// Calls again and again, by another way after each failure, until there is an answer that is one.
    async fn insist<T>(
        &mut self,
        mut call: impl AsyncFnMut(Wire) -> Result<tonic::Response<T>, Status>,
    ) -> Result<T, Status> {
        loop {
            let wire = InterceptedService::new(self.wire.clone(), self.bearer.clone());
            let patience = Duration::from_millis(*self.dice.pick(PATIENCE));
            match tokio::time::timeout(patience, call(wire)).await {
                Ok(Ok(answer)) => return Ok(answer.into_inner()),
                Ok(Err(status)) if is_final(&status) => return Err(status),
                Ok(Err(_)) | Err(_) => {}
            }
            self.wire = channel(SETTINGS, self.dice.clone());
            tokio::time::sleep(self.dice.millis(5..=150)).await;
        }
    }
}

/// Whether trying again would not help. The office asks for nothing that settings should refuse.
fn is_final(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::InvalidArgument
            | Code::NotFound
            | Code::AlreadyExists
            | Code::PermissionDenied
            | Code::FailedPrecondition
            | Code::Unauthenticated
            | Code::Unimplemented
    )
}

fn amend(law: &mut Law, act: &Act) {
    let members = &mut law.members;
    match act {
        Act::List(member) => drop(members.entry(*member).and_modify(|m| m.listed = true)),
        Act::Unlist(member) => drop(members.entry(*member).and_modify(|m| m.listed = false)),
        Act::Role(member, role) => drop(members.entry(*member).and_modify(|m| m.role = *role)),
        Act::Hire(member) => drop(members.insert(*member, NEW)),
        Act::Fire(member) => drop(members.remove(member)),
        Act::Enforce(on) => law.enforcement = *on,
        Act::HideNotSet(on) => law.hides_not_set = *on,
    }
}

/// How the business and its members are called.
struct Names {
    business: BusinessId,
}

impl Names {
    fn member(&self, member: MemberId) -> String {
        MEMBERS.format(self.business, member)
    }

    async fn call(
        &self,
        wire: Wire,
        act: &Act,
        request_id: &str,
    ) -> Result<tonic::Response<()>, Status> {
        let parent = Name::format_business(self.business);
        let request_id = request_id.to_owned();
        let mut businesses = BusinessServiceClient::new(wire.clone());
        let mut settings = ConsentSettingsServiceClient::new(wire);
        Ok(match act {
            Act::List(member) => {
                let members = vec![self.member(*member)];
                let request = pb::AddViewersRequest { parent, members, request_id };
                settings.add_viewers(request).await?.map(drop)
            }
            Act::Unlist(member) => {
                let members = vec![self.member(*member)];
                let request = pb::RemoveViewersRequest { parent, members, request_id };
                settings.remove_viewers(request).await?.map(drop)
            }
            Act::Role(member, role) => {
                let name = self.member(*member);
                let member = pb::Member { name, role: role.to_wire(), ..Default::default() };
                let update_mask = Some(only("role"));
                let request =
                    pb::UpdateMemberRequest { member: Some(member), update_mask, request_id };
                businesses.update_member(request).await?.map(drop)
            }
            Act::Hire(member) => {
                let request = pb::CreateMemberRequest {
                    parent,
                    member: Some(pb::Member {
                        display_name: "Anan".to_owned(),
                        role: Role::User.to_wire(),
                        ..Default::default()
                    }),
                    member_id: member.to_string(),
                    request_id,
                };
                businesses.create_member(request).await?.map(drop)
            }
            Act::Fire(member) => {
                let (name, etag) = (self.member(*member), String::new());
                let request = pb::DeleteMemberRequest { name, etag, request_id };
                businesses.delete_member(request).await?.map(drop)
            }
            Act::Enforce(on) => {
                let change =
                    |settings: &mut pb::ConsentSettings| settings.enforcement_enabled = *on;
                let request = self.update("enforcement_enabled", request_id, change);
                settings.update_consent_settings(request).await?.map(drop)
            }
            Act::HideNotSet(on) => {
                let visibility =
                    if *on { pb::NotSetVisibility::Mask } else { pb::NotSetVisibility::Show };
                let change = |settings: &mut pb::ConsentSettings| {
                    settings.set_not_set_visibility(visibility);
                };
                let request = self.update("not_set_visibility", request_id, change);
                settings.update_consent_settings(request).await?.map(drop)
            }
        })
    }

    fn update(
        &self,
        path: &str,
        request_id: String,
        change: impl FnOnce(&mut pb::ConsentSettings),
    ) -> pb::UpdateConsentSettingsRequest {
        let name = format!("{}/consentSettings", Name::format_business(self.business));
        let mut settings = pb::ConsentSettings { name, ..Default::default() };
        change(&mut settings);
        let update_mask = Some(only(path));
        pb::UpdateConsentSettingsRequest {
            consent_settings: Some(settings),
            update_mask,
            request_id,
        }
    }
}

fn only(path: &str) -> FieldMask {
    FieldMask { paths: vec![path.to_owned()] }
}
