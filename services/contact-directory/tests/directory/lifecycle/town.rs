//! Businesses with a contact for every cell of the table, brought to its old state; and what happens to each.

use std::collections::HashMap;
use std::time::Duration;

use contact_directory::commands::expiries::Expiries;
use prost::Message;
use tonic::Status;
use yinyom_consent::{CONTACTS, Channel};
use yinyom_identity::Caller;
use yinyom_kernel::{ContactId, MemberId, Name};
use yinyom_proto::directory::v1 as pb;
use yinyom_proto::directory::v1::account_service_client::AccountServiceClient;
use yinyom_proto::directory::v1::contact_service_client::ContactServiceClient;
use yinyom_proto::directory::v1::import_service_client::ImportServiceClient;
use yinyom_proto::directory::v1::lead_service_client::LeadServiceClient;
use yinyom_proto::manager::v1 as manager;
use yinyom_proto::types::v1::{ChangeCause, Channel as WireChannel, ConsentState};

use crate::lifecycle::EVENTS;
use crate::lifecycle::does;
use crate::lifecycle::people::{Business, ROLES, Wire, named};
use crate::lifecycle::table::OLD_STATES;
use crate::model::house::House;

/// Hours after which the grants of `EXPIRED` have run out before anything happens, and those of `time passes` after.
const BEFORE: u64 = 1;
const AFTER: u64 = 24;

/// One cell, and the contact that it is tried on.
pub struct Case {
    pub event: &'static str,
    pub role: &'static str,
    pub old: &'static str,
    pub n: usize,
    /// Which business it is in.
    pub at: usize,
    /// The contact, and another one for merges.
    pub contact: String,
    pub other: String,
    /// A lead with the contact as its primary one, where the event needs one.
    pub lead: String,
}

pub struct Town<'a> {
    pub house: &'a House,
    pub channel: Channel,
    pub businesses: Vec<Business>,
    pub cases: Vec<Case>,
    /// A lead and an account that contacts are of, in each business.
    pub leads: Vec<String>,
    pub accounts: Vec<String>,
}

impl<'a> Town<'a> {
    pub async fn found(house: &'a House, channel: Channel) -> Self {
        let mut businesses = Vec::new();
        for rules in Business::rules() {
            businesses.push(Business::found(house, rules).await);
        }
        let (cases, leads, accounts) = (cases(), Vec::new(), Vec::new());
        let mut town = Self { house, channel, businesses, cases, leads, accounts };
        for at in 0..town.businesses.len() {
            town.people(at).await;
            town.places(at).await;
        }
        house.pass(Duration::from_hours(2 * BEFORE)).await;
        town
    }

    /// A connection as whoever a case is about.
    pub fn actor(&self, case: &Case) -> Wire {
        match case.role {
            "scoped" | "unscoped" => named(self.house, Some(case.role)),
            "operator" => named(self.house, Some("vendor")),
            "nobody" => named(self.house, None),
            "foreign" => self.businesses[1 - case.at].member(self.house, "owner"),
            "user-mask" | "user-off" => self.businesses[case.at].member(self.house, "user"),
            member => self.businesses[case.at].member(self.house, member),
        }
    }

    pub fn owner(&self, at: usize) -> Wire {
        self.businesses[at].member(self.house, "owner")
    }

    pub fn parent(&self, at: usize) -> String {
        Name::format_business(self.businesses[at].id)
    }

    /// The addresses of the contact, or another one's.
    pub fn addresses(&self, n: usize, other: bool) -> [String; 2] {
        [0, 1].map(|i| {
            let n = 4 * n + 2 * usize::from(other) + i;
            match self.channel {
                Channel::Phone => format!("+668{n:08}"),
                Channel::Email => format!("person{n}@example.com"),
            }
        })
    }

    /// A row of an import that is about the case's contact.
    pub fn row(&self, n: usize, other: bool, says: ConsentState) -> pb::ImportRow {
        let addresses = self.addresses(n, other).to_vec();
        let external_id = format!("{n}{}", if other { "-other" } else { "" });
        let first_name = format!("Person {external_id}");
        let row = pb::ImportRow { external_id, first_name, ..<_>::default() };
        match self.channel {
            Channel::Phone => {
                pb::ImportRow { phones: addresses, phone_consent: says.into(), ..row }
            }
            Channel::Email => {
                pb::ImportRow { emails: addresses, email_consent: says.into(), ..row }
            }
        }
    }

    /// Sends rows, and gives their results.
    pub async fn import(
        wire: Wire,
        request: pb::ImportContactsRequest,
    ) -> Result<Vec<pb::ImportRowResult>, Status> {
        let sent = futures::stream::iter([request]);
        let mut answers = ImportServiceClient::new(wire).import_contacts(sent).await?.into_inner();
        Ok(answers.message().await?.expect("an answer").results)
    }

