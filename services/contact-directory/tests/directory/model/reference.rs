//! PRODUCT.md, executable: what the directory answers and records, as a table and a few ifs.
//!
//! Written from the rules, not from the code, and shares nothing with it but the words on the wire.

use std::collections::BTreeSet;

use yinyom_proto::directory::v1::{CheckReason as Check, VisibilityReason as Why};
use yinyom_proto::types::v1::{ChangeCause as Cause, ConsentState as State, Surface};

use crate::model::steps::{At, PHONES_AND_EMAILS, Rules, Seen, Step, Who};

/// What one channel of a contact says. `expires` is of the last word, if that was a grant for a time.
#[derive(Debug, Clone, Copy)]
pub struct Consent {
    pub state: State,
    pub expires: Option<i64>,
    pub ever_refused: bool,
}

pub const NOT_ASKED: Consent = Consent { state: State::NotSet, expires: None, ever_refused: false };

#[derive(Debug, Clone)]
pub struct Contact {
    pub business: usize,
    pub consents: [Consent; 2],
    pub points: [BTreeSet<usize>; 2],
    pub revision: i64,
    pub events: Vec<Event>,
    pub gone: bool,
}

/// Why, where, and what each channel is after it; `None` is one that it does not speak of.
pub type Event = (Cause, Surface, [Option<State>; 2]);

#[derive(Debug, Clone, Default)]
pub struct Lead {
    pub business: usize,
    pub primary: usize,
    pub contacts: BTreeSet<usize>,
    pub account: Option<BTreeSet<usize>>,
}

#[derive(Debug, Clone, Default)]
pub struct World {
    pub now: i64,
    pub cut_off: bool,
    pub rules: [Rules; 2],
    pub contacts: Vec<Contact>,
    pub leads: Vec<Lead>,
    /// Hashes of what deleted contacts refused: business, channel, address.
    pub refused: BTreeSet<(usize, usize, usize)>,
    /// The writes so far, each with what it came to if it was a contact's.
    pub writes: Vec<(Step, Option<CameTo>)>,
}

/// Which contact, at which revision and number.
pub type CameTo = (usize, i64, i64);

/// Why not.
pub type Refused = &'static str;

impl World {
    /// PRODUCT.md, "Who sees".
    pub fn sight(&self, who: Who, business: usize, state: State) -> (bool, Why) {
        let rules = self.rules[business];
        match (who, state) {
            (Who::Scoped, _) => (true, Why::ScopedService),
            (Who::Unscoped, _) => (false, Why::UnscopedService),
            (_, State::Granted) if self.cut_off => (true, Why::Granted),
            _ if self.cut_off => (false, Why::PolicyUnavailable),
            _ if !rules.enforced => (true, Why::EnforcementOff),
            _ if self.privileged(who, business) => (true, Why::Privileged),
            (_, State::Granted) => (true, Why::Granted),
            (_, State::Denied) => (false, Why::Denied),
            _ if rules.mask_not_set => (false, Why::NotSetMasked),
            _ => (true, Why::NotSetShown),
        }
    }

    pub fn privileged(&self, who: Who, business: usize) -> bool {
        let Rules { admin_demoted, user_listed, .. } = self.rules[business];
        match who {
            Who::Owner | Who::Listed => true,
            Who::Admin => !admin_demoted,
            Who::User => user_listed,
            Who::Scoped | Who::Unscoped | Who::Stranger => false,
        }
    }

    pub fn sees(&self, who: Who, of: &Contact, channel: usize) -> bool {
        self.sight(who, of.business, self.state(of, channel)).0
    }

    /// "A grant past `expires_at` counts as `NOT_SET` from that instant, whether or not a job has run."
    pub fn state(&self, of: &Contact, channel: usize) -> State {
        if self.expired(of, channel) { State::NotSet } else { of.consents[channel].state }
    }

    pub fn expired(&self, of: &Contact, channel: usize) -> bool {
        of.consents[channel].expires.is_some_and(|at| at <= self.now)
    }

    pub fn seen(&self, who: Who, of: &Contact) -> Seen {
        let points = [0, 1].map(|channel| {
            let (visible, why) = self.sight(who, of.business, self.state(of, channel));
            let (addresses, mask) = PHONES_AND_EMAILS[channel];
            let value = |i: &usize| if visible { addresses[*i][0] } else { mask }.to_owned();
            of.points[channel].iter().map(|i| (value(i), visible, why)).collect()
        });
        Seen { states: self.states(of), points }
    }

    pub fn states(&self, of: &Contact) -> [(State, Option<i64>); 2] {
        [0, 1].map(|channel| (self.state(of, channel), of.consents[channel].expires))
    }

    /// A word on one or both channels: one change, one number.
    pub fn say(
        &mut self,
        i: usize,
        cause: Cause,
        at: Surface,
        to: [Option<(State, Option<i64>)>; 2],
    ) {
        let contact = &mut self.contacts[i];
        for (consent, to) in contact.consents.iter_mut().zip(to) {
            let Some((state, expires)) = to else { continue };
            let ever_refused = consent.ever_refused || state == State::Denied;
            *consent = Consent { state, expires, ever_refused };
        }
        contact.events.push((cause, at, to.map(|to| to.map(|(state, _)| state))));
    }

    /// Records grants that ran out, before anything else is recorded.
    pub fn settle(&mut self, i: usize) {
        let of = &self.contacts[i];
        let ran_out = |c: usize| self.expired(of, c) && of.consents[c].state == State::Granted;
        let to = [0, 1].map(|c| ran_out(c).then(|| (State::NotSet, of.consents[c].expires)));
        if to.iter().any(Option::is_some) {
            self.say(i, Cause::Expired, Surface::Api, to);
        }
    }

