//! Where in the CRM a change was made (the seed's four places), and whether that is true.

use yinyom_consent::{Surface, SurfaceParent};
use yinyom_kernel::{AccountId, InvalidInput, LeadId, Text, Violations};

use super::Refusal;

/// A surface together with the page's owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The page of a lead; acts on the lead's primary contact.
    Lead(LeadId),
    /// The contacts of a lead.
    LeadContacts(LeadId),
    /// The contacts of an account.
    AccountContacts(AccountId),
    /// The contacts menu.
    Contacts,
    /// A service.
    Api,
    /// An import; made by `ImportContacts`, refused to everybody who names it.
    Import,
}

/// By what kind of caller a change is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    Member,
    Service,
}

/// How the contact stands to the page's owner. All false where that does not exist: who names a lead of
/// somebody else learns nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Facts {
    pub primary_contact_of_lead: bool,
    pub contact_of_lead: bool,
    pub contact_of_account: bool,
}

impl Place {
    /// Reads `surface`, `lead` and `account`: each surface has its own parent and no other.
    pub fn read(
        surface: Option<Surface>,
        lead: Option<LeadId>,
        account: Option<AccountId>,
    ) -> Result<Self, InvalidInput> {
        let mut wrong = Violations::new();
        let place = match surface {
            None => {
                wrong.missing("surface");
                None
            }
            Some(Surface::Lead) => required(&mut wrong, "lead", lead).map(Self::Lead),
            Some(Surface::LeadContacts) => {
                required(&mut wrong, "lead", lead).map(Self::LeadContacts)
            }
            Some(Surface::AccountContacts) => {
                required(&mut wrong, "account", account).map(Self::AccountContacts)
            }
            Some(Surface::Contacts) => Some(Self::Contacts),
            Some(Surface::Api) => Some(Self::Api),
            Some(Surface::Import) => Some(Self::Import),
        };
        if let Some(surface) = surface {
            let of_lead = matches!(surface, Surface::Lead | Surface::LeadContacts);
            refuse_other(&mut wrong, "lead", lead.is_some() && !of_lead);
            let of_account = surface == Surface::AccountContacts;
            refuse_other(&mut wrong, "account", account.is_some() && !of_account);
        }
        wrong.finish(place)
    }

    /// Refuses a false surface: one that is not the caller's to name, or on whose page the contact is not.
    pub const fn check(self, by: By, facts: Facts) -> Result<(), Refusal> {
        let is_true = match (by, self) {
            (By::Member, Self::Lead(_)) => facts.primary_contact_of_lead,
            (By::Member, Self::LeadContacts(_)) => facts.contact_of_lead,
            (By::Member, Self::AccountContacts(_)) => facts.contact_of_account,
            (By::Member, Self::Contacts) | (By::Service, Self::Api) => true,
            (By::Member, Self::Api)
            | (
                By::Service,
                Self::Lead(_) | Self::LeadContacts(_) | Self::AccountContacts(_) | Self::Contacts,
            )
            | (_, Self::Import) => false,
        };
        if is_true { Ok(()) } else { Err(Refusal::SurfaceMismatch) }
    }

    /// The surface alone.
    pub const fn surface(self) -> Surface {
        match self {
            Self::Lead(_) => Surface::Lead,
            Self::LeadContacts(_) => Surface::LeadContacts,
            Self::AccountContacts(_) => Surface::AccountContacts,
            Self::Contacts => Surface::Contacts,
            Self::Api => Surface::Api,
            Self::Import => Surface::Import,
        }
    }

    /// The page's owner.
    pub const fn parent(self) -> Option<SurfaceParent> {
        match self {
            Self::Lead(lead) | Self::LeadContacts(lead) => Some(SurfaceParent::Lead(lead)),
            Self::AccountContacts(account) => Some(SurfaceParent::Account(account)),
            Self::Contacts | Self::Api | Self::Import => None,
        }
    }
}

fn required<T>(wrong: &mut Violations, field: &str, given: Option<T>) -> Option<T> {
    if given.is_none() {
        wrong.missing(field);
    }
    given
}

