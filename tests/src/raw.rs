//! Calls below the generated clients: any path, any bytes, any number of messages.

use bytes::{Buf, BufMut};
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::KeyAndValueRef;
use tonic::transport::Channel;
use tonic::{Request, Status};

use crate::House;
use crate::ask::service;

impl House {
    /// Calls `path` (`/package.Service/Method`) on the service that has it, with each of the given bytes as a
    /// message. A call of one message is sent as a unary one is.
    pub async fn call(
        &self,
        path: &str,
        request: Request<Vec<Vec<u8>>>,
    ) -> Result<Vec<Vec<u8>>, Status> {
        let to = match service(path) {
            "settings" => &self.settings,
            "directory" => &self.directory,
            "manager" => &self.manager,
            _ => panic!("{path} is of no service of ours"),
        };
        call(to, path, request).await
    }
}

/// Calls `path` at the other end of `channel`, with each of the given bytes as a message.
pub async fn call(
    channel: &Channel,
    path: &str,
    request: Request<Vec<Vec<u8>>>,
) -> Result<Vec<Vec<u8>>, Status> {
    let mut client = tonic::client::Grpc::new(channel.clone());
    client.ready().await.map_err(|error| Status::unknown(error.to_string()))?;
    let to: PathAndQuery = path.parse().expect("a path");
    let answer = client.streaming(request.map(tokio_stream::iter), to, Plain).await?;
    let (mut answers, mut stream) = (Vec::new(), answer.into_inner());
    while let Some(message) = stream.message().await? {
        answers.push(message);
        if is_endless(path) {
            break;
        }
    }
    Ok(answers)
}

/// Whether the answer has no end of its own. Who calls such a method goes away after the first message.
pub fn is_endless(path: &str) -> bool {
    path.ends_with("/WatchConsentChanges")
}

/// Code, message, details and metadata of a status.
pub type Heard = (i32, String, Vec<u8>, Vec<(String, Vec<u8>)>);

/// Everything of a status that a caller gets, but for the request's own id and the time of day.
pub fn bytes(status: &Status) -> Heard {
    let metadata = status.metadata().iter().map(|entry| match entry {
        KeyAndValueRef::Ascii(key, value) => (key.to_string(), value.as_encoded_bytes().to_vec()),
        KeyAndValueRef::Binary(key, value) => (key.to_string(), value.as_encoded_bytes().to_vec()),
    });
    let mut metadata: Vec<_> =
        metadata.filter(|(key, _)| !matches!(key.as_str(), "x-request-id" | "date")).collect();
    metadata.sort();
    (status.code().into(), status.message().to_owned(), status.details().to_vec(), metadata)
}

/// Leaves bytes as they are.
#[derive(Clone, Copy)]
struct Plain;

impl Codec for Plain {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Plain {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Plain {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining()).to_vec()))
    }
}
