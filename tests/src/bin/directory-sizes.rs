//! What does it cost to ask a directory that has grown?
//!
//! `make directory-sizes` runs it in release on PostgreSQL. Two houses: one whose directory has a business of 10,000
//! contacts, and one with such a business and another one of 1,000,000 contacts, all imported through the door. The same
//! questions are put to the small one alone, to the small one beside the large one, and to the large one, in turns. Fails
//! if a question to the large one costs more than one and a half times what it costs the small one alone.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::large_futures,
    clippy::large_stack_arrays,
    reason = "a measurement that fails is none"
)]

use std::process::ExitCode;
use std::time::Duration;

use sqlx::{Connection, PgConnection};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tonic::service::interceptor::InterceptedService;
use yinyom_proto::directory::v1 as dir;
use yinyom_proto::directory::v1::preview_service_client::PreviewServiceClient;
use yinyom_proto::directory::v1::shared_address_service_client::SharedAddressServiceClient;
use yinyom_proto::types::v1::{Channel, ConsentState};
use yinyom_testkit::tokens::Bearer;
use yinyom_tests::{Database, House, Person, TestBusiness};

/// Contacts of an ordinary business.
const CONTACTS: usize = 10_000;
/// Rows of a batch.
const BATCH: usize = 500;
/// Imports at once.
const IMPORTS: usize = 4;
/// Calls of a kind, a turn.
const CALLS: usize = 20;
const BAR: f64 = 1.5;

type Wire = InterceptedService<tonic::transport::Channel, Bearer>;

#[derive(Debug, Clone, Copy)]
enum Question {
    Get,
    /// A page of 100, somewhere.
    Page,
    /// The first 100 by name.
    PageByName,
    Phone,
    Email,
    NamePrefix,
    /// 1,000 contacts of a page: as a campaign goes through them.
    Check,
    /// 1,000 contacts from all over.
    CheckScattered,
    Preview,
    SharedSummary,
}

const ALL: [Question; 10] = [
    Question::Get,
    Question::Page,
    Question::PageByName,
    Question::Phone,
    Question::Email,
    Question::NamePrefix,
    Question::Check,
    Question::CheckScattered,
    Question::Preview,
    Question::SharedSummary,
];

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1).map(|n| n.parse().expect("a number"));
    let of_the_large_one: usize = arguments.next().unwrap_or(1_000_000);
    let turns: usize = arguments.next().unwrap_or(15);
    let (here, there) =
        (House::start(Database::Postgres).await, House::start(Database::Postgres).await);
    let small = Asker::of(&here, CONTACTS).await;
    let same = Asker::of(&there, CONTACTS).await;
    let began = Instant::now();
    let large = Asker::of(&there, of_the_large_one).await;
    let seconds = began.elapsed().as_secs().max(1);
    println!("{of_the_large_one} contacts imported in {seconds} s, their consents in the ledger");
    for house in [&here, &there] {
        tidy(house).await;
    }
    let mut askers = [small, same, large];
    println!("question        alone, p50 ms   among all   × (median)   the large one   × (median)");
    let mut missed = false;
    for question in ALL {
        let mut taken: [Vec<f64>; 3] = Default::default();
        for turn in 0..=turns {
            for (asker, taken) in askers.iter_mut().zip(&mut taken) {
                let median = asker.median_of(question).await;
                // The first turn warms up.
                if turn > 0 {
                    taken.push(median.as_secs_f64());
                }
            }
        }
        let ratio = |i: usize| {
            median(taken[i].iter().zip(&taken[0]).map(|(large, small)| large / small).collect())
        };
        let (among, large) = (ratio(1), ratio(2));
        let ms = taken.each_ref().map(|taken| median(taken.clone()) * 1_000.0);
        println!(
            "{:<15} {:>13.2} {:>11.2} {among:>12.2} {:>15.2} {large:>12.2}",
            format!("{question:?}"),
            ms[0],
            ms[1],
            ms[2],
        );
        missed |= large > BAR;
    }
    here.close().await;
    there.close().await;
    if missed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn median(mut of: Vec<f64>) -> f64 {
    of.sort_unstable_by(f64::total_cmp);
    of[of.len() / 2]
}

