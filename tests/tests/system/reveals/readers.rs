//! Who reads the audit record, and how it is searched.

use tonic::Code;
use uuid::Uuid;
use yinyom_proto::manager::v1 as man;
use yinyom_proto::types::v1::ConsentState::{Denied, NotSet};
use yinyom_tests::{Person, refusal};

use crate::reveals::{World, get};

pub async fn reveals_are_for_readers_of_the_ledger(world: World) {
    let parent = world.business.name.clone();
    let ask = async |who: &Person| {
        let reveals = man::ListRevealsRequest { parent: parent.clone(), ..Default::default() };
        let settings =
            man::ListSettingsChangesRequest { parent: parent.clone(), ..Default::default() };
        let mut audit = who.audit.clone();
        let reveals = audit.list_reveals(reveals).await.map(|_| ()).map_err(|s| refusal(&s));
        let changes = audit.list_settings_changes(settings).await;
        assert_eq!(changes.map(|_| ()).map_err(|s| refusal(&s)), reveals, "both or neither");
        reveals.map_err(|(code, reason, _)| (code, reason))
    };
    let business = &world.business;
    for who in [&business.owner, &business.admin, &business.officer] {
        assert_eq!(ask(who).await, Ok(()));
    }
    let refused = |code, reason: &str| Err((code, reason.to_owned()));
    for who in [&business.user, &business.listed] {
        assert_eq!(ask(who).await, refused(Code::PermissionDenied, "LEDGER_READERS_ONLY"));
    }
    let foreigner = world.house.found().await.owner;
    assert_eq!(ask(&foreigner).await, refused(Code::NotFound, "NOT_FOUND"));
    let vendor = world.house.named("vendor");
    assert_eq!(ask(&vendor).await, refused(Code::PermissionDenied, "RPC_NOT_ALLOWED"));
}

pub async fn reveals_are_found_by_who_saw_whom_and_when(world: World) {
    let (one, other) = (world.contact(Denied, NotSet).await, world.contact(Denied, NotSet).await);
    let business = &world.business;
    let mut ids = Vec::new();
    for (who, contact) in [
        (&business.owner, &one),
        (&business.listed, &one),
        (&business.listed, &other),
        (&world.house.named("mailer"), &other),
    ] {
        let id = Uuid::now_v7().to_string();
        get(&world.house, &who.bearer, contact, &id).await.unwrap();
        ids.push(id);
    }
    let last = world.reveal_of(&ids[3]).await;
    let found = async |asked: man::ListRevealsRequest| -> Vec<usize> {
        let found = world.reveals(asked).await;
        let place = |reveal: &man::Reveal| ids.iter().position(|id| *id == reveal.call_id);
        found.iter().filter_map(place).collect()
    };
    let asked = man::ListRevealsRequest::default;
    assert_eq!(found(asked()).await, [3, 2, 1, 0], "newest first");
    let listed = business.listed.name.clone();
    assert_eq!(found(man::ListRevealsRequest { actor: listed.clone(), ..asked() }).await, [2, 1]);
    let mailer = "services/mailer".to_owned();
    assert_eq!(found(man::ListRevealsRequest { actor: mailer, ..asked() }).await, [3]);
    assert_eq!(found(man::ListRevealsRequest { contact: one.clone(), ..asked() }).await, [1, 0]);
    let both = man::ListRevealsRequest { actor: listed, contact: one, ..asked() };
    assert_eq!(found(both).await, [1]);
    let until = man::ListRevealsRequest { end_time: last.reveal_time, ..asked() };
    assert_eq!(found(until).await, [2, 1, 0]);
    let since = man::ListRevealsRequest { start_time: last.reveal_time, ..asked() };
    assert_eq!(found(since).await, [3]);

    // Page by page it is the same list.
    let mut audit = business.officer.audit.clone();
    let (mut token, mut names) = (String::new(), Vec::new());
    loop {
        let asked = man::ListRevealsRequest {
            parent: business.name.clone(),
            page_size: 1,
            page_token: token,
            ..asked()
        };
        let page = audit.list_reveals(asked).await.unwrap().into_inner();
        names.extend(page.reveals.into_iter().map(|reveal| reveal.name));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    let all: Vec<_> = world.reveals(asked()).await.into_iter().map(|reveal| reveal.name).collect();
    assert_eq!(names, all);
}
