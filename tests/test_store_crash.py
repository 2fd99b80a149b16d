"""kill -9 in the middle of a capture: what was a second old is there, and nothing is broken."""

from __future__ import annotations

import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rama_proxy.store.reader import Reader
from tests.support.flows import make_flow

ENGINE = """
import sys, time
from pathlib import Path
from rama_proxy.store.writer import Writer
from tests.support.flows import make_flow

writer = Writer(Path(sys.argv[1]), budget=1 << 26, on_problem=print)
writer.open()
writer.start()
begin = time.monotonic()
number = 0
while True:
    while number < (time.monotonic() - begin) * 500:
        number += 1
        flow = make_flow(number)
        if number % 50 == 0:
            flow.state = "active"
        writer.put_flow(flow)
        sys.stdout.buffer.write(b"%d\\n" % number)
    sys.stdout.buffer.flush()
    time.sleep(0.005)
"""


@pytest.mark.parametrize("turn", range(2))
def test_what_was_a_second_old_survives_kill_9(turn: int, tmp_path: Path) -> None:
    path = tmp_path / "capture.db"
    engine = subprocess.Popen(
        [sys.executable, "-c", ENGINE, str(path)], stdout=subprocess.PIPE, bufsize=0
    )
    assert engine.stdout is not None
    assert engine.stdout.readline() == b"1\n"
    lifetime = time.monotonic() + random.uniform(1.2, 2.0)  # the moment is what is tested
    acknowledged: list[tuple[float, int]] = []
    while time.monotonic() < lifetime:
        last = int(engine.stdout.read(65536).split()[-1])
        acknowledged.append((time.monotonic(), last))
    killed = time.monotonic()
    engine.send_signal(signal.SIGKILL)
    engine.wait()
    engine.stdout.close()
    certain = max(last for when, last in acknowledged if when < killed - 1)
    assert certain > 50

    with Reader(path) as reader:
        ids = list(reader.ids())
        assert ids[:certain] == list(range(1, certain + 1))
        for flow_id in (1, certain // 2, certain):
            flow, expected = reader.flow(flow_id), make_flow(flow_id)
            assert flow is not None
            reader.load_bodies(flow)
            assert flow.request.raw == expected.request.raw
            if expected.response is not None:
                assert flow.response is not None
                assert flow.response.raw_content == expected.response.raw_content
        assert reader.page([50])[0].state == "error"
        assert reader.page([50])[0].error.startswith("interrupted")
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    orphans = (
        "SELECT count(*) FROM bodies WHERE id NOT IN (SELECT req_body_id FROM flows WHERE"
        " req_body_id NOTNULL UNION SELECT resp_body_id FROM flows WHERE resp_body_id NOTNULL)"
    )
    assert connection.execute(orphans).fetchone() == (0,)
    connection.close()
