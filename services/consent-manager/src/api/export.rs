//! `ExportService`.

mod fault;
mod file;
mod mark;

use std::pin::Pin;
use std::sync::Arc;

use futures::Stream;
use futures::stream::try_unfold;
use tonic::{Request, Response, Status};
use yinyom_proto::manager::v1 as pb;
use yinyom_proto::manager::v1::export_service_server::ExportService;
use yinyom_rpc::{Call, EdgeFault};

use super::pages::Question;
use super::wire::export as wire;
use super::{Api, Unanswered};
use crate::commands::TableExport;

pub(super) use fault::ExportFault;
use file::{File, Piece};
use mark::Mark;

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl ExportService for Api {
    type ExportConsentChangesStream = Answers<pb::ExportConsentChangesResponse>;

    async fn export_consent_changes(
        self: Arc<Self>,
        request: Request<pb::ExportConsentChangesRequest>,
    ) -> Result<Response<Self::ExportConsentChangesStream>, Status> {
        let (call, mut body) = Call::open(request)?;
        let token = std::mem::take(&mut body.resume_token);
        let asked = wire::changes(&body, &call).map_err(|fault| call.status(&fault))?;
        let question = Question::of(&call, asked.business, &body);
        let answer = |(data, resume_token, progress)| pb::ExportConsentChangesResponse {
            data,
            resume_token,
            progress: Some(progress),
        };
        self.stream(call, question, asked, &token, answer).await
    }

    type ExportConsentsStream = Answers<pb::ExportConsentsResponse>;

    async fn export_consents(
        self: Arc<Self>,
        request: Request<pb::ExportConsentsRequest>,
    ) -> Result<Response<Self::ExportConsentsStream>, Status> {
        let (call, mut body) = Call::open(request)?;
        let token = std::mem::take(&mut body.resume_token);
        let asked = wire::consents(&body, &call).map_err(|fault| call.status(&fault))?;
        let question = Question::of(&call, asked.business, &body);
        let answer = |(data, resume_token, progress)| pb::ExportConsentsResponse {
            data,
            resume_token,
            progress: Some(progress),
        };
        self.stream(call, question, asked, &token, answer).await
    }
}

impl Api {
    /// The next rows are read when the client has taken these.
    async fn stream<T: Send + 'static>(
        self: Arc<Self>,
        call: Call,
        question: Question,
        asked: wire::Asked,
        token: &str,
        answer: fn((Vec<u8>, String, pb::ExportProgress)) -> T,
    ) -> Result<Response<Answers<T>>, Status> {
        let opened = self.open_export(&call, &question, asked, token).await;
        let file = opened.map_err(|fault| call.status(&fault))?;
        let state = (self, call, question, file);
        let answers = try_unfold(state, move |(api, call, question, mut file)| async move {
            let piece = tokio::select! {
                biased;
                () = call.draining() => return Err(call.status(&EdgeFault::ShuttingDown)),
                piece = file.next() => piece.map_err(|fault| call.status(&fault))?,
            };
            let Some(Piece { data, mark, progress }) = piece else { return Ok(None) };
            let token = api.pages.next(&question, Some(mark));
            Ok(Some((answer((data, token, progress)), (api, call, question, file))))
        });
        Ok(Response::new(Box::pin(answers)))
    }

    async fn open_export(
        &self,
        call: &Call,
        question: &Question,
        asked: wire::Asked,
        token: &str,
    ) -> Result<File, Unanswered> {
        let wire::Asked { business, wanted, sheet } = asked;
        let (manager, caller) = (&self.manager, call.caller());
        let mark: Option<Mark> = self.pages.open(question, token)?;
        let Some(mark) = mark else {
            let export = TableExport::open(manager, caller, business, wanted).await?;
            return Ok(File::begin(export, sheet)?);
        };
        let written = mark.written.filter(|_| sheet.format.is_by_row());
        let fixed = mark.fixed.clone();
        let export = TableExport::resume(manager, caller, business, wanted, fixed, written).await?;
        Ok(File::resume(export.ok_or(ExportFault::Changed)?, sheet, mark)?)
    }
}
