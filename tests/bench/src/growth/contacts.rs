//! What it costs to ask a directory that has grown.

use std::time::Duration;

use tokio::task::JoinSet;
use tonic::service::interceptor::InterceptedService;
use yinyom_proto::directory::v1 as dir;
use yinyom_proto::directory::v1::preview_service_client::PreviewServiceClient;
use yinyom_proto::directory::v1::shared_address_service_client::SharedAddressServiceClient;
use yinyom_proto::types::v1::{Channel, ConsentState};
use yinyom_testkit::tokens::Bearer;
use yinyom_tests::{House, Person, TestBusiness};

use super::Asks;

/// Rows of a batch.
const BATCH: usize = 500;
/// Imports at once.
const IMPORTS: usize = 4;

type Wire = InterceptedService<tonic::transport::Channel, Bearer>;

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub enum Question {
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

/// The owner of a business with many contacts.
pub struct Asker {
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
    /// Imports them through the door, and waits until the ledger has their consents.
    pub async fn of(house: &House, contacts: usize) -> Self {
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
}

impl Asks for Asker {
    type Question = Question;

    const ALL: &'static [Question] = &[
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

    fn bar(_: Question) -> f64 {
        1.5
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
