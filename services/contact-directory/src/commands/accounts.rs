//! Accounts (ทะเบียนลูกค้า): create, read, list, change, delete; their contacts.

use jiff::Timestamp;
use yinyom_db::Tx;
use yinyom_identity::NotFound;
use yinyom_kernel::{AccountId, ContactId, Etag};

use super::leads::{Link, after_id, fetch, page_of_ids, refuse_absent};
use super::request::{Receipt, Request, Written, begin, finish};
use super::{Directory, Error, Session};
use crate::domain::Contact;
use crate::domain::lead::Account;
use crate::domain::order::{Cursor, Order, Page};
use crate::store::accounts::Wanted;
use crate::store::{accounts, contacts};

impl Directory {
    /// One account.
    pub async fn account(&self, session: &Session, id: AccountId) -> Result<Account, Error> {
        Ok(self.accounts(session, &[id]).await?.pop().ok_or(NotFound)?)
    }

    /// Several accounts in the order of `ids`, all or none.
    pub async fn accounts(
        &self,
        session: &Session,
        ids: &[AccountId],
    ) -> Result<Vec<Account>, Error> {
        let found = accounts::load(&mut self.db.read(session.scope).await?, ids).await?;
        let by_id: std::collections::HashMap<_, _> = found.into_iter().map(|a| (a.id, a)).collect();
        ids.iter().map(|id| by_id.get(id).cloned().ok_or_else(|| NotFound.into())).collect()
    }

    /// A page of accounts.
    pub async fn find_accounts(
        &self,
        session: &Session,
        wanted: &Wanted,
        order: Order,
        cursor: Option<&Cursor>,
        rows: usize,
    ) -> Result<Page<Account>, Error> {
        let mut tx = self.db.read(session.scope).await?;
        Ok(accounts::page(&mut tx, wanted, order, cursor, rows).await?)
    }

    /// Creates an account.
    pub async fn create_account(
        &self,
        session: &Session,
        display_name: String,
        request: Option<Request>,
    ) -> Result<Written<Account>, Error> {
        let keys = self.keys_of(session).await?;
        let (now, owned) = (self.now(), session.clone());
        let written = self
            .db
            .write(session.scope, move |mut tx| async move {
                let micros = now.as_microsecond();
                let before = begin(&mut tx, &keys, &owned, request.as_ref(), micros).await?;
                if let Some(receipt) = before {
                    return tx.done(Written { receipt, now: None });
                }
                let account = new_account(display_name, now);
                accounts::insert(&mut tx, &[&account]).await?;
                let receipt = account_receipt(&account);
                finish(&mut tx, &owned, request.as_ref(), &receipt).await?;
                tx.done::<_, Error>(Written { receipt, now: Some(account) })
            })
            .await?;
        self.current_account(session, written).await
    }

    /// Changes an account's display name, if there is a new one.
    pub async fn update_account(
        &self,
        session: &Session,
        id: AccountId,
        display_name: Option<String>,
        etag: String,
        request: Option<Request>,
    ) -> Result<Written<Account>, Error> {
        let keys = self.keys_of(session).await?;
        let (now, owned) = (self.now(), session.clone());
        let written = self
            .db
            .write(session.scope, move |mut tx| async move {
                let micros = now.as_microsecond();
                let before = begin(&mut tx, &keys, &owned, request.as_ref(), micros).await?;
                if let Some(receipt) = before {
                    return tx.done(Written { receipt, now: None });
                }
                let mut account = locked(&mut tx, id).await?;
                Etag::of(account.revision).check(&etag)?;
                account.display_name = display_name.unwrap_or(account.display_name);
                let account = save(&mut tx, account, now).await?;
                let receipt = account_receipt(&account);
                finish(&mut tx, &owned, request.as_ref(), &receipt).await?;
                tx.done::<_, Error>(Written { receipt, now: Some(account) })
            })
            .await?;
        self.current_account(session, written).await
    }

