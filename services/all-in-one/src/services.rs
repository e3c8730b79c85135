//! The only wiring: the three services from the data directory's parts, started and stopped together.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use contact_directory::commands::{LookupRate, MergeRetention, OperationRetention};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use yinyom_identity::{Authenticator, CallerTableError, TokenIssuer, TokenSource, TokenVerifier};
use yinyom_kernel::SharedClock;
use yinyom_policy::{Policies, PoliciesConfig, RemoteSource};
use yinyom_process::{ConfigError, LimitArgs, Transport};
use yinyom_rpc::{ClientConfig, Connection, Incoming, ServeError, ServerConfig};

use crate::callers::{self, DIRECTORY, MANAGER, SETTINGS};
use crate::data_dir::{AUDIENCE, DataDir, DataDirError, ISSUER, Keeper};
use crate::facts::{Addresses, url};

/// A service that is not up by then will not come up.
const READY_LIMIT: Duration = Duration::from_secs(30);

/// How long each service waits for calls to end, and for clients that do not hang up.
const DRAIN_LIMIT: Duration = Duration::from_secs(3);

/// The ports.
pub struct Listeners {
    pub settings: TcpListener,
    pub directory: TcpListener,
    pub manager: TcpListener,
}

impl Listeners {
    /// Where they are.
    pub fn addresses(&self) -> io::Result<Addresses> {
        Ok(Addresses {
            settings: self.settings.local_addr()?.to_string(),
            directory: self.directory.local_addr()?.to_string(),
            manager: self.manager.local_addr()?.to_string(),
        })
    }

    /// What comes in at settings, the directory and the manager.
    fn open(self, transport: &Transport) -> Result<[Incoming; 3], ServicesError> {
        let open = |listener: TcpListener| -> Result<Incoming, ServicesError> {
            let address = listener.local_addr()?;
            Ok(transport.incoming(listener, address)?)
        };
        Ok([open(self.settings)?, open(self.directory)?, open(self.manager)?])
    }
}

/// How much the services take.
#[derive(Clone, clap::Args)]
pub struct Limits {
    #[command(flatten)]
    pub ports: LimitArgs,
    #[command(flatten)]
    pub lookups: LookupRate,
    #[command(flatten)]
    pub merges: MergeRetention,
    #[command(flatten)]
    pub operations: OperationRetention,
}

