"""The drill of deploy/README.md: back up, lose everything, restore, and erase anew who was erased since. The three services as
processes, their databases on files and on PostgreSQL; each step is a command that an operator gives."""

import json
import uuid
from types import SimpleNamespace

import pytest

from conftest import _binary
from databases import both
from shop import House, Shop, get
from three import Three
from wire import Refused, Service, eventually

# Nobody else is called so.
FIRST, LAST, NUMBER = "Zanzibar", "Quokka", "C-Timbuktu"
PHONE, EMAIL = "0867530912", "zanzibar@quokka.example"
NOTE = "met at the Wombat fair"


class Town:
    """Three services, somebody who calls them, and what an operator does to them."""

    def __init__(self, kind, directory):
        self.databases = both(directory)[kind]()
        self.three = Three(_binary(), directory, self.databases)
        self.directory, self.saved, self._services = directory, directory / "saved", {}

    def start(self):
        self.three.start()
        self._services = {name: Service(address) for name, address in self.three.facts["addresses"].items()}
        self.house = House(self.three, self._services)

    def stop(self):
        for service in self._services.values():
            service.close()
        self.three.stop()

    def yinyom(self, *arguments, status=0):
        """A command of the program, as somebody who may read the ledger."""
        ledger = {"YINYOM_MANAGER": f"http://{self.three.facts['addresses']['manager']}", "YINYOM_BUSINESS": self.shop.name}
        done = self.three.run(*arguments, token=self.three.token(self.shop.officer.name), **ledger)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout

    def kept(self, name, *command):
        """What a command prints, in a file of its own, apart from the databases."""
        (self.directory / name).write_text(self.yinyom(*command))

    def at(self, service):
        return ["--database-url", self.databases.url(service)]

    def open(self, shop):
        """The same business, after a restart: its people have other connections and the same names."""
        self.shop = shop
        for who, caller in shop.people().items():
            setattr(shop, who, self.house.member(caller.name))

    def create(self, first_name, last_name="ใจดี", phone="", email="", **more):
        created = self.shop.owner(
            "directory.ContactService/CreateContact",
            parent=self.shop.name,
            contact={"first_name": first_name, "last_name": last_name, **more,
                     "phones": [{"value": phone}] if phone else [], "emails": [{"value": email}] if email else []},
        )
        return created.contact.name

    def history(self, contact):
        """The changes that the ledger has of a contact, the newest first."""
        return list(self.shop.owner("manager.LedgerService/GetContactHistory", contact=contact).entries)

    def drained(self):
        """Everything that was said is in the ledger."""
        ask = lambda: self.shop.owner("directory.OutboxService/GetOutboxStatus", parent=self.shop.name)
        eventually(ask, lambda status: status.backlog == status.reveal_backlog == 0)

    def erase(self, contact):
        self.shop.owner("directory.SubjectService/EraseSubject", contact=contact)
        eventually(lambda: self.history(contact), lambda entries: len(entries) and all(not entry.evidence.note for entry in entries))
        self.drained()


def sealed(town, contact):
    """What the tables have of a contact in bytes that nobody else has: its keys, its addresses and their hashes, its evidence."""
    number = uuid.UUID(contact.split("/")[-1]).hex
    if town.databases.url("directory").startswith("sqlite"):
        select, where = "lower(hex({}))", f"contact_id = x'{number}'"
    else:
        select, where = "encode({}, 'hex')", f"contact_id = '{number}'"
    found = []
    for service, table, column in (
        ("directory", "contacts", "subject_key"),
        ("directory", "contact_points", "sealed"),
        ("directory", "contact_points", "blind_index"),
        ("manager", "subjects", "wrapped_key"),
        ("manager", "ledger", "sealed_evidence"),
    ):
        statement = f"SELECT {select.format(column)} FROM {table} WHERE {where} AND {column} IS NOT NULL"
        rows = [bytes.fromhex(value) for (value,) in town.databases.sql(service, statement)]
        assert rows, f"{table}.{column}"
        found += rows
    return found


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def restored(request, tmp_path_factory):
    """Before and after: what is told of is what each step of the drill left."""
    town = Town(request.param, tmp_path_factory.mktemp("town"))
    try:
        yield drill(town)
    finally:
        town.three.kill()
        town.databases.remove()


