//! A file goes in, every row is accounted for, and nothing that a customer refused comes back.

use std::fs;
use std::path::{Path, PathBuf};

use yinyom_proto::directory::v1::contact_service_client::ContactServiceClient;
use yinyom_proto::directory::v1::{Contact, SearchContactsRequest};
use yinyom_proto::types::v1::{Channel, ConsentState};

use crate::program::Yinyom;

const DIRTY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/contacts.csv");

/// The outcome of an import: exit status, and created, updated, unchanged, rejected.
fn import(yinyom: &Yinyom, file: &str, more: &[&str]) -> (i32, [u64; 4], String) {
    let output = yinyom.run(&[&["import", file], more].concat());
    let said = String::from_utf8(output.stdout).unwrap();
    let count = |word: &str| {
        let line = said.lines().find(|line| line.starts_with(word));
        let number = line.and_then(|line| line.split_whitespace().nth(1));
        number
            .unwrap_or_else(|| panic!("{said}{}", String::from_utf8_lossy(&output.stderr)))
            .parse::<u64>()
            .unwrap()
    };
    let outcomes = ["created", "updated", "unchanged", "rejected"].map(count);
    assert_eq!(outcomes.iter().sum::<u64>(), count("rows"));
    (output.status.code().unwrap(), outcomes, said.clone())
}

async fn named(yinyom: &Yinyom, name: &str) -> Contact {
    let token = yinyom.token("OWNER", false);
    let request = SearchContactsRequest {
        parent: yinyom.business(),
        name_prefix: name.to_owned(),
        ..SearchContactsRequest::default()
    };
    let mut contacts = ContactServiceClient::new(yinyom.connect("directory", &token));
    let found = contacts.search_contacts(request).await.unwrap().into_inner().contacts;
    assert_eq!(found.len(), 1, "{name}");
    found.into_iter().next().unwrap()
}

fn state(contact: &Contact, channel: Channel) -> ConsentState {
    contact.consents.iter().find(|consent| consent.channel() == channel).unwrap().state()
}

fn write(dir: &Path, name: &str, text: &str) -> String {
    let path: PathBuf = dir.join(name);
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn every_row_is_accounted_for_and_a_second_time_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let yinyom = Yinyom::start(dir.path(), &[]);
    let (status, outcomes, said) = import(&yinyom, DIRTY, &["--batch", "2"]);
    assert_eq!((status, outcomes), (2, [6, 0, 0, 5]), "{said}");
    assert!(said.contains("1 blank rows were skipped"), "{said}");

    let contact = named(&yinyom, "กมล").await;
    assert_eq!(contact.emails[0].value, "kamol@example.com");
    assert_eq!(state(&contact, Channel::Phone), ConsentState::Granted);
    let contact = named(&yinyom, "ขวัญ").await;
    assert_eq!(contact.phones[0].value, "+66810000002");
    assert_eq!(state(&contact, Channel::Phone), ConsentState::Denied);
    assert_eq!(named(&yinyom, "คม").await.phones.len(), 3);

    let mut rejects = csv::Reader::from_path(dir.path().join("contacts.rejects.csv")).unwrap();
    let rejects: Vec<csv::StringRecord> = rejects.records().map(Result::unwrap).collect();
    let told: Vec<(&str, &str)> = rejects.iter().map(|row| (&row[0], &row[1])).collect();
    assert_eq!(
        told[..4],
        [
            ("9", "Phone Consent"),
            ("10", "เบอร์โทรศัพท์; Email"),
            ("11", "วันที่ให้ความยินยอม"),
            ("12", "วันที่ให้ความยินยอม")
        ]
    );
    assert!(told[4].1.contains("ชื่อ"), "{}", told[4].1);
    assert!(rejects.iter().all(|row| row.len() == 16));

    let (status, outcomes, said) = import(&yinyom, DIRTY, &["--batch", "500"]);
    assert_eq!((status, outcomes), (2, [0, 0, 6, 5]), "{said}");
}

#[tokio::test]
async fn a_file_resurrects_no_refusal() {
    let dir = tempfile::tempdir().unwrap();
    let yinyom = Yinyom::start(dir.path(), &[]);
    let header = "First Name;Phone;Phone Consent\r\n";
    let no = write(dir.path(), "no.csv", &format!("{header}สมปอง;0810000021;no\r\n"));
    let yes = write(dir.path(), "yes.csv", &format!("{header}สมปอง;0810000021;yes\r\n"));
    assert_eq!(import(&yinyom, &yes, &[]).1, [1, 0, 0, 0]);
    assert_eq!(import(&yinyom, &no, &[]).1, [0, 1, 0, 0]);
    let (status, outcomes, said) = import(&yinyom, &yes, &[]);
    assert_eq!((status, outcomes), (0, [0, 0, 1, 0]));
    assert!(said.contains("1 consents were kept as they are because of an earlier refusal"));
    assert_eq!(state(&named(&yinyom, "สมปอง").await, Channel::Phone), ConsentState::Denied);
}

#[tokio::test]
async fn a_workbook_is_imported_like_a_csv() {
    let dir = tempfile::tempdir().unwrap();
    let yinyom = Yinyom::start(dir.path(), &[]);
    let file = dir.path().join("contacts.xlsx");
    let mut book = rust_xlsxwriter::Workbook::new();
    let sheet = book.add_worksheet();
    for (at, header) in (0..).zip(["ชื่อ", "เบอร์โทรศัพท์", "Phone Consent"])
    {
        sheet.write(0, at, header).unwrap();
    }
    sheet.write(1, 0, "ตัวเลข").unwrap();
    sheet.write(1, 1, 810_000_031).unwrap();
    sheet.write(1, 2, "ยินยอม").unwrap();
    book.save(&file).unwrap();
    assert_eq!(import(&yinyom, file.to_str().unwrap(), &[]).1, [1, 0, 0, 0]);
    assert_eq!(named(&yinyom, "ตัวเลข").await.phones[0].value, "+66810000031");
}

