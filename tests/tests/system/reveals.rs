//! Who sees by privilege alone what the mask would have hidden is on record before it leaves, and whoever changes the
//! settings is on record, too (TRAPS 18).

mod held;
mod readers;
mod replicas;
mod settings;
mod ways;

use prost::Message;
use tonic::Status;
use uuid::Uuid;
use yinyom_db::Db;
use yinyom_kernel::{BusinessId, Scope};
use yinyom_proto::directory::v1 as dir;
use yinyom_proto::manager::v1 as man;
use yinyom_proto::types::v1::{Channel, ConsentState};
use yinyom_testkit::tokens::Bearer;
use yinyom_tests::{Database, House, Person, TestBusiness, eventually};

pub const PHONE: &str = "+66812345678";
pub const EMAIL: &str = "somying@example.co.th";
pub const GET: &str = "/yinyom.directory.v1.ContactService/GetContact";

/// A business that shows unlisted users what was granted, and nothing else.
pub struct World {
    pub house: House,
    pub business: TestBusiness,
}

impl World {
    async fn start(database: Database) -> Self {
        let house = House::start(database).await;
        Self::of(house).await
    }

    async fn of(house: House) -> Self {
        let mut business = house.found().await;
        business.set_rules(&["not_set_visibility"], |s| s.not_set_visibility = 2).await;
        Self { house, business }
    }

    /// A contact with a phone and an e-mail in those states.
    pub async fn contact(&self, phone: ConsentState, email: ConsentState) -> String {
        let name = self.business.contact(&[PHONE], &[EMAIL]).await.name;
        for (channel, state) in [(Channel::Phone, phone), (Channel::Email, email)] {
            if state != ConsentState::NotSet {
                self.business.say(&name, channel, state).await;
            }
        }
        name
    }

    /// Reveals that match, newest first.
    pub async fn reveals(&self, asked: man::ListRevealsRequest) -> Vec<man::Reveal> {
        let parent = self.business.name.clone();
        let asked = man::ListRevealsRequest { parent, page_size: 1_000, ..asked };
        let mut audit = self.business.officer.audit.clone();
        audit.list_reveals(asked).await.unwrap().into_inner().reveals
    }

    /// The one reveal of a call, once it has arrived and all before it.
    pub async fn reveal_of(&self, call: &str) -> man::Reveal {
        let of_call = async || {
            let all = self.reveals(man::ListRevealsRequest::default()).await;
            all.into_iter().filter(|reveal| reveal.call_id == call).collect::<Vec<_>>()
        };
        let mut found = eventually(of_call, |found| !found.is_empty()).await;
        assert_eq!(found.len(), 1, "recorded once: {found:?}");
        found.remove(0)
    }

    /// Waits until everything that was recorded so far has arrived: a business's reveals arrive in their order.
    pub async fn arrived(&self) {
        let contact = self.contact(ConsentState::Denied, ConsentState::Denied).await;
        let call = Uuid::now_v7().to_string();
        get(&self.house, &self.business.owner.bearer, &contact, &call).await.unwrap();
        self.reveal_of(&call).await;
    }

    /// How many reveals the directory has ever recorded.
    pub async fn recorded(&self) -> i64 {
        last_seq(&self.house.databases[1], self.business.id).await
    }
}

#[expect(clippy::disallowed_methods, reason = "a test is its own caller")]
pub fn scope(business: BusinessId) -> Scope {
    Scope::assume(business)
}

/// The last number that a producer has given.
pub async fn last_seq(db: &Db, business: BusinessId) -> i64 {
    let mut tx = db.read(scope(business)).await.unwrap();
    let last = tx.scoped("SELECT last_seq FROM audit_heads WHERE business_id = $1");
    last.scalar_optional().await.unwrap().unwrap_or_default()
}

/// Calls a method with a call id.
pub async fn call(
    house: &House,
    bearer: &Bearer,
    method: &str,
    request: Vec<u8>,
    call: &str,
) -> Result<Vec<u8>, Status> {
    let mut request = bearer.request(vec![request]);
    request.metadata_mut().insert("x-request-id", call.parse().unwrap());
    Ok(house.call(method, request).await?.remove(0))
}

/// A contact as somebody sees it.
pub async fn get(
    house: &House,
    bearer: &Bearer,
    contact: &str,
    id: &str,
) -> Result<dir::Contact, Status> {
    let request = dir::GetContactRequest { name: contact.to_owned() };
    let answer = call(house, bearer, GET, request.encode_to_vec(), id).await?;
    Ok(dir::GetContactResponse::decode(&answer[..]).unwrap().contact.unwrap())
}

/// Those who see by privilege, with the name that is recorded, the role and the privilege.
pub fn privileged(world: &World) -> Vec<(Person, String, i32, man::Privilege)> {
    let business = &world.business;
    let member =
        |person: &Person, role, privilege| (person.clone(), person.name.clone(), role, privilege);
    let mailer = world.house.named("mailer");
    vec![
        member(&business.owner, 1, man::Privilege::Owner),
        member(&business.admin, 2, man::Privilege::Admin),
        member(&business.listed, 3, man::Privilege::Listed),
        (mailer, "services/mailer".to_owned(), 0, man::Privilege::AddressesRead),
    ]
}

macro_rules! in_a_world {
    ($($room:ident::$name:ident),+ $(,)?) => {
        $(
            mod $name {
                use yinyom_tests::Database;

                #[tokio::test(flavor = "multi_thread")]
                async fn sqlite() {
                    crate::reveals::$room::$name(crate::reveals::World::start(Database::Sqlite).await).await;
                }

                #[tokio::test(flavor = "multi_thread")]
                async fn postgres() {
                    crate::reveals::$room::$name(crate::reveals::World::start(Database::Postgres).await).await;
                }
            }
        )+
    };
}

in_a_world!(
    ways::every_way_out_records_what_privilege_alone_shows,
    ways::what_is_shown_without_privilege_is_not_recorded,
    ways::where_consent_is_not_enforced_nothing_is_recorded,
    held::what_cannot_be_recorded_is_masked_and_the_rest_is_shown,
    held::a_reveal_is_on_disk_when_its_answer_is_there,
    held::consent_changes_do_not_wait_for_reveals,
    readers::reveals_are_for_readers_of_the_ledger,
    readers::reveals_are_found_by_who_saw_whom_and_when,
    settings::every_change_of_the_settings_is_told,
    settings::what_changes_nothing_is_not_told,
);
