"""The three services as processes of their own, as production has them: each with its port, its database, its keys and a token
of its own for its calls. Who issues tokens is here, too."""

import base64
import hashlib
import json
import os
import secrets
import signal
import socket
import subprocess
import time

import grpc
import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from grpc_health.v1 import health_pb2, health_pb2_grpc

from program import COMMAND_SECONDS, READY_SECONDS, STOP_SECONDS

SERVICES = {"settings": "consent-settings", "directory": "contact-directory", "manager": "consent-manager"}
ISSUER = "yinyom-dev"
OPERATOR = "crm-vendor"
# Services for trying things out, one with and one without the sight of addresses.
OTHERS = {"campaigns": ["addresses.read"], "helpdesk": []}


class DidNotStart(AssertionError):
    """A service ended when it should start."""

    def __init__(self, service, said):
        super().__init__(said)
        self.service = service


class Three:
    """Their keys and everything else but the databases are under `directory`, as `yinyom` has them under its own."""

    def __init__(self, binary, directory, databases):
        self.binary, self.directory, self.databases = binary, directory, databases
        self.data_dir, self.log = directory / "data", directory / "log"
        # Programs of single services, where they are not the one of all.
        self.environment, self.binaries, self._processes = {}, {}, {}
        keys = self.data_dir / "keys"
        keys.mkdir(parents=True, exist_ok=True)
        for service in SERVICES:
            if not (keys / f"{service}.key").exists():
                (keys / f"{service}.key").write_bytes(secrets.token_bytes(32))
        self._issuer = _key(keys / "token-issuer.pem")
        _key(keys / "ledger.pem")
        self._kid, jwks = _jwks(self._issuer)
        (self.data_dir / "jwks.json").write_text(json.dumps(jwks))
        (self.data_dir / "callers.json").write_text(json.dumps(_callers()))
        for service, name in SERVICES.items():
            (self.data_dir / f"{service}.token").write_text(self.token(name))
        self.facts = {}

    def token(self, subject):
        """A token for a member (`businesses/…/members/…`), a service or an operator."""
        now = int(time.time())
        claims = {"iss": ISSUER, "aud": "yinyom", "iat": now, "nbf": now, "exp": now + 3600}
        match subject.split("/"):
            case ["businesses", business, "members", member]:
                claims |= {"sub": member, "biz": business}
            case _:
                claims["sub"] = subject
        return jwt.encode(claims, self._issuer, "EdDSA", headers={"kid": self._kid})

    def start(self):
        """Starts them, and waits until all of them serve."""
        addresses = {service: f"127.0.0.1:{port}" for service, port in zip(SERVICES, _free(len(SERVICES)))}
        for service in SERVICES:
            self._processes[service] = self._serve(service, addresses)
        deadline = time.monotonic() + READY_SECONDS
        for service, address in addresses.items():
            while not _serves(address):
                for name, process in self._processes.items():
                    if (status := process.poll()) is not None:
                        raise DidNotStart(name, f"{name} ended with {status}:\n{self._tail()}")
                assert time.monotonic() < deadline, f"{service} does not serve in time:\n{self._tail()}"
                time.sleep(0.02)
        operator = {"name": OPERATOR, "token": self.token(OPERATOR)}
        services = [{"name": name, "scopes": scopes, "token": self.token(name)} for name, scopes in OTHERS.items()]
        self.facts = {"addresses": addresses, "operator": operator, "services": services}
        return self

    def _serve(self, service, addresses):
        data, keys = self.data_dir, self.data_dir / "keys"
        flags = {
            "YINYOM_LISTEN": addresses[service],
            "YINYOM_DATABASE_URL": self.databases.url(service),
            "YINYOM_JWKS_FILE": data / "jwks.json",
            "YINYOM_ISSUER": ISSUER,
            "YINYOM_CALLERS_FILE": data / "callers.json",
            "YINYOM_TOKEN_FILE": data / f"{service}.token",
            "YINYOM_MASTER_KEY_FILE": keys / f"{service}.key",
            "YINYOM_LOG": "info",
            "YINYOM_DRAIN_LIMIT": "3",
        }
        if service != "settings":
            flags["YINYOM_SETTINGS_ENDPOINT"] = f"http://{addresses['settings']}"
        if service == "manager":
            flags |= {"YINYOM_LEDGER_KEY_FILE": keys / "ledger.pem", "YINYOM_LEDGER_NAME": ISSUER}
        else:
            flags["YINYOM_MANAGER_ENDPOINT"] = f"http://{addresses['manager']}"
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [self.binaries.get(service, self.binary), service],
                cwd=self.directory,
                env=self._environment(**flags),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def stop(self):
        """Tells them to stop, as a kubelet does; each must end with 0, and in time."""
        for process in self._processes.values():
            process.send_signal(signal.SIGTERM)
        for service, process in self._processes.items():
            try:
                status = process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill()
                raise AssertionError(f"{service} did not stop in time:\n{self._tail()}") from None
            assert status == 0, f"{service} ended with {status}:\n{self._tail()}"
        self._processes = {}

    def kill(self):
        for process in self._processes.values():
            process.kill()
            process.wait()
        self._processes = {}

    def run(self, *arguments, token=None, **more):
        """Another command of the program, for the holder of `token`."""
        more |= {"YINYOM_TOKEN": token} if token else {}
        return subprocess.run(
            [self.binary, *arguments],
            cwd=self.directory,
            env=self._environment(**more),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=COMMAND_SECONDS,
        )

    def _environment(self, **more):
        # What the developer's shell sets must not decide what is tested.
        kept = {name: value for name, value in os.environ.items() if not name.startswith("YINYOM_")}
        return kept | {name: str(value) for name, value in (self.environment | more).items()}

    def _tail(self):
        return self.log.read_text(errors="replace")[-4000:]


