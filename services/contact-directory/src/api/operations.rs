//! `google.longrunning.Operations`.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tonic::{Request, Response, Status};
use yinyom_kernel::{InvalidInput, Text, Violations};
use yinyom_proto::longrunning as pb;
use yinyom_proto::longrunning::operations_server::Operations;
use yinyom_rpc::{Call, EdgeFault};

use super::bulk::status;
use super::pages::Question;
use super::wire::{bulk as wire, read};
use super::{Api, session};
use crate::commands::{Directory, Error, Session};

/// How long before the end of a call its answer is on its way.
const MARGIN: Duration = Duration::from_millis(500);

#[tonic::async_trait]
impl Operations for Api {
    async fn list_operations(
        self: Arc<Self>,
        request: Request<pb::ListOperationsRequest>,
    ) -> Result<Response<pb::ListOperationsResponse>, Status> {
        let (call, body) = Call::open(request)?;
        call.answer(list(&self.directory, &call, body).await)
    }

    async fn get_operation(
        self: Arc<Self>,
        request: Request<pb::GetOperationRequest>,
    ) -> Result<Response<pb::Operation>, Status> {
        let (call, body) = Call::open(request)?;
        call.answer(get(&self.directory, &call, body).await)
    }

    async fn delete_operation(
        self: Arc<Self>,
        request: Request<pb::DeleteOperationRequest>,
    ) -> Result<Response<()>, Status> {
        let (call, body) = Call::open(request)?;
        call.answer(delete(&self.directory, &call, body).await)
    }

    async fn cancel_operation(
        self: Arc<Self>,
        request: Request<pb::CancelOperationRequest>,
    ) -> Result<Response<()>, Status> {
        let (call, body) = Call::open(request)?;
        call.answer(cancel(&self.directory, &call, body).await)
    }

    async fn wait_operation(
        self: Arc<Self>,
        request: Request<pb::WaitOperationRequest>,
    ) -> Result<Response<pb::Operation>, Status> {
        let (call, body) = Call::open(request)?;
        // Who waits long must not hold up a server that stops.
        tokio::select! {
            biased;
            answer = wait(&self.directory, &call, body) => call.answer(answer),
            () = call.draining() => Err(call.status(&EdgeFault::ShuttingDown)),
        }
    }
}

async fn list(
    directory: &Directory,
    call: &Call,
    mut body: pb::ListOperationsRequest,
) -> Result<pb::ListOperationsResponse, Error> {
    let token = std::mem::take(&mut body.page_token);
    let asked = std::mem::take(&mut body.page_size);
    let mut wrong = Violations::new();
    let business = wrong.merge(read::business("name", &body.name));
    let size = wrong.merge(call.page_size(asked));
    let done = wrong.merge(wire::filter(&body.filter));
    let (business, size, done) = wrong.finish((|| Some((business?, size?, done?)))())?;
    let session = session(directory, call, business).await?;
    let question = Question::new(call.rpc(), &session, &body);
    let cursor = question.open(&directory.sealer, &token)?;
    let found =
        directory.operations(&session, call.caller(), done, cursor.as_ref(), size.rows()).await?;
    let kept = directory.operations_are_kept();
    let each = found.items.iter().map(|it| wire::operation(business, it, kept, status(call)));
    Ok(pb::ListOperationsResponse {
        operations: each.collect(),
        next_page_token: question.seal(&directory.sealer, found.next),
    })
}

async fn get(
    directory: &Directory,
    call: &Call,
    body: pb::GetOperationRequest,
) -> Result<pb::Operation, Error> {
    let (business, id) = wire::name("name", &body.name)?;
    let session = session(directory, call, business).await?;
    let operation = directory.operation(&session, call.caller(), id).await?;
    Ok(wire::operation(business, &operation, directory.operations_are_kept(), status(call)))
}

async fn delete(
    directory: &Directory,
    call: &Call,
    body: pb::DeleteOperationRequest,
) -> Result<(), Error> {
    let (business, id) = wire::name("name", &body.name)?;
    let session = session(directory, call, business).await?;
    directory.delete_operation(&session, call.caller(), id).await
}

async fn cancel(
    directory: &Directory,
    call: &Call,
    body: pb::CancelOperationRequest,
) -> Result<(), Error> {
    let (business, id) = wire::name("name", &body.name)?;
    let session = session(directory, call, business).await?;
    directory.cancel_operation(&session, call.caller(), id).await
}

async fn wait(
    directory: &Directory,
    call: &Call,
    body: pb::WaitOperationRequest,
) -> Result<pb::Operation, Error> {
    let mut wrong = Violations::new();
    let name = wrong.merge(wire::name("name", &body.name));
    let timeout = wrong.merge(timeout(body.timeout));
    let ((business, id), timeout) = wrong.finish(name.zip(timeout))?;
    let session: Session = session(directory, call, business).await?;
    let begun = Instant::now();
    let last = call.deadline().map(|deadline| deadline.checked_sub(MARGIN).unwrap_or(begun));
    let own = timeout.and_then(|timeout| begun.checked_add(timeout));
    // A unary call always has a deadline.
    let until = own.into_iter().chain(last).min().unwrap_or(begun);
    let waited = directory.wait_for_operation(&session, call.caller(), id, until);
    let operation = waited.await?;
    Ok(wire::operation(business, &operation, directory.operations_are_kept(), status(call)))
}

fn timeout(given: Option<prost_types::Duration>) -> Result<Option<Duration>, InvalidInput> {
    let read = given.map(Duration::try_from).transpose();
    read.map_err(|_| {
        InvalidInput::one(
            "timeout",
            "INVALID_DURATION",
            Text::new("must be a duration of zero or more.", "ต้องเป็นระยะเวลาที่ไม่ติดลบ"),
        )
    })
}
