"""An export goes in: every row is accounted for, and nobody who refused is resurrected."""

import csv
import os
import re
import stat
from pathlib import Path
from types import SimpleNamespace

import pytest

import export
from export import ENGLISH, THAI, Book
from shop import Shop, shown
from wire import eventually, plain

ROWS = export.make()
SIZE = sum(not row.blank for row in ROWS)
WRITERS = {
    "export.csv": lambda path: export.write_csv(path, ROWS, ENGLISH),
    "ส่งออก.csv": lambda path: export.write_csv(path, ROWS, THAI, ";", "\n", bom=False),
    "export.xlsx": lambda path: export.write_xlsx(path, ROWS, THAI),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The same rows in three files."""
    directory = tmp_path_factory.mktemp("exports")
    for name, write in WRITERS.items():
        write(directory / name)
    return {name: directory / name for name in WRITERS}


class Importer:
    """A business, its book, and the commands that somebody runs for it."""

    def __init__(self, house):
        self.shop = Shop(house)
        self.shop.switch(True)
        self.book = Book()
        self.yinyom = house.yinyom
        self.token = house.yinyom.token(self.shop.owner.name)

    def run(self, command, *arguments):
        return self.yinyom.run(command, *arguments, "--business", self.shop.name, token=self.token)

    def take(self, file, *arguments, directory=None):
        """Imports a file: what the command says of it, and where its rejects are."""
        rejects = (directory or file.parent) / f"{self.shop.name.rpartition('/')[2]}.rejects.csv"
        done = self.run("import", file, "--rejects", rejects, *arguments)
        numbers = re.findall(r"^(rows|created|updated|unchanged|rejected) +(\d+)", done.stdout, re.M)
        counts = {name: int(number) for name, number in numbers}
        assert len(counts) == 5, done.stdout + done.stderr
        kept = re.findall(r"^(\d+) consents were kept", done.stdout, re.M)
        return SimpleNamespace(
            status=done.returncode,
            rows=counts.pop("rows"),
            outcomes=list(counts.values()),
            kept=sum(map(int, kept)),
            said=done.stdout,
            rejects=rejects,
        )

    def foretold(self, file, *arguments, **more):
        """What a dry run tells of a file, having changed nothing."""
        before, changes = self.named(), self.settled()
        told = self.take(file, "--dry-run", *arguments, **more)
        assert "Nothing was stored" in told.said, told.said
        assert (self.named(), self.settled()) == (before, changes)
        return facts(told)

    def named(self):
        """What each contact consents to, by its name."""
        listed = self.shop.owner.pages(
            "directory.ContactService/ListContacts",
            "contacts",
            parent=self.shop.name,
            page_size=1000,
        )
        return {contact.name: shown(contact).states for contact in listed}

    def contacts(self):
        return {
            self.key(contact): contact
            for contact in self.shop.owner.pages(
                "directory.ContactService/ListContacts",
                "contacts",
                parent=self.shop.name,
                page_size=100,
            )
        }

    def key(self, contact):
        seen = shown(contact)
        return contact.first_name, contact.last_name, seen.phone or "", seen.email or ""

    def states(self):
        return {key: shown(contact).states for key, contact in self.contacts().items()}

    def summary(self):
        return plain(
            self.shop.owner("manager.ReportService/GetConsentSummary", parent=self.shop.name)
        )

    def settled(self):
        """How many changes the ledger has when it has heard of all of them."""
        parent = {"parent": self.shop.name}
        eventually(
            lambda: self.shop.owner("directory.OutboxService/GetOutboxStatus", **parent).backlog,
            lambda backlog: backlog == 0,
            within=30,
        )
        return int(self.summary()["changes"])


def facts(result):
    """What an import says of rows and consents, without how long it took."""
    return result.status, result.rows, result.outcomes, result.kept


@pytest.fixture(scope="module")
def imported(house, files):
    """The first file, imported once."""
    importer = Importer(house)
    importer.result = importer.take(files["export.csv"])
    importer.expected = importer.book.take(ROWS)
    return importer


def test_the_export_is_as_dirty_as_real_ones(files):
    assert SIZE > 300 and all(Book().take(ROWS))
    text = files["export.csv"].read_bytes()
    assert text.startswith(b"\xef\xbb\xbf") and b"\r\n" in text and "๐๘๑".encode() in text


@pytest.mark.parametrize("name", WRITERS)
def test_every_row_is_accounted_for_and_every_contact_is_as_its_rows_say(house, files, name):
    importer = Importer(house)
    result = importer.take(files[name])
    assert result.outcomes == importer.book.take(ROWS), result.said
    assert result.rows == sum(result.outcomes) == SIZE
    assert result.status == 2, "some rows were rejected"
    assert result.kept == importer.book.kept.total()
    assert "3 blank rows were skipped" in result.said or name.endswith("xlsx")
    assert importer.states() == importer.book.states()


def test_rejects_are_told_with_their_place_their_problem_and_their_row(imported):
    path = imported.result.rejects
    assert path.read_bytes().startswith(b"\xef\xbb\xbf"), "spreadsheets need the mark"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600, "it holds people"
    with path.open(encoding="utf-8-sig", newline="") as file:
        headers, *lines = csv.reader(file)
    assert headers == ["row", "column", "problem", *ENGLISH.values()]
    expected = {number: row for number, row in enumerate(ROWS, 2) if row.wrong}
    assert [int(line[0]) for line in lines] == list(expected), "each once, in the order of the file"
    for number, columns, problem, *cells in lines:
        row = expected[int(number)]
        assert cells == [row.cells[name] for name in ENGLISH], "the row as it was"
        wrong = {ENGLISH[name] for name in row.wrong} - {"Last Name"}
        assert set(columns.split("; ")) == wrong
        assert problem
        for name in row.wrong:
            value = row.cells[name]
            assert len(value) < 4 or value not in problem, "a problem does not repeat the value"


def test_mended_rejects_are_imported_as_they_are(imported, house, tmp_path):
    with imported.result.rejects.open(encoding="utf-8-sig", newline="") as file:
        headers, *lines = csv.reader(file)
    phone, email = headers.index("Phone"), headers.index("Email")
    for at, line in enumerate(lines):
        line[phone], line[email] = f"082999{at:04}", f"mended{at}@example.com"
        line[headers.index("First Name")] = "ซ่อม"
        for header in ("Phone Consent", "Email Consent", "Consent Date"):
            line[headers.index(header)] = ""
    mended = tmp_path / "mended.csv"
    with mended.open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file).writerows([headers, *lines])
    result = Importer(house).take(mended)
    assert (result.status, result.outcomes) == (0, [len(lines), 0, 0, 0]), result.said


@pytest.mark.parametrize("batch", ["7", "500"])
@pytest.mark.parametrize("name", WRITERS)
def test_the_same_people_again_change_nothing_whatever_the_file(imported, files, name, batch):
    before, changes = imported.contacts(), imported.settled()
    result = imported.take(files[name], "--batch", batch)
    rejected = imported.expected[3]
    assert result.outcomes == [0, 0, SIZE - rejected, rejected], result.said
    assert imported.contacts() == before, "etags and times included"
    assert imported.settled() == changes, "the ledger has heard of nothing"


def test_a_report_counts_what_a_count_over_the_file_counts(imported):
    contacts = len(imported.book.consents)
    imported.settled()
    said = imported.run("report").stdout
    assert f"{contacts} contacts" in said
    lines = re.findall(r"^(phone|email) +(\d+) +(\d+) +(\d+) ", said, re.M)
    totals = {
        channel: dict(zip(("GRANTED", "DENIED", "NOT_SET"), map(int, counts), strict=True))
        for channel, *counts in lines
    }
    assert totals == imported.book.totals(), said


def test_the_trend_counts_changes_of_mind_and_no_repetition(imported):
    imported.settled()
    said = imported.run("report").stdout
    weeks = re.findall(r"^\d{4}-\d\d-\d\d +(\d+) \S* +(\d+) \S* +(\d+) +[\d.]+ %$", said, re.M)
    yes, no, _ = (sum(map(int, column)) for column in zip(*weeks, strict=True))
    trend = imported.book.trend
    assert (yes, no) == (trend["GRANTED"], trend["DENIED"]), said


def test_an_old_file_resurrects_nobody(house, files):
    """Between two imports customers change their minds, through the API."""
    importer = Importer(house)
    importer.take(files["export.csv"])
    importer.book.take(ROWS)
    contacts = importer.contacts()
    by_phone = {"GRANTED": [], "DENIED": [], "NOT_SET": []}
    for key, (phone, _) in importer.book.states().items():
        by_phone[phone].append(key)

    def say(key, *states):
        for state in states:
            importer.shop.say(contacts[key].name, phone=state)
            importer.book.say(key, phone=state)

    withdrawn, unsure = by_phone["GRANTED"][:10], by_phone["GRANTED"][10:20]
    for key in withdrawn:
        importer.shop.user(
            "directory.ConsentService/WithdrawConsent",
            contact=contacts[key].name,
            channels=["CHANNEL_PHONE"],
            surface="SURFACE_CONTACTS",
        )
        importer.book.say(key, phone="DENIED")
    for key in unsure:
        say(key, "DENIED", "NOT_SET")
    # The file still says no here: a refusal always applies.
    for key in by_phone["DENIED"][:10]:
        say(key, "GRANTED")

    for name in ("export.csv", "export.xlsx"):
        told = importer.foretold(files[name])
        result = importer.take(files[name])
        assert told == facts(result), "a dry run tells what the import then does"
        assert result.outcomes == importer.book.take(ROWS), result.said
        assert result.kept == importer.book.kept.total()
        states = importer.states()
        assert states == importer.book.states()
        assert {states[key][0] for key in withdrawn} == {"DENIED"}
        assert {states[key][0] for key in unsure} == {"NOT_SET"}, "refused before: not asked again"
        assert {states[key][0] for key in by_phone["DENIED"][:10]} == {"DENIED"}


def exports():
    """The made-up export; and a real one, if the environment names it."""
    return [*WRITERS, *filter(None, [os.environ.get("YINYOM_CONTACTS_CSV")])]


@pytest.mark.parametrize("name", exports())
def test_a_dry_run_tells_what_the_import_then_does(house, files, name):
    """Of everybody new, of everybody known, and of people who have changed their minds in between."""
    importer = Importer(house)
    file = files.get(name) or Path(name)
    rejects = {"directory": files["export.csv"].parent}

    def both(*arguments):
        told = importer.foretold(file, *arguments, **rejects)
        done = importer.take(file, *arguments, **rejects)
        assert told == facts(done), done.said
        return done

    first = both()
    assert first.outcomes[0] > 0 and sum(first.outcomes) == first.rows
    states = importer.named()
    # Twice: who granted withdraws, and who refused is asked anew, by somebody who may.
    granted = [name for name, of in states.items() if of[0] == "GRANTED"][:25]
    denied = [name for name, of in states.items() if of[0] == "DENIED"][:25]
    for contact in granted:
        importer.shop.user(
            "directory.ConsentService/WithdrawConsent",
            contact=contact,
            channels=["CHANNEL_PHONE"],
            surface="SURFACE_CONTACTS",
        )
    for contact in denied[:10]:
        importer.shop.say(contact, phone="NOT_SET")
    for contact in denied[10:]:
        importer.shop.say(contact, phone="GRANTED")
    again = both("--batch", "77")
    assert again.outcomes[0] == 0 and again.kept > first.kept
    states = importer.named()
    assert {states[name][0] for name in granted} == {"DENIED"}, "nobody is resurrected"
    assert {states[name][0] for name in denied} == {"DENIED"}, "the file's refusal applies again"
    assert both("--batch", "500").outcomes[:2] == [0, 0]


def test_who_may_not_import_imports_nothing(house, files):
    importer = Importer(house)
    user = house.yinyom.token(importer.shop.user.name)
    file = files["export.csv"]
    done = house.yinyom.run("import", file, "--business", importer.shop.name, token=user)
    assert done.returncode == 1 and "refused" in done.stderr, done.stderr
    assert importer.contacts() == {}