    /// Whether the addresses of a channel are remembered as refused when they leave.
    pub fn keeps(&self, of: &Contact, channel: usize) -> bool {
        match self.state(of, channel) {
            State::Denied => true,
            State::Granted => false,
            _ => of.consents[channel].ever_refused,
        }
    }

    pub fn remember(&mut self, i: usize, channel: usize, addresses: &BTreeSet<usize>) {
        if self.keeps(&self.contacts[i], channel) {
            let business = self.contacts[i].business;
            self.refused.extend(addresses.iter().map(|address| (business, channel, *address)));
        }
    }

    pub fn is_refused(&self, business: usize, channel: usize, addresses: &BTreeSet<usize>) -> bool {
        addresses.iter().any(|address| self.refused.contains(&(business, channel, *address)))
    }

    /// "Adding or changing an address in a `GRANTED` channel makes it `NOT_SET`; a denial stays", and a refusal comes
    /// back with its address.
    pub fn carry(&self, i: usize, channel: usize, new: &BTreeSet<usize>) -> Option<(Cause, State)> {
        let of = &self.contacts[i];
        match self.state(of, channel) {
            State::Denied => None,
            _ if self.is_refused(of.business, channel, new) => {
                Some((Cause::RefusedAddress, State::Denied))
            }
            State::Granted if !new.is_empty() => Some((Cause::ContactPointChanged, State::NotSet)),
            _ => None,
        }
    }

    /// "A point that the writer can't see can't be edited", nor a contact with one deleted.
    pub fn refuse_masked(&self, who: Who, i: usize) -> Result<(), Refused> {
        let of = &self.contacts[i];
        let masked = (0..2).any(|c| !of.points[c].is_empty() && !self.sees(who, of, c));
        if masked { Err(self.refused(who, "CONTACT_POINT_MASKED")) } else { Ok(()) }
    }

    /// "A false surface is refused."
    pub fn refuse_false(&self, step: &Step, at: At, i: usize) -> Result<(), Refused> {
        let lead = |lead: usize| self.leads.get(lead).filter(|lead| lead.business == step.business);
        let is_true = match (step.who.is_service(), at) {
            (true, _) => at == At::Api,
            (_, At::Menu) => true,
            (_, At::Lead(l)) => lead(l).is_some_and(|lead| lead.primary == i),
            (_, At::LeadContacts(l)) => lead(l).is_some_and(|lead| lead.contacts.contains(&i)),
            (_, At::Account(l)) => lead(l)
                .and_then(|lead| lead.account.as_ref())
                .is_some_and(|contacts| contacts.contains(&i)),
            (_, At::Api | At::Import) => false,
        };
        if is_true { Ok(()) } else { Err("SURFACE_MISMATCH") }
    }

    /// "Whatever rests on equality of hidden addresses."
    pub fn refuse_equality(&self, step: &Step) -> Result<(), Refused> {
        match step.who {
            Who::Scoped => Ok(()),
            Who::Unscoped => Err("HIDDEN_ADDRESSES"),
            _ if self.cut_off => Err("POLICY_UNAVAILABLE"),
            _ if !self.rules[step.business].enforced => Ok(()),
            who if self.privileged(who, step.business) => Ok(()),
            _ => Err("HIDDEN_ADDRESSES"),
        }
    }

    /// PRODUCT.md, "May we use it?": the first thing that forbids it.
    pub fn check(&self, step: &Step, channel: usize, i: usize) -> Check {
        let Some(of) = self.find(step, i) else { return Check::NotFound };
        let restrictive = self.cut_off || self.rules[step.business].restrictive;
        let refuses = |other: &Contact| {
            !other.gone
                && other.business == of.business
                && self.state(other, channel) == State::Denied
                && !other.points[channel].is_disjoint(&of.points[channel])
        };
        match self.state(of, channel) {
            _ if of.points[channel].is_empty() => Check::NoAddress,
            State::Denied => Check::Denied,
            _ if restrictive && self.contacts.iter().any(refuses) => Check::SharedAddressDenied,
            _ if self.expired(of, channel) => Check::Expired,
            State::Granted => Check::Allowed,
            _ => Check::NotSet,
        }
    }

    /// Absent, foreign and hidden are one.
    pub fn find(&self, step: &Step, i: usize) -> Option<&Contact> {
        let here = |of: &&Contact| !of.gone && of.business == step.business;
        self.contacts.get(i).filter(here).filter(|_| step.who != Who::Stranger)
    }

    pub fn finds(&self, step: &Step, i: usize) -> Result<&Contact, Refused> {
        self.find(step, i).ok_or("NOT_FOUND")
    }

    /// "No one lifts a mask from themself." One refused channel refuses both.
    pub fn refuse_lift(
        &self,
        step: &Step,
        i: usize,
        to: &[Option<(State, Option<i64>)>; 2],
    ) -> Result<(), Refused> {
        let rules = self.rules[step.business];
        let visible = |state| self.sight(step.who, step.business, state).0;
        let lifts = |c: usize| {
            to[c].is_some_and(|(state, _)| {
                !visible(self.state(&self.contacts[i], c)) && visible(state)
            })
        };
        let allowed = rules.regrant && !self.cut_off;
        if allowed || !(lifts(0) || lifts(1)) {
            return Ok(());
        }
        Err(self.refused(step.who, "CANNOT_LIFT_OWN_MASK"))
    }

    /// What a role might allow is not refused while nobody knows the roles.
    fn refused(&self, who: Who, reason: Refused) -> Refused {
        if self.cut_off && !who.is_service() { "POLICY_UNAVAILABLE" } else { reason }
    }
}
