//! The rule of PRODUCT.md in full, "Import": every old state × every word of a row × what the row claims of its time,
//! for both channels, by key and by name.

use std::time::Duration;

use contact_directory::MIGRATIONS;
use contact_directory::commands::consents::{Saying, Word};
use contact_directory::commands::import::Became::{self, Unchanged, Updated};
use contact_directory::commands::import::RowResult;
use contact_directory::domain::evidence::Evidence;
use contact_directory::domain::import::Kept;
use contact_directory::domain::set::{AssignmentInput, Assignments};
use contact_directory::domain::surface::Place;
use yinyom_consent::ConsentState::{self, Denied, Granted, NotSet};
use yinyom_consent::{Cause, Channel};
use yinyom_kernel::{Clock, ContactId};
use yinyom_proto::directory::v1::ImportRow;
use yinyom_proto::types::v1;
use yinyom_testkit::{TestDb, both_databases};

use super::{With, contact, import, refuser, row};
use crate::support::{House, START};

const HOUR: Duration = Duration::from_hours(1);

/// How a channel came to be what it is: what was said of it, one after the other. [`RunsOut`] is a yes for less than an hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    No,
    Yes,
    NotAsked,
    RunsOut,
}
use Said::{No, NotAsked, RunsOut, Yes};

/// What becomes of a word: the state, and whether the row changed it or why it did not.
type Cell = (ConsentState, Result<Became, Option<Kept>>);

const TAKEN: Result<Became, Option<Kept>> = Ok(Updated);
const SAME: Result<Became, Option<Kept>> = Err(None);
const ONCE_NO: Result<Became, Option<Kept>> = Err(Some(Kept::RefusedBefore));
const IS_NO: Result<Became, Option<Kept>> = Err(Some(Kept::Denied));
const IS_YES: Result<Became, Option<Kept>> = Err(Some(Kept::Granted));

/// What a row says: nothing, `NOT_SET`, `GRANTED`, `DENIED`.
const WORDS: [Option<ConsentState>; 4] = [None, Some(NotSet), Some(Granted), Some(Denied)];

#[rustfmt::skip]
const TABLE: [(&[Said], [Cell; 4]); 12] = [
    //                        an empty cell     NOT_SET             GRANTED             DENIED
    (&[],                     [(NotSet, SAME),  (NotSet, SAME),     (Granted, TAKEN),   (Denied, TAKEN)]),
    (&[NotAsked],             [(NotSet, SAME),  (NotSet, SAME),     (Granted, TAKEN),   (Denied, TAKEN)]),
    (&[Yes],                  [(Granted, SAME), (Granted, IS_YES),  (Granted, SAME),    (Denied, TAKEN)]),
    (&[Yes, NotAsked],        [(NotSet, SAME),  (NotSet, SAME),     (Granted, TAKEN),   (Denied, TAKEN)]),
    (&[RunsOut],              [(NotSet, SAME),  (NotSet, SAME),     (Granted, TAKEN),   (Denied, TAKEN)]),
    (&[No],                   [(Denied, SAME),  (Denied, IS_NO),    (Denied, IS_NO),    (Denied, SAME)]),
    (&[Yes, No],              [(Denied, SAME),  (Denied, IS_NO),    (Denied, IS_NO),    (Denied, SAME)]),
    (&[No, NotAsked],         [(NotSet, SAME),  (NotSet, SAME),     (NotSet, ONCE_NO),  (Denied, TAKEN)]),
    (&[No, Yes],              [(Granted, SAME), (Granted, IS_YES),  (Granted, SAME),    (Denied, TAKEN)]),
    (&[No, RunsOut],          [(NotSet, SAME),  (NotSet, SAME),     (NotSet, ONCE_NO),  (Denied, TAKEN)]),
    (&[No, Yes, NotAsked],    [(NotSet, SAME),  (NotSet, SAME),     (NotSet, ONCE_NO),  (Denied, TAKEN)]),
    (&[No, Yes, No],          [(Denied, SAME),  (Denied, IS_NO),    (Denied, IS_NO),    (Denied, SAME)]),
];

/// What a row claims of when the customer said so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Claim {
    Nothing,
    Past,
    /// Nobody has said anything yet: the row is rejected, and refuses all the same.
    Future,
}

struct Case {
    channel: Channel,
    has_key: bool,
    said: &'static [Said],
    word: Option<ConsentState>,
    claim: Claim,
    expected: Cell,
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (said, cells) in TABLE {
        for (word, expected) in WORDS.into_iter().zip(cells) {
            for claim in [Claim::Nothing, Claim::Past, Claim::Future] {
                for (channel, has_key) in
                    [(Channel::Phone, true), (Channel::Phone, false), (Channel::Email, true)]
                {
                    cases.push(Case { channel, has_key, said, word, claim, expected });
                }
            }
        }
    }
    cases
}

