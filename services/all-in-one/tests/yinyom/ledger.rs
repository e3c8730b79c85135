//! What a company keeps, and what it finds with it.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::program::Yinyom;

/// Runs a command that must succeed; what it printed.
fn said(yinyom: &Yinyom, arguments: &[&str]) -> String {
    let output = yinyom.run(arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Exit status and what was printed.
fn verify(dir: &Path, export: &str) -> (Option<i32>, String) {
    let path = |name: &str| dir.join(name).to_str().unwrap().to_owned();
    // Of no running service, and no data of one.
    let mut program = Command::new(env!("CARGO_BIN_EXE_yinyom"));
    program.args([
        "verify",
        &path(export),
        "--checkpoint",
        &path("checkpoint"),
        "--public-key",
        &path("ledger.pub"),
    ]);
    let output = program.output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

#[tokio::test]
async fn a_company_verifies_its_ledger_with_what_it_kept() {
    let dir = tempfile::tempdir().unwrap();
    let yinyom = Yinyom::start(&dir.path().join("data"), &[]);
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (export, checkpoint, key) = (path("ledger.jsonl"), path("checkpoint"), path("ledger.pub"));
    fs::write(&key, said(&yinyom, &["ledger-keys"])).unwrap();
    said(&yinyom, &["export-ledger", &export]);
    fs::write(&checkpoint, said(&yinyom, &["checkpoint"])).unwrap();
    said(&yinyom, &["checkpoint", "--since", &checkpoint, "--public-key", &key]);

    // What came between the two is added, and a line that was cut short is written again.
    let whole = fs::read(&export).unwrap();
    fs::write(&export, &whole[..whole.len() - 7]).unwrap();
    assert!(!said(&yinyom, &["export-ledger", &export]).starts_with('0'));
    let lines = fs::read_to_string(&export).unwrap();
    let (status, text) = verify(dir.path(), "ledger.jsonl");
    assert_eq!(status, Some(0), "{text}");
    assert!(text.starts_with("sound: "), "{text}");

    let lines: Vec<&str> = lines.lines().collect();
    let contact = |line: &str| {
        serde_json::from_str::<serde_json::Value>(line).unwrap()["contact"].to_string()
    };
    let gone = [&lines[..3], &lines[4..]].concat().join("\n");
    fs::write(path("gone"), gone).unwrap();
    let (status, text) = verify(dir.path(), "gone");
    assert_eq!((status, text.lines().next()), (Some(2), Some("record 3: missing")), "{text}");

    let edited = lines[5].replacen("\"seq\":1", "\"seq\":2", 1);
    fs::write(path("edited"), [&lines[..5], &[&*edited], &lines[6..]].concat().join("\n")).unwrap();
    let (status, text) = verify(dir.path(), "edited");
    let named = format!("/contacts/{}/changes/2", contact(lines[5]).trim_matches('"'));
    assert!(status == Some(2) && text.starts_with("record 5 ") && text.contains(&named), "{text}");

    fs::write(path("cut"), lines[..7].join("\n")).unwrap();
    let (status, text) = verify(dir.path(), "cut");
    assert!(status == Some(2) && text.starts_with("records 7 to "), "{text}");

    // With the key of somebody else nothing is verified at all.
    let stranger = yinyom_transparency::LedgerKey::generate().unwrap().public().to_pem();
    fs::write(path("ledger.pub"), stranger).unwrap();
    let (status, text) = verify(dir.path(), "ledger.jsonl");
    assert_eq!(status, Some(1), "{text}");
    assert!(yinyom.stop().await.success());
}
