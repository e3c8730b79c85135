//! Somebody who withdraws one contact's consent again and again, from under whose feet the ground is pulled, and who
//! knows what must have become of each withdrawal.
//!
//! A withdrawal is the write that nothing but identity can refuse: not a plan, a role, a mask or a lost lease.

use std::task::Poll;
use std::time::Duration;

use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::time::Instant;
use tonic::body::Body;
use tonic::codegen::http::Uri;
use tonic::service::interceptor::InterceptedService;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;
use yinyom_proto::directory::v1::consent_service_client::ConsentServiceClient;
use yinyom_proto::directory::v1::contact_service_client::ContactServiceClient;
use yinyom_proto::directory::v1::{
    GetContactConsentsRequest, GetContactRequest, WithdrawConsentRequest,
};
use yinyom_proto::manager::v1::GetContactHistoryRequest;
use yinyom_proto::types::v1 as types;
use yinyom_testkit::tokens::Bearer;

use crate::{Person, TestBusiness, refusal};

/// A connection that has no clock of its own. tonic's channel answers a deadline by itself; here one hears what the
/// server says of it.
pub type Direct = InterceptedService<Client<HttpConnector, Body>, Bearer>;

/// Such a connection.
pub fn direct(bearer: &Bearer) -> Direct {
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
    InterceptedService::new(client, bearer.clone())
}

/// A request that the server has so long for.
pub fn within<T>(deadline: Duration, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(deadline);
    request
}

/// When a caller goes away.
#[derive(Debug, Clone, Copy)]
pub enum Patience {
    /// Not before its deadline.
    Until(Duration),
    /// After it had to wait so many times: every place where a call can be cut is cut at some time, however short.
    Waits(u32),
    /// After that time, whatever it said of a deadline.
    Cut(Duration),
}

/// See the [module](self).
pub struct Writer {
    consents: ConsentServiceClient<Direct>,
    contacts: ContactServiceClient<Direct>,
    owner: Person,
    contact: String,
    /// The contact's last change.
    seq: i64,
    /// A withdrawal of which it is not known whether it was made.
    open: Option<WithdrawConsentRequest>,
    acknowledged: usize,
}

impl Writer {
    /// With a new contact of `business`, in the directory at `address`.
    pub async fn new(business: &TestBusiness, address: &str) -> Self {
        let contact = business.contact(&["+66812345678"], &["somying@example.co.th"]).await.name;
        let origin: Uri = address.parse().expect("an address");
        let wire = direct(&business.owner.bearer);
        let consents = ConsentServiceClient::with_origin(wire.clone(), origin.clone());
        let contacts = ContactServiceClient::with_origin(wire, origin);
        let owner = business.owner.clone();
        let mut writer =
            Self { consents, contacts, owner, contact, seq: 0, open: None, acknowledged: 0 };
        writer.seq = writer.stored().await;
        writer
    }

    /// Changes that were acknowledged at the first attempt.
    pub fn acknowledged(&self) -> usize {
        self.acknowledged
    }

    /// Withdraws. What is not acknowledged stays open; `None` if the caller went away first.
    pub async fn write(&mut self, patience: Patience) -> Option<Result<(), Status>> {
        self.settle().await;
        let request = WithdrawConsentRequest {
            contact: self.contact.clone(),
            channels: vec![types::Channel::Phone.into()],
            surface: types::Surface::Contacts.into(),
            request_id: uuid::Uuid::now_v7().to_string(),
            ..Default::default()
        };
        self.open = Some(request.clone());
        let answer = match patience {
            Patience::Until(deadline) => Some(self.ask(request, deadline).await),
            Patience::Waits(waits) => impatiently(waits, self.ask(request, LONG)).await,
            Patience::Cut(after) => tokio::time::timeout(after, self.ask(request, LONG)).await.ok(),
        };
        Some(match answer? {
            Ok(seq) => {
                self.acknowledged += 1;
                self.made(seq);
                Ok(())
            }
            Err(status) => Err(status),
        })
    }

    /// Whether it is not known if the last withdrawal was made.
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Repeats what is open, once, or withdraws anew if nothing is.
    pub async fn attempt(&mut self, deadline: Duration) -> Result<(), Status> {
        match self.open.clone() {
            Some(request) => {
                let seq = self.ask(request, deadline).await?;
                self.made(seq);
                Ok(())
            }
            None => self.write(Patience::Until(deadline)).await.expect("it waits"),
        }
    }

    /// Repeats what is open until it has an outcome, which must be the same change, made once.
    pub async fn settle(&mut self) {
        let deadline = Instant::now() + Duration::from_mins(1);
        while let Some(request) = self.open.clone() {
            match self.ask(request, LONG).await {
                Ok(seq) => self.made(seq),
                Err(status) => {
                    assert!(may_be_repeated(&status), "{status:?}");
                    assert!(Instant::now() < deadline, "no outcome in time: {status:?}");
                    let pause = status.get_details_retry_info().and_then(|info| info.retry_delay);
                    tokio::time::sleep(pause.unwrap_or_default().min(RETRY)).await;
                }
            }
        }
    }

