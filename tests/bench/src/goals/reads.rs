//! One contact: goals 1, 2, 3 and 14.

use std::rc::Rc;
use std::time::Duration;

use sqlx::{Connection, Executor, PgConnection};
use yinyom_proto::directory::v1::GetContactRequest;

use super::{echo_load, load};
use crate::goal::{Bar, Goal, Sides};
use crate::load::Load;
use crate::pgbench::{CLIENTS, Pgbench};
use crate::services::Services;
use crate::stage::{CALLERS, Echo, OnPostgres, OnSqlite, Stage};

const GET: &str = "/yinyom.directory.v1.ContactService/GetContact";

/// How many calls each of the connections of goal 2 has under way: enough to keep a core at it, and fewer than are served in
/// the moment that a line may be long.
const IN_FLIGHT: usize = 8;

fn get(services: &Services, token: &str, contacts: &[String]) -> Load {
    let ask = |name: &String| GetContactRequest { name: name.clone() };
    load(services.directory, GET, Some(token), contacts.iter().map(ask))
}

/// Against `pgbench`.
struct BesidePgbench {
    pgbench: Pgbench,
    load: Load,
    _on: Rc<OnPostgres>,
}

#[tonic::async_trait(?Send)]
impl Sides for BesidePgbench {
    async fn limit(&mut self, lasts: Duration) -> f64 {
        self.pgbench.run(CLIENTS, lasts).await
    }

    async fn service(&mut self, lasts: Duration) -> f64 {
        self.load.run(lasts).await.per_second()
    }
}

/// Goal 1.
pub async fn get_on_postgres(stage: &mut Stage) -> Goal {
    let on = stage.postgres().await;
    let pgbench = Pgbench::new(stage.server(), &[]);
    pgbench.prepare().await;
    let load = get(&on.services, &on.town.user, &on.town.granted);
    Goal {
        id: "1",
        what: "GetContact on PostgreSQL, 8 clients",
        against: "pgbench -S -M prepared -c 8",
        unit: "calls/s",
        bar: Bar::AtLeast(0.25),
        sides: Box::new(BesidePgbench { pgbench, load, _on: on }),
    }
}

/// Goal 14.
pub async fn revealed(stage: &mut Stage) -> Goal {
    let on = stage.postgres().await;
    let table = "CREATE TABLE IF NOT EXISTS limit_of_inserts (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        business_id UUID NOT NULL, payload BYTEA NOT NULL)";
    let mut server = PgConnection::connect(stage.server()).await.expect("the server");
    server.execute(table).await.expect("a table");
    let insert = "INSERT INTO limit_of_inserts (business_id, payload)
        VALUES ('01900000-0000-7000-8000-000000000000', decode(repeat('ab', 200), 'hex'));";
    let pgbench = Pgbench::new(stage.server(), &[insert.to_owned()]);
    let load = get(&on.services, &on.town.owner, &on.town.denied);
    Goal {
        id: "14",
        what: "GetContact recorded as a reveal, 8 clients",
        against: "pgbench insert, commit, -c 8",
        unit: "calls/s",
        bar: Bar::AtLeast(0.5),
        sides: Box::new(BesidePgbench { pgbench, load, _on: on }),
    }
}

struct BesideEcho<On> {
    echo: Load,
    load: Load,
    _echo: Rc<Echo>,
    _on: Rc<On>,
}

#[tonic::async_trait(?Send)]
impl Sides for BesideEcho<OnSqlite> {
    async fn limit(&mut self, lasts: Duration) -> f64 {
        self.echo.run(lasts).await.per_second()
    }

    async fn service(&mut self, lasts: Duration) -> f64 {
        self.load.run(lasts).await.per_second()
    }
}

#[tonic::async_trait(?Send)]
impl Sides for BesideEcho<OnPostgres> {
    async fn limit(&mut self, lasts: Duration) -> f64 {
        self.echo.run(lasts).await.at(50.0)
    }

    async fn service(&mut self, lasts: Duration) -> f64 {
        self.load.run(lasts).await.at(50.0)
    }
}

/// Goal 2: servers on one core, callers on the other.
pub async fn get_on_sqlite(stage: &mut Stage) -> Goal {
    let (on, echo) = (stage.sqlite().await, stage.pinned_echo().await);
    let many = |load: Load| Load { in_flight: IN_FLIGHT, core: Some(CALLERS), ..load };
    let load = many(get(&on.services, &on.town.user, &on.town.granted));
    Goal {
        id: "2",
        what: "GetContact on SQLite, 8 × 8 in flight",
        against: "tonic echo, same runtime and core",
        unit: "calls/s",
        bar: Bar::AtLeast(0.15),
        sides: Box::new(BesideEcho { echo: many(echo_load(echo.at)), load, _echo: echo, _on: on }),
    }
}

/// Goal 3.
pub async fn get_alone(stage: &mut Stage) -> Goal {
    let (on, echo) = (stage.postgres().await, stage.echo().await);
    let load = get(&on.services, &on.town.user, &on.town.granted).one_at_a_time();
    let echo_load = echo_load(echo.at).one_at_a_time();
    Goal {
        id: "3",
        what: "GetContact on PostgreSQL one at a time, p50",
        against: "tonic echo, p50",
        unit: "µs",
        bar: Bar::AtMost(2.2),
        sides: Box::new(BesideEcho { echo: echo_load, load, _echo: echo, _on: on }),
    }
}
