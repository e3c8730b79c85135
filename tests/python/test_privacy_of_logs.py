"""One phone number, one e-mail address and one name are sent through everything that can go well or
wrong. Then they are looked for, in every spelling, where nothing personal may be: in the logs at
their most talkative, in errors, in what commands print, and in the bytes of the databases."""

import re
import uuid

import grpc
import pytest

from shop import Shop, get, shown
from wire import Refused, eventually

PHONE = "+66897654320"
SPELLINGS = ("0897654320", "089-765-4320", "+66 89 765 4320", "๐๘๙๗๖๕๔๓๒๐", "(089) 765.4320")
EMAIL = "Zanzibar.Quokka@example.com"
NAME = "Wolkenkuckucksheim"

# Nine digits, Western or Thai, also as `\u{e58}` or `\u0e58`, with whatever people put in between.
DIGITS = rb"[-\s.()/_]{0,3}".join(
    rb"(?:%c|\xe0\xb9%c|\\u\{?0?e%x\}?)" % (ord(digit), 0x90 + int(digit), 0x50 + int(digit))
    for digit in "897654320"
)
ADDRESSES = re.compile(DIGITS + rb"|zanzibar|quokka", re.IGNORECASE)
NAMES = re.compile(NAME.encode(), re.IGNORECASE)


def around(found, text):
    return text[max(0, found.start() - 200) : found.end() + 50].decode(errors="replace")


def hits(pattern, text):
    """The places where it is, with what stands around them."""
    return [around(found, text) for found in pattern.finditer(text)]


@pytest.mark.parametrize("spelling", [*SPELLINGS, PHONE, EMAIL, EMAIL.upper(), "\\u{e58}97654320"])
def test_the_search_finds_what_it_looks_for(spelling):
    assert hits(ADDRESSES, f"number {spelling}!".encode())
    assert not hits(ADDRESSES, b"089765432, 0897654321, zanzi bar")


class Errors:
    """Makes calls that must be refused, and keeps what came back."""

    def __init__(self):
        self.kept = []

    def __call__(self, code, call, *arguments, **fields):
        with pytest.raises(Refused) as refused:
            call(*arguments, **fields)
        assert refused.value.code.name == code, refused.value
        self.kept.append(refused.value.raw)


def contact(**fields):
    return {"first_name": NAME, "last_name": "X", **fields}


def points(*values):
    return [{"value": value} for value in values]


def what_goes_well(shop):
    """Every spelling of the phone, the e-mail, and every way to them."""
    created = shop.owner(
        "directory.ContactService/CreateContact",
        parent=shop.name,
        contact=contact(phones=points(SPELLINGS[3]), emails=points(EMAIL)),
        request_id=str(uuid.uuid4()),
    ).contact
    assert shown(created).phone == PHONE
    for spelling in SPELLINGS:
        search = {"parent": shop.name, "phone": spelling}
        assert shop.owner("directory.ContactService/SearchContacts", **search).contacts
        assert shop.user("directory.ContactService/SearchContacts", **search).contacts
        shop.contact(spelling, EMAIL, NAME)
    assert shop.owner(
        "directory.ContactService/SearchContacts", parent=shop.name, email=EMAIL.upper()
    ).contacts
    update = {"name": created.name, "phones": [*created.phones, {"value": "0812345678"}]}
    shop.owner(
        "directory.ContactService/UpdateContact",
        contact=update,
        update_mask={"paths": ["phones"]},
        request_id=str(uuid.uuid4()),
    )
    shop.say(created.name, phone="GRANTED", email="GRANTED")
    shop.say(created.name, phone="DENIED", email="DENIED", by=shop.user)
    search = {"parent": shop.name, "phone": SPELLINGS[0]}
    assert created.name not in [
        found.name
        for found in shop.user("directory.ContactService/SearchContacts", **search).contacts
    ]
    deleted = shop.contact(SPELLINGS[0], EMAIL, NAME)
    shop.say(deleted, phone="DENIED")
    shop.owner("directory.ContactService/DeleteContact", name=deleted)
    # One with a refused address starts refused.
    again = shop.contact(SPELLINGS[1], EMAIL, NAME)
    assert shown(get(shop.owner, again)).states[0] == "DENIED"
    shop.owner(
        "directory.ConsentService/BatchCheckConsent",
        parent=shop.name,
        channel="CHANNEL_PHONE",
        contacts=[again, created.name],
    )
    return created.name


