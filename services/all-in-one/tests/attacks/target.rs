//! The server under attack, what it weighs, and an honest client that is served meanwhile.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use yinyom_proto::directory::v1::contact_service_client::ContactServiceClient;
use yinyom_proto::directory::v1::{GetContactRequest, ListContactsRequest};

use crate::program::Yinyom;

/// Methods that attackers call.
pub const GET: &str = "/yinyom.directory.v1.ContactService/GetContact";
pub const LIST: &str = "/yinyom.directory.v1.ContactService/ListContacts";
pub const IMPORT: &str = "/yinyom.directory.v1.ImportService/ImportContacts";

pub struct Target {
    pub yinyom: Yinyom,
    /// The directory's port.
    pub address: String,
    /// A member of the demo business.
    pub member: String,
    /// A service.
    service: String,
    contact: String,
}

impl Target {
    pub fn start(dir: &Path, flags: &[&str]) -> Self {
        let yinyom = Yinyom::start(dir, flags);
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        Self {
            address: text(&yinyom.facts["addresses"]["directory"]),
            member: yinyom.token("OWNER", false),
            service: text(&yinyom.facts["services"][1]["token"]),
            contact: text(&yinyom.facts["contacts"][0]["contact"]),
            yinyom,
        }
    }

    /// The message of a call of [`LIST`] for everything.
    pub fn list(&self) -> Vec<u8> {
        let request = ListContactsRequest {
            parent: self.yinyom.business(),
            page_size: 1_000,
            ..ListContactsRequest::default()
        };
        prost::Message::encode_to_vec(&request)
    }

    /// Calls as a service, one call after the other, on a connection of its own.
    pub fn honest(&self) -> Honest {
        let (stop, served) = (CancellationToken::new(), Arc::new(AtomicUsize::new(0)));
        let (stopped, count) = (stop.clone(), Arc::clone(&served));
        let request = GetContactRequest { name: self.contact.clone() };
        let address = format!("http://{}", self.address);
        let bearer: tonic::metadata::MetadataValue<_> =
            format!("Bearer {}", self.service).parse().unwrap();
        let calls = tokio::spawn(async move {
            let channel = tonic::transport::Endpoint::from_shared(address).unwrap().connect_lazy();
            let mut client = ContactServiceClient::with_interceptor(
                channel,
                move |mut request: tonic::Request<()>| {
                    request.metadata_mut().insert("authorization", bearer.clone());
                    Ok(request)
                },
            );
            // Once more after it was told to stop: the server is there when the attack is over.
            loop {
                let last = stopped.is_cancelled();
                client.get_contact(request.clone()).await.expect("honest clients are served");
                count.fetch_add(1, Ordering::Relaxed);
                if last {
                    return;
                }
            }
        });
        Honest { stop, served, calls }
    }

    /// One call as the member, as whoever waits for a place makes it.
    pub async fn ask_as_member(&self) -> Result<(), tonic::Status> {
        let request = GetContactRequest { name: self.contact.clone() };
        let mut client = ContactServiceClient::new(self.yinyom.connect("directory", &self.member));
        client.get_contact(request).await.map(|_| ())
    }

    /// Resident memory, in KiB.
    pub fn resident(&self) -> usize {
        self.status("VmRSS:")
    }

    /// The most that it has been since [`Target::forget_peak`].
    pub fn peak(&self) -> usize {
        self.status("VmHWM:")
    }

    pub fn forget_peak(&self) {
        fs::write(format!("/proc/{}/clear_refs", self.yinyom.id()), "5").unwrap();
    }

    fn status(&self, field: &str) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.yinyom.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(field)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

/// Somebody who means no harm.
pub struct Honest {
    stop: CancellationToken,
    served: Arc<AtomicUsize>,
    calls: JoinHandle<()>,
}

impl Honest {
    /// How often it was served. Fails the test if it was refused once.
    pub async fn done(self) -> usize {
        self.stop.cancel();
        self.calls.await.unwrap();
        self.served.load(Ordering::Relaxed)
    }
}
