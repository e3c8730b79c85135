//! A directory that settings does not hear of: the call that takes a right away waits for its lease, and no longer.

use std::time::Duration;

use tokio::task::JoinHandle;
use yinyom_kernel::ManualClock;
use yinyom_proto::directory::v1 as dir;
use yinyom_tests::proxy::Flow;
use yinyom_tests::{Person, eventually};

use crate::probe::{Asker, Heard, Probe};
use crate::right::Right;
use crate::{LEASE, World};

const FAR: usize = 2;

/// Something that happens to the third directory while the listed user sees everything there.
struct Case {
    world: World,
    clock: std::sync::Arc<ManualClock>,
}

impl Case {
    async fn start() -> Self {
        let (world, clock) = World::standing_still().await;
        for directory in 0..3 {
            let mut asker = asker(&world, directory);
            eventually(async || asker.ask(Probe::Get).await, |heard| *heard == Heard::Revealed)
                .await;
        }
        Self { world, clock }
    }

    /// Begins to take the user off the list, and returns when everything is done but waiting for the lease.
    async fn take(&self) -> JoinHandle<()> {
        let (request, owner) = removal(&self.world, &self.world.business.owner);
        let call = tokio::spawn(async move {
            owner.settings.clone().remove_viewers(request).await.expect("it is taken away");
        });
        for directory in 0..2 {
            let mut asker = asker(&self.world, directory);
            eventually(async || asker.ask(Probe::Get).await, |heard| *heard == Heard::Hidden).await;
        }
        call
    }

    /// Lets a lease's duration pass, in two steps: the call is not back before, and is after.
    async fn wait_out(&self, call: JoinHandle<()>) {
        self.clock.advance(LEASE.saturating_sub(Duration::from_millis(1)));
        self.live([0, 1]).await;
        assert!(!call.is_finished(), "the lease of the third has not run out by settings' clock");
        self.clock.advance(Duration::from_millis(1));
        let returned = tokio::time::timeout(Duration::from_secs(10), call).await;
        returned.expect("it waits no longer").unwrap();
    }

    /// Until these have renewed their leases.
    async fn live<const N: usize>(&self, directories: [usize; N]) {
        for directory in directories {
            self.world.house.directories[directory].policies().ready().await;
        }
    }

    /// What the listed user is answered by the third directory.
    async fn far(&self, contact: &str) -> dir::Contact {
        let listed = self.world.at(&self.world.business.listed, FAR);
        let request = dir::GetContactRequest { name: contact.to_owned() };
        let answer = listed.contacts.clone().get_contact(request).await;
        answer.expect("it goes on answering").into_inner().contact.unwrap()
    }

    async fn is_masked(&self) {
        let reasons = |contact: dir::Contact| {
            contact.phones.iter().map(dir::ContactPoint::reason).collect::<Vec<_>>()
        };
        let unavailable = [dir::VisibilityReason::PolicyUnavailable];
        assert_eq!(reasons(self.far(&self.world.denied).await), unavailable);
        assert_eq!(reasons(self.far(&self.world.unasked).await), unavailable);
        // By the last rules that it knows he is a member: what customers allowed he sees.
        assert_eq!(reasons(self.far(&self.world.granted).await), [dir::VisibilityReason::Granted]);
    }

    /// Once it hears of settings again it decides by rights: his is gone, and another's is there.
    async fn comes_back(self) {
        let listed = self.world.business.listed.clone();
        let settled = eventually(
            async || self.far(&self.world.denied).await.phones[0].reason(),
            |reason| *reason != dir::VisibilityReason::PolicyUnavailable,
        );
        assert_eq!(settled.await, dir::VisibilityReason::Denied);
        Right::Listing.give(&self.world, &self.world.business.owner).await;
        let mut asker = Asker::new(&self.world, &listed, FAR, &self.world.denied);
        eventually(async || asker.ask(Probe::Get).await, |heard| *heard == Heard::Revealed).await;
        self.world.house.close().await;
    }
}

fn asker(world: &World, directory: usize) -> Asker {
    Asker::new(world, &world.business.listed, directory, &world.denied)
}

fn removal(
    world: &World,
    owner: &Person,
) -> (yinyom_proto::settings::v1::RemoveViewersRequest, Person) {
    let request = yinyom_proto::settings::v1::RemoveViewersRequest {
        parent: world.business.name.clone(),
        members: vec![world.business.listed.name.clone()],
        ..Default::default()
    };
    (request, owner.clone())
}

/// Its questions get through to nobody, and it is not told so.
#[tokio::test(flavor = "multi_thread")]
async fn a_partition_costs_a_lease_and_reveals_nothing() {
    cut_off(Flow::Held).await;
}

/// It is told so.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_connection_costs_a_lease_and_reveals_nothing() {
    cut_off(Flow::Refused).await;
}

async fn cut_off(flow: Flow) {
    let case = Case::start().await;
    case.world.house.wires[FAR].set(flow);
    let call = case.take().await;
    // The call is not back, so nothing was promised yet: by its lease the third still shows.
    assert_eq!(asker(&case.world, FAR).ask(Probe::Get).await, Heard::Revealed);
    case.wait_out(call).await;
    case.is_masked().await;
    case.world.house.wires[FAR].set(Flow::Open);
    case.comes_back().await;
}

/// It stands still for as long as the call takes, and does not know of it (SIGSTOP, a paused machine).
#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_directory_costs_a_lease_and_reveals_nothing_when_it_thaws() {
    let case = Case::start().await;
    let frozen = case.world.house.directories[FAR].freeze().await;
    let call = case.take().await;
    // What it is asked while it is frozen, it reads when it thaws.
    let listed = case.world.at(&case.world.business.listed, FAR);
    let name = case.world.denied.clone();
    let asked = tokio::spawn(async move {
        let request = dir::GetContactRequest { name };
        listed.contacts.clone().get_contact(request).await.unwrap().into_inner().contact.unwrap()
    });
    case.wait_out(call).await;
    drop(frozen);
    assert!(!crate::probe::shows(&asked.await.unwrap()));
    case.comes_back().await;
}

/// It is dead, and its lease still stands.
#[tokio::test(flavor = "multi_thread")]
async fn a_dead_directory_costs_a_lease_and_comes_back_without_the_right() {
    let mut case = Case::start().await;
    case.world.house.directories[FAR].kill().await;
    let call = case.take().await;
    case.wait_out(call).await;
    case.world.house.directories[FAR].start().await;
    assert!(!crate::probe::shows(&case.far(&case.world.denied).await));
    case.live([FAR]).await;
    case.comes_back().await;
}
