//! What happens to a contact: each event as the calls that a client makes.

use contact_directory::commands::bulk::Work;
use tonic::Status;
use yinyom_consent::Channel;
use yinyom_proto::directory::v1 as pb;
use yinyom_proto::directory::v1::account_service_client::AccountServiceClient;
use yinyom_proto::directory::v1::batch_set_contact_consents_result::Result as Row;
use yinyom_proto::directory::v1::bulk_consent_service_client::BulkConsentServiceClient;
use yinyom_proto::directory::v1::bulk_set_result::Result as BulkRow;
use yinyom_proto::directory::v1::consent_service_client::ConsentServiceClient;
use yinyom_proto::directory::v1::contact_service_client::ContactServiceClient;
use yinyom_proto::directory::v1::lead_service_client::LeadServiceClient;
use yinyom_proto::directory::v1::merge_service_client::MergeServiceClient;
use yinyom_proto::types::v1::{ConsentState, Surface};

use crate::lifecycle::people::Wire;
use crate::lifecycle::town::{Case, Town};

/// The contact that it is about now, if that is another one; or why it was refused.
pub type Did = Result<Option<String>, String>;

/// What the other contact of a merge consents to.
pub fn other(event: &str) -> Option<ConsentState> {
    match event {
        "merge with a NOT_SET one" => Some(ConsentState::NotSet),
        "merge with a DENIED one" => Some(ConsentState::Denied),
        "merge with a GRANTED one" | "undo a merge" | "undo a merge after a refusal" => {
            Some(ConsentState::Granted)
        }
        _ => None,
    }
}

/// Whether the contact is of the shared lead and account.
pub fn is_linked(event: &str) -> bool {
    event.ends_with("_CONTACTS") || event.starts_with("unlink")
}

/// Whether the contact has a lead of its own.
pub fn has_lead(event: &str) -> bool {
    event.ends_with("on LEAD") || event == "convert the lead"
}

/// Whether the event records a grant that has run out, when it does nothing else.
pub fn touches(event: &str, did: &Did) -> bool {
    did.is_ok() && event.contains("an address")
}

/// The state that counts of a contact that nothing has happened to.
pub fn as_was(case: &Case) -> &'static str {
    let merged = case.event == "undo a merge after a refusal";
    match case.old {
        _ if merged => "DENIED",
        "EXPIRED" => "NOT_SET",
        old => old,
    }
}

/// What the owner does before: the name of the merge that is to be undone.
pub async fn prepare(town: &Town<'_>, case: &Case) -> String {
    if !case.event.starts_with("undo") {
        return String::new();
    }
    let mut desk = MergeServiceClient::new(town.owner(case.at));
    let merged = desk.merge_contacts(merge(town, case)).await.unwrap().into_inner();
    if case.event.ends_with("refusal") {
        let mut consents = ConsentServiceClient::new(town.owner(case.at));
        let request = pb::WithdrawConsentRequest {
            contact: case.contact.clone(),
            channels: vec![town.wire_channel().into()],
            surface: Surface::Contacts.into(),
            ..<_>::default()
        };
        consents.withdraw_consent(request).await.unwrap();
    }
    merged.merge.unwrap().name
}

/// Lets it happen.
pub async fn act(town: &Town<'_>, case: &Case, prepared: String) -> Did {
    let done = match case.event.split_once(' ') {
        Some(("set", how)) => set(town, case, how).await,
        Some(("bulk", how)) => bulk(town, case, how).await,
        Some(("withdraw", on)) => withdraw(town, case, on).await,
        Some(("import", what)) => import(town, case, what, false).await,
        Some(("dry", of)) => import(town, case, of.trim_start_matches("run of "), true).await,
        Some(("add" | "change" | "remove" | "write", _)) => address(town, case).await,
        Some(("convert" | "link" | "unlink", _)) => link(town, case).await,
        Some(("merge", _)) => {
            let mut merges = MergeServiceClient::new(town.actor(case));
            merges.merge_contacts(merge(town, case)).await.map(|_| None)
        }
        Some(("undo", _)) => {
            let request = pb::UndoMergeRequest { name: prepared, ..<_>::default() };
            MergeServiceClient::new(town.actor(case)).undo_merge(request).await.map(|_| None)
        }
        Some(("time", _)) => Ok(None),
        _ => delete(town, case).await,
    };
    done.map_err(|status| reason(&status))
}

fn reason(status: &Status) -> String {
    yinyom_rpc::reason(status).unwrap_or_else(|| panic!("{status:?}"))
}

fn state(word: &str) -> ConsentState {
    ConsentState::from_str_name(&format!("CONSENT_STATE_{word}")).unwrap_or_default()
}

/// A page, with what a call from there carries.
fn place(town: &Town<'_>, case: &Case, on: &str) -> (i32, String, String) {
    let surface = Surface::from_str_name(&format!("SURFACE_{on}")).expect(on);
    let (lead, account) = match surface {
        Surface::Lead => (case.lead.clone(), String::new()),
        Surface::LeadContacts => (town.leads[case.at].clone(), String::new()),
        Surface::AccountContacts => (String::new(), town.accounts[case.at].clone()),
        _ => <_>::default(),
    };
    (surface.into(), lead, account)
}

