//! The least that a call can cost: a tonic server that gives back what it gets.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use tokio::net::TcpListener;
use tonic::body::Body;
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

/// Where it is called.
pub const PATH: &str = "/yinyom.bench.Echo/Echo";

/// As long as a request of ours.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Said {
    #[prost(bytes = "bytes", tag = "1")]
    pub what: bytes::Bytes,
}

/// Serves for ever.
pub async fn serve(listener: TcpListener) -> Result<(), tonic::transport::Error> {
    let incoming = tonic::transport::server::TcpIncoming::from(listener).with_nodelay(Some(true));
    tonic::transport::Server::builder().add_service(Echo).serve_with_incoming(incoming).await
}

/// Serves on any port of loopback for ever, and says which.
pub async fn serve_anywhere(told: impl FnOnce(SocketAddr)) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    told(listener.local_addr().expect("its address"));
    serve(listener).await.expect("it serves");
}

#[derive(Debug, Clone, Copy)]
struct Echo;

impl NamedService for Echo {
    const NAME: &'static str = "yinyom.bench.Echo";
}

impl UnaryService<Said> for Echo {
    type Response = Said;
    type Future = BoxFuture<'static, Result<Response<Said>, Status>>;

    fn call(&mut self, request: Request<Said>) -> Self::Future {
        Box::pin(async move { Ok(Response::new(request.into_inner())) })
    }
}

/// What the generated code of a service of one method would be.
impl tonic::codegen::Service<http::Request<Body>> for Echo {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async move {
            let mut grpc = Grpc::new(ProstCodec::<Said, Said>::default());
            Ok(grpc.unary(Self, request).await)
        })
    }
}
