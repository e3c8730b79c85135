//! The reference at work: what each step makes of the world, by the rules of [`reference`](crate::model::reference).

use std::collections::BTreeSet;

use yinyom_proto::types::v1::{ChangeCause as Cause, ConsentState as State, Surface};

use crate::model::reference::{CameTo, Contact, Event, Lead, NOT_ASKED, Refused, World};
use crate::model::steps::{Answer, Does, LEASE_SECONDS, Seen, Step, Who};

impl World {
    /// What a step does, and its answer.
    pub fn run(&mut self, step: &Step) -> Answer {
        match self.answer(step) {
            Ok(answer) => answer,
            Err(reason) => Answer::Refused(reason.to_owned()),
        }
    }

    fn answer(&mut self, step: &Step) -> Result<Answer, Refused> {
        match &step.does {
            Does::Pass { hours } => self.now += hours * 3_600,
            Does::CutOff => {
                self.cut_off = true;
                self.now += i64::from(LEASE_SECONDS);
            }
            Does::Reconnect => self.cut_off = false,
            Does::Rule(rules) if !self.cut_off => self.rules[step.business] = *rules,
            Does::Rule(_) => {}
            Does::Repeat(back) => return Ok(self.repeat(*back)),
            _ => return self.call(step),
        }
        Ok(Answer::Done)
    }

    fn call(&mut self, step: &Step) -> Result<Answer, Refused> {
        let malformed = match &step.does {
            Does::Set { to, .. } => {
                let wrong = |to: &(State, Option<i64>)| to.1.is_some() && to.0 != State::Granted;
                *to == [None, None] || to.iter().flatten().any(wrong)
            }
            Does::Withdraw { channels, .. } => *channels == [false, false],
            _ => false,
        };
        if malformed {
            return Err("INVALID_INPUT");
        }
        if step.who == Who::Stranger {
            return Err("NOT_FOUND");
        }
        match &step.does {
            Does::Get(i) => Ok(self.shown(step, *i, self.finds(step, *i)?.revision)),
            Does::List => Ok(Answer::Contacts(self.matching(step, |_| true))),
            Does::Search { channel, address } => {
                let (channel, address) = (*channel, *address / 2);
                Ok(Answer::Contacts(self.matching(step, |of| {
                    of.points[channel].contains(&address) && self.sees(step.who, of, channel)
                })))
            }
            Does::Check { channel } => {
                self.refuse_equality(step)?;
                // And of one that nobody ever had.
                let checks = 0..=self.contacts.len();
                Ok(Answer::Checks(checks.map(|i| self.check(step, *channel, i)).collect()))
            }
            _ => self.write(step, step.who.own_surface()),
        }
    }

    fn matching(&self, step: &Step, wanted: impl Fn(&Contact) -> bool) -> Vec<(usize, Seen)> {
        let found = (0..self.contacts.len()).filter_map(|i| Some((i, self.find(step, i)?)));
        let found = found.filter(|(_, of)| wanted(of));
        found.map(|(i, of)| (i, self.seen(step.who, of))).collect()
    }

    fn shown(&self, step: &Step, i: usize, revision: i64) -> Answer {
        Answer::Contact(i, revision, self.find(step, i).map(|of| self.seen(step.who, of)))
    }

