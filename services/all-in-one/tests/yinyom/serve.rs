//! Start, story, stop, and start again.

use std::collections::HashSet;
use std::fs;

use yinyom_proto::directory::v1::consent_service_client::ConsentServiceClient;
use yinyom_proto::directory::v1::contact_service_client::ContactServiceClient;
use yinyom_proto::directory::v1::{
    Contact, GetContactRequest, ListContactsRequest, Visibility, WithdrawConsentRequest,
};
use yinyom_proto::settings::v1::ListBusinessesRequest;
use yinyom_proto::settings::v1::business_service_client::BusinessServiceClient;
use yinyom_proto::types::v1::{Channel, ConsentState, Surface};

use crate::program::{Yinyom, refusal};

const STORY: &str = "phone-denied-email-granted";

async fn seen(yinyom: &Yinyom, token: &str) -> Contact {
    let request = GetContactRequest { name: yinyom.contact(STORY) };
    let mut contacts = ContactServiceClient::new(yinyom.connect("directory", token));
    contacts.get_contact(request).await.unwrap().into_inner().contact.unwrap()
}

async fn withdraw(yinyom: &Yinyom, token: &str) {
    let request = WithdrawConsentRequest {
        contact: yinyom.contact(STORY),
        channels: vec![Channel::Email.into()],
        surface: Surface::Contacts.into(),
        ..WithdrawConsentRequest::default()
    };
    let mut consents = ConsentServiceClient::new(yinyom.connect("directory", token));
    consents.withdraw_consent(request).await.unwrap();
}

async fn contacts(yinyom: &Yinyom) -> Vec<Contact> {
    let token = yinyom.token("OWNER", false);
    let request = ListContactsRequest {
        parent: yinyom.business(),
        page_size: 1000,
        ..ListContactsRequest::default()
    };
    let mut contacts = ContactServiceClient::new(yinyom.connect("directory", &token));
    contacts.list_contacts(request).await.unwrap().into_inner().contacts
}

async fn businesses(yinyom: &Yinyom) -> usize {
    let token = yinyom.facts["operator"]["token"].as_str().unwrap();
    let mut settings = BusinessServiceClient::new(yinyom.connect("settings", token));
    let page = settings.list_businesses(ListBusinessesRequest::default()).await.unwrap();
    page.into_inner().businesses.len()
}

#[tokio::test]
async fn the_story_goes_as_it_is_printed() {
    let dir = tempfile::tempdir().unwrap();
    let yinyom = Yinyom::start(dir.path(), &[]);
    let (owner, user) = (yinyom.token("OWNER", false), yinyom.token("USER", false));

    let contact = seen(&yinyom, &owner).await;
    assert_eq!(contact.phones[0].value, "+66812345678");
    assert_eq!(contact.emails[0].value, "somchai@example.com");
    let contact = seen(&yinyom, &user).await;
    assert_eq!(contact.phones[0].visibility(), Visibility::Masked);
    assert_eq!(contact.emails[0].value, "somchai@example.com");
    withdraw(&yinyom, &user).await;
    let contact = seen(&yinyom, &user).await;
    assert_eq!(contact.phones[0].visibility(), Visibility::Masked);
    assert_eq!(contact.emails[0].visibility(), Visibility::Masked);

    let printed: Vec<&str> =
        yinyom.said.lines().filter(|line| line.starts_with("grpcurl ")).collect();
    assert_eq!(printed.len(), 5);
    assert_eq!(yinyom.facts["commands"], serde_json::json!(printed));
    assert_eq!(printed.iter().filter(|line| line.contains(&owner)).count(), 2);
    assert_eq!(printed.iter().filter(|line| line.contains(&user)).count(), 3);
    let report = yinyom.run(&["report"]);
    assert!(report.status.success(), "{}", String::from_utf8_lossy(&report.stderr));
    let report = String::from_utf8(report.stdout).unwrap();
    // By state from the ledger, and by how many share it from the directory.
    assert_eq!(report.matches("\nphone ").count(), 2, "{report}");
    assert!(report.contains("conflict"), "{report}");
}

