//! `WatchService`.

use std::pin::Pin;
use std::sync::Arc;

use futures::Stream;
use futures::stream::try_unfold;
use tonic::{Request, Response, Status};
use yinyom_proto::manager::v1 as pb;
use yinyom_proto::manager::v1::watch_service_server::WatchService;
use yinyom_rpc::{Call, EdgeFault};

use super::pages::{Cursor, Question};
use super::wire::{answers, watch};
use super::{Api, Unanswered};
use crate::commands::{Place, Start, Watch};

#[tonic::async_trait]
impl WatchService for Api {
    type WatchConsentChangesStream =
        Pin<Box<dyn Stream<Item = Result<pb::WatchConsentChangesResponse, Status>> + Send>>;

    async fn watch_consent_changes(
        self: Arc<Self>,
        request: Request<pb::WatchConsentChangesRequest>,
    ) -> Result<Response<Self::WatchConsentChangesStream>, Status> {
        let (call, body) = Call::open(request)?;
        let opened = self.watch(&call, body).await;
        let (question, watching) = opened.map_err(|fault| call.status(&fault))?;
        let state = (self, call, question, watching);
        // The next changes are read when the client has taken these.
        let messages = try_unfold(state, |(api, call, question, mut watching)| async move {
            let entries = tokio::select! {
                biased;
                () = call.draining() => return Err(call.status(&EdgeFault::ShuttingDown)),
                entries = watching.next() => entries.map_err(|fault| call.status(&fault))?,
            };
            let message = pb::WatchConsentChangesResponse {
                entries: entries.into_iter().map(answers::entry).collect(),
                cursor: api.pages.next(&question, Some(watching.place())),
            };
            Ok(Some((message, (api, call, question, watching))))
        });
        Ok(Response::new(Box::pin(messages)))
    }
}

impl Api {
    async fn watch(
        &self,
        call: &Call,
        mut body: pb::WatchConsentChangesRequest,
    ) -> Result<(Question, Watch), Unanswered> {
        let (business, wanted) = watch::question(&body)?;
        let cursor = std::mem::take(&mut body.cursor);
        let from_start = std::mem::take(&mut body.from_start);
        let question = Question::of(call, business, &body);
        let start = match self.pages.open(&question, &cursor)? {
            Some(place) => Start::At(place),
            None if from_start => Start::First,
            None => Start::Now,
        };
        let (caller, most) = (call.caller(), call.limits().watches);
        let watching = Watch::open(&self.manager, caller, business, start, wanted, most).await?;
        Ok((question, watching))
    }
}

impl Cursor for Place {
    fn write(&self) -> Vec<u8> {
        let before = self.before.iter().flatten().copied();
        self.next.to_be_bytes().into_iter().chain(before).collect()
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (next, before) = bytes.split_first_chunk()?;
        let before = match before {
            [] => None,
            hash => Some(hash.try_into().ok()?),
        };
        Some(Self { next: i64::from_be_bytes(*next), before })
    }
}