    /// Enters the contacts of a business, in their old states.
    async fn people(&mut self, at: usize) {
        use ConsentState::{Denied, Granted, NotSet};
        for (lifetime, of) in [(None, 0), (Some(BEFORE), 1), (Some(2 * BEFORE + AFTER), 2)] {
            self.businesses[at].rule(self.house, lifetime).await;
            let mut rows = Vec::new();
            let mut whose = Vec::new();
            for case in self.cases.iter().filter(|case| case.at == at) {
                let state = match case.old {
                    "DENIED" => Denied,
                    "NOT_SET" => NotSet,
                    _ => Granted,
                };
                let lives = match (case.old, case.event) {
                    ("EXPIRED", _) => 1,
                    ("GRANTED", "time passes") => 2,
                    _ => 0,
                };
                if lives == of {
                    whose.push((case.n, false));
                    rows.push(self.row(case.n, false, state));
                }
                let other = does::other(case.event);
                if let Some(state) = other.filter(|_| of == 0) {
                    whose.push((case.n, true));
                    rows.push(self.row(case.n, true, state));
                }
            }
            for (rows, whose) in rows.chunks(500).zip(whose.chunks(500)) {
                let (parent, rows) = (self.parent(at), rows.to_vec());
                let request = pb::ImportContactsRequest { parent, rows, ..<_>::default() };
                let results = Self::import(self.owner(at), request).await.unwrap();
                for (result, (n, other)) in results.into_iter().zip(whose) {
                    assert_eq!(result.outcome(), pb::ImportOutcome::Created);
                    let case = &mut self.cases[*n];
                    *(if *other { &mut case.other } else { &mut case.contact }) = result.contact;
                }
            }
        }
        self.businesses[at].rule(self.house, None).await;
    }

    /// Makes the leads and accounts that events need.
    async fn places(&mut self, at: usize) {
        let mut leads = LeadServiceClient::new(self.owner(at));
        let mut accounts = AccountServiceClient::new(self.owner(at));
        let parent = self.parent(at);
        let shared: Vec<_> = (self.cases.iter())
            .filter(|case| case.at == at && does::is_linked(case.event))
            .map(|case| case.contact.clone())
            .collect();
        let create = async |leads: &mut LeadServiceClient<Wire>, primary_contact: String| {
            let lead = pb::Lead { title: "Garden".to_owned(), primary_contact, ..<_>::default() };
            let (parent, lead) = (parent.clone(), Some(lead));
            let request = pb::CreateLeadRequest { parent, lead, ..<_>::default() };
            leads.create_lead(request).await.unwrap().into_inner().lead.unwrap().name
        };
        // Its primary contact is of no case: whoever is one can be neither deleted nor unlinked.
        let row = pb::ImportRow { first_name: "Primary".to_owned(), ..<_>::default() };
        let request =
            pb::ImportContactsRequest { parent: parent.clone(), rows: vec![row], ..<_>::default() };
        let primary = Self::import(self.owner(at), request).await.unwrap().remove(0).contact;
        let lead = create(&mut leads, primary).await;
        let account = pb::Account { display_name: "Shop".to_owned(), ..<_>::default() };
        let request = pb::CreateAccountRequest {
            parent: parent.clone(),
            account: Some(account),
            ..<_>::default()
        };
        let account = accounts.create_account(request).await.unwrap().into_inner().account.unwrap();
        for contacts in shared.chunks(100) {
            let (parent, contacts) = (lead.clone(), contacts.to_vec());
            let to = pb::AddLeadContactsRequest { parent, contacts, ..<_>::default() };
            let contacts = to.contacts.clone();
            leads.add_lead_contacts(to).await.unwrap();
            let parent = account.name.clone();
            let to = pb::AddAccountContactsRequest { parent, contacts, ..<_>::default() };
            accounts.add_account_contacts(to).await.unwrap();
        }
        self.leads.push(lead);
        self.accounts.push(account.name);
        for n in 0..self.cases.len() {
            if self.cases[n].at == at && does::has_lead(self.cases[n].event) {
                let contact = self.cases[n].contact.clone();
                self.cases[n].lead = create(&mut leads, contact).await;
            }
        }
    }

