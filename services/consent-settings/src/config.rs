//! What an operator sets, by flag or environment variable, and the files that it names.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use yinyom_db::DbConfig;
use yinyom_identity::{Authenticator, CallerTable, CallerTableError, TokenVerifier};
use yinyom_kernel::SharedClock;
use yinyom_privacy::{MasterKey, MasterKeys};
use yinyom_rpc::ServerConfig;
use yinyom_telemetry::{Format, TelemetryConfig};

use crate::app::Parts;

/// The settings of a replica. Has no `Debug`: the database's address may hold a password.
#[derive(clap::Args)]
pub struct Config {
    /// Where businesses, members and settings are kept: `sqlite:PATH` or `postgres://…`
    #[arg(long, env = "YINYOM_SETTINGS_DATABASE_URL", hide_env_values = true)]
    pub database_url: String,

    /// Address to serve gRPC on
    #[arg(long, env = "YINYOM_SETTINGS_LISTEN", default_value = "127.0.0.1:7071")]
    pub listen: SocketAddr,

    /// File with the public keys that tokens are checked with: a JWK set
    #[arg(long, env = "YINYOM_SETTINGS_JWKS_FILE")]
    pub jwks_file: PathBuf,

    /// Who issues tokens (`iss`)
    #[arg(long, env = "YINYOM_SETTINGS_ISSUER")]
    pub issuer: String,

    /// Whom tokens are for (`aud`)
    #[arg(long, env = "YINYOM_SETTINGS_AUDIENCE", default_value = "yinyom")]
    pub audience: String,

    /// File with the services and operators that may call: JSON
    #[arg(long, env = "YINYOM_SETTINGS_CALLERS_FILE")]
    pub callers_file: PathBuf,

    /// File with the master key: 32 bytes, raw, in hex or in base64
    #[arg(long, env = "YINYOM_SETTINGS_MASTER_KEY_FILE")]
    pub master_key_file: PathBuf,

    /// Files with earlier master keys, separated by commas
    #[arg(long, env = "YINYOM_SETTINGS_OLDER_MASTER_KEY_FILES", value_delimiter = ',')]
    pub older_master_key_files: Vec<PathBuf>,

    /// What to log, such as `info` or `info,consent_settings=debug`
    #[arg(long, env = "YINYOM_SETTINGS_LOG", default_value = "info")]
    pub log: String,

    /// Log one JSON object a line
    #[arg(long, env = "YINYOM_SETTINGS_LOG_JSON")]
    pub log_json: bool,

    /// OTLP/gRPC endpoint of a trace collector: `http://host:4317`
    #[arg(long, env = "YINYOM_SETTINGS_OTLP_ENDPOINT")]
    pub otlp_endpoint: Option<String>,
}

/// A file that the configuration names cannot be used.
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
}

impl Config {
    /// Reads the files, into what [`crate::App::open`] takes.
    pub fn parts(&self, clock: SharedClock) -> Result<Parts, ConfigError> {
        let jwks = read(&self.jwks_file)?;
        let verifier =
            TokenVerifier::new(&jwks, &*self.issuer, &*self.audience, SharedClock::clone(&clock))?;
        let callers = CallerTable::parse(&read(&self.callers_file)?)?;
        let active = MasterKey::from_file(&self.master_key_file)?;
        let older = self.older_master_key_files.iter().map(|path| MasterKey::from_file(path));
        Ok(Parts {
            database: DbConfig::new(self.database_url.clone()),
            masters: MasterKeys::new(active, older.collect::<Result<_, _>>()?),
            authenticator: Arc::new(Authenticator::new(verifier, callers)),
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
            ..TelemetryConfig::new("consent-settings")
        }
    }
}

fn read(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path)
        .map_err(|source| ConfigError::File { path: path.to_owned(), source })
}
