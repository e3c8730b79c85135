//! Flags that more than one service has, each with its environment variable, and the files that they name.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use yinyom_identity::{CallerTableError, KeyError, TokenSource};
use yinyom_kernel::SharedClock;
use yinyom_policy::{Policies, PoliciesConfig, RemoteSource};
use yinyom_rpc::{ConnectError, Connection};
use yinyom_telemetry::{Format, TelemetryConfig};
use yinyom_tls::TlsError;

use crate::{IssuersError, KeyUrlError, Transport};

/// Something that the configuration names cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("{path} cannot be read")]
    File { path: PathBuf, source: std::io::Error },
    #[error("{0} must hold a database's address, in one line: sqlite:PATH or postgres://…")]
    DatabaseUrl(PathBuf),
    #[error("the database is not named: --database-url or --database-url-file")]
    NoDatabase,
    #[error("the file of issuers cannot be used")]
    Issuers(#[from] IssuersError),
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use clap::Args;

    use super::*;

    #[test]
    fn every_flag_has_a_variable_of_its_name() {
        let command = clap::Command::new("test");
        let command = crate::TokenArgs::augment_args(command);
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
