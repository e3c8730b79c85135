//! A trace collector: OTLP over gRPC, as the exporter calls it.

use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

/// What was exported.
#[derive(Clone, Default)]
pub struct Collector(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    bytes: Vec<u8>,
    spans: Vec<Span>,
}

impl Collector {
    /// Serves on a free port; its endpoint.
    pub async fn start(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let served = tonic::transport::Server::builder()
            .add_service(TraceServiceServer::new(self.clone()))
            .serve_with_incoming(TcpListenerStream::new(listener));
        tokio::spawn(served);
        endpoint
    }

    /// All that came, and the spans in it.
    pub fn exported(&self) -> (Vec<u8>, Vec<Span>) {
        let kept = self.0.lock().unwrap();
        (kept.bytes.clone(), kept.spans.clone())
    }
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let request = request.into_inner();
        let mut kept = self.0.lock().unwrap();
        let scopes = request.resource_spans.iter().flat_map(|resource| &resource.scope_spans);
        kept.spans.extend(scopes.flat_map(|scope| &scope.spans).cloned());
        kept.bytes.extend(request.encode_to_vec());
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}
