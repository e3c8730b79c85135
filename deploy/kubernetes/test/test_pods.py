"""What an operator does, without a cluster: installs, has a customer refuse, migrates again, changes keys, loses everything
and restores it. See deploy/pods-test.

    test_pods.py OVERLAY SCRATCH     with SCRATCH/image, and as SCRATCH/*.yaml what deploy/pods-test renders
"""

import json
import pathlib
import re
import secrets
import sys
import time
import uuid

import yaml
from pods import Cluster, Failed, Pod, run
from postgres import Postgres

OPERATOR = "crm-vendor"


def documents(scratch, overlay):
    return [document for document in yaml.safe_load_all((scratch / f"{overlay}.yaml").read_text()) if document]


def answered(pod, method):
    return any(line.get("rpc", "").endswith(method) and line.get("code") == "Ok" for line in pod.lines())


def eventually(what, holds, seconds=30):
    for _ in range(seconds * 10):
        if holds():
            return
        time.sleep(0.1)
    sys.exit(f"pods-test: not in {seconds} s: {what}")


class House:
    """The three services of an overlay, running."""

    def __init__(self, cluster, scratch):
        self.cluster, self.scratch, self.pods = cluster, scratch, {}

    def start(self, overlay):
        self.pods = {
            d["metadata"]["name"]: Pod(d, self.cluster, self.scratch)
            for d in documents(self.scratch, overlay) if d["kind"] == "Deployment"
        }
        self.settings, self.directory, self.manager = (
            self.pods[name] for name in ("consent-settings", "contact-directory", "consent-manager")
        )
        for pod in self.pods.values():
            pod.start()
        for pod in self.pods.values():
            pod.wait()
            # An open port is not yet a service that has its database.
            eventually(f"{pod.name} serves", lambda: self.serves(pod))

    def serves(self, pod):
        try:
            return self.call(pod, None, "grpc.health.v1.Health/Check") == {"status": "SERVING"}
        except Failed as refused:
            if "server is starting" in str(refused):
                return False
            raise

    def stop(self):
        for pod in self.pods.values():
            pod.stop()

    def kill(self):
        for pod in self.pods.values():
            if getattr(pod, "process", None) and pod.process.poll() is None:
                pod.process.kill()

    def resident(self):
        for name, pod in sorted(self.pods.items()):
            status = pathlib.Path(f"/proc/{pod.process.pid}/status").read_text()
            resident = re.search(r"VmRSS:\s+(\d+)", status)[1]
            yield f"{name} {resident} KiB"

    def call(self, pod, token, method, **request):
        return self.cluster.call(pod, token, method, **request)

    def found(self):
        """A business with an owner and a contact. By an operator whom the caller table gets under running services."""
        table = self.scratch / "configs/yinyom-callers/callers.json"
        table.write_text(json.dumps(json.loads(table.read_text()) | {"operators": [OPERATOR]}))
        eventually("the caller table is read again", lambda: any(line.get("what") == "the caller table" for line in self.settings.lines()))
        founded = self.call(self.settings, self.cluster.tokens.token(OPERATOR), "yinyom.settings.v1.BusinessService/CreateBusiness",
                            business={"displayName": "Flowers", "plan": "PLAN_GOLD"}, ownerDisplayName="Owner")
        self.business, member = founded["business"]["name"], founded["owner"]["name"].split("/")[-1]
        self.owner = self.cluster.tokens.token(member, biz=self.business.split("/")[-1])
        self.contact = self.create("Somying", "081 234 5678")

    def create(self, name, phone):
        created = self.call(self.directory, self.owner, "yinyom.directory.v1.ContactService/CreateContact", parent=self.business,
                            contact={"firstName": name, "phones": [{"value": phone}]}, requestId=str(uuid.uuid4()))
        return created["contact"]["name"]

    def erase(self, contact):
        """It is there, and then it is not."""
        get = lambda: self.call(self.directory, self.owner, "yinyom.directory.v1.ContactService/GetContact", name=contact)
        get()
        self.call(self.directory, self.owner, "yinyom.directory.v1.SubjectService/EraseSubject", contact=contact)
        self.gone(contact)
        eventually("the erasure is in the ledger", lambda: contact in self.erased())

    def gone(self, contact):
        try:
            self.call(self.directory, self.owner, "yinyom.directory.v1.ContactService/GetContact", name=contact)
        except Failed as refused:
            assert "NotFound" in str(refused), refused
        else:
            raise Failed("a person who was erased is there")

    def erased(self):
        answer = self.call(self.manager, self.owner, "yinyom.manager.v1.RetentionService/ListErasures", parent=self.business)
        return [erasure["contact"] for erasure in answer.get("erasures", [])]

    def refuse(self):
        """The customer says no, and the ledger has one change more."""
        before = len(self.ledger())
        self.call(self.directory, self.owner, "yinyom.directory.v1.ConsentService/WithdrawConsent", contact=self.contact,
                  channels=["CHANNEL_PHONE"], surface="SURFACE_CONTACTS")
        eventually("the refusal is in the ledger", lambda: len(self.ledger()) > before)

    def ledger(self):
        answer = self.call(self.manager, self.owner, "yinyom.manager.v1.LedgerService/ListConsentChanges", parent=self.business)
        return next((value for value in answer.values() if isinstance(value, list)), [])

    def phone(self):
        contact = self.call(self.directory, self.owner, "yinyom.directory.v1.ContactService/GetContact", name=self.contact)["contact"]
        return contact["phones"][0]["value"]

    def story(self):
        """Every arrow of the design, by certificate and token."""
        eventually("there are leases", lambda: answered(self.settings, "RenewPolicyLease"))
        self.found()
        self.refuse()
        assert answered(self.manager, "RecordConsentChanges")
        eventually("the settings' changes are on record", lambda: answered(self.manager, "RecordAuditEvents"))

    def yinyom(self, *command):
        files = self.scratch / "caller"
        return run(self.scratch / "image/usr/bin/yinyom", *command, "--manager", "https://consent-manager.yinyom.svc:7073",
                   "--business", self.business, "--token", self.owner, "--tls-ca-file", files / "ca.crt",
                   "--tls-certificate-file", files / "tls.crt", "--tls-key-file", files / "tls.key", cwd=self.scratch)


