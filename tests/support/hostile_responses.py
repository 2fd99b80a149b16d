"""Answers as broken or hostile servers give them to a GET, and what its client may get of each.

The parts of an answer are sent one after the other, each when the client has something of the one
before. `CLOSE` ends the connection, `RESET` breaks it; else it stays open for another request.
"""

from __future__ import annotations

from typing import NamedTuple

CLOSE, RESET = b"\0close", b"\0reset"
OK = b"HTTP/1.1 200 OK\r\n"
HELLO = OK + b"Content-Length: 5\r\n\r\nhello"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
EVIL = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"


class Answer(NamedTuple):
    """What the client gets: the `whole`, a 502 for a `bad` one, a `cut` one that shows it is."""

    verdict: str
    parts: tuple[bytes, ...]


def whole(*parts: bytes) -> Answer:
    """A response that is passed on."""
    return Answer("whole", parts)


def bad(*parts: bytes) -> Answer:
    """No response at all: the client gets a 502."""
    return Answer("bad", parts)


def cut(*parts: bytes) -> Answer:
    """A response that breaks off."""
    return Answer("cut", parts)


ANSWERS = [
    # Heads
    bad(CLOSE),
    bad(RESET),
    bad(b"HTTP/1.1 20", CLOSE),
    bad(OK + b"Content-Le", CLOSE),
    bad(b"\x00\xff\xfe garbage\r\n\r\n"),
    bad(b"hello\r\n", CLOSE),
    bad(b"\r\n" + HELLO),
    bad(b"\n" + HELLO),
    bad(b" " + HELLO),
    bad(b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello"),
    bad(b"HTTP/1.1 200 OK\r\nContent-Length: 5\n\r\nhello"),
    bad(b"HTTP/1.1 200 OK\r\nX: y\rContent-Length: 5\r\n\r\nhello"),
    bad(b"http/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
    bad(b"HTTP/1.2 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
    bad(b"HTTP/2.0 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
    bad(b"HTTP/1.1  200 OK\r\nContent-Length: 5\r\n\r\nhello"),
    bad(b"HTTP/1.1 20 OK\r\nContent-Length: 5\r\n\r\nhello"),
    bad(b"HTTP/1.1 2000 OK\r\nContent-Length: 5\r\n\r\nhello"),
    bad(b"HTTP/1.1 099 OK\r\nContent-Length: 5\r\n\r\nhello"),
    bad(b"HTTP/1.1 200 O\x00K\r\nContent-Length: 5\r\n\r\nhello"),
    bad(b"HTTP/1.1 200 O\rK\r\nContent-Length: 5\r\n\r\nhello"),
    bad(OK + b"X: a\x00b\r\nContent-Length: 5\r\n\r\nhello"),
    bad(OK + b"no colon\r\nContent-Length: 5\r\n\r\nhello"),
    bad(OK + b": y\r\nContent-Length: 5\r\n\r\nhello"),
    bad(OK + b"X\x00: y\r\nContent-Length: 5\r\n\r\nhello"),
    bad(OK + b" X: y\r\nContent-Length: 5\r\n\r\nhello"),
    bad(OK + b"X: y\r\n" * 300 + b"Content-Length: 5\r\n\r\nhello"),
    bad(OK + b"X: " + b"y" * 100_000 + b"\r\nContent-Length: 5\r\n\r\nhello"),
    bad(OK + b"X: " + b"y" * 100_000),
    # Framing
    bad(OK + b"Content-Length: 5\r\nContent-Length: 9\r\n\r\nhello" + EVIL),
    bad(OK + b"Content-Length: 9\r\ncontent-length: 5\r\n\r\nhello" + EVIL),
    bad(OK + b"Content-Length: 5, 9\r\n\r\nhello" + EVIL),
    bad(OK + b"Content-Length: +5\r\n\r\nhello" + EVIL),
    bad(OK + b"Content-Length: -5\r\n\r\nhello" + EVIL),
    bad(OK + b"Content-Length: 0x5\r\n\r\nhello" + EVIL),
    bad(OK + b"Content-Length: 5 5\r\n\r\nhello" + EVIL),
    bad(OK + b"Content-Length:\r\n\r\nhello" + EVIL),
    bad(OK + b"Content-Length: 99999999999999999999\r\n\r\nhello" + EVIL),
    bad(OK + b"Content-Length: \x0b5\r\n\r\nhello" + EVIL),
    bad(OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + EVIL),
    bad(OK + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + EVIL),
    bad(OK + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n" + EVIL),
    bad(OK + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + EVIL),
    bad(OK + b"Transfer-Encoding: cow, chunked\r\n\r\n0\r\n\r\n" + EVIL),
    bad(OK + b"Transfer-Encoding:\r\n\r\n0\r\n\r\n" + EVIL),
    bad(OK + b"Transfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n" + EVIL),
    bad(b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + EVIL),
    bad(b"HTTP/1.1 204 None\r\nContent-Length: 5\r\nContent-Length: 9\r\n\r\nhello" + EVIL),
    bad(b"HTTP/1.1 304 Same\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n" + EVIL),
    bad(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: mine\r\n\r\n" + EVIL),
    bad(b"HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\nhello" + EVIL),
    bad(b"HTTP/1.1 100 Continue\r\n\r\n", CLOSE),
    # Bodies
    cut(OK + b"Content-Length: 9\r\n\r\nhello", CLOSE),
    cut(OK + b"Content-Length: 9\r\n\r\nhello", RESET),
    cut(OK + b"\r\nhello", RESET),
    cut(CHUNKED + b"5\r\nhello\r\n", CLOSE),
    cut(CHUNKED + b"5\r\nhello\r\n", RESET),
    cut(CHUNKED + b"5\r\nhello\r\n", b"5\r\nhel", CLOSE),
    cut(CHUNKED + b"5\r\nhello\r\n", b"0\r\n", CLOSE),
    cut(CHUNKED + b"5\r\nhello\r\n", b"zz\r\nhello\r\n0\r\n\r\n" + EVIL),
    cut(CHUNKED + b"5\r\nhello\r\n", b"-5\r\nhello\r\n0\r\n\r\n" + EVIL),
    cut(CHUNKED + b"5\r\nhello\r\n", b"5\nhello\n0\n\n" + EVIL),
    cut(CHUNKED + b"5\r\nhello\r\n", b"5\r\nhello0\r\n\r\n" + EVIL),
    cut(CHUNKED + b"5\r\nhello\r\n", b"4\r\nhello\r\n0\r\n\r\n" + EVIL),
    cut(CHUNKED + b"5\r\nhello\r\n", b"FFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n" + EVIL),
    cut(CHUNKED + b"5\r\nhello\r\n", b"5;" + b"x" * 5000 + b"\r\nhello\r\n0\r\n\r\n"),
    cut(CHUNKED + b"5\r\nhello\r\n", b"0\r\nno colon\r\n\r\n" + EVIL),
    cut(CHUNKED + b"5\r\nhello\r\n", b"0\r\nContent-Length: 9\r\n\r\n" + EVIL),
    cut(CHUNKED + b"5\r\nhello\r\n", b"0\r\nX: y\n\n" + EVIL),
    cut(CHUNKED + b"5\r\nhello\r\n", b"0\r\nX: " + b"y" * 20_000),
    bad(CHUNKED + b"zz\r\nhello\r\n0\r\n\r\n" + EVIL),
    # What nobody asked for, behind what somebody did
    whole(HELLO + EVIL),
    whole(HELLO + EVIL * 100),
    whole(HELLO, EVIL),
    whole(HELLO + b"HTTP/1.1 200 OK\r\nContent-Le", b"ngth: 4\r\n\r\nevil"),
    whole(HELLO + b"\r\n"),
    whole(HELLO + b"!"),
    whole(HELLO, b"\x00"),
    whole(HELLO, CLOSE),
    whole(HELLO, RESET),
    whole(CHUNKED + b"5\r\nhello\r\n0\r\n\r\n" + EVIL),
    whole(CHUNKED + b"5\r\nhello\r\n0\r\n\r\n", EVIL),
    whole(b"HTTP/1.1 204 None\r\n\r\nhello" + EVIL),
    whole(b"HTTP/1.1 304 Same\r\nContent-Length: 5\r\n\r\nhello" + EVIL),
    whole(b"HTTP/1.1 103 Hints\r\n\r\n" * 3 + HELLO + EVIL),
    # Mended, or simply odd
    whole(OK + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello" + EVIL),
    whole(OK + b"Content-Length : 5\r\n\r\nhello" + EVIL),
    whole(OK + b"X: y\r\n z\r\nContent-Length: 5\r\n\r\nhello" + EVIL),
    whole(OK + b"Content-Length: 5\r\nConnection: close\r\n\r\nhello" + EVIL),
    whole(b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello" + EVIL),
    whole(b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello" + EVIL),
    whole(OK + b"\r\nhello", CLOSE),
    whole(b"HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello"),
]
