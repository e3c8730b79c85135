//! A stale policy must never reveal (TRAPS 6): what the copy answers while its source does what sources do.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;
use tokio::sync::oneshot;
use uuid::Uuid;
use yinyom_consent::Role;
use yinyom_kernel::{BusinessId, ManualClock, MemberId};
use yinyom_policy::{
    Membership, Policies, PoliciesConfig, Policy, PolicyMember, PolicySource, Renewal, Rules,
    SourceError, Standing,
};

const LEASE: Duration = Duration::from_millis(1_500);

/// A source that says what it is told to say, in order; with nothing to say it does not answer.
#[derive(Default)]
struct Script {
    policies: Mutex<VecDeque<Result<Option<Policy>, SourceError>>>,
    renewals: Mutex<VecDeque<Renewal>>,
    /// Holds the next policy back until the test lets it go.
    held: Mutex<Option<oneshot::Receiver<()>>>,
}

impl PolicySource for Script {
    fn policy(&self, _: BusinessId) -> BoxFuture<'_, Result<Option<Policy>, SourceError>> {
        async move {
            let answer = self.policies.lock().unwrap().pop_front();
            let held = self.held.lock().unwrap().take();
            if let Some(held) = held {
                held.await.unwrap();
            }
            answer.unwrap_or_else(|| Err(SourceError("silent".to_owned())))
        }
        .boxed()
    }

    fn renew(&self, _: Uuid, _: i64, _: Duration) -> BoxFuture<'_, Result<Renewal, SourceError>> {
        let answer = self.renewals.lock().unwrap().pop_front();
        async move { answer.ok_or_else(|| SourceError("silent".to_owned())) }.boxed()
    }
}

struct House {
    script: Arc<Script>,
    clock: Arc<ManualClock>,
    policies: Policies,
    business: BusinessId,
    member: MemberId,
}

impl House {
    fn new() -> Self {
        let script = Arc::new(Script::default());
        let clock = Arc::new(ManualClock::at(Timestamp::UNIX_EPOCH));
        let policies = Policies::new(script.clone(), clock.clone(), PoliciesConfig::default());
        let (business, member) = (BusinessId::generate(), MemberId::generate());
        Self { script, clock, policies, business, member }
    }

    fn policy(&self, revision: i64) -> Policy {
        let listed = PolicyMember { role: Role::User, listed: true, protection_officer: false };
        Policy {
            business: self.business,
            revision,
            time_zone: "Asia/Bangkok".to_owned(),
            rules: Rules::INITIAL,
            members: HashMap::from([(self.member, listed)]),
        }
    }

    fn will_say(&self, revision: i64) {
        self.script.policies.lock().unwrap().push_back(Ok(Some(self.policy(revision))));
    }

    async fn renew(&self, revision: i64, changed: Vec<BusinessId>) {
        let renewal = Renewal { revision, changed, drop_all: false, duration: LEASE };
        self.script.renewals.lock().unwrap().push_back(renewal);
        self.policies.renew().await.unwrap();
    }

    async fn standing(&self) -> Standing {
        self.policies.of(self.business).await
    }
}

#[tokio::test]
async fn without_a_lease_nothing_is_asked_and_the_strictest_rules_hold() {
    let house = House::new();
    house.will_say(1);
    let standing = house.standing().await;
    assert!(matches!(standing, Standing::Lapsed(None)));
    assert_eq!(standing.rules(), Rules::STRICTEST);
    assert_eq!(standing.membership(house.member), Membership::Unknown);
    assert_eq!(house.script.policies.lock().unwrap().len(), 1, "no lease, no question");
}

#[tokio::test]
async fn a_lease_that_ran_out_hides_what_it_showed() {
    let house = House::new();
    house.renew(1, vec![]).await;
    house.will_say(1);
    let live = house.standing().await;
    assert!(matches!(live, Standing::Live(_)));

    house.clock.advance(LEASE);
    let lapsed = house.standing().await;
    assert!(matches!(lapsed, Standing::Lapsed(Some(_))));
    assert_eq!(
        lapsed.membership(house.member),
        Membership::Presumed,
        "a listed user is one no more"
    );
    assert_eq!(lapsed.membership(MemberId::generate()), Membership::Stranger);
    let confirmed = house.policies.confirm(house.business, live).await;
    assert!(matches!(confirmed, Standing::Lapsed(_)), "a read that took that long is masked");
}

#[tokio::test]
async fn who_was_a_member_before_a_change_that_was_heard_of_is_not_presumed_one() {
    let house = House::new();
    house.renew(1, vec![]).await;
    house.will_say(1);
    assert!(house.standing().await.live().is_some());
    // The member is removed, settings is told that this copy knows, and is not heard of any more.
    house.renew(2, vec![house.business]).await;
    house.clock.advance(LEASE);
    let lapsed = house.standing().await;
    assert_eq!(lapsed.membership(house.member), Membership::Unknown);
}

#[tokio::test]
async fn the_lease_counts_from_the_question_not_from_the_answer() {
    let house = House::new();
    house.renew(1, vec![]).await;
    assert!(house.policies.lease_left() < LEASE, "a margin for clocks that drift is kept");
}

#[tokio::test]
async fn a_changed_business_is_asked_for_anew() {
    let house = House::new();
    house.renew(1, vec![]).await;
    house.will_say(1);
    let before = house.standing().await;

    house.renew(2, vec![house.business]).await;
    house.will_say(2);
    let confirmed = house.policies.confirm(house.business, before).await;
    assert_eq!(confirmed.live().unwrap().revision, 2);
}

#[tokio::test]
async fn an_old_answer_that_arrives_late_is_not_used() {
    let house = House::new();
    house.renew(1, vec![]).await;
    let (let_go, held) = oneshot::channel();
    *house.script.held.lock().unwrap() = Some(held);
    house.will_say(1);
    let asking = tokio::spawn({
        let (policies, business) = (house.policies.clone(), house.business);
        async move { policies.of(business).await }
    });
    while house.script.held.lock().unwrap().is_some() {
        tokio::task::yield_now().await;
    }
    // The right is taken away while the old rules are on their way.
    house.renew(2, vec![house.business]).await;
    let_go.send(()).unwrap();
    let standing = asking.await.unwrap();
    assert!(standing.live().is_none(), "revision 1 is no rule any more: {standing:?}");
}

#[tokio::test]
async fn drop_all_drops_all() {
    let house = House::new();
    house.renew(5, vec![]).await;
    house.will_say(5);
    assert!(house.standing().await.live().is_some());
    let renewal = Renewal { revision: 9, changed: vec![], drop_all: true, duration: LEASE };
    house.script.renewals.lock().unwrap().push_back(renewal);
    house.policies.renew().await.unwrap();
    assert!(house.standing().await.live().is_none());
}

#[tokio::test]
async fn an_unreadable_or_absent_answer_reveals_nothing() {
    let house = House::new();
    house.renew(1, vec![]).await;
    assert!(matches!(house.standing().await, Standing::Lapsed(None)));
    house.script.policies.lock().unwrap().push_back(Ok(None));
    let none = house.standing().await;
    assert_eq!(none.membership(house.member), Membership::Stranger);
}