async fn set(town: &Town<'_>, case: &Case, how: &str) -> Result<Option<String>, Status> {
    let (word, on) = how.split_once(' ').unwrap();
    let in_a_batch = on == "in a batch";
    let on = if in_a_batch { "CONTACTS" } else { on.trim_start_matches("on ") };
    let (surface, lead, account) = place(town, case, on);
    let (channel, state) = (town.wire_channel().into(), state(word).into());
    let assignments = vec![pb::ConsentAssignment { channel, state, expire_time: None }];
    let contact = case.contact.clone();
    let request = pb::SetContactConsentsRequest {
        contact,
        surface,
        lead,
        account,
        assignments,
        ..<_>::default()
    };
    let mut consents = ConsentServiceClient::new(town.actor(case));
    if !in_a_batch {
        return consents.set_contact_consents(request).await.map(|_| None);
    }
    let (parent, requests) = (town.parent(case.at), vec![request]);
    let batch = pb::BatchSetContactConsentsRequest { parent, requests, ..<_>::default() };
    let answer = consents.batch_set_contact_consents(batch).await?.into_inner();
    match answer.results.into_iter().next().and_then(|row| row.result) {
        Some(Row::ContactConsents(_)) => Ok(None),
        // Told as a refusal of the whole would be.
        Some(Row::Refusal(refusal)) => Err(refused(&refusal.reason)),
        None => panic!("no answer"),
    }
}

/// As an operation that has ended by the time that one looks.
async fn bulk(town: &Town<'_>, case: &Case, how: &str) -> Result<Option<String>, Status> {
    let (word, on) = how.split_once(' ').unwrap();
    let by_filter = on == "by filter";
    let on = if by_filter { "CONTACTS" } else { on.trim_start_matches("on ") };
    let (surface, lead, account) = place(town, case, on);
    let (channel, state) = (town.wire_channel().into(), state(word).into());
    let external_id = town.row(case.n, false, ConsentState::Unspecified).external_id;
    let filter = pb::ContactFilter { external_id, ..<_>::default() };
    let request = pb::BulkSetContactConsentsRequest {
        parent: town.parent(case.at),
        contacts: if by_filter { Vec::new() } else { vec![case.contact.clone()] },
        filter: by_filter.then_some(filter),
        surface,
        lead,
        account,
        assignments: vec![pb::ConsentAssignment { channel, state, expire_time: None }],
        ..<_>::default()
    };
    let mut desk = BulkConsentServiceClient::new(town.actor(case));
    let operation = desk.bulk_set_contact_consents(request).await?.into_inner().name;
    // It is the only one, and one block.
    Work::new(town.house.directory.clone()).in_looks_of(1).go_on().await.unwrap();
    let asked = pb::ListBulkSetResultsRequest { operation, ..<_>::default() };
    let results = desk.list_bulk_set_results(asked).await?.into_inner().results;
    let [result] = <[_; 1]>::try_from(results).expect("what became of the one contact");
    assert_eq!(result.contact, case.contact);
    match result.result.expect("an outcome") {
        BulkRow::ConsentSeq(_) => Ok(None),
        // Told as a refusal of the whole would be.
        BulkRow::Refusal(refusal) => Err(refused(&refusal.reason)),
    }
}

/// A row's refusal as that of a call.
fn refused(reason: &str) -> Status {
    use tonic_types::StatusExt;
    let details = tonic_types::ErrorDetails::with_error_info(reason, "yinyom.dev", []);
    Status::with_error_details(tonic::Code::FailedPrecondition, "", details)
}

async fn withdraw(town: &Town<'_>, case: &Case, on: &str) -> Result<Option<String>, Status> {
    let (surface, lead, account) = place(town, case, on.trim_start_matches("on "));
    let (contact, channels) = (case.contact.clone(), vec![town.wire_channel().into()]);
    let request =
        pb::WithdrawConsentRequest { contact, channels, surface, lead, account, ..<_>::default() };
    ConsentServiceClient::new(town.actor(case)).withdraw_consent(request).await.map(|_| None)
}

async fn import(
    town: &Town<'_>,
    case: &Case,
    what: &str,
    validate_only: bool,
) -> Result<Option<String>, Status> {
    let opt_outs_only = what == "opt-outs";
    let says = if opt_outs_only { ConsentState::Denied } else { state(what) };
    let mut row = town.row(case.n, false, says);
    if opt_outs_only {
        // A list knows nobody.
        (row.external_id, row.first_name) = <_>::default();
    }
    let (parent, rows, request_id) = (town.parent(case.at), vec![row], String::new());
    let request =
        pb::ImportContactsRequest { parent, rows, request_id, validate_only, opt_outs_only };
    let results = Town::import(town.actor(case), request).await?;
    assert!(!matches!(
        results[0].outcome(),
        pb::ImportOutcome::Created | pb::ImportOutcome::Rejected
    ));
    Ok(None)
}

