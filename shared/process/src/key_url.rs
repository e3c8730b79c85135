//! The key set of an identity provider, fetched by URL: at the start, from time to time, and when a token names a key that
//! is not in it. A set stays in force until another one has come.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Uri;
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connect, HttpConnector};
use hyper_util::rt::TokioExecutor;
use tokio::sync::Notify;
use yinyom_identity::{KeyError, TokenVerifier};
use yinyom_tls::{ClientTls, Protocol, TlsConnector};

use crate::transport::is_loopback_name;

/// When a set is fetched, and how much of it is read.
#[derive(Debug, Clone)]
pub struct KeyUrlLimits {
    /// How often, without a reason.
    pub every: Duration,
    /// How long after the last time at the soonest, whatever tokens come.
    pub between: Duration,
    /// How long one fetch may take.
    pub timeout: Duration,
    /// The largest set.
    pub bytes: usize,
}

impl Default for KeyUrlLimits {
    fn default() -> Self {
        Self {
            every: Duration::from_mins(5),
            between: Duration::from_secs(10),
            timeout: Duration::from_secs(5),
            bytes: 256 * 1024,
        }
    }
}

/// Why a set was not fetched.
#[derive(Debug, thiserror::Error)]
pub enum KeyUrlError {
    #[error("the key set's URL must be https://…, or http://… on loopback")]
    Url,
    #[error("the key set's server cannot be reached")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the key set's server answers {0}: it must be 200, and at this URL")]
    Answer(http::StatusCode),
    #[error("the key set did not come in time")]
    TooLong,
    #[error("the key set is too large")]
    TooLarge,
    #[error("the key set is no text")]
    NoText,
    #[error(transparent)]
    Keys(#[from] KeyError),
}

/// Where a key set is fetched.
#[derive(Debug, Clone)]
pub struct KeyUrl {
    uri: Uri,
    fetcher: Fetcher,
    limits: KeyUrlLimits,
}

#[derive(Debug, Clone)]
enum Fetcher {
    Tls(Client<TlsConnector, Empty<Bytes>>),
    Plain(Client<HttpConnector, Empty<Bytes>>),
}

impl KeyUrl {
    /// `https://…`, of a server that `tls` trusts; or `http://…` on loopback, where nobody is between.
    pub fn new(url: &str, tls: &ClientTls, limits: KeyUrlLimits) -> Result<Self, KeyUrlError> {
        let uri: Uri = url.parse().map_err(|_| KeyUrlError::Url)?;
        // A set is fetched too seldom to keep a connection for it, and a new one takes new certificates.
        let mut builder = Client::builder(TokioExecutor::new());
        builder.pool_max_idle_per_host(0);
        let fetcher = match (uri.scheme_str(), uri.host()) {
            (Some("https"), Some(_)) => Fetcher::Tls(builder.build(tls.connector(Protocol::Http1))),
            (Some("http"), Some(host)) if is_loopback_name(host) => {
                Fetcher::Plain(builder.build_http())
            }
            _ => return Err(KeyUrlError::Url),
        };
        Ok(Self { uri, fetcher, limits })
    }

    /// The set as it is now. Redirections are not followed: the URL is the trust.
    pub async fn fetch(&self) -> Result<String, KeyUrlError> {
        let fetched = async {
            match &self.fetcher {
                Fetcher::Tls(client) => self.get(client).await,
                Fetcher::Plain(client) => self.get(client).await,
            }
        };
        let fetched = tokio::time::timeout(self.limits.timeout, fetched).await;
        fetched.map_err(|_| KeyUrlError::TooLong)?
    }

    async fn get<C>(&self, client: &Client<C, Empty<Bytes>>) -> Result<String, KeyUrlError>
    where
        C: Connect + Clone + Send + Sync + 'static,
    {
        let answer = client.get(self.uri.clone()).await;
        let answer = answer.map_err(|error| KeyUrlError::Unreachable(error.into()))?;
        if answer.status() != http::StatusCode::OK {
            return Err(KeyUrlError::Answer(answer.status()));
        }
        let body = Limited::new(answer.into_body(), self.limits.bytes).collect().await;
        let body = body.map_err(|error| {
            if error.is::<http_body_util::LengthLimitError>() {
                KeyUrlError::TooLarge
            } else {
                KeyUrlError::Unreachable(error)
            }
        })?;
        String::from_utf8(body.to_bytes().into()).map_err(|_| KeyUrlError::NoText)
    }

    /// Keeps the keys of `verifier`, which begins with the set `known`, as the URL has them: as long as the runtime lives.
    /// What goes wrong is logged once until it goes right.
    pub fn watch(self, verifier: &Arc<TokenVerifier>, mut known: String) {
        let (wanted, verifier) = (Arc::new(Notify::new()), Arc::clone(verifier));
        let unknown = Arc::clone(&wanted);
        verifier.on_unknown_key(move || unknown.notify_one());
        tokio::spawn(async move {
            let mut failing = false;
            loop {
                tokio::time::sleep(self.limits.between).await;
                let rest = self.limits.every.saturating_sub(self.limits.between);
                tokio::select! {
                    () = tokio::time::sleep(rest) => {}
                    () = wanted.notified() => {}
                }
                match self.refresh(&verifier, &mut known).await {
                    Ok(()) => failing = false,
                    Err(error) if !failing => {
                        failing = true;
                        let cause = std::error::Error::source(&error).map(ToString::to_string);
                        tracing::error!(%error, cause, "the key set was not fetched: the last one stays");
                    }
                    Err(error) => tracing::debug!(%error, "the key set was not fetched"),
                }
            }
        });
    }

    async fn refresh(
        &self,
        verifier: &TokenVerifier,
        known: &mut String,
    ) -> Result<(), KeyUrlError> {
        let fetched = self.fetch().await?;
        // The same set: tokens that were checked with it stay known.
        if fetched != *known {
            verifier.replace_keys(&fetched)?;
            *known = fetched;
            tracing::info!("the key set has changed");
        }
        Ok(())
    }
}
