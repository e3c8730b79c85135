//! What is asked of a ledger.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use yinyom_proto::manager::v1 as man;

use crate::{House, TestBusiness};

/// A question, each time with other particulars.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    Summary,
    /// As of a year ago.
    EarlierSummary,
    /// 24 months.
    Trend,
    /// Of a year, by who made the changes, from noon in the middle of a month to another one: as far as one can be from what
    /// is counted whole.
    Breakdown,
    /// A contact's.
    History,
    /// The 100 newest changes.
    Changes,
    /// 100 current consents.
    Consents,
    /// 100 consents as of a year ago.
    EarlierConsents,
    /// That a record is in the tree.
    Inclusion,
    /// That the ledger begins with what it was.
    Consistency,
}

impl Question {
    pub const ALL: [Self; 10] = [
        Self::Summary,
        Self::EarlierSummary,
        Self::Trend,
        Self::Breakdown,
        Self::History,
        Self::Changes,
        Self::Consents,
        Self::EarlierConsents,
        Self::Inclusion,
        Self::Consistency,
    ];

    /// How much dearer it may be in a large ledger than in a small one.
    pub const fn bar(self) -> f64 {
        match self {
            Self::Summary | Self::EarlierSummary | Self::Trend | Self::Breakdown => 1.5,
            _ => 2.0,
        }
    }
}

/// Somebody who reads the ledger of a business.
pub struct Reader {
    business: Box<TestBusiness>,
    contacts: Vec<String>,
    size: i64,
    year_ago: prost_types::Timestamp,
    /// Both ends of a year, in the middle of a month.
    middles: [prost_types::Timestamp; 2],
    asked: usize,
}

/// Noon in the middle of a month, so many months before the one of `now`.
fn middle(now: Timestamp, before: i32) -> prost_types::Timestamp {
    let first = TimeZone::UTC.to_datetime(now).date().first_of_month();
    let middle = first.saturating_sub(before.months()).saturating_add(15.days()).at(12, 15, 0, 0);
    timestamp(TimeZone::UTC.to_timestamp(middle).expect("a time of these years"))
}

impl Reader {
    /// The owner of `business`, who knows some of its contacts.
    ///
    /// # Panics
    /// If the ledger does not answer.
    pub async fn of(house: &House, business: TestBusiness) -> Self {
        let ask = man::ListConsentsRequest {
            parent: business.name.clone(),
            page_size: 1_000,
            ..Default::default()
        };
        let mut owner = business.owner.clone();
        let known = owner.ledger.list_consents(ask).await.expect("consents").into_inner();
        let contacts = known.consents.into_iter().map(|consent| consent.contact).collect();
        let ask =
            man::GetConsentSummaryRequest { parent: business.name.clone(), ..Default::default() };
        let summary = owner.reports.get_consent_summary(ask).await.expect("a summary").into_inner();
        let year = SignedDuration::from_hours(24 * 365);
        let now = house.clock.now();
        let (year_ago, middles) =
            (timestamp(now - year), [13, 1].map(|before| middle(now, before)));
        let (business, size) = (Box::new(business), summary.changes);
        Self { business, contacts, size, year_ago, middles, asked: 0 }
    }

    /// How many changes the ledger has.
    pub const fn size(&self) -> i64 {
        self.size
    }

    /// Asks once. The answer is not looked at, but that it is one.
    ///
    /// # Panics
    /// If there is no answer.
    pub async fn ask(&mut self, question: Question) {
        self.asked += 1;
        let parent = self.business.name.clone();
        let earlier = Some(self.year_ago);
        let owner = &mut self.business.owner;
        let index = i64::try_from(self.asked).expect("few") * 7_919 % self.size;
        let answered = match question {
            Question::Summary => {
                let ask = man::GetConsentSummaryRequest { parent, as_of_time: None };
                owner.reports.get_consent_summary(ask).await.map(drop)
            }
            Question::EarlierSummary => {
                let ask = man::GetConsentSummaryRequest { parent, as_of_time: earlier };
                owner.reports.get_consent_summary(ask).await.map(drop)
            }
            Question::Trend => {
                let ask = man::GetConsentTrendRequest {
                    parent,
                    granularity: man::Granularity::Month.into(),
                    ..Default::default()
                };
                owner.reports.get_consent_trend(ask).await.map(drop)
            }
            Question::Breakdown => {
                let ask = man::GetConsentBreakdownRequest {
                    parent,
                    dimension: man::BreakdownDimension::Actor.into(),
                    start_time: Some(self.middles[0]),
                    end_time: Some(self.middles[1]),
                    ..Default::default()
                };
                owner.reports.get_consent_breakdown(ask).await.map(drop)
            }
            Question::History => {
                let contact = self.contacts[self.asked * 31 % self.contacts.len()].clone();
                let ask = man::GetContactHistoryRequest { contact, ..Default::default() };
                owner.ledger.get_contact_history(ask).await.map(drop)
            }
            Question::Changes => {
                let ask =
                    man::ListConsentChangesRequest { parent, page_size: 100, ..Default::default() };
                owner.ledger.list_consent_changes(ask).await.map(drop)
            }
            Question::Consents => {
                let ask = man::ListConsentsRequest { parent, page_size: 100, ..Default::default() };
                owner.ledger.list_consents(ask).await.map(drop)
            }
            Question::EarlierConsents => {
                let as_of_time = earlier;
                let ask = man::ListConsentsRequest {
                    parent,
                    page_size: 100,
                    as_of_time,
                    ..Default::default()
                };
                owner.ledger.list_consents(ask).await.map(drop)
            }
            Question::Inclusion => {
                let ask =
                    man::GetInclusionProofRequest { parent, ledger_index: index, tree_size: 0 };
                owner.proofs.get_inclusion_proof(ask).await.map(drop)
            }
            Question::Consistency => {
                let ask =
                    man::GetConsistencyProofRequest { parent, earlier_size: index, tree_size: 0 };
                owner.proofs.get_consistency_proof(ask).await.map(drop)
            }
        };
        answered.expect("an answer");
    }
}

fn timestamp(at: Timestamp) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds: at.as_second(), nanos: 0 }
}
