//! `yinyom keys` beside a program that is to start again with the keys that it had.

use std::path::Path;
use std::process::{Command, Output};

use crate::program::{Yinyom, refusal};

const NEW: &str = "a3f1c27be0594d18862f7a0c51de9b3468f02c9d17b5e84a30c6917fd25ab84e";

/// `yinyom keys`, with a master key that the database has never seen, and the one that it has.
fn keys(dir: &Path, arguments: &[&str], old: bool) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_yinyom"));
    let database = format!("sqlite:{}", dir.join("directory.db").display());
    command.arg("keys").args(arguments);
    command.args(["--service", "directory", "--database-url", &database, "--master-key", NEW]);
    if old {
        command.arg("--older-master-key-files").arg(dir.join("keys").join("directory.key"));
    }
    command.output().unwrap()
}

#[tokio::test]
async fn who_looks_at_the_keys_enters_none() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    assert!(Yinyom::start(&data, &[]).stop().await.success());

    for (arguments, status) in [(&["status"][..], 0), (&["rotate", "--dry-run"][..], 2)] {
        let looked = keys(&data, arguments, true);
        let told = String::from_utf8([looked.stdout, looked.stderr].concat()).unwrap();
        assert_eq!(looked.status.code(), Some(status), "{told}");
        assert!(told.contains(" keys  another one"), "{told}");
        assert!(!told.contains(NEW), "{told}");
        // With the new key in the register this would be refused.
        assert!(Yinyom::start(&data, &[]).stop().await.success(), "after {arguments:?}");
    }
    let blind = keys(&data, &["status"], false);
    assert_eq!(blind.status.code(), Some(1));
    let told = String::from_utf8(blind.stderr).unwrap();
    assert!(told.contains("which was not given"), "{told}");

    // Whoever does rotate enters it: the program's own key is not enough from then on.
    assert_eq!(keys(&data, &["rotate"], true).status.code(), Some(0));
    let told = refusal(&data, &[]);
    assert!(told.contains("which was not given"), "{told}");
}
