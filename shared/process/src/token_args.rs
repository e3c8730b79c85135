//! Whose tokens are taken: one issuer's, by flags, or several issuers', by a file; and which services and operators exist.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;
use yinyom_identity::{
    Authenticator, CallerTable, CallerTableError, KeyError, TokenVerifier, VouchesFor,
};
use yinyom_kernel::SharedClock;
use yinyom_tls::{ClientTls, Trust};

use crate::files::{Contents, Files, LOOK_EVERY, read, text};
use crate::{ConfigError, KeyUrl, KeyUrlLimits};

/// Whose tokens are taken, and which services and operators may call.
#[derive(Debug, Clone, clap::Args)]
pub struct TokenArgs {
    /// File with the public keys that tokens are checked with: a JWK set
    #[arg(long, env = "YINYOM_JWKS_FILE", required_unless_present_any = ["jwks_url", "issuers_file"])]
    pub jwks_file: Option<PathBuf>,

    /// URL of the same, in place of a file: `https://…`; `http://…` on loopback
    #[arg(long, env = "YINYOM_JWKS_URL", conflicts_with = "jwks_file")]
    pub jwks_url: Option<String>,

    /// File with the authorities that vouch for that URL: PEM; those of the system, if unset
    #[arg(long, env = "YINYOM_JWKS_CA_FILE", value_name = "FILE")]
    pub jwks_ca_file: Option<PathBuf>,

    /// Who issues tokens (`iss`)
    #[arg(long, env = "YINYOM_ISSUER", required_unless_present = "issuers_file")]
    pub issuer: Option<String>,

    /// File with several issuers, in place of `--issuer` and its keys: JSON. It is read once; their key sets are read again
    #[arg(
        long,
        env = "YINYOM_ISSUERS_FILE",
        value_name = "FILE",
        conflicts_with_all = ["jwks_file", "jwks_url", "jwks_ca_file", "issuer"]
    )]
    pub issuers_file: Option<PathBuf>,

    /// Whom tokens are for (`aud`)
    #[arg(long, env = "YINYOM_AUDIENCE", default_value = "yinyom")]
    pub audience: String,

    /// File with the services and operators that may call: JSON
    #[arg(long, env = "YINYOM_CALLERS_FILE")]
    pub callers_file: PathBuf,
}

/// Why a file of issuers was refused. Said at start, never to a client.
#[derive(Debug, thiserror::Error)]
pub enum IssuersError {
    #[error("it is not as the README has it")]
    Unreadable(#[from] serde_json::Error),
    #[error("it names no issuer")]
    Nobody,
    #[error("it has the issuer {0:?} twice")]
    Twice(String),
    #[error("{0:?} needs a key set, and one alone: jwks_file or jwks_url")]
    KeySet(String),
}

/// An issuer of a file, or the one of the flags.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Issuer {
    #[serde(rename = "issuer")]
    name: String,
    /// That of `--audience`, if not said.
    audience: Option<String>,
    jwks_file: Option<PathBuf>,
    jwks_url: Option<String>,
    jwks_ca_file: Option<PathBuf>,
    #[serde(default)]
    vouches_for: VouchesFor,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    issuers: Vec<Issuer>,
}

impl TokenArgs {
    /// Reads the files, or fetches the key sets, into what tells who calls; and looks at them again while the process
    /// runs.
    pub async fn authenticator(
        &self,
        clock: SharedClock,
    ) -> Result<Arc<Authenticator>, ConfigError> {
        let (callers_file, callers) =
            Files::open("the caller table", vec![self.callers_file.clone()])?;
        let callers = callers_of(&callers)?;
        let mut issuers = Vec::new();
        for issuer in self.issuers()? {
            let verifier = issuer.verifier(&self.audience, SharedClock::clone(&clock)).await?;
            issuers.push((verifier, issuer.vouches_for));
        }
        let authenticator = Arc::new(Authenticator::of(issuers, callers));
        let watched = Arc::clone(&authenticator);
        callers_file.watch(LOOK_EVERY, move |contents| -> Result<(), CallerTableError> {
            watched.replace_callers(callers_of(contents)?);
            Ok(())
        });
        Ok(authenticator)
    }

