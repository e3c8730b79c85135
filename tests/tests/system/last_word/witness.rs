//! Who last said no, as far as somebody can know who hears every answer, and knows no rule but this: a refusal is forgotten
//! when somebody says that the customer has said yes, and by nothing else.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use yinyom_proto::directory::v1 as dir;
use yinyom_proto::types::v1::{Channel, ConsentState};

pub const CHANNELS: [Channel; 2] = [Channel::Phone, Channel::Email];

/// What an answer tells.
#[derive(Debug, Clone)]
pub enum Word {
    /// A customer said no.
    Refuses(String, Channel),
    /// Somebody who may says that a customer said yes.
    Grants(String, Channel),
    /// A list refuses an address, whoever has it.
    Lists(Channel, String),
    /// One who survives, and one who is absorbed.
    Merges {
        merge: String,
        survivor: String,
        absorbed: String,
    },
    Undoes(String),
}

impl Word {
    /// A state that somebody sets; `None` if that is no word of the customer's.
    pub fn of(contact: &str, channel: Channel, state: ConsentState) -> Option<Self> {
        match state {
            ConsentState::Denied => Some(Self::Refuses(contact.to_owned(), channel)),
            ConsentState::Granted => Some(Self::Grants(contact.to_owned(), channel)),
            _ => None,
        }
    }
}

/// What is known of a contact.
#[derive(Debug, Clone, Default)]
struct Known {
    /// The channels whose last word was no.
    no: BTreeSet<Channel>,
    addresses: BTreeSet<(Channel, String)>,
}

/// A merge that may be undone: both as they were, and what was refused since.
#[derive(Debug, Clone)]
struct Merged {
    merge: String,
    survivor: (String, BTreeSet<Channel>),
    absorbed: (String, BTreeSet<Channel>),
    since: BTreeSet<Channel>,
    /// What earlier merges of the survivor had heard since, before this one: an undo takes back what the other one said.
    earlier: Vec<(String, BTreeSet<Channel>)>,
}

#[derive(Debug, Clone, Default)]
pub struct Witness {
    contacts: BTreeMap<String, Known>,
    merges: Vec<Merged>,
    /// Addresses that were refused by somebody who does not have them any more, or by a list.
    left: HashSet<(Channel, String)>,
}

impl Witness {
    /// What is certain after a step, and what an operation said meanwhile: in that order, and nobody knows where in it the step
    /// was. `moved` if addresses have changed places without coming or leaving.
    pub fn after(&mut self, step: &[Word], meanwhile: &[Word], all: &[dir::Contact], moved: bool) {
        let orders = (0..=meanwhile.len()).map(|at| {
            let mut witness = self.clone();
            meanwhile[..at].iter().chain(step).for_each(|word| witness.hears(word));
            witness.looks(all, moved);
            meanwhile[at..].iter().for_each(|word| witness.hears(word));
            witness
        });
        *self = orders.reduce(|one, other| one.and(&other)).unwrap();
        self.checks(all);
    }

    fn hears(&mut self, word: &Word) {
        match word {
            Word::Refuses(contact, channel) => self.refuses(contact, *channel),
            Word::Grants(contact, channel) => self.grants(contact, *channel),
            Word::Lists(channel, address) => self.lists(*channel, address),
            Word::Merges { merge, survivor, absorbed } => self.merges(merge, survivor, absorbed),
            Word::Undoes(merge) => self.undoes(merge),
        }
    }

    /// What both know.
    fn and(mut self, other: &Self) -> Self {
        self.contacts.retain(|name, _| other.contacts.contains_key(name));
        for (name, of) in &mut self.contacts {
            of.no.retain(|channel| other.contacts[name].no.contains(channel));
        }
        self.left.retain(|address| other.left.contains(address));
        let both = |one: &mut BTreeSet<Channel>, other: &BTreeSet<Channel>| {
            one.retain(|channel| other.contains(channel));
        };
        for (one, other) in self.merges.iter_mut().zip(&other.merges) {
            assert_eq!(one.merge, other.merge, "the step is the same");
            both(&mut one.survivor.1, &other.survivor.1);
            both(&mut one.absorbed.1, &other.absorbed.1);
            both(&mut one.since, &other.since);
            for (one, other) in one.earlier.iter_mut().zip(&other.earlier) {
                both(&mut one.1, &other.1);
            }
        }
        self
    }

    /// A customer said no.
    fn refuses(&mut self, contact: &str, channel: Channel) {
        self.contacts.entry(contact.to_owned()).or_default().no.insert(channel);
        for merged in self.merges.iter_mut().filter(|merged| merged.survivor.0 == contact) {
            merged.since.insert(channel);
        }
    }

