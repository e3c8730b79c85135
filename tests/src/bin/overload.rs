//! What becomes of the calls that are taken when ten times as many come as can be?
//!
//! `make overload` runs it: one process of each service on PostgreSQL. It finds out how many calls a second they answer,
//! how long one takes at seven tenths of that, and then sends ten times as many for a minute, whatever is answered. Of
//! those it asks: how many are answered, set against the most there can be (0.9 at least); how long the last hundredth of
//! these takes, set against before (three times at most); whether every withdrawal gets through; whether memory grows; and
//! how soon all is as before (ten seconds).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_precision_loss,
    clippy::large_futures,
    reason = "a measurement that fails is none"
)]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;
use tokio::time::{Instant, interval};
use tonic::{Code, Status};
use yinyom_proto::directory::v1 as dir;
use yinyom_proto::directory::v1::consent_service_client::ConsentServiceClient;
use yinyom_proto::directory::v1::contact_service_client::ContactServiceClient;
use yinyom_proto::types::v1::{Channel, Surface};
use yinyom_rpc::Connection;
use yinyom_tests::cores::pin_this_program;
use yinyom_tests::fleet::{Fleet, Service};
use yinyom_tests::rolling::Load;

/// Enough to keep two cores busy, and fewer than would wait for each other.
const WORKERS: usize = 16;
/// Calls that clients have under way at most: beyond that they could not ask for more themselves.
const MOST: usize = 4_000;
const CONNECTIONS: usize = 8;
const TIMES: f64 = 10.0;
const WITHDRAWALS_A_SECOND: u32 = 20;
/// The parts of a second in which calls are sent.
const TICK: Duration = Duration::from_millis(2);

/// How a call ended, and when.
struct Ended {
    at: Instant,
    took: Duration,
    code: Code,
}

#[derive(Clone)]
struct Asker {
    connections: Arc<Vec<Connection>>,
    load: Load,
    asked: Arc<AtomicUsize>,
}

impl Asker {
    /// What an export asks, and a contact in between. Small to ask and costly to answer: who sends ten times as many has to
    /// have the time for it, on the same cores.
    async fn ask(&self) -> Result<(), Status> {
        let number = self.asked.fetch_add(1, Ordering::Relaxed);
        let to = self.connections[number % CONNECTIONS].clone();
        let mut contacts = ContactServiceClient::new(to);
        if number.is_multiple_of(4) {
            let ask = dir::GetContactRequest { name: self.load.contact(number).to_owned() };
            return contacts.get_contact(ask).await.map(drop);
        }
        let parent = self.load.business().to_owned();
        let ask = dir::ListContactsRequest { parent, page_size: 1_000, ..<_>::default() };
        contacts.list_contacts(ask).await.map(drop)
    }

    async fn withdraw(&self, number: usize) -> Result<(), Status> {
        let ask = dir::WithdrawConsentRequest {
            contact: self.load.contact(number).to_owned(),
            channels: vec![Channel::Phone.into()],
            surface: Surface::Api.into(),
            request_id: uuid::Uuid::new_v4().to_string(),
            ..<_>::default()
        };
        let to = self.connections[number % CONNECTIONS].clone();
        ConsentServiceClient::new(to).withdraw_consent(ask).await.map(drop)
    }
}

async fn timed(call: impl Future<Output = Result<(), Status>>, ended: &UnboundedSender<Ended>) {
    let began = Instant::now();
    let code = call.await.map_or_else(|status| status.code(), |()| Code::Ok);
    let _ = ended.send(Ended { at: Instant::now(), took: began.elapsed(), code });
}

/// As many as can be.
async fn closed(asker: &Asker, duration: Duration) -> Vec<Ended> {
    let (ended, heard) = unbounded_channel();
    let until = Instant::now() + duration;
    let mut workers = JoinSet::new();
    for _ in 0..WORKERS {
        let (asker, ended) = (asker.clone(), ended.clone());
        workers.spawn(async move {
            while Instant::now() < until {
                timed(asker.ask(), &ended).await;
            }
        });
    }
    workers.join_all().await;
    drop(ended);
    all(heard).await
}

/// So many a second, whatever is answered, and how many clients could not send. Withdrawals beside them.
async fn open(asker: &Asker, a_second: f64, duration: Duration) -> (Vec<Ended>, Vec<Ended>, usize) {
    let (ended, heard) = unbounded_channel();
    let (withdrawn, refusals) = unbounded_channel();
    let (began, under_way) = (Instant::now(), Arc::new(AtomicUsize::new(0)));
    let (mut sent, mut withdrawals, mut unsent) = (0_u64, 0_u64, 0);
    let mut ticks = interval(TICK);
    while began.elapsed() < duration {
        ticks.tick().await;
        let now = began.elapsed().as_secs_f64();
        while (sent as f64) < now * a_second {
            sent += 1;
            if under_way.load(Ordering::Relaxed) >= MOST {
                unsent += 1;
                continue;
            }
            under_way.fetch_add(1, Ordering::Relaxed);
            let (asker, ended, under_way) = (asker.clone(), ended.clone(), Arc::clone(&under_way));
            tokio::spawn(async move {
                timed(asker.ask(), &ended).await;
                under_way.fetch_sub(1, Ordering::Relaxed);
            });
        }
        while (withdrawals as f64) < now * f64::from(WITHDRAWALS_A_SECOND) {
            withdrawals += 1;
            let (asker, withdrawn) = (asker.clone(), withdrawn.clone());
            let number = usize::try_from(withdrawals).expect("few");
            tokio::spawn(async move { timed(asker.withdraw(number), &withdrawn).await });
        }
    }
    drop((ended, withdrawn));
    (all(heard).await, all(refusals).await, unsent)
}

