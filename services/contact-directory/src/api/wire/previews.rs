//! What other settings would do.

use yinyom_consent::{Channel, MEMBERS};
use yinyom_kernel::{BusinessId, InvalidInput, Text};
use yinyom_policy::{NotSetVisibility, SharedAddressPolicy};
use yinyom_proto::directory::v1 as pb;
use yinyom_proto::settings::v1 as set;

use crate::commands::previews::{PolicyPreview, Preview};
use crate::domain::preview::Tally;

/// Most members that are named.
const MOST_MEMBERS: usize = 1_000;

/// What it would do to sight.
pub fn preview(business: BusinessId, preview: &Preview) -> pb::PreviewVisibilityResponse {
    let named = preview.members.iter().take(MOST_MEMBERS);
    pb::PreviewVisibilityResponse {
        hidden: Some(effect(preview.effect.hidden)),
        shown: Some(effect(preview.effect.shown)),
        members: named.map(|member| MEMBERS.format(business, *member)).collect(),
        member_count: i64::try_from(preview.members.len()).unwrap_or(i64::MAX),
    }
}

const fn effect(tally: Tally) -> pb::VisibilityEffect {
    pb::VisibilityEffect {
        phone_count: tally.points.phone,
        email_count: tally.points.email,
        contact_count: tally.contacts,
    }
}

/// What it would do to checks, were `policy` the one that holds.
pub fn policy_preview(
    preview: &PolicyPreview,
    policy: SharedAddressPolicy,
) -> pb::PreviewSharedAddressPolicyResponse {
    use SharedAddressPolicy::{MostRestrictive, RecordOnly};
    let effects = Channel::ALL.iter().map(|channel| {
        let stopped = *preview.stopped.get(*channel);
        let mut effect = pb::SharedAddressPolicyEffect {
            channel: channel.to_wire(),
            ..pb::SharedAddressPolicyEffect::default()
        };
        match (preview.current, policy) {
            (RecordOnly, MostRestrictive) => {
                effect.denied_contact_count = stopped.contacts;
                effect.lost_contact_count = stopped.granted;
            }
            (MostRestrictive, RecordOnly) => {
                effect.freed_contact_count = stopped.contacts;
                effect.won_contact_count = stopped.granted;
            }
            (RecordOnly, RecordOnly) | (MostRestrictive, MostRestrictive) => {}
        }
        effect
    });
    let current = match preview.current {
        RecordOnly => set::SharedAddressPolicy::RecordOnly,
        MostRestrictive => set::SharedAddressPolicy::MostRestrictive,
    };
    pb::PreviewSharedAddressPolicyResponse {
        current_policy: current.into(),
        effects: effects.collect(),
    }
}

/// Reads a word that may be unset.
pub fn not_set_visibility(number: i32) -> Result<Option<NotSetVisibility>, InvalidInput> {
    match set::NotSetVisibility::try_from(number) {
        Ok(set::NotSetVisibility::Unspecified) => Ok(None),
        Ok(set::NotSetVisibility::Show) => Ok(Some(NotSetVisibility::Show)),
        Ok(set::NotSetVisibility::Mask) => Ok(Some(NotSetVisibility::Mask)),
        Err(_) => Err(unknown()),
    }
}

/// Reads a word that may be unset.
pub fn shared_address_policy(number: i32) -> Result<Option<SharedAddressPolicy>, InvalidInput> {
    match set::SharedAddressPolicy::try_from(number) {
        Ok(set::SharedAddressPolicy::Unspecified) => Ok(None),
        Ok(set::SharedAddressPolicy::RecordOnly) => Ok(Some(SharedAddressPolicy::RecordOnly)),
        Ok(set::SharedAddressPolicy::MostRestrictive) => {
            Ok(Some(SharedAddressPolicy::MostRestrictive))
        }
        Err(_) => Err(unknown()),
    }
}

/// That it is unknown is all that counts: whoever reads the field says it in their own words.
fn unknown() -> InvalidInput {
    InvalidInput::one("", "UNKNOWN_VALUE", Text::new("", ""))
}
