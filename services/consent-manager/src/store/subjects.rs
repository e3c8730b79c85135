//! The contacts' own keys, wrapped by the manager's master key before they come here (TRAPS 10).

use std::collections::HashMap;

use uuid::Uuid;
use yinyom_db::{Rows, Tx};
use yinyom_kernel::{BusinessId, ContactId};
use yinyom_privacy::{DataKey, MasterKeys, context};

use super::StoreError;

/// Keeps the keys of these contacts, each once. A contact that has a key already keeps it: what was sealed before must
/// stay readable.
pub async fn keep(
    tx: &mut Tx,
    masters: &MasterKeys,
    keys: &[(ContactId, DataKey)],
) -> Result<(), StoreError> {
    let business = tx.scope()?.business();
    let wrapped: Vec<_> =
        keys.iter().map(|(contact, key)| masters.wrap(key, &aad(business, *contact))).collect();
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
    rows.into_iter()
        .map(|(contact, wrapped)| {
            let contact = ContactId::from(contact);
            Ok((contact, masters.unwrap(&wrapped, &aad(business, contact))?))
        })
        .collect()
}

/// A wrapped key that is moved to another contact cannot be unwrapped.
fn aad(business: BusinessId, contact: ContactId) -> Vec<u8> {
    context(&[b"subject key", business.uuid().as_bytes(), contact.uuid().as_bytes()])
}
