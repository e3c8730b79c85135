//! The consent settings: get, update.

use yinyom_identity::{Caller, NotFound};
use yinyom_kernel::BusinessId;

use super::unit::Outcome;
use super::{Asker, CommandError, Commands};
use crate::domain::{RulesPatch, Settings, changes};
use crate::store::settings;

impl Commands {
    /// Reads the settings.
    pub async fn settings(
        &self,
        caller: &Caller,
        business: BusinessId,
    ) -> Result<Settings, CommandError> {
        let (mut tx, _) = self.open(caller, business).await?;
        Ok(settings::get(&mut tx).await?.ok_or(NotFound)?)
    }

    /// Changes the settings.
    pub async fn update_settings(
        &self,
        asker: Asker,
        business: BusinessId,
        etag: String,
        patch: RulesPatch,
    ) -> Result<Settings, CommandError> {
        let caller = asker.caller.clone();
        let outcome = self
            .change(asker, business, async move |mut unit| {
                let before = settings::get(&mut unit.tx).await?.ok_or(NotFound)?;
                before.etag().check(&etag)?;
                let plan = unit.business.plan;
                let (after, effect) = before.edited(&unit.actor, plan, patch, unit.now)?;
                settings::save(&mut unit.tx, &after).await?;
                let told = changes::of_rules(Some(before.rules), after.rules);
                Ok(unit.did(after, effect, told))
            })
            .await?;
        match outcome {
            Outcome::Fresh(settings) => Ok(settings),
            Outcome::Repeated(_) => self.settings(&caller, business).await,
        }
    }
}
