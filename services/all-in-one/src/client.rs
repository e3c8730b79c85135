//! Calls a service as a person does who holds a token: for the commands of this program, which are
//! clients like any other.

use std::time::Duration;

use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use yinyom_kernel::Language;
use yinyom_process::{ConfigError, Transport};
use yinyom_rpc::ClientConfig;

/// What a generated client is made of.
pub type Connection = InterceptedService<Channel, Credentials>;

/// A call cannot be made, or was refused. Its text is for the person at the terminal.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    #[error("{0:?} is not an address of the form https://host:port, or http://… on loopback")]
    Address(String),
    #[error(transparent)]
    Transport(ConfigError),
    #[error("the token cannot be sent: it holds characters that no token has")]
    Token,
    #[error("{what}: nothing answers at {address}; is yinyom running there?")]
    Unreachable { what: &'static str, address: String },
    #[error("{what} was refused: {message} [{reason}]")]
    Refused { what: &'static str, message: String, reason: String },
}

/// Puts the token and the language on every call.
#[derive(Clone)]
pub struct Credentials {
    bearer: MetadataValue<Ascii>,
    language: MetadataValue<Ascii>,
}

impl Interceptor for Credentials {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.bearer.clone());
        request.metadata_mut().insert("accept-language", self.language.clone());
        Ok(request)
    }
}

/// Where a service answers.
#[derive(Debug, Clone)]
pub struct Target {
    address: String,
    channel: Channel,
}

impl Target {
    /// A service at `address`, `https://host:port`, `http://host:port` or `host:port`, which is the latter. It is connected
    /// at the first call.
    pub fn new(address: &str, transport: &Transport) -> Result<Self, CallError> {
        let url =
            if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
        let config = ClientConfig {
            connect_timeout: Duration::from_secs(5),
            keepalive_timeout: Duration::from_secs(10),
            ..ClientConfig::new(url.clone())
        };
        let channel = transport.channel(&config).map_err(|error| match error {
            ConfigError::Connect(_) => CallError::Address(address.to_owned()),
            other => CallError::Transport(other),
        })?;
        Ok(Self { address: url, channel })
    }

    /// For calls by the holder of `token`, answered in `language`.
    pub fn by(&self, token: &str, language: Language) -> Result<Connection, CallError> {
        let mut bearer: MetadataValue<Ascii> =
            format!("Bearer {}", token.trim()).parse().map_err(|_| CallError::Token)?;
        bearer.set_sensitive(true);
        let language = MetadataValue::from_static(language.tag());
        Ok(InterceptedService::new(self.channel.clone(), Credentials { bearer, language }))
    }

    /// What a person should hear of `status`; `what` is what was tried.
    pub fn error(&self, what: &'static str, status: &Status) -> CallError {
        match yinyom_rpc::reason(status) {
            Some(reason) => CallError::Refused { what, message: told(status), reason },
            // Only what never reached a service of ours has no reason.
            None if status.code() == Code::Unavailable => {
                CallError::Unreachable { what, address: self.address.clone() }
            }
            None => CallError::Refused {
                what,
                message: status.message().to_owned(),
                reason: format!("{:?}", status.code()),
            },
        }
    }
}

/// The message in the language that was asked for.
fn told(status: &Status) -> String {
    use tonic_types::StatusExt;
    status
        .get_details_localized_message()
        .map_or_else(|| status.message().to_owned(), |localized| localized.message)
}
