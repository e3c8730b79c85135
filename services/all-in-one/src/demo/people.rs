//! Who the demo business consists of. All names and addresses are made up.

use uuid::Uuid;
use yinyom_kernel::MemberId;
use yinyom_proto::types::v1::ConsentState::{self, Denied, Granted, NotSet};
use yinyom_proto::types::v1::Role;

/// The demo business.
pub const BUSINESS: &str = "ร้านตัวอย่าง (demo)";

/// A member.
pub struct Person {
    number: u8,
    pub name: &'static str,
    pub role: Role,
    pub listed: bool,
    pub protection_officer: bool,
}

/// The owner first. The plain user comes before the protection officer: scripts take the first USER
/// who is not listed.
pub const PEOPLE: [Person; 5] = [
    person(1, "อรทัย (owner)", Role::Owner, false, false),
    person(2, "ธนา (admin)", Role::Admin, false, false),
    person(3, "มานี (user on the viewer list)", Role::User, true, false),
    person(4, "ปิติ (user)", Role::User, false, false),
    person(5, "วีระ (protection officer)", Role::User, false, true),
];

const fn person(
    number: u8,
    name: &'static str,
    role: Role,
    listed: bool,
    protection_officer: bool,
) -> Person {
    Person { number, name, role, listed, protection_officer }
}

impl Person {
    /// The same at every start.
    pub fn id(&self) -> MemberId {
        id(u128::from(self.number)).into()
    }
}

/// Where a customer said something, and so who can have heard it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// On the page of the lead of this title, whose primary contact it is.
    Lead(&'static str),
    /// Among the contacts of that lead.
    LeadContacts(&'static str),
    /// Among the contacts of the account of this name.
    AccountContacts(&'static str),
    /// In the contacts menu.
    Contacts,
}

/// A customer's person.
pub struct Customer {
    pub external_id: &'static str,
    pub first_name: &'static str,
    pub last_name: &'static str,
    pub phones: &'static [&'static str],
    pub emails: &'static [&'static str],
    pub phone: ConsentState,
    pub email: ConsentState,
    pub heard: Heard,
    /// The grants run out in a week.
    pub expiring: bool,
}

/// Leads: title, source, `external_id` of the primary contact.
pub const LEADS: [(&str, &str, &str); 3] = [
    ("สนใจคอนโด", "Facebook", "phone-denied-email-granted"),
    ("สนใจรถยนต์", "LINE OA", "both-granted"),
    ("สนใจคอร์สเรียน", "Website", "phone-not-set-email-granted"),
];

/// Accounts by name.
pub const ACCOUNTS: [&str; 2] = ["บริษัท ตัวอย่าง จำกัด", "หจก. ลองดู"];

/// The contact that the printed commands are about: its phone is refused, its e-mail not yet.
pub const STORY: &str = "phone-denied-email-granted";