fn refuse_other(wrong: &mut Violations, field: &str, given: bool) {
    if given {
        wrong.push(
            field,
            "NOT_ON_THIS_SURFACE",
            Text::new("does not belong to this surface.", "ไม่เข้ากับหน้าที่ระบุ"),
        );
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use yinyom_kernel::Fault;

    use super::*;

    fn lead() -> LeadId {
        uuid::Uuid::from_u128(1).into()
    }

    fn account() -> AccountId {
        uuid::Uuid::from_u128(2).into()
    }

    const ALL_TRUE: Facts =
        Facts { primary_contact_of_lead: true, contact_of_lead: true, contact_of_account: true };

    fn places() -> [Place; 6] {
        [
            Place::Lead(lead()),
            Place::LeadContacts(lead()),
            Place::AccountContacts(account()),
            Place::Contacts,
            Place::Api,
            Place::Import,
        ]
    }

    #[test]
    fn members_have_four_surfaces_services_one_and_nobody_names_an_import() {
        let allowed = |by| places().map(|place| place.check(by, ALL_TRUE).is_ok());
        assert_eq!(allowed(By::Member), [true, true, true, true, false, false]);
        assert_eq!(allowed(By::Service), [false, false, false, false, true, false]);
    }

    #[test]
    fn a_false_surface_is_refused() {
        let f = Facts::default();
        let cases = [
            (Place::Lead(lead()), Facts { primary_contact_of_lead: true, ..f }),
            (Place::LeadContacts(lead()), Facts { contact_of_lead: true, ..f }),
            (Place::AccountContacts(account()), Facts { contact_of_account: true, ..f }),
        ];
        for (place, only_this) in cases {
            assert_eq!(place.check(By::Member, only_this), Ok(()));
            let all_but_this = Facts {
                primary_contact_of_lead: !only_this.primary_contact_of_lead,
                contact_of_lead: !only_this.contact_of_lead,
                contact_of_account: !only_this.contact_of_account,
            };
            assert_eq!(place.check(By::Member, all_but_this), Err(Refusal::SurfaceMismatch));
        }
        assert_eq!(Place::Contacts.check(By::Member, f), Ok(()), "the contacts menu has no parent");
    }

    #[test]
    fn the_lead_page_acts_on_the_primary_contact_only() {
        let another = Facts { contact_of_lead: true, ..Facts::default() };
        let refused = Place::Lead(lead()).check(By::Member, another);
        assert_eq!(refused, Err(Refusal::SurfaceMismatch));
    }

    /// Every surface × lead given or not × account given or not.
    #[test]
    fn each_surface_carries_its_own_parent_and_no_other() {
        for surface in Surface::ALL.iter().copied() {
            for (has_lead, has_account) in
                [(false, false), (false, true), (true, false), (true, true)]
            {
                let read =
                    Place::read(Some(surface), has_lead.then(lead), has_account.then(account));
                let needs = match surface {
                    Surface::Lead | Surface::LeadContacts => (true, false),
                    Surface::AccountContacts => (false, true),
                    Surface::Contacts | Surface::Api | Surface::Import => (false, false),
                };
                assert_eq!(read.is_ok(), (has_lead, has_account) == needs, "{surface:?}");
                if let Ok(place) = read {
                    assert_eq!(place.surface(), surface);
                    assert_eq!(place.parent().is_some(), has_lead || has_account);
                }
            }
        }
    }

    #[test]
    fn every_wrong_field_is_named_at_once() {
        let wrong = Place::read(Some(Surface::AccountContacts), Some(lead()), None).unwrap_err();
        let fields: Vec<_> =
            wrong.violations().iter().map(|v| (v.field.as_str(), v.reason)).collect();
        assert_eq!(fields, [("account", "REQUIRED"), ("lead", "NOT_ON_THIS_SURFACE")]);
        let forgot = Place::read(None, None, None).unwrap_err();
        assert_eq!(forgot.violations()[0].field, "surface");
    }
}
