//! `ReachService`.

use std::sync::Arc;

use futures::StreamExt;
use futures::stream::{BoxStream, try_unfold};
use tonic::{Request, Response, Status};
use yinyom_consent::Channel;
use yinyom_consent::wire::required;
use yinyom_kernel::{ContactId, Violations};
use yinyom_proto::directory::v1 as pb;
use yinyom_proto::directory::v1::reach_service_server::ReachService;
use yinyom_rpc::{Call, EdgeFault};

use super::pages::Question as Sealed;
use super::wire::{reach as wire, read};
use super::{Api, reader, session};
use crate::commands::reach::{Question, Reach};
use crate::commands::{Directory, Error};
use crate::domain::order::{Cursor, CursorKey};

#[tonic::async_trait]
impl ReachService for Api {
    type StreamReachableStream = BoxStream<'static, Result<pb::StreamReachableResponse, Status>>;

    async fn stream_reachable(
        self: Arc<Self>,
        request: Request<pb::StreamReachableRequest>,
    ) -> Result<Response<Self::StreamReachableStream>, Status> {
        let (call, body) = Call::open(request)?;
        let opened = open(&self.directory, &call, body).await;
        let (question, sealed, reach) = opened.map_err(|fault| call.status(&fault))?;
        let state = (self, call, sealed, reach);
        // The next ones are read when the client has taken these.
        let messages = try_unfold(state, move |(api, call, sealed, mut reach)| async move {
            let reached = tokio::select! {
                biased;
                () = call.draining() => return Err(call.status(&EdgeFault::ShuttingDown)),
                reached = reach.next(reader(&call)) => {
                    reached.map_err(|fault| call.status(&fault))?
                }
            };
            let message = reached.map(|reached| pb::StreamReachableResponse {
                contacts: wire::contacts(question.business, &reached),
                resume_token: sealed.seal(&api.directory.sealer, Some(place(reached.after))),
            });
            Ok(message.map(|message| (message, (api, call, sealed, reach))))
        });
        Ok(Response::new(messages.boxed()))
    }
}

async fn open(
    directory: &Directory,
    call: &Call,
    mut body: pb::StreamReachableRequest,
) -> Result<(Question, Sealed, Reach), Error> {
    let token = std::mem::take(&mut body.resume_token);
    let mut wrong = Violations::new();
    let business = wrong.merge(read::business("parent", &body.parent));
    let channel = required(&mut wrong, "channel", Channel::from_wire(body.channel));
    let (business, channel) = wrong.finish(business.zip(channel))?;
    let session = session(directory, call, business).await?;
    let sealed = Sealed::new(call.rpc(), &session, &body);
    let after = sealed.open(&directory.sealer, &token)?.map(|place| ContactId::from(place.id));
    let question = Question { business, channel, with_addresses: body.with_addresses };
    let most = call.limits().watches;
    let reach = Reach::open(directory, call.caller(), question, after, most).await?;
    Ok((question, sealed, reach))
}

fn place(after: ContactId) -> Cursor {
    Cursor { key: CursorKey::Time(0), id: after.uuid() }
}