def jobs(overlay, cluster, scratch):
    """The Jobs of an overlay, to their ends."""
    for document in documents(scratch, overlay):
        if document["kind"] == "Job":
            yield Pod(document, cluster, scratch)


def single_node(scratch):
    house = House(Cluster(documents(scratch, "single-node"), scratch), scratch)
    try:
        house.start("single-node")
        house.story()
        resident = ", ".join(house.resident())
        house.stop()
    finally:
        house.kill()
    print(f"pods-test: single-node: a refusal went its way; {resident} resident; all ended with 0")


def rotate(house, complete):
    """Other master keys, as the README says. The former ones are gone in the end, and everything opens."""
    phone = house.phone()
    house.stop()
    for service in house.cluster.services:
        keys = house.scratch / f"secrets/{service}-keys"
        house.cluster.secret(keys.name, "older.key", (keys / "master.key").read_bytes())
        house.cluster.secret(keys.name, "master.key", secrets.token_bytes(32))
    house.start("two-keys")
    assert all("the master key" in said and "another one" not in said for said in complete("rotate-keys") if " keys  " in said)
    house.stop()
    for service in house.cluster.services:
        (house.scratch / f"secrets/{service}-keys/older.key").unlink()
    house.start("production")
    assert house.phone() == phone


def drill(house, postgres, complete):
    """Everything is lost but a backup and what was kept apart from it. What the ledger's verification says."""
    phone, erased = house.phone(), house.create("Somchai", "089 876 5432")
    kept = house.scratch
    (kept / "ledger.pub").write_text(house.yinyom("ledger-keys"))
    (kept / "checkpoint").write_text(house.yinyom("checkpoint"))
    postgres.back_up(kept / "saved")
    house.erase(erased)
    [listed] = complete("list-erasures")
    house.cluster.write("configs", "yinyom-erasures", "erasures.jsonl", listed.encode())
    house.stop()
    postgres.destroy()
    postgres.restore(kept / "saved")
    [replayed] = complete("replay-erasures")
    assert replayed == "1 erasures, of which 1 were unknown and are done\n", replayed
    house.start("production")
    house.yinyom("export-ledger", "ledger.jsonl")
    verified = run(kept / "image/usr/bin/yinyom", "verify", "ledger.jsonl", "--checkpoint", "checkpoint", "--public-key", "ledger.pub", cwd=kept)
    assert house.phone() == phone
    house.gone(erased)
    eventually("the ledger is told of the erasure", lambda: house.erased() == [erased])
    # The numbers fit: the ledger takes what comes next, and still begins with what was kept.
    house.refuse()
    house.yinyom("checkpoint", "--public-key", "ledger.pub", "--since", "checkpoint")
    return verified.strip().splitlines()[-1]


def production(scratch):
    cluster = Cluster(documents(scratch, "production"), scratch)
    postgres = Postgres(cluster)
    hosts = scratch / "hosts"
    hosts.write_text("127.0.0.1 localhost " + " ".join(sorted(cluster.names)) + "\n")
    run("mount", "--bind", hosts, "/etc/hosts")
    complete = lambda overlay: [job.complete() for job in jobs(overlay, cluster, scratch)]
    assert all(": it was new and is at " in said for said in complete("migrations"))
    house = House(cluster, scratch)
    try:
        house.start("production")
        house.story()
        assert postgres.encrypted(), "a connection to PostgreSQL is in plain text"
        # Again, and beside the running services.
        assert all("nothing was to be done" in said for said in complete("migrations"))

        rotate(house, complete)

        said = drill(house, postgres, complete)
        house.stop()
    finally:
        house.kill()
    print(f"pods-test: production: migrated twice, keys wrapped anew, backed up, destroyed, restored, erased anew; the ledger is {said}")


if __name__ == "__main__":
    try:
        {"single-node": single_node, "production": production}[sys.argv[1]](pathlib.Path(sys.argv[2]))
    except Failed as failure:
        sys.exit(f"pods-test: {failure}")
