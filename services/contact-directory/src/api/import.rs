//! `ImportService`: a stream of batches, each answered before the next one is taken.

use std::sync::Arc;

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use tonic::{Request, Response, Status, Streaming};
use yinyom_kernel::{BusinessId, Name, Violations};
use yinyom_proto::directory::v1 as pb;
use yinyom_proto::directory::v1::import_service_server::ImportService;
use yinyom_rpc::Call;

use super::wire::{import as wire, read};
use super::{Api, request};
use crate::commands::Error;

#[tonic::async_trait]
impl ImportService for Api {
    type ImportContactsStream = BoxStream<'static, Result<pb::ImportContactsResponse, Status>>;

    async fn import_contacts(
        self: Arc<Self>,
        request: Request<Streaming<pb::ImportContactsRequest>>,
    ) -> Result<Response<Self::ImportContactsStream>, Status> {
        let (call, incoming) = Call::open(request)?;
        let import = Import { api: self, call, incoming, business: None };
        let answers = stream::try_unfold(import, |mut import| async move {
            Ok(import.next().await?.map(|answer| (answer, import)))
        });
        Ok(Response::new(answers.boxed()))
    }
}

/// One stream. What it committed stays committed, however it ends.
struct Import {
    api: Arc<Api>,
    call: Call,
    incoming: Streaming<pb::ImportContactsRequest>,
    /// Of the first message.
    business: Option<BusinessId>,
}

impl Import {
    /// The answer to the next batch; `None` after the last one.
    async fn next(&mut self) -> Result<Option<pb::ImportContactsResponse>, Status> {
        let message = self.call.next(&mut self.incoming).await?;
        let answer = match message {
            Some(batch) => self.batch(batch).await.map(Some),
            // A stream without a message lacks what its first message must have.
            None if self.business.is_none() => {
                self.batch(pb::ImportContactsRequest::default()).await.map(Some)
            }
            None => Ok(None),
        };
        answer.map_err(|error| self.call.status(&error))
    }

    async fn batch(
        &mut self,
        mut body: pb::ImportContactsRequest,
    ) -> Result<pb::ImportContactsResponse, Error> {
        let mut wrong = Violations::new();
        let business = self.parent(&mut wrong, &body.parent);
        if let Some(business) = business {
            // A batch is the same one whether or not it repeats whose it is.
            body.parent = Name::format_business(business);
        }
        read::count(&mut wrong, "rows", body.rows.len(), self.call.limits().import_rows);
        let request = wrong.merge(request(&self.call, &body.request_id, &body));
        let (business, request) = wrong.finish(business.zip(request))?;
        let lines = wire::lines(&body.rows);
        let caller = self.call.caller();
        let results = self.api.directory.import(caller, business, lines, request).await?;
        self.business = Some(business);
        let results = (body.rows.iter().zip(results))
            .map(|(row, result)| wire::result(business, row, result, self.call.language()))
            .collect();
        Ok(pb::ImportContactsResponse { results })
    }

    /// Whose contacts: said by the first message, and not otherwise by another one.
    fn parent(&self, wrong: &mut Violations, parent: &str) -> Option<BusinessId> {
        match self.business {
            Some(business) if parent.is_empty() => Some(business),
            None if parent.is_empty() => {
                wrong.missing("parent");
                None
            }
            first => {
                let business = wrong.merge(read::business("parent", parent))?;
                if first.is_some_and(|first| first != business) {
                    read::other_business(wrong, "parent");
                    return None;
                }
                Some(business)
            }
        }
    }
}
