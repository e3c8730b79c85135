"""A running `yinyom`, and its other commands beside it. What it says and logs goes to files."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

# Under a second on a laptop; a machine that builds at the same time may take longer.
READY_SECONDS = 60
STOP_SECONDS = 20
COMMAND_SECONDS = 120


class Yinyom:
    """Serves from `start` to `stop`, with its data and its logs under `directory`."""

    def __init__(self, binary: Path, directory: Path):
        self.binary = binary
        self.directory = directory
        self.data_dir = directory / "data"
        self.log = directory / "log"
        self.said = directory / "said"
        self.facts = {}
        # Settings beside flags, for this program and its commands.
        self.environment = {}
        self._process = None
        self._stopped = False

    def start(self):
        ports = [f"--{service}-port=0" for service in ("settings", "directory", "manager")]
        with self.said.open("wb") as said, self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [self.binary, "--data-dir", self.data_dir, *ports],
                cwd=self.directory,
                env=self._environment(YINYOM_LOG="trace"),
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=log,
            )
        try:
            self.facts = self._wait_until_ready()
        except BaseException:
            self.kill()
            raise
        return self

    def _wait_until_ready(self):
        told = self.data_dir / "dev.json"
        deadline = time.monotonic() + READY_SECONDS
        while not told.exists():
            status = self._process.poll()
            assert status is None, f"yinyom ended with {status} before it was ready:\n{self._tail()}"
            assert time.monotonic() < deadline, f"yinyom is not ready in time:\n{self._tail()}"
            time.sleep(0.01)
        return json.loads(told.read_text())

    def stop(self):
        """Tells it to stop as a service manager does, and checks that it stops well and in time. Once
        is enough."""
        if self._stopped:
            return
        self._stopped = True
        self._process.send_signal(signal.SIGTERM)
        try:
            status = self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"yinyom did not stop in time:\n{self._tail()}") from None
        assert status == 0, f"yinyom ended with {status}:\n{self._tail()}"

    def kill(self):
        self._process.kill()
        self._process.wait()

    def run(self, *arguments, token=None):
        """Runs another command of the program on the same data, for the holder of `token`."""
        more = {"YINYOM_TOKEN": token} if token else {}
        return subprocess.run(
            [self.binary, *arguments, "--data-dir", self.data_dir],
            cwd=self.directory,
            env=self._environment(**more),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=COMMAND_SECONDS,
        )

    def token(self, subject):
        """A token for a member, a service or an operator."""
        printed = self.run("token", subject)
        assert printed.returncode == 0, printed.stderr
        return printed.stdout.strip()

    def _environment(self, **more):
        # What the developer's shell sets must not decide what is tested.
        kept = {name: value for name, value in os.environ.items() if not name.startswith("YINYOM_")}
        return kept | self.environment | more

    def _tail(self):
        return self.log.read_text(errors="replace")[-4000:]