def _key(path):
    """The Ed25519 key in that file, made if it is not there."""
    if not path.exists():
        form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        path.write_bytes(Ed25519PrivateKey.generate().private_bytes(*form))
    return serialization.load_pem_private_key(path.read_bytes(), None)


def _jwks(key):
    raw = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    text = lambda part: base64.urlsafe_b64encode(part).rstrip(b"=").decode()
    public = {"crv": "Ed25519", "kty": "OKP", "x": text(raw)}
    # RFC 7638: `yinyom token` names the key so.
    kid = text(hashlib.sha256(json.dumps(public, separators=(",", ":")).encode()).digest())
    return kid, {"keys": [public | {"kid": kid, "use": "sig", "alg": "EdDSA"}]}


def _callers():
    """What `yinyom` without a command lets its services do."""
    policy = "/yinyom.settings.v1.PolicyService/*"
    audit = "/yinyom.manager.v1.AuditService/RecordAuditEvents"
    contacts = [f"/yinyom.directory.v1.{name}Service/*" for name in ("Contact", "Lead", "Account", "Consent", "Import")]
    rights = {
        "consent-settings": [audit],
        "contact-directory": [policy, "/yinyom.manager.v1.LedgerService/RecordConsentChanges", audit,
                              "/yinyom.manager.v1.RetentionService/ListErasures"],
        "consent-manager": [policy],
    }
    services = [{"name": name, "businesses": "*", "rpcs": rpcs} for name, rpcs in rights.items()]
    services += [{"name": name, "businesses": "*", "rpcs": contacts, "scopes": scopes} for name, scopes in OTHERS.items()]
    return {"services": services, "operators": [OPERATOR]}


def _free(count):
    """Ports that nobody listens on, below the range that systems hand out to clients."""
    found = []
    while len(found) < count:
        port = 10_000 + secrets.randbelow(10_000)
        with socket.socket() as one:
            try:
                one.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in found:
            found.append(port)
    return found


def _serves(address):
    with grpc.insecure_channel(address) as channel:
        try:
            answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=2)
        except grpc.RpcError:
            return False
        return answer.status == health_pb2.HealthCheckResponse.SERVING
