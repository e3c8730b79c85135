//! Members: create, get, list, update, delete, and the transfer of ownership.

use uuid::Uuid;
use yinyom_identity::{Caller, NotFound};
use yinyom_kernel::{BusinessId, InvalidInput, MemberId, Text};

use super::pages::List;
use super::unit::Outcome;
use super::{Asker, CommandError, Commands, Page, PageAsked};
use crate::domain::{Actor, Effect, Member, MemberPatch, NewMember, Refusal, changes, transfer};
use crate::store::members;

/// The new owner and the old one, who may be gone when a request is repeated.
#[derive(Debug, Clone)]
pub struct Transferred {
    pub new_owner: Option<Member>,
    pub previous_owner: Option<Member>,
}

impl Commands {
    /// Adds a member.
    pub async fn create_member(
        &self,
        asker: Asker,
        business: BusinessId,
        new: NewMember,
    ) -> Result<Member, CommandError> {
        let caller = asker.caller.clone();
        let outcome = self
            .change(asker, business, async move |mut unit| {
                let member = new.admitted(&unit.actor, business, unit.now)?;
                if !members::insert(&mut unit.tx, &member).await? {
                    return Err(Refusal::MemberExists.into());
                }
                let id = member.id.uuid();
                let told = changes::of_member(None, Some(&member));
                Ok(unit.did(member, Effect::Gives, told).made(id))
            })
            .await?;
        match outcome {
            Outcome::Fresh(member) => Ok(member),
            Outcome::Repeated(record) => {
                let id = record.made.first().copied().unwrap_or_default();
                self.member(&caller, business, id.into()).await
            }
        }
    }

    /// Reads a member.
    pub async fn member(
        &self,
        caller: &Caller,
        business: BusinessId,
        id: MemberId,
    ) -> Result<Member, CommandError> {
        let (mut tx, _) = self.open(caller, business).await?;
        Ok(members::get(&mut tx, id).await?.ok_or(NotFound)?)
    }

    /// A page of the members, by id.
    pub async fn members(
        &self,
        caller: &Caller,
        business: BusinessId,
        asked: &PageAsked,
    ) -> Result<Page<Member>, CommandError> {
        let list = List { name: "members", business: Some(business), caller };
        let after = self.page_start(&list, asked)?.map_or(Uuid::nil(), Uuid::from_bytes);
        let (mut tx, _) = self.open(caller, business).await?;
        let rows = members::page(&mut tx, after, asked.size.fetch()).await?;
        Ok(self.page(&list, asked, rows, |last| last.id.uuid().as_bytes().to_vec()))
    }

    /// Changes a member.
    pub async fn update_member(
        &self,
        asker: Asker,
        (business, id): (BusinessId, MemberId),
        etag: String,
        patch: MemberPatch,
    ) -> Result<Member, CommandError> {
        let caller = asker.caller.clone();
        let outcome = self
            .change(asker, business, async move |mut unit| {
                let before = members::get(&mut unit.tx, id).await?.ok_or(NotFound)?;
                before.etag().check(&etag)?;
                let (after, effect) = before.edited(&unit.actor, patch, unit.now)?;
                members::update(&mut unit.tx, &after).await?;
                let told = changes::of_member(Some(&before), Some(&after));
                Ok(unit.did(after, effect, told))
            })
            .await?;
        match outcome {
            Outcome::Fresh(member) => Ok(member),
            Outcome::Repeated(_) => self.member(&caller, business, id).await,
        }
    }

    /// Removes a member, from the viewer list too.
    pub async fn delete_member(
        &self,
        asker: Asker,
        (business, id): (BusinessId, MemberId),
        etag: String,
    ) -> Result<(), CommandError> {
        self.change(asker, business, async move |mut unit| {
            let member = members::get(&mut unit.tx, id).await?.ok_or(NotFound)?;
            member.etag().check(&etag)?;
            member.may_be_removed_by(&unit.actor)?;
            members::delete(&mut unit.tx, id).await?;
            let told = changes::of_member(Some(&member), None);
            Ok(unit.did((), Effect::Takes, told))
        })
        .await
        .map(drop)
    }

    /// Makes another member the owner, and the owner an admin.
    pub async fn transfer_ownership(
        &self,
        asker: Asker,
        business: BusinessId,
        heir: MemberId,
    ) -> Result<Transferred, CommandError> {
        let caller = asker.caller.clone();
        let outcome = self
            .change(asker, business, async move |mut unit| {
                unit.actor.must_own()?;
                let heir = members::get(&mut unit.tx, heir).await?;
                let heir = heir.ok_or_else(|| not_a_member("new_owner"))?;
                let (new, previous) = transfer(&unit.actor, &heir, unit.now)?;
                // In this order: the index allows one owner at any moment.
                members::update(&mut unit.tx, &previous).await?;
                members::update(&mut unit.tx, &new).await?;
                let mut told = changes::of_member(Some(&heir), Some(&new));
                if let Actor::Member(owner) = &unit.actor {
                    told.extend(changes::of_member(Some(owner), Some(&previous)));
                }
                let transferred =
                    Transferred { new_owner: Some(new), previous_owner: Some(previous) };
                Ok(unit.did(transferred, Effect::Takes, told))
            })
            .await?;
        match outcome {
            Outcome::Fresh(transferred) => Ok(transferred),
            Outcome::Repeated(_) => {
                let (mut tx, _) = self.open(&caller, business).await?;
                let new_owner = members::get(&mut tx, heir).await?;
                let previous_owner = match caller.member() {
                    Some(caller) => members::get(&mut tx, caller).await?,
                    None => None,
                };
                Ok(Transferred { new_owner, previous_owner })
            }
        }
    }
}

/// Somebody was named who is no member of the business.
pub(super) fn not_a_member(field: impl Into<String>) -> InvalidInput {
    InvalidInput::one(
        field,
        "NOT_A_MEMBER",
        Text::new("is no member of the business.", "ไม่ได้เป็นสมาชิกของธุรกิจนี้"),
    )
}
