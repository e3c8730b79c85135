//! Taking a right away holds when the call returns, on every replica (TRAPS 6): two replicas of settings, three of the
//! directory, two of the manager, on PostgreSQL.
//!
//! That these tests see a revelation where there is one is `new_enemy.rs`'s.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::large_futures)]
#![allow(clippy::missing_panics_doc)]

mod cut_off;
mod held_up;
mod outage;
mod probe;
mod right;
mod rounds;

use std::sync::Arc;

use yinyom_kernel::ManualClock;
use yinyom_proto::directory::v1 as dir;
use yinyom_proto::types::v1::{Channel, ConsentState};
use yinyom_tests::{House, Person, Plan, TestBusiness, Things};

pub const PHONE: &str = "+66812345678";
pub const SHARED: &str = "+66819999999";

/// How long a lease lasts.
pub const LEASE: std::time::Duration = std::time::Duration::from_millis(1_500);

/// A business under enforcement, with customers who said no, yes and nothing.
pub struct World {
    pub house: House,
    pub business: TestBusiness,
    pub things: Things,
    /// Said no to both channels.
    pub denied: String,
    pub granted: String,
    pub unasked: String,
    /// Said yes by phone, and shares the number with somebody who said no.
    pub sharing: String,
}

impl World {
    pub async fn start() -> Self {
        Self::build(Plan::replicated()).await
    }

    /// One whose clock stands still until the test moves it.
    pub async fn standing_still() -> (Self, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::at(jiff::Timestamp::constant(1_700_000_000, 0)));
        let plan = Plan { clock: clock.clone(), ..Plan::replicated() };
        (Self::build(plan).await, clock)
    }

    async fn build(plan: Plan) -> Self {
        let house = House::build(plan).await;
        let business = house.found().await;
        let things = Things::make(&house, &business).await;
        let [denied, granted, unasked] = [
            business.contact(&[PHONE], &["no@example.co.th"]).await.name,
            business.contact(&["+66812345679"], &["yes@example.co.th"]).await.name,
            business.contact(&["+66812345670"], &["nothing@example.co.th"]).await.name,
        ];
        let sharing = business.contact(&[SHARED], &[]).await.name;
        let other = business.contact(&[SHARED], &[]).await.name;
        let (no, yes) = (ConsentState::Denied, ConsentState::Granted);
        for channel in [Channel::Phone, Channel::Email] {
            business.say(&denied, channel, no).await;
            business.say(&granted, channel, yes).await;
        }
        business.say(&sharing, Channel::Phone, yes).await;
        business.say(&other, Channel::Phone, no).await;
        for contact in [&denied, &unasked] {
            link(&business, &things, contact).await;
        }
        Self { house, business, things, denied, granted, unasked, sharing }
    }

    /// The same person, who calls that directory, and settings and a manager beside it.
    pub fn at(&self, person: &Person, directory: usize) -> Person {
        let (settings, managers) = (self.house.of_settings.len(), self.house.managers.len());
        person.at(&self.house, [directory % settings, directory, directory % managers])
    }

    /// The same person, once at each directory.
    pub fn everywhere(&self, person: &Person) -> Vec<Person> {
        (0..self.house.directories.len()).map(|i| self.at(person, i)).collect()
    }
}

/// Puts a contact on the pages of the lead and the account.
async fn link(business: &TestBusiness, things: &Things, contact: &str) {
    let mut owner = business.owner.clone();
    let lead = dir::AddLeadContactsRequest {
        parent: things.lead.clone(),
        contacts: vec![contact.to_owned()],
        ..Default::default()
    };
    owner.leads.add_lead_contacts(lead).await.unwrap();
    let account = dir::AddAccountContactsRequest {
        parent: things.account.clone(),
        contacts: vec![contact.to_owned()],
        ..Default::default()
    };
    owner.accounts.add_account_contacts(account).await.unwrap();
}
