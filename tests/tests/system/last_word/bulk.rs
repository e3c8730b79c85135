//! The same word of many at once: some wait until it was said, some stop half-way, and some do something else meanwhile.

use std::time::Duration;

use rand::Rng;
use rand::seq::SliceRandom;
use tonic::Status;
use uuid::Uuid;
use yinyom_proto::directory::v1 as dir;
use yinyom_proto::directory::v1::bulk_set_result::Result as Became;
use yinyom_proto::longrunning as lro;
use yinyom_proto::types::v1::{Channel, ConsentState, Surface};
use yinyom_tests::{Person, assign};

use crate::last_word::steps::Town;
use crate::last_word::witness::Word;

/// Names of nobody between those of contacts: so an operation has several portions, and can be met anywhere in between.
const NOBODIES: usize = 900;

/// Whoever has begun it, and how it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bulk {
    /// Waits for its end.
    Waited,
    /// Cancels it, wherever it is by then.
    Cancelled,
    /// Goes away, and others go on with other things.
    Left,
}

/// An operation that may go on.
pub struct Going {
    name: String,
    person: Person,
    words: Vec<(Channel, ConsentState)>,
    /// How many of its words were heard of.
    heard: usize,
}

impl Going {
    async fn is_done(&mut self) -> bool {
        let get = lro::GetOperationRequest { name: self.name.clone() };
        self.person.operations.get_operation(get).await.unwrap().into_inner().done
    }

    /// The contacts that it was recorded of so far, in the order of their turns.
    async fn recorded(&mut self) -> Vec<String> {
        let (operation, page_size) = (self.name.clone(), 1_000);
        let asked = dir::ListBulkSetResultsRequest { operation, page_size, ..Default::default() };
        let page = self.person.bulk.list_bulk_set_results(asked).await.unwrap().into_inner();
        assert!(page.next_page_token.is_empty(), "all are on one page");
        let recorded = |of: &dir::BulkSetResult| matches!(of.result, Some(Became::ConsentSeq(_)));
        page.results.into_iter().filter(recorded).map(|of| of.contact).collect()
    }

    /// What it has said of whom since the last time.
    async fn says(&mut self) -> Vec<Word> {
        let mut said = Vec::new();
        for contact in self.recorded().await {
            for (channel, state) in &self.words {
                said.extend(Word::of(&contact, *channel, *state));
            }
        }
        let new = said.split_off(self.heard);
        self.heard += new.len();
        new
    }
}

impl Town<'_> {
    /// Says something of many.
    pub async fn bulk(&mut self, who: usize, how: Bulk) -> Result<(), Status> {
        // One at a time, so that their words come in one order.
        self.rest().await;
        let mut going = self.begin(who).await?;
        match how {
            Bulk::Left => {
                self.going = Some(going);
                return Ok(());
            }
            Bulk::Waited => self.wait_for(&mut going).await,
            Bulk::Cancelled => {
                for _ in 0..self.dice.random_range(0..4) {
                    going.is_done().await;
                }
                let cancel = lro::CancelOperationRequest { name: going.name.clone() };
                going.person.operations.cancel_operation(cancel).await?;
                assert!(going.is_done().await);
            }
        }
        let recorded = going.recorded().await;
        let is_user = self.people[who].is_user;
        for of in self.all.iter().filter(|of| is_user && recorded.contains(&of.name)) {
            for consent in &of.consents {
                let granted = going.words.contains(&(consent.channel(), ConsentState::Granted));
                let masked = granted && consent.state() == ConsentState::Denied;
                assert!(!masked, "nobody lifts a mask from themself");
            }
        }
        self.heard.extend(going.says().await);
        Ok(())
    }

    async fn begin(&mut self, who: usize) -> Result<Going, Status> {
        let mut words = Vec::new();
        for channel in self.any_channels() {
            words.push((channel, self.any_state()));
        }
        let by_filter = self.dice.random_bool(0.2);
        let surface = if self.people[who].is_service { Surface::Api } else { Surface::Contacts };
        let request = dir::BulkSetContactConsentsRequest {
            parent: self.business.name.clone(),
            contacts: if by_filter { Vec::new() } else { self.any_crowd() },
            filter: by_filter.then(dir::ContactFilter::default),
            surface: surface.into(),
            assignments: assign("", &words).assignments,
            ..Default::default()
        };
        println!("of {} {words:?}", if by_filter { "all" } else { "many" });
        let mut person = self.people[who].person.clone();
        let begun = person.bulk.bulk_set_contact_consents(request).await?.into_inner();
        Ok(Going { name: begun.name, person, words, heard: 0 })
    }

    /// Most of those who are there, among many who are not.
    fn any_crowd(&mut self) -> Vec<String> {
        let mut names = vec![format!("{}/contacts/{}", self.business.name, Uuid::now_v7())];
        let of: Vec<_> = self.all.iter().map(|contact| contact.name.clone()).collect();
        for name in of {
            let (parent, id) = name.rsplit_once('/').unwrap();
            let id: Uuid = id.parse().unwrap();
            for _ in 0..NOBODIES / self.all.len() {
                let nobody = Uuid::from_u128(id.as_u128() - self.dice.random_range(1..1 << 60));
                names.push(format!("{parent}/{nobody}"));
            }
            if self.dice.random_bool(0.8) {
                names.push(name);
            }
        }
        names.shuffle(&mut self.dice);
        names
    }

    /// Time passes until it has ended: an operation rests while it cannot know the rules.
    async fn wait_for(&mut self, going: &mut Going) {
        let timeout = Some(prost_types::Duration { seconds: 0, nanos: 200_000_000 });
        for _ in 0..600 {
            let wait = lro::WaitOperationRequest { name: going.name.clone(), timeout };
            if going.person.operations.wait_operation(wait).await.unwrap().into_inner().done {
                return;
            }
            self.let_pass(Duration::from_secs(2)).await;
        }
        panic!("{} does not end", going.name);
    }

    /// Until nothing is under way.
    pub async fn rest(&mut self) {
        let Some(mut going) = self.going.take() else { return };
        self.wait_for(&mut going).await;
        self.going = Some(going);
        self.look(false).await;
        assert!(self.going.is_none());
    }

    /// Everybody who is there, and what the operation has said until then, and nothing of what it said later.
    pub async fn see(&mut self) -> (Vec<dir::Contact>, Vec<Word>) {
        let Some(mut going) = self.going.take() else {
            return (crate::last_word::steps::all(self.business).await, Vec::new());
        };
        let is_done = going.is_done().await;
        let mut said = going.says().await;
        let all = loop {
            let all = crate::last_word::steps::all(self.business).await;
            let more = going.says().await;
            if more.is_empty() {
                break all;
            }
            said.extend(more);
        };
        if !is_done {
            self.going = Some(going);
        }
        (all, said)
    }
}
