"""The help page of the CRM feature (Manage Consent), sentence by sentence, by a foreign client."""

import itertools

import grpc
import pytest

from shop import EMAIL_MASK, PHONE_MASK, STATES, Shop, get, shown
from wire import Refused, eventually, plain, refusal

PHONE = "+66812345678"
EMAIL = "somying@example.co.th"
ELIGIBLE = {"PLAN_ADPRO_PLUS", "PLAN_GOLD", "PLAN_PLATINUM"}
PLANS = {*ELIGIBLE, "PLAN_FREE", "PLAN_ADPRO", "PLAN_SILVER"}


class TestPersonalDataIsKept:
    """«มีการบันทึกข้อมูลส่วนบุคคลไว้ในระบบ เช่น เบอร์โทรศัพท์, อีเมล เป็นต้น»"""

    @pytest.mark.parametrize(
        "typed",
        ["081-234-5678", "+66 81 234 5678", "๐๘๑๒๓๔๕๖๗๘", "(081) 234 5678", "0066812345678"],
    )
    def test_a_phone_number_is_read_however_people_write_it(self, shop, typed):
        assert shown(get(shop.owner, shop.contact(typed))).phone == PHONE

    def test_an_email_is_kept(self, shop):
        assert shown(get(shop.owner, shop.contact(email=f" {EMAIL} "))).email == EMAIL


class TestPlans:
    """«แพ็กเกจที่สามารถเปิดใช้งานฟังก์ชันความยินยอมการใช้ข้อมูลได้ คือ AdPro+, Gold และ Platinum»"""

    def test_every_plan_is_spoken_of_here(self, house):
        known = house.services["settings"].enum("yinyom.settings.v1.Plan")
        assert set(known) - {"PLAN_UNSPECIFIED"} == PLANS

    @pytest.mark.parametrize("plan", sorted(PLANS))
    def test_a_plan_can_switch_it_on_or_cannot(self, house, plan):
        shop = Shop(house, plan)
        if plan in ELIGIBLE:
            assert shop.switch(True).consent_settings.enforcement_enabled
            return
        with pytest.raises(Refused) as refused:
            shop.switch(True)
        assert refused.value.code == grpc.StatusCode.FAILED_PRECONDITION
        assert refused.value.reason == "PLAN_NOT_ELIGIBLE"
        assert not shop.enforced(), "what was refused did not happen"

    def test_a_downgrade_reveals_nothing(self, house):
        shop = Shop(house)
        shop.switch(True)
        contact = shop.contact(PHONE)
        shop.say(contact, phone="DENIED")
        house.operator(
            "settings.BusinessService/UpdateBusiness",
            business={"name": shop.name, "plan": "PLAN_FREE"},
            update_mask={"paths": ["plan"]},
        )
        assert shown(get(shop.user, contact)).phone == PHONE_MASK
        shop.switch(False)
        with pytest.raises(Refused) as refused:
            shop.switch(True)
        assert refused.value.reason == "PLAN_NOT_ELIGIBLE"

    def test_no_owner_gives_themself_a_plan(self, house):
        shop = Shop(house, "PLAN_FREE")
        for name in ("owner", "admin", "user"):
            refused = refusal(
                shop.people()[name],
                "settings.BusinessService/UpdateBusiness",
                business={"name": shop.name, "plan": "PLAN_PLATINUM"},
                update_mask={"paths": ["plan"]},
            )
            assert refused.code == grpc.StatusCode.PERMISSION_DENIED, name


class TestTheSwitch:
    """«ตั้งค่าความยินยอมการใช้ข้อมูลทางการตลาด โดยเลือก "เปิดใช้งาน"»"""

    def test_off_everybody_sees_everything_and_on_a_refusal_is_masked(self, house):
        shop = Shop(house)
        contact = shop.contact(PHONE, EMAIL)
        shop.say(contact, phone="DENIED", email="DENIED")
        for who, person in shop.people().items():
            seen = shown(get(person, contact))
            assert (seen.phone, seen.email) == (PHONE, EMAIL), who
        shop.switch(True, by=shop.admin)
        seen = shown(get(shop.user, contact))
        assert (seen.phone, seen.email) == (PHONE_MASK, EMAIL_MASK), "when the call has returned"

    def test_users_do_not_touch_it_and_only_the_owner_switches_it_off(self, shop):
        for who, on in (("user", True), ("listed", True), ("user", False), ("admin", False)):
            with pytest.raises(Refused) as refused:
                shop.switch(on, by=shop.people()[who])
            assert refused.value.code == grpc.StatusCode.PERMISSION_DENIED, (who, on)
        assert shop.enforced()