/// The owner of a business with many contacts.
struct Asker {
    business: TestBusiness,
    previews: PreviewServiceClient<Wire>,
    shared: SharedAddressServiceClient<Wire>,
    contacts: usize,
    /// 1,000 of them, from all over.
    names: Vec<String>,
    /// 1,000 each, one after the other.
    pages: Vec<Vec<String>>,
    /// Where pages begin.
    tokens: Vec<String>,
    asked: usize,
}

impl Asker {
    async fn of(house: &House, contacts: usize) -> Self {
        let business = house.found().await;
        let mut imports = JoinSet::new();
        for first in 0..IMPORTS {
            let (owner, parent) = (business.owner.clone(), business.name.clone());
            let batches = (0..contacts.div_ceil(BATCH)).skip(first).step_by(IMPORTS);
            let requests: Vec<usize> = batches.collect();
            imports.spawn(async move {
                let rows = move |batch: usize| {
                    let rows = batch * BATCH..contacts.min((batch + 1) * BATCH);
                    dir::ImportContactsRequest {
                        parent: parent.clone(),
                        rows: rows.map(row).collect(),
                        ..<_>::default()
                    }
                };
                let stream = tokio_stream::iter(requests.into_iter().map(rows));
                let mut imports = owner.imports.clone();
                let mut answers =
                    imports.import_contacts(stream).await.expect("an import").into_inner();
                while let Some(answer) = answers.message().await.expect("it goes on") {
                    let made = answer.results.iter().all(|result| !result.contact.is_empty());
                    assert!(made, "{:?}", answer.results.first());
                }
            });
        }
        while let Some(imported) = imports.join_next().await {
            imported.expect("rows are imported");
        }
        let outbox = business.owner.outbox.clone();
        let waits = async || {
            tokio::time::sleep(Duration::from_millis(500)).await;
            let parent = business.name.clone();
            let mut outbox = outbox.clone();
            let status = outbox.get_outbox_status(dir::GetOutboxStatusRequest { parent }).await;
            status.map_or(-1, |status| status.into_inner().backlog)
        };
        while waits().await > 0 {}
        let (names, pages, tokens) = look_around(&business, contacts / 1_000).await;
        let wire = InterceptedService::new(house.directory.clone(), business.owner.bearer.clone());
        let previews = PreviewServiceClient::new(wire.clone());
        let shared = SharedAddressServiceClient::new(wire);
        Self { business, previews, shared, contacts, names, pages, tokens, asked: 0 }
    }

    async fn median_of(&mut self, question: Question) -> Duration {
        let mut taken = Vec::with_capacity(CALLS);
        for _ in 0..CALLS {
            let asked = Instant::now();
            self.ask(question).await;
            taken.push(asked.elapsed());
        }
        taken.sort_unstable();
        taken[CALLS / 2]
    }

    async fn ask(&mut self, question: Question) {
        self.asked += 1;
        // Over all of them, and not in their order.
        let number = self.asked.wrapping_mul(7_919) % self.contacts;
        let parent = self.business.name.clone();
        let mut owner = self.business.owner.clone();
        let list = |order_by: &str, page_token: String| dir::ListContactsRequest {
            parent: parent.clone(),
            page_size: 100,
            order_by: order_by.to_owned(),
            page_token,
        };
        let search = dir::SearchContactsRequest { parent: parent.clone(), ..<_>::default() };
        let found = match question {
            Question::Get => {
                let name = self.names[number % self.names.len()].clone();
                owner
                    .contacts
                    .get_contact(dir::GetContactRequest { name })
                    .await
                    .expect("it is there");
                1
            }
            Question::Page => {
                let token = self.tokens[number % self.tokens.len()].clone();
                let page = owner.contacts.list_contacts(list("", token)).await.expect("a page");
                page.into_inner().contacts.len() / 100
            }
            Question::PageByName => {
                let page = owner.contacts.list_contacts(list("name", String::new())).await;
                page.expect("a page").into_inner().contacts.len() / 100
            }
            Question::Phone => {
                let search = dir::SearchContactsRequest { phone: phone(number), ..search };
                searched(&mut owner, search).await
            }
            Question::Email => {
                let search = dir::SearchContactsRequest { email: email(number), ..search };
                searched(&mut owner, search).await
            }
            Question::NamePrefix => {
                let name_prefix = format!("{} {number:07}", first_name(number));
                let search = dir::SearchContactsRequest { name_prefix, ..search };
                searched(&mut owner, search).await
            }
            Question::Check | Question::CheckScattered => {
                let contacts = match question {
                    Question::Check => &self.pages[number % self.pages.len()],
                    _ => &self.names,
                };
                let check = dir::BatchCheckConsentRequest {
                    parent,
                    channel: Channel::Phone.into(),
                    contacts: contacts.clone(),
                };
                let checks = owner.consents.batch_check_consent(check).await.expect("an answer");
                checks.into_inner().checks.len() / 1_000
            }
            Question::Preview => {
                let preview = dir::PreviewVisibilityRequest {
                    parent,
                    not_set_visibility: 2,
                    ..<_>::default()
                };
                let preview = self.previews.preview_visibility(preview).await.expect("an answer");
                usize::from(preview.into_inner().hidden.is_some())
            }
            Question::SharedSummary => {
                let ask = dir::GetSharedAddressSummaryRequest { parent };
                let summary = self.shared.get_shared_address_summary(ask).await.expect("an answer");
                usize::from(summary.into_inner().summaries.iter().all(|of| of.shared_count > 0))
            }
        };
        assert_eq!(found, 1, "{question:?} of number {number}");
    }
}