def what_is_malformed(shop, name, errors):
    """Values that cannot be read, in every field that takes text."""
    service = "directory.ContactService"
    create = f"{service}/CreateContact"
    for wrong in (
        {"phones": points(f"{SPELLINGS[0]} ต่อ 12")},
        {"phones": points(SPELLINGS[0] + "99")},
        {"phones": points(f"•••-•••-{SPELLINGS[0]}")},
        {"phones": points(EMAIL), "emails": points(SPELLINGS[0])},
        {"emails": points(f"{EMAIL}\0", EMAIL.replace("@", " @"), EMAIL * 10)},
        {"external_id": f"{SPELLINGS[0]}\r\n{EMAIL}"},
        {"first_name": f"{NAME}\x1b[31m", "last_name": SPELLINGS[0] * 21},
        {"phones": points(*[SPELLINGS[0]] * 21)},
    ):
        errors("INVALID_ARGUMENT", shop.owner, create, parent=shop.name, contact=contact(**wrong))
    for request_id in (SPELLINGS[0], EMAIL):
        errors(
            "INVALID_ARGUMENT",
            shop.owner,
            create,
            parent=shop.name,
            contact=contact(),
            request_id=request_id,
        )
    update = f"{service}/UpdateContact"
    for path in (SPELLINGS[0], EMAIL, f"phones.{SPELLINGS[0]}"):
        mask = {"paths": [path]}
        errors("INVALID_ARGUMENT", shop.owner, update, contact={"name": name}, update_mask=mask)
    mask = {"paths": ["emails"]}
    stale = {"name": name, "etag": EMAIL, "emails": points(EMAIL)}
    with pytest.raises(Refused) as refused:
        shop.owner(update, contact=stale, update_mask=mask)
    errors.kept.append(refused.value.raw)
    wrong_id = {"name": name, "emails": [{"id": EMAIL, "value": EMAIL}]}
    errors("INVALID_ARGUMENT", shop.owner, update, contact=wrong_id, update_mask=mask)
    for field in ("page_token", "order_by"):
        listing = {"parent": shop.name, field: SPELLINGS[0]}
        errors("INVALID_ARGUMENT", shop.owner, f"{service}/ListContacts", **listing)
    for question in ({"phone": f"{SPELLINGS[0]} ext 1"}, {"email": f"<{EMAIL}"}):
        search = {"parent": shop.name, **question}
        errors("INVALID_ARGUMENT", shop.owner, f"{service}/SearchContacts", **search)
    for place in (SPELLINGS[0], EMAIL, f"{shop.name}/contacts/{SPELLINGS[0]}"):
        errors("INVALID_ARGUMENT", shop.owner, f"{service}/GetContact", name=place)


def what_is_refused(shop, name, errors):
    """Evidence with an address in it, and people who may not."""
    for field in ("note", "reference"):
        for text in (*SPELLINGS, EMAIL):
            evidence = {field: f"ลูกค้าโทรมาจาก {text} เมื่อวาน"}
            errors("INVALID_ARGUMENT", shop.say, name, evidence=evidence, phone="DENIED")
    errors(
        "INVALID_ARGUMENT",
        shop.owner,
        "directory.ConsentService/WithdrawConsent",
        contact=name,
        channels=["CHANNEL_EMAIL"],
        surface="SURFACE_CONTACTS",
        evidence={"note": EMAIL},
    )
    errors("PERMISSION_DENIED", shop.say, name, by=shop.user, phone="GRANTED")
    update = {"contact": {"name": name, "phones": points(PHONE)}, "update_mask": {"paths": ["phones"]}}
    errors("PERMISSION_DENIED", shop.user, "directory.ContactService/UpdateContact", **update)
    request_id = str(uuid.uuid4())
    create = {"parent": shop.name, "request_id": request_id}
    path = "directory.ContactService/CreateContact"
    shop.owner(path, contact=contact(phones=points(SPELLINGS[0])), **create)
    other = contact(phones=points(SPELLINGS[0]), emails=points(EMAIL))
    errors("ALREADY_EXISTS", shop.owner, path, contact=other, **create)


def what_is_no_call(shop, house, errors):
    """Tokens, headers, methods and messages that are none, all holding the addresses."""
    listing = {"parent": shop.name}
    path = "directory.ContactService/ListContacts"
    for token in (EMAIL, SPELLINGS[0], f"{EMAIL}.{SPELLINGS[0]}.{NAME}", f"Bearer {EMAIL}"):
        errors("UNAUTHENTICATED", house.bearer(token), path, **listing)
    owner = house.yinyom.token(shop.owner.name)
    headers = [(name, EMAIL) for name in ("x-request-id", "accept-language", "traceparent", "x-any")]
    headers += [("baggage", f"phone={SPELLINGS[0]}"), ("tracestate", "a=0897654320")]
    polluted = house.bearer(owner, headers)
    polluted(path, **listing)
    errors("INVALID_ARGUMENT", polluted, path, page_token=EMAIL, **listing)
    service = "/yinyom.directory.v1.ContactService"
    body = b"\x0a\xff" + EMAIL.encode() + SPELLINGS[0].encode()
    errors("INVALID_ARGUMENT", shop.owner.raw, "directory", f"{service}/CreateContact", body)
    large = (EMAIL + SPELLINGS[0]).encode() * 150_000
    errors("RESOURCE_EXHAUSTED", shop.owner.raw, "directory", f"{service}/CreateContact", large)
    for caller in (shop.owner, house.nobody):
        for unknown in (f"{service}/{SPELLINGS[0]}", f"/{EMAIL}/Get", f"{service}/Get?p={PHONE}"):
            with pytest.raises(Refused) as refused:
                caller.raw("directory", unknown, b"")
            errors.kept.append(refused.value.raw)


