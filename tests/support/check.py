"""Feeds a parser in every way that a network could.

Whole, byte by byte, and with bytes of the next message behind it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pytest

from rama_proxy.errors import ProtocolError

Value = TypeVar("Value")
Parse = Callable[[bytearray], tuple[Value, int] | None]

TRAILING = (b"\x00", b"\r\n", b"\n", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"\xff" * 64)


def check(
    parse: Parse[Value],
    data: bytes,
    expect: object,
    *,
    view: Callable[[Value], object] | None = None,
    used: int | None = None,
) -> Value | None:
    """The value that `parse` makes of `data`, equal to `expect` however `data` arrives.

    `expect` is compared with the value, or with what `view` makes of it. None: all of `data` and
    every beginning of it need more. A ProtocolError: refused with this status and a message that
    contains this one. `used` is how many bytes the parser must have used: all, unless given.
    """
    if isinstance(expect, ProtocolError):
        _check_refused(parse, data, expect)
        return None
    if expect is None:
        for size in range(len(data) + 1):
            assert _fed(parse, data[:size]) is None, f"answered after {size} bytes"
        return None
    wanted = len(data) if used is None else used
    for tail in (b"", *TRAILING):
        answer = _fed(parse, data + tail)
        assert answer is not None, f"needs more with {tail!r} behind"
        value, count = answer
        assert (value if view is None else view(value)) == expect
        assert count == wanted
    for size in range(len(data)):
        part = _fed(parse, data[:size])
        if part is not None:  # only a parser that looks without using can know early
            assert part[1] == wanted, f"used {part[1]} of {size} bytes"
            assert wanted <= size
            assert (part[0] if view is None else view(part[0])) == expect
    whole = _fed(parse, data)
    assert whole is not None
    return whole[0]


def _fed(parse: Parse[Value], data: bytes) -> tuple[Value, int] | None:
    buf = bytearray(data)
    answer = parse(buf)
    assert buf == data, "a parser must not consume"
    return answer


def _check_refused(parse: Parse[Value], data: bytes, expect: ProtocolError) -> None:
    for tail in (b"", *TRAILING):
        with pytest.raises(ProtocolError) as caught:
            _fed(parse, data + tail)
        assert str(expect) in str(caught.value)
        assert caught.value.status == expect.status
    error = _first_refusal(parse, data)
    assert str(expect) in str(error)
    assert error.status == expect.status


def _first_refusal(parse: Parse[Value], data: bytes) -> ProtocolError:
    for size in range(len(data) + 1):
        try:
            answer = _fed(parse, data[:size])
        except ProtocolError as error:
            return error
        assert answer is None, f"accepted after {size} of {len(data)} bytes"
    raise AssertionError("not refused")
