//! How connections are protected: TLS as the flags say, plain text on loopback, and beyond it only if somebody insists.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use clap::builder::FalseyValueParser;
use tokio::net::TcpListener;
use tonic::transport::Channel;
use yinyom_identity::TokenSource;
use yinyom_rpc::{ClientConfig, Connection, Incoming, Places};
use yinyom_tls::{
    ClientAuthentication, ClientTls, HandshakeLimits, Identity, Protocol, ServerTls, TlsError,
    Trust,
};

use crate::ConfigError;
use crate::files::{Contents, Files, LOOK_EVERY};

/// The word that stands for the authorities of the system, where a file of authorities is asked for.
const SYSTEM: &str = "system";

/// How own calls are protected.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct CallTlsArgs {
    /// File with the own certificate, followed by what leads to its authority: PEM. What is called sees it, if it asks; a
    /// port shows it
    #[arg(long, env = "YINYOM_TLS_CERTIFICATE_FILE", value_name = "FILE")]
    pub tls_certificate_file: Option<PathBuf>,

    /// File with its private key: PEM
    #[arg(long, env = "YINYOM_TLS_KEY_FILE", value_name = "FILE")]
    pub tls_key_file: Option<PathBuf>,

    /// File with the authorities that vouch for whom we call at https://…: PEM; `system` for those of the system
    #[arg(long, env = "YINYOM_TLS_CA_FILE", value_name = "FILE")]
    pub tls_ca_file: Option<PathBuf>,

    /// Serve and call in plain text beyond loopback. Tokens and personal data can be read on the way
    #[arg(long, env = "YINYOM_INSECURE_PLAINTEXT", value_parser = FalseyValueParser::new())]
    pub insecure_plaintext: bool,
}

/// How a port and own calls are protected.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct TlsArgs {
    #[command(flatten)]
    pub calls: CallTlsArgs,

    /// File with the authorities that vouch for clients: PEM
    #[arg(long, env = "YINYOM_TLS_CLIENT_CA_FILE", value_name = "FILE")]
    pub tls_client_ca_file: Option<PathBuf>,

    /// Whether clients need a certificate. `required` if there is a file of authorities for them, `none` if not
    #[arg(long, env = "YINYOM_TLS_CLIENT_AUTHENTICATION", value_enum)]
    pub tls_client_authentication: Option<Demand>,
}

/// What a port asks of its clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Demand {
    /// No certificate
    None,
    /// One that is good, or none
    Optional,
    /// One that is good
    Required,
}

/// How connections are made and taken, while the process runs. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Transport {
    server: Option<ServerTls>,
    client: Option<ClientTls>,
    insecure: bool,
}

impl CallTlsArgs {
    /// Reads the files, and looks at them again while the process runs. Needs a running tokio runtime.
    pub fn open(&self) -> Result<Transport, ConfigError> {
        let identity = self.identity()?;
        let client = match &self.tls_ca_file {
            None => None,
            Some(authorities) => Some(client(authorities, identity)?),
        };
        Ok(Transport { server: None, client, insecure: self.insecure_plaintext })
    }

    fn identity(&self) -> Result<Option<[PathBuf; 2]>, ConfigError> {
        match (&self.tls_certificate_file, &self.tls_key_file) {
            (Some(certificate), Some(key)) => Ok(Some([certificate.clone(), key.clone()])),
            (None, None) => Ok(None),
            _ => Err(ConfigError::HalfAnIdentity),
        }
    }
}

impl TlsArgs {
    /// Reads the files, and looks at them again while the process runs. Needs a running tokio runtime.
    pub fn open(&self) -> Result<Transport, ConfigError> {
        let server = match (self.calls.identity()?, self.demand()?) {
            (Some(identity), demand) => Some(server(identity, demand)?),
            (None, Some(_)) => return Err(ConfigError::ClientsOfNoTls),
            (None, None) => None,
        };
        Ok(Transport { server, ..self.calls.open()? })
    }

    /// Whose certificates are asked for, and whether there must be one.
    fn demand(&self) -> Result<Option<(PathBuf, bool)>, ConfigError> {
        let demand = self.tls_client_authentication;
        match (&self.tls_client_ca_file, demand) {
            (Some(_), Some(Demand::None)) => Err(ConfigError::AuthoritiesForNobody),
            (Some(file), _) => Ok(Some((file.clone(), demand != Some(Demand::Optional)))),
            (None, None | Some(Demand::None)) => Ok(None),
            (None, Some(_)) => Err(ConfigError::NoClientAuthorities),
        }
    }
}

fn server(
    [certificate, key]: [PathBuf; 2],
    demand: Option<(PathBuf, bool)>,
) -> Result<ServerTls, ConfigError> {
    let required = demand.as_ref().map(|(_, required)| *required);
    let paths = [certificate, key].into_iter().chain(demand.map(|(file, _)| file)).collect();
    let read = move |contents: &Contents| -> Result<_, TlsError> {
        let identity = Identity::from_pem(&contents[0], &contents[1])?;
        let clients = match required {
            None => ClientAuthentication::None,
            Some(false) => ClientAuthentication::Optional(Trust::from_pem(&contents[2])?),
            Some(true) => ClientAuthentication::Required(Trust::from_pem(&contents[2])?),
        };
        Ok((identity, clients))
    };
    let (files, contents) = Files::open("the port's certificate", paths)?;
    let (identity, clients) = read(&contents)?;
    let tls = ServerTls::new(identity, clients)?;
    let watched = tls.clone();
    files.watch(LOOK_EVERY, move |contents| {
        let (identity, clients) = read(contents)?;
        watched.replace(identity, clients)
    });
    Ok(tls)
}

