//! What may happen, by whom, and what is answered. Everything is named by a small number, so that a failing case
//! can be cut down step by step and still means something.

use std::collections::BTreeSet;

use proptest::prelude::*;
use yinyom_privacy::{EMAIL_MASK, PHONE_MASK};
use yinyom_proto::directory::v1::{CheckReason, VisibilityReason};
use yinyom_proto::types::v1::{ConsentState as State, Surface};

/// The addresses of each channel, as they are shown and as somebody else writes them; and the channel's mask.
pub const PHONES_AND_EMAILS: [([[&str; 2]; 3], &str); 2] = [
    (
        [
            ["+66812345671", "081-234-5671"],
            ["+66812345672", "๐๘๑๒๓๔๕๖๗๒"],
            ["+66812345673", "(081) 234 5673"],
        ],
        PHONE_MASK,
    ),
    (
        [
            ["ann@example.com", "Ann@Example.com"],
            ["bob@example.com", " bob@example.com"],
            ["cat@example.com", "CAT@EXAMPLE.COM"],
        ],
        EMAIL_MASK,
    ),
];

/// How long a policy lease holds.
pub const LEASE_SECONDS: u32 = 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    Owner,
    Admin,
    Listed,
    User,
    /// A service with `addresses.read`, and one without.
    Scoped,
    Unscoped,
    /// The other business's owner.
    Stranger,
}

pub const EVERYBODY: [Who; 7] =
    [Who::Owner, Who::Admin, Who::Listed, Who::User, Who::Scoped, Who::Unscoped, Who::Stranger];

impl Who {
    pub const fn is_service(self) -> bool {
        matches!(self, Self::Scoped | Self::Unscoped)
    }

    /// Where somebody changes what is not a customer's word.
    pub const fn own_surface(self) -> Surface {
        if self.is_service() { Surface::Api } else { Surface::Contacts }
    }
}

/// The page that a word is said to be from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    Menu,
    Lead(usize),
    LeadContacts(usize),
    /// The account that a lead was turned into.
    Account(usize),
    Api,
    Import,
}

impl At {
    pub const fn surface(self) -> Surface {
        match self {
            Self::Menu => Surface::Contacts,
            Self::Lead(_) => Surface::Lead,
            Self::LeadContacts(_) => Surface::LeadContacts,
            Self::Account(_) => Surface::AccountContacts,
            Self::Api => Surface::Api,
            Self::Import => Surface::Import,
        }
    }
}

/// What settings says of a business.
#[expect(clippy::struct_excessive_bools, reason = "they are as many switches, each by itself")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rules {
    pub enforced: bool,
    pub mask_not_set: bool,
    pub regrant: bool,
    pub restrictive: bool,
    /// The admin is a user.
    pub admin_demoted: bool,
    /// [`Who::User`] is on the viewer list.
    pub user_listed: bool,
}

/// A word on each channel, with the hours that a grant holds.
pub type Words = [Option<(State, Option<i64>)>; 2];

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Does {
    Create {
        points: [BTreeSet<usize>; 2],
    },
    Rename {
        contact: usize,
        stale: bool,
    },
    /// Makes those the addresses of the channel, in one spelling or the other, with their points' ids or without.
    Edit {
        contact: usize,
        channel: usize,
        to: BTreeSet<usize>,
        other: bool,
        stale: bool,
    },
    /// Writes back what was just read.
    WriteBack(usize),
    Delete {
        contact: usize,
        stale: bool,
    },
    Set {
        contact: usize,
        at: At,
        to: Words,
        stale: bool,
    },
    Withdraw {
        contact: usize,
        at: At,
        channels: [bool; 2],
    },
    Lead {
        contact: usize,
    },
    Link {
        lead: usize,
        contact: usize,
    },
    Convert {
        lead: usize,
    },
    Get(usize),
    List,
    /// Address and spelling in one number.
    Search {
        channel: usize,
        address: usize,
    },
    Check {
        channel: usize,
    },
    /// Sends again the write that was that many writes ago.
    Repeat(usize),
    Rule(Rules),
    Pass {
        hours: i64,
    },
    CutOff,
    Reconnect,
}

