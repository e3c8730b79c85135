"""A made-up export of a Thai CRM, with the dirt that such files have, and what must become of it.

Each row is made together with the truth about it: whose it is, what it says, or what is wrong with
it. So what is expected here does not rest on reading the file again.
"""

import csv
import datetime
import random
from collections import Counter
from dataclasses import dataclass, field

import openpyxl

ENGLISH = {
    "account": "Account",
    "first": "First Name",
    "last": "Last Name",
    "phone": "Phone",
    "email": "Email",
    "lead": "Lead Title",
    "source": "Lead Source",
    "phone_consent": "Phone Consent",
    "email_consent": "Email Consent",
    "date": "Consent Date",
    "note": "Note",
}
THAI = {
    "first": "ชื่อ",
    "last": "นามสกุล",
    "email": "อีเมล",
    "phone": "เบอร์โทรศัพท์",
    "email_consent": "ความยินยอมอีเมล",
    "phone_consent": "ความยินยอมเบอร์โทรศัพท์",
    "date": "วันที่ให้ความยินยอม",
    "note": "หมายเหตุ",
    "account": "ทะเบียนลูกค้า",
    "lead": "ชื่อ Lead",
    "source": "แหล่งที่มา",
}
WORDS = {
    None: ["", " "],
    "GRANTED": ["ยินยอม", "Yes", "granted", "GRANTED", " ยินยอม"],
    "DENIED": ["ไม่ยินยอม", "No", "denied", "DENIED"],
    "NOT_SET": ["ยังไม่ได้ระบุ", "not set", "NOT_SET"],
}
DATES = ["", "21/11/2565", "๒๑/๑๑/๒๕๖๕", "2025-08-28", "28/08/2025", "29/02/2567"]
NOTES = ["", "โทรหลัง 5 โมงเย็น", "นัดหมาย\nครั้งที่ 2", 'ลูกค้า "VIP", ส่งใบเสนอราคาแล้ว', "a;b\tc"]
FIRST_NAMES = ["กมล", "ขวัญ", "งามตา", "จิตร", "ชัย", "ณัฐ", "ดวงใจ", "ธารา", "บุญมี", "ปิติ"]
LAST_NAMES = ["แก้วใส", "เรือนงาม", "ดีเลิศ", "ศรีสุข", "ใจงาม", "มั่นคง", "ทองคำ", "พงษ์ไพร"]
# What is wrong, by the cells that it changes; those are the columns that a reject names.
WRONG = [
    {"phone": "08-"},
    {"phone": "12345"},
    {"phone": "โทร 2 เดือนหน้า"},
    {"phone": "081-999-0001 ต่อ 12"},
    {"phone": "081-999-00"},
    {"email": "a b@example.com"},
    {"email": "a@@example.com"},
    {"email": "สมชาย@"},
    {"email": "ไม่มี"},
    {"phone_consent": "อาจจะ"},
    {"email_consent": "0"},
    {"date": "31/02/2566"},
    {"date": "21/11/65"},
    {"date": "เมื่อวาน"},
    {"first": "", "last": ""},
    {"phone": "+999", "email": "@no.example", "phone_consent": "maybe"},
]


@dataclass(frozen=True)
class Person:
    """Whom a row without a key of its own is about: a name with its addresses."""

    first: str
    last: str
    phone: str
    email: str

    @property
    def key(self):
        """As the directory answers it."""
        return self.first, self.last, self.phone and f"+66{self.phone[1:]}", self.email


@dataclass(frozen=True)
class Row:
    """A row of the file: its cells, and the truth about it."""

    cells: dict
    person: Person | None = None
    says: dict = field(default_factory=dict)
    wrong: frozenset = frozenset()

    @property
    def blank(self):
        return not any(self.cells.values())


def spelled(phone, dice):
    """The number as somebody typed it."""
    local = phone[1:]
    return dice.choice(
        [
            phone,
            f" {phone} ",
            f"{phone[:3]}-{phone[3:6]}-{phone[6:]}",
            f"({phone[:3]}) {phone[3:6]} {phone[6:]}",
            "".join(chr(0x0E50 + int(digit)) for digit in phone),
            f"+66 {local[:2]} {local[2:5]} {local[5:]}",
            f"+66{local}",
            f"+66(0){local}",
            f"0066{local}",
            f"66{local}",
        ]
    )


