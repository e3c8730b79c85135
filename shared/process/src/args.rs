//! Flags that more than one service has, each with its environment variable, and the files that they name.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use yinyom_identity::{
    Authenticator, CallerTable, CallerTableError, KeyError, TokenSource, TokenVerifier,
};
use yinyom_kernel::SharedClock;
use yinyom_policy::{Policies, PoliciesConfig, RemoteSource};
use yinyom_rpc::{ConnectError, Connection};
use yinyom_telemetry::{Format, TelemetryConfig};
use yinyom_tls::{ClientTls, TlsError, Trust};

use crate::files::{Contents, Files, LOOK_EVERY, read, text};
use crate::{KeyUrl, KeyUrlError, KeyUrlLimits, Transport};

/// Something that the configuration names cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("{path} cannot be read")]
    File { path: PathBuf, source: std::io::Error },
    #[error("{0} must hold a database's address, in one line: sqlite:PATH or postgres://…")]
    DatabaseUrl(PathBuf),
    #[error("the database is not named: --database-url or --database-url-file")]
    NoDatabase,
    #[error("the key set cannot be used")]
    Keys(#[from] KeyError),
    #[error(transparent)]
    Callers(#[from] CallerTableError),
    #[error(transparent)]
    LedgerKey(#[from] yinyom_transparency::KeyError),
    #[error(transparent)]
    MasterKey(#[from] yinyom_privacy::KeyError),
    #[error("another service cannot be called")]
    Connect(#[from] ConnectError),
    #[error("the key set cannot be fetched")]
    KeyUrl(#[from] KeyUrlError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(
        "a certificate needs its key, and a key its certificate: --tls-certificate-file and --tls-key-file"
    )]
    HalfAnIdentity,
    #[error(
        "certificates of clients are asked for in TLS only: --tls-certificate-file and --tls-key-file"
    )]
    ClientsOfNoTls,
    #[error("certificates of clients need somebody who vouches for them: --tls-client-ca-file")]
    NoClientAuthorities,
    #[error("--tls-client-ca-file is of no use where --tls-client-authentication is none")]
    AuthoritiesForNobody,
    #[error(
        "{0} is not loopback: give it --tls-certificate-file and --tls-key-file, or insist with --insecure-plaintext"
    )]
    PlaintextPort(SocketAddr),
    #[error("{0} is not loopback: call it at https://…, or insist with --insecure-plaintext")]
    PlaintextCall(String),
    #[error("{0} needs --tls-ca-file, which says whose certificates to trust")]
    TrustsNobody(String),
    #[error(
        "--max-message-bytes is {0}, and consent-manager needs {1} at least: the other services send it that much at once"
    )]
    SmallMessages(u32, u32),
    #[error("{address} cannot be listened on")]
    Listen { address: SocketAddr, source: std::io::Error },
}

/// Whose tokens are taken, and which services and operators may call.
#[derive(Debug, Clone, clap::Args)]
pub struct TokenArgs {
    /// File with the public keys that tokens are checked with: a JWK set
    #[arg(long, env = "YINYOM_JWKS_FILE", required_unless_present = "jwks_url")]
    pub jwks_file: Option<PathBuf>,

    /// URL of the same, in place of a file: `https://…`; `http://…` on loopback
    #[arg(long, env = "YINYOM_JWKS_URL", conflicts_with = "jwks_file")]
    pub jwks_url: Option<String>,

