//! What clients do while replicas are restarted one after the other: they read and write through the project's own
//! client, and count what failed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tonic::Status;
use yinyom_proto::directory::v1 as dir;
use yinyom_proto::directory::v1::consent_service_client::ConsentServiceClient;
use yinyom_proto::directory::v1::contact_service_client::ContactServiceClient;
use yinyom_proto::manager::v1 as man;
use yinyom_proto::manager::v1::ledger_service_client::LedgerServiceClient;
use yinyom_proto::settings::v1 as set;
use yinyom_proto::settings::v1::business_service_client::BusinessServiceClient;
use yinyom_proto::types::v1::{Channel, Surface};
use yinyom_rpc::Connection;

use crate::fleet::{Fleet, Service};

const WORKERS: usize = 8;
const DASHBOARD: &str = "dashboard";

/// Clients of a fleet.
#[derive(Clone)]
pub struct Load {
    business: String,
    contacts: Vec<String>,
    settings: Connection,
    directory: Connection,
    manager: Connection,
}

/// How calls ended.
#[derive(Debug, Default)]
pub struct Told {
    pub calls: u64,
    /// By call, code and message.
    pub failed: BTreeMap<String, u64>,
    pub slowest: Duration,
}

impl Load {
    /// Founds a business with so many contacts.
    ///
    /// # Panics
    /// If that fails.
    pub async fn begin(fleet: &Fleet, contacts: usize) -> Self {
        let mut vendor = BusinessServiceClient::new(fleet.connect(Service::Settings, "vendor"));
        let business = set::Business {
            display_name: "ร้านดอกไม้".to_owned(),
            plan: set::Plan::Gold.into(),
            ..<_>::default()
        };
        let founded = vendor.create_business(set::CreateBusinessRequest {
            business: Some(business),
            owner_display_name: "เจ้าของ".to_owned(),
            ..<_>::default()
        });
        let founded = founded.await.expect("a business").into_inner();
        let mut load = Self {
            business: founded.business.expect("it").name,
            contacts: Vec::new(),
            settings: fleet.connect(Service::Settings, DASHBOARD),
            directory: fleet.connect(Service::Directory, DASHBOARD),
            manager: fleet.connect(Service::Manager, DASHBOARD),
        };
        let mut directory = ContactServiceClient::new(load.directory.clone());
        for number in 0..contacts {
            let point =
                dir::ContactPoint { value: format!("+6681234{number:04}"), ..<_>::default() };
            let contact = dir::Contact {
                first_name: "สมหญิง".to_owned(),
                phones: vec![point],
                ..<_>::default()
            };
            let parent = load.business.clone();
            let ask =
                dir::CreateContactRequest { parent, contact: Some(contact), ..<_>::default() };
            let made = directory.create_contact(ask).await.expect("a contact").into_inner();
            load.contacts.push(made.contact.expect("it").name);
        }
        load
    }

    /// Its name.
    pub fn business(&self) -> &str {
        &self.business
    }

    /// One of the contacts.
    pub fn contact(&self, number: usize) -> &str {
        &self.contacts[number % self.contacts.len()]
    }

    /// All of them.
    pub fn contacts(&self) -> &[String] {
        &self.contacts
    }

    /// Calls until `stop`, so many a second, or as many as there can be.
    ///
    /// # Panics
    /// If a worker does.
    #[expect(clippy::cast_precision_loss, reason = "a few workers")]
    pub async fn run(&self, a_second: Option<f64>, stop: Arc<AtomicBool>) -> Told {
        let calls = Arc::new(AtomicU64::new(0));
        let mut workers = JoinSet::new();
        for worker in 0..WORKERS {
            let (load, stop, calls) = (self.clone(), Arc::clone(&stop), Arc::clone(&calls));
            let pace = a_second.map(|rate| Duration::from_secs_f64(WORKERS as f64 / rate.max(1.0)));
            workers.spawn(async move {
                let mut told = Told::default();
                let mut ticks = pace.map(interval);
                if let Some(ticks) = &mut ticks {
                    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
                }
                let mut number = worker;
                while !stop.load(Ordering::Relaxed) {
                    if let Some(ticks) = &mut ticks {
                        ticks.tick().await;
                    }
                    number += WORKERS;
                    let began = Instant::now();
                    let (call, answer) = load.call(number).await;
                    told.slowest = told.slowest.max(began.elapsed());
                    calls.fetch_add(1, Ordering::Relaxed);
                    if let Err(status) = answer {
                        let reason = yinyom_rpc::reason(&status).unwrap_or_default();
                        let what = format!("{call} {:?} {reason}", status.code());
                        *told.failed.entry(what).or_default() += 1;
                    }
                }
                told
            });
        }
        let mut all = Told::default();
        while let Some(told) = workers.join_next().await {
            let told = told.expect("a worker");
            all.slowest = all.slowest.max(told.slowest);
            for (what, times) in told.failed {
                *all.failed.entry(what).or_default() += times;
            }
        }
        all.calls = calls.load(Ordering::Relaxed);
        all
    }

    async fn call(&self, number: usize) -> (&'static str, Result<(), Status>) {
        let contact = self.contact(number).to_owned();
        let parent = self.business.clone();
        match number / WORKERS % 5 {
            0 => {
                let ask = dir::WithdrawConsentRequest {
                    contact,
                    channels: vec![Channel::Phone.into()],
                    surface: Surface::Api.into(),
                    // So that it may be asked twice.
                    request_id: uuid::Uuid::new_v4().to_string(),
                    ..<_>::default()
                };
                let mut consents = ConsentServiceClient::new(self.directory.clone());
                ("WithdrawConsent", consents.withdraw_consent(ask).await.map(drop))
            }
            1 => {
                let channel = Channel::Phone.into();
                let contacts = self.contacts.clone();
                let ask = dir::BatchCheckConsentRequest { parent, channel, contacts };
                let mut consents = ConsentServiceClient::new(self.directory.clone());
                ("BatchCheckConsent", consents.batch_check_consent(ask).await.map(drop))
            }
            2 => {
                let mut history = LedgerServiceClient::new(self.manager.clone());
                let ask = man::ListConsentsRequest { parent, page_size: 10, ..<_>::default() };
                ("ListConsents", history.list_consents(ask).await.map(drop))
            }
            3 => {
                let mut businesses = BusinessServiceClient::new(self.settings.clone());
                let ask = set::GetBusinessRequest { name: parent };
                ("GetBusiness", businesses.get_business(ask).await.map(drop))
            }
            _ => {
                let mut contacts = ContactServiceClient::new(self.directory.clone());
                let ask = dir::GetContactRequest { name: contact };
                ("GetContact", contacts.get_contact(ask).await.map(drop))
            }
        }
    }
}
