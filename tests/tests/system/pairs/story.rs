//! What a pair begins with: the same people, who said the same, in two businesses that differ in such addresses alone
//! as the viewer may not see.

use std::collections::HashMap;

use prost_reflect::MethodDescriptor;
use rand::Rng;
use rand::rngs::StdRng;
use yinyom_consent::Role;
use yinyom_policy::{NotSetVisibility, Policy, PolicyMember, Rules, SharedAddressPolicy};
use yinyom_proto::directory::v1 as dir;

use crate::pairs::side::Side;

const NOT_SET: i32 = 1;
const GRANTED: i32 = 2;
const DENIED: i32 = 3;

/// Who looks at the pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Viewer {
    User,
    /// A protection officer, who reads the ledger and no addresses.
    Officer,
    /// A service without `addresses.read`.
    Service,
    /// A member while settings cannot be heard.
    CutOff,
    /// Sees everything that differs: pairs must not look alike to them.
    Listed,
}

impl Viewer {
    pub const MASKED: [Self; 4] = [Self::User, Self::Officer, Self::Service, Self::CutOff];

    const fn is_shown(self, state: i32, mask_not_set: bool) -> bool {
        match self {
            Self::Service => false,
            Self::CutOff => state == GRANTED,
            Self::User | Self::Officer | Self::Listed => {
                state == GRANTED || (state != DENIED && !mask_not_set)
            }
        }
    }
}

/// A text for each side.
type Twice = [String; 2];

struct Person {
    external_id: String,
    first: String,
    last: String,
    /// Phones, e-mails.
    points: [Vec<Twice>; 2],
    states: [i32; 2],
}

/// What a pair begins with.
pub struct Story {
    pub viewer: Viewer,
    mask_not_set: bool,
    restrictive: bool,
    people: Vec<Person>,
    /// What the viewer may guess: every value there is on either side, and some that are on none.
    pub phones: Vec<String>,
    pub emails: Vec<String>,
    pub texts: Vec<String>,
}

impl Story {
    pub fn tell(dice: &mut StdRng, viewer: Viewer) -> Self {
        let (mask_not_set, restrictive) = (dice.random(), dice.random());
        let mut teller = Teller { dice, told: [Vec::new(), Vec::new()], public: <_>::default() };
        let mut people: Vec<Person> = Vec::new();
        for number in 0..teller.dice.random_range(3..=5) {
            let states =
                [0, 1].map(|_| [0, NOT_SET, GRANTED, DENIED][teller.dice.random_range(0..4)]);
            let points = [0, 1].map(|channel| {
                let shown = viewer.is_shown(states[channel], mask_not_set);
                let count = teller.dice.random_range(0..=2);
                teller.points(channel, count, shown)
            });
            let first = NAMES[teller.dice.random_range(0..NAMES.len())].to_owned();
            let external_id =
                if teller.dice.random() { format!("C-{number}") } else { String::new() };
            // With names that differ, people without an external id are told apart whatever their addresses.
            people.push(Person {
                external_id,
                first,
                last: format!("ใจดี{number}"),
                points,
                states,
            });
        }
        // Refused addresses of somebody who is deleted: the same on both sides, since whoever comes with one is told.
        let points = [0, 1].map(|channel| teller.points(channel, 1, true));
        let (first, last) = ("ลา".to_owned(), "จาก".to_owned());
        let external_id = "C-gone".to_owned();
        people.push(Person { external_id, first, last, points, states: [DENIED; 2] });
        let [mut phones, mut emails] = teller.told;
        phones.extend(["+66899999999", "๐๘๙-999-9999"].map(str::to_owned));
        emails.extend(["nobody@example.co.th", "NOBODY@Example.co.th"].map(str::to_owned));
        let local: Vec<_> = (phones.iter())
            .filter_map(|phone| phone.strip_prefix("+66").map(|rest| format!("0{rest}")))
            .collect();
        phones.extend(local);
        let mut texts: Vec<_> = NAMES.map(str::to_owned).to_vec();
        texts.extend(["C-0", "C-1", "C-2", "C-gone", "ใจดี0", "ร้าน"].map(str::to_owned));
        Self { viewer, mask_not_set, restrictive, people, phones, emails, texts }
    }

