//! May we use it? For many contacts at once.

use std::collections::HashMap;

use yinyom_consent::Channel;
use yinyom_identity::Caller;
use yinyom_kernel::ContactId;

use super::{Directory, Error, Session};
use crate::domain::check::{Check, check};
use crate::domain::viewer::may_use_address_equality;
use crate::store::check as rows;

impl Directory {
    /// Whether marketing may use `channel` of each of `contacts`, in their order. `None` is a contact that the
    /// business does not have.
    pub async fn check(
        &self,
        session: &Session,
        caller: &Caller,
        channel: Channel,
        contacts: &[ContactId],
    ) -> Result<Vec<Option<Check>>, Error> {
        may_use_address_equality(session.view().viewer(), session.view().rules())?;
        let heeds_others = session.view().rules().heeds_others();
        // Where other contacts do not matter there is one statement, which sees one moment.
        let mut tx = if heeds_others {
            self.db.snapshot(session.scope).await?
        } else {
            self.db.read(session.scope).await?
        };
        let found = rows::channels(&mut tx, channel, contacts, heeds_others).await?;
        drop(tx);
        let view = session.look(self, caller).await?;
        may_use_address_equality(view.viewer(), view.rules())?;
        // What was read under a policy that heeds others less than the one that holds now is no answer.
        if view.rules().shared_address_policy != session.view().rules().shared_address_policy {
            return Err(crate::domain::Refusal::PolicyUnavailable.into());
        }
        let now = self.now();
        let checks: HashMap<_, _> = (found.into_iter())
            .map(|row| (row.contact, check(&row.consent, row.reach, view.rules(), now)))
            .collect();
        Ok(contacts.iter().map(|contact| checks.get(contact).copied()).collect())
    }
}
