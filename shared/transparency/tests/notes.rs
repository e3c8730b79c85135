//! Keys, signed notes, checkpoints.

#![allow(clippy::unwrap_used)]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use uuid::Uuid;
use yinyom_transparency::{
    Checkpoint, CheckpointError, LedgerKey, LogName, Note, NoteError, PublicKey, PublicKeys,
};

/// The example of `golang.org/x/mod/sumdb/note`, which C2SP's `signed-note` is made from.
const NAME: &str = "PeterNeumann";
const PRIVATE: &str = "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
const PUBLIC: &str = "ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const TEXT: &str = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
const LINE: &str = "\u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

fn key() -> LedgerKey {
    let seed = STANDARD.decode(PRIVATE).unwrap();
    LedgerKey::from_seed(seed[1..].try_into().unwrap()).unwrap()
}

#[test]
fn the_published_note_is_written_and_read() {
    let key = key();
    assert_eq!(STANDARD.encode([&[1][..], key.public().bytes()].concat()), PUBLIC);
    let note = format!("{TEXT}\n{LINE}");
    assert_eq!(Note::sign(TEXT, NAME, &key), note);
    assert_eq!(Note::parse(&note).unwrap().open(NAME, [key.public()]).unwrap(), TEXT);
}

#[test]
fn a_published_verifier_key_is_written_as_others_write_it() {
    let name: LogName = "sum.golang.org".parse().unwrap();
    let business = Uuid::from_u128(7);
    let key = name.verifier_key(business, key().public());
    let (origin, rest) = key.split_once('+').unwrap();
    assert_eq!(origin, "sum.golang.org/businesses/00000000-0000-0000-0000-000000000007");
    let (hash, encoded) = rest.split_once('+').unwrap();
    assert_eq!((hash.len(), encoded), (8, PUBLIC));
}

#[test]
fn a_note_that_was_touched_is_not_opened() {
    let (key, other) = (key(), LedgerKey::generate().unwrap());
    let open = |note: &str, name: &str, key: &PublicKey| {
        Note::parse(note).and_then(|note| note.open(name, [key]).map(str::to_owned))
    };
    let note = format!("{TEXT}\n{LINE}");
    assert_eq!(
        open(&note.replace("don't", "do"), NAME, key.public()),
        Err(NoteError::WrongSignature)
    );
    assert_eq!(open(&note, NAME, other.public()), Err(NoteError::NotSigned));
    assert_eq!(open(&note, "PeterNewman", key.public()), Err(NoteError::NotSigned));
    // A signature of somebody else does no harm, and does not stand in for ours.
    let cosigned =
        format!("{note}{}", Note::sign(TEXT, "x", &other).rsplit_once("\n\n").unwrap().1);
    assert_eq!(open(&cosigned, NAME, key.public()).unwrap(), TEXT);
    assert_eq!(open(&cosigned, "x", key.public()), Err(NoteError::NotSigned));
    for malformed in [
        "",
        "\n\n",
        TEXT,
        &note[..note.len() - 1],
        &note.replace("\n\n", "\n"),
        &note.replace('\u{2014}', "-"),
        &note.replace("x08g", "x08"),
        &note.replace("you", "y\u{0}u"),
        &note.replace("you", "y\ru"),
        &format!("{note}\n"),
        &format!("{note}{}", LINE.repeat(100)),
        &format!("{}{note}", "x".repeat(100_000)),
    ] {
        assert_eq!(
            open(malformed, NAME, key.public()),
            Err(NoteError::Malformed),
            "{malformed:.80}"
        );
    }
}

fn checkpoint() -> Checkpoint {
    let name: LogName = "consent.example.com".parse().unwrap();
    Checkpoint { origin: name.origin(Uuid::from_u128(7)), size: 11, root: [3; 32] }
}

#[test]
fn a_checkpoint_has_three_lines_and_its_business() {
    let key = key();
    let note = checkpoint().sign(&key);
    let text = "consent.example.com/businesses/00000000-0000-0000-0000-000000000007\n11\n\
                AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM=\n\n\u{2014} consent.example.com/";
    assert!(note.starts_with(text), "{note}");
    let keys = PublicKeys::one(*key.public());
    let read = Checkpoint::open(&note, &keys).unwrap();
    assert_eq!(read, checkpoint());
    assert_eq!(read.business().unwrap(), Uuid::from_u128(7));
    let nobodys = Checkpoint { origin: "example.com/x".to_owned(), ..checkpoint() };
    assert_eq!(nobodys.business(), Err(CheckpointError::NoBusiness));
}

#[test]
fn a_checkpoint_of_another_size_root_or_key_is_none() {
    let key = key();
    let keys = PublicKeys::one(*key.public());
    let note = checkpoint().sign(&key);
    for touched in [note.replacen("11", "12", 1), note.replacen("AwMD", "AwME", 1)] {
        assert_eq!(Checkpoint::open(&touched, &keys), Err(NoteError::WrongSignature.into()));
    }
    // The line names the key that signs it: another origin is another name.
    let moved = note.replacen("consent.example.com/", "consent.example.org/", 1);
    assert_eq!(Checkpoint::open(&moved, &keys), Err(NoteError::NotSigned.into()));
    let stranger = PublicKeys::one(*LedgerKey::generate().unwrap().public());
    assert_eq!(Checkpoint::open(&note, &stranger), Err(NoteError::NotSigned.into()));
    let mut both = stranger;
    both.add(keys.clone());
    assert_eq!(Checkpoint::open(&note, &both), Ok(checkpoint()));
    for odd in ["o\n11\n", "o\n011\nAwM=\n", "o\n-1\nAwM=\n", "o\n1\nAwM=\n", "\n1\nAwM=\n"] {
        let note = Note::sign(odd, odd.split('\n').next().unwrap(), &key);
        assert!(Checkpoint::open(&note, &keys).is_err(), "{odd}");
    }
}

#[test]
fn keys_are_read_as_openssl_writes_them() {
    let private = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n";
    let public = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n";
    // The key of RFC 8032, 7.1, test 1.
    let key = LedgerKey::from_pem(private).unwrap();
    assert_eq!(key.public().to_pem(), public);
    let (first, second) = (key.public(), LedgerKey::generate().unwrap());
    let both = PublicKeys::from_pem(&format!("{public}{}", second.public().to_pem())).unwrap();
    assert_eq!(both.iter().collect::<Vec<_>>(), [first, second.public()]);
    for none in ["", "x", private, &public.replace("MCow", "MCox")] {
        assert!(PublicKeys::from_pem(none).is_err(), "{none}");
    }
    assert!(LedgerKey::from_pem(public).is_err());
}

#[test]
fn a_key_is_made_once_and_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger.pem");
    let made = LedgerKey::create(&path).unwrap();
    assert_eq!(LedgerKey::from_file(&path).unwrap().public(), made.public());
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(LedgerKey::create(&path).is_err());
    assert_eq!(LedgerKey::from_file(&path).unwrap().public(), made.public());
}

#[test]
fn no_name_of_a_log_can_be_taken_for_another() {
    for name in ["", "a b", "a+b", "a\nb", "x/businesses/1", &"x".repeat(201)] {
        assert!(name.parse::<LogName>().is_err(), "{name}");
    }
    assert!("consent.example.com/th".parse::<LogName>().is_ok());
}
