//! A server on a free port, and clients that see every byte it answers.

use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use http::HeaderMap;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use jiff::Timestamp;
use prost::Message;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Status};
use tonic_prost::ProstCodec;
use yinyom_identity::{
    Authenticator, CallerTable, Subject, TokenIssuer, TokenSource, TokenVerifier,
};
use yinyom_kernel::{BusinessId, ManualClock, MemberId, SharedClock};
use yinyom_rpc::{Connection, Incoming, ServeError, Server, ServerConfig};
use zeroize::Zeroizing;

use crate::echo::{ACCESS, Echo, Levers, SAY, descriptors};

pub const ISSUER: &str = "https://id.example";
pub const AUDIENCE: &str = "yinyom";
pub const TTL: Duration = Duration::from_mins(5);

const CALLERS: &str = r#"{
    "services": [
        {"name": "reports", "businesses": "*", "rpcs": ["/yinyom.test.v1.Echo/*"]},
        {"name": "mail", "businesses": "*", "rpcs": ["/yinyom.test.v1.Echo/Count"]}
    ],
    "operators": ["vendor"]
}"#;

/// The instant at which every server of these tests stands still.
pub fn now() -> i64 {
    1_780_000_000
}

pub struct Running {
    pub address: String,
    pub issuer: Arc<TokenIssuer>,
    pub pem: Zeroizing<String>,
    pub levers: Arc<Levers>,
    pub shutdown: CancellationToken,
    pub served: JoinHandle<Result<(), ServeError>>,
}

impl Running {
    pub async fn start() -> Self {
        Self::with(ServerConfig::default(), None).await
    }

    pub async fn with(config: ServerConfig, peer: Option<Connection>) -> Self {
        Self::over(CALLERS, config, peer, Incoming::from).await
    }

    /// A server with its own caller table, over connections that `incoming` makes of a listener.
    pub async fn over(
        callers: &str,
        config: ServerConfig,
        peer: Option<Connection>,
        incoming: impl FnOnce(TcpListener) -> Incoming,
    ) -> Self {
        let clock: SharedClock = Arc::new(ManualClock::at(Timestamp::from_second(now()).unwrap()));
        let pem = TokenIssuer::generate_pem().unwrap();
        let issuer = Arc::new(TokenIssuer::from_pem(&pem, ISSUER, Arc::clone(&clock)).unwrap());
        let jwks = issuer.jwks().unwrap();
        let verifier = TokenVerifier::new(&jwks, ISSUER, AUDIENCE, clock).unwrap();
        let callers = CallerTable::parse(callers).unwrap();
        let authenticator = Arc::new(Authenticator::new(verifier, callers));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (shutdown, levers) =
            (CancellationToken::new(), Arc::new(Levers { peer, ..Levers::default() }));
        let echo = Server::new(config, authenticator, descriptors(), &ACCESS)
            .add_service(Echo(Arc::clone(&levers)));
        let served = tokio::spawn(echo.serve(incoming(listener), shutdown.clone()));
        Self { address, issuer, pem, levers, shutdown, served }
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn named(&self, name: &str) -> String {
        self.issuer.issue(&Subject::named(name), AUDIENCE, TTL).unwrap()
    }

    pub fn member(&self, member: MemberId) -> String {
        self.member_of(BusinessId::generate(), member)
    }

    pub fn member_of(&self, business: BusinessId, member: MemberId) -> String {
        let subject = Subject::Member { business, member };
        self.issuer.issue(&subject, AUDIENCE, TTL).unwrap()
    }

    pub fn tokens(&self, name: &str) -> TokenSource {
        TokenSource::issuer(Arc::clone(&self.issuer), name, AUDIENCE)
    }

    /// Calls with one message and the token of the service `reports`.
    pub async fn say(&self, text: &str) -> Answer {
        let bearer = format!("Bearer {}", self.named("reports"));
        self.post(SAY, &[("authorization", &bearer)], frame(text)).await
    }

    /// Calls with bytes as they are. Nothing on this side keeps a deadline or reads a status.
    pub async fn post(&self, path: &str, headers: &[(&str, &str)], body: Bytes) -> Answer {
        let (head, body) = self.open(path, headers, body).await.into_parts();
        let collected = body.collect().await.unwrap();
        let mut all = head.headers;
        all.extend(collected.trailers().cloned().unwrap_or_default());
        Answer { headers: all, body: collected.to_bytes() }
    }

    /// The same, up to the head of the answer: its body is the test's to read, or to leave.
    pub async fn open(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> http::Response<hyper::body::Incoming> {
        let client: Client<HttpConnector, Full<Bytes>> =
            Client::builder(TokioExecutor::new()).http2_only(true).build_http();
        let mut request = http::Request::post(format!("{}{path}", self.endpoint()))
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        client.request(request.body(Full::new(body)).unwrap()).await.unwrap()
    }
}

pub struct Answer {
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn status(&self) -> Status {
        Status::from_header_map(&self.headers).expect("every answer has a status")
    }

    /// The message of a unary answer.
    pub fn text(&self) -> String {
        let status = self.status();
        assert_eq!(status.code(), tonic::Code::Ok, "{status:?}");
        String::decode(&self.body[5..]).unwrap()
    }

    /// Whether `text` is anywhere in what was sent.
    pub fn holds(&self, text: &str) -> bool {
        let details = self.status().details().to_vec();
        let places = [format!("{:?}", self.headers), lossy(&self.body), lossy(&details)];
        places.iter().any(|place| place.contains(text))
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// One message, framed as gRPC frames it.
pub fn frame(text: &str) -> Bytes {
    framed(&text.to_owned().encode_to_vec())
}

pub fn framed(message: &[u8]) -> Bytes {
    let mut frame = BytesMut::new();
    frame.put_u8(0);
    frame.put_u32(u32::try_from(message.len()).unwrap());
    frame.put_slice(message);
    frame.freeze()
}

/// A unary call as a generated client makes it.
pub async fn ask(connection: Connection, text: &str) -> Result<String, Status> {
    let mut grpc = tonic::client::Grpc::new(connection);
    grpc.ready().await?;
    let codec = ProstCodec::<String, String>::default();
    let answer = grpc.unary(Request::new(text.to_owned()), SAY.parse().unwrap(), codec).await?;
    Ok(answer.into_inner())
}

/// A server stream as a generated client opens it.
pub async fn stream(
    connection: Connection,
    request: Request<String>,
) -> Result<tonic::Streaming<String>, Status> {
    let mut grpc = tonic::client::Grpc::new(connection);
    grpc.ready().await?;
    let codec = ProstCodec::<String, String>::default();
    let path = crate::echo::COUNT.parse().unwrap();
    Ok(grpc.server_streaming(request, path, codec).await?.into_inner())
}
