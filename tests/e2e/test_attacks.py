"""Attacks on who goes where: the proxy asked for itself, hosts that contradict each other, fields
that name fields, servers that answer what nobody asked."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rama_proxy.config import Options
from tests.support.abuse import on_uvloop, open_files, until
from tests.support.running import Running, closed, running

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"

SPELLINGS = [  # of 127.0.0.1, as resolvers and kernels read them
    b"127.0.0.1",
    b"localhost",
    b"LocalHost",
    b"0.0.0.0",
    b"0",
    b"[::1]",
    b"[::]",
    b"[::ffff:127.0.0.1]",
    b"[::ffff:7f00:1]",
    b"[::ffff:0.0.0.0]",
    b"2130706433",
    b"0x7f000001",
    b"0x7f.1",
    b"0177.0.0.1",
    b"127.1",
]


async def say(engine: Running, *parts: bytes) -> bytes:
    """What comes back to `parts`, each sent when the one before was answered."""
    reader, writer = await engine.connect()
    answer = b""
    for part in parts:
        writer.write(part)
        answer = await reader.read(65536)
    await closed(writer)
    return answer


class TestItself:
    @pytest.mark.parametrize("listen_host", ["127.0.0.1", "localhost", "0.0.0.0"])
    @on_uvloop
    async def test_no_spelling_leads_to_the_proxy(self, tmp_path: Path, listen_host: str) -> None:
        async with running(tmp_path, Options(listen_host=listen_host)) as engine:
            port = engine.proxy.addresses[0][1]
            files = open_files(os.getpid())
            for host in SPELLINGS:
                place = b"%b:%d" % (host, port)
                for start in (b"GET http://%b/" % place, b"CONNECT %b" % place):
                    answer = await say(engine, b"%b HTTP/1.1\r\nHost: %b\r\n\r\n" % (start, place))
                    assert answer.startswith((b"HTTP/1.1 508 ", b"HTTP/1.1 502 ")), start
                name = host.strip(b"[]")
                request = b"\x05\x01\x00\x03%c%b%b" % (len(name), name, port.to_bytes(2, "big"))
                answer = await say(engine, b"\x05\x01\x00", request)
                assert answer[1] in (2, 4, 5), host  # not allowed, unreachable, refused
            await until(lambda: not engine.proxy.listener.tasks, "the connections to end")
            assert open_files(os.getpid()) <= files
            flows = engine.flows()
        assert len(flows) == 3 * len(SPELLINGS)
        assert all(flow.error for flow in flows)
        assert sum("this proxy itself" in flow.error for flow in flows) >= 3 * 10
