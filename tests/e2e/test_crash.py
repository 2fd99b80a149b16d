"""A capture survives the death of its engine."""

from __future__ import annotations

import contextlib
import http.client
import signal
import threading
import time
from pathlib import Path

from tests.support.certificates import TestAuthority
from tests.support.engine import Engine
from tests.support.peers import Nginx, curl, wait_for

RATE = 500  # requests per second
WORKERS = 4


class Load:
    """RATE requests per second by WORKERS connections; `done` maps a number to when it ended."""

    def __init__(self, engine: Engine, nginx: Nginx) -> None:
        self._engine, self._nginx = engine, nginx
        self.done: dict[int, float] = {}
        self._threads = [threading.Thread(target=self._work, args=(n,)) for n in range(WORKERS)]
        for thread in self._threads:
            thread.start()

    def _work(self, number: int) -> None:
        client = http.client.HTTPConnection("127.0.0.1", self._engine.port, timeout=10)
        begin = time.monotonic()
        with contextlib.closing(client), contextlib.suppress(OSError, http.client.HTTPException):
            while True:  # until the engine is gone
                client.request("GET", f"{self._nginx.http}/1k?{number}")
                body = client.getresponse().read()
                assert body == self._nginx.file("1k")
                self.done[number] = time.monotonic()
                number += WORKERS
                time.sleep(max(0.0, begin + number / RATE - time.monotonic()))

    def wait(self, count: int) -> None:
        """Wait until `count` requests were answered."""
        wait_for(lambda: len(self.done) >= count, f"{count} answers", 60)

    def join(self) -> None:
        """Wait for the workers, who end with the engine."""
        for thread in self._threads:
            thread.join(20)


def test_kill_9_loses_at_most_a_second(tmp_path: Path, nginx: Nginx, ca: TestAuthority) -> None:
    with Engine(tmp_path, "--ssl-ca", str(ca.path)) as engine:
        load = Load(engine, nginx)
        load.wait(3 * RATE)
        killed = time.monotonic()
        engine.signal(signal.SIGKILL)
        engine.wait()
        load.join()
        assert engine.query("pragma integrity_check") == [("ok",)]
        rows = engine.query("select path, resp_size from flows where state = 'done'")
        stored = {str(path).rpartition("?")[2] for path, size in rows if size == 1024}
        before = [number for number, ended in load.done.items() if ended < killed - 1]
        assert len(before) > RATE
        assert [number for number in before if str(number) not in stored] == []

    with Engine(tmp_path, "--ssl-ca", str(ca.path)) as again:  # the same file goes on
        assert curl("-x", again.proxy, f"{nginx.http}/0").status == 200
        query = "select count(*) from flows where path = '/0' and state = 'done'"
        wait_for(lambda: again.query(query) == [(1,)], "a row in the old store")
        assert again.query("select count(*) from flows where state = 'active'") == [(0,)]