    /// Somebody who may says that a customer said yes.
    fn grants(&mut self, contact: &str, channel: Channel) {
        self.contacts.entry(contact.to_owned()).or_default().no.remove(&channel);
    }

    /// A list refuses an address, whoever has it.
    fn lists(&mut self, channel: Channel, address: &str) {
        let address = (channel, address.to_owned());
        let has = |of: &Known| of.addresses.contains(&address);
        let holders = self.contacts.iter().filter(|(_, of)| has(of));
        let holders: Vec<_> = holders.map(|(name, _)| name.clone()).collect();
        if holders.is_empty() {
            self.left.insert(address);
        }
        for holder in holders {
            self.refuses(&holder, channel);
        }
    }

    fn merges(&mut self, merge: &str, survivor: &str, absorbed: &str) {
        let no = |name: &str| self.contacts.get(name).map(|of| of.no.clone()).unwrap_or_default();
        let (of_survivor, of_absorbed) = (no(survivor), no(absorbed));
        let mut earlier = Vec::new();
        for merged in self.merges.iter_mut().filter(|merged| merged.survivor.0 == survivor) {
            earlier.push((merged.merge.clone(), merged.since.clone()));
            // What the other one refused was refused by the merged contact, too.
            merged.since.extend(of_absorbed.iter().copied());
        }
        self.contacts.entry(survivor.to_owned()).or_default().no.extend(of_absorbed.clone());
        self.contacts.remove(absorbed);
        self.merges.push(Merged {
            merge: merge.to_owned(),
            survivor: (survivor.to_owned(), of_survivor),
            absorbed: (absorbed.to_owned(), of_absorbed),
            since: BTreeSet::new(),
            earlier,
        });
    }

    /// The last merges of those who are there.
    pub fn undoable(&self) -> Vec<String> {
        self.merges.iter().map(|merged| merged.merge.clone()).collect()
    }

    fn undoes(&mut self, merge: &str) {
        let at = self.merges.iter().position(|merged| merged.merge == merge).unwrap();
        let Merged { survivor, absorbed, since, earlier, .. } = self.merges.remove(at);
        for (merge, heard) in earlier {
            if let Some(merged) = self.merges.iter_mut().find(|merged| merged.merge == merge) {
                merged.since = heard;
            }
        }
        for (name, no) in [survivor, absorbed] {
            self.contacts.entry(name.clone()).or_default().no = no;
            // Of whom it was, nobody can tell.
            for channel in &since {
                self.refuses(&name, *channel);
            }
        }
    }

    /// Looks at who has which address.
    fn looks(&mut self, all: &[dir::Contact], moved: bool) {
        let there: HashSet<_> = all.iter().map(|contact| &*contact.name).collect();
        let gone = self.contacts.keys().filter(|name| !there.contains(name.as_str()));
        for name in gone.cloned().collect::<Vec<_>>() {
            let of = self.contacts.remove(&name).unwrap();
            self.leave(&of.no, of.addresses);
        }
        for contact in all {
            let addresses: BTreeSet<_> = addresses(contact).collect();
            let known = self.contacts.entry(contact.name.clone()).or_default();
            let before = std::mem::replace(&mut known.addresses, addresses.clone());
            if !moved {
                let no = known.no.clone();
                self.leave(&no, before.difference(&addresses).cloned());
                for (channel, address) in addresses.difference(&before) {
                    if self.left.contains(&(*channel, address.clone())) {
                        self.refuses(&contact.name, *channel);
                    }
                }
            }
        }
    }

    /// Nobody is granted who last said no.
    fn checks(&self, all: &[dir::Contact]) {
        for contact in all {
            let known = &self.contacts[&contact.name];
            for of in &contact.consents {
                let granted = of.state() == ConsentState::Granted;
                assert!(!granted || !known.no.contains(&of.channel()), "{contact:?} last said no");
            }
        }
    }

    fn leave(
        &mut self,
        no: &BTreeSet<Channel>,
        addresses: impl IntoIterator<Item = (Channel, String)>,
    ) {
        self.left.extend(addresses.into_iter().filter(|(channel, _)| no.contains(channel)));
    }
}

/// The addresses of a contact, as somebody sees them who sees all.
pub fn addresses(contact: &dir::Contact) -> impl Iterator<Item = (Channel, String)> {
    let of = |channel, points: &[dir::ContactPoint]| {
        points.iter().map(|point| (channel, point.value.clone())).collect::<Vec<_>>()
    };
    let phones = of(Channel::Phone, &contact.phones);
    phones.into_iter().chain(of(Channel::Email, &contact.emails))
}

/// An address as the directory writes it.
pub fn canonical(channel: Channel, text: &str) -> String {
    match channel {
        Channel::Phone if text.starts_with('0') => format!("+66{}", text[1..].replace('-', "")),
        _ => text.to_lowercase(),
    }
}