class TestWhoSees:
    """«เจ้าของธุรกิจ และสิทธิ์ระดับผู้ดูแลจะสามารถเห็นข้อมูลส่วนบุคคลของลูกค้าได้ในทุกกรณี
    แต่ผู้ที่มีสิทธิ์ระดับผู้ใช้จะไม่สามารถเห็นข้อมูลได้ ในกรณีที่ลูกค้าไม่ให้ความยินยอม»"""

    @pytest.mark.parametrize("email", STATES)
    @pytest.mark.parametrize("phone", STATES)
    def test_owner_admin_and_listed_always_users_unless_it_was_refused(self, shop, phone, email):
        contact = shop.contact("081-234-5678", EMAIL)
        shop.say(contact, phone=phone, email=email)
        for who, person in shop.people().items():
            privileged = who in ("owner", "admin", "listed")
            seen = shown(get(person, contact))
            assert seen.states == (phone, email)
            sees_phone, sees_email = (privileged or s != "DENIED" for s in (phone, email))
            assert seen.phone == (PHONE if sees_phone else PHONE_MASK), who
            assert seen.email == (EMAIL if sees_email else EMAIL_MASK), who

    def test_another_business_sees_nothing_and_cannot_tell_whether_it_exists(self, shop, house):
        contact = shop.contact(PHONE)
        stranger = Shop(house).owner
        there = refusal(stranger, "directory.ContactService/GetContact", name=contact)
        absent = refusal(
            stranger, "directory.ContactService/GetContact", name=contact[:-12] + "0" * 12
        )
        assert there.code == absent.code == grpc.StatusCode.NOT_FOUND
        assert (there.message, there.reason) == (absent.message, absent.reason)

    def test_whoever_founded_the_business_never_sees_its_customers(self, shop, house):
        contact = shop.contact(PHONE)
        refused = refusal(house.operator, "directory.ContactService/GetContact", name=contact)
        assert refused.code == grpc.StatusCode.PERMISSION_DENIED


class TestTheViewerList:
    """«สามารถคลิก "แก้ไขรายชื่อ" เพื่อเพิ่มผู้ใช้ที่อนุญาตให้เห็นข้อมูลได้เช่นเดียวกับเจ้าของธุรกิจ และผู้ดูแล»"""

    def edit(self, who, verb, shop, member):
        return who(
            f"settings.ConsentSettingsService/{verb}Viewers", parent=shop.name, members=[member.name]
        )

    def names(self, shop):
        viewers = shop.owner.pages(
            "settings.ConsentSettingsService/ListViewers", "viewers", parent=shop.name, page_size=1
        )
        return {viewer.member for viewer in viewers}

    def test_owner_and_admin_edit_it_and_it_holds_at_once(self, house):
        shop = Shop(house)
        shop.switch(True)
        contact = shop.contact(PHONE)
        shop.say(contact, phone="DENIED")
        assert self.names(shop) == {shop.listed.name}, "owner and admin need no entry"
        for editor in (shop.owner, shop.admin):
            assert shown(get(shop.user, contact)).phone == PHONE_MASK
            self.edit(editor, "Add", shop, shop.user)
            assert self.names(shop) == {shop.listed.name, shop.user.name}
            eventually(lambda: shown(get(shop.user, contact)).phone, lambda seen: seen == PHONE)
            self.edit(editor, "Remove", shop, shop.user)
            assert shown(get(shop.user, contact)).phone == PHONE_MASK, "when the call has returned"

    @pytest.mark.parametrize("who", ["listed", "user", "officer"])
    def test_no_user_puts_anybody_on_it_or_takes_anybody_off(self, shop, who):
        person = shop.people()[who]
        for verb, member in (("Add", person), ("Add", shop.user), ("Remove", shop.listed)):
            with pytest.raises(Refused) as refused:
                self.edit(person, verb, shop, member)
            assert refused.value.code == grpc.StatusCode.PERMISSION_DENIED
            assert refused.value.reason == "OWNER_OR_ADMIN_ONLY"
        assert self.names(shop) == {shop.listed.name}