    /// Lets every event happen, and tells of each what a cell says.
    pub async fn live(self) -> Vec<(Case, String)> {
        let mut prepared = Vec::new();
        for case in &self.cases {
            prepared.push(does::prepare(&self, case).await);
        }
        let before = self.told().await;
        let mut done = Vec::new();
        for (case, prepared) in self.cases.iter().zip(prepared) {
            let did = does::act(&self, case, prepared).await;
            let seen = if case.event == "time passes" { "" } else { self.seen(case, &did).await };
            done.push((did, seen));
        }
        self.house.pass(Duration::from_hours(2 * AFTER)).await;
        Expiries::new(self.house.directory.clone()).record_due().await.unwrap();
        let (told, states) = (self.told().await, self.states().await);
        let mut cells = Vec::new();
        for (case, (did, seen)) in self.cases.iter().zip(done) {
            let mut seen = seen;
            if case.event == "time passes" {
                seen = self.seen(case, &did).await;
            }
            let contact = did.as_ref().ok().and_then(Option::as_ref).unwrap_or(&case.contact);
            let news = told
                .get(contact)
                .map_or(&[][..], |told| &told[before.get(contact).map_or(0, Vec::len)..]);
            // Of a grant that has run out, what nobody came by for is recorded now, whatever was tried.
            let late = case.old == "EXPIRED" && case.event != "time passes" && news == ["EXPIRED"];
            let by_itself = late && !does::touches(case.event, &did);
            let news = if by_itself || news.is_empty() { "-".to_owned() } else { news.join("+") };
            let state = states.get(contact).map_or("gone", |state| *state);
            let cell = match &did {
                Ok(_) => format!("{state} {news} {seen}"),
                Err(reason) if news == "-" && state == does::as_was(case) => {
                    format!("!{reason} {seen}")
                }
                Err(reason) => format!("!{reason} {seen}, and yet {state} {news}"),
            };
            cells.push(cell);
        }
        self.cases.into_iter().zip(cells).collect()
    }

    /// Whether the one who did it sees the address.
    async fn seen(&self, case: &Case, did: &does::Did) -> &'static str {
        let name = did.as_ref().ok().and_then(Option::as_ref).unwrap_or(&case.contact).clone();
        let mut contacts = ContactServiceClient::new(self.actor(case));
        let Ok(found) = contacts.get_contact(pb::GetContactRequest { name }).await else {
            return "nothing";
        };
        let contact = found.into_inner().contact.unwrap();
        let points = contact.phones.iter().chain(&contact.emails);
        let visible: Vec<_> =
            points.map(|point| point.visibility() == pb::Visibility::Visible).collect();
        assert!(!visible.is_empty(), "{}", case.event);
        match visible.iter().filter(|visible| **visible).count() {
            0 => "masked",
            all if all == visible.len() => "shown",
            _ => "partly shown",
        }
    }

    /// The causes of what was recorded, by contact.
    async fn told(&self) -> HashMap<String, Vec<&'static str>> {
        let mut told: HashMap<_, Vec<_>> = HashMap::new();
        for business in &self.businesses {
            let member = MemberId::generate();
            let scope =
                Caller::Member { business: business.id, member }.scope(business.id).unwrap();
            let mut tx = self.house.db.read(scope).await.unwrap();
            let rows: Vec<(Vec<u8>,)> = tx
                .scoped("SELECT payload FROM outbox_payloads WHERE business_id = $1 ORDER BY stream_id, seq")
                .fetch_all()
                .await
                .unwrap();
            for (bytes,) in rows {
                let change = manager::ConsentChange::decode(&bytes[..]).unwrap();
                let cause = change.cause().as_str_name().trim_start_matches("CHANGE_CAUSE_");
                assert_ne!(change.cause(), ChangeCause::Unspecified);
                let channel = self.wire_channel();
                assert!(change.channels.iter().any(|of| of.channel() == channel), "{cause}");
                told.entry(change.contact).or_default().push(cause);
            }
        }
        told
    }

    /// The state of the channel of every contact that is there.
    async fn states(&self) -> HashMap<String, &'static str> {
        let mut states = HashMap::new();
        for at in 0..self.businesses.len() {
            let mut contacts = ContactServiceClient::new(self.owner(at));
            let (mut page_token, page_size) = (String::new(), 1_000);
            loop {
                let parent = self.parent(at);
                let request =
                    pb::ListContactsRequest { parent, page_size, page_token, ..<_>::default() };
                let page = contacts.list_contacts(request).await.unwrap().into_inner();
                for contact in page.contacts {
                    let channel = self.wire_channel();
                    let of = contact.consents.iter().find(|of| of.channel() == channel).unwrap();
                    let state = of.state().as_str_name().trim_start_matches("CONSENT_STATE_");
                    assert!(CONTACTS.parse::<ContactId>(&contact.name).is_ok());
                    states.insert(contact.name, state);
                }
                page_token = page.next_page_token;
                if page_token.is_empty() {
                    break;
                }
            }
        }
        states
    }

    pub const fn wire_channel(&self) -> WireChannel {
        match self.channel {
            Channel::Phone => WireChannel::Phone,
            Channel::Email => WireChannel::Email,
        }
    }
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for event in EVENTS {
        for role in ROLES {
            for old in OLD_STATES {
                let n = cases.len();
                let at = match role {
                    "user-mask" => 1,
                    "user-off" => 2,
                    _ => 0,
                };
                let (contact, other, lead) = <_>::default();
                cases.push(Case { event, role, old, n, at, contact, other, lead });
            }
        }
    }
    cases
}
