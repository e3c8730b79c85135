"""Mutual TLS, as a foreign client speaks it: the whole program over it, and nobody without a certificate."""

import os
import subprocess
from pathlib import Path

import grpc
import pytest

from program import Yinyom
from wire import Caller, Refused, Service, eventually


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """An authority with a certificate for the ports and for a client, and a stranger's for a client."""
    directory = tmp_path_factory.mktemp("certificates")
    maker = Path(os.environ["YINYOM_BIN"]).absolute().with_name("test-certificates")
    subprocess.run([maker, directory], check=True)
    return directory


@pytest.fixture(scope="module")
def yinyom(tmp_path_factory, certificates):
    program = Yinyom(Path(os.environ["YINYOM_BIN"]).absolute(), tmp_path_factory.mktemp("yinyom"))
    program.environment = {
        "YINYOM_TLS_CERTIFICATE_FILE": str(certificates / "port.crt"),
        "YINYOM_TLS_KEY_FILE": str(certificates / "port.key"),
        "YINYOM_TLS_CA_FILE": str(certificates / "ca.crt"),
        "YINYOM_TLS_CLIENT_CA_FILE": str(certificates / "ca.crt"),
    }
    program.start()
    yield program
    program.stop()


def credentials(certificates, client):
    read = lambda name: (certificates / name).read_bytes()
    if client is None:
        return grpc.ssl_channel_credentials(read("ca.crt"))
    return grpc.ssl_channel_credentials(read("ca.crt"), read(f"{client}.key"), read(f"{client}.crt"))


def services(yinyom, channel_credentials):
    addresses = yinyom.facts["addresses"]
    return {name: Service(address, channel_credentials) for name, address in addresses.items()}


def test_with_a_certificate_the_whole_story_is_told(yinyom, certificates):
    """The three services reach each other the same way: the demo was loaded over it, and the report counts."""
    assert yinyom.facts["tls"] is True
    ports = services(yinyom, credentials(certificates, "client"))
    owner = next(person for person in yinyom.facts["people"] if person["role"] == "OWNER")
    caller = Caller(ports, owner["token"])
    name = yinyom.facts["contacts"][0]["contact"]
    contact = caller("directory.ContactService/GetContact", name=name).contact
    assert contact.phones and contact.emails

    def summary():
        try:
            parent = yinyom.facts["business"]
            return caller("manager.ReportService/GetConsentSummary", parent=parent).channels
        except Refused as refused:
            # The manager's first lease on the rules may still be on its way.
            assert refused.reason == "POLICY_UNAVAILABLE", refused
            return None

    eventually(summary, bool, within=30)
    for port in ports.values():
        port.close()


@pytest.mark.parametrize("client", [None, "stranger"])
@pytest.mark.parametrize("service", ["settings", "directory", "manager"])
def test_without_one_of_the_right_authority_there_is_no_connection(
    yinyom, certificates, client, service
):
    """Not even for a good token, nor to ask for reflection."""
    port = yinyom.facts["addresses"][service]
    with grpc.secure_channel(port, credentials(certificates, client)) as channel:
        with pytest.raises(grpc.RpcError) as refused:
            channel.unary_unary("/grpc.health.v1.Health/Check")(b"", timeout=10)
    assert refused.value.code() == grpc.StatusCode.UNAVAILABLE


def test_in_plain_text_there_is_no_connection(yinyom):
    with grpc.insecure_channel(yinyom.facts["addresses"]["directory"]) as channel:
        with pytest.raises(grpc.RpcError) as refused:
            channel.unary_unary("/grpc.health.v1.Health/Check")(b"", timeout=10)
    assert refused.value.code() == grpc.StatusCode.UNAVAILABLE


def test_the_commands_of_the_program_call_over_it_too(yinyom):
    report = yinyom.run("report")
    assert report.returncode == 0, report.stderr


@pytest.mark.parametrize("service", ["settings", "directory", "manager"])
def test_beyond_loopback_a_service_without_tls_refuses_to_start(yinyom, tmp_path, service):
    """Before it looks at anything else: the files that it is given are not there."""
    flags = {
        "database-url": "sqlite:none/none.db",
        "jwks-file": "none",
        "issuer": "none",
        "callers-file": "none",
        "master-key-file": "none",
        "token-file": "none",
        "listen": "0.0.0.0:0",
    }
    peers = {"settings": ["manager"], "directory": ["settings", "manager"], "manager": ["settings"]}
    if service == "manager":
        flags |= {"ledger-key-file": "none", "ledger-name": "none"}
    flags |= {f"{peer}-endpoint": "http://127.0.0.1:1" for peer in peers[service]}
    started = subprocess.run(
        [yinyom.binary, service, *(f"--{name}={value}" for name, value in flags.items())],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if not name.startswith("YINYOM_")},
        capture_output=True,
        encoding="utf-8",
        timeout=30,
    )
    assert started.returncode == 1
    said = [line for line in started.stderr.splitlines() if line.startswith("error: ")]
    assert len(said) == 1 and "0.0.0.0:0 is not loopback" in said[0], started.stderr