    fn write(&mut self, step: &Step, own: Surface) -> Result<Answer, Refused> {
        if let (Some(i), true) = (step.does.contact(), step.does.stale()) {
            self.finds(step, i)?;
            if let Does::Set { at, .. } = &step.does {
                self.refuse_false(step, *at, i)?;
            }
            return Err("ETAG_MISMATCH");
        }
        match &step.does {
            Does::Create { points } => {
                let points = points.clone();
                let denied = [0, 1].map(|c| self.is_refused(step.business, c, &points[c]));
                let (consents, events) = ([NOT_ASKED; 2], Vec::new());
                let (business, revision, gone) = (step.business, 0, false);
                self.contacts.push(Contact { business, consents, points, revision, events, gone });
                let start = denied.map(|no| if no { State::Denied } else { State::NotSet });
                let start = start.map(|state| Some((state, None)));
                self.say(self.contacts.len() - 1, Cause::Created, own, start);
            }
            Does::Rename { contact, .. } => {
                self.finds(step, *contact)?;
            }
            Does::Edit { contact: i, channel, to, .. } => {
                let (i, c) = (*i, *channel);
                let before = self.finds(step, i)?.points[c].clone();
                self.refuse_masked(step.who, i)?;
                self.remember(i, c, &(&before - to));
                self.settle(i);
                if let Some((cause, state)) = self.carry(i, c, &(to - &before)) {
                    let mut said = [None; 2];
                    said[c] = Some((state, None));
                    self.say(i, cause, own, said);
                }
                self.contacts[i].points[c].clone_from(to);
            }
            Does::WriteBack(i) => {
                let of = self.finds(step, *i)?;
                if (0..2).any(|c| !of.points[c].is_empty() && !self.sees(step.who, of, c)) {
                    return Err("INVALID_INPUT");
                }
                self.settle(*i);
            }
            Does::Delete { contact: i, .. } => {
                self.finds(step, *i)?;
                if self.leads.iter().any(|lead| lead.primary == *i) {
                    return Err("PRIMARY_CONTACT");
                }
                self.refuse_masked(step.who, *i)?;
                self.settle(*i);
                for channel in 0..2 {
                    self.remember(*i, channel, &self.contacts[*i].points[channel].clone());
                }
                self.contacts[*i].events.push((Cause::Deleted, own, [None; 2]));
                self.contacts[*i].gone = true;
            }
            Does::Set { contact: i, at, to, .. } => {
                self.finds(step, *i)?;
                self.refuse_false(step, *at, *i)?;
                self.refuse_lift(step, *i, to)?;
                self.settle(*i);
                let now = self.now;
                let to = to.map(|to| to.map(|(state, h)| (state, h.map(|h| now + h * 3_600))));
                self.say(*i, Cause::Set, at.surface(), to);
            }
            Does::Withdraw { contact: i, at, channels } => {
                self.finds(step, *i)?;
                self.refuse_false(step, *at, *i)?;
                self.settle(*i);
                let to = channels.map(|said| said.then_some((State::Denied, None)));
                self.say(*i, Cause::Withdrawn, at.surface(), to);
            }
            Does::Lead { contact } => {
                self.finds(step, *contact)?;
                let (business, primary, account) = (step.business, *contact, None);
                let contacts = BTreeSet::from([primary]);
                self.leads.push(Lead { business, primary, contacts, account });
            }
            Does::Link { lead, contact } => {
                self.lead(step, *lead)?;
                self.finds(step, *contact)?;
                self.leads[*lead].contacts.insert(*contact);
            }
            Does::Convert { lead } => {
                if self.lead(step, *lead)?.account.is_some() {
                    return Err("ALREADY_CONVERTED");
                }
                self.leads[*lead].account = Some(self.leads[*lead].contacts.clone());
            }
            read => unreachable!("{read:?} writes nothing"),
        }
        let touched = match step.does {
            Does::Create { .. } => Some(self.contacts.len() - 1),
            _ => step.does.contact(),
        };
        let came_to = touched.map(|i| {
            self.contacts[i].revision += 1;
            (i, self.contacts[i].revision, self.seq(i))
        });
        self.writes.push((step.clone(), came_to));
        Ok(self.outcome(step, came_to))
    }

    fn lead(&self, step: &Step, lead: usize) -> Result<&Lead, Refused> {
        self.leads.get(lead).filter(|lead| lead.business == step.business).ok_or("NOT_FOUND")
    }

    /// "A replay repeats the outcome and renders values as the caller may see them now."
    fn repeat(&self, back: usize) -> Answer {
        match self.writes.iter().rev().nth(back) {
            None => Answer::Done,
            Some((step, came_to)) => self.outcome(step, *came_to),
        }
    }

    fn outcome(&self, step: &Step, came_to: Option<CameTo>) -> Answer {
        match (&step.does, came_to) {
            (Does::Set { .. } | Does::Withdraw { .. }, Some((i, revision, seq))) => {
                Answer::Consents(i, revision, seq, self.find(step, i).map(|of| self.states(of)))
            }
            (Does::Delete { .. }, _) | (_, None) => Answer::Done,
            (_, Some((i, revision, _))) => self.shown(step, i, revision),
        }
    }

    fn seq(&self, i: usize) -> i64 {
        i64::try_from(self.contacts[i].events.len()).unwrap()
    }

    /// Everything that is on its way to the ledger, by contact.
    pub fn events(&self) -> Vec<&[Event]> {
        self.contacts.iter().map(|contact| &contact.events[..]).collect()
    }

    /// What a contact's etag comes from.
    pub fn revision(&self, i: usize) -> i64 {
        self.contacts.get(i).map_or(0, |contact| contact.revision)
    }
}
