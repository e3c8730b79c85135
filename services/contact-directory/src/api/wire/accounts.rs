//! Accounts.

use yinyom_consent::wire::timestamp;
use yinyom_consent::{ACCOUNTS, CONTACTS};
use yinyom_kernel::{BusinessId, Etag, InvalidInput, Violations, one_line};
use yinyom_proto::directory::v1 as pb;

use super::read;
use crate::commands::Written;
use crate::domain::contact::search_key;
use crate::domain::lead::{Account, read_title};
use crate::store::accounts::Wanted;

/// An account.
pub fn account(business: BusinessId, account: &Account) -> pb::Account {
    pb::Account {
        name: ACCOUNTS.format(business, account.id),
        display_name: account.display_name.clone(),
        create_time: Some(timestamp(account.created_at)),
        update_time: Some(timestamp(account.updated_at)),
        etag: Etag::of(account.revision).to_string(),
    }
}

/// What was written, with the etag that it had then.
pub fn written(business: BusinessId, written: &Written<Account>) -> pb::Account {
    pb::Account {
        name: ACCOUNTS.format(business, written.receipt.id),
        etag: Etag::of(written.receipt.revision).to_string(),
        ..written.now.as_ref().map(|now| account(business, now)).unwrap_or_default()
    }
}

/// Reads the display name of a new account.
pub fn new_account(given: Option<&pb::Account>) -> Result<String, InvalidInput> {
    match given {
        Some(given) => read_title("account.display_name", &given.display_name),
        None => {
            let mut wrong = Violations::new();
            wrong.missing("account");
            wrong.finish(None)
        }
    }
}

/// Reads the display name that an account shall have.
pub fn patch(
    given: &pb::Account,
    mask: Option<&prost_types::FieldMask>,
) -> Result<String, InvalidInput> {
    let mut wrong = Violations::new();
    let paths = read::mask(&mut wrong, mask, &["display_name"]);
    let title = (!paths.is_empty())
        .then(|| wrong.merge(read_title("account.display_name", &given.display_name)))
        .flatten();
    wrong.finish(title)
}

/// Reads what accounts of `business` are looked for.
pub fn wanted(
    business: Option<BusinessId>,
    given: &pb::SearchAccountsRequest,
) -> Result<Wanted, InvalidInput> {
    let mut wrong = Violations::new();
    let prefix = wrong.merge(one_line("display_name_prefix", &given.display_name_prefix, 200));
    let contact = wrong.merge(read::optional_name("contact", CONTACTS, business, &given.contact));
    let wanted =
        (|| Some(Wanted { name_prefix: prefix?.map(|p| search_key(&p)), contact: contact? }))();
    wrong.finish(wanted)
}
