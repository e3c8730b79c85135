"""A foreign client that calls until its standard input ends, and then says how calls ended: rolling.py ADDRESSES TOKEN REQUEST.
Balancing, health checks and retries are those of gRPC's own service config: a replica that listens and does not serve yet says so
by health."""

import base64
import collections
import json
import sys
import threading

import grpc

METHOD = "/yinyom.directory.v1.ContactService/GetContact"
CONFIG = {
    "loadBalancingConfig": [{"round_robin": {}}],
    "healthCheckConfig": {"serviceName": ""},
    "methodConfig": [
        {
            "name": [{}],
            "retryPolicy": {
                "maxAttempts": 4,
                "initialBackoff": "0.02s",
                "maxBackoff": "0.5s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ],
}
WORKERS = 4
PAUSE = 0.01


def main(addresses, token, request):
    # Several addresses are no authority.
    options = [("grpc.service_config", json.dumps(CONFIG)), ("grpc.enable_retries", 1), ("grpc.default_authority", "directory")]
    request = base64.b64decode(request)
    channel = grpc.insecure_channel(f"ipv4:{addresses}", options=options)
    call, done = channel.unary_unary(METHOD), threading.Event()
    calls, failed, lock = 0, collections.Counter(), threading.Lock()

    def work():
        nonlocal calls
        while not done.wait(PAUSE):
            said = None
            try:
                call(request, metadata=[("authorization", f"Bearer {token}")], timeout=5)
            except grpc.RpcError as error:
                said = f"{error.code().name} {error.details()}"
            with lock:
                calls += 1
                if said:
                    failed[said] += 1

    workers = [threading.Thread(target=work) for _ in range(WORKERS)]
    for worker in workers:
        worker.start()
    sys.stdin.read()
    done.set()
    for worker in workers:
        worker.join()
    print(json.dumps({"calls": calls, "failed": dict(failed)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
