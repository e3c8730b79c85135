//! Who sends, and what there is to ask for.

use yinyom_proto::types::v1::{Channel, ConsentState};
use yinyom_testkit::tokens::Bearer;

use crate::wild::Words;
use crate::{House, Things};

/// A caller.
pub struct Caller {
    pub who: &'static str,
    /// `Bearer …`; empty for nobody.
    pub token: String,
    pub surface: i32,
    pub sees_everything: bool,
    /// Records what customers say in any business.
    pub speaks: bool,
}

/// Two businesses: one in which everything may happen, and one that has something to hide from all of these callers.
pub struct Town {
    pub callers: Vec<Caller>,
    ours: Of,
    theirs: Of,
    phones: Vec<String>,
    emails: Vec<String>,
    texts: Vec<String>,
}

struct Of {
    business: String,
    contacts: Vec<String>,
    leads: Vec<String>,
    accounts: Vec<String>,
    merges: Vec<String>,
    members: Vec<String>,
    operations: Vec<String>,
    points: Vec<String>,
}

impl Town {
    pub async fn found(house: &House) -> Self {
        let (business, other) = (house.found().await, house.found().await);
        let things = Things::make(house, &business).await;
        let foreign = Things::make(house, &other).await;
        let hidden = other.contact(&["+66818887771"], &["zubrov@example.co.th"]).await;
        for channel in [Channel::Phone, Channel::Email] {
            other.say(&hidden.name, channel, ConsentState::Denied).await;
        }
        let seen = business.contact(&["+66817776661"], &["kanari@example.co.th"]).await;
        let caller = |who, bearer: &Bearer, surface| Caller {
            who,
            token: token(bearer),
            surface,
            sees_everything: matches!(who, "mailer"),
            speaks: matches!(who, "mailer" | "dashboard"),
        };
        let mut callers: Vec<_> =
            business.people().iter().map(|(who, person)| caller(who, &person.bearer, 4)).collect();
        callers.push(caller("their user", &other.user.bearer, 4));
        callers.push(caller("their officer", &other.officer.bearer, 4));
        let named = [
            "vendor",
            "mailer",
            "dashboard",
            "elsewhere",
            "contact-directory",
            "consent-settings",
            "consent-manager",
        ];
        callers.extend(named.map(|who| caller(who, &house.tokens.named(who), 6)));
        callers.push(Caller {
            who: "nobody",
            token: String::new(),
            surface: 4,
            sees_everything: false,
            speaks: false,
        });
        let of = |things: Things, contact: yinyom_proto::directory::v1::Contact| Of {
            business: things.business,
            contacts: vec![things.contact, things.primary, contact.name],
            leads: vec![things.lead],
            accounts: vec![things.account],
            merges: vec![things.merge],
            members: vec![things.member],
            operations: vec![things.operation],
            points: contact.phones.into_iter().map(|point| point.id).collect(),
        };
        let texts = ["kanari", "คานารี่", "คานารี่ kanari 0817776661"].map(str::to_owned).to_vec();
        Self {
            callers,
            ours: of(things, seen),
            theirs: of(foreign, hidden),
            phones: ["+66817776661", "0817776661", "๐๘๑๗๗๗๖๖๖๑"].map(str::to_owned).to_vec(),
            emails: ["kanari@example.co.th", "kanari@@example"].map(str::to_owned).to_vec(),
            texts,
        }
    }

    pub fn words(&self, theirs: bool, surface: i32, now: i64) -> Words<'_> {
        let of = if theirs { &self.theirs } else { &self.ours };
        Words {
            business: &of.business,
            contacts: &of.contacts,
            leads: &of.leads,
            accounts: &of.accounts,
            merges: &of.merges,
            members: &of.members,
            operations: &of.operations,
            points: &of.points,
            phones: &self.phones,
            emails: &self.emails,
            texts: &self.texts,
            surface,
            now,
        }
    }
}

fn token(bearer: &Bearer) -> String {
    let request = bearer.request(());
    let token = request.metadata().get("authorization").expect("a token");
    token.to_str().expect("text").to_owned()
}