def drill(town):
    town.start()
    shop = town.shop = Shop(town.house)
    shop.switch(True)
    kept = shop.contact("0812345678", "kept@example.com")
    shop.say(kept, phone="GRANTED", email="DENIED", evidence={"note": "signed at the counter"})
    gone = shop.contact("0823456789")
    town.drained()
    town.erase(gone)
    erased = town.create(FIRST, LAST, PHONE, EMAIL, external_id=NUMBER)
    shop.say(erased, phone="GRANTED", evidence={"note": NOTE})
    town.drained()

    # Each day: a checkpoint, and apart from the backups.
    town.kept("ledger.pub", "ledger-keys")
    town.kept("checkpoint", "checkpoint")
    town.stop()
    traces = [text.encode() for text in (FIRST, LAST, NUMBER, FIRST.lower())] + sealed(town, erased)
    before = town.databases.raw()
    assert all(trace in before for trace in traces), "what is looked for later is there now"
    town.databases.back_up(town.saved)

    # Life goes on, and is lost.
    town.start()
    town.open(shop)
    lost = shop.contact("0834567890")
    shop.say(kept, phone="DENIED")
    shop.say(erased, phone="DENIED", evidence={"note": NOTE})
    town.drained()
    town.erase(erased)
    # Each day as well, and more often if one would not like to erase by hand what came since.
    town.kept("erasures.jsonl", "erasures", "list", "--service", "manager", *town.at("manager"))
    town.stop()
    town.databases.destroy()

    town.databases.restore(town.saved)
    replayed = town.yinyom("erasures", "replay", "erasures.jsonl", *town.at("directory"))
    again = town.yinyom("erasures", "replay", "erasures.jsonl", *town.at("directory"))
    town.start()
    town.open(shop)
    return SimpleNamespace(town=town, shop=shop, kept=kept, gone=gone, erased=erased, lost=lost, traces=traces,
                           replayed=replayed, again=again)


def test_the_list_holds_ids_and_times_and_is_replayed_once(restored):
    lines = [json.loads(line) for line in (restored.town.directory / "erasures.jsonl").read_text().splitlines()]
    assert {line["contact"] for line in lines} == {restored.gone, restored.erased}
    assert all(set(line) == {"contact", "seq", "erase_time"} for line in lines)
    assert restored.replayed == "2 erasures, of which 1 were unknown and are done\n"
    assert restored.again == "2 erasures, of which 0 were unknown and are done\n"


def test_the_ledger_verifies_with_what_was_kept(restored):
    town = restored.town
    eventually(lambda: town.history(restored.erased), lambda entries: entries[0].cause == 11)
    town.yinyom("export-ledger", "ledger.jsonl")
    town.yinyom("verify", "ledger.jsonl", "--checkpoint", "checkpoint", "--public-key", "ledger.pub")
    town.yinyom("checkpoint", "--public-key", "ledger.pub", "--since", "checkpoint")
    assert "0 differences" in town.yinyom("recount", *town.at("manager"))


def test_who_was_erased_is_found_by_nobody(restored):
    town, shop = restored.town, restored.shop
    listed = eventually(
        lambda: shop.officer("manager.RetentionService/ListErasures", parent=shop.name).erasures,
        lambda erasures: len(erasures) == 2,
    )
    assert {erasure.contact for erasure in listed} == {restored.gone, restored.erased}
    for who in shop.people().values():
        for contact in (restored.gone, restored.erased):
            with pytest.raises(Refused) as refused:
                get(who, contact)
            assert refused.value.reason == "NOT_FOUND"
    for search in ({"phone": PHONE}, {"email": EMAIL}, {"name_prefix": FIRST}):
        found = shop.owner("directory.ContactService/SearchContacts", parent=shop.name, **search)
        assert not found.contacts, search
    assert all(not entry.evidence.note and not entry.evidence.reference for entry in town.history(restored.erased))


def test_the_rest_is_as_it_was_saved_and_goes_on(restored):
    town, shop = restored.town, restored.shop
    contact = get(shop.owner, restored.kept)
    assert [consent.state for consent in contact.consents] == [2, 3], "granted by phone, denied by e-mail"
    assert [point.value for point in [*contact.phones, *contact.emails]] == ["+66812345678", "kept@example.com"]
    assert "signed at the counter" in [entry.evidence.note for entry in town.history(restored.kept)]
    with pytest.raises(Refused) as refused:
        get(shop.owner, restored.lost)
    assert refused.value.reason == "NOT_FOUND"
    # The numbers of changes fit: nothing that comes is refused by the ledger.
    count = len(town.history(restored.kept))
    shop.say(restored.kept, phone="DENIED")
    eventually(lambda: town.history(restored.kept), lambda entries: len(entries) == count + 1)
    status = shop.owner("directory.OutboxService/GetOutboxStatus", parent=shop.name)
    assert not status.quarantined and not status.HasField("quarantined_reveals")


def test_nothing_of_the_erased_is_in_the_bytes_of_the_databases(restored):
    """The last one: the services have ended."""
    town = restored.town
    eventually(lambda: town.history(restored.erased), lambda entries: entries[0].cause == 11)
    town.stop()
    raw = town.databases.raw()
    assert [trace for trace in restored.traces if trace in raw or trace.hex().encode() in raw] == []