class Page:
    """A lead and an account, each with contacts, and a contact of neither."""

    def __init__(self, shop):
        self.primary, self.second, self.registered, self.alone = (
            shop.contact(PHONE, EMAIL) for _ in range(4)
        )
        user = shop.user
        self.lead = user(
            "directory.LeadService/CreateLead",
            parent=shop.name,
            lead={"title": "สนใจคอนโด", "source": "Facebook", "primary_contact": self.primary},
        ).lead.name
        user(
            "directory.LeadService/AddLeadContacts", parent=self.lead, contacts=[self.second]
        )
        self.account = user(
            "directory.AccountService/CreateAccount",
            parent=shop.name,
            account={"display_name": "บริษัท เช้าวันดี จำกัด"},
        ).account.name
        user(
            "directory.AccountService/AddAccountContacts",
            parent=self.account,
            contacts=[self.registered],
        )

    def place(self, surface):
        """What a call from there carries, the contact that it is about, and others that it is not."""
        lead, account = {"lead": self.lead}, {"account": self.account}
        return {
            "LEAD": (lead, self.primary, [self.second, self.registered, self.alone]),
            "LEAD_CONTACTS": (lead, self.second, [self.registered, self.alone]),
            "ACCOUNT_CONTACTS": (account, self.registered, [self.primary, self.alone]),
            "CONTACTS": ({}, self.alone, []),
        }[surface]


@pytest.fixture(scope="module")
def page(shop):
    return Page(shop)


def consents(shop, contact):
    answer = shop.owner("directory.ConsentService/GetContactConsents", contact=contact)
    return answer.contact_consents


def history(who, contact):
    """What the ledger has of a contact; nothing before it has heard of it."""
    try:
        answer = who("manager.LedgerService/GetContactHistory", contact=contact)
    except Refused as refused:
        assert refused.code == grpc.StatusCode.NOT_FOUND
        return []
    return [plain(entry) for entry in answer.entries]


class TestFourPlaces:
    """«1. จัดการความยินยอมจากหน้า Lead», «2. จัดการความยินยอมในหน้าจัดการผู้ติดต่อ»,
    «3. จัดการความยินยอมในหน้าทะเบียนลูกค้า», «4. จัดการความยินยอมในเมนูผู้ติดต่อ»"""

    @pytest.mark.parametrize("surface", ["LEAD", "LEAD_CONTACTS", "ACCOUNT_CONTACTS", "CONTACTS"])
    def test_it_can_be_said_there_and_the_ledger_knows_where(self, shop, page, surface):
        parents, contact, others = page.place(surface)
        shop.say(contact, by=shop.user, surface=surface, email="GRANTED", **parents)
        seq = consents(shop, contact).consent_seq
        entries = eventually(lambda: history(shop.owner, contact), lambda got: len(got) == seq)
        assert entries[0]["surface"] == f"SURFACE_{surface}"
        assert entries[0]["actor"] == shop.user.name
        assert entries[0]["surface_parent"] == next(iter(parents.values()), "")

        for other in others:
            before = consents(shop, other)
            with pytest.raises(Refused) as refused:
                shop.say(other, by=shop.user, surface=surface, email="DENIED", **parents)
            assert refused.value.reason == "SURFACE_MISMATCH"
            assert consents(shop, other) == before, "what was refused did not happen"

    @pytest.mark.parametrize("surface", ["IMPORT", "API"])
    def test_no_member_claims_to_be_an_import_or_a_service(self, shop, page, surface):
        with pytest.raises(Refused) as refused:
            shop.say(page.alone, by=shop.owner, surface=surface, email="DENIED")
        assert refused.value.reason == "SURFACE_MISMATCH"

    def test_a_place_without_its_lead_or_account_is_malformed(self, shop, page):
        for surface, missing in (
            ("LEAD", "lead"), ("LEAD_CONTACTS", "lead"), ("ACCOUNT_CONTACTS", "account")
        ):
            with pytest.raises(Refused) as refused:
                shop.say(page.primary, surface=surface, email="DENIED")
            assert refused.value.code == grpc.StatusCode.INVALID_ARGUMENT
            assert missing in refused.value.fields


