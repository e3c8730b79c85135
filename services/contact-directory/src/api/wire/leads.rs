//! Leads.

use yinyom_consent::wire::timestamp;
use yinyom_consent::{ACCOUNTS, CONTACTS, LEADS};
use yinyom_kernel::{BusinessId, Etag, InvalidInput, Text, Violations, one_line};
use yinyom_proto::directory::v1 as pb;

use super::read;
use crate::commands::Written;
use crate::commands::leads::{LeadPatch, NewLead, Target};
use crate::domain::contact::search_key;
use crate::domain::lead::{Lead, read_source, read_title};
use crate::store::leads::Wanted;

const PATHS: &[&str] = &["title", "source", "primary_contact"];

/// A lead.
pub fn lead(business: BusinessId, lead: &Lead) -> pb::Lead {
    let stage = match lead.account {
        Some(_) => pb::LeadStage::Converted,
        None => pb::LeadStage::Open,
    };
    pb::Lead {
        name: LEADS.format(business, lead.id),
        title: lead.title.clone(),
        source: lead.source.clone(),
        primary_contact: CONTACTS.format(business, lead.primary_contact),
        stage: stage.into(),
        account: lead.account.map(|id| ACCOUNTS.format(business, id)).unwrap_or_default(),
        create_time: Some(timestamp(lead.created_at)),
        update_time: Some(timestamp(lead.updated_at)),
        etag: Etag::of(lead.revision).to_string(),
    }
}

/// What was written, with the etag that it had then.
pub fn written(business: BusinessId, written: &Written<Lead>) -> pb::Lead {
    pb::Lead {
        name: LEADS.format(business, written.receipt.id),
        etag: Etag::of(written.receipt.revision).to_string(),
        ..written.now.as_ref().map(|now| lead(business, now)).unwrap_or_default()
    }
}

/// Reads what a new lead of `business` shall be; `None` is a business that could not be read.
pub fn new_lead(
    business: Option<BusinessId>,
    given: Option<&pb::Lead>,
) -> Result<NewLead, InvalidInput> {
    let mut wrong = Violations::new();
    let Some(given) = given else {
        wrong.missing("lead");
        return wrong.finish(None);
    };
    let title = wrong.merge(read_title("lead.title", &given.title));
    let source = wrong.merge(read_source("lead.source", &given.source));
    let primary = wrong.merge(primary_contact(business, &given.primary_contact));
    let new = (|| Some(NewLead { title: title?, source: source?, primary_contact: primary? }))();
    wrong.finish(new)
}

/// Reads what of a lead shall change.
pub fn patch(
    business: Option<BusinessId>,
    given: &pb::Lead,
    mask: Option<&prost_types::FieldMask>,
) -> Result<LeadPatch, InvalidInput> {
    let mut wrong = Violations::new();
    let paths = read::mask(&mut wrong, mask, PATHS);
    let has = |path: &str| paths.contains(&path);
    let mut patch = LeadPatch::default();
    if has("title") {
        patch.title = wrong.merge(read_title("lead.title", &given.title));
    }
    if has("source") {
        patch.source = wrong.merge(read_source("lead.source", &given.source));
    }
    if has("primary_contact") {
        patch.primary_contact = wrong.merge(primary_contact(business, &given.primary_contact));
    }
    wrong.finish(Some(patch))
}

fn primary_contact(
    business: Option<BusinessId>,
    name: &str,
) -> Result<yinyom_kernel::ContactId, InvalidInput> {
    read::name_in("lead.primary_contact", CONTACTS, business, name)
}

/// Reads what leads of `business` are looked for.
pub fn wanted(
    business: Option<BusinessId>,
    given: &pb::SearchLeadsRequest,
) -> Result<Wanted, InvalidInput> {
    let mut wrong = Violations::new();
    let prefix = wrong.merge(one_line("title_prefix", &given.title_prefix, 200));
    let source = wrong.merge(one_line("source", &given.source, 200));
    let contact = wrong.merge(read::optional_name("contact", CONTACTS, business, &given.contact));
    let wanted = (|| {
        Some(Wanted {
            title_prefix: prefix?.map(|prefix| search_key(&prefix)),
            source: source?,
            contact: contact?,
        })
    })();
    wrong.finish(wanted)
}

/// Reads what a lead of `business` is turned into.
pub fn target(
    business: Option<BusinessId>,
    given: Option<&pb::convert_lead_request::Target>,
) -> Result<Target, InvalidInput> {
    use pb::convert_lead_request::Target as Given;
    match given {
        Some(Given::Account(name)) => {
            let id = read::optional_name("account", ACCOUNTS, business, name)?;
            let mut wrong = Violations::new();
            if id.is_none() {
                wrong.missing("account");
            }
            wrong.finish(id.map(Target::Existing))
        }
        Some(Given::NewAccountDisplayName(name)) => {
            let display_name = read_title("new_account_display_name", name)?;
            Ok(Target::New { display_name })
        }
        None => Err(InvalidInput::one(
            "target",
            "REQUIRED",
            Text::new(
                "must be account or new_account_display_name.",
                "ต้องระบุ account หรือ new_account_display_name",
            ),
        )),
    }
}