impl Does {
    /// The contact that it writes.
    pub const fn contact(&self) -> Option<usize> {
        match self {
            Self::Rename { contact, .. }
            | Self::Edit { contact, .. }
            | Self::WriteBack(contact)
            | Self::Delete { contact, .. }
            | Self::Set { contact, .. }
            | Self::Withdraw { contact, .. } => Some(*contact),
            _ => None,
        }
    }

    /// The same from where `who` acts: a service has no pages.
    fn by(mut self, who: Who) -> Self {
        if let (Self::Set { at, .. } | Self::Withdraw { at, .. }, true) =
            (&mut self, who.is_service())
            && *at == At::Menu
        {
            *at = At::Api;
        }
        self
    }

    /// Whether it comes with an old etag.
    pub const fn stale(&self) -> bool {
        match self {
            Self::Rename { stale, .. }
            | Self::Edit { stale, .. }
            | Self::Delete { stale, .. }
            | Self::Set { stale, .. } => *stale,
            _ => false,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub who: Who,
    /// The one that the call names.
    pub business: usize,
    pub does: Does,
}

/// The number of a contact that there never was.
pub const NOBODY: usize = 1_000;

impl Step {
    /// The same of one of as many contacts as there are, or of nobody.
    pub fn fit(mut self, contacts: usize) -> Self {
        let (Does::Rename { contact: named, .. }
        | Does::Edit { contact: named, .. }
        | Does::WriteBack(named)
        | Does::Delete { contact: named, .. }
        | Does::Set { contact: named, .. }
        | Does::Withdraw { contact: named, .. }
        | Does::Lead { contact: named }
        | Does::Link { contact: named, .. }
        | Does::Get(named)) = &mut self.does
        else {
            return self;
        };
        if *named != NOBODY && contacts > 0 {
            *named %= contacts;
        }
        self
    }
}

/// A contact as its viewer sees it: each channel's state with when its grant runs out, and each point's value
/// with whether and why it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub states: [(State, Option<i64>); 2],
    pub points: [Vec<(String, bool, VisibilityReason)>; 2],
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Done,
    Refused(String),
    /// Which one, at which revision, and what is there now.
    Contact(usize, i64, Option<Seen>),
    /// Which one, at which revision and number, and what it says now.
    Consents(usize, i64, i64, Option<[(State, Option<i64>); 2]>),
    Contacts(Vec<(usize, Seen)>),
    Checks(Vec<CheckReason>),
}

/// The rules of a business, some contacts in it, perhaps a lead of one; and what happens then.
pub fn steps(most: usize) -> impl Strategy<Value = Vec<Step>> {
    let owner = |does| Step { who: Who::Owner, business: 0, does };
    let first = rules().prop_map(move |rules| owner(Does::Rule(rules)));
    let contacts = prop::collection::vec(create().prop_map(owner), 1..=3);
    let lead = prop_oneof![
        1 => Just(vec![]),
        1 => Just(vec![Does::Lead { contact: 0 }]),
        1 => Just(vec![Does::Lead { contact: 0 }, Does::Convert { lead: 0 }]),
    ];
    let lead = lead.prop_map(move |does| does.into_iter().map(owner));
    let rest = prop::collection::vec(step(), 0..=most);
    (first, contacts, lead, rest).prop_map(|(first, contacts, lead, rest)| {
        std::iter::once(first).chain(contacts).chain(lead).chain(rest).collect()
    })
}

fn step() -> impl Strategy<Value = Step> {
    let who = prop_oneof![
        3 => Just(Who::Owner),
        1 => Just(Who::Admin),
        2 => Just(Who::Listed),
        7 => Just(Who::User),
        2 => Just(Who::Scoped),
        2 => Just(Who::Unscoped),
        1 => Just(Who::Stranger),
    ];
    let business = prop_oneof![14 => Just(0_usize), 1 => Just(1)];
    (who, business, does()).prop_map(|(who, business, does)| {
        let does = does.by(who);
        Step { who, business, does }
    })
}

fn does() -> impl Strategy<Value = Does> {
    let contact = contact_index;
    let stale = || prop::bool::weighted(0.1);
    let channel = || 0_usize..2;
    prop_oneof![
        2 => create(),
        1 => (contact(), stale()).prop_map(|(contact, stale)| Does::Rename { contact, stale }),
        5 => (contact(), channel(), points(), any::<bool>(), stale()).prop_map(
            |(contact, channel, to, other, stale)| Does::Edit { contact, channel, to, other, stale }
        ),
        1 => contact().prop_map(Does::WriteBack),
        3 => (contact(), stale()).prop_map(|(contact, stale)| Does::Delete { contact, stale }),
        12 => (contact(), at(), [word(), word()], stale())
            .prop_map(|(contact, at, to, stale)| Does::Set { contact, at, to, stale }),
        3 => (contact(), at(), any::<[bool; 2]>())
            .prop_map(|(contact, at, channels)| Does::Withdraw { contact, at, channels }),
        2 => contact().prop_map(|contact| Does::Lead { contact }),
        1 => (lead(), contact()).prop_map(|(lead, contact)| Does::Link { lead, contact }),
        1 => lead().prop_map(|lead| Does::Convert { lead }),
        1 => contact().prop_map(Does::Get),
        1 => Just(Does::List),
        4 => (channel(), 0_usize..6)
            .prop_map(|(channel, address)| Does::Search { channel, address }),
        3 => channel().prop_map(|channel| Does::Check { channel }),
        4 => (0_usize..4).prop_map(Does::Repeat),
        3 => rules().prop_map(Does::Rule),
        5 => (1_i64..12).prop_map(|hours| Does::Pass { hours }),
        1 => Just(Does::CutOff),
        2 => Just(Does::Reconnect),
    ]
}

fn create() -> impl Strategy<Value = Does> {
    [points(), points()].prop_map(|points| Does::Create { points })
}

fn points() -> impl Strategy<Value = BTreeSet<usize>> {
    prop_oneof![
        1 => Just(BTreeSet::new()),
        6 => prop::collection::btree_set(0_usize..3, 1..=2),
    ]
}

/// See [`Step::fit`].
fn contact_index() -> impl Strategy<Value = usize> {
    prop_oneof![15 => 0_usize..6, 1 => Just(NOBODY)]
}

fn lead() -> impl Strategy<Value = usize> {
    prop_oneof![3 => Just(0_usize), 1 => Just(1)]
}

fn at() -> impl Strategy<Value = At> {
    prop_oneof![
        12 => Just(At::Menu),
        1 => Just(At::Api),
        3 => lead().prop_map(At::Lead),
        2 => lead().prop_map(At::LeadContacts),
        2 => lead().prop_map(At::Account),
        1 => Just(At::Import),
    ]
}

fn word() -> impl Strategy<Value = Option<(State, Option<i64>)>> {
    let until = prop::option::of(1_i64..12);
    prop_oneof![
        12 => Just(None),
        16 => until.prop_map(|hours| Some((State::Granted, hours))),
        12 => Just(Some((State::Denied, None))),
        6 => Just(Some((State::NotSet, None))),
        1 => Just(Some((State::Denied, Some(1)))),
    ]
}

fn rules() -> impl Strategy<Value = Rules> {
    let rarely = || prop::bool::weighted(0.2);
    (prop::bool::weighted(0.8), any::<bool>(), rarely(), any::<bool>(), rarely(), rarely())
        .prop_map(|(enforced, mask_not_set, regrant, restrictive, admin_demoted, user_listed)| {
            Rules { enforced, mask_not_set, regrant, restrictive, admin_demoted, user_listed }
        })
}
