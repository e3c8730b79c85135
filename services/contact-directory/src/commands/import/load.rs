//! What the rows of a batch may be about, read and locked in a few statements.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use yinyom_db::Tx;
use yinyom_kernel::{AccountId, ContactId};
use yinyom_privacy::{Address, Personal};

use super::rehearsal::Overlay;
use super::{RefusingRow, RejectedRow, Row};
use crate::commands::Error;
use crate::domain::Contact;
use crate::domain::contact::{ExternalId, search_key};
use crate::store::{BusinessKeys, accounts, aliases, contacts, import, leads, refused};

/// The most leads that a batch looks at. Beyond that, a row may make a lead that is there already: nobody has that
/// many of one title from different sources, and nobody shall fill the memory with them.
const MOST_LEADS: i64 = 20_000;

/// What is there, as far as the rows are about it, and what the rows before have made of it.
pub struct Known {
    pub contacts: HashMap<ContactId, Contact>,
    pub by_external_id: HashMap<ExternalId, ContactId>,
    /// Of all contacts that were found; one that is not among `contacts` is not a row's own.
    pub by_fingerprint: HashMap<[u8; 32], ContactId>,
    /// What deleted contacts refused of the rows' addresses.
    pub refused: HashSet<Address>,
    /// What contacts refuse, by their case-folded name: of the rows' names and addresses.
    pub refused_by_namesakes: HashSet<(String, Address)>,
    /// By case-folded name.
    pub accounts: HashMap<String, AccountId>,
    pub links: HashSet<(AccountId, ContactId)>,
    pub leads: HashSet<LeadKey>,
}

/// What makes two leads the same one.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct LeadKey {
    contact: ContactId,
    title: String,
    source: String,
}

impl LeadKey {
    /// The lead of that title and source, whatever their case.
    pub fn of(contact: ContactId, title: &str, source: &str) -> Self {
        Self { contact, title: search_key(title), source: search_key(source) }
    }
}

/// What the rows are read for.
#[derive(Clone, Copy)]
pub enum Purpose<'a> {
    /// To be stored. Nobody else imports into the business or changes the contacts until this unit of work ends.
    Storing,
    /// To be told alone, after the batches that are laid over the store: nothing is locked.
    Telling(&'a Overlay),
}

/// Reads what `rows` may be about.
///
/// Refused addresses are read after the contacts are locked: one that was deleted meanwhile has left them behind.
pub async fn load(
    tx: &mut Tx,
    keys: &BusinessKeys,
    rows: &[Result<Row, Box<RejectedRow>>],
    now: Timestamp,
    purpose: Purpose<'_>,
) -> Result<Known, Error> {
    let rejected = rows.iter().filter_map(|row| row.as_ref().err()?.refuser.as_ref());
    let rejected: Vec<&RefusingRow> = rejected.collect();
    let rows: Vec<&Row> = rows.iter().flatten().collect();
    if matches!(purpose, Purpose::Storing) {
        import::take_turn(tx).await?;
    }
    let accounts = named(tx, &rows, purpose).await?;
    let (wanted, by_fingerprint, merged) = matching(tx, keys, (&rows, &rejected), purpose).await?;
    let found = match purpose {
        Purpose::Storing => contacts::lock(tx, keys, &wanted).await?,
        Purpose::Telling(overlay) => {
            overlay.over(&wanted, contacts::load(tx, keys, &wanted).await?)
        }
    };
    let ids: Vec<_> = found.iter().map(|contact| contact.id).collect();
    let addresses: Vec<_> = rows.iter().flat_map(|row| &row.person.addresses).collect();
    let refused = refused::refused(tx, keys, &addresses).await?;
    let named: Vec<_> = (rows.iter())
        .flat_map(|row| {
            let name = row.person.name.sort_key().into_inner();
            row.person.addresses.iter().map(move |address| (name.clone(), address))
        })
        .collect();
    let namesakes =
        refused::refused_by_namesakes(tx, keys, &named, now.as_microsecond()).await?.into_iter();
    let refused_by_namesakes = match purpose {
        Purpose::Storing => namesakes.map(|(name, address, _)| (name, address)).collect(),
        Purpose::Telling(overlay) => {
            let called: Vec<_> = named.iter().map(|(name, _)| &name[..]).collect();
            let merged = aliases::by_name(tx, keys, &called).await?;
            overlay.over_refusals(&named, &merged, namesakes, now)
        }
    };
    let account_ids: Vec<_> = accounts.values().copied().collect();
    let mut links: HashSet<_> = import::links(tx, &account_ids, &ids).await?.into_iter().collect();
    let mut leads = led(tx, &rows, &ids).await?;
    if let Purpose::Telling(overlay) = purpose {
        links.extend(overlay.links(&ids));
        leads.extend(overlay.leads(&ids));
    }
    // What a contact is called was read again under its lock: a key that it lost meanwhile is not its own. What was merged
    // into it is as it was: merges wait for their turn.
    let merged = merged.into_iter().filter(|(_, id)| ids.contains(id));
    let by_external_id = merged
        .map(|(text, id)| (ExternalId::restore(Personal::new(text)), id))
        .chain(found.iter().filter_map(|contact| Some((contact.external_id.clone()?, contact.id))))
        .collect();
    Ok(Known {
        by_external_id,
        by_fingerprint,
        contacts: found.into_iter().map(|contact| (contact.id, contact)).collect(),
        refused,
        refused_by_namesakes,
        accounts,
        links,
        leads,
    })
}

