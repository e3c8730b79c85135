//! Every acknowledged change reaches the ledger exactly once and in order, whatever answer is lost and whoever dies.
//!
//! Clients repeat a request until it is acknowledged. Afterwards, the ledger of each contact is what they were told:
//! no change is missing, none is there twice, none is out of order, and none is there that nobody was told of.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::large_futures)]

mod commanded;
mod deaths;
mod writers;

use yinyom_failpoints::{Point, Scenario, clear, set};
use yinyom_kernel::Scope;
use yinyom_tests::{Database, House, Person, Plan, TestBusiness};

use crate::writers::{Writers, assert_exactly_once};

const CONTACTS: usize = 6;

/// A house with contacts in it, that is well until somebody sets a failpoint.
pub struct World {
    pub house: House,
    pub business: TestBusiness,
    pub contacts: Vec<String>,
    /// Last: the points are cleared when everybody is gone.
    _scenario: Scenario,
}

impl World {
    pub async fn of(plan: Plan) -> Self {
        let scenario = Scenario::from_environment();
        let house = House::build(plan).await;
        let business = house.found().await;
        let mut contacts = Vec::new();
        for i in 0..CONTACTS {
            let phone = format!("081234567{i}");
            contacts.push(business.contact(&[&phone], &[]).await.name);
        }
        contacts.sort();
        Self { house, business, contacts, _scenario: scenario }
    }

    /// For a look into a database.
    #[expect(clippy::disallowed_methods, reason = "the test is the caller")]
    pub fn scope(&self) -> Scope {
        Scope::assume(self.business.id)
    }

    /// The owner, as somebody who calls this replica of the directory.
    pub fn owner_at(&self, directory: usize) -> Person {
        self.business.owner.at(&self.house, [0, directory, 0])
    }
}

/// Half of all units of work, or deliveries, go wrong in the same way.
async fn it_goes_wrong_at(database: Database, point: Point) {
    let world = World::of(Plan::on(database)).await;
    set(point, "50%return");
    let said = Writers::start(&[world.owner_at(0)], &world.contacts, 2, 8).finish().await;
    clear(point);
    assert_eq!(said.len(), CONTACTS * 2 * 8);
    assert_exactly_once(&world.business, &world.contacts, &said).await;
    world.house.close().await;
}

macro_rules! it_goes_wrong_at {
    ($($name:ident: $point:ident),+ $(,)?) => {
        $(
            mod $name {
                use yinyom_failpoints::Point;
                use yinyom_tests::Database;

                #[tokio::test(flavor = "multi_thread")]
                async fn sqlite() {
                    crate::it_goes_wrong_at(Database::Sqlite, Point::$point).await;
                }

                #[tokio::test(flavor = "multi_thread")]
                async fn postgres() {
                    crate::it_goes_wrong_at(Database::Postgres, Point::$point).await;
                }
            }
        )+
    };
}

it_goes_wrong_at!(
    units_of_work_that_are_undone_at_their_end_show_nowhere: BeforeCommit,
    units_of_work_whose_end_nobody_hears_of_count_once: AfterCommit,
    deliveries_that_are_taken_and_not_marked_count_once: AfterSend,
    batches_that_are_ingested_and_not_answered_count_once: AfterIngest,
);