/// Every so many-th contact, some whole pages, and where pages begin.
async fn look_around(
    business: &TestBusiness,
    step: usize,
) -> (Vec<String>, Vec<Vec<String>>, Vec<String>) {
    let mut contacts = business.owner.contacts.clone();
    let (mut pages, mut tokens) = (Vec::new(), vec![String::new()]);
    while let Some(page_token) = tokens.last().filter(|token| pages.is_empty() || !token.is_empty())
    {
        let ask = dir::ListContactsRequest {
            parent: business.name.clone(),
            page_size: 1_000,
            page_token: page_token.clone(),
            ..<_>::default()
        };
        let page = contacts.list_contacts(ask).await.expect("a page").into_inner();
        tokens.push(page.next_page_token);
        pages.push(page.contacts.into_iter().map(|contact| contact.name).collect::<Vec<_>>());
    }
    // The last one has no contacts after it, and the one before it may have less than a hundred.
    tokens.truncate(tokens.len().saturating_sub(2).max(1));
    let names = pages.iter().flatten().step_by(step.max(1)).take(1_000).cloned().collect();
    pages.retain(|page| page.len() == 1_000);
    let every = pages.len().div_ceil(10).max(1);
    (names, pages.into_iter().step_by(every).collect(), tokens)
}

async fn searched(owner: &mut Person, search: dir::SearchContactsRequest) -> usize {
    let found = owner.contacts.search_contacts(search).await.expect("an answer").into_inner();
    found.contacts.len().min(1)
}

fn row(number: usize) -> dir::ImportRow {
    let states = [ConsentState::NotSet, ConsentState::Granted, ConsentState::Denied];
    let state = |plus: usize| states[(number + plus) % states.len()].into();
    dir::ImportRow {
        row_number: i64::try_from(number).expect("few") + 1,
        external_id: format!("C-{number}"),
        first_name: first_name(number).to_owned(),
        last_name: format!("{number:07}"),
        phones: vec![phone(number)],
        emails: vec![email(number)],
        phone_consent: state(0),
        email_consent: state(number / 7),
        ..<_>::default()
    }
}

fn first_name(number: usize) -> &'static str {
    ["สมชาย", "สมหญิง", "Somchai", "อรุณ", "Ann", "จันทร์"][number % 6]
}

/// One in fifty shares that of the one before.
fn phone(number: usize) -> String {
    let number = if number % 50 == 1 { number - 1 } else { number };
    format!("+668{}{:07}", 1 + number / 10_000_000, number % 10_000_000)
}

fn email(number: usize) -> String {
    let number = if number % 50 == 3 { number - 1 } else { number };
    format!("customer.{number}@example.co.th")
}

/// As autovacuum would leave the tables.
async fn tidy(house: &House) {
    for database in &house.databases {
        let mut there = PgConnection::connect(&database.config().url).await.expect("a connection");
        sqlx::query("VACUUM ANALYZE").execute(&mut there).await.expect("tidy tables");
    }
}
