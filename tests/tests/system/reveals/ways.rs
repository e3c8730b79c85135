//! Through every way out that shows contact points.

use prost::Message;
use prost_reflect::{Kind, MessageDescriptor};
use uuid::Uuid;
use yinyom_proto::directory::v1 as dir;
use yinyom_proto::manager::v1 as man;
use yinyom_proto::types::v1::ConsentState::{Denied, Granted, NotSet};
use yinyom_tests::ask::{methods, path};
use yinyom_tests::{Person, mask};

use crate::reveals::{PHONE, World, call, get, privileged};

/// Contacts in a lead and an account, as the ways out need them.
struct Shelf {
    lead: String,
    account: String,
    refused: String,
    granted: String,
    mixed: String,
    /// Somebody without an address, and that somebody was merged into the refused one.
    spare: String,
    merge: String,
}

impl Shelf {
    async fn fill(world: &World) -> Self {
        let refused = world.contact(Denied, NotSet).await;
        let granted = world.contact(Granted, Granted).await;
        let mixed = world.contact(Granted, Denied).await;
        let mut owner = world.business.owner.clone();
        let parent = world.business.name.clone();
        let lead = dir::Lead {
            title: "สนใจคอนโด".to_owned(),
            primary_contact: granted.clone(),
            ..Default::default()
        };
        let lead = dir::CreateLeadRequest {
            parent: parent.clone(),
            lead: Some(lead),
            ..Default::default()
        };
        let lead = owner.leads.create_lead(lead).await.unwrap().into_inner().lead.unwrap().name;
        let contacts = vec![refused.clone(), mixed.clone()];
        let link = dir::AddLeadContactsRequest {
            parent: lead.clone(),
            contacts: contacts.clone(),
            ..Default::default()
        };
        owner.leads.add_lead_contacts(link).await.unwrap();
        let account = dir::Account {
            display_name: "เช้าวันดี".to_owned(), ..Default::default()
        };
        let account =
            dir::CreateAccountRequest { parent, account: Some(account), ..Default::default() };
        let account = owner.accounts.create_account(account).await.unwrap().into_inner();
        let account = account.account.unwrap().name;
        let contacts = vec![refused.clone(), granted.clone(), mixed.clone()];
        let link = dir::AddAccountContactsRequest {
            parent: account.clone(),
            contacts,
            ..Default::default()
        };
        owner.accounts.add_account_contacts(link).await.unwrap();
        let spare = world.business.contact(&[], &[]).await.name;
        let merge = dir::MergeContactsRequest {
            parent: world.business.name.clone(),
            survivor: refused.clone(),
            absorbed: world.business.contact(&[], &[]).await.name,
            ..Default::default()
        };
        let merge = owner.merges.merge_contacts(merge).await.unwrap().into_inner();
        let merge = merge.merge.unwrap().name;
        Self { lead, account, refused, granted, mixed, spare, merge }
    }

