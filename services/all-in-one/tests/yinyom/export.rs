//! Files go out, whole or not at all.

use std::fs;
use std::path::Path;

use crate::program::Yinyom;

fn export(yinyom: &Yinyom, out: &Path, more: &[&str]) -> (Option<i32>, String) {
    let out = out.to_str().unwrap();
    let output = yinyom.run(&[&["export", "--out", out], more].concat());
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

#[tokio::test]
async fn each_format_of_each_kind_is_written_whole() {
    let dir = tempfile::tempdir().unwrap();
    let yinyom = Yinyom::start(&dir.path().join("data"), &[]);
    let mut rows = Vec::new();
    for what in ["changes", "consents"] {
        for format in ["csv", "jsonl", "parquet", "xlsx"] {
            let out = dir.path().join(format!("{what}.{format}"));
            let asked = ["--what", what, "--format", format, "--language", "th"];
            let (status, said) = export(&yinyom, &out, &asked);
            assert_eq!(status, Some(0), "{said}");
            rows.push(said.split_once(" rows").unwrap().0.to_owned());
            let name = out.file_name().unwrap().to_str().unwrap();
            let left = fs::read_dir(dir.path()).unwrap().map(|it| it.unwrap().file_name());
            assert!(left.into_iter().all(|it| !it.to_str().unwrap().contains(".part")), "{name}");
        }
    }
    assert!(rows[..4].iter().all(|it| *it == rows[0]) && rows[4..].iter().all(|it| *it == rows[4]));
    let csv = fs::read_to_string(dir.path().join("changes.csv")).unwrap();
    assert!(csv.starts_with("\u{feff}ผู้ติดต่อ,ช่องทาง,"));
    assert_eq!((csv.lines().count() - 1).to_string(), rows[0]);
    let lines = fs::read_to_string(dir.path().join("changes.jsonl")).unwrap();
    assert_eq!(lines.lines().count().to_string(), rows[0]);
    assert!(fs::read(dir.path().join("changes.parquet")).unwrap().starts_with(b"PAR1"));
    assert!(fs::read(dir.path().join("changes.xlsx")).unwrap().starts_with(b"PK"));
    assert!(yinyom.stop().await.success());
}

#[tokio::test]
async fn what_was_begun_is_gone_on_with_and_what_is_stale_is_begun_anew() {
    let dir = tempfile::tempdir().unwrap();
    let yinyom = Yinyom::start(&dir.path().join("data"), &[]);
    let out = dir.path().join("x.csv");
    let asked = ["--what", "changes", "--format", "csv"];
    let (part, state) = (dir.path().join("x.csv.part"), dir.path().join("x.csv.part.state"));
    // A token of nobody's: the part is thrown away, and it says so.
    fs::write(&part, "junk").unwrap();
    let business = yinyom.business();
    let told = format!(
        r#"{{"export":"{business} Changes EXPORT_FORMAT_CSV en","bytes":4,"resume_token":"x"}}"#
    );
    fs::write(&state, told).unwrap();
    let (status, said) = export(&yinyom, &out, &asked);
    assert!(status == Some(0) && said.contains("begun anew"), "{said}");
    assert!(fs::read_to_string(&out).unwrap().starts_with("\u{feff}Contact,"));
    let (status, said) = export(&yinyom, &out, &asked);
    assert!(status == Some(1) && said.contains("is there already"), "{said}");

    // Nobody who may not read the ledger gets a file, or half of one.
    let token = yinyom.token("USER", true);
    let none = dir.path().join("none.csv");
    let user = ["--business", &business, "--token", &token];
    let (status, said) = export(&yinyom, &none, &[&asked[..], &user].concat());
    assert!(status == Some(1) && said.contains("LEDGER_READERS_ONLY"), "{said}");
    assert!(!none.exists());
    assert!(yinyom.stop().await.success());
}
