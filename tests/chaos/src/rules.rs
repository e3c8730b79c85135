//! The owner of each business gives rights and takes them away.

use std::sync::atomic::Ordering;
use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;
use tonic::Status;
use uuid::Uuid;
use yinyom_proto::settings::v1 as set;
use yinyom_proto::settings::v1::business_service_client::BusinessServiceClient;
use yinyom_proto::settings::v1::consent_settings_service_client::ConsentSettingsServiceClient;
use yinyom_proto::types::v1::Role;

use crate::Failure;
use crate::call::{Answer, Line, request};
use crate::clients::Clients;
use crate::facts::Fact;
use crate::journal::{End, Entry, What};
use crate::town::{Firm, Person};

/// A rule that hides more or less.
#[derive(Clone, Copy)]
pub enum Rule<'a> {
    Enforcement,
    NotSet,
    Listed(&'a Person),
    Admin(&'a Person),
    /// A member who is an admin, or none.
    Member(&'a Person),
}

impl<'a> Rule<'a> {
    fn fact(self, firm: &'a Firm) -> &'a Fact {
        match self {
            Self::Enforcement => &firm.enforced,
            Self::NotSet => &firm.not_set_masked,
            Self::Listed(person) | Self::Admin(person) | Self::Member(person) => &person.plain,
        }
    }

    /// Who sees less by it.
    fn concerns(self, firm: &'a Firm) -> &'a Person {
        match self {
            Self::Enforcement | Self::NotSet => &firm.user,
            Self::Listed(person) | Self::Admin(person) | Self::Member(person) => person,
        }
    }

    /// Its name in the journal, and the word for it while it hides more, or less. As the database tells them.
    fn words(self, hides: bool) -> (String, String) {
        let (name, on) = match self {
            Self::Enforcement => ("enforcement".to_owned(), hides),
            Self::NotSet => ("not_set_masked".to_owned(), hides),
            Self::Listed(person) => (format!("listed:{}", person.id), !hides),
            Self::Admin(person) => (format!("admin:{}", person.id), !hides),
            Self::Member(person) => (format!("member:{}", person.id), !hides),
        };
        (name, on.to_string())
    }
}

/// A change of a rule, as it is sent.
enum Message {
    Settings(set::UpdateConsentSettingsRequest),
    Add(set::AddViewersRequest),
    Remove(set::RemoveViewersRequest),
    Role(set::UpdateMemberRequest),
    Hire(set::CreateMemberRequest),
    Dismiss(set::DeleteMemberRequest),
}

impl Message {
    fn new(firm: &Firm, rule: Rule<'_>, hides: bool) -> Self {
        let parent = firm.name.clone();
        let request_id = Uuid::new_v4().to_string();
        match rule {
            Rule::Enforcement | Rule::NotSet => {
                let (path, masked) = match rule {
                    Rule::Enforcement => ("enforcement_enabled", set::NotSetVisibility::Show),
                    _ if hides => ("not_set_visibility", set::NotSetVisibility::Mask),
                    _ => ("not_set_visibility", set::NotSetVisibility::Show),
                };
                Self::Settings(set::UpdateConsentSettingsRequest {
                    consent_settings: Some(set::ConsentSettings {
                        name: format!("{parent}/consentSettings"),
                        enforcement_enabled: hides,
                        not_set_visibility: masked.into(),
                        ..Default::default()
                    }),
                    update_mask: Some(mask(path)),
                    request_id,
                })
            }
            Rule::Listed(person) => {
                let members = vec![person.name.clone()];
                if hides {
                    Self::Remove(set::RemoveViewersRequest { parent, members, request_id })
                } else {
                    Self::Add(set::AddViewersRequest { parent, members, request_id })
                }
            }
            Rule::Admin(person) => {
                let new = if hides { Role::User } else { Role::Admin };
                let name = person.name.clone();
                let member = Some(set::Member { name, role: new.into(), ..Default::default() });
                let update_mask = Some(mask("role"));
                Self::Role(set::UpdateMemberRequest { member, update_mask, request_id })
            }
            Rule::Member(person) if hides => {
                let (name, etag) = (person.name.clone(), String::new());
                Self::Dismiss(set::DeleteMemberRequest { name, etag, request_id })
            }
            Rule::Member(person) => Self::hire(firm, person, Role::Admin),
        }
    }

    fn hire(firm: &Firm, person: &Person, role: Role) -> Self {
        Self::Hire(set::CreateMemberRequest {
            parent: firm.name.clone(),
            member: Some(set::Member {
                display_name: "พนักงาน".to_owned(),
                role: role.into(),
                ..Default::default()
            }),
            member_id: person.id.to_string(),
            request_id: Uuid::new_v4().to_string(),
        })
    }

    async fn send(&self, line: Line, deadline: Duration) -> Result<(), Status> {
        let mut settings = ConsentSettingsServiceClient::new(line.clone());
        let mut businesses = BusinessServiceClient::new(line);
        match self {
            Self::Settings(update) => {
                settings.update_consent_settings(request(update.clone(), deadline)).await.map(drop)
            }
            Self::Add(add) => settings.add_viewers(request(add.clone(), deadline)).await.map(drop),
            Self::Remove(remove) => {
                settings.remove_viewers(request(remove.clone(), deadline)).await.map(drop)
            }
            Self::Role(update) => {
                businesses.update_member(request(update.clone(), deadline)).await.map(drop)
            }
            Self::Hire(create) => {
                businesses.create_member(request(create.clone(), deadline)).await.map(drop)
            }
            Self::Dismiss(delete) => {
                businesses.delete_member(request(delete.clone(), deadline)).await.map(drop)
            }
        }
    }
}

fn mask(path: &str) -> prost_types::FieldMask {
    prost_types::FieldMask { paths: vec![path.to_owned()] }
}

impl Clients {
    /// Hires the people and switches enforcement on.
    pub async fn staff(&self, rng: &mut StdRng) -> Result<(), Failure> {
        for firm in &self.town.firms {
            for person in [&firm.listed, &firm.admin, &firm.user] {
                let message = Message::hire(firm, person, Role::User);
                let rule = (format!("member:{}", person.id), true.to_string());
                self.rule(rng, firm, rule, &message).await?;
                person.plain.stands();
            }
            firm.service.plain.stands();
            firm.guest.plain.stands();
            self.toggle(rng, firm, Rule::Enforcement).await?;
        }
        Ok(())
    }

    /// Gives and takes rights of a business until it is enough; then leaves it enforcing.
    pub async fn keep_ruling(&self, mut rng: StdRng, firm: &Firm) -> Result<(), Failure> {
        let rng = &mut rng;
        while self.going() {
            let rule = match rng.random_range(0..10) {
                0..2 => Rule::Enforcement,
                2..4 => Rule::NotSet,
                4..7 => Rule::Listed(&firm.listed),
                7..9 => Rule::Admin(&firm.admin),
                _ => Rule::Member(&firm.guest),
            };
            self.toggle(rng, firm, rule).await?;
            // What hides stands longer than what does not, so that there is more to be read.
            let hides = rule.fact(firm).since().is_some();
            let pause = rng.random_range(if hides { 150..500 } else { 20..150 });
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
        Ok(())
    }

    /// Makes a rule hide if it does not, and not if it does.
    async fn toggle(&self, rng: &mut StdRng, firm: &Firm, rule: Rule<'_>) -> Result<(), Failure> {
        let fact = rule.fact(firm);
        let hides = fact.since().is_none();
        if !hides {
            fact.totters();
        }
        let message = Message::new(firm, rule, hides);
        let at_once = self.rule(rng, firm, rule.words(hides), &message).await?;
        if hides {
            fact.stands();
            if let Some(time) = at_once {
                self.took(time);
            }
            self.look_at_once(firm, rule.concerns(firm)).await?;
        }
        Ok(())
    }

    async fn rule(
        &self,
        rng: &mut StdRng,
        firm: &Firm,
        (rule, value): (String, String),
        message: &Message,
    ) -> Result<Option<Duration>, Failure> {
        let (op, name) = (self.number(), rule.clone());
        let what = What::Rule { business: firm.id, rule, value };
        self.journal.write(Entry::Intent { op, what }).await?;
        let attempt = |number, deadline| {
            message.send(self.town.lines.settings(number, &firm.owner.bearer), deadline)
        };
        let answered = self.calls.until_answered(rng, &name, attempt).await?;
        let end = match answered.answer {
            Answer::Taken(()) => End::Kept,
            Answer::Refused(reason) => End::Refused(reason),
        };
        let refused = matches!(end, End::Refused(_));
        self.journal.write(Entry::Outcome { op, end }).await?;
        if refused {
            // The facts would be wrong from here on; the verdict counts it.
            self.calls.broken.store(true, Ordering::Relaxed);
            return Err(Failure::GivenUp);
        }
        self.rules.fetch_add(1, Ordering::Relaxed);
        Ok(answered.at_once)
    }
}
