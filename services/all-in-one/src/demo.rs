//! The demo business, loaded through the services' own API by callers like any others.
//!
//! What is there is not made again, so a start that was cut short is finished by the next one, and
//! what somebody has changed since stays changed. Once `dev.json` has told that all is there, nothing
//! is made at all.

mod calls;
pub mod people;
mod staff;
pub mod story;
mod wares;

use std::sync::Arc;

use yinyom_identity::{KeyError, Subject, TokenIssuer};
use yinyom_kernel::{Language, SharedClock};

use crate::callers::OPERATOR;
use crate::client::{CallError, Connection, Target};
use crate::data_dir::AUDIENCE;
use crate::facts::NamedContact;
use crate::token::TTL;
use people::Person;

/// The demo could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    #[error("the demo business cannot be loaded: {0}")]
    Call(#[from] CallError),
    #[error("a token for the demo business cannot be signed")]
    Token(#[from] KeyError),
    #[error("the demo business cannot be loaded: an answer lacks {0}")]
    Answer(&'static str),
}

/// Where the services answer.
#[derive(Debug, Clone)]
pub struct Targets {
    pub settings: Target,
    pub directory: Target,
}

/// Loads it.
pub struct Loader {
    targets: Targets,
    issuer: Arc<TokenIssuer>,
    clock: SharedClock,
}

/// The demo business as it is now.
pub struct Demo {
    /// `businesses/{business}`.
    pub business: String,
    pub people: Vec<crate::facts::Person>,
    pub contacts: Vec<NamedContact>,
}

impl Loader {
    /// For the services at `targets`, with tokens by `issuer`.
    pub fn new(targets: Targets, issuer: Arc<TokenIssuer>, clock: SharedClock) -> Self {
        Self { targets, issuer, clock }
    }

    /// Loads what is missing. `loaded` is the business that an earlier start has loaded completely.
    pub async fn load(&self, loaded: Option<&str>) -> Result<Demo, DemoError> {
        let business = self.business(loaded).await?;
        let complete = loaded == Some(business.as_str());
        if !complete {
            self.staff(&business).await?;
            self.wares(&business).await?;
        }
        let people = self.members(&business).await?;
        let contacts = self.named_contacts(&business).await?;
        Ok(Demo { business, people, contacts })
    }

    fn token(&self, subject: &Subject) -> Result<String, KeyError> {
        self.issuer.issue(subject, AUDIENCE, TTL)
    }

    fn operator(&self) -> Result<Connection, DemoError> {
        let token = self.token(&Subject::named(OPERATOR))?;
        Ok(self.targets.settings.by(&token, Language::English)?)
    }

    fn member(
        &self,
        target: &Target,
        business: &str,
        person: &Person,
    ) -> Result<Connection, DemoError> {
        let business = yinyom_kernel::Name::parse_business(business)
            .map_err(|_| DemoError::Answer("a business's name"))?;
        let token = self.token(&Subject::Member { business, member: person.id() })?;
        Ok(target.by(&token, Language::English)?)
    }
}
