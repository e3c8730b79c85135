//! The rights that can be taken away, how, and what shows that one has them.

use tonic::{Code, Status};
use yinyom_proto::settings::v1 as set;
use yinyom_proto::types::v1::Role;
use yinyom_tests::{Person, mask};

use crate::World;
use crate::probe::{Heard, Probe, READS};

/// A right that somebody has or has not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// On the viewer list.
    Listing,
    /// A listed member of the business.
    Membership,
    Admin,
    /// Admin, by being made one and the owner after that, who then gives it away.
    Ownership,
    /// Enforcement is off.
    NoEnforcement,
    /// `not_set_visibility` is `SHOW`.
    NotSetShown,
    /// `members_may_regrant`.
    Regrant,
    /// `shared_address_policy` is `RECORD_ONLY`.
    SharedAddresses,
    /// The protection officer's flag.
    Ledger,
}

impl Right {
    /// Who has it, or has not.
    pub fn holder(self, world: &World) -> Person {
        let business = &world.business;
        match self {
            Self::Listing | Self::Membership => business.listed.clone(),
            Self::Admin | Self::Ownership => business.admin.clone(),
            Self::SharedAddresses => business.owner.clone(),
            Self::Ledger => business.officer.clone(),
            Self::NoEnforcement | Self::NotSetShown | Self::Regrant => business.user.clone(),
        }
    }

    /// What is asked by who has the right; the first is how one knows that it has arrived.
    pub fn probes(self) -> Vec<Probe> {
        let more: &[Probe] = match self {
            Self::Listing | Self::Membership | Self::Admin | Self::Ownership => {
                &[Probe::Check, Probe::Import]
            }
            Self::NoEnforcement => &[Probe::Check],
            Self::NotSetShown => &[],
            Self::Regrant => return vec![Probe::Regrant],
            Self::SharedAddresses => return vec![Probe::Check],
            Self::Ledger => return vec![Probe::Ledger],
        };
        READS.iter().chain(more).copied().collect()
    }

    /// The contact that is asked about. Askers who change one have one each.
    pub async fn contact(self, world: &World) -> String {
        match self {
            Self::NotSetShown => world.unasked.clone(),
            Self::SharedAddresses => world.sharing.clone(),
            Self::Regrant => {
                let contact = world.business.contact(&["+66817777777"], &[]).await.name;
                let no = yinyom_proto::types::v1::ConsentState::Denied;
                world.business.say(&contact, yinyom_proto::types::v1::Channel::Phone, no).await;
                contact
            }
            _ => world.denied.clone(),
        }
    }

    /// Whether what was heard must not be heard by who has not the right.
    pub fn is_broken_by(self, heard: &Heard) -> bool {
        match (self, heard) {
            (_, Heard::Revealed) => true,
            // Who is no member is told nothing at all.
            (Self::Membership, heard) => {
                !matches!(heard, Heard::Refused(_, why) if why == "NOT_FOUND")
            }
            (_, Heard::Hidden | Heard::Refused(..)) => false,
        }
    }

    /// Gives it; that may lag.
    pub async fn give(self, world: &World, by: &Person) {
        match self {
            Self::Listing => self.list(world, by).await,
            Self::Membership => {
                let (parent, id) =
                    self.holder(world).name.split_once("/members/").map(owned).unwrap();
                let member = set::Member {
                    display_name: "พนักงาน".to_owned(),
                    role: Role::User.into(),
                    ..Default::default()
                };
                let request = set::CreateMemberRequest {
                    parent,
                    member: Some(member),
                    member_id: id,
                    ..Default::default()
                };
                let created = by.businesses.clone().create_member(request).await;
                // He is one already in the first round.
                assert!(created.is_ok() || yinyom_tests::reason(created) == "MEMBER_EXISTS");
                self.list(world, by).await;
            }
            Self::Admin => become_(by, &self.holder(world), Role::Admin).await,
            Self::Ownership => {
                become_(by, &self.holder(world), Role::Admin).await;
                transfer(by, &self.holder(world)).await;
            }
            Self::NoEnforcement => rules(world, by, |s| s.enforcement_enabled = false).await,
            Self::NotSetShown => rules(world, by, |s| s.not_set_visibility = 1).await,
            Self::Regrant => rules(world, by, |s| s.members_may_regrant = true).await,
            Self::SharedAddresses => rules(world, by, |s| s.shared_address_policy = 1).await,
            Self::Ledger => flag(by, &self.holder(world), true).await,
        }
    }

