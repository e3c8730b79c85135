//! What becomes of the calls that are taken when ten times as many come as can be?
//!
//! One process of each service on PostgreSQL. It is found out how many calls a second they answer, and how long one takes
//! at seven tenths of that; then ten times as many come for a minute, whatever is answered. Customers withdraw all the while. Of those it is asked: how many
//! are answered, set against the most there can be (0.9 at least); how long the last hundredth of these takes, set against
//! before (three times at most); whether every withdrawal gets through; whether memory grows; and how soon all is as before
//! (ten seconds).
//!
//! The services have a core of their own, as the manifests promise them. Who asks costs as little as possible
//! ([`callers`]): he sits where the database does.

mod callers;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use prost::Message;
use tokio::time::Instant;
use yinyom_proto::directory::v1 as dir;
use yinyom_proto::types::v1::{Channel, Surface};
use yinyom_tests::cores::pin_this_program;
use yinyom_tests::fleet::{Fleet, Service};
use yinyom_tests::rolling::Load;

use crate::wire::Method;
use callers::{Asked, Came, Ended, Kind, closed, open};

const WITHDRAWALS_A_SECOND: f64 = 20.0;
/// One call in so many is for one contact; all others are for a page of a thousand.
const ONE_IN: usize = 4;
const CONTACTS: usize = 1_000;
/// Of the rates of a second: what a server bears for ever.
const NORMAL: f64 = 0.7;

/// The town, and what is asked there.
struct Callers {
    pages: Kind,
    contacts: Kind,
    withdrawals: Kind,
}

/// Measures and prints it. Whether everything is as it should be.
///
/// # Panics
/// If it cannot be measured.
pub async fn measure(program: PathBuf, lasts: Duration, times: f64) -> bool {
    pin_this_program(0);
    let fleet = Fleet::start(program, 1).await;
    pin_this_program(1);
    let callers = Callers::of(&fleet, lasts).await;

    callers.closed(Duration::from_secs(3)).await;
    let most = Duration::from_secs(10);
    let peak = answered(&callers.closed(most).await) as f64 / most.as_secs_f64();
    let before = callers.open(peak * NORMAL, Duration::from_secs(10)).await;
    let normal = p99(&before.reads.ended);
    println!(
        "at most {peak:.0} calls a second; at {NORMAL} of that p99 {normal:.1?}, refused {}",
        before.reads.refused()
    );

    // So that what grows once, with the first rush, does not count.
    callers.open(peak * times, lasts / 4).await;
    let resident = fleet.resident(Service::Directory);
    let rush = callers.open(peak * times, lasts).await;
    let grown = fleet.resident(Service::Directory) as f64 / resident as f64;
    let after = Instant::now();
    let calm = callers.open(peak * NORMAL, Duration::from_secs(15)).await;

    let goodput = answered(&rush.reads.ended) as f64 / rush.lasted.as_secs_f64() / peak;
    let late = p99(&rush.reads.ended);
    let slower = late.as_secs_f64() / normal.as_secs_f64();
    let lost = rush.withdrawals.refused() + rush.withdrawals.unsent;
    let recovery = recovered(&calm.reads.ended, after, normal * 3);
    println!(
        "{times} times as many for {:.0} s: answered {}, refused {}, not sent {}",
        rush.lasted.as_secs_f64(),
        answered(&rush.reads.ended),
        rush.reads.refused(),
        rush.reads.unsent
    );
    println!("answered, set against the most:    {goodput:.2}  (0.90 at least)");
    println!("p99 of these, set against before:  {slower:.2}  ({late:.1?}; 3 at most)");
    println!(
        "withdrawals that did not succeed:  {lost} of {} (p99 {:.1?}; 0)",
        rush.withdrawals.ended.len(),
        p99(&rush.withdrawals.ended)
    );
    println!(
        "memory, set against its beginning: {grown:.2}  ({:.0} MiB; 1.10 at most)",
        resident as f64 / 1_048_576.0
    );
    println!("as before after:                   {recovery} s  (10 at most)");
    goodput >= 0.9 && slower <= 3.0 && lost == 0 && grown <= 1.1 && recovery <= 10
}

