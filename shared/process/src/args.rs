//! Flags that more than one service has, each with its environment variable, and the files that they name.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use yinyom_identity::{Authenticator, CallerTable, CallerTableError, TokenSource, TokenVerifier};
use yinyom_kernel::SharedClock;
use yinyom_policy::{Policies, PoliciesConfig, RemoteSource};
use yinyom_privacy::{MasterKey, MasterKeys};
use yinyom_rpc::{ClientConfig, ConnectError, Connection, connect};
use yinyom_telemetry::{Format, TelemetryConfig};

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
    #[error("another service cannot be called")]
    Connect(#[from] ConnectError),
}

/// Whose tokens are taken, and which services and operators may call.
#[derive(Debug, Clone, clap::Args)]
pub struct TokenArgs {
    /// File with the public keys that tokens are checked with: a JWK set
    #[arg(long, env = "YINYOM_JWKS_FILE")]
    pub jwks_file: PathBuf,

    /// Who issues tokens (`iss`)
    #[arg(long, env = "YINYOM_ISSUER")]
    pub issuer: String,

    /// Whom tokens are for (`aud`)
    #[arg(long, env = "YINYOM_AUDIENCE", default_value = "yinyom")]
    pub audience: String,

    /// File with the services and operators that may call: JSON
    #[arg(long, env = "YINYOM_CALLERS_FILE")]
    pub callers_file: PathBuf,
}

impl TokenArgs {
    /// Reads the files into what tells who calls.
    pub fn authenticator(&self, clock: SharedClock) -> Result<Arc<Authenticator>, ConfigError> {
        let jwks = read(&self.jwks_file)?;
        let verifier = TokenVerifier::new(&jwks, &*self.issuer, &*self.audience, clock)?;
        let callers = CallerTable::parse(&read(&self.callers_file)?)?;
        Ok(Arc::new(Authenticator::new(verifier, callers)))
    }
}

/// The keys that wrap what is stored.
#[derive(Debug, Clone, clap::Args)]
pub struct KeyArgs {
    /// File with the master key: 32 bytes, raw, in hex or in base64
    #[arg(long, env = "YINYOM_MASTER_KEY_FILE")]
    pub master_key_file: PathBuf,

    /// Files with earlier master keys, separated by commas
    #[arg(long, env = "YINYOM_OLDER_MASTER_KEY_FILES", value_delimiter = ',')]
    pub older_master_key_files: Vec<PathBuf>,
}

impl KeyArgs {
    /// Reads the keys.
    pub fn masters(&self) -> Result<MasterKeys, ConfigError> {
        let active = MasterKey::from_file(&self.master_key_file)?;
        let older = self.older_master_key_files.iter().map(|path| MasterKey::from_file(path));
        Ok(MasterKeys::new(active, older.collect::<Result<_, _>>()?))
    }
}

/// How a service calls settings, and who it is when it calls anybody.
#[derive(Debug, Clone, clap::Args)]
pub struct PeerArgs {
    /// Where consent-settings serves: `http://host:port`
    #[arg(long, env = "YINYOM_SETTINGS_ENDPOINT")]
    pub settings_endpoint: String,

    /// File with the token for our own calls; it is read again before it gets old
    #[arg(long, env = "YINYOM_TOKEN_FILE")]
    pub token_file: PathBuf,
}

impl PeerArgs {
    /// A connection to `endpoint` as this service. Needs a running tokio runtime.
    pub fn connect(&self, endpoint: &str, clock: SharedClock) -> Result<Connection, ConfigError> {
        let tokens = TokenSource::file(&self.token_file, clock);
        Ok(connect(&ClientConfig::new(endpoint), tokens)?)
    }

    /// The rules of businesses, as settings has them. Whoever calls this keeps the lease.
    pub fn policies(&self, clock: SharedClock) -> Result<Policies, ConfigError> {
        let settings = self.connect(&self.settings_endpoint, SharedClock::clone(&clock))?;
        let source = Arc::new(RemoteSource::new(settings));
        Ok(Policies::new(source, clock, PoliciesConfig::default()))
    }
}

/// What is logged and traced, and how.
#[derive(Debug, Clone, clap::Args)]
pub struct LogArgs {
    /// What to log, such as `info` or `info,contact_directory=debug`
    #[arg(long, env = "YINYOM_LOG", default_value = "info")]
    pub log: String,

    /// Log one JSON object a line
    #[arg(long, env = "YINYOM_LOG_JSON", value_parser = clap::builder::FalseyValueParser::new())]
    pub log_json: bool,

    /// OTLP/gRPC endpoint of a trace collector: `http://host:4317`
    #[arg(long, env = "YINYOM_OTLP_ENDPOINT")]
    pub otlp_endpoint: Option<String>,
}

impl LogArgs {
    /// The telemetry of `service`.
    pub fn telemetry(&self, service: &str) -> TelemetryConfig {
        TelemetryConfig {
            filter: self.log.clone(),
            format: if self.log_json { Format::Json } else { Format::Human },
            otlp_endpoint: self.otlp_endpoint.clone(),
            ..TelemetryConfig::new(service)
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
        let command = clap::Command::new("test");
        let command = TokenArgs::augment_args(command);
        let command = KeyArgs::augment_args(command);
        let command = PeerArgs::augment_args(command);
        let command = LogArgs::augment_args(command);
        for flag in command.get_arguments() {
            let name = flag.get_id().as_str().to_uppercase();
            assert_eq!(flag.get_env().unwrap(), format!("YINYOM_{name}").as_str());
        }
    }
}