    /// The rules of a side.
    pub fn policy(&self, side: &Side) -> Policy {
        let [owner, viewer] = side.members;
        let user = PolicyMember {
            role: Role::User,
            listed: self.viewer == Viewer::Listed,
            protection_officer: self.viewer == Viewer::Officer,
        };
        let of_owner = PolicyMember { role: Role::Owner, listed: false, protection_officer: false };
        let not_set_visibility =
            if self.mask_not_set { NotSetVisibility::Mask } else { NotSetVisibility::Show };
        let shared_address_policy = if self.restrictive {
            SharedAddressPolicy::MostRestrictive
        } else {
            SharedAddressPolicy::RecordOnly
        };
        Policy {
            business: side.id,
            revision: 0,
            time_zone: "Asia/Bangkok".to_owned(),
            rules: Rules {
                enforcement: true,
                not_set_visibility,
                members_may_regrant: false,
                shared_address_policy,
                default_grant_lifetime: None,
            },
            members: HashMap::from([(owner, of_owner), (viewer, user)]),
        }
    }

    /// The file with everybody, as the owner of a side imports it.
    pub fn file(&self, side: usize, parent: &str) -> dir::ImportContactsRequest {
        let rows = self.people.iter().enumerate().map(|(number, person)| {
            let of = |channel: usize| person.points[channel].iter().map(|p| p[side].clone());
            dir::ImportRow {
                row_number: i64::try_from(number).unwrap() + 1,
                external_id: person.external_id.clone(),
                first_name: person.first.clone(),
                last_name: person.last.clone(),
                phones: of(0).collect(),
                emails: of(1).collect(),
                account: if number < 2 { "ร้าน".to_owned() } else { String::new() },
                lead_title: if number < 2 { String::new() } else { "สนใจ".to_owned() },
                phone_consent: person.states[0],
                email_consent: person.states[1],
                ..<_>::default()
            }
        });
        let rows = rows.collect();
        dir::ImportContactsRequest { parent: parent.to_owned(), rows, ..<_>::default() }
    }
}

const NAMES: [&str; 6] = ["สมชาย", "สมหญิง", "Somchai", "อรุณ", "Ann", "จันทร์"];

struct Teller<'a> {
    dice: &'a mut StdRng,
    /// Every phone and every e-mail so far.
    told: [Vec<String>; 2],
    /// Of these, what is the same on both sides.
    public: [Vec<String>; 2],
}

impl Teller<'_> {
    fn points(&mut self, channel: usize, count: usize, shown: bool) -> Vec<Twice> {
        let mut points: Vec<Twice> = Vec::new();
        for _ in 0..count {
            let mut point = if shown { self.public(channel) } else { self.secret(channel) };
            for side in 0..2 {
                if points.iter().any(|other| other[side] == point[side]) {
                    let fresh = self.fresh(channel);
                    if shown {
                        point = [fresh.clone(), fresh];
                    } else {
                        point[side] = fresh;
                    }
                }
            }
            points.push(point);
        }
        for point in &points {
            if shown {
                self.public[channel].push(point[0].clone());
            }
            self.told[channel].extend(point.clone());
        }
        points
    }

    fn public(&mut self, channel: usize) -> Twice {
        let value = self.fresh(channel);
        [value.clone(), value]
    }

    /// Two values, either of which may be somebody else's, too.
    fn secret(&mut self, channel: usize) -> Twice {
        let fresh = [self.fresh(channel), self.fresh(channel)];
        let shared = self.dice.random_range(0..6);
        let other = match shared {
            0 | 1 => self.any(true, channel),
            2 | 3 => self.any(false, channel),
            _ => None,
        };
        match (other, fresh, shared % 2) {
            (Some(other), [_, fresh], 0) => [other, fresh],
            (Some(other), [fresh, _], _) => [fresh, other],
            (None, fresh, _) => fresh,
        }
    }

    fn any(&mut self, public: bool, channel: usize) -> Option<String> {
        let of = if public { &self.public[channel] } else { &self.told[channel] };
        let at = self.dice.random_range(0..of.len().max(1));
        of.get(at).cloned()
    }

    /// A value of any shape and length.
    fn fresh(&mut self, channel: usize) -> String {
        let number = self.dice.random_range(0..10_000);
        if channel == 0 {
            let more = self.dice.random_range(1..10);
            match self.dice.random_range(0..6) {
                0 => format!("+6626{more}3{number:04}"),
                1 => format!("+44207183{number:04}"),
                2 => format!("+1650253{number:04}"),
                _ => format!("+668{more}123{number:04}"),
            }
        } else {
            let name = "a.very.long.name.of.somebody.whom.nobody.knows";
            let name = &name[..self.dice.random_range(1..name.len())].trim_end_matches('.');
            let houses = ["b.co", "example.co.th", "mail.of.a.large.house.example.com"];
            format!("{name}{number}@{}", houses[self.dice.random_range(0..houses.len())])
        }
    }
}

/// A method of the directory.
pub fn method(methods: &[MethodDescriptor], name: &str) -> MethodDescriptor {
    methods.iter().find(|method| method.name() == name).cloned().unwrap()
}