impl Case {
    fn person(&self, n: usize) -> ImportRow {
        let row = row(&format!("Person {n}")).phone(&format!("08{n:08}"));
        let row = row.email(&format!("person{n}@example.com"));
        if self.has_key { row.id(&format!("C-{n}")) } else { row }
    }

    fn row(&self, n: usize) -> ImportRow {
        let word = self.word.map_or(v1::ConsentState::Unspecified, |word| match word {
            NotSet => v1::ConsentState::NotSet,
            Granted => v1::ConsentState::Granted,
            Denied => v1::ConsentState::Denied,
        });
        let row = match self.channel {
            Channel::Phone => self.person(n).says(word),
            Channel::Email => self.person(n).says_email(word),
        };
        match self.claim {
            Claim::Nothing => row,
            Claim::Past => row.at(START - 86_400),
            Claim::Future => row.at(START + 86_400),
        }
    }
}

async fn say(house: &House, contact: ContactId, channel: Channel, said: Said) {
    let session = house.session(&house.owner).await;
    let state = match said {
        No => Denied,
        NotAsked => NotSet,
        Yes | RunsOut => Granted,
    };
    let expires_at = (said == RunsOut).then(|| house.clock.now() + HOUR / 2);
    let given = AssignmentInput { channel: Some(channel), state: Some(state), expires_at };
    let word = Word::Set(Assignments::read(&[given]).unwrap());
    let (place, evidence) = (Place::Contacts, Evidence::default());
    let saying = Saying { contact, place, word, evidence, etag: String::new(), untimely: None };
    house.directory.say(&session, saying, None).await.unwrap();
}

async fn a_row_does_what_the_table_says(db: TestDb) {
    let house = House::on(db.handle()).await;
    let cases = cases();
    assert_eq!(cases.len(), 12 * 4 * 3 * 3);
    let people: Vec<_> = cases.iter().enumerate().map(|(n, case)| case.person(n)).collect();
    let people = import(&house, &people).await;
    for (case, result) in cases.iter().zip(&people) {
        for said in case.said {
            say(&house, contact(result), case.channel, *said).await;
        }
    }
    house.pass(HOUR).await;
    let before: Vec<_> =
        house.ledger().await.iter().map(|change| (change.contact, change.seq)).collect();
    let rows: Vec<_> = cases.iter().enumerate().map(|(n, case)| case.row(n)).collect();
    let results = import(&house, &rows).await;
    let (contacts, ledger) = (house.contacts().await, house.ledger().await);
    for ((case, person), result) in cases.iter().zip(&people).zip(&results) {
        let told = format!("{:?} {:?} {:?} {:?}", case.said, case.word, case.claim, case.channel);
        let id = contact(person);
        let of = contacts.iter().find(|contact| contact.id == id).unwrap();
        let new: Vec<_> = (ledger.iter())
            .filter(|change| change.contact == id && !before.contains(&(id, change.seq)))
            .filter(|change| change.cause != Cause::Expired)
            .collect();
        let (mut state, mut became) = case.expected;
        if case.claim == Claim::Future {
            // Of a rejected row only a refusal counts.
            let refuses = case.word == Some(Denied);
            assert_eq!(refuser(result), refuses.then_some(id), "{told}");
            if !refuses {
                // As an empty cell leaves it.
                (state, became) = TABLE.iter().find(|(said, _)| *said == case.said).unwrap().1[0];
            }
        } else {
            let RowResult::Taken { became: did, contact, kept } = result else { panic!("{told}") };
            assert_eq!((*contact, *did), (id, became.unwrap_or(Unchanged)), "{told}");
            assert_eq!(*kept.get(case.channel), became.err().flatten(), "{told}");
        }
        assert_eq!(of.consents.get(case.channel).state_at(house.clock.now()), state, "{told}");
        let other = if case.channel == Channel::Phone { Channel::Email } else { Channel::Phone };
        assert_eq!(of.consents.get(other).state, NotSet, "{told}: not spoken of");
        assert_eq!(new.len(), usize::from(became.is_ok()), "{told}: what is not taken is no event");
        for change in new {
            assert_eq!((change.cause, change.channels.len()), (Cause::Imported, 1), "{told}");
            assert_eq!(change.channels[0].to, Some(state), "{told}");
            assert_eq!(change.claimed_at.is_some(), case.claim == Claim::Past, "{told}");
        }
    }
}

both_databases!(MIGRATIONS => a_row_does_what_the_table_says);