fn client(authorities: &Path, identity: Option<[PathBuf; 2]>) -> Result<ClientTls, ConfigError> {
    let of_system = authorities == Path::new(SYSTEM);
    let has_identity = identity.is_some();
    let mut paths: Vec<_> = identity.into_iter().flatten().collect();
    if !of_system {
        paths.push(authorities.to_owned());
    }
    let read = move |contents: &Contents| -> Result<_, TlsError> {
        let (identity, authorities) = match (has_identity, &contents[..]) {
            (true, [certificate, key, rest @ ..]) => {
                (Some(Identity::from_pem(certificate, key)?), rest)
            }
            (_, rest) => (None, rest),
        };
        let trust = match authorities {
            [authorities, ..] => Trust::from_pem(authorities)?,
            [] => Trust::of_system()?,
        };
        Ok((trust, identity))
    };
    let (files, contents) = Files::open("the certificates of own calls", paths)?;
    let (trust, identity) = read(&contents)?;
    let tls = ClientTls::new(trust, identity)?;
    let watched = tls.clone();
    files.watch(LOOK_EVERY, move |contents| {
        let (trust, identity) = read(contents)?;
        watched.replace(trust, identity)
    });
    Ok(tls)
}

impl Transport {
    /// Listens at `address`, unless that would be in plain text beyond loopback. Tells where, for a port of 0.
    pub async fn listen(&self, address: SocketAddr) -> Result<(Incoming, SocketAddr), ConfigError> {
        self.admit(address)?;
        let listener = TcpListener::bind(address).await;
        let listener = listener.map_err(|source| ConfigError::Listen { address, source })?;
        let bound = listener.local_addr();
        let bound = bound.map_err(|source| ConfigError::Listen { address, source })?;
        Ok((self.incoming(listener, bound)?, bound))
    }

    /// What comes in at a listener that is at `address`, under the same condition.
    pub fn incoming(
        &self,
        listener: TcpListener,
        address: SocketAddr,
    ) -> Result<Incoming, ConfigError> {
        self.admit(address)?;
        Ok(match &self.server {
            Some(tls) => tls.incoming(listener, HandshakeLimits::default()),
            None => {
                if !is_loopback(address.ip()) {
                    tracing::warn!(%address, "serving in plain text: tokens and personal data can be read on the way");
                }
                listener.into()
            }
        })
    }

    /// Whether a port may be served at `address`: not in plain text beyond loopback, unless somebody insists. To be asked
    /// before anything is begun.
    pub fn admit(&self, address: SocketAddr) -> Result<(), ConfigError> {
        if self.server.is_some() || self.insecure || is_loopback(address.ip()) {
            Ok(())
        } else {
            Err(ConfigError::PlaintextPort(address))
        }
    }

    /// Whether ports are served over TLS.
    pub fn serves_tls(&self) -> bool {
        self.server.is_some()
    }

    /// A connection to `http://host:port` on loopback, or to `https://host:port`. Needs a running tokio runtime.
    pub fn connect(&self, endpoint: &str, tokens: TokenSource) -> Result<Connection, ConfigError> {
        let config = ClientConfig::new(endpoint);
        Ok(match self.tls_to(endpoint)? {
            Some(tls) => tls.connect(&config, tokens)?,
            None => yinyom_rpc::connect(&config, tokens)?,
        })
    }

    /// The same without a token, for who has tokens of others.
    pub fn channel(&self, config: &ClientConfig) -> Result<Channel, ConfigError> {
        Ok(match self.tls_to(&config.endpoint)? {
            Some(tls) => yinyom_rpc::channel_with(config, tls.connector(Protocol::Http2))?,
            None => yinyom_rpc::channel(config)?,
        })
    }

    /// TLS for that endpoint, or none where plain text will do.
    fn tls_to(&self, endpoint: &str) -> Result<Option<&ClientTls>, ConfigError> {
        // Whoever makes the connection says what is wrong with it.
        let Ok(places) = Places::parse(endpoint, &["http", "https"]) else { return Ok(None) };
        if places.origin.scheme_str() == Some("https") {
            let tls = self.client.as_ref();
            return tls.map(Some).ok_or_else(|| ConfigError::TrustsNobody(endpoint.to_owned()));
        }
        if !places.hosts.iter().all(|(host, _)| is_loopback_name(host)) {
            if !self.insecure {
                return Err(ConfigError::PlaintextCall(endpoint.to_owned()));
            }
            tracing::warn!(
                endpoint,
                "calling in plain text: tokens and personal data can be read on the way"
            );
        }
        Ok(None)
    }
}

fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// Names are what a resolver makes of them; this one is loopback everywhere (RFC 6761, 6.3).
pub(crate) fn is_loopback_name(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host.eq_ignore_ascii_case("localhost") || bare.parse().is_ok_and(is_loopback)
}