class TestThreeStates:
    """«สามารถระบุความยินยอมการใช้ข้อมูลเบอร์โทรศัพท์ และอีเมลของลูกค้าได้ 3 รูปแบบ คือ ยังไม่ได้ระบุ,
    ยินยอม และไม่ยินยอม โดยระบบจะแสดงผลข้อมูลแตกต่างกันตามที่ตั้งค่าไว้»"""

    def test_there_are_three_and_forgetting_to_say_is_none_of_them(self, shop, house):
        known = house.services["directory"].enum("yinyom.type.v1.ConsentState")
        assert {name.removeprefix("CONSENT_STATE_") for name in known} == {*STATES, "UNSPECIFIED"}
        contact = shop.contact(PHONE)
        with pytest.raises(Refused) as refused:
            shop.say(contact, phone="UNSPECIFIED")
        assert refused.value.code == grpc.StatusCode.INVALID_ARGUMENT
        assert list(refused.value.fields) == ["assignments[0].state"]
        assert consents(shop, contact).consent_seq == 1, "only that it was created"

    @pytest.mark.parametrize("path", ["get", "batch", "list", "search", "lead", "account"])
    def test_no_way_to_a_contact_goes_around_the_mask(self, shop, path):
        contact = shop.contact(PHONE, EMAIL, first_name=f"ทาง{path}")
        shop.say(contact, phone="DENIED", email="DENIED")
        page = {"parent": shop.name, "page_size": 1000}
        lead = Page(shop) if path in ("lead", "account") else None
        if path == "lead":
            add = {"parent": lead.lead, "contacts": [contact]}
            shop.owner("directory.LeadService/AddLeadContacts", **add)
        elif path == "account":
            add = {"parent": lead.account, "contacts": [contact]}
            shop.owner("directory.AccountService/AddAccountContacts", **add)
        service = "directory.ContactService"
        answers = {
            "get": lambda: [get(shop.user, contact)],
            "batch": lambda: shop.user(
                f"{service}/BatchGetContacts", parent=shop.name, names=[contact]
            ).contacts,
            "list": lambda: shop.user(f"{service}/ListContacts", **page).contacts,
            "search": lambda: shop.user(
                f"{service}/SearchContacts", name_prefix=f"ทาง{path}", **page
            ).contacts,
            "lead": lambda: shop.user(
                "directory.LeadService/ListLeadContacts", parent=lead.lead
            ).contacts,
            "account": lambda: shop.user(
                "directory.AccountService/ListAccountContacts", parent=lead.account
            ).contacts,
        }
        [found] = [c for c in answers[path]() if c.name == contact]
        for point in shown(found).points:
            assert point["visibility"] == "VISIBILITY_MASKED"
            assert point["value"] in (PHONE_MASK, EMAIL_MASK)

    def test_a_masked_address_cannot_be_found_by_searching_for_it(self, shop):
        hidden = "089-765-4321"
        contact = shop.contact(hidden, "hidden@example.com")
        shop.say(contact, phone="DENIED", email="DENIED")
        for question in ({"phone": hidden}, {"email": "hidden@example.com"}):
            search = {"parent": shop.name, **question}
            found = shop.user("directory.ContactService/SearchContacts", **search).contacts
            assert list(found) == []
            [found] = shop.owner("directory.ContactService/SearchContacts", **search).contacts
            assert found.name == contact

    def test_nobody_lifts_a_mask_from_themself(self, shop):
        contact = shop.contact(PHONE, EMAIL)
        shop.say(contact, by=shop.user, phone="DENIED", email="GRANTED")
        for state in ("GRANTED", "NOT_SET"):
            with pytest.raises(Refused) as refused:
                shop.say(contact, by=shop.user, phone=state, email="DENIED")
            assert refused.value.reason == "CANNOT_LIFT_OWN_MASK"
            assert shown(get(shop.owner, contact)).states == ("DENIED", "GRANTED"), "neither"
        shop.say(contact, by=shop.listed, phone="GRANTED")
        assert shown(get(shop.user, contact)).phone == PHONE

    def test_withdrawing_is_for_everybody_and_works_from_every_state(self, shop):
        contact = shop.contact(PHONE, EMAIL)
        for who, person in shop.people().items():
            for state in STATES:
                shop.say(contact, phone=state)
                person(
                    "directory.ConsentService/WithdrawConsent",
                    contact=contact,
                    channels=["CHANNEL_PHONE"],
                    surface="SURFACE_CONTACTS",
                )
                assert shown(get(shop.owner, contact)).states == ("DENIED", "NOT_SET"), (who, state)