async fn all(mut heard: UnboundedReceiver<Ended>) -> Vec<Ended> {
    let mut all = Vec::new();
    while let Some(ended) = heard.recv().await {
        all.push(ended);
    }
    all
}

/// Of those that were answered, the one that only a hundredth took longer than.
fn p99(of: &[Ended]) -> Duration {
    let mut took: Vec<_> =
        of.iter().filter(|ended| ended.code == Code::Ok).map(|ended| ended.took).collect();
    took.sort_unstable();
    took.get(took.len() * 99 / 100).copied().unwrap_or_default()
}

fn served(of: &[Ended]) -> usize {
    of.iter().filter(|ended| ended.code == Code::Ok).count()
}

fn codes(of: &[Ended]) -> BTreeMap<String, usize> {
    let mut codes = BTreeMap::new();
    for ended in of {
        *codes.entry(format!("{:?}", ended.code)).or_default() += 1;
    }
    codes
}

/// After how many seconds no second is worse than that any more.
fn recovered(of: &[Ended], began: Instant, bound: Duration) -> usize {
    let mut seconds: BTreeMap<u64, (Vec<Duration>, usize)> = BTreeMap::new();
    for ended in of {
        let second = ended.at.saturating_duration_since(began).as_secs();
        let (took, refused) = seconds.entry(second).or_default();
        took.push(ended.took);
        *refused += usize::from(ended.code != Code::Ok);
    }
    let bad = |(took, refused): &(Vec<Duration>, usize)| {
        let slow = took.iter().filter(|took| **took > bound).count();
        *refused * 100 > took.len() || slow * 100 > took.len()
    };
    let last_bad = seconds.iter().filter(|(_, second)| bad(second)).map(|(at, _)| *at + 1).max();
    usize::try_from(last_bad.unwrap_or(0)).expect("few")
}

#[tokio::main]
async fn main() -> ExitCode {
    let seconds: u64 =
        std::env::args().nth(1).map_or(60, |seconds| seconds.parse().expect("a number"));
    let program: PathBuf = std::env::var_os("YINYOM_BIN").expect("YINYOM_BIN").into();
    // The services have a core of their own, as the manifests promise them; `make overload` has started the database on the
    // other one, where those who ask are, too.
    pin_this_program(0);
    let fleet = Fleet::start(program, 1).await;
    pin_this_program(1);
    let load = Load::begin(&fleet, 1_000).await;
    let connections = (0..CONNECTIONS).map(|_| fleet.connect(Service::Directory, "dashboard"));
    let connections = Arc::new(connections.collect());
    let asker = Asker { connections, load, asked: Arc::default() };

    closed(&asker, Duration::from_secs(3)).await;
    let most = Duration::from_secs(10);
    let peak = served(&closed(&asker, most).await) as f64 / most.as_secs_f64();
    let (before, ..) = open(&asker, peak * 0.7, Duration::from_secs(10)).await;
    let normal = p99(&before);
    println!(
        "at most {peak:.0} calls a second; at 0.7 of that p99 {normal:.1?} {:?}",
        codes(&before)
    );

    // So that what grows once, with the first rush, does not count.
    let _ = open(&asker, peak * TIMES, Duration::from_secs(seconds / 4)).await;
    let (resident, began) = (fleet.resident(Service::Directory), Instant::now());
    let (rush, withdrawals, unsent) =
        open(&asker, peak * TIMES, Duration::from_secs(seconds)).await;
    let lasted = began.elapsed().as_secs_f64();
    let grown = fleet.resident(Service::Directory) as f64 / resident as f64;
    let after = Instant::now();
    let (calm, ..) = open(&asker, peak * 0.7, Duration::from_secs(15)).await;

    let goodput = served(&rush) as f64 / lasted / peak;
    let slower = p99(&rush).as_secs_f64() / normal.as_secs_f64();
    let lost = withdrawals.len() - served(&withdrawals);
    let recovery = recovered(&calm, after, normal * 3);
    println!("{TIMES} times as many for {lasted:.0} s: {:?}, not sent: {unsent}", codes(&rush));
    println!("answered, set against the most:    {goodput:.2}  (0.90 at least)");
    println!("p99 of these, set against before:  {slower:.2}  ({:.1?}; 3 at most)", p99(&rush));
    println!(
        "withdrawals that did not succeed:  {lost} of {} (p99 {:.1?}; 0)",
        withdrawals.len(),
        p99(&withdrawals)
    );
    println!(
        "memory, set against its beginning: {grown:.2}  ({:.0} MiB; 1.10 at most)",
        resident as f64 / 1_048_576.0
    );
    println!("as before after:                   {recovery} s  (10 at most)");
    let met = goodput >= 0.9 && slower <= 3.0 && lost == 0 && grown <= 1.1 && recovery <= 10;
    if met { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