    /// Takes it; when this returns it is gone.
    pub async fn take(self, world: &World, by: &Person) {
        let (business, holder) = (&world.business, self.holder(world));
        match self {
            Self::Listing => {
                let request = set::RemoveViewersRequest {
                    request_id: new_id(),
                    parent: business.name.clone(),
                    members: vec![holder.name],
                };
                sure(async || by.settings.clone().remove_viewers(request.clone()).await).await;
            }
            Self::Membership => {
                let (name, request_id) = (holder.name, new_id());
                let request = set::DeleteMemberRequest { name, request_id, ..Default::default() };
                sure(async || by.businesses.clone().delete_member(request.clone()).await).await;
            }
            Self::Admin => become_(by, &holder, Role::User).await,
            Self::Ownership => {
                transfer(&holder, &business.owner).await;
                become_(by, &holder, Role::User).await;
            }
            Self::NoEnforcement => rules(world, by, |s| s.enforcement_enabled = true).await,
            Self::NotSetShown => rules(world, by, |s| s.not_set_visibility = 2).await,
            Self::Regrant => rules(world, by, |_| ()).await,
            Self::SharedAddresses => rules(world, by, |s| s.shared_address_policy = 2).await,
            Self::Ledger => flag(by, &holder, false).await,
        }
    }

    async fn list(self, world: &World, by: &Person) {
        let request = set::AddViewersRequest {
            request_id: new_id(),
            parent: world.business.name.clone(),
            members: vec![self.holder(world).name],
        };
        sure(async || by.settings.clone().add_viewers(request.clone()).await).await;
    }
}

fn owned((parent, id): (&str, &str)) -> (String, String) {
    (parent.to_owned(), id.to_owned())
}

async fn become_(by: &Person, who: &Person, role: Role) {
    let member = set::Member { name: who.name.clone(), role: role.into(), ..Default::default() };
    let request = set::UpdateMemberRequest {
        request_id: new_id(),
        member: Some(member),
        update_mask: Some(mask(&["role"])),
    };
    sure(async || by.businesses.clone().update_member(request.clone()).await).await;
}

async fn flag(by: &Person, who: &Person, protection_officer: bool) {
    let member = set::Member { name: who.name.clone(), protection_officer, ..Default::default() };
    let request = set::UpdateMemberRequest {
        request_id: new_id(),
        member: Some(member),
        update_mask: Some(mask(&["protection_officer"])),
    };
    sure(async || by.businesses.clone().update_member(request.clone()).await).await;
}

async fn transfer(from: &Person, to: &Person) {
    let request = set::TransferOwnershipRequest {
        request_id: new_id(),
        name: from.name.split_once("/members/").unwrap().0.to_owned(),
        new_owner: to.name.clone(),
    };
    sure(async || from.businesses.clone().transfer_ownership(request.clone()).await).await;
}

/// Everything as at the beginning, but for `change`: enforcement on, `SHOW`, no regrant, `RECORD_ONLY`.
async fn rules(world: &World, by: &Person, change: impl Fn(&mut set::ConsentSettings)) {
    let mut settings = set::ConsentSettings {
        name: format!("{}/consentSettings", world.business.name),
        enforcement_enabled: true,
        not_set_visibility: 1,
        shared_address_policy: 1,
        ..Default::default()
    };
    change(&mut settings);
    let paths = [
        "enforcement_enabled",
        "not_set_visibility",
        "members_may_regrant",
        "shared_address_policy",
    ];
    let request = set::UpdateConsentSettingsRequest {
        request_id: new_id(),
        consent_settings: Some(settings),
        update_mask: Some(mask(&paths)),
    };
    sure(async || by.settings.clone().update_consent_settings(request.clone()).await).await;
}

/// Asks until it is answered: on a busy machine an answer may come too late, and then promises nothing.
async fn sure<T>(call: impl AsyncFn() -> Result<T, Status>) -> T {
    loop {
        match call().await {
            Ok(answer) => return answer,
            Err(status) if matches!(status.code(), Code::DeadlineExceeded | Code::Unavailable) => {}
            Err(status) => panic!("{status}"),
        }
    }
}

fn new_id() -> String {
    uuid::Uuid::now_v7().to_string()
}
