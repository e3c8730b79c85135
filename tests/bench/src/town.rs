//! A business with its people and its contacts, made through the door.

use std::net::SocketAddr;
use std::ops::Range;
use std::time::Duration;

use tokio::time::Instant;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use yinyom_identity::Subject;
use yinyom_kernel::{BusinessId, Name};
use yinyom_proto::directory::v1 as dir;
use yinyom_proto::directory::v1::import_service_client::ImportServiceClient;
use yinyom_proto::directory::v1::outbox_service_client::OutboxServiceClient;
use yinyom_proto::settings::v1 as set;
use yinyom_proto::settings::v1::business_service_client::BusinessServiceClient;
use yinyom_proto::settings::v1::consent_settings_service_client::ConsentSettingsServiceClient;
use yinyom_proto::types::v1::{ConsentState, Role};
use yinyom_rpc::{ClientConfig, channel};

use crate::services::Services;

/// Rows of an import's batch.
pub const BATCH: usize = 500;
/// How long rules may take to come.
const PATIENCE: Duration = Duration::from_mins(1);

/// A connection to a service, with a token.
pub type Door = InterceptedService<Channel, Bearer>;

/// Puts a token into each call.
#[derive(Debug, Clone)]
pub struct Bearer(MetadataValue<Ascii>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}

/// The door of the service at `to`, for whoever has this token.
pub fn door(to: SocketAddr, token: &str) -> Door {
    let channel = channel(&ClientConfig::new(format!("http://{to}"))).expect("an endpoint");
    InterceptedService::new(channel, Bearer(token.parse().expect("a header")))
}

/// A business that enforces consent.
#[derive(Debug, Clone)]
pub struct Town {
    pub business: BusinessId,
    /// `businesses/{business}`
    pub name: String,
    /// Tokens: somebody who sees everything, and somebody who sees what was granted.
    pub owner: String,
    pub user: String,
    /// Contacts, by what they say in both channels.
    pub granted: Vec<String>,
    pub denied: Vec<String>,
    /// Whose consents are for writing.
    pub changing: Vec<String>,
}

impl Town {
    /// Founds it, and imports so many contacts: four in ten granted, two refused, four are for writing.
    pub async fn found(services: &Services, contacts: usize) -> Self {
        let vendor = door(services.settings, &services.token(&Subject::named("vendor")));
        let create = set::CreateBusinessRequest {
            business: Some(set::Business {
                display_name: "สวนผลไม้".to_owned(),
                plan: set::Plan::Gold.into(),
                ..Default::default()
            }),
            owner_display_name: "เจ้าของ".to_owned(),
            ..Default::default()
        };
        let created = BusinessServiceClient::new(vendor).create_business(create).await;
        let created = created.expect("a business").into_inner();
        let name = created.business.expect("a business").name;
        let business = Name::parse_business(&name).expect("its name");
        let token = |member: &str| {
            let member = member.rsplit('/').next().and_then(|id| id.parse().ok());
            services.token(&Subject::Member { business, member: member.expect("its id") })
        };
        let owner = token(&created.owner.expect("an owner").name);
        let to_settings = door(services.settings, &owner);
        let hire = set::CreateMemberRequest {
            parent: name.clone(),
            member: Some(set::Member {
                display_name: "พนักงาน".to_owned(),
                role: Role::User.into(),
                ..Default::default()
            }),
            ..Default::default()
        };
        let hired = BusinessServiceClient::new(to_settings.clone()).create_member(hire).await;
        let user = token(&hired.expect("a member").into_inner().member.expect("a member").name);
        let enforce = set::UpdateConsentSettingsRequest {
            consent_settings: Some(set::ConsentSettings {
                name: format!("{name}/consentSettings"),
                enforcement_enabled: true,
                ..Default::default()
            }),
            update_mask: Some(prost_types::FieldMask {
                paths: vec!["enforcement_enabled".to_owned()],
            }),
            ..Default::default()
        };
        let mut to_settings = ConsentSettingsServiceClient::new(to_settings);
        to_settings.update_consent_settings(enforce).await.expect("new settings");
        let mut town = Self {
            business,
            name,
            owner,
            user,
            granted: Vec::new(),
            denied: Vec::new(),
            changing: Vec::new(),
        };
        for (number, contact) in town.import(services, 0..contacts).await.into_iter().enumerate() {
            match number % 5 {
                0 | 1 => town.granted.push(contact),
                2 => town.denied.push(contact),
                _ => town.changing.push(contact),
            }
        }
        town.until_in_the_ledger(services).await;
        town
    }

    /// Imports rows of these numbers. Their contacts, in that order.
    pub async fn import(&self, services: &Services, rows: Range<usize>) -> Vec<String> {
        Self::import_into(services.directory, &self.name, &self.owner, rows).await
    }

    /// The same, into the business `name` of the directory at `to`, by whoever has this token.
    pub async fn import_into(
        to: SocketAddr,
        name: &str,
        token: &str,
        rows: Range<usize>,
    ) -> Vec<String> {
        if rows.is_empty() {
            return Vec::new();
        }
        let deadline = Instant::now() + PATIENCE;
        loop {
            match Self::try_import(to, name, token, rows.clone()).await {
                Ok(contacts) => return contacts,
                // A business that has just been founded: its rules are on their way.
                Err(status) if status.code() == Code::Unavailable && Instant::now() < deadline => {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                Err(status) => panic!("an import fails: {status}"),
            }
        }
    }

    async fn try_import(
        to: SocketAddr,
        name: &str,
        token: &str,
        rows: Range<usize>,
    ) -> Result<Vec<String>, Status> {
        let parent = name.to_owned();
        let batches: Vec<_> = rows.clone().step_by(BATCH).collect();
        let stream = tokio_stream::iter(batches.into_iter().map(move |first| {
            let rows = first..rows.end.min(first + BATCH);
            dir::ImportContactsRequest {
                parent: parent.clone(),
                rows: rows.map(row).collect(),
                ..Default::default()
            }
        }));
        let mut imports = ImportServiceClient::new(door(to, token));
        let mut answers = imports.import_contacts(stream).await?.into_inner();
        let mut contacts = Vec::new();
        while let Some(answer) = answers.message().await? {
            let made = answer.results.iter().all(|result| !result.contact.is_empty());
            assert!(made, "{:?}", answer.results.first());
            contacts.extend(answer.results.into_iter().map(|result| result.contact));
        }
        Ok(contacts)
    }

    /// Waits until nothing is on its way to the ledger.
    pub async fn until_in_the_ledger(&self, services: &Services) {
        let mut outbox = OutboxServiceClient::new(door(services.directory, &self.owner));
        loop {
            let ask = dir::GetOutboxStatusRequest { parent: self.name.clone() };
            let status = outbox.get_outbox_status(ask).await;
            if status.is_ok_and(|status| status.into_inner().backlog == 0) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn row(number: usize) -> dir::ImportRow {
    let state = match number % 5 {
        2 => ConsentState::Denied,
        _ => ConsentState::Granted,
    };
    dir::ImportRow {
        row_number: i64::try_from(number).expect("few") + 1,
        external_id: format!("C-{number}"),
        first_name: ["สมชาย", "สมหญิง", "Somchai", "อรุณ", "Ann", "จันทร์"][number % 6].to_owned(),
        last_name: format!("{number:07}"),
        phones: vec![format!("+668{}{:07}", 1 + number / 10_000_000, number % 10_000_000)],
        emails: vec![format!("customer.{number}@example.co.th")],
        phone_consent: state.into(),
        email_consent: state.into(),
        ..Default::default()
    }
}
