//! Connections that send what they are given.

use std::time::Duration;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tonic::codegen::http::{HeaderMap, Request};

use super::sent::Sent;
use crate::{House, raw};

/// An answer is read no further.
const MOST: usize = 8 * 1024 * 1024;

/// What came back.
pub enum Heard {
    /// A gRPC status, and everything that came with it: headers, trailers, details, the message.
    Answer { code: i32, told: String },
    /// No gRPC at all.
    Http(u16),
    /// Nothing, and why.
    Broken(String),
}

/// A connection to each of the three services.
pub struct Line {
    to: [String; 3],
    clients: [Client<HttpConnector, Full<Bytes>>; 3],
}

impl Line {
    pub fn to(house: &House) -> Self {
        let client = || Client::builder(TokioExecutor::new()).http2_only(true).build_http();
        let replicas = [&house.of_settings[0], &house.directories[0], &house.managers[0]];
        Self { to: replicas.map(crate::Replica::endpoint), clients: [(); 3].map(|()| client()) }
    }

    pub async fn call(&self, sent: &Sent) -> Heard {
        let mut request =
            Request::builder().method(sent.verb).uri(format!("{}{}", self.to[sent.to], sent.path));
        for (name, value) in &sent.headers {
            request = request.header(*name, &value[..]);
        }
        let Ok(request) = request.body(Full::new(Bytes::from(sent.body.clone()))) else {
            return Heard::Broken("no HTTP".to_owned());
        };
        let answer = self.clients[sent.to].request(request);
        let answer = if sent.given_up {
            match tokio::time::timeout(Duration::from_micros(300), answer).await {
                Ok(answer) => answer,
                Err(_) => return Heard::Broken("given up".to_owned()),
            }
        } else {
            answer.await
        };
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => return Heard::Broken(error.to_string()),
        };
        let status = answer.status().as_u16();
        if status != 200 {
            return Heard::Http(status);
        }
        let (head, mut body) = answer.into_parts();
        if raw::is_endless(&sent.path)
            && let Some(Ok(frame)) = body.frame().await
        {
            return match frame.into_data() {
                Ok(message) => {
                    let told = told(&head.headers) + &String::from_utf8_lossy(&message);
                    Heard::Answer { code: 0, told }
                }
                Err(trailers) => {
                    answered(&head.headers, &trailers.into_trailers().unwrap_or_default(), &[])
                }
            };
        }
        let Ok(body) = http_body_util::Limited::new(body, MOST).collect().await else {
            return Heard::Broken("cut off".to_owned());
        };
        let trailers = body.trailers().cloned().unwrap_or_default();
        answered(&head.headers, &trailers, &body.to_bytes())
    }
}

fn answered(head: &HeaderMap, trailers: &HeaderMap, body: &[u8]) -> Heard {
    let code = [head, trailers]
        .into_iter()
        .find_map(|of| of.get("grpc-status").and_then(|code| code.to_str().ok()?.parse().ok()));
    let Some(code) = code else { return Heard::Broken("no grpc-status".to_owned()) };
    Heard::Answer { code, told: told(head) + &told(trailers) + &String::from_utf8_lossy(body) }
}

/// Headers as text; what is in base 64, as what it says.
fn told(headers: &HeaderMap) -> String {
    let lenient =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let base64 = GeneralPurpose::new(&STANDARD, lenient);
    let mut told = String::new();
    for (name, value) in headers {
        let value = if name.as_str().ends_with("-bin") {
            base64.decode(value.as_bytes()).unwrap_or_default()
        } else {
            value.as_bytes().to_vec()
        };
        for part in [name.as_str(), ": ", &String::from_utf8_lossy(&value), "\n"] {
            told.push_str(part);
        }
    }
    told
}
