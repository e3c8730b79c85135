//! What an operator sets, by flag or environment variable, and the files that it names.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use yinyom_db::DbConfig;
use yinyom_identity::{Authenticator, CallerTable, CallerTableError, TokenSource, TokenVerifier};
use yinyom_kernel::SharedClock;
use yinyom_policy::{Policies, PoliciesConfig, RemoteSource};
use yinyom_privacy::{MasterKey, MasterKeys};
use yinyom_rpc::{ClientConfig, ConnectError, ServerConfig, connect};
use yinyom_telemetry::{Format, TelemetryConfig};

use crate::app::Parts;

/// The settings of a replica. Has no `Debug`: the database's address may hold a password.
#[derive(clap::Args)]
pub struct Config {
    /// Where the ledger is kept: `sqlite:PATH` or `postgres://…`
    #[arg(long, env = "YINYOM_MANAGER_DATABASE_URL", hide_env_values = true)]
    pub database_url: String,

    /// Address to serve gRPC on
    #[arg(long, env = "YINYOM_MANAGER_LISTEN", default_value = "127.0.0.1:7073")]
    pub listen: SocketAddr,

    /// File with the public keys that tokens are checked with: a JWK set
    #[arg(long, env = "YINYOM_MANAGER_JWKS_FILE")]
    pub jwks_file: PathBuf,

    /// Who issues tokens (`iss`)
    #[arg(long, env = "YINYOM_MANAGER_ISSUER")]
    pub issuer: String,

    /// Whom tokens are for (`aud`)
    #[arg(long, env = "YINYOM_MANAGER_AUDIENCE", default_value = "yinyom")]
    pub audience: String,

    /// File with the services that may call: JSON
    #[arg(long, env = "YINYOM_MANAGER_CALLERS_FILE")]
    pub callers_file: PathBuf,

    /// File with the master key, which wraps the contacts' keys: 32 bytes, raw, in hex or in base64
    #[arg(long, env = "YINYOM_MANAGER_MASTER_KEY_FILE")]
    pub master_key_file: PathBuf,

    /// Files with earlier master keys, separated by commas
    #[arg(long, env = "YINYOM_MANAGER_OLDER_MASTER_KEY_FILES", value_delimiter = ',')]
    pub older_master_key_files: Vec<PathBuf>,

    /// Where consent-settings serves: `http://host:port`
    #[arg(long, env = "YINYOM_MANAGER_SETTINGS_ENDPOINT")]
    pub settings_endpoint: String,

    /// File with the token for our own calls to consent-settings; it is read again before it gets old
    #[arg(long, env = "YINYOM_MANAGER_TOKEN_FILE")]
    pub token_file: PathBuf,

    /// What to log, such as `info` or `info,consent_manager=debug`
    #[arg(long, env = "YINYOM_MANAGER_LOG", default_value = "info")]
    pub log: String,

    /// Log one JSON object a line
    #[arg(long, env = "YINYOM_MANAGER_LOG_JSON")]
    pub log_json: bool,

    /// OTLP/gRPC endpoint of a trace collector: `http://host:4317`
    #[arg(long, env = "YINYOM_MANAGER_OTLP_ENDPOINT")]
    pub otlp_endpoint: Option<String>,
}

/// Something that the configuration names cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("{path} cannot be read")]
    File { path: PathBuf, source: std::io::Error },
    #[error("the key set cannot be used")]
    Keys(#[from] yinyom_identity::KeyError),
    #[error(transparent)]
    Callers(#[from] CallerTableError),
    #[error(transparent)]
    MasterKey(#[from] yinyom_privacy::KeyError),
    #[error("consent-settings cannot be called")]
    Settings(#[from] ConnectError),
}

impl Config {
    /// Reads the files, into what [`crate::App::open`] takes. Needs a running tokio runtime.
    pub fn parts(&self, clock: SharedClock) -> Result<Parts, ConfigError> {
        let jwks = read(&self.jwks_file)?;
        let verifier =
            TokenVerifier::new(&jwks, &*self.issuer, &*self.audience, SharedClock::clone(&clock))?;
        let callers = CallerTable::parse(&read(&self.callers_file)?)?;
        let active = MasterKey::from_file(&self.master_key_file)?;
        let older = self.older_master_key_files.iter().map(|path| MasterKey::from_file(path));
        let tokens = TokenSource::file(&self.token_file, SharedClock::clone(&clock));
        let settings = connect(&ClientConfig::new(&*self.settings_endpoint), tokens)?;
        Ok(Parts {
            database: DbConfig::new(self.database_url.clone()),
            masters: MasterKeys::new(active, older.collect::<Result<_, _>>()?),
            authenticator: Arc::new(Authenticator::new(verifier, callers)),
            policies: Policies::new(
                Arc::new(RemoteSource::new(settings)),
                SharedClock::clone(&clock),
                PoliciesConfig::default(),
            ),
            server: ServerConfig::default(),
            clock,
        })
    }

    /// How to log and trace.
    pub fn telemetry(&self) -> TelemetryConfig {
        TelemetryConfig {
            filter: self.log.clone(),
            format: if self.log_json { Format::Json } else { Format::Human },
            otlp_endpoint: self.otlp_endpoint.clone(),
            ..TelemetryConfig::new("consent-manager")
        }
    }
}

fn read(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path)
        .map_err(|source| ConfigError::File { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use clap::Args;

    use super::*;

    #[test]
    fn every_flag_has_a_variable_of_its_name() {
        let command = Config::augment_args(clap::Command::new("test"));
        for flag in command.get_arguments() {
            let name = flag.get_id().as_str().to_uppercase();
            assert_eq!(flag.get_env().unwrap(), format!("YINYOM_MANAGER_{name}").as_str());
        }
    }

    #[test]
    fn help_does_not_print_the_password_of_the_database() {
        let command = Config::augment_args(clap::Command::new("test"));
        let database =
            command.get_arguments().find(|flag| flag.get_id() == "database_url").unwrap();
        assert!(database.is_hide_env_values_set());
    }
}
