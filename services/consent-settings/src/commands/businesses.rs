//! Businesses: create, get, list, update.

use uuid::Uuid;
use yinyom_db::Tx;
use yinyom_identity::{Caller, NotFound};
use yinyom_kernel::{BusinessId, MemberId};
use yinyom_policy::Rules;

use super::pages::List;
use super::record::Record;
use super::unit::{Outcome, settle};
use super::{Asker, CommandError, Commands, Page, PageAsked};
use crate::domain::{
    Actor, Business, BusinessPatch, Effect, Member, NewBusiness, Refusal, Settings, changes,
};
use crate::store::{businesses, members, settings};

/// A new business and its first owner, who may be gone when a request is repeated.
#[derive(Debug, Clone)]
pub struct Founded {
    pub business: Business,
    pub owner: Option<Member>,
}

impl Commands {
    /// Creates a business with its first owner and the settings of a new business.
    pub async fn create_business(
        &self,
        asker: Asker,
        new: NewBusiness,
    ) -> Result<Founded, CommandError> {
        let caller = asker.caller.clone();
        must_operate(&caller)?;
        let (now, id) = (self.clock.now(), BusinessId::generate());
        let scope = caller.scope(id)?;
        let business = Business {
            id,
            display_name: new.display_name,
            plan: new.plan,
            time_zone: new.time_zone,
            revision: 1,
            created_at: now,
            updated_at: now,
        };
        let owner = Member::first_owner(id, new.owner, new.owner_display_name, now);
        let outcome = self
            .db
            .write_unscoped::<_, CommandError, _, _>(move |mut tx| async move {
                if let Some(record) = asker.begin(&mut tx, None, now).await? {
                    return tx.done(Outcome::Repeated(record));
                }
                tx.enter(scope);
                insert(&mut tx, &business, &owner).await?;
                let mut told = changes::of_business(None, &business);
                told.extend(changes::of_rules(None, Rules::INITIAL));
                told.extend(changes::of_member(None, Some(&owner)));
                asker.tell(&mut tx, &Actor::Operator, told, now).await?;
                let made = vec![id.uuid(), owner.id.uuid()];
                let record = Record { made, settles_at: None };
                asker.finish(&mut tx, None, &record).await?;
                tx.done(Outcome::Fresh(Founded { business, owner: Some(owner) }))
            })
            .await?;
        match outcome {
            Outcome::Fresh(founded) => {
                self.publish(id);
                Ok(founded)
            }
            Outcome::Repeated(record) => self.founded(&caller, &record).await,
        }
    }

    async fn founded(&self, caller: &Caller, record: &Record) -> Result<Founded, CommandError> {
        let [business, owner] = record.made[..] else { return Err(NotFound.into()) };
        let (mut tx, _) = self.open(caller, business.into()).await?;
        Ok(Founded {
            business: businesses::get(&mut tx).await?.ok_or(NotFound)?,
            owner: members::get(&mut tx, MemberId::from(owner)).await?,
        })
    }

    /// Reads a business.
    pub async fn business(
        &self,
        caller: &Caller,
        id: BusinessId,
    ) -> Result<Business, CommandError> {
        let (mut tx, _) = self.open(caller, id).await?;
        Ok(businesses::get(&mut tx).await?.ok_or(NotFound)?)
    }

    /// A page of all businesses, oldest first.
    pub async fn businesses(
        &self,
        caller: &Caller,
        asked: &PageAsked,
    ) -> Result<Page<Business>, CommandError> {
        must_operate(caller)?;
        let list = List { name: "businesses", business: None, caller };
        let after = self.page_start(&list, asked)?.map_or(businesses::After::NOTHING, read_after);
        let mut tx = self.db.read_unscoped().await?;
        let mut rows = Vec::new();
        for id in businesses::page(&mut tx, after, asked.size.fetch()).await? {
            tx.enter(caller.scope(id)?);
            rows.extend(businesses::get(&mut tx).await?);
        }
        Ok(self.page(&list, asked, rows, |last| {
            [&last.created_at.as_microsecond().to_be_bytes()[..], last.id.uuid().as_bytes()]
                .concat()
        }))
    }

    /// Changes a business.
    pub async fn update_business(
        &self,
        asker: Asker,
        id: BusinessId,
        etag: String,
        patch: BusinessPatch,
    ) -> Result<Business, CommandError> {
        let caller = asker.caller.clone();
        let outcome = self
            .change(asker, id, async move |mut unit| {
                unit.business.etag().check(&etag)?;
                let (after, effect) = unit.business.edited(&unit.actor, patch, unit.now)?;
                businesses::update(&mut unit.tx, &after).await?;
                let told = changes::of_business(Some(&unit.business), &after);
                Ok(unit.did(after, effect, told))
            })
            .await?;
        match outcome {
            Outcome::Fresh(business) => Ok(business),
            Outcome::Repeated(_) => self.business(&caller, id).await,
        }
    }
}

/// Refuses all but operators, where there is no business that others could be members of. The access
/// table says the same, at the door.
fn must_operate(caller: &Caller) -> Result<(), Refusal> {
    match caller {
        Caller::Operator { .. } => Ok(()),
        Caller::Member { .. } | Caller::Service(_) => Err(Refusal::OperatorOnly),
    }
}

async fn insert(tx: &mut Tx, business: &Business, owner: &Member) -> Result<(), CommandError> {
    businesses::insert(tx, business).await?;
    settings::save(tx, &Settings::initial(business.id, business.created_at)).await?;
    members::insert(tx, owner).await?;
    settle(tx, Effect::Gives).await?;
    Ok(())
}

fn read_after(key: [u8; 24]) -> businesses::After {
    let (mut created_at, mut id) = ([0; 8], [0; 16]);
    created_at.copy_from_slice(&key[..8]);
    id.copy_from_slice(&key[8..]);
    businesses::After { created_at: i64::from_be_bytes(created_at), id: Uuid::from_bytes(id) }
}
