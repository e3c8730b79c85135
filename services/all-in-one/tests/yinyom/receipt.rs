//! A person takes a receipt home, and somebody else verifies it.

use std::fs;
use std::process::Command;

use crate::program::Yinyom;

/// Exit status and what was printed, by a program that has nothing but these files.
fn verify(file: &str, keys: &str) -> (Option<i32>, String) {
    let mut program = Command::new(env!("CARGO_BIN_EXE_yinyom"));
    let output = program.args(["verify-receipt", file, "--keys", keys]).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

#[tokio::test]
async fn a_receipt_is_verified_offline_and_one_that_was_touched_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let yinyom = Yinyom::start(&dir.path().join("data"), &[]);
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let keys = path("ledger.pub");
    fs::write(&keys, yinyom.run(&["ledger-keys"]).stdout).unwrap();
    let contact = yinyom.facts["contacts"][0]["contact"].as_str().unwrap().to_owned();
    for (name, format) in [("r.html", "html"), ("r.jws", "jws")] {
        let out = path(name);
        let asked = ["receipt", &contact, "--channel", "phone", "--format", format, "--out", &out];
        let output = yinyom.run(&asked);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let (status, said) = verify(&out, &keys);
        assert!(status == Some(0) && said.starts_with("sound: "), "{said}");
        assert!(said.contains(&contact), "{said}");
    }
    assert!(yinyom.stop().await.success());

    let page = fs::read_to_string(path("r.html")).unwrap();
    fs::write(path("touched.html"), page.replacen("<strong>", "<strong>x", 1)).unwrap();
    let (status, said) = verify(&path("touched.html"), &keys);
    assert!(status == Some(2) && said.contains("the page does not show what was signed"), "{said}");
    let jws = fs::read_to_string(path("r.jws")).unwrap();
    let place = jws.find('.').unwrap() + 40;
    let other = if &jws[place..=place] == "A" { "B" } else { "A" };
    let touched = format!("{}{other}{}", &jws[..place], &jws[place + 1..]);
    fs::write(path("touched.jws"), touched).unwrap();
    let (status, said) = verify(&path("touched.jws"), &keys);
    assert!(status == Some(2) && said.contains("the signature: "), "{said}");
    let stranger = yinyom_transparency::LedgerKey::generate().unwrap().public().to_pem();
    fs::write(&keys, stranger).unwrap();
    let (status, said) = verify(&path("r.jws"), &keys);
    assert!(status == Some(2) && said.contains("not among the public keys"), "{said}");
}