    fn issuers(&self) -> Result<Vec<Issuer>, ConfigError> {
        let Some(file) = &self.issuers_file else {
            return Ok(vec![Issuer {
                name: self.issuer.clone().unwrap_or_default(),
                audience: None,
                jwks_file: self.jwks_file.clone(),
                jwks_url: self.jwks_url.clone(),
                jwks_ca_file: self.jwks_ca_file.clone(),
                vouches_for: VouchesFor::Everybody,
            }]);
        };
        Ok(issuers_of(&read(file)?)?)
    }
}

fn issuers_of(json: &[u8]) -> Result<Vec<Issuer>, IssuersError> {
    let File { issuers } = serde_json::from_slice(json)?;
    if issuers.is_empty() {
        return Err(IssuersError::Nobody);
    }
    let mut names = HashSet::new();
    for issuer in &issuers {
        if !names.insert(&issuer.name) {
            return Err(IssuersError::Twice(issuer.name.clone()));
        }
        if issuer.jwks_file.is_some() == issuer.jwks_url.is_some() {
            return Err(IssuersError::KeySet(issuer.name.clone()));
        }
    }
    Ok(issuers)
}

impl Issuer {
    /// What checks its tokens, with keys that are kept as the file or the URL has them.
    async fn verifier(
        &self,
        audience: &str,
        clock: SharedClock,
    ) -> Result<Arc<TokenVerifier>, ConfigError> {
        let audience = self.audience.as_deref().unwrap_or(audience);
        let verifier = |jwks: &str| TokenVerifier::new(jwks, &*self.name, audience, clock);
        if let Some(url) = &self.jwks_url {
            let url = KeyUrl::new(url, &self.url_tls()?, KeyUrlLimits::default())?;
            let jwks = url.fetch().await?;
            let verifier = Arc::new(verifier(&jwks)?);
            url.watch(&verifier, jwks);
            return Ok(verifier);
        }
        let file = self.jwks_file.iter().cloned().collect();
        let (file, contents) = Files::open("the key set", file)?;
        let verifier = Arc::new(verifier(&text(&contents))?);
        let watched = Arc::clone(&verifier);
        file.watch(LOOK_EVERY, move |contents| -> Result<(), KeyError> {
            watched.replace_keys(&text(contents))
        });
        Ok(verifier)
    }

    fn url_tls(&self) -> Result<ClientTls, ConfigError> {
        let trust = match &self.jwks_ca_file {
            Some(file) => Trust::from_pem(&read(file)?)?,
            None => Trust::of_system()?,
        };
        Ok(ClientTls::new(trust, None)?)
    }
}

