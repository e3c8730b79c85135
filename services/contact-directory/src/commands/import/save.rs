//! A planned batch, saved in a few statements.

use yinyom_db::Tx;
use yinyom_outbox::enqueue;

use super::plan::Plan;
use crate::commands::Error;
use crate::store::{BusinessKeys, accounts, contacts, leads, merges, refused};

/// Saves everything that the rows have changed.
pub async fn save(tx: &mut Tx, keys: &BusinessKeys, plan: &Plan<'_>) -> Result<(), Error> {
    let new_accounts: Vec<_> = plan.accounts.iter().collect();
    accounts::insert(tx, &new_accounts).await?;
    contacts::insert(tx, keys, &plan.created()).await?;
    contacts::update(tx, &plan.updated()).await?;
    let points: Vec<_> = plan.points.iter().map(|(contact, point)| (*contact, point)).collect();
    contacts::insert_points(tx, keys, &points).await?;
    refused::keep_fingerprints(tx, &plan.fingerprints).await?;
    accounts::link(tx, &plan.links).await?;
    let new_leads: Vec<_> = plan.leads.iter().collect();
    leads::insert(tx, &new_leads).await?;
    for (contact, refused) in &plan.heard {
        merges::refuse(tx, *contact, *refused).await?;
    }
    Ok(enqueue(tx, &plan.events).await?)
}
