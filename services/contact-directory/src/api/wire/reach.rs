//! Whom marketing may reach.

use yinyom_consent::CONTACTS;
use yinyom_kernel::BusinessId;
use yinyom_proto::directory::v1 as pb;

use super::contacts;
use crate::commands::reach::Reached;

/// Those of a message.
pub fn contacts(business: BusinessId, reached: &Reached) -> Vec<pb::ReachableContact> {
    match &reached.seen {
        // Phones and e-mails come one after the other; of one channel there is one of them alone.
        Some(seen) => (contacts::contacts(business, seen).into_iter())
            .map(|contact| pb::ReachableContact {
                contact: contact.name,
                points: contact.phones.into_iter().chain(contact.emails).collect(),
            })
            .collect(),
        None => (reached.contacts.iter())
            .map(|id| pb::ReachableContact {
                contact: CONTACTS.format(business, id),
                points: Vec::new(),
            })
            .collect(),
    }
}
