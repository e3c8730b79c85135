//! From a commit to the manager's report: goal 11.

use std::rc::Rc;
use std::time::Duration;

use sqlx::{Connection, Executor, PgConnection};
use tokio::time::{Instant, sleep, sleep_until};
use tonic::Code;
use yinyom_proto::directory::v1 as dir;
use yinyom_proto::directory::v1::consent_service_client::ConsentServiceClient;
use yinyom_proto::manager::v1 as man;
use yinyom_proto::manager::v1::ledger_service_client::LedgerServiceClient;

use super::writes;
use crate::goal::{Bar, Goal, Sides};
use crate::load::{Load, histogram};
use crate::stage::{OnPostgres, Stage};
use crate::town::{Door, door};

/// Between two changes that are followed.
const PACE: Duration = Duration::from_millis(20);
/// Between two looks into the ledger: on average, half of it is in the figure.
const LOOK: Duration = Duration::from_millis(1);

struct Lag {
    on: Rc<OnPostgres>,
    load: Load,
    /// Changes a second.
    half: f64,
    followed: Followed,
}

#[tonic::async_trait(?Send)]
impl Sides for Lag {
    async fn limit(&mut self, _: Duration) -> f64 {
        1.0
    }

    async fn service(&mut self, lasts: Duration) -> f64 {
        // The hundredth part of the changes that are followed is more than one.
        let lasts = lasts * 2;
        let end = Instant::now() + lasts;
        let (_, p99) = tokio::join!(self.load.run_at(self.half, lasts), self.followed.until(end));
        self.on.town.until_in_the_ledger(&self.on.services).await;
        p99
    }
}

/// One contact whose changes are followed.
struct Followed {
    contact: String,
    consents: ConsentServiceClient<Door>,
    ledger: LedgerServiceClient<Door>,
    number: usize,
}

impl Followed {
    /// If more than one in a hundred is refused, there is nothing to be measured.
    async fn until(&mut self, end: Instant) -> f64 {
        let (mut lags, mut refused) = (histogram(), 0);
        let mut next = Instant::now();
        let words = writes::sayings(std::slice::from_ref(&self.contact));
        while Instant::now() < end {
            sleep_until(next).await;
            next += PACE;
            let word = words[self.number % words.len()].clone();
            self.number += 1;
            let (seq, at_once) = self.set(word).await;
            refused += u64::from(!at_once);
            let committed = Instant::now();
            while !self.has(seq).await {
                sleep(LOOK).await;
            }
            lags.saturating_record(committed.elapsed().as_nanos() as u64);
        }
        assert!(refused * 100 <= lags.len(), "{refused} of {} were refused", lags.len());
        lags.value_at_percentile(99.0) as f64 / 1_000_000.0
    }

    /// Says it. Whoever is told to come again, because the disk stood still for a moment, does so. Its number, and whether it
    /// was taken at once.
    async fn set(&mut self, word: dir::SetContactConsentsRequest) -> (i64, bool) {
        let mut at_once = true;
        loop {
            match self.consents.set_contact_consents(word.clone()).await {
                Ok(set) => {
                    let consents = set.into_inner().contact_consents.expect("consents");
                    return (consents.consent_seq, at_once);
                }
                Err(status) if status.code() == Code::ResourceExhausted => {
                    at_once = false;
                    sleep(PACE).await;
                }
                Err(status) => panic!("it is not recorded: {status}"),
            }
        }
    }

    async fn has(&mut self, seq: i64) -> bool {
        let ask = man::GetContactHistoryRequest {
            contact: self.contact.clone(),
            page_size: 1,
            ..Default::default()
        };
        let answer = self.ledger.get_contact_history(ask).await.expect("an answer").into_inner();
        answer.entries.first().is_some_and(|entry| entry.seq >= seq)
    }
}

/// Goal 11. What a full load is, is measured first.
pub async fn lag(stage: &mut Stage, lasts: Duration) -> Goal {
    let on = stage.postgres().await;
    // What other goals have written is on disk before this begins: half a load does not wait for a checkpoint of theirs.
    let mut server = PgConnection::connect(stage.server()).await.expect("the server");
    server.execute("CHECKPOINT").await.expect("a checkpoint");
    let load = writes::set(&on);
    let began = Instant::now();
    let done = load.run(lasts).await;
    on.town.until_in_the_ledger(&on.services).await;
    let half = done.calls as f64 / began.elapsed().as_secs_f64() / 2.0;
    let followed = Followed {
        contact: on.town.denied[0].clone(),
        consents: ConsentServiceClient::new(door(on.services.directory, &on.town.owner)),
        ledger: LedgerServiceClient::new(door(on.services.manager, &on.town.owner)),
        number: 0,
    };
    Goal {
        id: "11",
        what: "change committed → in the ledger and its report, p99 at half load",
        against: "a millisecond",
        unit: "ms",
        bar: Bar::AtMost(20.0),
        sides: Box::new(Lag { on, load: Load { in_flight: 64, ..load }, half, followed }),
    }
}