    /// File with the authorities that vouch for that URL: PEM; those of the system, if unset
    #[arg(long, env = "YINYOM_JWKS_CA_FILE", value_name = "FILE")]
    pub jwks_ca_file: Option<PathBuf>,

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
    /// Reads the files, or fetches the key set, into what tells who calls; and looks at them again while the process
    /// runs.
    pub async fn authenticator(
        &self,
        clock: SharedClock,
    ) -> Result<Arc<Authenticator>, ConfigError> {
        let (callers_file, callers) =
            Files::open("the caller table", vec![self.callers_file.clone()])?;
        let callers = callers_of(&callers)?;
        let verifier = |jwks: &str| TokenVerifier::new(jwks, &*self.issuer, &*self.audience, clock);
        let authenticator = match (&self.jwks_url, &self.jwks_file) {
            (Some(url), _) => {
                let url = KeyUrl::new(url, &self.url_tls()?, KeyUrlLimits::default())?;
                let jwks = url.fetch().await?;
                let authenticator = Arc::new(Authenticator::new(verifier(&jwks)?, callers));
                url.watch(&authenticator, jwks);
                authenticator
            }
            (None, file) => {
                let (file, contents) = Files::open("the key set", file.iter().cloned().collect())?;
                let keys = verifier(&text(&contents))?;
                let authenticator = Arc::new(Authenticator::new(keys, callers));
                let watched = Arc::clone(&authenticator);
                file.watch(LOOK_EVERY, move |contents| -> Result<(), KeyError> {
                    watched.verifier().replace_keys(&text(contents))
                });
                authenticator
            }
        };
        let watched = Arc::clone(&authenticator);
        callers_file.watch(LOOK_EVERY, move |contents| -> Result<(), CallerTableError> {
            watched.replace_callers(callers_of(contents)?);
            Ok(())
        });
        Ok(authenticator)
    }

    fn url_tls(&self) -> Result<ClientTls, ConfigError> {
        let trust = match &self.jwks_ca_file {
            Some(file) => Trust::from_pem(&read(file)?)?,
            None => Trust::of_system()?,
        };
        Ok(ClientTls::new(trust, None)?)
    }
}

/// How a service calls settings, and who it is when it calls anybody.
#[derive(Debug, Clone, clap::Args)]
pub struct PeerArgs {
    /// Where consent-settings serves: `https://host:port`, or `https://one:port,two:port`; `http://…` on loopback
    #[arg(long, env = "YINYOM_SETTINGS_ENDPOINT")]
    pub settings_endpoint: String,

    #[command(flatten)]
    pub calls: CallArgs,
}

/// Who a service is when it calls anybody.
#[derive(Debug, Clone, clap::Args)]
pub struct CallArgs {
    /// File with the token for our own calls; it is read again before it gets old
    #[arg(long, env = "YINYOM_TOKEN_FILE")]
    pub token_file: PathBuf,
}

impl CallArgs {
    /// A connection to `endpoint` as this service. Needs a running tokio runtime.
    pub fn connect(
        &self,
        transport: &Transport,
        endpoint: &str,
        clock: SharedClock,
    ) -> Result<Connection, ConfigError> {
        transport.connect(endpoint, TokenSource::file(&self.token_file, clock))
    }
}

impl PeerArgs {
    /// A connection to `endpoint` as this service. Needs a running tokio runtime.
    pub fn connect(
        &self,
        transport: &Transport,
        endpoint: &str,
        clock: SharedClock,
    ) -> Result<Connection, ConfigError> {
        self.calls.connect(transport, endpoint, clock)
    }

    /// The rules of businesses, as settings has them. Whoever calls this keeps the lease.
    pub fn policies(
        &self,
        transport: &Transport,
        clock: SharedClock,
    ) -> Result<Policies, ConfigError> {
        let own = SharedClock::clone(&clock);
        let settings = self.connect(transport, &self.settings_endpoint, own)?;
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

    /// File with the same, in its place: it is read again while the process runs
    #[arg(long, env = "YINYOM_LOG_FILTER_FILE", value_name = "FILE")]
    pub log_filter_file: Option<PathBuf>,

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
            filter_file: self.log_filter_file.clone(),
            format: if self.log_json { Format::Json } else { Format::Human },
            otlp_endpoint: self.otlp_endpoint.clone(),
            ..TelemetryConfig::new(service)
        }
    }
}

fn callers_of(contents: &Contents) -> Result<CallerTable, CallerTableError> {
    CallerTable::parse(&text(contents))
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
        let command = crate::KeyArgs::augment_args(command);
        let command = crate::DatabaseArgs::augment_args(command);
        let command = PeerArgs::augment_args(command);
        let command = LogArgs::augment_args(command);
        let command = crate::ProbeArgs::augment_args(command);
        let command = crate::TlsArgs::augment_args(command);
        let command = crate::LimitArgs::augment_args(command);
        for flag in command.get_arguments() {
            let name = flag.get_id().as_str().to_uppercase();
            assert_eq!(flag.get_env().unwrap(), format!("YINYOM_{name}").as_str());
        }
    }
}