class TestTheManager:
    """«ระบบจะจัดเก็บข้อมูลความยินยอมไว้ที่ระบบ Marketing Consent Manager เพื่อช่วยให้บริษัท หรือองค์กร
    สามารถดูรายละเอียด และบริหารจัดการข้อมูลทั้งหมดได้»"""

    def test_the_whole_history_is_there_newest_first_without_a_gap(self, shop):
        contact = shop.contact(PHONE, EMAIL)
        for state in ("GRANTED", "DENIED", "NOT_SET", "NOT_SET"):
            shop.say(contact, phone=state, email=state, evidence={"method": "EVIDENCE_METHOD_PAPER"})
        entries = eventually(lambda: history(shop.owner, contact), lambda got: len(got) == 5)
        assert [int(entry["seq"]) for entry in entries] == [5, 4, 3, 2, 1]
        assert entries[4]["cause"] == "CHANGE_CAUSE_CREATED"
        assert {entry["cause"] for entry in entries[:4]} == {"CHANGE_CAUSE_SET"}
        for newer, older in itertools.pairwise(entries):
            for now, then in zip(newer["channels"], older["channels"], strict=True):
                assert now["from_state"] == then["to_state"], "each goes on from the one before"
        for entry in entries[:4]:
            assert entry["evidence"]["method"] == "EVIDENCE_METHOD_PAPER"

    def test_it_counts_each_contact_once_in_each_channel(self, house):
        shop = Shop(house)
        shop.switch(True)
        expected = {"phone": dict.fromkeys(STATES, 0), "email": dict.fromkeys(STATES, 0)}
        for phone, email in itertools.product(STATES, STATES):
            contact = shop.contact(PHONE, EMAIL)
            shop.say(contact, phone="GRANTED", email="DENIED")
            shop.say(contact, phone=phone, email=email)
            expected["phone"][phone] += 1
            expected["email"][email] += 1
        summary = eventually(lambda: self.summary(shop.owner, shop), lambda got: got == expected)
        assert all(sum(states.values()) == 9 for states in summary.values())

    def summary(self, who, shop):
        answer = plain(who("manager.ReportService/GetConsentSummary", parent=shop.name))
        return {
            channel["channel"].removeprefix("CHANNEL_").lower(): {
                state: int(channel[state.lower()]) for state in STATES
            }
            for channel in answer["channels"]
        }

    def test_the_list_of_consents_has_the_state_that_the_directory_has(self, shop):
        contact = shop.contact(PHONE, EMAIL)
        shop.say(contact, by=shop.user, phone="DENIED", email="GRANTED")

        def records():
            listed = shop.owner.pages(
                "manager.LedgerService/ListConsents",
                "consents",
                parent=shop.name,
                actor=shop.user.name,
                page_size=3,
            )
            listed = [plain(record) for record in listed]
            return {r["channel"]: r["state"] for r in listed if r["contact"] == contact}

        expected = {
            "CHANNEL_PHONE": "CONSENT_STATE_DENIED",
            "CHANNEL_EMAIL": "CONSENT_STATE_GRANTED",
        }
        eventually(records, lambda got: got == expected)

    @pytest.mark.parametrize(
        "who,reads",
        [("owner", True), ("admin", True), ("officer", True), ("listed", False), ("user", False)],
    )
    def test_owner_admin_and_protection_officer_read_it_and_nobody_else(self, shop, who, reads):
        contact = shop.contact(PHONE)
        eventually(lambda: history(shop.owner, contact), bool)
        for path, question in (
            ("LedgerService/GetContactHistory", {"contact": contact}),
            ("LedgerService/ListConsents", {"parent": shop.name}),
            ("LedgerService/ListConsentChanges", {"parent": shop.name}),
            ("ReportService/GetConsentSummary", {"parent": shop.name}),
        ):
            if reads:
                shop.people()[who](f"manager.{path}", **question)
            else:
                refused = refusal(shop.people()[who], f"manager.{path}", **question)
                assert refused.reason == "LEDGER_READERS_ONLY", path

    def test_it_holds_no_address(self, shop):
        contact = shop.contact(PHONE, EMAIL)
        eventually(lambda: history(shop.owner, contact), bool)
        answer = shop.owner("manager.LedgerService/GetContactHistory", contact=contact)
        assert PHONE[3:].encode() not in answer.SerializeToString()
        assert EMAIL.encode() not in answer.SerializeToString()
