//! A port that tells who is at the other end.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use yinyom_rpc::{ClientConfig, Peer, channel_with};
use yinyom_testkit::certificates::{Authority, Certified};
use yinyom_tls::{
    ClientAuthentication, ClientTls, HandshakeLimits, Identity, Protocol, ServerTls, Trust,
};

pub const CLIENT: &str = "spiffe://yinyom.example/ns/crm/sa/contact-directory";
pub const OTHER: &str = "spiffe://yinyom.example/ns/crm/sa/consent-manager";

pub struct House {
    pub address: SocketAddr,
    pub tls: ServerTls,
    /// Who was at the other end of each call.
    peers: Arc<Mutex<Vec<Peer>>>,
    stop: CancellationToken,
    served: JoinHandle<()>,
}

impl House {
    pub async fn start(authority: &Authority, demand: &str) -> Self {
        Self::with(authority, demand, HandshakeLimits::default()).await
    }

    pub async fn with(authority: &Authority, demand: &str, limits: HandshakeLimits) -> Self {
        Self::on("127.0.0.1:0".parse().unwrap(), authority, demand, limits).await
    }

    /// At the address of one that has stopped.
    pub async fn start_at(address: SocketAddr, authority: &Authority, demand: &str) -> Self {
        Self::on(address, authority, demand, HandshakeLimits::default()).await
    }

    async fn on(
        address: SocketAddr,
        authority: &Authority,
        demand: &str,
        limits: HandshakeLimits,
    ) -> Self {
        let trust = Trust::from_pem(authority.pem().as_bytes()).unwrap();
        let clients = match demand {
            "none" => ClientAuthentication::None,
            "optional" => ClientAuthentication::Optional(trust),
            _ => ClientAuthentication::Required(trust),
        };
        let tls = ServerTls::new(identity(&authority.certify(&[])), clients).unwrap();
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (peers, stop) = (Arc::<Mutex<Vec<Peer>>>::default(), CancellationToken::new());
        let (_, health) = tonic_health::server::health_reporter();
        let seen = Arc::clone(&peers);
        let health = InterceptedService::new(health, move |request: tonic::Request<()>| {
            seen.lock().unwrap().extend(request.extensions().get::<Peer>().cloned());
            Ok(request)
        });
        let (incoming, stopped) = (tls.incoming(listener, limits), stop.clone());
        let served = tokio::spawn(async move {
            let server = tonic::transport::Server::builder().add_service(health);
            let stopped = stopped.cancelled_owned();
            server.serve_with_incoming_shutdown(incoming, stopped).await.unwrap();
        });
        Self { address, tls, peers, stop, served }
    }

    pub fn channel(&self, tls: &ClientTls) -> Channel {
        let config = ClientConfig::new(format!("https://{}", self.address));
        channel_with(&config, tls.connector(Protocol::Http2)).unwrap()
    }

    pub async fn stop(self) {
        self.stop.cancel();
        self.served.await.unwrap();
    }

    pub fn calls(&self) -> usize {
        self.peers.lock().unwrap().len()
    }
}

/// Trusts `authority`, and calls as `own`.
pub fn tls_of(authority: &Authority, own: Option<&Certified>) -> ClientTls {
    let trust = Trust::from_pem(authority.pem().as_bytes()).unwrap();
    ClientTls::new(trust, own.map(identity)).unwrap()
}

fn identity(made: &Certified) -> Identity {
    Identity::from_pem(made.certificate.as_bytes(), made.key.as_bytes()).unwrap()
}

pub async fn hello(channel: &Channel) -> Result<(), Status> {
    HealthClient::new(channel.clone()).check(HealthCheckRequest::default()).await.map(drop)
}

/// Whom the port takes that client for.
pub async fn peer_of(house: &House, client: &ClientTls) -> Option<String> {
    hello(&house.channel(client)).await.unwrap();
    let Peer(peer) = house.peers.lock().unwrap().last().cloned().unwrap();
    peer.map(|id| id.to_string())
}

/// No call of that client arrives.
pub async fn refused(house: &House, client: &ClientTls) {
    let before = house.calls();
    hello(&house.channel(client)).await.expect_err("it is refused");
    assert_eq!(house.calls(), before);
}
