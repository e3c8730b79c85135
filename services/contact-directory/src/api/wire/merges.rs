//! Merges.

use yinyom_consent::CONTACTS;
use yinyom_consent::wire::timestamp;
use yinyom_kernel::{BusinessId, ContactId, InvalidInput, MergeId, Name, Text, Violations};
use yinyom_proto::directory::v1 as pb;

use super::contacts::text;
use super::read;
use crate::commands::merges::{Pair, Told};
use crate::domain::contact::ExternalId;

/// `businesses/{business}/merges/{merge}`.
pub const MERGES: Name = Name::of("merges");

/// The name of a merge.
pub fn name(business: BusinessId, id: MergeId) -> String {
    MERGES.format(business, id)
}

/// A merge.
pub fn merge(business: BusinessId, told: &Told) -> pb::Merge {
    let Told { merge, was } = told;
    let (called, external_id) = was.as_ref().map(|(name, id)| (name, id.as_ref())).unzip();
    pb::Merge {
        name: name(business, merge.id),
        survivor: CONTACTS.format(business, merge.survivor),
        absorbed: CONTACTS.format(business, merge.absorbed),
        absorbed_first_name: text(called.and_then(|name| name.first())),
        absorbed_last_name: text(called.and_then(|name| name.last())),
        absorbed_external_id: text(external_id.flatten().map(ExternalId::text)),
        merge_time: Some(timestamp(merge.at)),
        undo_expire_time: Some(timestamp(merge.undo_until)),
    }
}

/// Who shall become one.
pub fn pair(
    business: Option<BusinessId>,
    body: &pb::MergeContactsRequest,
) -> Result<Pair, InvalidInput> {
    let mut wrong = Violations::new();
    let survivor: Option<ContactId> =
        wrong.merge(read::name_in("survivor", CONTACTS, business, &body.survivor));
    let absorbed: Option<ContactId> =
        wrong.merge(read::name_in("absorbed", CONTACTS, business, &body.absorbed));
    let pair = survivor.zip(absorbed);
    if pair.is_some_and(|(survivor, absorbed)| survivor == absorbed) {
        wrong.push(
            "absorbed",
            "SAME_CONTACT",
            Text::new("must be another contact than the survivor.", "ต้องเป็นคนละรายกับ survivor"),
        );
    }
    wrong.finish(pair.map(|(survivor, absorbed)| Pair {
        survivor,
        absorbed,
        survivor_etag: body.survivor_etag.clone(),
        absorbed_etag: body.absorbed_etag.clone(),
    }))
}
