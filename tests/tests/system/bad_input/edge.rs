//! What is no message, below the generated clients, for every method.

use tonic::Code;
use yinyom_tests::ask::{About, methods, path};
use yinyom_tests::{Person, refusal};

use crate::bad_input::World;

const FIVE_MEBIBYTES: usize = 5 * 1024 * 1024;

/// Somebody who may call the method.
pub fn caller(world: &World, method: &str) -> Person {
    match method {
        "CreateBusiness" | "ListBusinesses" => world.house.named("vendor"),
        "GetPolicy" | "RenewPolicyLease" | "RecordAuditEvents" | "RecordConsentChanges" => {
            world.house.named("mailer")
        }
        _ => world.ours.owner.clone(),
    }
}

/// A call without any message. A stream of none lacks what its first message must say.
pub async fn no_message(world: &World) {
    for method in methods() {
        let bearer = caller(world, method.name()).bearer;
        let answer = world.house.call(&path(&method), bearer.request(Vec::new())).await;
        let (code, reason, _) = refusal(&answer.expect_err(method.name()));
        let streams = method.is_client_streaming();
        let expected = if streams { "INVALID_INPUT" } else { "EMPTY_REQUEST" };
        assert_eq!((code, &*reason), (Code::InvalidArgument, expected), "{}", method.name());
    }
}

/// No protobuf; a field that is cut off; a name that is no text.
pub async fn unreadable_messages(world: &World) {
    for method in methods() {
        for bytes in [&[0xff; 8][..], &[0x0a, 0x7f, b'k'], &[0x0a, 0x02, 0xc3, 0x28]] {
            let bearer = caller(world, method.name()).bearer;
            let request = bearer.request(vec![bytes.to_vec()]);
            let answer = world.house.call(&path(&method), request).await;
            let (code, reason, fields) = refusal(&answer.expect_err(method.name()));
            let found = (code, &*reason, fields);
            let expected = (Code::InvalidArgument, "MALFORMED_REQUEST", Vec::new());
            // Its first field is a number, which none of these is.
            assert_eq!(found, expected, "{} {bytes:x?}", method.name());
        }
    }
}

/// A message of 5 MiB, to each service: who has no token hears of that first.
pub async fn five_mebibytes(world: &World) {
    let large = vec![b'a'; FIVE_MEBIBYTES];
    for (path, vendor) in [
        ("/yinyom.settings.v1.BusinessService/CreateBusiness", true),
        ("/yinyom.directory.v1.ContactService/CreateContact", false),
        ("/yinyom.directory.v1.ImportService/ImportContacts", false),
        ("/yinyom.manager.v1.LedgerService/ListConsents", false),
    ] {
        let who = if vendor { world.house.named("vendor") } else { world.ours.owner.clone() };
        let bearer = who.bearer;
        let answer = world.house.call(path, bearer.request(vec![large.clone()])).await;
        let (code, reason, _) = refusal(&answer.expect_err(path));
        assert_eq!((code, &*reason), (Code::ResourceExhausted, "MESSAGE_TOO_LARGE"), "{path}");
        let nobody = world.house.call(path, tonic::Request::new(vec![large.clone()])).await;
        assert_eq!(nobody.expect_err(path).code(), Code::Unauthenticated, "{path}");
    }
}

/// A method, a service and a version that there are not; a stranger is not told even that.
pub async fn unknown_methods(world: &World) {
    for path in [
        "/yinyom.directory.v1.ContactService/RevealContact",
        "/yinyom.directory.v1.PhoneService/GetPhone",
        "/yinyom.directory.v2.ContactService/GetContact",
        "/yinyom.settings.v1.ContactService/GetContact",
        "/yinyom.manager.v1.LedgerService/",
    ] {
        let body = About::member(&world.own).bytes(&methods()[0]);
        let bearer = &world.ours.owner.bearer;
        let answer = world.house.call(path, bearer.request(vec![body.clone()])).await;
        let (code, reason, _) = refusal(&answer.expect_err(path));
        assert_eq!((code, &*reason), (Code::Unimplemented, "UNKNOWN_METHOD"), "{path}");
        let nobody = world.house.call(path, tonic::Request::new(vec![body])).await;
        assert_eq!(nobody.expect_err(path).code(), Code::Unauthenticated, "{path}");
    }
}
