//! The same `request_id` has the same outcome, on every replica and after every restart, for a day (PRODUCT.md,
//! "Replays"); values are shown as the caller may see them now. For every write that the descriptors have.

mod day;
mod replicas;
mod values;

use std::sync::Arc;

use prost::Message;
use prost_reflect::{MethodDescriptor, Value};
use tonic::Status;
use tonic::transport::Channel;
use yinyom_kernel::ManualClock;
use yinyom_proto::settings::v1 as set;
use yinyom_tests::ask::{About, methods, path, service};
use yinyom_tests::{House, Person, Plan, TestBusiness, Things, raw};

/// A house with two replicas of each service, and one more directory.
pub struct World {
    pub house: House,
    pub business: TestBusiness,
}

impl World {
    /// One whose clock stands still until the test moves it: on a busy machine no lease runs out by itself.
    async fn standing_still() -> (Self, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::at(jiff::Timestamp::constant(1_700_000_000, 0)));
        let house = House::build(Plan { clock: clock.clone(), ..Plan::replicated() }).await;
        let business = house.found().await;
        (Self { house, business }, clock)
    }

    /// New things for a write to change: some use them up.
    pub async fn things_for(&self, method: &MethodDescriptor) -> Things {
        let mut things = Things::make(&self.house, &self.business).await;
        match method.name() {
            "AddLeadContacts" | "AddAccountContacts" => {
                things.contact = self.business.contact(&[], &["new@example.co.th"]).await.name;
            }
            "RemoveViewers" => {
                let add = set::AddViewersRequest {
                    parent: things.business.clone(),
                    members: vec![things.member.clone()],
                    ..Default::default()
                };
                self.business.owner.settings.clone().add_viewers(add).await.unwrap();
            }
            _ => {}
        }
        things
    }

    /// Sends a write to one of the replicas of its service.
    pub async fn send(&self, write: &Write, replica: usize) -> Result<Vec<Vec<u8>>, Status> {
        let request = write.by.bearer.request(vec![write.body.clone()]);
        raw::call(&self.channel(&write.path, replica), &write.path, request).await
    }

    fn channel(&self, path: &str, replica: usize) -> Channel {
        let replicas = match service(path) {
            "settings" => &self.house.of_settings,
            "directory" => &self.house.directories,
            _ => &self.house.managers,
        };
        replicas[replica % replicas.len()].channel.clone()
    }
}

/// A write with a `request_id`, ready to be sent and sent again.
pub struct Write {
    pub name: String,
    pub path: String,
    pub by: Person,
    pub body: Vec<u8>,
}

impl Write {
    pub fn new(world: &World, method: &MethodDescriptor, about: &About<'_>, id: &str) -> Self {
        let by = match method.name() {
            "CreateBusiness" => world.house.named("vendor"),
            _ => world.business.owner.clone(),
        };
        let mut request = about.request(method);
        request.set_field_by_name("request_id", Value::String(id.to_owned()));
        let (name, path) = (method.name().to_owned(), path(method));
        Self { name, path, by, body: request.encode_to_vec() }
    }
}

/// All that have a `request_id`; the one that gives the business away comes last.
pub fn writes() -> Vec<MethodDescriptor> {
    let has_id =
        |method: &MethodDescriptor| method.input().get_field_by_name("request_id").is_some();
    let mut writes: Vec<_> = methods().into_iter().filter(has_id).collect();
    writes.sort_by_key(|method| method.name() == "TransferOwnership");
    assert!(writes.len() >= 27);
    writes
}

pub fn new_id() -> String {
    uuid::Uuid::now_v7().to_string()
}