async fn address(town: &Town<'_>, case: &Case) -> Result<Option<String>, Status> {
    let name = case.contact.clone();
    let found = ContactServiceClient::new(town.owner(case.at))
        .get_contact(pb::GetContactRequest { name: name.clone() })
        .await
        .unwrap();
    let found = found.into_inner().contact.unwrap();
    let there = if town.channel == Channel::Phone { found.phones } else { found.emails };
    let mut points: Vec<_> = (there.into_iter())
        .map(|point| pb::ContactPoint { id: point.id, value: point.value, ..<_>::default() })
        .collect();
    let [new, _] = town.addresses(case.n, true);
    match case.event {
        "add an address" => points.push(pb::ContactPoint { value: new, ..<_>::default() }),
        "change an address" => points[0].value = new,
        "remove an address" => drop(points.remove(0)),
        _ => {
            let value = &mut points[0].value;
            *value = match town.channel {
                Channel::Phone => value.replace("+66", "0066 "),
                Channel::Email => value.to_uppercase(),
            };
        }
    }
    let paths = vec![if town.channel == Channel::Phone { "phones" } else { "emails" }.to_owned()];
    let contact = match town.channel {
        Channel::Phone => pb::Contact { name, phones: points, ..<_>::default() },
        Channel::Email => pb::Contact { name, emails: points, ..<_>::default() },
    };
    let (contact, update_mask) = (Some(contact), Some(prost_types::FieldMask { paths }));
    let request = pb::UpdateContactRequest { contact, update_mask, ..<_>::default() };
    ContactServiceClient::new(town.actor(case)).update_contact(request).await.map(|_| None)
}

async fn link(town: &Town<'_>, case: &Case) -> Result<Option<String>, Status> {
    let mut leads: LeadServiceClient<Wire> = LeadServiceClient::new(town.actor(case));
    let mut accounts = AccountServiceClient::new(town.actor(case));
    let (lead, account) = (town.leads[case.at].clone(), town.accounts[case.at].clone());
    let contacts = vec![case.contact.clone()];
    let more = String::new();
    match case.event {
        "convert the lead" => {
            let (name, etag) = (case.lead.clone(), String::new());
            let target = pb::convert_lead_request::Target::NewAccountDisplayName("New".to_owned());
            let target = Some(target);
            let request = pb::ConvertLeadRequest { name, etag, request_id: more, target };
            leads.convert_lead(request).await.map(|_| None)
        }
        "link to a lead" => {
            let to = pb::AddLeadContactsRequest { parent: lead, contacts, request_id: more };
            leads.add_lead_contacts(to).await.map(|_| None)
        }
        "unlink from a lead" => {
            let of = pb::RemoveLeadContactsRequest { parent: lead, contacts, request_id: more };
            leads.remove_lead_contacts(of).await.map(|_| None)
        }
        "link to an account" => {
            let to = pb::AddAccountContactsRequest { parent: account, contacts, request_id: more };
            accounts.add_account_contacts(to).await.map(|_| None)
        }
        _ => {
            let of =
                pb::RemoveAccountContactsRequest { parent: account, contacts, request_id: more };
            accounts.remove_account_contacts(of).await.map(|_| None)
        }
    }
}

async fn delete(town: &Town<'_>, case: &Case) -> Result<Option<String>, Status> {
    let mut contacts = ContactServiceClient::new(town.actor(case));
    let request = pb::DeleteContactRequest { name: case.contact.clone(), ..<_>::default() };
    contacts.delete_contact(request).await?;
    let parent = town.parent(case.at);
    match case.event {
        "delete" => Ok(None),
        "delete and enter anew" => {
            let points: Vec<_> = (town.addresses(case.n, false).into_iter())
                .map(|value| pb::ContactPoint { value, ..<_>::default() })
                .collect();
            let first_name = "Anew".to_owned();
            let contact = match town.channel {
                Channel::Phone => pb::Contact { first_name, phones: points, ..<_>::default() },
                Channel::Email => pb::Contact { first_name, emails: points, ..<_>::default() },
            };
            let request =
                pb::CreateContactRequest { parent, contact: Some(contact), ..<_>::default() };
            let made = contacts.create_contact(request).await?.into_inner().contact.unwrap();
            Ok(Some(made.name))
        }
        _ => {
            let rows = vec![town.row(case.n, false, ConsentState::Granted)];
            let request = pb::ImportContactsRequest { parent, rows, ..<_>::default() };
            let results = Town::import(town.owner(case.at), request).await?;
            Ok(Some(results[0].contact.clone()))
        }
    }
}

fn merge(town: &Town<'_>, case: &Case) -> pb::MergeContactsRequest {
    pb::MergeContactsRequest {
        parent: town.parent(case.at),
        survivor: case.contact.clone(),
        absorbed: case.other.clone(),
        ..<_>::default()
    }
}
