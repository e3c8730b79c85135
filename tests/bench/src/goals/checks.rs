//! May we use it, of a thousand: goal 9. And one consent, beside Fides: goal 10.
//!
//! `SpiceDB`, Cedar and Fides are not run: their figures are those that were measured on a machine of this kind when the
//! tools were chosen, and the table says so.

use std::rc::Rc;
use std::time::Duration;

use prost::Message;
use yinyom_proto::directory::v1 as dir;
use yinyom_proto::types::v1::Channel;

use super::{load, writes};
use crate::goal::{Bar, Goal, Sides};
use crate::load::{Large, Load};
use crate::stage::{OnPostgres, Stage};

const CHECK: &str = "/yinyom.directory.v1.ConsentService/BatchCheckConsent";
const GET_CONSENTS: &str = "/yinyom.directory.v1.ConsentService/GetContactConsents";
const OF_A_CALL: usize = 1_000;
const AT_ONCE: usize = 4;

/// Items a second of an embedded `SpiceDB`, in bulks of 100.
const SPICE_DB: f64 = 42_000.0;
/// Decisions a second of Cedar in process, at 6.6 µs.
const CEDAR: f64 = 1_000_000.0 / 6.6;
/// Fides 2.78 with one worker: preferences read, and written, a second.
const FIDES_READS: f64 = 160.0;
const FIDES_WRITES: f64 = 108.0;

struct Checks {
    limit: f64,
    on: Rc<OnPostgres>,
}

#[tonic::async_trait(?Send)]
impl Sides for Checks {
    async fn limit(&mut self, _: Duration) -> f64 {
        self.limit
    }

    async fn service(&mut self, lasts: Duration) -> f64 {
        let town = &self.on.town;
        let all: Vec<_> =
            [&town.granted, &town.denied, &town.changing].into_iter().flatten().collect();
        let check = |contacts: &[&String]| dir::BatchCheckConsentRequest {
            parent: town.name.clone(),
            channel: Channel::Phone.into(),
            contacts: contacts.iter().map(|contact| (*contact).clone()).collect(),
        };
        let messages: Vec<_> =
            all.chunks_exact(OF_A_CALL).map(|some| check(some).encode_to_vec()).collect();
        let large = Large {
            to: self.on.services.directory,
            path: CHECK,
            token: town.owner.clone(),
            messages: vec![messages; AT_ONCE],
            once: false,
        };
        let done = large.run(lasts).await;
        for answer in &done.last {
            let answer = dir::BatchCheckConsentResponse::decode(&answer[..]).expect("an answer");
            assert_eq!(answer.checks.len(), OF_A_CALL);
        }
        done.calls as f64 * OF_A_CALL as f64 / done.took.as_secs_f64()
    }
}

/// Goal 9, twice.
pub async fn checks(stage: &mut Stage) -> [Goal; 2] {
    let on = stage.postgres().await;
    let goal = |id, against, limit, bar| Goal {
        id,
        what: "BatchCheckConsent of 1,000, 4 clients",
        against,
        unit: "items/s",
        bar: Bar::AtLeast(bar),
        sides: Box::new(Checks { limit, on: Rc::clone(&on) }),
    };
    [
        goal("9-spicedb", "SpiceDB embedded, bulk check (documented)", SPICE_DB, 10.0),
        goal("9-cedar", "Cedar in process, 6.6 µs (documented)", CEDAR, 2.0),
    ]
}

struct BesideFides {
    limit: f64,
    load: Load,
    on: Rc<OnPostgres>,
}

#[tonic::async_trait(?Send)]
impl Sides for BesideFides {
    async fn limit(&mut self, _: Duration) -> f64 {
        self.limit
    }

    async fn service(&mut self, lasts: Duration) -> f64 {
        let done = self.load.run(lasts).await;
        self.on.town.until_in_the_ledger(&self.on.services).await;
        done.per_second()
    }
}

/// Goal 10, for reads and for writes.
pub async fn beside_fides(stage: &mut Stage) -> [Goal; 2] {
    let on = stage.postgres().await;
    let ask = |contact: &String| dir::GetContactConsentsRequest { contact: contact.clone() };
    let read = load(
        on.services.directory,
        GET_CONSENTS,
        Some(&on.town.owner),
        on.town.granted.iter().map(ask),
    );
    let goal = |id, what, against, limit, load, bar| Goal {
        id,
        what,
        against,
        unit: "calls/s",
        bar: Bar::AtLeast(bar),
        sides: Box::new(BesideFides { limit, load, on: Rc::clone(&on) }),
    };
    let (reads, writes) = ("Fides 2.78, read (documented)", "Fides 2.78, write (documented)");
    let write = writes::set(&on);
    [
        goal("10-read", "GetContactConsents, 8 clients", reads, FIDES_READS, read, 100.0),
        goal("10-write", "SetContactConsents, 8 clients", writes, FIDES_WRITES, write, 40.0),
    ]
}
