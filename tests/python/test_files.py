"""The ledger goes out as files that other programs open, and as a receipt that other programs verify."""

import csv
import io
import json

import jwt
import openpyxl
import pyarrow.parquet
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from shop import Shop
from wire import eventually, refusal

NOTE = "=ลูกค้าแจ้งที่บูท, \"งานแฟร์\"\nบรรทัดที่สอง"
HEADERS = ["ผู้ติดต่อ", "ช่องทาง", "สถานะเดิม", "สถานะใหม่"]


@pytest.fixture(scope="module")
def sold(house):
    """A business whose customers said this and that, and the last of its contacts."""
    shop = Shop(house)
    for number in range(12):
        contact = shop.contact(f"08{number:08d}", f"c{number}@example.com")
        shop.say(contact, phone="GRANTED", evidence={"method": "EVIDENCE_METHOD_FORM", "note": NOTE})
        shop.say(contact, phone="DENIED", email="GRANTED")

    def changes():
        summary = shop.officer("manager.ReportService/GetConsentSummary", parent=shop.name)
        return summary.changes

    eventually(changes, lambda count: count == 36)
    return shop, contact


def export(shop, what, form, **fields):
    """The whole file, and what was said at its end."""
    messages = shop.officer.stream(
        f"manager.ExportService/Export{what}",
        {"parent": shop.name, "format": f"EXPORT_FORMAT_{form}", "language_code": "th", **fields},
    )
    assert [m.progress.complete for m in messages] == [False] * (len(messages) - 1) + [True]
    data = b"".join(message.data for message in messages)
    assert len(data) == messages[-1].progress.bytes
    return data, messages[-1].progress


def rows_of(form, data):
    """The rows of a file, each by the header of its column."""
    if form == "CSV":
        return list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline="")))
    if form == "JSON_LINES":
        return [json.loads(line) for line in data.decode().splitlines()]
    if form == "PARQUET":
        return pyarrow.parquet.read_table(io.BytesIO(data)).to_pylist()
    sheet = openpyxl.load_workbook(io.BytesIO(data), read_only=True).active
    header, *rows = sheet.iter_rows(values_only=True)
    return [dict(zip(header, row)) for row in rows]


@pytest.mark.parametrize("what", ["ConsentChanges", "Consents"])
def test_each_format_has_the_same_rows_and_opens_in_another_program(sold, what):
    shop, _ = sold
    files = {}
    for form in ("CSV", "JSON_LINES", "PARQUET", "XLSX"):
        data, progress = export(shop, what, form)
        files[form] = rows_of(form, data)
        assert len(files[form]) == progress.rows, form
    assert len(files["CSV"]) == (60 if what == "ConsentChanges" else 24)
    programs = files["JSON_LINES"]
    assert [row["ledger_index"] for row in files["PARQUET"]] == [r["ledger_index"] for r in programs]
    for mine, theirs in zip(programs, files["PARQUET"]):
        assert mine["note"] == theirs["note"]
        assert theirs["record_time"].utcoffset().total_seconds() == 0, "UTC"
        assert theirs["record_time"].isoformat(timespec="microseconds")[:26] == mine["record_time"][:26]
    people = "สถานะใหม่" if what == "ConsentChanges" else "สถานะ"
    key = "to_state" if what == "ConsentChanges" else "state"
    for form in ("CSV", "XLSX"):
        assert [row[people] for row in files[form]] == [row[key] for row in programs]
        assert all(row["เปลี่ยนเมื่อ"].endswith("+07:00") for row in files[form])
    notes = {(row["หมายเหตุ"] or "") for row in files["XLSX"]}
    assert NOTE in notes or what == "Consents"
    if what == "ConsentChanges":
        assert list(files["CSV"][0])[:4] == HEADERS
        # A spreadsheet must not calculate it.
        assert {row["หมายเหตุ"] for row in files["CSV"]} == {"", f"'{NOTE}"}


def test_parquet_has_types(sold):
    shop, _ = sold
    data, _ = export(shop, "ConsentChanges", "PARQUET")
    schema = pyarrow.parquet.read_schema(io.BytesIO(data))
    assert str(schema.field("record_time").type) == "timestamp[us, tz=UTC]"
    assert str(schema.field("ledger_index").type) == "int64"
    assert str(schema.field("note").type) == "string"


def test_a_file_is_gone_on_with_from_a_token_and_a_stranger_has_none(sold):
    shop, _ = sold
    fields = {"parent": shop.name, "format": "EXPORT_FORMAT_JSON_LINES"}
    path = "manager.ExportService/ExportConsentChanges"
    whole = shop.officer.stream(path, fields)
    rest = shop.officer.stream(path, fields | {"resume_token": whole[0].resume_token})
    assert whole[0].data + b"".join(m.data for m in rest) == b"".join(m.data for m in whole)
    for who in (shop.listed, shop.user):
        with pytest.raises(Exception, match="LEDGER_READERS_ONLY"):
            who.stream(path, fields)


def test_a_receipt_is_verified_by_a_tool_that_knows_nothing_of_us(sold):
    shop, contact = sold
    keys = shop.officer("manager.ProofService/ListLedgerKeys", parent=shop.name).keys
    receipt = shop.officer(
        "manager.ReceiptService/GetConsentReceipt",
        contact=contact,
        channel="CHANNEL_PHONE",
        format="RECEIPT_FORMAT_JSON",
        language_code="th",
    )
    header = jwt.get_unverified_header(receipt.jws)
    key = next(key for key in keys if key.key_id == header["kid"])
    public = load_pem_public_key(key.pem.encode())
    said = jwt.decode(receipt.jws, public, algorithms=["EdDSA"])
    assert said == json.loads(receipt.content)
    assert said["pii_principal_id"] == contact
    assert [event["event_state"] for event in said["events"]] == ["DENIED", "GRANTED", "NOT_SET"]
    assert said["pii_processing"]["purposes"][0]["state"] == "DENIED"
    assert "บูท" not in receipt.content, "notes may be about somebody else"
    signature = receipt.jws.rpartition(".")[2]
    forged = receipt.jws.replace(signature, signature[:-4] + "AAAA")
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(forged, public, algorithms=["EdDSA"])
    for who in (shop.listed, shop.user):
        refused = refusal(
            who,
            "manager.ReceiptService/GetConsentReceipt",
            contact=contact,
            channel="CHANNEL_PHONE",
            format="RECEIPT_FORMAT_JSON",
        )
        assert refused.reason == "LEDGER_READERS_ONLY"
