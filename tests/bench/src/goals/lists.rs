//! A page of contacts: goal 4.

use std::fmt::Write;
use std::rc::Rc;
use std::time::Duration;

use sqlx::AssertSqlSafe;
use uuid::Uuid;
use yinyom_proto::directory::v1 as dir;
use yinyom_proto::directory::v1::contact_service_client::ContactServiceClient;

use super::load;
use crate::goal::{Bar, Goal, Sides};
use crate::load::Load;
use crate::pgbench::{CLIENTS, Pgbench};
use crate::stage::{OnPostgres, Stage};
use crate::town::door;

const LIST: &str = "/yinyom.directory.v1.ContactService/ListContacts";
const PAGE: usize = 100;
/// Pages that are asked for; `pgbench` takes 128 scripts.
const PAGES: usize = 96;

/// What `ListContacts` reads of a contact.
const COLUMNS: &str = "c.contact_id, c.external_id, c.first_name, c.last_name, c.sort_name, c.revision,
    c.consent_seq, c.phone_state, c.phone_expires_at, c.phone_set_at, c.phone_refused_before, c.email_state,
    c.email_expires_at, c.email_set_at, c.email_refused_before, c.merges, c.subject_key, c.created_at,
    c.updated_at";

struct Pages {
    pgbench: Pgbench,
    load: Load,
    _on: Rc<OnPostgres>,
}

#[tonic::async_trait(?Send)]
impl Sides for Pages {
    async fn limit(&mut self, lasts: Duration) -> f64 {
        self.pgbench.run(CLIENTS, lasts).await * PAGE as f64
    }

    async fn service(&mut self, lasts: Duration) -> f64 {
        self.load.run(lasts).await.per_second() * PAGE as f64
    }
}

/// Goal 4.
pub async fn pages(stage: &mut Stage) -> Goal {
    let on = stage.postgres().await;
    let pgbench = Pgbench::new(&on.limit, &scripts(&on).await);
    let asked = requests(&on).await;
    let load = load(on.services.directory, LIST, Some(&on.town.user), asked);
    Goal {
        id: "4",
        what: "ListContacts, 100 a page, 8 clients",
        against: "pgbench, the same two SELECTs, -c 8",
        unit: "rows/s",
        bar: Bar::AtLeast(0.5),
        sides: Box::new(Pages { pgbench, load, _on: on }),
    }
}

/// Pages from all over the directory, as somebody comes to them who turns them.
async fn requests(on: &OnPostgres) -> Vec<dir::ListContactsRequest> {
    let mut contacts = ContactServiceClient::new(door(on.services.directory, &on.town.user));
    let mut asked = Vec::with_capacity(PAGES);
    let mut page_token = String::new();
    while asked.len() < PAGES {
        let ask = dir::ListContactsRequest {
            parent: on.town.name.clone(),
            page_size: i32::try_from(PAGE).expect("few"),
            page_token: page_token.clone(),
            ..Default::default()
        };
        let page = contacts.list_contacts(ask.clone()).await.expect("a page").into_inner();
        assert_eq!(page.contacts.len(), PAGE, "a full page");
        page_token = page.next_page_token;
        asked.push(ask);
    }
    asked
}

/// The same pages.
async fn scripts(on: &OnPostgres) -> Vec<String> {
    let business = on.town.business.uuid();
    let sql = format!(
        "SELECT created_at, contact_id FROM contacts WHERE business_id = '{business}'
         ORDER BY created_at, contact_id"
    );
    let mut there = on.limits_session().await;
    let contacts: Vec<(i64, Uuid)> =
        sqlx::query_as(AssertSqlSafe(sql)).fetch_all(&mut there).await.expect("contacts");
    let pages = contacts.chunks_exact(PAGE).take(PAGES).enumerate().map(|(i, page)| {
        let mut after = String::new();
        if let Some((created_at, id)) =
            i.checked_sub(1).map(|before| contacts[before * PAGE + PAGE - 1])
        {
            let _ = write!(after, " AND ((c.created_at, c.contact_id) > ({created_at}, '{id}'))");
        }
        let ids = page.iter().map(|(_, id)| id.to_string()).collect::<Vec<_>>().join(",");
        format!(
            "SELECT {COLUMNS} FROM contacts c WHERE c.business_id = '{business}'{after}
                ORDER BY c.created_at, c.contact_id LIMIT {};
            SELECT contact_id, point_id, channel, sealed FROM contact_points
                WHERE business_id = '{business}' AND contact_id = ANY('{{{ids}}}'::uuid[])
                ORDER BY contact_id, point_id;\n",
            PAGE + 1
        )
    });
    pages.collect()
}