fn callers_of(contents: &Contents) -> Result<CallerTable, CallerTableError> {
    CallerTable::parse(&text(contents))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use std::fs;
    use std::path::Path;
    use std::time::Duration;

    use clap::{Command, FromArgMatches};
    use yinyom_identity::{AuthError, Subject, TokenIssuer, Why};
    use yinyom_kernel::{BusinessId, MemberId, SystemClock};

    use super::*;

    fn parse(flags: &[&str]) -> Result<TokenArgs, clap::Error> {
        let command = <TokenArgs as clap::Args>::augment_args(Command::new("test"));
        let callers = ["test", "--callers-file", "callers"];
        let matches = command.try_get_matches_from([&callers, flags].concat())?;
        TokenArgs::from_arg_matches(&matches)
    }

    #[test]
    fn one_issuer_comes_by_flags_and_several_by_a_file_and_never_both() {
        assert!(parse(&["--issuer", "a", "--jwks-file", "f"]).is_ok());
        assert!(parse(&["--issuer", "a", "--jwks-url", "u", "--jwks-ca-file", "f"]).is_ok());
        assert!(parse(&["--issuers-file", "f"]).is_ok());
        for bad in [
            &[][..],
            &["--issuer", "a"],
            &["--jwks-file", "f"],
            &["--issuer", "a", "--jwks-file", "f", "--jwks-url", "u"],
            &["--issuers-file", "f", "--issuer", "a"],
            &["--issuers-file", "f", "--jwks-file", "f"],
            &["--issuers-file", "f", "--jwks-url", "u"],
            &["--issuers-file", "f", "--jwks-ca-file", "f"],
        ] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_file_of_issuers_that_leaves_anything_open_is_refused() {
        let one = r#"{"issuer": "a", "jwks_file": "f"}"#;
        let read = |issuers: &str| issuers_of(format!(r#"{{"issuers": [{issuers}]}}"#).as_bytes());
        assert_eq!(read(one).unwrap()[0].vouches_for, VouchesFor::Everybody);
        let members =
            r#"{"issuer": "b", "jwks_url": "u", "audience": "x", "vouches_for": "members"}"#;
        assert_eq!(read(&format!("{one}, {members}")).unwrap()[1].vouches_for, VouchesFor::Members);
        assert!(matches!(read(""), Err(IssuersError::Nobody)));
        assert!(matches!(read(&format!("{one}, {one}")), Err(IssuersError::Twice(_))));
        for keys in ["", r#", "jwks_file": "f", "jwks_url": "u""#] {
            let refused = read(&format!(r#"{{"issuer": "a"{keys}}}"#));
            assert!(matches!(refused, Err(IssuersError::KeySet(_))), "{keys}");
        }
        for wrong in [
            r#"{"jwks_file": "f"}"#,
            r#"{"issuer": "a", "jwks_file": "f", "vouches": "members"}"#,
            r#"{"issuer": "a", "jwks_file": "f", "vouches_for": "anybody"}"#,
            r#""a""#,
        ] {
            assert!(matches!(read(wrong), Err(IssuersError::Unreadable(_))), "{wrong}");
        }
    }

    /// An identity provider, and whoever makes the services' tokens.
    struct Two {
        people: TokenIssuer,
        services: TokenIssuer,
        authenticator: Arc<Authenticator>,
    }

    impl Two {
        async fn new(dir: &Path) -> Self {
            let clock: SharedClock = Arc::new(SystemClock);
            let issuer = |name: &str| {
                let issuer = TokenIssuer::generate(name, SharedClock::clone(&clock)).unwrap();
                fs::write(dir.join(name), issuer.jwks().unwrap()).unwrap();
                issuer
            };
            let (people, services) = (issuer("people"), issuer("services"));
            let place = dir.display();
            let issuers = format!(
                r#"{{"issuers": [
                    {{"issuer": "people", "jwks_file": "{place}/people", "audience": "crm", "vouches_for": "members"}},
                    {{"issuer": "services", "jwks_file": "{place}/services", "vouches_for": "services"}}]}}"#
            );
            fs::write(dir.join("issuers"), issuers).unwrap();
            let callers = r#"{"services": [{"name": "reports", "businesses": "*", "rpcs": []}], "operators": ["vendor"]}"#;
            fs::write(dir.join("callers"), callers).unwrap();
            let mut args =
                parse(&["--issuers-file", dir.join("issuers").to_str().unwrap()]).unwrap();
            args.callers_file = dir.join("callers");
            let authenticator = args.authenticator(clock).await.unwrap();
            Self { people, services, authenticator }
        }

        /// Whether somebody is who they say, or why not.
        fn ask(&self, token: &str) -> Result<String, Why> {
            let header = format!("Bearer {token}");
            let caller = self.authenticator.authenticate([header.as_bytes()], None);
            caller.map(|caller| caller.key()).map_err(|AuthError(why)| why)
        }
    }

    fn issue(issuer: &TokenIssuer, subject: &Subject, audience: &str) -> String {
        issuer.issue(subject, audience, Duration::from_mins(1)).unwrap()
    }

    #[tokio::test]
    async fn each_issuer_speaks_for_its_own_in_its_own_name_with_its_own_keys() {
        let dir = tempfile::tempdir().unwrap();
        let two = Two::new(dir.path()).await;
        let member =
            Subject::Member { business: BusinessId::generate(), member: MemberId::generate() };
        let (service, operator) = (Subject::named("reports"), Subject::named("vendor"));
        assert!(two.ask(&issue(&two.people, &member, "crm")).unwrap().starts_with("member:"));
        assert_eq!(two.ask(&issue(&two.services, &service, "yinyom")).unwrap(), "service:reports");
        assert_eq!(two.ask(&issue(&two.services, &operator, "yinyom")).unwrap(), "operator:vendor");

        // Not for others, though it is theirs and rightly signed.
        for subject in [&service, &operator] {
            assert_eq!(two.ask(&issue(&two.people, subject, "crm")), Err(Why::NotVouchedFor));
        }
        assert_eq!(two.ask(&issue(&two.services, &member, "yinyom")), Err(Why::NotVouchedFor));
        // Nor for another's audience.
        assert_eq!(two.ask(&issue(&two.people, &member, "yinyom")), Err(Why::WrongAudience));
        assert_eq!(two.ask(&issue(&two.services, &service, "crm")), Err(Why::WrongAudience));
        // A stranger's, and what is no token.
        let clock: SharedClock = Arc::new(SystemClock);
        let stranger = TokenIssuer::generate("stranger", clock).unwrap();
        assert_eq!(two.ask(&issue(&stranger, &member, "crm")), Err(Why::WrongIssuer));
        for text in ["", "a", "a.b.c", "..", "a.e30.c"] {
            assert_eq!(two.ask(text), Err(Why::Malformed), "{text:?}");
        }
    }

    #[tokio::test]
    async fn the_keys_of_one_issuer_are_good_for_no_other_ones_name() {
        let dir = tempfile::tempdir().unwrap();
        let two = Two::new(dir.path()).await;
        let member =
            Subject::Member { business: BusinessId::generate(), member: MemberId::generate() };
        // Whoever has the identity provider's key writes a token of the services' issuer, and the other way round.
        let clock: SharedClock = Arc::new(SystemClock);
        let pem = TokenIssuer::generate_pem().unwrap();
        let forger =
            |name: &str| TokenIssuer::from_pem(&pem, name, SharedClock::clone(&clock)).unwrap();
        fs::write(dir.path().join("people"), forger("people").jwks().unwrap()).unwrap();
        let mut args =
            parse(&["--issuers-file", dir.path().join("issuers").to_str().unwrap()]).unwrap();
        args.callers_file = dir.path().join("callers");
        let two = Two {
            authenticator: args.authenticator(SharedClock::clone(&clock)).await.unwrap(),
            ..two
        };
        assert!(two.ask(&issue(&forger("people"), &member, "crm")).is_ok());
        let token = issue(&forger("services"), &Subject::named("reports"), "yinyom");
        assert_eq!(two.ask(&token), Err(Why::UnknownKey));

        // Even where both name their keys alike, each is checked with its own.
        let jwks = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
        let kid = |jwks: &str| {
            let set: serde_json::Value = serde_json::from_str(jwks).unwrap();
            set["keys"][0]["kid"].as_str().unwrap().to_owned()
        };
        let (people, services) = (jwks("people"), jwks("services"));
        fs::write(dir.path().join("services"), services.replace(&kid(&services), &kid(&people)))
            .unwrap();
        let two = Two { authenticator: args.authenticator(clock).await.unwrap(), ..two };
        assert_eq!(two.ask(&token), Err(Why::BadSignature));
    }
}