/// Every pair of states, and what else is worth a look.
pub const CUSTOMERS: [Customer; 12] = [
    customer(
        STORY,
        ("สมชาย", "ใจดี"),
        &["081-234-5678"],
        &["somchai@example.com"],
        (Denied, Granted),
        Heard::Lead("สนใจคอนโด"),
    ),
    customer(
        "both-granted",
        ("สมหญิง", "รักเรียน"),
        &["089 111 2222"],
        &["somying@example.com"],
        (Granted, Granted),
        Heard::Lead("สนใจรถยนต์"),
    ),
    customer(
        "phone-not-set-email-granted",
        ("วิชัย", "ขยัน"),
        &["+66 82 345 6789"],
        &["wichai@example.com"],
        (NotSet, Granted),
        Heard::Lead("สนใจคอร์สเรียน"),
    ),
    customer(
        "both-not-set",
        ("มาลี", "แสงทอง"),
        &["๐๘๓๔๕๖๗๘๙๐"],
        &["malee@example.com"],
        (NotSet, NotSet),
        Heard::Contacts,
    ),
    customer(
        "both-denied",
        ("ประเสริฐ", "มั่นคง"),
        &["(084) 567 8901"],
        &["prasert@example.com"],
        (Denied, Denied),
        Heard::LeadContacts("สนใจคอนโด"),
    ),
    customer(
        "phone-granted-email-denied",
        ("กานดา", "ศรีสุข"),
        &["0856789012"],
        &["kanda@example.com"],
        (Granted, Denied),
        Heard::AccountContacts("บริษัท ตัวอย่าง จำกัด"),
    ),
    customer(
        "phone-granted-email-not-set",
        ("ณัฐ", "พงษ์ไพร"),
        &["0066867890123"],
        &["nat@example.com"],
        (Granted, NotSet),
        Heard::AccountContacts("บริษัท ตัวอย่าง จำกัด"),
    ),
    customer(
        "phone-denied-email-not-set",
        ("จันทร์", "เพ็ญพร"),
        &["0878901234"],
        &["chan@example.com"],
        (Denied, NotSet),
        Heard::Contacts,
    ),
    customer(
        "phone-not-set-email-denied",
        ("บุญมี", "ดีเลิศ"),
        &["0889012345"],
        &["boonmee@example.com"],
        (NotSet, Denied),
        Heard::AccountContacts("หจก. ลองดู"),
    ),
    Customer {
        expiring: true,
        ..customer(
            "grants-run-out-in-a-week",
            ("อารี", "ใจงาม"),
            &["0890123456"],
            &["aree@example.com"],
            (Granted, Granted),
            Heard::Contacts,
        )
    },
    customer(
        "several-addresses",
        ("ศิริ", "วัฒนา"),
        &["0911112222", "02-123-4567"],
        &["office@example.com", "sales@example.com"],
        (Granted, NotSet),
        Heard::AccountContacts("หจก. ลองดู"),
    ),
    // The family of `both-granted`: one phone, two answers.
    customer(
        "shares-a-phone-and-refuses",
        ("สมพร", "รักเรียน"),
        &["0891112222"],
        &["somporn@example.com"],
        (Denied, NotSet),
        Heard::LeadContacts("สนใจรถยนต์"),
    ),
];

const fn customer(
    external_id: &'static str,
    (first_name, last_name): (&'static str, &'static str),
    phones: &'static [&'static str],
    emails: &'static [&'static str],
    (phone_state, email_state): (ConsentState, ConsentState),
    heard: Heard,
) -> Customer {
    Customer {
        external_id,
        first_name,
        last_name,
        phones,
        emails,
        phone: phone_state,
        email: email_state,
        heard,
        expiring: false,
    }
}

/// An id that is the same at every start, for what the demo creates.
pub const fn id(number: u128) -> Uuid {
    Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 | number)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use yinyom_privacy::{Email, Phone};

    use super::*;

    #[test]
    fn every_pair_of_states_is_there() {
        let pairs: HashSet<(i32, i32)> =
            CUSTOMERS.iter().map(|c| (c.phone.into(), c.email.into())).collect();
        assert_eq!(pairs.len(), 9);
        assert!(CUSTOMERS.iter().any(|customer| customer.expiring));
    }

    #[test]
    fn addresses_can_be_stored_and_reach_nobody() {
        for customer in &CUSTOMERS {
            assert!(
                customer.phones.iter().all(|phone| Phone::parse(phone).is_ok()),
                "{}",
                customer.external_id
            );
            assert!(customer.emails.iter().all(|email| Email::parse(email).is_ok()));
            assert!(customer.emails.iter().all(|email| email.ends_with("@example.com")));
        }
    }

    #[test]
    fn names_stand_for_one_thing() {
        let ids: HashSet<&str> = CUSTOMERS.iter().map(|customer| customer.external_id).collect();
        assert_eq!(ids.len(), CUSTOMERS.len());
        for (title, _, primary) in LEADS {
            assert!(ids.contains(primary), "{title}");
        }
        for customer in &CUSTOMERS {
            match customer.heard {
                Heard::Lead(title) => assert!(
                    LEADS.iter().any(|lead| (lead.0, lead.2) == (title, customer.external_id))
                ),
                Heard::LeadContacts(title) => assert!(LEADS.iter().any(|lead| lead.0 == title)),
                Heard::AccountContacts(name) => assert!(ACCOUNTS.contains(&name)),
                Heard::Contacts => {}
            }
        }
    }

    #[test]
    fn the_first_user_who_is_not_listed_is_a_plain_one() {
        let user = PEOPLE.iter().find(|person| person.role == Role::User && !person.listed);
        assert!(user.is_some_and(|user| !user.protection_officer));
        assert_eq!(PEOPLE[0].role, Role::Owner);
    }

    #[test]
    fn the_story_begins_with_something_to_hide_and_something_to_refuse() {
        let story = CUSTOMERS.iter().find(|customer| customer.external_id == STORY);
        assert!(story.is_some_and(|story| (story.phone, story.email) == (Denied, Granted)));
    }
}
