//! The viewer list: list, add, remove.

use std::collections::HashMap;

use uuid::Uuid;
use yinyom_db::Tx;
use yinyom_identity::Caller;
use yinyom_kernel::{BusinessId, MemberId, Violations};

use super::members::not_a_member;
use super::pages::List;
use super::unit::Outcome;
use super::{Asker, CommandError, Commands, Page, PageAsked};
use crate::domain::{Effect, Member, changes, may_edit_viewers};
use crate::store::{StoreError, members};

impl Commands {
    /// A page of the viewer list, by member id.
    pub async fn viewers(
        &self,
        caller: &Caller,
        business: BusinessId,
        asked: &PageAsked,
    ) -> Result<Page<Member>, CommandError> {
        let list = List { name: "viewers", business: Some(business), caller };
        let after = self.page_start(&list, asked)?.map_or(Uuid::nil(), Uuid::from_bytes);
        let (mut tx, _) = self.open(caller, business).await?;
        let rows = members::listed(&mut tx, after, asked.size.fetch()).await?;
        Ok(self.page(&list, asked, rows, |last| last.id.uuid().as_bytes().to_vec()))
    }

    /// Puts members on the viewer list, all or none; those who were asked for, in that order.
    pub async fn add_viewers(
        &self,
        asker: Asker,
        business: BusinessId,
        ids: Vec<MemberId>,
    ) -> Result<Vec<Member>, CommandError> {
        let (caller, wanted) = (asker.caller.clone(), ids.clone());
        let outcome = self
            .change(asker, business, async move |mut unit| {
                may_edit_viewers(&unit.actor)?;
                let added = members::list(&mut unit.tx, &ids, unit.now).await?;
                let listed = listed(&mut unit.tx, &ids).await?;
                if listed.len() < ids.len() {
                    strangers(&ids, &listed)?;
                }
                let effect = if added.is_empty() { Effect::None } else { Effect::Gives };
                Ok(unit.did(listed, effect, changes::of_viewers(&added, true)))
            })
            .await?;
        match outcome {
            Outcome::Fresh(listed) => Ok(listed),
            // Without those who were taken off since.
            Outcome::Repeated(_) => {
                let (mut tx, _) = self.open(&caller, business).await?;
                Ok(listed(&mut tx, &wanted).await?)
            }
        }
    }

    /// Takes members off the viewer list, all or none. Who is not on it is no error.
    pub async fn remove_viewers(
        &self,
        asker: Asker,
        business: BusinessId,
        ids: Vec<MemberId>,
    ) -> Result<(), CommandError> {
        self.change(asker, business, async move |mut unit| {
            may_edit_viewers(&unit.actor)?;
            let removed = members::unlist(&mut unit.tx, &ids, unit.now).await?;
            let effect = if removed.is_empty() { Effect::Stands } else { Effect::Takes };
            Ok(unit.did((), effect, changes::of_viewers(&removed, false)))
        })
        .await
        .map(drop)
    }
}

/// Those of `ids` that are on the viewer list, in the order of `ids`.
async fn listed(tx: &mut Tx, ids: &[MemberId]) -> Result<Vec<Member>, StoreError> {
    let found = members::among(tx, ids).await?;
    let by_id: HashMap<_, _> = found
        .into_iter()
        .filter(|member| member.listed_at.is_some())
        .map(|member| (member.id, member))
        .collect();
    Ok(ids.iter().filter_map(|id| by_id.get(id)).cloned().collect())
}

/// Refuses those of `ids` that are not among `known`, all of them at once.
fn strangers(ids: &[MemberId], known: &[Member]) -> Result<(), CommandError> {
    let mut wrong = Violations::new();
    for (i, id) in ids.iter().enumerate() {
        if !known.iter().any(|member| member.id == *id) {
            wrong.merge::<()>(Err(not_a_member(format!("members[{i}]"))));
        }
    }
    Ok(wrong.finish(Some(()))?)
}
