//! Clients that repeat each request until it is acknowledged, and what they were told.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;
use tonic::{Code, Request, Status};
use uuid::Uuid;
use yinyom_proto::directory::v1 as dir;
use yinyom_proto::manager::v1 as man;
use yinyom_proto::types::v1::{Channel, ConsentState};
use yinyom_tests::{Person, TestBusiness, assign, refusal};

/// Longer than anything here takes; a test that waits for it has failed.
pub const PATIENCE: Duration = Duration::from_secs(90);
/// What a client waits before it repeats itself.
const PAUSE: Duration = Duration::from_millis(5);
/// Longer than a call takes, shorter than a frozen replica is frozen.
const DEADLINE: Duration = Duration::from_secs(2);

/// A change that was acknowledged.
#[derive(Debug, Clone)]
pub struct Said {
    pub contact: String,
    pub seq: i64,
    pub state: ConsentState,
}

/// Clients at work, and what they hear.
pub struct Writers {
    at_work: JoinSet<()>,
    heard: UnboundedReceiver<Said>,
    pub said: Vec<Said>,
}

impl Writers {
    /// `each` clients for each of `contacts`, with `changes` to make, who turn to `people` in turns.
    pub fn start(people: &[Person], contacts: &[String], each: usize, changes: usize) -> Self {
        let (tell, heard) = unbounded_channel();
        let mut at_work = JoinSet::new();
        for (i, contact) in (0..each).flat_map(|_| contacts).enumerate() {
            let mut people = people.to_vec();
            let turns = people.len();
            people.rotate_left(i % turns);
            at_work.spawn(say(people, contact.clone(), changes, tell.clone()));
        }
        Self { at_work, heard, said: Vec::new() }
    }

    /// Waits until `more` changes have been acknowledged, or all.
    pub async fn until(&mut self, more: usize) {
        let enough = self.said.len() + more;
        while self.said.len() < enough {
            let next = tokio::time::timeout(PATIENCE, self.heard.recv()).await;
            match next.expect("the next change is acknowledged") {
                Some(said) => self.said.push(said),
                None => break,
            }
        }
    }

    /// Waits for all of them.
    pub async fn finish(mut self) -> Vec<Said> {
        self.until(usize::MAX - self.said.len()).await;
        self.at_work.join_all().await;
        self.said
    }
}

async fn say(
    mut people: Vec<Person>,
    contact: String,
    changes: usize,
    tell: UnboundedSender<Said>,
) {
    for i in 0..changes {
        let state = if i % 2 == 0 { ConsentState::Granted } else { ConsentState::Denied };
        let said = say_once(&mut people, &contact, state).await;
        tell.send(said).expect("the test listens");
    }
}

/// One change, acknowledged.
pub async fn say_once(people: &mut [Person], contact: &str, state: ConsentState) -> Said {
    let words = dir::SetContactConsentsRequest {
        request_id: Uuid::now_v7().to_string(),
        ..assign(contact, &[(Channel::Phone, state)])
    };
    let answer = acknowledged(people, words).await;
    let seq = answer.contact_consents.expect("consents").consent_seq;
    Said { contact: contact.to_owned(), seq, state }
}

/// The same request until it is acknowledged, at one replica after the other.
async fn acknowledged(
    people: &mut [Person],
    words: dir::SetContactConsentsRequest,
) -> dir::SetContactConsentsResponse {
    let turns = people.len();
    for turn in (0..turns).cycle() {
        let mut call = Request::new(words.clone());
        call.set_timeout(DEADLINE);
        match people[turn].consents.set_contact_consents(call).await {
            Ok(answer) => return answer.into_inner(),
            Err(status) => assert!(may_be_repeated(&status), "{status:?}"),
        }
        tokio::time::sleep(PAUSE).await;
    }
    unreachable!("it goes round and round")
}

/// No answer at all, one that says so, or one of a replica that just started: it does not know yet what an owner sees.
fn may_be_repeated(status: &Status) -> bool {
    let (code, reason, _) = refusal(status);
    let no_answer = reason.is_empty();
    let no_rules = reason == "CANNOT_LIFT_OWN_MASK";
    no_answer
        || no_rules
        || matches!(code, Code::Unavailable | Code::Aborted | Code::DeadlineExceeded)
}

/// That the ledger has each acknowledged change of `contacts`, and their making, exactly once and in order, and that
/// nothing waits.
pub async fn assert_exactly_once(business: &TestBusiness, contacts: &[String], said: &[Said]) {
    nothing_waits(business).await;
    let mut ledger = BTreeMap::<String, Vec<man::LedgerEntry>>::new();
    for entry in entries(business).await.into_iter().rev() {
        ledger.entry(entry.contact.clone()).or_default().push(entry);
    }
    assert_eq!(ledger.len(), contacts.len());
    for contact in contacts {
        let entries = &ledger[contact];
        let seqs: Vec<_> = entries.iter().map(|entry| entry.seq).collect();
        let mut told: Vec<_> = said.iter().filter(|said| said.contact == *contact).collect();
        told.sort_by_key(|said| said.seq);
        let changes = i64::try_from(told.len()).expect("a number") + 1;
        assert_eq!(seqs, (1..=changes).collect::<Vec<_>>(), "in the order of the ledger");
        for (said, entry) in told.iter().zip(&entries[1..]) {
            let now: Vec<_> = entry.channels.iter().map(man::ChannelChange::to_state).collect();
            assert_eq!((said.seq, vec![said.state]), (entry.seq, now), "what was acknowledged");
        }
    }
}

/// Waits until all that was committed has arrived.
pub async fn nothing_waits(business: &TestBusiness) {
    let asked = dir::GetOutboxStatusRequest { parent: business.name.clone() };
    let mut outbox = business.owner.outbox.clone();
    let mut last = None;
    let empty = async {
        loop {
            let status = outbox.get_outbox_status(asked.clone()).await;
            let status = status.map(tonic::Response::into_inner);
            if status.as_ref().is_ok_and(|status| status.backlog == 0) {
                return;
            }
            last = Some(status);
            tokio::time::sleep(PAUSE).await;
        }
    };
    let in_time = tokio::time::timeout(PATIENCE, empty).await;
    assert!(in_time.is_ok(), "the outbox does not empty: {last:?}");
}

/// The whole ledger of a business, newest first.
pub async fn entries(business: &TestBusiness) -> Vec<man::LedgerEntry> {
    let (mut entries, mut page_token) = (Vec::new(), String::new());
    loop {
        let question = man::ListConsentChangesRequest {
            parent: business.name.clone(),
            page_size: 1_000,
            page_token,
            ..Default::default()
        };
        let page = page(business, question).await;
        entries.extend(page.entries);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return entries;
        }
    }
}

/// A page, from a manager that may have to start first.
async fn page(
    business: &TestBusiness,
    question: man::ListConsentChangesRequest,
) -> man::ListConsentChangesResponse {
    let mut ledger = business.owner.ledger.clone();
    let answer = async {
        loop {
            match ledger.list_consent_changes(question.clone()).await {
                Ok(page) => return page.into_inner(),
                Err(status) => assert!(may_be_repeated(&status), "{status:?}"),
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    tokio::time::timeout(PATIENCE, answer).await.expect("the manager answers")
}