def what_is_imported(shop, house, errors):
    """Through the API, and by the command with a file. What the command printed."""
    taken = {"first_name": NAME, "phones": [SPELLINGS[2]], "emails": [EMAIL]}
    rows = [
        {"row_number": 1, "phone_consent": "CONSENT_STATE_DENIED", **taken},
        {"row_number": 2, "first_name": NAME, "phones": [f"{SPELLINGS[0]}0"], "emails": [f"{EMAIL} x"]},
        {"row_number": 3, "phones": [SPELLINGS[0]], "emails": [EMAIL]},
    ]
    batch = {"parent": shop.name, "rows": rows}
    [answer] = shop.owner.stream("directory.ImportService/ImportContacts", batch)
    outcomes = [result.outcome for result in answer.results]
    assert outcomes[1:] == [4, 4], "rejected"
    errors.kept.append(answer.SerializeToString())
    with pytest.raises(Refused) as refused:
        shop.user.stream("directory.ImportService/ImportContacts", batch)
    assert refused.value.code == grpc.StatusCode.PERMISSION_DENIED
    errors.kept.append(refused.value.raw)

    file = house.yinyom.directory / "people.csv"
    lines = [
        "First Name,Phone,Email,Phone Consent,Consent Date",
        f"{NAME},{SPELLINGS[0]},{EMAIL},ยินยอม,",
        f"{NAME},{SPELLINGS[3]} ต่อ 1,{EMAIL},ยินยอม,",
        f"{NAME},{SPELLINGS[0]},{EMAIL},{SPELLINGS[0]},{EMAIL}",
        f",{SPELLINGS[0]},{EMAIL},,",
    ]
    file.write_text("\n".join(lines))
    token = house.yinyom.token(shop.owner.name)
    for arguments, status in (
        (("import", file, "--business", shop.name), 2),
        (("import", file, "--business", EMAIL.rpartition("@")[0]), 1),
        (("report", "--business", shop.name), 0),
    ):
        done = house.yinyom.run(*arguments, token=token)
        assert done.returncode == status, done.stderr
        # What somebody typed may be repeated to them.
        printed = done.stdout + done.stderr.replace(arguments[-1], "")
        errors.kept.append(printed.encode())
    rejects = file.with_suffix(".rejects.csv").read_text()
    problems = [line.split(",", 3)[:3] for line in rejects.splitlines()[1:]]
    assert len(problems) == 3
    errors.kept.append(repr(problems).encode())


@pytest.fixture(scope="module")
def errors(house):
    """Everything was tried; what came back where something was refused."""
    errors = Errors()
    shop = Shop(house)
    shop.switch(True)
    name = what_goes_well(shop)
    what_is_malformed(shop, name, errors)
    what_is_refused(shop, name, errors)
    what_is_no_call(shop, house, errors)
    what_is_imported(shop, house, errors)
    eventually(
        lambda: shop.owner("directory.OutboxService/GetOutboxStatus", parent=shop.name).backlog,
        lambda backlog: backlog == 0,
    )
    return errors.kept


def test_errors_and_rejections_hold_nothing_that_was_sent(errors):
    assert len(errors) > 50
    for error in errors:
        assert not hits(ADDRESSES, error) and not hits(NAMES, error)


def test_the_most_talkative_log_holds_nobody(errors, yinyom):
    log = yinyom.log.read_bytes()
    assert b"ContactService/CreateContact" in log and b"DEBUG" in log, "there is something to read"
    assert hits(ADDRESSES, log) == []
    assert hits(NAMES, log) == []


def test_what_is_printed_holds_nobody(errors, yinyom):
    assert hits(ADDRESSES, yinyom.said.read_bytes()) == []


def test_no_token_is_in_the_log(errors, yinyom):
    log = yinyom.log.read_bytes()
    for person in yinyom.facts["people"]:
        signature = person["token"].rpartition(".")[2]
        assert signature.encode() not in log


def stored(yinyom):
    """The bytes of everything in the data directory, by name."""
    files = [path for path in yinyom.data_dir.rglob("*") if path.is_file()]
    return {path.name: path.read_bytes() for path in files}


def search(files):
    for name, content in files.items():
        assert hits(ADDRESSES, content) == [], name
        if name.startswith(("manager", "settings")):
            assert hits(NAMES, content) == [], f"{name} knows no customer"


def test_the_databases_hold_addresses_sealed_only(errors, yinyom):
    """Also in the write-ahead log, where everything that was stored passes."""
    files = stored(yinyom)
    assert files.keys() >= {f"{of}.db{part}" for of in ("directory", "manager") for part in ("", "-wal")}
    search(files)


def test_nothing_is_left_behind_when_it_has_stopped(errors, yinyom):
    """The last of this file, since it ends what the others look at."""
    yinyom.stop()
    files = stored(yinyom)
    assert hits(NAMES, files["directory.db"]), "the names that contacts are sorted by are found"
    search(files)
    assert hits(ADDRESSES, yinyom.log.read_bytes()) == []
