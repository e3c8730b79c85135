"""What an operator's tools ask of a process: a kubelet, whether it lives and serves; Prometheus, what it measured; and the
log filter, changed while it runs."""

import re
import socket
import time
import urllib.error
import urllib.request
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from conftest import _binary
from program import READY_SECONDS, Yinyom
from shop import House, Shop, get
from wire import Refused, Service


def free():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.fixture(scope="module")
def probed(tmp_path_factory):
    program = Yinyom(_binary(), tmp_path_factory.mktemp("probed"))
    program.filter = program.directory / "filter"
    program.filter.write_text("warn\n")
    program.health, program.metrics = (f"127.0.0.1:{free()}" for _ in range(2))
    program.environment = {
        "YINYOM_HEALTH_LISTEN": program.health,
        "YINYOM_METRICS_LISTEN": program.metrics,
        "YINYOM_LOG_FILTER_FILE": str(program.filter),
    }
    program.start()
    yield program
    program.stop()


def says(program, service):
    with grpc.insecure_channel(program.health) as channel:
        ask = health_pb2.HealthCheckRequest(service=service)
        return health_pb2_grpc.HealthStub(channel).Check(ask, timeout=5).status


def test_a_prober_needs_neither_certificate_nor_token(probed):
    for service in ("live", ""):
        assert says(probed, service) == health_pb2.HealthCheckResponse.SERVING, service


def test_a_prober_gets_nothing_but_health(probed):
    with grpc.insecure_channel(probed.health) as channel:
        for method in ("/yinyom.directory.v1.ContactService/GetContact", "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"):
            with pytest.raises(grpc.RpcError) as refused:
                channel.unary_unary(method)(b"", timeout=5)
            assert refused.value.code() == grpc.StatusCode.UNIMPLEMENTED, method


def scrape(program):
    with urllib.request.urlopen(f"http://{program.metrics}/metrics", timeout=5) as answer:
        assert answer.headers["content-type"].startswith("text/plain")
        return answer.read().decode()


def test_calls_are_measured_by_method_and_code_and_hold_nobodys_data(probed):
    services = {name: Service(address) for name, address in probed.facts["addresses"].items()}
    house = House(probed, services)
    shop = Shop(house)
    shop.switch(True)
    contact = shop.contact("0897654320", "zanzibar@example.com")
    get(shop.user, contact)
    text = scrape(probed)
    counted = re.compile(r'rpc_server_call_duration_seconds_count\{[^}]*rpc_method="yinyom\.directory\.v1\.ContactService/GetContact"[^}]*rpc_response_status_code="OK"[^}]*\} [1-9]')
    assert counted.search(text), text
    for name in ("yinyom_policy_lease_age_seconds", "yinyom_outbox_backlog", "yinyom_outbox_oldest_age_seconds",
                 "yinyom_outbox_quarantined_streams", "yinyom_values_masked_total", "yinyom_ledger_append_duration_seconds_count"):
        assert f"\n{name}" in text, name
    for personal in ("897654320", "zanzibar", shop.name.split("/")[-1], contact.split("/")[-1]):
        assert personal not in text, personal
    for service in services.values():
        service.close()


def test_whoever_looks_up_too_many_addresses_is_counted_as_the_alert_asks_for(probed):
    services = {name: Service(address) for name, address in probed.facts["addresses"].items()}
    shop = Shop(House(probed, services))
    with pytest.raises(Refused) as refused:
        for number in range(100):
            shop.owner("directory.ContactService/SearchContacts", parent=shop.name, phone=f"08976543{number:02}")
    assert refused.value.reason == "LOOKUP_RATE_LIMITED"
    assert re.search(r'yinyom_calls_shed_total\{[^}]*reason="LOOKUP_RATE_LIMITED"[^}]*\} [1-9]', scrape(probed))
    for service in services.values():
        service.close()


def test_what_the_autoscaler_asks_for_is_measured(probed):
    adapter = Path(__file__).parents[2] / "deploy/kubernetes/components/autoscaling/prometheus-adapter.yaml"
    series = re.search(r"seriesQuery: (\w+)", adapter.read_text())[1]
    methods = re.search(r'rpc_method=~"([^"]+)"', adapter.read_text())[1]
    measured = re.findall(rf'^{series}\{{[^}}]*rpc_method="([^"]+)"[^}}]*\}} [1-9]', scrape(probed), re.MULTILINE)
    assert any(re.fullmatch(methods, method) for method in measured), measured


def test_there_is_nothing_else_on_the_port_of_metrics(probed):
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"http://{probed.metrics}/debug", timeout=5)
    assert refused.value.code == 404


def test_the_log_filter_is_changed_while_it_runs_and_one_that_cannot_be_read_changes_nothing(probed):
    def grows_to_hold(text):
        deadline = time.monotonic() + READY_SECONDS
        while text not in probed.log.read_text(errors="replace"):
            assert time.monotonic() < deadline, text
            time.sleep(0.05)

    assert "DEBUG" not in probed.log.read_text(errors="replace")
    probed.filter.write_text("error,yinyom_process=info,yinyom=loud\n")
    grows_to_hold("not read again")
    probed.filter.write_text("info,yinyom_rpc=debug\n")
    grows_to_hold("read again")
    says(probed, "live")
    with grpc.insecure_channel(probed.facts["addresses"]["directory"]) as channel:
        health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=5)
    grows_to_hold("DEBUG")
