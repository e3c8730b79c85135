//! Everything that a business has stored, in all three services.

use yinyom_proto::directory::v1 as dir;
use yinyom_proto::manager::v1 as man;
use yinyom_proto::settings::v1 as set;
use yinyom_tests::{Person, eventually};

use crate::bad_input::World;

/// What the owner reads when every change has reached the ledger.
#[derive(Debug, PartialEq)]
pub struct Stored {
    contacts: Vec<dir::Contact>,
    leads: Vec<dir::Lead>,
    accounts: Vec<dir::Account>,
    business: Option<set::Business>,
    settings: Option<set::ConsentSettings>,
    members: Vec<set::Member>,
    viewers: Vec<set::Viewer>,
    ledger: Vec<man::LedgerEntry>,
    holds: Vec<man::LegalHold>,
    refused: Vec<man::RefusedRequest>,
    businesses: usize,
}

impl Stored {
    pub async fn read(world: &World) -> Self {
        let (mut owner, parent) = (world.ours.owner.clone(), world.ours.name.clone());
        let asked = dir::GetOutboxStatusRequest { parent: parent.clone() };
        let mut outbox = owner.outbox.clone();
        let settled = eventually(
            async || outbox.get_outbox_status(asked.clone()).await.unwrap().into_inner(),
            |status| status.backlog == 0,
        );
        assert_eq!(settled.await.quarantined, []);
        let page_size = 1_000;
        let contacts =
            dir::ListContactsRequest { parent: parent.clone(), page_size, ..Default::default() };
        let leads =
            dir::ListLeadsRequest { parent: parent.clone(), page_size, ..Default::default() };
        let accounts =
            dir::ListAccountsRequest { parent: parent.clone(), page_size, ..Default::default() };
        let members =
            set::ListMembersRequest { parent: parent.clone(), page_size, ..Default::default() };
        let viewers =
            set::ListViewersRequest { parent: parent.clone(), page_size, ..Default::default() };
        let business = set::GetBusinessRequest { name: parent.clone() };
        let settings = set::GetConsentSettingsRequest { name: format!("{parent}/consentSettings") };
        let holds =
            man::ListLegalHoldsRequest { parent: parent.clone(), page_size, ..Default::default() };
        let refused = man::ListRefusedRequestsRequest {
            parent: parent.clone(),
            page_size,
            ..Default::default()
        };
        let ledger = man::ListConsentChangesRequest { parent, page_size, ..Default::default() };
        let businesses = set::ListBusinessesRequest { page_size, ..Default::default() };
        let mut vendor = world.house.named("vendor").businesses;
        let businesses = vendor.list_businesses(businesses).await.unwrap().into_inner();
        let business = owner.businesses.get_business(business).await.unwrap().into_inner();
        let settings = owner.settings.get_consent_settings(settings).await.unwrap().into_inner();
        let mut directory = owner.contacts.clone();
        let contacts = eventually(
            async || directory.list_contacts(contacts.clone()).await.unwrap().into_inner().contacts,
            |contacts| points(contacts).all(|point| point.visibility() == dir::Visibility::Visible),
        );
        Self {
            contacts: why_aside(contacts.await),
            leads: owner.leads.list_leads(leads).await.unwrap().into_inner().leads,
            accounts: owner.accounts.list_accounts(accounts).await.unwrap().into_inner().accounts,
            business: business.business,
            settings: settings.consent_settings,
            members: owner.businesses.list_members(members).await.unwrap().into_inner().members,
            viewers: owner.settings.list_viewers(viewers).await.unwrap().into_inner().viewers,
            ledger: owner.ledger.list_consent_changes(ledger).await.unwrap().into_inner().entries,
            holds: owner.retention.list_legal_holds(holds).await.unwrap().into_inner().legal_holds,
            refused: refused_requests(&mut owner, refused).await,
            businesses: businesses.businesses.len(),
        }
    }
}

async fn refused_requests(
    owner: &mut Person,
    asked: man::ListRefusedRequestsRequest,
) -> Vec<man::RefusedRequest> {
    owner.retention.list_refused_requests(asked).await.unwrap().into_inner().refused_requests
}

fn points(contacts: &[dir::Contact]) -> impl Iterator<Item = &dir::ContactPoint> {
    contacts.iter().flat_map(|contact| contact.phones.iter().chain(&contact.emails))
}

/// Why the owner sees a point follows from rules, which reach a directory later where they give a right; it is stored
/// nowhere.
fn why_aside(mut contacts: Vec<dir::Contact>) -> Vec<dir::Contact> {
    for contact in &mut contacts {
        for point in contact.phones.iter_mut().chain(&mut contact.emails) {
            point.set_reason(dir::VisibilityReason::Unspecified);
        }
    }
    contacts
}