    /// Deletes an account. Its contacts stay; leads that became it are open again.
    pub async fn delete_account(
        &self,
        session: &Session,
        id: AccountId,
        etag: String,
        request: Option<Request>,
    ) -> Result<(), Error> {
        let keys = self.keys_of(session).await?;
        let (now, owned) = (self.now(), session.clone());
        self.db
            .write(session.scope, move |mut tx| async move {
                let micros = now.as_microsecond();
                let before: Option<Receipt> =
                    begin(&mut tx, &keys, &owned, request.as_ref(), micros).await?;
                if before.is_some() {
                    return tx.done(());
                }
                let account = locked(&mut tx, id).await?;
                Etag::of(account.revision).check(&etag)?;
                accounts::delete(&mut tx, id, now).await?;
                finish(&mut tx, &owned, request.as_ref(), &account_receipt(&account)).await?;
                tx.done::<_, Error>(())
            })
            .await
    }

    /// Links contacts to an account or unlinks them, all or none.
    pub async fn link_account_contacts(
        &self,
        session: &Session,
        id: AccountId,
        link: Link,
        request: Option<Request>,
    ) -> Result<Written<Account>, Error> {
        let keys = self.keys_of(session).await?;
        let (now, owned) = (self.now(), session.clone());
        let written = self
            .db
            .write(session.scope, move |mut tx| async move {
                let micros = now.as_microsecond();
                let before = begin(&mut tx, &keys, &owned, request.as_ref(), micros).await?;
                if let Some(receipt) = before {
                    return tx.done(Written { receipt, now: None });
                }
                let mut account = locked(&mut tx, id).await?;
                let changed = match link {
                    Link::Add(ids) => {
                        refuse_absent(&mut tx, &ids).await?;
                        let links: Vec<_> = ids.into_iter().map(|contact| (id, contact)).collect();
                        accounts::link(&mut tx, &links).await?
                    }
                    Link::Remove(ids) => accounts::unlink(&mut tx, id, &ids).await?,
                };
                if changed > 0 {
                    account = save(&mut tx, account, now).await?;
                }
                let receipt = account_receipt(&account);
                finish(&mut tx, &owned, request.as_ref(), &receipt).await?;
                tx.done::<_, Error>(Written { receipt, now: Some(account) })
            })
            .await?;
        self.current_account(session, written).await
    }

    /// A page of the contacts of an account, by id.
    pub async fn contacts_of_account(
        &self,
        session: &Session,
        id: AccountId,
        after: Option<&Cursor>,
        rows: usize,
    ) -> Result<Page<Contact>, Error> {
        let keys = self.keys_of(session).await?;
        let mut tx = self.db.snapshot(session.scope).await?;
        if accounts::load(&mut tx, &[id]).await?.is_empty() {
            return Err(NotFound.into());
        }
        let found = accounts::contacts(&mut tx, id, after_id(after), fetch(rows)).await?;
        let page = page_of_ids(found, rows);
        let ids: Vec<_> = page.items.iter().map(|id| ContactId::from(*id)).collect();
        Ok(Page { items: contacts::load(&mut tx, &keys, &ids).await?, next: page.next })
    }

    pub(super) async fn current_account(
        &self,
        session: &Session,
        mut written: Written<Account>,
    ) -> Result<Written<Account>, Error> {
        if written.now.is_none() {
            let id = [AccountId::from(written.receipt.id)];
            written.now = accounts::load(&mut self.db.read(session.scope).await?, &id).await?.pop();
        }
        Ok(written)
    }
}

async fn locked(tx: &mut Tx, id: AccountId) -> Result<Account, Error> {
    Ok(accounts::lock(tx, id).await?.ok_or(NotFound)?)
}

pub(super) async fn save(
    tx: &mut Tx,
    mut account: Account,
    now: Timestamp,
) -> Result<Account, Error> {
    account.revision += 1;
    account.updated_at = now;
    accounts::update(tx, &account).await?;
    Ok(account)
}

/// An account that is in no store yet.
pub(super) fn new_account(display_name: String, now: Timestamp) -> Account {
    let id = AccountId::generate();
    Account { id, display_name, revision: 1, created_at: now, updated_at: now }
}

pub(super) const fn account_receipt(account: &Account) -> Receipt {
    Receipt { id: account.id.uuid(), revision: account.revision, consent_seq: 0 }
}
