//! A service that does as its message says, made by hand: what generated code would be.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::Stream;
use prost::Message;
use prost_types::{
    FileDescriptorProto, FileDescriptorSet, MethodDescriptorProto, ServiceDescriptorProto,
};
use tokio::sync::Notify;
use tonic::body::Body;
use tonic::server::{Grpc, NamedService};
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;
use tower::service_fn;
use yinyom_identity::{Access, Members};
use yinyom_kernel::{InvalidInput, Text};
use yinyom_rpc::{Call, Connection};

use crate::running::ask;

pub const SAY: &str = "/yinyom.test.v1.Echo/Say";
pub const SERVICES_ONLY: &str = "/yinyom.test.v1.Echo/SayToServices";
pub const COUNT: &str = "/yinyom.test.v1.Echo/Count";
pub const CHAT: &str = "/yinyom.test.v1.Echo/Chat";
/// Routed, and in no descriptor.
pub const HIDDEN: &str = "/yinyom.test.v1.Echo/Hidden";

pub const ACCESS: [Access; 4] = [
    Access { rpc: SAY, members: Members::Any, services: true, operators: false, urgent: false },
    Access {
        rpc: SERVICES_ONLY,
        members: Members::None,
        services: true,
        operators: false,
        urgent: false,
    },
    Access { rpc: COUNT, members: Members::Any, services: true, operators: false, urgent: false },
    Access { rpc: CHAT, members: Members::Any, services: true, operators: false, urgent: false },
];

/// What tests and handlers share.
#[derive(Default)]
pub struct Levers {
    /// A handler waits for it when told to `wait`, and says that it does by `waiting`.
    pub release: Notify,
    pub waiting: Notify,
    /// Where `relay` goes.
    pub peer: Option<Connection>,
}

#[derive(Clone)]
pub struct Echo(pub Arc<Levers>);

impl NamedService for Echo {
    const NAME: &'static str = "yinyom.test.v1.Echo";
}

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type Texts = Pin<Box<dyn Stream<Item = Result<String, Status>> + Send>>;

impl tower::Service<http::Request<Body>> for Echo {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Boxed<Result<http::Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let levers = Arc::clone(&self.0);
        Box::pin(async move {
            let mut grpc = Grpc::new(ProstCodec::<String, String>::default());
            Ok(match request.uri().path() {
                COUNT => grpc.server_streaming(service_fn(count), request).await,
                CHAT => grpc.streaming(service_fn(chat), request).await,
                _ => {
                    let say = service_fn(move |request| say(Arc::clone(&levers), request));
                    grpc.unary(say, request).await
                }
            })
        })
    }
}

async fn say(levers: Arc<Levers>, request: Request<String>) -> Result<Response<String>, Status> {
    let (call, text) = Call::open(request)?;
    match text.as_str() {
        "who" => Ok(Response::new(call.caller().key())),
        "peer" => Ok(Response::new(call.peer().map(ToString::to_string).unwrap_or_default())),
        "id" => Ok(Response::new(call.request_id().to_owned())),
        "left" => {
            let left = call.deadline().unwrap() - tokio::time::Instant::now();
            Ok(Response::new(left.as_millis().to_string()))
        }
        "panic" => panic!("somchai@example.com"),
        "never" => std::future::pending().await,
        "wait" => {
            levers.waiting.notify_one();
            levers.release.notified().await;
            Ok(Response::new("released".to_owned()))
        }
        "wrong" => {
            let text = Text::new("must be right.", "ต้องถูกต้อง");
            call.answer(Err(InvalidInput::one("text", "NOT_RIGHT", text)))
        }
        "bare" => Err(Status::unknown("somchai@example.com")),
        relayed => match relayed.strip_prefix("relay ") {
            Some(text) => Ok(Response::new(ask(levers.peer.clone().unwrap(), text).await?)),
            None => Ok(Response::new(text)),
        },
    }
}

async fn count(request: Request<String>) -> Result<Response<Texts>, Status> {
    let (call, text) = Call::open(request)?;
    let texts = async_stream::stream! {
        yield Ok("one".to_owned());
        match text.as_str() {
            "panic" => panic!("somchai@example.com"),
            "bare" => yield Err(Status::internal("somchai@example.com")),
            "never" => std::future::pending().await,
            "until the drain" => {
                call.draining().await;
                yield Ok("drained".to_owned());
            }
            _ => yield Ok("two".to_owned()),
        }
    };
    Ok(Response::new(Box::pin(texts)))
}

async fn chat(request: Request<Streaming<String>>) -> Result<Response<Texts>, Status> {
    let (call, mut incoming) = Call::open(request)?;
    let texts = async_stream::try_stream! {
        while let Some(text) = incoming.message().await? {
            yield format!("{} {text}", call.caller().key());
        }
    };
    Ok(Response::new(Box::pin(texts)))
}

/// An encoded `FileDescriptorSet` of the service.
pub fn descriptors() -> &'static [u8] {
    let method = |path: &str, from_client: bool, from_server: bool| MethodDescriptorProto {
        name: Some(path.rsplit('/').next().unwrap().to_owned()),
        input_type: Some(".google.protobuf.StringValue".to_owned()),
        output_type: Some(".google.protobuf.StringValue".to_owned()),
        client_streaming: Some(from_client),
        server_streaming: Some(from_server),
        ..MethodDescriptorProto::default()
    };
    let service = ServiceDescriptorProto {
        name: Some("Echo".to_owned()),
        method: vec![
            method(SAY, false, false),
            method(SERVICES_ONLY, false, false),
            method(COUNT, false, true),
            method(CHAT, true, true),
        ],
        options: None,
    };
    let file = FileDescriptorProto {
        name: Some("yinyom/test/v1/echo.proto".to_owned()),
        package: Some("yinyom.test.v1".to_owned()),
        service: vec![service],
        ..FileDescriptorProto::default()
    };
    Box::leak(FileDescriptorSet { file: vec![file] }.encode_to_vec().into_boxed_slice())
}
