//! `ImportService`: a stream of batches, each answered before the next one is taken.

use std::sync::Arc;

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use tonic::{Request, Response, Status, Streaming};
use yinyom_kernel::{BusinessId, Name, Text, Violations};
use yinyom_proto::directory::v1 as pb;
use yinyom_proto::directory::v1::import_service_server::ImportService;
use yinyom_rpc::Call;

use super::wire::{import as wire, opt_outs, read};
use super::{Api, request};
use crate::commands::Error;
use crate::commands::import::rehearsal::Rehearsal;

#[tonic::async_trait]
impl ImportService for Api {
    type ImportContactsStream = BoxStream<'static, Result<pb::ImportContactsResponse, Status>>;

    async fn import_contacts(
        self: Arc<Self>,
        request: Request<Streaming<pb::ImportContactsRequest>>,
    ) -> Result<Response<Self::ImportContactsStream>, Status> {
        let (call, incoming) = Call::open(request)?;
        let import = Import { api: self, call, incoming, business: None, mode: None };
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
    /// Of the first message.
    mode: Option<Mode>,
}

/// What a stream is for.
struct Mode {
    opt_outs_only: bool,
    /// If nothing is to be stored.
    rehearsal: Option<Box<Rehearsal>>,
}

impl Mode {
    fn of(body: &pb::ImportContactsRequest) -> Self {
        let rehearsal = body.validate_only.then(Box::default);
        Self { opt_outs_only: body.opt_outs_only, rehearsal }
    }

    /// A message that was sent for something else must not be taken for this.
    fn check(&self, wrong: &mut Violations, body: &pb::ImportContactsRequest) {
        for (field, first, now) in [
            ("validate_only", self.rehearsal.is_some(), body.validate_only),
            ("opt_outs_only", self.opt_outs_only, body.opt_outs_only),
        ] {
            if first != now {
                let text = Text::new(
                    "must be the same in every message of a stream.",
                    "ต้องเป็นค่าเดียวกันในทุกข้อความของสตรีม",
                );
                wrong.push(field, "OTHER_MODE", text);
            }
        }
    }
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
        if let Some(mode) = &self.mode {
            mode.check(&mut wrong, &body);
        }
        let request = wrong.merge(request(&self.call, &body.request_id, &body));
        let (business, request) = wrong.finish(business.zip(request))?;
        let mode = self.mode.get_or_insert_with(|| Mode::of(&body));
        self.business = Some(business);
        let (directory, caller) = (&self.api.directory, self.call.caller());
        let (rows, language) = (&body.rows, self.call.language());
        let results = if mode.opt_outs_only {
            let read = opt_outs::opt_outs(rows);
            let results = match &mut mode.rehearsal {
                Some(it) => directory.rehearse_opt_outs(caller, business, read, it).await?,
                None => directory.opt_out(caller, business, read, request).await?,
            };
            (rows.iter().zip(results))
                .map(|(row, result)| opt_outs::result(row, result, language))
                .collect()
        } else {
            let lines = wire::lines(rows);
            let results = match &mut mode.rehearsal {
                Some(it) => directory.rehearse(caller, business, lines, it).await?,
                None => directory.import(caller, business, lines, request).await?,
            };
            let is_there = |contact| !mode.rehearsal.as_ref().is_some_and(|it| it.made(contact));
            (rows.iter().zip(results))
                .map(|(row, result)| wire::result(business, row, result, is_there, language))
                .collect()
        };
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
