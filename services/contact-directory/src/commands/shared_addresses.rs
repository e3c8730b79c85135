//! Addresses that several contacts have.

use std::collections::{HashMap, HashSet};

use yinyom_consent::{ByChannel, Channel};
use yinyom_identity::Caller;
use yinyom_kernel::{ContactId, PointId};

use super::seen::Shows;
use super::{Asked, Directory, Error, Seen, Session};
use crate::domain::Contact;
use crate::domain::order::{Cursor, Page};
use crate::domain::viewer::may_use_address_equality;
use crate::store::shared::{Holders, Wanted};
use crate::store::{contacts, counts, shared};

/// How many contacts of an address are told.
const MOST_HOLDERS: i64 = 50;

/// An address that several contacts have.
#[derive(Debug, Clone)]
pub struct SharedAddress {
    pub channel: Channel,
    pub holders: Holders,
    /// The first ones, by contact, each with its point.
    pub points: Vec<(ContactId, PointId)>,
}

/// A page of them, with the contacts.
#[derive(Debug, Clone)]
pub struct SharedAddresses {
    pub addresses: Vec<SharedAddress>,
    /// Each once, with the points that are told of it alone.
    pub contacts: Vec<Contact>,
    pub next: Option<Cursor>,
}

impl Shows for SharedAddresses {
    fn contacts(&self) -> &[Contact] {
        &self.contacts
    }
}

impl Directory {
    /// A page of shared addresses, as `caller` may see them. Twenty addresses have a thousand holders at most: as many as
    /// one reveal may have.
    pub async fn shared_addresses(
        &self,
        session: &Session,
        asked: Asked<'_>,
        wanted: Wanted,
        after: Option<&Cursor>,
        rows: usize,
    ) -> Result<Seen<SharedAddresses>, Error> {
        may_use_address_equality(session.view().viewer(), session.view().rules())?;
        let keys = self.keys_of(session).await?;
        let now = self.now().as_microsecond();
        let mut tx = self.db.snapshot(session.scope).await?;
        let fetch = i64::try_from(rows).unwrap_or(i64::MAX - 1) + 1;
        let found = shared::page(&mut tx, wanted, after, fetch).await?;
        let Page { items, next } = Page::cut(found, rows, shared::Index::cursor);
        let holders = shared::holders(&mut tx, &items, now).await?;
        let points = shared::contacts(&mut tx, &items, MOST_HOLDERS).await?;
        let addresses: Vec<_> = (items.iter().zip(holders).zip(points))
            .map(|((index, holders), points)| SharedAddress {
                channel: index.channel,
                holders,
                points,
            })
            .filter(|address| !wanted.only_conflicts || address.holders.conflict())
            .collect();
        let held = addresses.iter().flat_map(|address| &address.points);
        let mut ids: Vec<_> = held.map(|(contact, _)| *contact).collect();
        ids.sort_unstable();
        ids.dedup();
        let mut contacts = contacts::load(&mut tx, &keys, &ids).await?;
        drop(tx);
        // What is not shown is not on record as seen.
        let told: HashSet<_> = addresses.iter().flat_map(|of| &of.points).copied().collect();
        for contact in &mut contacts {
            let id = contact.id;
            contact.points.retain(|point| told.contains(&(id, point.id)));
        }
        let seen = self.seen(session, asked, SharedAddresses { addresses, contacts, next }).await?;
        self.still_may(session, asked.caller).await?;
        Ok(seen)
    }

    /// How many addresses of each channel are shared, and how many of these are in conflict.
    pub async fn shared_address_summary(
        &self,
        session: &Session,
        caller: &Caller,
    ) -> Result<ByChannel<counts::Shared>, Error> {
        may_use_address_equality(session.view().viewer(), session.view().rules())?;
        let mut tx = self.db.snapshot(session.scope).await?;
        let summary = counts::shared(&mut tx, self.now().as_microsecond()).await?;
        drop(tx);
        self.still_may(session, caller).await?;
        Ok(summary)
    }

    /// What was read rests on a right that may be gone by now (TRAPS 6).
    async fn still_may(&self, session: &Session, caller: &Caller) -> Result<(), Error> {
        let view = session.look(self, caller).await?;
        Ok(may_use_address_equality(view.viewer(), view.rules())?)
    }
}

impl SharedAddresses {
    /// The contacts by their ids.
    pub fn by_id(&self) -> HashMap<ContactId, &Contact> {
        self.contacts.iter().map(|contact| (contact.id, contact)).collect()
    }
}
