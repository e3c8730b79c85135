//! `yinyom` without a command: the three services in one process, each behind its own port with its
//! own database, talking gRPC to each other as they do in production.

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use clap::builder::FalseyValueParser;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic_health::ServingStatus;
use yinyom_identity::{Subject, TokenIssuer};
use yinyom_kernel::{SharedClock, SystemClock};
use yinyom_process::{LogArgs, ProbeArgs, TlsArgs, Transport};

use crate::callers::{CAMPAIGNS, HELPDESK, OPERATOR};
use crate::client::{CallError, Target};
use crate::data_dir::{AUDIENCE, DataDir, issuer};
use crate::demo::people::STORY;
use crate::demo::story::{Cast, Step, steps};
use crate::demo::{Demo, Loader, Targets};
use crate::facts::{self, Addresses, Facts, Operator, Service};
use crate::services::{Limits, Listeners, Services};
use crate::token::TTL;
use crate::welcome::welcome;

/// How to serve.
#[derive(clap::Args)]
pub struct ServeArgs {
    /// Load no demo business.
    #[arg(long, env = "YINYOM_NO_DEMO", value_parser = FalseyValueParser::new())]
    no_demo: bool,

    /// Port of consent-settings; 0 takes any that is free.
    #[arg(long, env = "YINYOM_SETTINGS_PORT", default_value_t = 7071, value_name = "PORT")]
    settings_port: u16,

    /// Port of contact-directory.
    #[arg(long, env = "YINYOM_DIRECTORY_PORT", default_value_t = 7072, value_name = "PORT")]
    directory_port: u16,

    /// Port of consent-manager.
    #[arg(long, env = "YINYOM_MANAGER_PORT", default_value_t = 7073, value_name = "PORT")]
    manager_port: u16,

    #[command(flatten)]
    limits: Limits,

    #[command(flatten)]
    tls: TlsArgs,

    #[command(flatten)]
    pub logs: LogArgs,

    #[command(flatten)]
    probes: ProbeArgs,
}

/// A port cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error(
    "port {port} cannot be listened on; --{service}-port names another one, 0 any that is free"
)]
struct ListenError {
    service: &'static str,
    port: u16,
    source: std::io::Error,
}

/// Serves until `stop`.
pub async fn run(
    args: &ServeArgs,
    data_dir: &Path,
    stop: CancellationToken,
) -> Result<(), Box<dyn Error>> {
    let transport = args.tls.open()?;
    let health = args.probes.open().await?;
    let data = DataDir::open(data_dir)?;
    let loaded = facts::take_last(data.path())?;
    let clock: SharedClock = Arc::new(SystemClock);
    let issuer = issuer(data.path(), SharedClock::clone(&clock))?;
    let listeners = Listeners {
        settings: listen("settings", args.settings_port).await?,
        directory: listen("directory", args.directory_port).await?,
        manager: listen("manager", args.manager_port).await?,
    };
    let addresses = listeners.addresses()?;
    let limits = args.limits.clone();
    let start = Services::start(&data, listeners, &issuer, &clock, transport.clone(), limits);
    let services = Box::pin(start).await?;
    let opening = async {
        services.ready(&addresses).await?;
        health.set(ServingStatus::Serving).await;
        tracing::info!(
            settings = addresses.settings,
            directory = addresses.directory,
            manager = addresses.manager,
            "ready"
        );
        let demo = if args.no_demo {
            None
        } else {
            let targets = targets(&addresses, &transport)?;
            let demo = Loader::new(targets, Arc::clone(&issuer), SharedClock::clone(&clock));
            Some(demo.load(loaded.as_deref()).await?)
        };
        let flags = grpcurl_flags(&args.tls);
        let (mut facts, steps) = tell(&addresses, &issuer, demo, &flags)?;
        facts.tls = transport.serves_tls();
        // Whoever waits for dev.json finds everything said; whoever waits for the last line finds
        // dev.json.
        crate::say(&welcome(&facts, &steps, data.path()));
        facts.write(data.path())?;
        crate::say("\nCtrl-C ends it; the next start goes on from here.\n");
        Ok::<_, Box<dyn Error>>(())
    };
    let opened = tokio::select! {
        opened = opening => opened,
        () = stop.cancelled() => Ok(()),
    };
    if opened.is_ok() {
        services.until(&stop).await;
    }
    health.set(ServingStatus::NotServing).await;
    let stopped = services.stop().await;
    opened?;
    Ok(stopped?)
}

async fn listen(service: &'static str, port: u16) -> Result<TcpListener, ListenError> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let listener = TcpListener::bind(address).await;
    listener.map_err(|source| ListenError { service, port, source })
}

fn targets(addresses: &Addresses, transport: &Transport) -> Result<Targets, CallError> {
    let at = |address| Target::new(&facts::url(transport.serves_tls(), address), transport);
    Ok(Targets { settings: at(&addresses.settings)?, directory: at(&addresses.directory)? })
}

/// How `grpcurl` is told of the connection.
fn grpcurl_flags(args: &TlsArgs) -> String {
    let TlsArgs { calls, .. } = args;
    match (&calls.tls_certificate_file, &calls.tls_key_file, &calls.tls_ca_file) {
        (Some(certificate), Some(key), Some(authorities)) => {
            let [certificate, key, authorities] =
                [certificate, key, authorities].map(|path| path.display());
            format!("-cacert \"{authorities}\" -cert \"{certificate}\" -key \"{key}\"")
        }
        _ => "-plaintext".to_owned(),
    }
}

/// What dev.json and standard output say.
fn tell(
    addresses: &Addresses,
    issuer: &TokenIssuer,
    demo: Option<Demo>,
    flags: &str,
) -> Result<(Facts, Vec<Step>), Box<dyn Error>> {
    let token = |name: &str| issuer.issue(&Subject::named(name), AUDIENCE, TTL);
    let service = |name: &str, scopes: &[&str]| {
        let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        Ok::<_, Box<dyn Error>>(Service { name: name.to_owned(), scopes, token: token(name)? })
    };
    let steps = demo.as_ref().map(|demo| story(addresses, demo, flags)).unwrap_or_default();
    let (business, people, contacts) = match demo {
        Some(demo) => (Some(demo.business), demo.people, demo.contacts),
        None => (None, Vec::new(), Vec::new()),
    };
    let facts = Facts {
        addresses: addresses.clone(),
        tls: false,
        business,
        people,
        operator: Operator { name: OPERATOR.to_owned(), token: token(OPERATOR)? },
        services: vec![service(CAMPAIGNS, &["addresses.read"])?, service(HELPDESK, &[])?],
        contacts,
        commands: steps.iter().map(|step| step.command.clone()).collect(),
    };
    Ok((facts, steps))
}

/// The story, if its people and its contact are still there.
fn story(addresses: &Addresses, demo: &Demo, flags: &str) -> Vec<Step> {
    let contact = demo.contacts.iter().find(|contact| contact.external_id == STORY);
    let owner = demo.people.iter().find(|person| person.role == "OWNER");
    let user = demo
        .people
        .iter()
        .find(|person| person.role == "USER" && !person.listed && !person.protection_officer);
    let (Some(contact), Some(owner), Some(user)) = (contact, owner, user) else {
        return Vec::new();
    };
    steps(&Cast {
        addresses,
        flags,
        business: &demo.business,
        contact: &contact.contact,
        owner: &owner.token,
        user: &user.token,
    })
}
