//! Changing the addresses of a contact, and what follows from that.

use yinyom_consent::ByChannel;
use yinyom_db::Tx;
use yinyom_kernel::PointId;
use yinyom_outbox::Event;

use super::contacts::settle;
use super::{Change, Error, record};
use crate::domain::carry::{Coming, carry};
use crate::domain::points::{Point, WantedPoint, plan};
use crate::domain::{Contact, View, delete, guard};
use crate::store::{contacts, refused};

/// Points that shall be what somebody wants.
pub(super) struct Points<'a> {
    pub change: &'a Change<'a>,
    pub view: &'a View,
    pub wanted: ByChannel<Option<Vec<WantedPoint>>>,
}

impl Points<'_> {
    /// Makes it so, with what that does to the consent.
    pub async fn apply(
        self,
        tx: &mut Tx,
        contact: &mut Contact,
        events: &mut Vec<Event>,
    ) -> Result<(), Error> {
        if self.wanted.iter().all(|(_, wanted)| wanted.is_none()) {
            return Ok(());
        }
        let Change { keys, now, .. } = *self.change;
        guard::refuse_masked(self.view, &contact.consents, contact.has_address(), now)?;
        let mut wrong = yinyom_kernel::Violations::new();
        let plans = self.wanted.map(|channel, wanted| {
            let existing: Vec<_> = contact.points_of(channel).cloned().collect();
            wanted.and_then(|wanted| wrong.nest("contact", plan(channel, &existing, &wanted)))
        });
        let plans = wrong.finish(Some(plans))?;
        let mut coming = ByChannel::<Coming>::default();
        for (channel, plan) in plans.iter() {
            let Some(plan) = plan else { continue };
            let addresses: Vec<_> = plan.coming().collect();
            let refused = refused::refused(tx, keys, &addresses).await?;
            *coming.get_mut(channel) =
                Coming { any: !addresses.is_empty(), refused: !refused.is_empty() };
            let leaves = |point: &&Point| {
                plan.removed.contains(&point.id) || plan.changed.iter().any(|c| c.id == point.id)
            };
            if delete::keeps_refusal(contact.consents.get(channel), now) {
                // Else the refusal would be forgotten once the contact is deleted without it.
                let left: Vec<_> =
                    contact.points.iter().filter(leaves).map(|p| &p.address).collect();
                refused::keep(tx, keys, contact.id, &left, now.as_microsecond()).await?;
            }
            contacts::remove_points(tx, contact.id, &plan.removed).await?;
            let added = (plan.added.iter().cloned())
                .map(|address| Point { id: PointId::generate(), address });
            let written: Vec<_> = plan.changed.iter().cloned().chain(added).collect();
            let rows: Vec<_> = written.iter().map(|point| (contact.id, point)).collect();
            contacts::insert_points(tx, keys, &rows).await?;
            let replaced = |point: &Point| {
                plan.removed.contains(&point.id) || written.iter().any(|new| new.id == point.id)
            };
            contact.points.retain(|point| !replaced(point));
            contact.points.extend(written);
            contact.points.sort_unstable_by_key(|point| point.id);
        }
        events.extend(settle(self.change, contact)?);
        for outcome in carry(&contact.consents, coming, now) {
            events.push(record(self.change, contact, outcome)?);
        }
        Ok(())
    }
}
