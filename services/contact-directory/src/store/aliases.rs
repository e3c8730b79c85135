//! What merged contacts were known by, so that an import finds the one that stayed.

use std::collections::HashMap;

use uuid::Uuid;
use yinyom_db::{DbError, Rows, Tx};
use yinyom_kernel::ContactId;

use super::BusinessKeys;
use crate::domain::contact::{ContactName, ExternalId};

/// What a contact was known by, hashed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Alias {
    kind: i32,
    digest: [u8; 32],
}

const EXTERNAL_ID: i32 = 1;
const NAME: i32 = 2;

impl Alias {
    /// Of an external id.
    pub fn of_external_id(keys: &BusinessKeys, id: &ExternalId) -> Self {
        Self::of_text(keys, id.text().expose())
    }

    fn of_text(keys: &BusinessKeys, external_id: &str) -> Self {
        let digest = keys.digest("yinyom/merged-external-id/v1", &[external_id.as_bytes()]);
        Self { kind: EXTERNAL_ID, digest }
    }

    /// Of a name, whatever its case.
    pub fn of_name(keys: &BusinessKeys, name: &ContactName) -> Self {
        Self { kind: NAME, digest: name_digest(keys, name.sort_key().expose()) }
    }

    /// As bytes: the kind, and the digest.
    pub fn to_bytes(&self) -> Vec<u8> {
        [&self.kind.to_be_bytes()[..], &self.digest].concat()
    }

    /// The other way round.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (kind, digest) = bytes.split_first_chunk()?;
        Some(Self { kind: i32::from_be_bytes(*kind), digest: digest.try_into().ok()? })
    }
}

/// What a case-folded name is found by among those of merged contacts.
pub fn name_digest(keys: &BusinessKeys, sort_name: &str) -> [u8; 32] {
    keys.digest("yinyom/merged-name/v1", &[sort_name.as_bytes()])
}

/// What the contact is known by besides its own.
pub async fn of(tx: &mut Tx, contact: ContactId) -> Result<Vec<Alias>, DbError> {
    let found = tx
        .scoped(
            "SELECT kind, digest FROM contact_aliases WHERE business_id = $1 AND contact_id = $2
             ORDER BY kind, digest",
        )
        .bind(contact.uuid())
        .fetch_all::<(i32, Vec<u8>)>()
        .await?;
    let alias = |(kind, digest): (i32, Vec<u8>)| {
        Some(Alias { kind, digest: <[u8; 32]>::try_from(digest).ok()? })
    };
    Ok(found.into_iter().filter_map(alias).collect())
}

/// Makes the contact known by these, too.
pub async fn add(tx: &mut Tx, contact: ContactId, aliases: &[Alias]) -> Result<(), DbError> {
    if aliases.is_empty() {
        return Ok(());
    }
    tx.scoped(
        "INSERT INTO contact_aliases (business_id, kind, digest, contact_id)
         SELECT $1, kind, digest, $2 FROM {rows} WHERE true
         ON CONFLICT (business_id, kind, digest, contact_id) DO NOTHING",
    )
    .bind(contact.uuid())
    .rows(rows(aliases))
    .execute()
    .await?;
    Ok(())
}

/// The contact is known by these no more.
pub async fn remove(tx: &mut Tx, contact: ContactId, aliases: &[Alias]) -> Result<(), DbError> {
    if aliases.is_empty() {
        return Ok(());
    }
    tx.scoped(
        "DELETE FROM contact_aliases WHERE business_id = $1 AND contact_id = $2
         AND (kind, digest) IN (SELECT kind, digest FROM {rows})",
    )
    .bind(contact.uuid())
    .rows(rows(aliases))
    .execute()
    .await?;
    Ok(())
}

fn rows(aliases: &[Alias]) -> Rows<'_> {
    Rows::new()
        .ints("kind", aliases.iter().map(|alias| i64::from(alias.kind)))
        .bytes("digest", aliases.iter().map(|alias| &alias.digest[..]))
}

/// Which contacts had others with those external ids merged into them.
pub async fn by_external_id(
    tx: &mut Tx,
    keys: &BusinessKeys,
    external_ids: &[String],
) -> Result<Vec<(String, ContactId)>, DbError> {
    if external_ids.is_empty() {
        return Ok(Vec::new());
    }
    let digests: HashMap<Vec<u8>, &String> =
        external_ids.iter().map(|id| (Alias::of_text(keys, id).digest.to_vec(), id)).collect();
    let wanted: Vec<Vec<u8>> = digests.keys().cloned().collect();
    let found = tx
        .scoped(
            "SELECT digest, contact_id FROM contact_aliases
             WHERE business_id = $1 AND kind = 1 AND digest IN {list}",
        )
        .list(&wanted)
        .fetch_all::<(Vec<u8>, Uuid)>()
        .await?;
    Ok(found
        .into_iter()
        .filter_map(|(digest, id)| Some(((*digests.get(&digest)?).clone(), id.into())))
        .collect())
}

/// Which contacts had others of those case-folded names merged into them.
pub async fn by_name(
    tx: &mut Tx,
    keys: &BusinessKeys,
    names: &[&str],
) -> Result<Vec<(String, ContactId)>, DbError> {
    let digests: HashMap<Vec<u8>, &str> =
        names.iter().map(|name| (name_digest(keys, name).to_vec(), *name)).collect();
    if digests.is_empty() {
        return Ok(Vec::new());
    }
    let wanted: Vec<Vec<u8>> = digests.keys().cloned().collect();
    let found = tx
        .scoped(
            "SELECT digest, contact_id FROM contact_aliases
             WHERE business_id = $1 AND kind = 2 AND digest IN {list}",
        )
        .list(&wanted)
        .fetch_all::<(Vec<u8>, Uuid)>()
        .await?;
    Ok(found
        .into_iter()
        .filter_map(|(digest, id)| Some(((*digests.get(&digest)?).to_owned(), id.into())))
        .collect())
}

/// The fingerprints that an import finds the contact by.
pub async fn fingerprints(tx: &mut Tx, contact: ContactId) -> Result<Vec<Vec<u8>>, DbError> {
    tx.scoped(
        "SELECT fingerprint FROM contact_fingerprints WHERE business_id = $1 AND contact_id = $2
         ORDER BY fingerprint",
    )
    .bind(contact.uuid())
    .scalars()
    .await
}

/// Makes an import find `to` by these of `from`'s fingerprints.
pub async fn move_fingerprints(
    tx: &mut Tx,
    (from, to): (ContactId, ContactId),
    fingerprints: &[Vec<u8>],
) -> Result<(), DbError> {
    if fingerprints.is_empty() {
        return Ok(());
    }
    tx.scoped(
        "UPDATE contact_fingerprints SET contact_id = $3
         WHERE business_id = $1 AND contact_id = $2 AND fingerprint IN {list}",
    )
    .bind(from.uuid())
    .bind(to.uuid())
    .list(fingerprints)
    .execute()
    .await?;
    Ok(())
}