    /// Every way out: the method, a request, and what of whom it shows by privilege. Who creates a contact learns its
    /// name from the answer.
    fn ways(&self, world: &World) -> Vec<(&'static str, Vec<u8>, Vec<(String, Vec<i32>)>)> {
        let parent = world.business.name.clone();
        let refused = || (self.refused.clone(), vec![1, 2]);
        let mixed = || (self.mixed.clone(), vec![2]);
        let creation = dir::CreateContactRequest {
            parent: parent.clone(),
            contact: Some(dir::Contact {
                first_name: "ใหม่".to_owned(),
                phones: vec![dir::ContactPoint {
                    value: "+66899999999".to_owned(),
                    ..Default::default()
                }],
                ..Default::default()
            }),
            request_id: Uuid::now_v7().to_string(),
        };
        let update = dir::UpdateContactRequest {
            contact: Some(dir::Contact {
                name: self.mixed.clone(),
                first_name: "เปลี่ยน".to_owned(),
                ..Default::default()
            }),
            update_mask: Some(mask(&["first_name"])),
            request_id: Uuid::now_v7().to_string(),
        };
        let names = vec![self.mixed.clone(), self.granted.clone(), self.refused.clone()];
        let search = dir::SearchContactsRequest {
            parent: parent.clone(),
            phone: PHONE.to_owned(),
            ..Default::default()
        };
        let page_size = 1_000;
        let list =
            dir::ListContactsRequest { parent: parent.clone(), page_size, ..Default::default() };
        let of_lead =
            dir::ListLeadContactsRequest { parent: self.lead.clone(), ..Default::default() };
        let of_account =
            dir::ListAccountContactsRequest { parent: self.account.clone(), ..Default::default() };
        let get = dir::GetContactRequest { name: self.refused.clone() };
        let new = || vec![("new".to_owned(), vec![1])];
        vec![
            ("ContactService/GetContact", get.encode_to_vec(), vec![refused()]),
            (
                "ContactService/BatchGetContacts",
                dir::BatchGetContactsRequest { parent, names }.encode_to_vec(),
                vec![refused(), mixed()],
            ),
            ("ContactService/ListContacts", list.encode_to_vec(), vec![refused(), mixed()]),
            (
                "SharedAddressService/ListSharedAddresses",
                dir::ListSharedAddressesRequest {
                    parent: world.business.name.clone(),
                    ..Default::default()
                }
                .encode_to_vec(),
                vec![refused(), mixed()],
            ),
            (
                "SharedAddressService/ListSharedAddresses",
                dir::ListSharedAddressesRequest {
                    parent: world.business.name.clone(),
                    channel: 1,
                    ..Default::default()
                }
                .encode_to_vec(),
                vec![(self.refused.clone(), vec![1])],
            ),
            ("ContactService/SearchContacts", search.encode_to_vec(), vec![refused(), mixed()]),
            ("ContactService/UpdateContact", update.encode_to_vec(), vec![mixed()]),
            // A request that is sent again is a second look.
            ("ContactService/UpdateContact", update.encode_to_vec(), vec![mixed()]),
            ("LeadService/ListLeadContacts", of_lead.encode_to_vec(), vec![refused(), mixed()]),
            (
                "AccountService/ListAccountContacts",
                of_account.encode_to_vec(),
                vec![refused(), mixed()],
            ),
            ("ContactService/CreateContact", creation.encode_to_vec(), new()),
            ("ContactService/CreateContact", creation.encode_to_vec(), new()),
            (
                "MergeService/UndoMerge",
                dir::UndoMergeRequest { name: self.merge.clone(), ..Default::default() }
                    .encode_to_vec(),
                vec![refused()],
            ),
            (
                "MergeService/MergeContacts",
                dir::MergeContactsRequest {
                    parent: world.business.name.clone(),
                    survivor: self.refused.clone(),
                    absorbed: self.spare.clone(),
                    ..Default::default()
                }
                .encode_to_vec(),
                vec![refused()],
            ),
        ]
    }
}

/// The methods of the directory whose answers hold contact points.
fn ways_out() -> Vec<String> {
    fn shows(message: &MessageDescriptor) -> bool {
        message.full_name() == "yinyom.directory.v1.ContactPoint"
            || message.fields().any(|field| match field.kind() {
                Kind::Message(of) => of.full_name().starts_with("yinyom.") && shows(&of),
                _ => false,
            })
    }
    let of_directory = methods().into_iter().filter(|method| shows(&method.output()));
    let mut ways: Vec<_> = of_directory.map(|method| path(&method)).collect();
    ways.sort();
    ways
}