/// The accounts that the rows name; of several with one name, the oldest.
async fn named(
    tx: &mut Tx,
    rows: &[&Row],
    purpose: Purpose<'_>,
) -> Result<HashMap<String, AccountId>, Error> {
    let names: HashSet<_> =
        rows.iter().filter_map(|row| row.person.account.as_deref().map(search_key)).collect();
    if names.is_empty() {
        return Ok(HashMap::new());
    }
    let names: Vec<_> = names.into_iter().collect();
    let found = match purpose {
        Purpose::Storing => accounts::lock_named(tx, &names).await?,
        Purpose::Telling(_) => accounts::named(tx, &names).await?,
    };
    let mut accounts = HashMap::new();
    for account in found {
        accounts.entry(search_key(&account.display_name)).or_insert(account.id);
    }
    if let Purpose::Telling(overlay) = purpose {
        for (name, id) in overlay.accounts(&names) {
            accounts.entry(name).or_insert(id);
        }
    }
    Ok(accounts)
}

/// Which leads that the rows may name are there, of the contacts that were found.
async fn led(
    tx: &mut Tx,
    rows: &[&Row],
    contacts: &[ContactId],
) -> Result<HashSet<LeadKey>, Error> {
    let leads = rows.iter().filter_map(|row| row.person.lead.as_ref());
    let titles: HashSet<_> = leads.map(|lead| search_key(&lead.title)).collect();
    if titles.is_empty() || contacts.is_empty() {
        return Ok(HashSet::new());
    }
    let titles: Vec<_> = titles.into_iter().collect();
    let found = leads::of_primary(tx, contacts, &titles, MOST_LEADS).await?;
    let key = |(contact, title, source): (_, String, String)| LeadKey::of(contact, &title, &source);
    Ok(found.into_iter().map(key).collect())
}

/// Which contacts the rows are about, and whose the rows' fingerprints are.
async fn matching(
    tx: &mut Tx,
    keys: &BusinessKeys,
    (rows, rejected): (&[&Row], &[&RefusingRow]),
    purpose: Purpose<'_>,
) -> Result<Matching, Error> {
    let whom = rows.iter().map(|row| (row.person.external_id.as_ref(), Some(row.fingerprint)));
    let whom = whom.chain(rejected.iter().map(|row| (row.external_id.as_ref(), row.fingerprint)));
    let external_ids: Vec<String> = (whom.clone())
        .filter_map(|(external_id, _)| external_id)
        .map(|id| id.text().expose().clone())
        .collect();
    let fingerprints: Vec<_> = whom.clone().filter_map(|(_, fingerprint)| fingerprint).collect();
    let mut by_external_id = contacts::by_external_id(tx, &external_ids).await?;
    let merged = aliases::by_external_id(tx, keys, &external_ids).await?;
    by_external_id.extend(merged.iter().cloned());
    let mut by_fingerprint = refused::by_fingerprint(tx, &fingerprints).await?;
    if let Purpose::Telling(overlay) = purpose {
        by_external_id.extend(overlay.by_external_id(&external_ids));
        for (fingerprint, id) in overlay.by_fingerprint(&fingerprints) {
            by_fingerprint.entry(fingerprint).or_insert(id);
        }
    }
    let unnumbered = whom
        .filter(|(external_id, _)| external_id.is_none())
        .filter_map(|(_, fingerprint)| by_fingerprint.get(&fingerprint?).copied());
    let wanted: HashSet<_> =
        by_external_id.into_iter().map(|(_, id)| id).chain(unnumbered).collect();
    Ok((wanted.into_iter().collect(), by_fingerprint, merged))
}

/// Those; and whose the external ids were that were merged into others.
type Matching = (Vec<ContactId>, HashMap<[u8; 32], ContactId>, Vec<(String, ContactId)>);
