use std::future::pending;
use std::sync::Arc;

use yinyom_kernel::{Code, Fault};
use yinyom_privacy::{
    Answer, DataKey, Envelope, KeyId, Kms, KmsError, MasterKey, MasterKeys, OpenError, WrapError,
};

/// Takes calls and never answers.
#[derive(Debug)]
struct Silent;

impl Kms for Silent {
    fn id(&self) -> KeyId {
        KeyId::named("silent")
    }

    fn wrap<'a>(&'a self, _: &'a DataKey, _: &'a [u8]) -> Answer<'a, Vec<u8>> {
        Box::pin(pending())
    }

    fn unwrap<'a>(&'a self, _: &'a [u8], _: &'a [u8]) -> Answer<'a, DataKey> {
        Box::pin(pending())
    }

    fn derive<'a>(&'a self, _: &'a str) -> Answer<'a, DataKey> {
        Box::pin(pending())
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_gives_no_answer_is_not_waited_for_for_ever() {
    let masters = MasterKeys::of(Arc::new(Envelope::new(Silent)), Vec::new());
    let error = masters.wrap(&DataKey::generate(), b"").await.unwrap_err();
    assert!(matches!(error, WrapError::Kms(KmsError::Silent)));
    assert_eq!((error.code(), error.reason()), (Code::Unavailable, "KEYS_UNAVAILABLE"));
    assert!(error.retry_after().is_some());
    let others = vec![Arc::new(Silent) as Arc<dyn Kms>];
    let local = MasterKeys::of(Arc::new(MasterKey::generate()), others);
    assert!(local.sealer("pages").await.is_ok(), "pages need the active key alone");
}

#[tokio::test]
async fn an_enveloped_key_opens_in_its_own_place_and_whole() {
    let kept = MasterKey::generate();
    let masters = || MasterKeys::of(Arc::new(Envelope::new(kept.clone())), Vec::new());
    let (key, here) = (DataKey::generate(), masters());
    let wrapped = here.wrap(&key, b"business 1").await.unwrap();
    assert!(here.is_current(&wrapped) && wrapped.starts_with(kept.id().bytes()));
    let sealed = key.seal(b"", b"value");
    // Another process, which has never seen the key-encryption key.
    let opened = masters().unwrap(&wrapped, b"business 1").await.unwrap();
    assert_eq!(&**opened.open(b"", &sealed).unwrap(), b"value");
    let moved = masters().unwrap(&wrapped, b"business 2").await.unwrap_err();
    assert!(matches!(moved, WrapError::Sealed(OpenError::Damaged)));
    for at in 0..wrapped.len() {
        assert!(here.unwrap(&wrapped[..at], b"business 1").await.is_err(), "cut at {at}");
        let mut changed = wrapped.clone();
        changed[at] ^= 1;
        assert!(here.unwrap(&changed, b"business 1").await.is_err(), "byte {at}");
    }
}
