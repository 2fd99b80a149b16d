"""Long and heavy: run by `make soak` alone."""

from __future__ import annotations

import contextlib
import http.client
import os
import random
import signal
import socket
import ssl
import threading
import time
from pathlib import Path

import pytest

from tests.e2e.test_crash import Load
from tests.support.certificates import TestAuthority
from tests.support.engine import Engine
from tests.support.peers import Nginx, curl, wait_for

MIB = 1024 * 1024
SECONDS = float(os.environ.get("SOAK_SECONDS", "300"))

pytestmark = pytest.mark.soak


def test_1_gib_over_tls_at_flat_memory(engine: Engine, nginx: Nginx) -> None:
    url = f"{nginx.https}/1g"
    output = ("--cacert", engine.ca, "-o", "/dev/null")
    answer = curl("-x", engine.proxy, *output, url, timeout=300)
    assert (answer.exit_code, answer.status) == (0, 200), answer.error
    assert engine.memory() < 120 * MIB


def test_20_kills_lose_nothing_older_than_a_second(
    tmp_path: Path, nginx: Nginx, ca: TestAuthority
) -> None:
    for _ in range(20):
        with Engine(tmp_path, "--ssl-ca", str(ca.path)) as engine:
            query = "select path from flows where id > {} and state = 'done'"
            last = engine.query("select coalesce(max(id), 0) from flows")[0][0]
            load = Load(engine, nginx)
            load.wait(random.randrange(400, 900))
            killed = time.monotonic()
            engine.signal(signal.SIGKILL)
            engine.wait()
            load.join()
            assert engine.query("pragma integrity_check") == [("ok",)]
            stored = {path.rpartition("?")[2] for (path,) in engine.query(query.format(last))}
            before = {str(number) for number, ended in load.done.items() if ended < killed - 1}
            assert before <= stored


class Client(threading.Thread):
    """A client that sends its kind of traffic until told to stop; counts what went wrong."""

    def __init__(self, engine: Engine, nginx: Nginx, kind: int, stop: threading.Event) -> None:
        super().__init__()
        self._engine, self._nginx, self._kind, self._stop_wanted = engine, nginx, kind, stop
        self.sent = 0
        self.faults: list[str] = []

    def run(self) -> None:
        """Connect, send some, leave, again."""
        while not self._stop_wanted.wait(0.01):
            try:
                with contextlib.closing(self._connect()) as client:
                    for _ in range(random.randrange(1, 20)):
                        self._exchange(client)
            except (OSError, AssertionError, http.client.HTTPException) as error:
                self.faults.append(repr(error))

    def _connect(self) -> http.client.HTTPConnection:
        if self._kind == 0:
            return http.client.HTTPConnection("127.0.0.1", self._engine.port, timeout=20)
        context = ssl.create_default_context(cafile=self._engine.ca)
        client = http.client.HTTPSConnection(
            "127.0.0.1", self._engine.port, timeout=20, context=context
        )
        client.set_tunnel("localhost", self._nginx.https_port)
        return client

    def _exchange(self, client: http.client.HTTPConnection) -> None:
        name = random.choice(("0", "1k", "100k", "data.json"))
        base = self._nginx.http if self._kind == 0 else ""
        client.request("GET", f"{base}/{name}")
        assert client.getresponse().read() == self._nginx.file(name)
        self.sent += 1
        time.sleep(0.01)


def test_memory_and_descriptors_stay_flat(engine: Engine, nginx: Nginx) -> None:
    stop = threading.Event()
    clients = [Client(engine, nginx, number % 2, stop) for number in range(6)]
    for client in clients:
        client.start()
    descriptors = Path(f"/proc/{engine.pid}/fd")
    samples: list[int] = []
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        time.sleep(1)  # the time is the test
        samples.append(engine.memory("VmRSS"))
        with socket.create_connection(("127.0.0.1", engine.port)):
            pass  # comes and goes without a word
    stop.set()
    for client in clients:
        client.join(30)
    assert [fault for client in clients for fault in client.faults] == []
    sent = sum(client.sent for client in clients)
    assert sent > 20 * SECONDS
    query = "select count(*) from flows where state = 'done'"
    wait_for(lambda: engine.query(query)[0][0] == sent, f"{sent} rows")
    assert max(samples) < 140 * MIB, samples  # 32 MiB are SQLite's cache, filled by and by
    settled = samples[len(samples) // 2 :]
    assert max(settled) - settled[0] < 8 * MIB + 32 * MIB * (SECONDS < 300), samples
    wait_for(lambda: len(list(descriptors.iterdir())) < 60, "descriptors to be closed", 90)
