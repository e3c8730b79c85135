//! What the access tables declare is what happens: every method, asked by everybody there is.

use prost_reflect::MethodDescriptor;
use tonic::{Code, Status};
use yinyom_identity::{Access, Members};
use yinyom_testkit::tokens::Bearer;
use yinyom_tests::ask::{About, methods, path};
use yinyom_tests::{Database, House, TestBusiness, Things, eventually, refusal};

/// What a method refuses some of its callers for beside who they are: addresses that are masked for them, or the field that
/// they ask to change.
const BESIDE: [(&str, &[Who]); 9] = [
    ("BatchCheckConsent", &MASKED),
    ("DeleteContact", &MASKED),
    ("GetSharedAddressSummary", &MASKED),
    ("ListSharedAddresses", &MASKED),
    ("MergeContacts", &MASKED),
    ("PreviewSharedAddressPolicy", &MASKED),
    ("StreamReachable", &MASKED),
    ("ImportContacts", &[Who::Service("dashboard")]),
    // An operator changes plans, and nothing else.
    ("UpdateBusiness", &[Who::Operator]),
];

/// Those who may see masks where others see addresses.
const MASKED: [Who; 3] = [Who::Member("user"), Who::Member("officer"), Who::Service("dashboard")];

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Member(&'static str),
    /// A service that may call everything, and one that the caller table gives two services' methods.
    Service(&'static str),
    Operator,
}

const EVERYBODY: [Who; 9] = [
    Who::Member("owner"),
    Who::Member("admin"),
    Who::Member("listed"),
    Who::Member("user"),
    Who::Member("officer"),
    Who::Service("mailer"),
    Who::Service("dashboard"),
    Who::Service("contact-directory"),
    Who::Operator,
];

/// What an answer says of the caller.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    /// Whatever else was wrong with the call.
    Admitted,
    /// The method is for others, by kind.
    NotThisKind,
    /// The method is for other members.
    NotThisRole,
}

#[tokio::test(flavor = "multi_thread")]
async fn every_method_is_for_those_whom_its_entry_names_and_for_nobody_else() {
    let house = House::start(Database::Sqlite).await;
    let business = house.found().await;
    let things = Things::make(&house, &business).await;
    let mut methods = methods();
    // The lease of a stranger holds up whoever takes a right away.
    methods.sort_by_key(|method| method.name() == "RenewPolicyLease");
    let mut wrong = Vec::new();
    for method in &methods {
        let access = entry(method);
        for who in EVERYBODY {
            let answer = if uses_up(method) {
                let business = house.found().await;
                let things = Things::make(&house, &business).await;
                ask(&house, &business, &things, method, who).await
            } else {
                ask(&house, &business, &things, method, who).await
            };
            let (answer, said) = answer;
            let beside = answer == Answer::NotThisRole
                && BESIDE.iter().any(|(name, some)| *name == method.name() && some.contains(&who));
            if answer != expected(access, who) && !beside {
                wrong.push(format!("{} by {who:?}: {said}", access.rpc));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    house.close().await;
}

fn entry(method: &MethodDescriptor) -> &'static Access {
    let tables = [consent_settings::ACCESS, contact_directory::ACCESS, consent_manager::ACCESS];
    let mut entries = tables.into_iter().flatten();
    let path = path(method);
    entries.find(|entry| entry.rpc == path).unwrap_or_else(|| panic!("{path} has no entry"))
}

/// The rule, as PRODUCT has it: what each word of the table means.
fn expected(access: &Access, who: Who) -> Answer {
    match who {
        Who::Operator if access.operators => Answer::Admitted,
        Who::Service(name) if access.services && listed_for(name, access.rpc) => Answer::Admitted,
        Who::Operator | Who::Service(_) => Answer::NotThisKind,
        Who::Member(role) => {
            let roles: &[&str] = match access.members {
                Members::None => return Answer::NotThisKind,
                Members::Any => &["owner", "admin", "listed", "user", "officer"],
                Members::Listed => &["owner", "admin", "listed"],
                Members::OwnerOrAdmin => &["owner", "admin"],
                Members::Owner => &["owner"],
                Members::LedgerReaders => &["owner", "admin", "officer"],
            };
            if roles.contains(&role) { Answer::Admitted } else { Answer::NotThisRole }
        }
    }
}

/// As the house's caller table says.
fn listed_for(name: &str, rpc: &str) -> bool {
    let own = [
        "/yinyom.settings.v1.PolicyService/",
        "/yinyom.manager.v1.AuditService/Record",
        "/yinyom.manager.v1.LedgerService/Record",
        "/yinyom.manager.v1.RetentionService/ListErasures",
    ];
    name != "contact-directory" || own.iter().any(|prefix| rpc.starts_with(prefix))
}

fn uses_up(method: &MethodDescriptor) -> bool {
    ["Merge", "Undo", "Remove", "Convert", "Delete", "Transfer", "Erase"]
        .iter()
        .any(|verb| method.name().starts_with(verb))
}

async fn ask(
    house: &House,
    business: &TestBusiness,
    things: &Things,
    method: &MethodDescriptor,
    who: Who,
) -> (Answer, String) {
    let (bearer, surface): (Bearer, i32) = match who {
        Who::Member(role) => {
            let people = business.people();
            let (_, person) = people.into_iter().find(|(word, _)| *word == role).unwrap();
            (person.bearer, 4)
        }
        Who::Service(name) => (house.tokens.named(name), 6),
        Who::Operator => (house.tokens.named("vendor"), 4),
    };
    let about = About { surface, ..About::member(things) };
    let call = async || {
        let request = bearer.request(vec![about.bytes(method)]);
        house.call(&path(method), request).await.err()
    };
    // While a lease is late nobody's role is known.
    let known =
        |refused: &Option<Status>| !matches!(refused, Some(s) if s.code() == Code::Unavailable);
    let Some(status) = eventually(call, known).await else {
        return (Answer::Admitted, "OK".to_owned());
    };
    let (code, reason, _) = refusal(&status);
    let answer = match (code, reason.as_str()) {
        (Code::PermissionDenied, "RPC_NOT_ALLOWED") => Answer::NotThisKind,
        (Code::PermissionDenied, _) => Answer::NotThisRole,
        // The one that is named is not there, which only those hear who may release one.
        (Code::NotFound, _) if method.name() == "ReleaseLegalHold" => Answer::Admitted,
        // The owner's is none for a user and for a service, who may ask all the same.
        (Code::NotFound, _)
            if method.name().ends_with("Operation") || method.name() == "ListBulkSetResults" =>
        {
            Answer::Admitted
        }
        (Code::Unauthenticated | Code::NotFound | Code::Unimplemented | Code::Internal, _) => {
            panic!("{} by {who:?}: {code:?} {reason}", method.name())
        }
        _ => Answer::Admitted,
    };
    (answer, format!("{code:?} {reason}"))
}
