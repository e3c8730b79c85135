"""The services as a foreign client calls them: it knows addresses and tokens, and learns everything
else by reflection."""

import itertools
import time

import grpc
from google.protobuf import descriptor_pool, json_format, message_factory
from google.rpc import error_details_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)
from grpc_status import rpc_status

CALL_SECONDS = 30

# Whoever calls these goes away when it has heard enough.
ENDLESS = {"yinyom.manager.v1.WatchService/WatchConsentChanges"}


class Service:
    """One port: its connection, and the API that it tells of by reflection."""

    def __init__(self, address, credentials=None):
        if credentials is None:
            self.channel = grpc.insecure_channel(address)
        else:
            self.channel = grpc.secure_channel(address, credentials)
        self._database = ProtoReflectionDescriptorDatabase(self.channel)
        self._pool = descriptor_pool.DescriptorPool(self._database)

    def names(self):
        """The names of its services."""
        return sorted(self._database.get_services())

    def methods(self, service):
        """The methods of one of its services."""
        return self._pool.FindServiceByName(service).methods

    def method(self, path):
        """The method at `package.Service/Method`."""
        service, _, method = path.partition("/")
        return self._pool.FindServiceByName(service).FindMethodByName(method)

    def enum(self, name):
        """The numbers of an enum's values, by name."""
        return {value.name: value.number for value in self._pool.FindEnumTypeByName(name).values}

    def stub(self, path):
        """A callable for the method at `path`, from and to messages."""
        method = self.method(path)
        kinds = {
            (False, False): self.channel.unary_unary,
            (False, True): self.channel.unary_stream,
            (True, False): self.channel.stream_unary,
            (True, True): self.channel.stream_stream,
        }
        return kinds[method.client_streaming, method.server_streaming](
            f"/{path}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=message_factory.GetMessageClass(method.output_type).FromString,
        )

    def request(self, path, fields):
        """The request of the method at `path`. A field that it does not have is an error here."""
        return message_factory.GetMessageClass(self.method(path).input_type)(**fields)

    def close(self):
        self.channel.close()


class Refused(Exception):
    """A call was refused: with a code, and with a reason and fields as a client branches on them."""

    def __init__(self, error):
        self.code = error.code()
        self.message = error.details()
        self.reason = self.domain = None
        self.fields = {}
        status = rpc_status.from_call(error)
        for detail in status.details if status else ():
            info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
            if detail.Unpack(info):
                self.reason, self.domain = info.reason, info.domain
            elif detail.Unpack(bad):
                self.fields = {wrong.field: wrong.reason for wrong in bad.field_violations}
        # Everything that came over the wire, for those who look for what must not be in it.
        trailers = [part for pair in error.trailing_metadata() or () for part in pair]
        texts = [part.encode() if isinstance(part, str) else bytes(part) for part in trailers]
        self.raw = b"\n".join([(self.message or "").encode(), *texts])
        super().__init__(f"{self.code.name} {self.reason} {self.message} {self.fields}")


class Caller:
    """Somebody with a token, or with none. `name` is the member's, if it is one."""

    def __init__(self, services, token=None, name="", metadata=()):
        self.name = name
        self._services = services
        self._metadata = [("authorization", f"Bearer {token}")] if token is not None else []
        self._metadata += metadata

    def __call__(self, path, **fields):
        """Calls `package.v1.Service/Method`, `directory.ContactService/GetContact` for short."""
        service, path = self._find(path)
        request = service.request(path, fields)
        try:
            return service.stub(path)(request, metadata=self._metadata, timeout=CALL_SECONDS)
        except grpc.RpcError as error:
            raise Refused(error) from None

    def stream(self, path, *requests):
        """Calls a method that streams its answers, and perhaps its requests. All answers, or the first
        one of a method whose answers have no end."""
        service, path = self._find(path)
        messages = [service.request(path, fields) for fields in requests]
        asked = iter(messages) if service.method(path).client_streaming else messages[0]
        call = service.stub(path)(asked, metadata=self._metadata, timeout=CALL_SECONDS)
        try:
            answers = list(itertools.islice(call, 1)) if path in ENDLESS else list(call)
            call.cancel()
            return answers
        except grpc.RpcError as error:
            raise Refused(error) from None

    def watch(self, path, **fields):
        """Calls a method whose answers have no end: an iterator with `cancel()`."""
        service, path = self._find(path)
        request = service.request(path, fields)
        return service.stub(path)(request, metadata=self._metadata, timeout=CALL_SECONDS)

    def raw(self, service, path, body):
        """Sends bytes that may be no message at all."""
        call = self._services[service].channel.unary_unary(path)
        try:
            return call(body, metadata=self._metadata, timeout=CALL_SECONDS)
        except grpc.RpcError as error:
            raise Refused(error) from None

    def pages(self, path, items, **fields):
        """The items of all pages."""
        token = ""
        while True:
            page = self(path, page_token=token, **fields)
            yield from getattr(page, items)
            token = page.next_page_token
            if not token:
                return

    def _find(self, path):
        service = path.partition(".")[0]
        return self._services[service], f"yinyom.{service}.v1.{path.partition('.')[2]}"


def refusal(call, path, **fields):
    """The refusal of a call that must be refused."""
    try:
        answer = call(path, **fields)
    except Refused as refused:
        return refused
    raise AssertionError(f"{path} was not refused: {plain(answer)}")


def plain(message):
    """A message as a dictionary, with everything that is not set as well."""
    return json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )


def eventually(ask, expected, within=10):
    """Asks until the answer is as expected: the ledger hears of a change in milliseconds, but not in
    the call that makes it. Fails with what was answered last."""
    deadline = time.monotonic() + within
    while True:
        answer = ask()
        if expected(answer):
            return answer
        assert time.monotonic() < deadline, f"not in time; the last answer: {answer}"
        time.sleep(0.01)
