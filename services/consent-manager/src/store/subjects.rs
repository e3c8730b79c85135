//! The contacts' own keys, wrapped by the manager's master key before they come here (TRAPS 10).

use std::collections::{HashMap, HashSet};

use uuid::Uuid;
use yinyom_db::{DbError, Rows, Tx};
use yinyom_kernel::{BusinessId, ContactId, Scope};
use yinyom_keys::{Replacement, Shelf};
use yinyom_privacy::{DataKey, MasterKeys, context};

use super::StoreError;

/// Keeps the keys of these contacts, each once. A contact that has a key already keeps it: what was sealed before must
/// stay readable.
pub async fn keep(
    tx: &mut Tx,
    masters: &MasterKeys,
    keys: &[(ContactId, DataKey)],
    now: i64,
) -> Result<(), StoreError> {
    let business = tx.scope()?.business();
    let mut wrapped = Vec::with_capacity(keys.len());
    for (contact, key) in keys {
        wrapped.push(masters.wrap(key, &aad(business, contact.uuid())).await?);
    }
    yinyom_keys::hold(tx, masters.active(), now).await?;
    tx.scoped(
        "INSERT INTO subjects (business_id, contact_id, wrapped_key)
         SELECT $1, contact_id, wrapped_key FROM {rows} WHERE true
         ON CONFLICT (business_id, contact_id) DO NOTHING",
    )
    .rows(
        Rows::new()
            .uuids("contact_id", keys.iter().map(|(contact, _)| contact.uuid()))
            .bytes("wrapped_key", wrapped.iter().map(|key| &key[..])),
    )
    .execute()
    .await?;
    Ok(())
}

/// Destroys the keys of these contacts. Their evidence can then be read by nobody; that it was there is still proved.
pub async fn destroy(tx: &mut Tx, contacts: &[Uuid]) -> Result<(), StoreError> {
    tx.scoped("DELETE FROM subjects WHERE business_id = $1 AND contact_id IN {list}")
        .list(contacts)
        .execute()
        .await?;
    Ok(())
}

/// The keys of these contacts; contacts whose key is gone, or was never sent, are left out.
pub async fn open(
    tx: &mut Tx,
    masters: &MasterKeys,
    contacts: &[Uuid],
) -> Result<HashMap<ContactId, DataKey>, StoreError> {
    let business = tx.scope()?.business();
    let rows = tx
        .scoped(
            "SELECT contact_id, wrapped_key FROM subjects
             WHERE business_id = $1 AND contact_id IN {list}",
        )
        .list(contacts)
        .fetch_all::<(Uuid, Vec<u8>)>()
        .await?;
    let mut keys = HashMap::with_capacity(rows.len());
    for (contact, wrapped) in rows {
        let key = masters.unwrap(&wrapped, &aad(business, contact)).await?;
        keys.insert(ContactId::from(contact), key);
    }
    Ok(keys)
}

/// A wrapped key that is moved to another contact cannot be unwrapped.
fn aad(business: BusinessId, contact: Uuid) -> Vec<u8> {
    context(&[b"subject key", business.uuid().as_bytes(), contact.as_bytes()])
}

/// The table, for the rotation of the master key.
#[derive(Debug, Clone, Copy)]
pub struct Subjects;

impl Shelf for Subjects {
    type Id = Uuid;

    async fn businesses(
        self,
        tx: &mut Tx,
        after: Option<Scope>,
        most: i64,
    ) -> Result<Vec<Option<Scope>>, DbError> {
        yinyom_keys::holders(tx, after, most).await
    }

    async fn count(self, tx: &mut Tx) -> Result<Vec<(Vec<u8>, i64)>, DbError> {
        tx.scoped(
            "SELECT substr(wrapped_key, 1, 8), COUNT(*) FROM subjects
             WHERE business_id = $1 GROUP BY 1",
        )
        .fetch_all()
        .await
    }

    async fn page(
        self,
        tx: &mut Tx,
        after: Option<Uuid>,
        most: i64,
    ) -> Result<Vec<(Uuid, Vec<u8>)>, DbError> {
        tx.scoped(
            "SELECT contact_id, wrapped_key FROM subjects
             WHERE business_id = $1 AND contact_id > $2 ORDER BY contact_id LIMIT $3",
        )
        .bind(after.unwrap_or_default())
        .bind(most)
        .fetch_all()
        .await
    }

    fn aad(self, scope: Option<Scope>, id: Uuid) -> Vec<u8> {
        scope.map(|scope| aad(scope.business(), id)).unwrap_or_default()
    }

    async fn replace(
        self,
        tx: &mut Tx,
        replacements: Vec<Replacement<Uuid>>,
    ) -> Result<u64, DbError> {
        let ids: Vec<Uuid> = replacements.iter().map(|of| of.id).collect();
        let lock =
            "SELECT contact_id FROM subjects WHERE business_id = $1 AND contact_id IN {list}";
        let locked: HashSet<Uuid> = tx
            .scoped(lock)
            .list(&ids)
            .for_update_skip_locked()
            .scalars()
            .await?
            .into_iter()
            .collect();
        let ours = || replacements.iter().filter(|of| locked.contains(&of.id));
        tx.scoped(
            "UPDATE subjects SET wrapped_key = batch.fresh FROM {rows}
             WHERE subjects.business_id = $1 AND subjects.contact_id = batch.contact_id
               AND subjects.wrapped_key = batch.stale",
        )
        .rows(
            Rows::new()
                .uuids("contact_id", ours().map(|of| of.id))
                .bytes("stale", ours().map(|of| &of.stale[..]))
                .bytes("fresh", ours().map(|of| &of.fresh[..])),
        )
        .execute()
        .await
    }
}