class Maker:
    """Makes rows; the same ones every time."""

    def __init__(self, seed):
        self.dice = random.Random(seed)
        self.people = []

    def person(self, **fixed):
        number = len(self.people)
        person = Person(
            fixed.get("first", FIRST_NAMES[number % len(FIRST_NAMES)]),
            fixed.get("last", f"{LAST_NAMES[number // 10 % len(LAST_NAMES)]} {number // 80 + 1}"),
            fixed.get("phone", f"08100{number:05}" if number % 13 else ""),
            fixed.get("email", f"khun.{number}@example.com" if number % 11 else ""),
        )
        self.people.append(person)
        return person

    def row(self, person, **cells):
        """A row about somebody, saying something or nothing."""
        says = {name: self.dice.choice([None, *WORDS]) for name in ("phone", "email")}
        # What stands beside a person stays: another account or lead would be a change of its own.
        number = self.people.index(person)
        cells = {
            "account": f"บริษัท ทดสอบ {number % 7} จำกัด" if number % 3 else "",
            "first": person.first,
            "last": f" {person.last}" if self.dice.random() < 0.2 else person.last,
            "phone": person.phone and spelled(person.phone, self.dice),
            "email": self.dice.choice([str.upper, str.title, " {}".format, str])(person.email),
            "lead": "สนใจคอนโด" if number % 4 else "",
            "source": "LINE OA" if number % 4 else "",
            "phone_consent": self.dice.choice(WORDS[says["phone"]]),
            "email_consent": self.dice.choice(WORDS[says["email"]]),
            "date": self.dice.choice(DATES),
            "note": self.dice.choice(NOTES),
            **cells,
        }
        return Row(cells, person, says)

    def reject(self, wrong):
        row = self.row(self.person())
        return Row(row.cells | wrong, wrong=frozenset(wrong))


def make(seed=1, people=220):
    """About 300 rows: people, the same people again, their families and namesakes, and dirt."""
    maker = Maker(seed)
    rows = [maker.row(maker.person()) for _ in range(people)]
    known = [person for person in maker.people if person.phone and person.email]
    rows += [maker.row(person) for person in maker.dice.sample(known, 40)]
    rows += [maker.row(maker.person(phone=person.phone)) for person in known[:8]]
    rows += [maker.row(maker.person(first=p.first, last=p.last)) for p in known[8:14]]
    rows += [maker.reject(wrong) for wrong in WRONG * 2]
    rows += [Row(dict.fromkeys(ENGLISH, "")) for _ in range(3)]
    maker.dice.shuffle(rows)
    return rows


def write_csv(path, rows, headers, delimiter=",", line="\r\n", bom=True):
    with path.open("w", encoding="utf-8-sig" if bom else "utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter, lineterminator=line)
        writer.writerow(headers.values())
        writer.writerows([row.cells[name] for name in headers] for row in rows)


def write_xlsx(path, rows, headers):
    """As a spreadsheet keeps it: numbers that lost their zero, and days that are no text."""
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(list(headers.values()))
    for row in rows:
        sheet.append([as_typed(name, row.cells[name]) for name in headers])
    book.save(path)


def as_typed(name, text):
    if name == "phone" and text.isascii() and text.isdigit() and text.startswith("08"):
        return int(text)
    if name == "date" and text == "2025-08-28":
        return datetime.datetime(2025, 8, 28)
    return text or None


@dataclass(frozen=True)
class Consent:
    state: str = "NOT_SET"
    refused: bool = False

    def hear(self, says):
        """The rule of an import, as PRODUCT has it, and whether it kept something from the row."""
        if says is None or says == self.state:
            return self, None
        if self.state == "DENIED" or (says == "GRANTED" and self.refused):
            return self, "refusal"
        if says == "NOT_SET":
            return self, "grant"
        return Consent(says, self.refused or says == "DENIED"), None


class Book:
    """What the directory must have of each person after what it was told."""

    def __init__(self):
        self.consents = {}
        self.counts = Counter()
        self.kept = Counter()
        self.trend = Counter()

    def take(self, rows):
        """Imports rows. How many were created, updated, unchanged and rejected this time."""
        self.counts, self.kept = Counter(), Counter()
        for row in rows:
            if not row.blank:
                self.counts["rejected" if row.wrong else self._take(row)] += 1
        return [self.counts[name] for name in ("created", "updated", "unchanged", "rejected")]

    def _take(self, row):
        key = row.person.key
        before = self.consents.get(key)
        after = {}
        for channel, says in row.says.items():
            old = (before or {}).get(channel, Consent())
            after[channel], kept = old.hear(says)
            if kept:
                self.kept[kept] += 1
            if after[channel] != old:
                self.trend[after[channel].state] += 1
        self.consents[key] = after
        if before is None:
            return "created"
        return "unchanged" if before == after else "updated"

    def say(self, key, **said):
        """Somebody says something through the API."""
        for channel, state in said.items():
            old = self.consents[key][channel]
            if state != old.state:
                self.trend[state] += 1
            self.consents[key][channel] = Consent(state, old.refused or state == "DENIED")

    def states(self):
        return {
            key: tuple(consents[channel].state for channel in ("phone", "email"))
            for key, consents in self.consents.items()
        }

    def totals(self):
        """Contacts by channel and state."""
        channels = zip(("phone", "email"), zip(*self.states().values(), strict=True), strict=True)
        return {channel: Counter(states) for channel, states in channels}