#[tokio::test]
async fn the_demo_has_all_kinds_of_people_and_contacts() {
    let dir = tempfile::tempdir().unwrap();
    let yinyom = Yinyom::start(dir.path(), &[]);
    for (role, listed) in [("OWNER", false), ("ADMIN", false), ("USER", true), ("USER", false)] {
        assert!(yinyom.said.contains(&yinyom.token(role, listed)), "{role}");
    }
    let people = yinyom.facts["people"].as_array().unwrap();
    assert!(people.iter().any(|person| person["protection_officer"] == true));
    let contacts = contacts(&yinyom).await;
    let state = |contact: &Contact, channel| {
        contact.consents.iter().find(|c| c.channel() == channel).map(|c| c.state)
    };
    let pairs: HashSet<_> = contacts
        .iter()
        .map(|contact| (state(contact, Channel::Phone), state(contact, Channel::Email)))
        .collect();
    assert_eq!(pairs.len(), 9);
    assert!(contacts.iter().any(|c| c.consents.iter().any(|c| c.expire_time.is_some())));
}

#[tokio::test]
async fn a_second_start_duplicates_nothing_and_lifts_no_refusal() {
    let dir = tempfile::tempdir().unwrap();
    let yinyom = Yinyom::start(dir.path(), &[]);
    let (business, before) = (yinyom.business(), contacts(&yinyom).await.len());
    withdraw(&yinyom, &yinyom.token("USER", false)).await;
    assert!(yinyom.stop().await.success());

    for lose_the_mark in [false, true] {
        if lose_the_mark {
            // As if the first start had been cut short.
            fs::remove_file(dir.path().join("dev.json")).unwrap();
            fs::remove_file(dir.path().join("dev.last.json")).unwrap();
        }
        let yinyom = Yinyom::start(dir.path(), &[]);
        assert_eq!((yinyom.business(), businesses(&yinyom).await), (business.clone(), 1));
        assert_eq!(contacts(&yinyom).await.len(), before);
        assert_eq!(yinyom.facts["people"].as_array().unwrap().len(), 5);
        let contact = seen(&yinyom, &yinyom.token("OWNER", false)).await;
        let refused = contact.consents.iter().filter(|c| c.state() == ConsentState::Denied);
        assert_eq!(refused.count(), 2);
        assert!(yinyom.stop().await.success());
    }
}

#[tokio::test]
async fn without_a_demo_there_is_no_business() {
    let dir = tempfile::tempdir().unwrap();
    let yinyom = Yinyom::start(dir.path(), &["--no-demo"]);
    assert_eq!(businesses(&yinyom).await, 0);
    assert!(yinyom.facts["business"].is_null() && !yinyom.said.contains("grpcurl"));
}

#[tokio::test]
async fn a_token_can_be_had_for_whoever_the_demo_does_not_know() {
    let dir = tempfile::tempdir().unwrap();
    let yinyom = Yinyom::start(dir.path(), &[]);
    let printed = yinyom.run(&["token", "crm-vendor"]);
    let token = String::from_utf8(printed.stdout).unwrap();
    let mut settings = BusinessServiceClient::new(yinyom.connect("settings", token.trim()));
    assert!(settings.list_businesses(ListBusinessesRequest::default()).await.is_ok());
}

#[tokio::test]
async fn what_cannot_start_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let yinyom = Yinyom::start(dir.path(), &["--no-demo"]);
    assert!(refusal(dir.path(), &[]).contains("another yinyom runs"));

    let other = tempfile::tempdir().unwrap();
    let taken = yinyom.facts["addresses"]["manager"].as_str().unwrap();
    let port = taken.rsplit(':').next().unwrap();
    let said = refusal(other.path(), &["--manager-port", port]);
    assert!(said.contains(port) && said.contains("--manager-port"), "{said}");
    assert!(yinyom.stop().await.success());

    fs::remove_file(dir.path().join("keys/directory.key")).unwrap();
    let said = refusal(dir.path(), &[]);
    assert!(said.contains("directory.db") && said.contains("directory.key"), "{said}");
}