pub async fn every_way_out_records_what_privilege_alone_shows(world: World) {
    for (who, name, role, privilege) in privileged(&world) {
        // New ones for each: what one of them creates, the next one's list would show.
        let shelf = Shelf::fill(&world).await;
        let mut known = ways_out();
        for (method, request, expected) in shelf.ways(&world) {
            let method = format!("/yinyom.directory.v1.{method}");
            known.retain(|way| *way != method);
            let (id, before) = (Uuid::now_v7().to_string(), world.recorded().await);
            let answer = call(&world.house, &who.bearer, &method, request, &id).await.unwrap();
            // Before anything can have arrived anywhere else.
            assert_eq!(world.recorded().await, before + 1, "{method} {name}");
            let reveal = world.reveal_of(&id).await;
            assert_eq!(reveal.method, method);
            assert_eq!((&reveal.actor, reveal.actor_role), (&name, role), "{method}");
            assert_eq!(reveal.privilege(), privilege, "{method} {name}");
            assert!(reveal.reveal_time.is_some() && reveal.ingest_time.is_some());
            let ours = [&shelf.refused, &shelf.granted, &shelf.mixed];
            let mut found: Vec<_> = reveal
                .contacts
                .into_iter()
                .map(|seen| {
                    let new = method.ends_with("CreateContact");
                    (if new { "new".to_owned() } else { seen.contact }, seen.channels)
                })
                // Lists and searches show those of others, too.
                .filter(|(contact, _)| contact == "new" || ours.contains(&contact))
                .collect();
            found.sort();
            let mut expected = expected;
            expected.sort();
            assert_eq!(found, expected, "{method} {name}");
            assert!(!String::from_utf8_lossy(&answer).contains('•'), "{method}: it was shown");
        }
        // What it shows was granted: nobody needs a privilege to see that.
        let granted = ["/yinyom.directory.v1.ReachService/StreamReachable"];
        assert_eq!(known, granted, "a way out that no case is about");
    }
}

pub async fn what_is_shown_without_privilege_is_not_recorded(world: World) {
    let shelf = Shelf::fill(&world).await;
    world.arrived().await;
    let before = world.recorded().await;
    let people = |words: &[&str]| -> Vec<Person> {
        let people = world.business.people().into_iter();
        people.filter(|(word, _)| words.contains(word)).map(|(_, person)| person).collect()
    };
    let mut unprivileged = people(&["user", "officer"]);
    unprivileged.push(world.house.named("dashboard"));
    for who in &unprivileged {
        for (method, request, _) in shelf.ways(&world) {
            let method = format!("/yinyom.directory.v1.{method}");
            let id = Uuid::now_v7().to_string();
            let answer = call(&world.house, &who.bearer, &method, request, &id).await;
            // What rests on the equality of hidden addresses is not for them at all, nor is merging what they do not see.
            if ["SharedAddressService", "MergeService"].iter().any(|of| method.contains(of)) {
                assert_eq!(answer.unwrap_err().code(), tonic::Code::PermissionDenied, "{method}");
                continue;
            }
            answer.unwrap_or_else(|status| panic!("{method}: {status}"));
        }
    }
    // What the customer allowed needs no privilege, and what is no address is no secret.
    for who in people(&["owner", "admin", "listed"]) {
        let id = Uuid::now_v7().to_string();
        let granted = get(&world.house, &who.bearer, &shelf.granted, &id).await.unwrap();
        assert_eq!(granted.phones[0].value, PHONE);
        let mut leads = who.leads.clone();
        leads.get_lead(dir::GetLeadRequest { name: shelf.lead.clone() }).await.unwrap();
    }
    assert_eq!(world.recorded().await, before, "nothing was recorded");
    let bare = world.business.contact(&[], &[]).await.name;
    let id = Uuid::now_v7().to_string();
    get(&world.house, &world.business.owner.bearer, &bare, &id).await.unwrap();
    assert_eq!(world.recorded().await, before, "a contact without addresses shows none");
    world.arrived().await;
    for who in unprivileged {
        let asked = man::ListRevealsRequest { actor: who.name.clone(), ..Default::default() };
        assert!(who.name.is_empty() || world.reveals(asked).await.is_empty(), "{}", who.name);
    }
}

pub async fn where_consent_is_not_enforced_nothing_is_recorded(mut world: World) {
    let contact = world.contact(Denied, Denied).await;
    world.business.set_rules(&["enforcement_enabled"], |s| s.enforcement_enabled = false).await;
    let bearer = &world.business.user.bearer;
    let shown = yinyom_tests::eventually(
        async || get(&world.house, bearer, &contact, &Uuid::now_v7().to_string()).await.unwrap(),
        |contact| contact.phones[0].value == PHONE,
    );
    shown.await;
    let before = world.recorded().await;
    for (who, ..) in privileged(&world) {
        let id = Uuid::now_v7().to_string();
        let seen = get(&world.house, &who.bearer, &contact, &id).await.unwrap();
        assert_eq!(seen.phones[0].value, PHONE);
    }
    assert_eq!(world.recorded().await, before);
}
