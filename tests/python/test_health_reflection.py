"""What a port tells to whoever knocks without a token: that it is well, and its API. Nothing else."""

import base64
import json

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2

from wire import Refused

PORTS = ("settings", "directory", "manager")
PUBLIC = {"grpc.health.v1.Health"}
# As every API with long-running operations has it.
OPERATIONS = "google.longrunning.Operations"


@pytest.fixture(params=PORTS)
def port(request, house):
    return request.param, house.services[request.param]


def own(port):
    """The services on a port that are not public."""
    return [n for n in port.names() if n not in PUBLIC and not n.startswith("grpc.reflection.")]


def test_a_port_is_well_and_says_so_to_everybody(port):
    _, service = port
    health = health_pb2_grpc.HealthStub(service.channel)
    for name in ["", *own(service)]:
        answer = health.Check(health_pb2.HealthCheckRequest(service=name), timeout=5)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING, name
    with pytest.raises(grpc.RpcError) as unknown:
        health.Check(health_pb2.HealthCheckRequest(service="no.such.Service"), timeout=5)
    assert unknown.value.code() == grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_a_port_tells_its_api_in_both_versions_of_reflection(port, version):
    """The messages of both versions are the same on the wire; only the service's name differs."""
    _, service = port

    def ask(**question):
        call = service.channel.stream_stream(
            f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
            request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
            response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
        )
        question = reflection_pb2.ServerReflectionRequest(**question)
        return next(iter(call(iter([question]), timeout=5)))

    listed = {s.name for s in ask(list_services="").list_services_response.service}
    assert own(service) and listed >= {*own(service), *PUBLIC}
    for name in own(service):
        assert ask(file_containing_symbol=name).file_descriptor_response.file_descriptor_proto


def test_a_port_has_its_own_services_only(port):
    name, service = port
    others = {other for other in own(service) if not other.startswith(f"yinyom.{name}.v1.")}
    assert others == ({OPERATIONS} if name == "directory" else set())


def unsigned(house):
    """A token that nobody signed, for the demo's owner."""

    def part(claims):
        return base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")

    owner = house.yinyom.facts["people"][0]["token"].split(".")[1]
    return f"{part({'alg': 'none', 'typ': 'JWT'})}.{owner}."


def forged(house):
    """The owner's token with the user's claims and so with a wrong signature."""
    owner, user = (house.yinyom.facts["people"][i]["token"].split(".") for i in (0, 3))
    return ".".join([owner[0], user[1], owner[2]])


@pytest.mark.parametrize(
    "token",
    [lambda _: None, lambda _: "", lambda _: "no.token.atall", unsigned, forged],
    ids=["none", "empty", "nonsense", "unsigned", "forged"],
)
def test_nothing_else_is_answered_without_a_valid_token(house, port, token):
    name, service = port
    caller = house.bearer(token(house))
    methods = [f"{own_name}/{m.name}" for own_name in own(service) for m in service.methods(own_name)]
    assert methods
    for path in methods:
        short = path.replace(f"yinyom.{name}.v1.", f"{name}.")
        streaming = service.method(path).server_streaming
        with pytest.raises(Refused) as refused:
            if path.startswith(OPERATIONS):
                caller.raw(name, f"/{path}", b"")
            else:
                caller.stream(short, {}) if streaming else caller(short)
        assert refused.value.code == grpc.StatusCode.UNAUTHENTICATED, path
        assert (refused.value.reason, refused.value.domain) == ("UNAUTHENTICATED", "yinyom.dev"), path


def test_whether_a_method_exists_is_not_told_to_whoever_has_no_token(house, port):
    name, _ = port
    for path in (f"/yinyom.{name}.v1.NoService/Get", "/no.Service/No"):
        with pytest.raises(Refused) as refused:
            house.nobody.raw(name, path, b"")
        assert refused.value.code == grpc.StatusCode.UNAUTHENTICATED