#[tokio::test]
async fn who_may_not_import_hears_so_and_nothing_is_stored() {
    let dir = tempfile::tempdir().unwrap();
    let yinyom = Yinyom::start(dir.path(), &[]);
    let file = write(dir.path(), "one.csv", "First Name,Phone\nสมพล,0810000041\n");
    let business = yinyom.business();
    let user = yinyom.token("USER", false);
    let refused = yinyom.run(&["import", &file, "--business", &business, "--token", &user]);
    assert_eq!(refused.status.code(), Some(1));
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("refused") && !said.contains("0810000041"), "{said}");
    assert!(refused.stdout.is_empty());
    assert_eq!(import(&yinyom, &file, &[]).1, [1, 0, 0, 0]);
}

/// Whatever the batches: the rows of a dry run meet each other as those of the import do.
#[tokio::test]
async fn a_dry_run_says_what_the_import_then_does_and_stores_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let yinyom = Yinyom::start(dir.path(), &[]);
    let twice = write(
        dir.path(),
        "twice.csv",
        "รหัสลูกค้า,ชื่อ,เบอร์โทรศัพท์,Phone Consent\nC-91,สมหญิง,0810000091,yes\nC-92,สมศรี,0810000092,\n\
         C-91,สมหญิง,0810000093,no\nC-91,สมหญิง,0810000091,yes\nC-93,สมหญิง,0810000091,yes\n",
    );
    for (file, outcomes) in [(DIRTY, [6, 0, 0, 5]), (&twice[..], [3, 1, 1, 0])] {
        let said = |said: String| {
            let kept: Vec<_> = said.lines().filter(|line| !line.starts_with("rows")).collect();
            kept.join("\n")
        };
        let dry = import(&yinyom, file, &["--dry-run", "--batch", "2"]);
        assert!(dry.2.ends_with("Nothing was stored: this was a dry run.\n"), "{}", dry.2);
        let done = import(&yinyom, file, &["--batch", "2"]);
        assert_eq!((dry.0, dry.1, done.1), (done.0, outcomes, outcomes), "{}", done.2);
        assert_eq!(said(dry.2), said(done.2) + "\nNothing was stored: this was a dry run.");
    }
    let [created, updated, unchanged, rejected] = import(&yinyom, DIRTY, &["--dry-run"]).1;
    assert_eq!([created, updated, unchanged, rejected], [0, 0, 6, 5], "of what is there now");
}

#[tokio::test]
async fn whoever_is_on_a_suppression_list_refuses_and_nobody_is_created() {
    let dir = tempfile::tempdir().unwrap();
    let yinyom = Yinyom::start(dir.path(), &[]);
    let people = "ชื่อ,เบอร์โทรศัพท์,Email,Phone Consent,Email Consent\n\
        สมหมาย,0810000051,mai@example.com,yes,yes\nสมนึก,0810000052,nuek@example.com,yes,yes\n";
    let people = write(dir.path(), "people.csv", people);
    assert_eq!(import(&yinyom, &people, &[]).1, [2, 0, 0, 0]);
    let list =
        "อีเมล,มือถือ,Reason\nMAI@example.com,,bounced\n,๐๘๑๐๐๐๐๐๕๒,\n,0819999999,\n,12,\n,,called\n";
    let list = write(dir.path(), "list.csv", list);
    let only = ["--opt-outs-only"];
    for more in [&["--opt-outs-only", "--dry-run"][..], &only] {
        let (status, outcomes, said) = import(&yinyom, &list, more);
        assert_eq!((status, outcomes), (2, [0, 3, 0, 2]), "{said}");
        assert!(said.contains("\n2 contacts are DENIED by an opt-out.\n"), "{said}");
        assert!(said.contains("\n1 addresses that nobody has are kept as refused.\n"), "{said}");
    }
    let states =
        |contact: &Contact| (state(contact, Channel::Phone), state(contact, Channel::Email));
    let (yes, no) = (ConsentState::Granted, ConsentState::Denied);
    assert_eq!(states(&named(&yinyom, "สมหมาย").await), (yes, no));
    assert_eq!(states(&named(&yinyom, "สมนึก").await), (no, yes));
    let mut rejects = csv::Reader::from_path(dir.path().join("list.rejects.csv")).unwrap();
    let told: Vec<_> = rejects.records().map(|row| row.unwrap()[0].to_owned()).collect();
    assert_eq!(told, ["5", "6"]);
    assert_eq!(import(&yinyom, &list, &only).1, [0, 0, 3, 2], "again");
    // Who comes with a number of the list has refused it; an old file that says yes grants nothing.
    let late = "ชื่อ,Phone,Phone Consent\nสมใจ,0819999999,yes\nสมนึก,0810000052,yes\n";
    let (_, outcomes, said) = import(&yinyom, &write(dir.path(), "late.csv", late), &[]);
    assert_eq!(outcomes, [2, 0, 0, 0], "{said}");
    assert_eq!(state(&named(&yinyom, "สมใจ").await, Channel::Phone), no);
    // Of a whole export, those who refuse in it.
    let (_, outcomes, said) = import(&yinyom, &people, &only);
    assert_eq!(outcomes, [0, 0, 2, 0], "{said}");
}
