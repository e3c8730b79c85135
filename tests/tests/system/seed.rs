//! The help page of the CRM feature (Manage Consent), sentence by sentence, over real connections.

use yinyom_proto::directory::v1 as dir;
use yinyom_proto::manager::v1 as man;
use yinyom_proto::settings::v1 as set;
use yinyom_proto::types::v1::{Channel, ConsentState, Surface};
use yinyom_tests::{Database, House, Person, TestBusiness, assign, eventually, mask, reason};

const PHONE: &str = "+66812345678";
const EMAIL: &str = "somying@example.co.th";
const PHONE_MASK: &str = "•••-•••-••••";
const EMAIL_MASK: &str = "•••••@•••••";

#[tokio::test(flavor = "multi_thread")]
async fn on_sqlite() {
    the_whole_page(Database::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_postgres() {
    the_whole_page(Database::Postgres).await;
}

async fn the_whole_page(database: Database) {
    let house = House::start(database).await;
    plans_that_can_switch_it_on(&house).await;
    let mut business = house.found().await;
    who_sees(&business).await;
    the_list_of_viewers_can_be_edited(&mut business).await;
    let page = Page::open(&business).await;
    four_places_to_manage_consent(&business, &page).await;
    three_states(&business, &page).await;
    the_manager_has_it_all(&business, &page).await;
    house.close().await;
}

/// «แพ็กเกจที่สามารถเปิดใช้งานฟังก์ชันความยินยอมการใช้ข้อมูลได้ คือ AdPro+, Gold และ Platinum»
async fn plans_that_can_switch_it_on(house: &House) {
    for (plan, may) in [
        (set::Plan::Free, false),
        (set::Plan::Adpro, false),
        (set::Plan::AdproPlus, true),
        (set::Plan::Silver, false),
        (set::Plan::Gold, true),
        (set::Plan::Platinum, true),
    ] {
        let request = set::CreateBusinessRequest {
            business: Some(set::Business {
                display_name: format!("{plan:?}"),
                plan: plan.into(),
                ..Default::default()
            }),
            owner_display_name: "เจ้าของ".to_owned(),
            ..Default::default()
        };
        let created = house.named("vendor").businesses.create_business(request).await.unwrap();
        let created = created.into_inner();
        let name = created.business.unwrap().name;
        let id = yinyom_kernel::Name::parse_business(&name).unwrap();
        let mut owner = house.member(id, created.owner.unwrap().name);
        let switched = owner.settings.update_consent_settings(switch(&name, true)).await;
        assert_eq!(switched.is_ok(), may, "{plan:?}");
        if let Err(status) = switched {
            assert_eq!(reason::<()>(Err(status)), "PLAN_NOT_ELIGIBLE");
        }
    }
}

fn switch(business: &str, on: bool) -> set::UpdateConsentSettingsRequest {
    set::UpdateConsentSettingsRequest {
        consent_settings: Some(set::ConsentSettings {
            name: format!("{business}/consentSettings"),
            enforcement_enabled: on,
            ..Default::default()
        }),
        update_mask: Some(mask(&["enforcement_enabled"])),
        ..Default::default()
    }
}

/// «เจ้าของธุรกิจ และสิทธิ์ระดับผู้ดูแลจะสามารถเห็นข้อมูลส่วนบุคคลของลูกค้าได้ในทุกกรณี แต่ผู้ที่มีสิทธิ์ระดับผู้ใช้จะไม่สามารถเห็นข้อมูลได้
/// ในกรณีที่ลูกค้าไม่ให้ความยินยอม»
async fn who_sees(business: &TestBusiness) {
    let contact = business.contact(&["081-234-5678"], &[EMAIL]).await;
    for (state, user_sees) in
        [(ConsentState::NotSet, true), (ConsentState::Granted, true), (ConsentState::Denied, false)]
    {
        business.say(&contact.name, Channel::Phone, state).await;
        for (who, person) in business.people() {
            let visible = user_sees || matches!(who, "owner" | "admin" | "listed");
            let seen = get(&person, &contact.name).await;
            assert_eq!(
                seen.phones[0].value,
                if visible { PHONE } else { PHONE_MASK },
                "{who} {state:?}"
            );
            assert_eq!(seen.phones[0].consent_state(), state);
            assert_eq!(seen.emails[0].value, EMAIL, "the e-mail was not spoken of");
        }
    }
}

/// «สามารถคลิก "แก้ไขรายชื่อ" เพื่อเพิ่มผู้ใช้ที่อนุญาตให้เห็นข้อมูลได้เช่นเดียวกับเจ้าของธุรกิจ และผู้ดูแล»
async fn the_list_of_viewers_can_be_edited(business: &mut TestBusiness) {
    let contact = business.contact(&[PHONE], &[]).await;
    business.say(&contact.name, Channel::Phone, ConsentState::Denied).await;
    let members = vec![business.user.name.clone()];
    assert_eq!(get(&business.user, &contact.name).await.phones[0].value, PHONE_MASK);

    let parent = business.name.clone();
    let add = set::AddViewersRequest { parent, members: members.clone(), ..Default::default() };
    assert_eq!(
        reason(business.user.settings.add_viewers(add.clone()).await),
        "OWNER_OR_ADMIN_ONLY",
        "nobody puts themself on the list"
    );
    business.admin.settings.add_viewers(add).await.unwrap();
    let user = business.user.clone();
    let seen = eventually(
        async || get(&user, &contact.name).await.phones[0].value.clone(),
        |value| value == PHONE,
    );
    seen.await;

    let parent = business.name.clone();
    let remove = set::RemoveViewersRequest { parent, members, ..Default::default() };
    business.admin.settings.remove_viewers(remove).await.unwrap();
    let seen = get(&business.user, &contact.name).await;
    assert_eq!(seen.phones[0].value, PHONE_MASK, "it holds when the call has returned");
}

/// A lead and an account with contacts of their own.
struct Page {
    lead: String,
    primary: String,
    second: String,
    account: String,
    registered: String,
    stranger: String,
}

impl Page {
    async fn open(business: &TestBusiness) -> Self {
        let [primary, second, registered, stranger] = [
            business.contact(&[PHONE], &[EMAIL]).await.name,
            business.contact(&[PHONE], &[EMAIL]).await.name,
            business.contact(&[PHONE], &[EMAIL]).await.name,
            business.contact(&[PHONE], &[EMAIL]).await.name,
        ];
        let mut user = business.user.clone();
        let lead = dir::CreateLeadRequest {
            parent: business.name.clone(),
            lead: Some(dir::Lead {
                title: "สนใจคอนโด".to_owned(),
                source: "Facebook".to_owned(),
                primary_contact: primary.clone(),
                ..Default::default()
            }),
            ..Default::default()
        };
        let lead = user.leads.create_lead(lead).await.unwrap().into_inner().lead.unwrap().name;
        let add = dir::AddLeadContactsRequest {
            parent: lead.clone(),
            contacts: vec![second.clone()],
            ..Default::default()
        };
        user.leads.add_lead_contacts(add).await.unwrap();
        let account = dir::CreateAccountRequest {
            parent: business.name.clone(),
            account: Some(dir::Account {
                display_name: "บริษัท เช้าวันดี จำกัด".to_owned(),
                ..Default::default()
            }),
            ..Default::default()
        };
        let account = user.accounts.create_account(account).await.unwrap();
        let account = account.into_inner().account.unwrap().name;
        let add = dir::AddAccountContactsRequest {
            parent: account.clone(),
            contacts: vec![registered.clone()],
            ..Default::default()
        };
        user.accounts.add_account_contacts(add).await.unwrap();
        Self { lead, primary, second, account, registered, stranger }
    }
}

/// «1. จัดการความยินยอมจากหน้า Lead», «2. … ในหน้าจัดการผู้ติดต่อ», «3. … ในหน้าทะเบียนลูกค้า», «4. … ในเมนูผู้ติดต่อ»
async fn four_places_to_manage_consent(business: &TestBusiness, page: &Page) {
    let places = [
        (Surface::Lead, &page.lead, "", &page.primary, [&page.second, &page.stranger]),
        (Surface::LeadContacts, &page.lead, "", &page.second, [&page.registered, &page.stranger]),
        (
            Surface::AccountContacts,
            &String::new(),
            &*page.account,
            &page.registered,
            [&page.primary, &page.stranger],
        ),
    ];
    let mut user = business.user.clone();
    for (surface, lead, account, contact, others) in places {
        let on = |contact: &str| dir::SetContactConsentsRequest {
            surface: surface.into(),
            lead: lead.clone(),
            account: account.to_owned(),
            ..assign(contact, &[(Channel::Email, ConsentState::Granted)])
        };
        user.consents.set_contact_consents(on(contact)).await.unwrap();
        for other in others {
            let refused = user.consents.set_contact_consents(on(other)).await;
            assert_eq!(reason(refused), "SURFACE_MISMATCH", "{surface:?}");
        }
    }
    let anywhere = assign(&page.stranger, &[(Channel::Email, ConsentState::Granted)]);
    user.consents.set_contact_consents(anywhere.clone()).await.unwrap();
    for false_surface in [Surface::Import, Surface::Api] {
        let set =
            dir::SetContactConsentsRequest { surface: false_surface.into(), ..anywhere.clone() };
        assert_eq!(reason(user.consents.set_contact_consents(set).await), "SURFACE_MISMATCH");
    }
}

/// «สามารถระบุความยินยอมการใช้ข้อมูลเบอร์โทรศัพท์ และอีเมลของลูกค้าได้ 3 รูปแบบ คือ ยังไม่ได้ระบุ, ยินยอม และไม่ยินยอม
/// โดยระบบจะแสดงผลข้อมูลแตกต่างกันตามที่ตั้งค่าไว้»
async fn three_states(business: &TestBusiness, page: &Page) {
    let mut user = business.user.clone();
    let both = [(Channel::Phone, ConsentState::Denied), (Channel::Email, ConsentState::Denied)];
    user.consents.set_contact_consents(assign(&page.stranger, &both)).await.unwrap();
    let seen = get(&user, &page.stranger).await;
    assert_eq!((&*seen.phones[0].value, &*seen.emails[0].value), (PHONE_MASK, EMAIL_MASK));

    let regrant = assign(&page.stranger, &[(Channel::Phone, ConsentState::Granted)]);
    let refused = user.consents.set_contact_consents(regrant.clone()).await;
    assert_eq!(reason(refused), "CANNOT_LIFT_OWN_MASK");
    business.listed.consents.clone().set_contact_consents(regrant).await.unwrap();
    assert_eq!(get(&user, &page.stranger).await.phones[0].value, PHONE);

    let withdraw = dir::WithdrawConsentRequest {
        contact: page.stranger.clone(),
        channels: vec![Channel::Phone.into()],
        surface: Surface::Contacts.into(),
        ..Default::default()
    };
    user.consents.withdraw_consent(withdraw).await.unwrap();
    assert_eq!(get(&user, &page.stranger).await.phones[0].value, PHONE_MASK);
    let unset = assign(&page.stranger, &[(Channel::Phone, ConsentState::NotSet)]);
    business.owner.consents.clone().set_contact_consents(unset).await.unwrap();
    assert_eq!(get(&user, &page.stranger).await.phones[0].value, PHONE);
}

/// «ระบบจะจัดเก็บข้อมูลความยินยอมไว้ที่ระบบ Marketing Consent Manager เพื่อช่วยให้บริษัท หรือองค์กร สามารถดูรายละเอียด
/// และบริหารจัดการข้อมูลทั้งหมดได้»
async fn the_manager_has_it_all(business: &TestBusiness, page: &Page) {
    let history =
        man::GetContactHistoryRequest { contact: page.stranger.clone(), ..Default::default() };
    let mut owner = business.owner.clone();
    let entries = eventually(
        async || {
            let answer = owner.ledger.get_contact_history(history.clone()).await;
            answer.map(|answer| answer.into_inner().entries).unwrap_or_default()
        },
        // Created, granted e-mail, both denied, phone granted, withdrawn, unset.
        |entries| entries.len() == 6,
    )
    .await;
    let seqs: Vec<_> = entries.iter().map(|entry| entry.seq).collect();
    assert_eq!(seqs, [6, 5, 4, 3, 2, 1], "newest first, without a gap");
    let surfaces: Vec<_> = entries.iter().map(man::LedgerEntry::surface).collect();
    assert!(surfaces.iter().all(|surface| *surface == Surface::Contacts));
    assert_eq!(entries[1].actor, business.user.name);

    let summary = man::GetConsentSummaryRequest { parent: business.name.clone(), as_of_time: None };
    let summary = owner.reports.get_consent_summary(summary.clone()).await.unwrap().into_inner();
    for channel in &summary.channels {
        let states = channel.not_set + channel.granted + channel.denied;
        assert_eq!(states, summary.contacts, "the states add up to the contacts");
    }
    for (who, mut person) in business.people() {
        let asked = person.ledger.get_contact_history(history.clone()).await;
        match who {
            "owner" | "admin" | "officer" => drop(asked.expect(who)),
            _ => assert_eq!(reason(asked), "LEDGER_READERS_ONLY", "{who}"),
        }
    }
}

async fn get(person: &Person, name: &str) -> dir::Contact {
    let request = dir::GetContactRequest { name: name.to_owned() };
    let mut contacts = person.contacts.clone();
    contacts.get_contact(request).await.unwrap().into_inner().contact.unwrap()
}