/// What came of a time.
struct Time {
    reads: Came,
    withdrawals: Came,
    lasted: Duration,
}

impl Callers {
    async fn of(fleet: &Fleet, lasts: Duration) -> Self {
        let load = Load::begin(fleet, CONTACTS).await;
        let to = fleet.addresses(Service::Directory)[0];
        let authorization = format!("Bearer {}", fleet.token("dashboard"));
        let kind = |method: &str, connections, messages| Kind {
            to,
            method: Method {
                path: format!("/yinyom.directory.v1.{method}"),
                authorization: Some(authorization.clone()),
            },
            connections,
            asked: Arc::new(Asked::new(messages)),
        };
        let parent = load.business().to_owned();
        let page = dir::ListContactsRequest { parent, page_size: 1_000, ..<_>::default() };
        let contacts = load.contacts().iter();
        let get = contacts.map(|name| dir::GetContactRequest { name: name.clone() });
        // Of all times together, so that each is a request of its own.
        let seconds = lasts.as_secs_f64() * 1.25 + 80.0;
        let withdraw = (0..(seconds * WITHDRAWALS_A_SECOND) as usize).map(|number| {
            dir::WithdrawConsentRequest {
                contact: load.contact(number).to_owned(),
                channels: vec![Channel::Phone.into()],
                surface: Surface::Api.into(),
                request_id: uuid::Uuid::new_v4().to_string(),
                ..<_>::default()
            }
        });
        Self {
            pages: kind("ContactService/ListContacts", 6, vec![page.encode_to_vec()]),
            contacts: kind(
                "ContactService/GetContact",
                2,
                get.map(|ask| ask.encode_to_vec()).collect(),
            ),
            withdrawals: kind(
                "ConsentService/WithdrawConsent",
                1,
                withdraw.map(|ask| ask.encode_to_vec()).collect(),
            ),
        }
    }

    /// As many as there can be. Withdrawals beside them.
    async fn closed(&self, lasts: Duration) -> Vec<Ended> {
        let (ended, _) = tokio::join!(
            closed(&self.pages, &self.contacts, ONE_IN, lasts),
            open(&self.withdrawals, WITHDRAWALS_A_SECOND, lasts),
        );
        ended
    }

    /// So many a second, whatever is answered. Withdrawals beside them.
    async fn open(&self, a_second: f64, lasts: Duration) -> Time {
        let began = Instant::now();
        let of_contacts = a_second / ONE_IN as f64;
        let (pages, contacts, withdrawals) = tokio::join!(
            open(&self.pages, a_second - of_contacts, lasts),
            open(&self.contacts, of_contacts, lasts),
            open(&self.withdrawals, WITHDRAWALS_A_SECOND, lasts),
        );
        Time { reads: pages.and(contacts), withdrawals, lasted: began.elapsed() }
    }
}

/// Of those that were answered, the one that only a hundredth took longer than.
fn p99(of: &[Ended]) -> Duration {
    let mut took: Vec<_> =
        of.iter().filter(|ended| ended.answered).map(|ended| ended.took).collect();
    took.sort_unstable();
    took.get(took.len() * 99 / 100).copied().unwrap_or_default()
}

fn answered(of: &[Ended]) -> usize {
    of.iter().filter(|ended| ended.answered).count()
}

/// After how many seconds no second is worse than that any more.
fn recovered(of: &[Ended], began: Instant, bound: Duration) -> u64 {
    let mut seconds: BTreeMap<u64, Vec<&Ended>> = BTreeMap::new();
    for ended in of {
        let second = ended.at.saturating_duration_since(began).as_secs();
        seconds.entry(second).or_default().push(ended);
    }
    let bad = |second: &[&Ended]| {
        let refused = second.iter().filter(|ended| !ended.answered).count();
        let slow = second.iter().filter(|ended| ended.took > bound).count();
        refused * 100 > second.len() || slow * 100 > second.len()
    };
    seconds.iter().filter(|(_, second)| bad(second)).map(|(at, _)| at + 1).max().unwrap_or(0)
}
