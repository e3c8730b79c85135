"""A person is erased, as a foreign client sees it."""

import uuid

import pytest

from shop import get
from wire import Refused, eventually

NOTE = "คุยกันที่งานแฟร์"


@pytest.fixture(scope="module")
def erased(shop):
    """A contact with evidence, erased by the protection officer; with what a second call says."""
    contact = shop.contact(phone="0812345678", email="somchai@example.com")
    shop.say(contact, phone="DENIED", evidence={"note": NOTE})

    def history():
        found = shop.owner("manager.LedgerService/GetContactHistory", contact=contact)
        return [entry.evidence.note for entry in found.entries]

    eventually(history, lambda notes: notes == [NOTE, ""])
    calls = [
        shop.officer("directory.SubjectService/EraseSubject", contact=contact)
        for _ in range(2)
    ]
    eventually(history, lambda notes: notes == ["", "", ""])
    return contact, calls


def test_nobody_finds_the_person_any_more(shop, erased):
    contact, (first, second) = erased
    assert first.erase_time == second.erase_time, "erasing again changes nothing"
    for who in shop.people().values():
        with pytest.raises(Refused) as refused:
            get(who, contact)
        assert refused.value.reason == "NOT_FOUND"


def test_the_ledger_says_so_and_lists_it(shop, erased):
    contact, _ = erased
    listed = shop.officer("manager.RetentionService/ListErasures", parent=shop.name)
    assert [erasure.contact for erasure in listed.erasures] == [contact]
    newest = shop.owner("manager.LedgerService/GetContactHistory", contact=contact).entries[0]
    assert newest.cause == 11


@pytest.mark.parametrize("who", ["listed", "user"])
def test_who_does_not_read_the_ledger_erases_nobody(shop, who):
    contact = shop.contact(phone="0823456789")
    with pytest.raises(Refused) as refused:
        shop.people()[who]("directory.SubjectService/EraseSubject", contact=contact)
    assert refused.value.reason == "ERASURE_NOT_ALLOWED"
    assert get(shop.owner, contact).name == contact


def test_a_legal_hold_is_on_record_and_its_reason_holds_no_address(shop):
    def hold(reason):
        return shop.officer(
            "manager.RetentionService/SetLegalHold",
            parent=shop.name,
            reason=reason,
            request_id=str(uuid.uuid4()),
        )

    with pytest.raises(Refused) as refused:
        hold("โทร 081-234-5678")
    assert refused.value.reason == "INVALID_INPUT"
    held = hold("คดีหมายเลขดำที่ พ 123/2569").legal_hold
    listed = shop.owner("manager.RetentionService/ListLegalHolds", parent=shop.name)
    assert [one.name for one in listed.legal_holds] == [held.name]
    shop.owner("manager.RetentionService/ReleaseLegalHold", name=held.name)
    listed = shop.owner("manager.RetentionService/ListLegalHolds", parent=shop.name)
    assert not listed.legal_holds
