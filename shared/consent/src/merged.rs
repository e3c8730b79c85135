//! Which contacts are merged into one, by what its own changes say.

use yinyom_kernel::ContactId;

use crate::{Cause, ConsentChange, SurfaceParent};

/// Those that the contact of these changes, which are in order, has absorbed and not let go again, in the order in which they
/// came. That it was absorbed itself, or came back, is told by changes without an end or without a beginning.
pub fn merged_with(changes: &[ConsentChange]) -> Vec<ContactId> {
    let mut merged: Vec<ContactId> = Vec::new();
    for change in changes {
        let Some(SurfaceParent::Contact(other)) = change.surface_parent else { continue };
        let stays = change.channels.iter().any(|carried| carried.to.is_some());
        let stayed = change.channels.iter().any(|carried| carried.from.is_some());
        match change.cause {
            Cause::Merged if stays => merged.push(other),
            Cause::MergeUndone if stayed => merged.retain(|absorbed| *absorbed != other),
            _ => {}
        }
    }
    merged
}

/// Whom the contact was absorbed by, if this change is that.
pub fn merged_into(change: &ConsentChange) -> Option<ContactId> {
    let Some(SurfaceParent::Contact(survivor)) = change.surface_parent else { return None };
    let goes = change.channels.iter().all(|carried| carried.to.is_none());
    (change.cause == Cause::Merged && goes).then_some(survivor)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::ConsentState::Denied;
    use crate::{Actor, Channel, ChannelChange, ConsentState, Surface};
    use jiff::Timestamp;
    use uuid::Uuid;

    fn contact(number: u128) -> ContactId {
        Uuid::from_u128(number).into()
    }

    fn with(
        other: u128,
        cause: Cause,
        (from, to): (Option<ConsentState>, Option<ConsentState>),
    ) -> ConsentChange {
        ConsentChange {
            business: Uuid::from_u128(1).into(),
            contact: contact(2),
            seq: 1,
            recorded_at: Timestamp::UNIX_EPOCH,
            cause,
            surface: Surface::Contacts,
            surface_parent: Some(SurfaceParent::Contact(contact(other))),
            actor: Actor::Service { name: "crm".to_owned() },
            channels: vec![ChannelChange { channel: Channel::Phone, from, to, expires_at: None }],
            method: None,
            notice_version: None,
            claimed_at: None,
            evidence_commitment: None,
        }
    }

    const STAYS: (Option<ConsentState>, Option<ConsentState>) = (Some(Denied), Some(Denied));
    const GOES: (Option<ConsentState>, Option<ConsentState>) = (Some(Denied), None);
    const COMES: (Option<ConsentState>, Option<ConsentState>) = (None, Some(Denied));

    #[test]
    fn whoever_was_let_go_is_merged_no_more() {
        let (three, four) = (with(3, Cause::Merged, STAYS), with(4, Cause::Merged, STAYS));
        assert_eq!(merged_with(&[three.clone(), four.clone()]), [contact(3), contact(4)]);
        let undone = with(4, Cause::MergeUndone, STAYS);
        assert_eq!(merged_with(&[three, four.clone(), undone.clone()]), [contact(3)]);
        assert_eq!(merged_with(&[four.clone(), undone, four]), [contact(4)], "and again");
    }

    #[test]
    fn whoever_was_absorbed_has_absorbed_nobody_by_that() {
        let (gone, back) = (with(5, Cause::Merged, GOES), with(5, Cause::MergeUndone, COMES));
        assert_eq!((merged_into(&gone), merged_into(&back)), (Some(contact(5)), None));
        assert_eq!(merged_into(&with(3, Cause::Merged, STAYS)), None);
        assert_eq!(merged_with(&[with(3, Cause::Merged, STAYS), gone, back]), [contact(3)]);
    }
}
