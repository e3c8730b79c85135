//! On whose behalf a command calls which services: by its flags, or by what a running `yinyom` wrote
//! to `DATA_DIR/dev.json`.

use std::path::Path;

use uuid::Uuid;
use yinyom_kernel::Language;
use yinyom_process::{CallTlsArgs, ConfigError, Transport};

use crate::client::{CallError, Target};
use crate::facts::{Facts, FactsError};

/// The flags.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct SessionArgs {
    /// The business: its id, or `businesses/{id}`. The demo business if unset.
    #[arg(long, env = "YINYOM_BUSINESS")]
    pub business: Option<String>,

    /// The token of whom it is done for. The demo owner's, from `DATA_DIR/dev.json`, if unset.
    #[arg(long, env = "YINYOM_TOKEN", hide_env_values = true)]
    pub token: Option<String>,

    /// The language of problems.
    #[arg(long, env = "YINYOM_LANG", value_enum, default_value_t)]
    pub lang: Lang,

    #[command(flatten)]
    pub tls: CallTlsArgs,
}

/// The language of problems.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Lang {
    /// English.
    #[default]
    En,
    /// Thai.
    Th,
}

/// It cannot be told whom to call, or for whom.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    #[error("{0:?} is no business: it is a UUID, or businesses/ and one")]
    Business(String),
    #[error("no token: pass --token, or --data-dir of a yinyom that runs with its demo business")]
    NoToken(#[source] Option<FactsError>),
    #[error("the token in dev.json is for {0}: pass --token for another business")]
    OtherBusiness(String),
    #[error("no address: pass --{service}, or --data-dir of a yinyom that runs")]
    NoAddress { service: &'static str, source: Option<FactsError> },
    #[error(transparent)]
    Call(#[from] CallError),
    #[error(transparent)]
    Config(#[from] ConfigError),
}

/// Whom to call, for whom.
pub struct Session {
    business: String,
    token: String,
    language: Language,
    transport: Transport,
    facts: Option<Facts>,
    /// The services are those of another deployment than dev.json's.
    elsewhere: bool,
}

impl Session {
    /// By `args`, and by `data_dir` for what they do not say. `elsewhere` if the address of a service
    /// was given: then dev.json says nothing of the others. Needs a running tokio runtime.
    pub fn open(
        args: &SessionArgs,
        data_dir: &Path,
        elsewhere: bool,
    ) -> Result<Self, SessionError> {
        let (facts, missing) = match Facts::read(data_dir) {
            Ok(facts) => (Some(facts), None),
            Err(error) => (None, Some(error)),
        };
        let known = facts.as_ref().and_then(|facts| facts.business.clone());
        let business = match (&args.business, &known) {
            (Some(given), _) => business_name(given)?,
            (None, Some(known)) => known.clone(),
            (None, None) => return Err(SessionError::NoToken(missing)),
        };
        let token = match (&args.token, &facts) {
            (Some(token), _) => token.clone(),
            (None, Some(facts)) => match known {
                Some(known) if known != business => return Err(SessionError::OtherBusiness(known)),
                _ => facts.owner_token().ok_or(SessionError::NoToken(None))?.to_owned(),
            },
            (None, None) => return Err(SessionError::NoToken(missing)),
        };
        let language = match args.lang {
            Lang::En => Language::English,
            Lang::Th => Language::Thai,
        };
        let transport = args.tls.open()?;
        Ok(Self { business, token, language, transport, facts, elsewhere })
    }

    /// `businesses/{id}`.
    pub fn business(&self) -> &str {
        &self.business
    }

    /// The bearer token.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The language of problems.
    pub const fn language(&self) -> Language {
        self.language
    }

    /// Settings, where they are known.
    pub fn settings(&self) -> Result<Option<Target>, SessionError> {
        match self.facts.as_ref().filter(|_| !self.elsewhere) {
            Some(facts) => {
                let url = facts.url(&facts.addresses.settings);
                Ok(Some(Target::new(&url, &self.transport)?))
            }
            None => Ok(None),
        }
    }

    /// The directory, at `given` or where dev.json says.
    pub fn directory(&self, given: Option<&str>) -> Result<Target, SessionError> {
        self.target(given, "directory", |facts| &facts.addresses.directory)
    }

    /// The manager, at `given` or where dev.json says.
    pub fn manager(&self, given: Option<&str>) -> Result<Target, SessionError> {
        self.target(given, "manager", |facts| &facts.addresses.manager)
    }

    fn target(
        &self,
        given: Option<&str>,
        service: &'static str,
        address: fn(&Facts) -> &String,
    ) -> Result<Target, SessionError> {
        let address = given
            .map(str::to_owned)
            .or_else(|| self.facts.as_ref().map(|facts| facts.url(address(facts))))
            .ok_or(SessionError::NoAddress { service, source: None })?;
        Ok(Target::new(&address, &self.transport)?)
    }
}

fn business_name(given: &str) -> Result<String, SessionError> {
    let id = given.strip_prefix("businesses/").unwrap_or(given);
    match Uuid::try_parse(id) {
        Ok(id) => Ok(format!("businesses/{}", id.as_hyphenated())),
        Err(_) => Err(SessionError::Business(given.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::facts::tests::facts;

    const OTHER: &str = "01890000-0000-7000-8000-000000000001";

    fn dir() -> (tempfile::TempDir, Facts) {
        let dir = tempfile::tempdir().unwrap();
        let facts = facts();
        facts.write(dir.path()).unwrap();
        (dir, facts)
    }

    #[tokio::test]
    async fn dev_json_stands_in_for_flags() {
        let (dir, facts) = dir();
        let session = Session::open(&SessionArgs::default(), dir.path(), false).unwrap();
        assert_eq!(Some(session.business()), facts.business.as_deref());
        assert_eq!(session.token(), "owner-token");
        assert!(session.settings().unwrap().is_some());
    }

    #[test]
    fn the_demo_owners_token_is_not_sent_for_another_business() {
        let (dir, _) = dir();
        let args = SessionArgs { business: Some(OTHER.to_owned()), ..SessionArgs::default() };
        let refused = Session::open(&args, dir.path(), false);
        assert!(matches!(refused, Err(SessionError::OtherBusiness(_))));
    }

    #[test]
    fn without_dev_json_everything_must_be_said() {
        let dir = tempfile::tempdir().unwrap();
        let refused = Session::open(&SessionArgs::default(), dir.path(), false);
        assert!(matches!(refused, Err(SessionError::NoToken(Some(_)))));
        let args = SessionArgs {
            business: Some(format!("businesses/{OTHER}")),
            token: Some("t".to_owned()),
            lang: Lang::Th,
            tls: CallTlsArgs::default(),
        };
        let session = Session::open(&args, dir.path(), false).unwrap();
        assert!(matches!(session.directory(None), Err(SessionError::NoAddress { .. })));
        assert!(session.settings().unwrap().is_none());
        assert_eq!(session.language(), Language::Thai);
    }

    #[test]
    fn a_business_that_is_none_is_refused_here() {
        for given in ["", "demo", "businesses/", "businesses/x"] {
            assert!(matches!(business_name(given), Err(SessionError::Business(_))), "{given}");
        }
    }
}
