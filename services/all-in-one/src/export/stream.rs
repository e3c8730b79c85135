//! The two exports, alike.

use tonic::{Status, Streaming};
use yinyom_proto::manager::v1 as pb;
use yinyom_proto::manager::v1::export_service_client::ExportServiceClient;

use super::What;
use crate::client::Connection;

pub(super) type Client = ExportServiceClient<Connection>;

/// What is asked for.
pub(super) struct Asked {
    pub(super) parent: String,
    pub(super) what: What,
    pub(super) format: pb::ExportFormat,
    pub(super) language_code: &'static str,
}

/// Some bytes.
pub(super) struct Message {
    pub(super) data: Vec<u8>,
    pub(super) resume_token: String,
    pub(super) progress: pb::ExportProgress,
}

pub(super) enum Answers {
    Changes(Streaming<pb::ExportConsentChangesResponse>),
    Consents(Streaming<pb::ExportConsentsResponse>),
}

impl Asked {
    /// The same for the same file.
    pub(super) fn key(&self) -> String {
        let Self { parent, what, format, language_code } = self;
        format!("{parent} {what:?} {} {language_code}", format.as_str_name())
    }

    pub(super) async fn open(
        &self,
        client: &mut Client,
        resume_token: String,
    ) -> Result<Answers, Status> {
        let (parent, format) = (self.parent.clone(), self.format.into());
        let language_code = self.language_code.to_owned();
        Ok(match self.what {
            What::Changes => {
                let request = pb::ExportConsentChangesRequest {
                    parent,
                    format,
                    language_code,
                    resume_token,
                    ..Default::default()
                };
                Answers::Changes(client.export_consent_changes(request).await?.into_inner())
            }
            What::Consents => {
                let request = pb::ExportConsentsRequest {
                    parent,
                    format,
                    language_code,
                    resume_token,
                    ..Default::default()
                };
                Answers::Consents(client.export_consents(request).await?.into_inner())
            }
        })
    }
}

impl Answers {
    pub(super) async fn next(&mut self) -> Result<Option<Message>, Status> {
        let message = |data, resume_token, progress: Option<_>| {
            let progress = progress.unwrap_or_default();
            Message { data, resume_token, progress }
        };
        Ok(match self {
            Self::Changes(answers) => {
                answers.message().await?.map(|it| message(it.data, it.resume_token, it.progress))
            }
            Self::Consents(answers) => {
                answers.message().await?.map(|it| message(it.data, it.resume_token, it.progress))
            }
        })
    }
}