    /// The directory has exactly what was made, and the ledger hears of all of it, in order.
    pub async fn check(&mut self) {
        self.settle().await;
        assert_eq!(self.stored().await, self.seq, "a change was lost, or made twice");
        let question = GetContactHistoryRequest {
            contact: self.contact.clone(),
            page_size: 1_000,
            ..Default::default()
        };
        let ledger = self.owner.ledger.clone();
        let seqs = async || {
            let history = ledger.clone().get_contact_history(question.clone()).await;
            let entries = history.map(|history| history.into_inner().entries);
            entries.map(|entries| entries.iter().rev().map(|entry| entry.seq).collect::<Vec<_>>())
        };
        let all: Vec<_> = (1..=self.seq).collect();
        let heard = patiently(seqs, |seqs| seqs.as_ref().is_ok_and(|seqs| *seqs == all)).await;
        heard.expect("its history");
    }

    /// Reads the contact.
    pub async fn read(&mut self, deadline: Duration) -> Result<(), Status> {
        let question = GetContactRequest { name: self.contact.clone() };
        self.contacts.get_contact(within(deadline, question)).await.map(drop)
    }

    /// Begins to read the contact, and goes away when it likes.
    pub async fn glance(&mut self, patience: Patience) {
        let _ = match patience {
            Patience::Until(deadline) => Some(self.read(deadline).await),
            Patience::Waits(waits) => impatiently(waits, self.read(LONG)).await,
            Patience::Cut(after) => tokio::time::timeout(after, self.read(LONG)).await.ok(),
        };
    }

    /// Whoever reads now sees what was acknowledged before.
    pub async fn sees_the_present(&mut self) {
        let stored = self.stored().await;
        let (least, most) = (self.seq, self.seq + i64::from(self.is_open()));
        assert!(
            (least..=most).contains(&stored),
            "{stored} is not {least}: a reader sees the past"
        );
    }

    async fn stored(&mut self) -> i64 {
        let question = GetContactConsentsRequest { contact: self.contact.clone() };
        let deadline = Instant::now() + Duration::from_mins(1);
        loop {
            match self.consents.get_contact_consents(within(LONG, question.clone())).await {
                Ok(now) => return now.into_inner().contact_consents.expect("consents").consent_seq,
                Err(status) => {
                    assert!(may_be_repeated(&status), "{status:?}");
                    assert!(Instant::now() < deadline, "no answer in time: {status:?}");
                }
            }
        }
    }

    async fn ask(
        &mut self,
        request: WithdrawConsentRequest,
        deadline: Duration,
    ) -> Result<i64, Status> {
        let answer = self.consents.withdraw_consent(within(deadline, request)).await?;
        Ok(answer.into_inner().contact_consents.expect("consents").consent_seq)
    }

    fn made(&mut self, seq: i64) {
        assert_eq!(seq, self.seq + 1, "a change was lost, or made twice");
        self.seq = seq;
        self.open = None;
    }
}

const LONG: Duration = Duration::from_secs(5);
const RETRY: Duration = Duration::from_millis(100);

/// What a caller may answer by asking again: also that a connection broke, which its own side says.
fn may_be_repeated(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::Unavailable | Code::Aborted | Code::DeadlineExceeded | Code::Unknown
    )
}

/// As [`crate::eventually`], for what a loaded machine needs longer for: leases that ran out while nobody had time for
/// them are had again.
pub async fn patiently<T: std::fmt::Debug>(
    mut ask: impl AsyncFnMut() -> T,
    expected: impl Fn(&T) -> bool,
) -> T {
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        let answer = ask().await;
        if expected(&answer) {
            return answer;
        }
        assert!(Instant::now() < deadline, "not in time; the last answer: {answer:?}");
        tokio::time::sleep(RETRY / 4).await;
    }
}

/// Runs `work` until it has had to wait `waits` times, then drops it.
pub async fn impatiently<T>(waits: u32, work: impl Future<Output = T>) -> Option<T> {
    let mut work = std::pin::pin!(work);
    let mut left = waits;
    std::future::poll_fn(|context| match work.as_mut().poll(context) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending if left == 0 => Poll::Ready(None),
        Poll::Pending => {
            left -= 1;
            Poll::Pending
        }
    })
    .await
}

/// A store that fails is said to, in time, with when to come again, and with nothing of how it is made.
///
/// # Panics
/// If it is not so.
pub fn assert_store_unavailable(status: &Status) {
    let (code, reason, _) = refusal(status);
    assert_eq!((code, reason.as_str()), (Code::Unavailable, "STORE_UNAVAILABLE"), "{status:?}");
    assert!(status.get_details_retry_info().is_some_and(|info| info.retry_delay.is_some()));
    assert_discreet(status);
}

/// Such an answer, or the deadline's.
///
/// # Panics
/// If it is neither.
pub fn assert_unavailable_or_late(status: &Status) {
    if status.code() == Code::DeadlineExceeded {
        assert_eq!(refusal(status).1, "DEADLINE_EXCEEDED", "{status:?}");
        assert_discreet(status);
    } else {
        assert_store_unavailable(status);
    }
}

fn assert_discreet(status: &Status) {
    let told = format!("{} {}", status.message(), String::from_utf8_lossy(status.details()));
    for word in
        ["ostgres", "qlite", "127.0.0.1", "SELECT", "INSERT", "disk", "space", "password", "role"]
    {
        assert!(!told.contains(word), "{word} in {told:?}");
    }
}