/// The services did not start, or did not last.
#[derive(Debug, thiserror::Error)]
pub enum ServicesError {
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    #[error("the addresses cannot be had")]
    Address(#[from] io::Error),
    #[error("the token issuer's keys cannot be used")]
    Keys(#[from] yinyom_identity::KeyError),
    #[error("the caller table cannot be used")]
    Callers(#[from] CallerTableError),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Settings(#[from] consent_settings::StartError),
    #[error(transparent)]
    Directory(#[from] contact_directory::StartError),
    #[error(transparent)]
    Manager(#[from] consent_manager::StartError),
    #[error("{service} stopped")]
    Serve { service: &'static str, source: ServeError },
    #[error("{0} died")]
    Died(&'static str),
    #[error("{0} did not become ready")]
    NotReady(&'static str),
}

/// The services, running.
pub struct Services {
    /// In the order in which they stop: who calls stops before who is called.
    running: [Running; 3],
    /// One of them has ended.
    ended: CancellationToken,
    transport: Transport,
}

struct Running {
    service: &'static str,
    stop: CancellationToken,
    task: JoinHandle<Result<(), ServeError>>,
}

impl Services {
    /// Opens the databases and begins to serve.
    pub async fn start(
        data: &DataDir,
        listeners: Listeners,
        issuer: &Arc<TokenIssuer>,
        clock: &SharedClock,
        transport: Transport,
        limits: Limits,
    ) -> Result<Self, ServicesError> {
        let addresses = listeners.addresses()?;
        let [on_settings, on_directory, on_manager] = listeners.open(&transport)?;
        let wiring = Wiring { addresses, issuer, clock, transport: &transport };
        let [settings, directory, manager] = data.masters()?;
        let (notary, made) = data.notary()?;
        let settings = consent_settings::App::open(consent_settings::Parts {
            database: data.database(Keeper::Settings),
            masters: settings,
            authenticator: wiring.authenticator()?,
            manager: wiring.connect(&wiring.addresses.manager, SETTINGS)?,
            server: draining_soon(limits.ports.server()),
            clock: SharedClock::clone(clock),
        });
        let directory = contact_directory::App::open(contact_directory::Parts {
            database: data.database(Keeper::Directory),
            masters: directory,
            authenticator: wiring.authenticator()?,
            policies: wiring.policies(DIRECTORY)?,
            manager: wiring.connect(&wiring.addresses.manager, DIRECTORY)?,
            server: draining_soon(limits.ports.server()),
            lookups: limits.lookups,
            merges: limits.merges,
            operations: limits.operations,
            clock: SharedClock::clone(clock),
        });
        let manager = consent_manager::App::open(consent_manager::Parts {
            database: data.database(Keeper::Manager),
            masters: manager,
            notary: Arc::new(notary),
            sign_earlier: made,
            authenticator: wiring.authenticator()?,
            policies: wiring.policies(MANAGER)?,
            server: draining_soon(limits.ports.server_of_manager()?),
            clock: SharedClock::clone(clock),
        });
        let (settings, directory, manager) = tokio::join!(settings, directory, manager);
        let (settings, directory) = (settings?, directory?);
        let manager = manager?.unconfirmed().await?;
        let ended = CancellationToken::new();
        let run = |service, serve: Serve| Running::start(service, serve, &ended);
        let running = [
            run(
                "contact-directory",
                Box::new(|s| {
                    Box::pin(async move {
                        match s.run_until_cancelled(directory.caught_up()).await {
                            Some(directory) => directory.serve(on_directory, s.clone()).await,
                            None => Ok(()),
                        }
                    })
                }),
            ),
            run("consent-manager", Box::new(|s| Box::pin(manager.serve(on_manager, s)))),
            run("consent-settings", Box::new(|s| Box::pin(settings.serve(on_settings, s)))),
        ];
        Ok(Self { running, ended, transport })
    }

    /// Waits until all of them answer.
    pub async fn ready(&self, addresses: &Addresses) -> Result<(), ServicesError> {
        for (service, address) in [
            ("consent-settings", &addresses.settings),
            ("contact-directory", &addresses.directory),
            ("consent-manager", &addresses.manager),
        ] {
            let not_ready = || ServicesError::NotReady(service);
            tokio::select! {
                answer = tokio::time::timeout(READY_LIMIT, healthy(address, &self.transport)) => {
                    if answer != Ok(true) {
                        return Err(not_ready());
                    }
                }
                () = self.ended.cancelled() => return Err(not_ready()),
            }
        }
        Ok(())
    }

    /// Waits for `stop`, or for one of them to end by itself: the others are of no use then.
    pub async fn until(&self, stop: &CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.ended.cancelled() => tracing::error!("a service has ended; stopping the others"),
        }
    }

    /// Stops them one after the other, each when its calls have ended. Tells the first thing that went
    /// wrong.
    pub async fn stop(self) -> Result<(), ServicesError> {
        let mut first = Ok(());
        for running in self.running {
            first = first.and(running.stop().await);
        }
        first
    }
}

type Serve = Box<
    dyn FnOnce(
            CancellationToken,
        ) -> std::pin::Pin<Box<dyn Future<Output = Result<(), ServeError>> + Send>>
        + Send,
>;

impl Running {
    fn start(service: &'static str, serve: Serve, ended: &CancellationToken) -> Self {
        let stop = CancellationToken::new();
        let serving = serve(stop.clone());
        // Also when it panics.
        let ending = ended.clone().drop_guard();
        let task = tokio::spawn(async move {
            let _ending = ending;
            serving.await
        });
        Self { service, stop, task }
    }

    async fn stop(self) -> Result<(), ServicesError> {
        self.stop.cancel();
        match self.task.await {
            Ok(served) => {
                served.map_err(|source| ServicesError::Serve { service: self.service, source })
            }
            Err(_) => Err(ServicesError::Died(self.service)),
        }
    }
}

struct Wiring<'a> {
    addresses: Addresses,
    issuer: &'a Arc<TokenIssuer>,
    clock: &'a SharedClock,
    transport: &'a Transport,
}

impl Wiring<'_> {
    /// Each service checks tokens by itself, as it would in production.
    fn authenticator(&self) -> Result<Arc<Authenticator>, ServicesError> {
        let clock = SharedClock::clone(self.clock);
        let verifier = TokenVerifier::new(&self.issuer.jwks()?, ISSUER, AUDIENCE, clock)?;
        Ok(Arc::new(Authenticator::new(verifier, callers::table()?)))
    }

    fn policies(&self, caller: &'static str) -> Result<Policies, ServicesError> {
        let settings = self.connect(&self.addresses.settings, caller)?;
        let source = Arc::new(RemoteSource::new(settings));
        Ok(Policies::new(source, SharedClock::clone(self.clock), PoliciesConfig::default()))
    }

    fn connect(&self, address: &str, caller: &'static str) -> Result<Connection, ServicesError> {
        let tokens = TokenSource::issuer(Arc::clone(self.issuer), caller, AUDIENCE);
        Ok(self.transport.connect(&url(self.transport.serves_tls(), address), tokens)?)
    }
}

/// Whoever presses Ctrl-C waits for less than whoever rolls a cluster.
fn draining_soon(mut config: ServerConfig) -> ServerConfig {
    config.drain_limit = config.drain_limit.min(DRAIN_LIMIT);
    config
}

/// The port is bound already, so the first call waits until somebody serves there.
async fn healthy(address: &str, transport: &Transport) -> bool {
    let config = ClientConfig::new(url(transport.serves_tls(), address));
    let Ok(channel) = transport.channel(&config) else {
        return false;
    };
    let mut health = HealthClient::new(channel);
    let answer = health.check(HealthCheckRequest::default()).await;
    answer.is_ok_and(|answer| {
        answer.into_inner().status == tonic_health::ServingStatus::Serving as i32
    })
}
