"""Generated HTTP/1 messages, right in most places: the judges and we agree, and nothing crashes."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from rama_proxy.errors import ProtocolError
from rama_proxy.model.headers import Headers
from rama_proxy.protocols.http1 import (
    Framing,
    body_reader,
    chunk,
    parse_request,
    parse_response,
)
from tests.support.http1_deviations import (
    LENIENT_RESPONSE,
    STRICTER_RESPONSE,
    agreement,
    check_forwarded,
    check_passed_on,
)
from tests.support.judges import (
    Reading,
    h11_request,
    h11_response,
    llhttp_request,
    llhttp_response,
    our_request,
    our_response,
)

# FUZZ_EXAMPLES=40000 looks for a minute or two.
LOOK = settings(
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", "400")),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


def mostly(usual: list[bytes], seldom: list[bytes], share: int) -> st.SearchStrategy[bytes]:
    """One of `usual` in `share` of ten cases, else one of `seldom`."""
    return st.integers(0, 9).flatmap(lambda n: st.sampled_from(usual if n < share else seldom))


METHODS = mostly(
    [b"GET", b"POST"],
    (b"HEAD|OPTIONS|CONNECT|PURGE|G@T|").split(b"|"),
    7,
)
TARGETS = mostly(
    [b"/", b"/a?b=c", b"http://a/"],
    (
        b"http://a:80/x|http://b/|HTTPS://A|a:443|*|a|/\xe4|/#x|//a|http://u@a/|ftp://a/|"
        b"http:///x|http://a?x|http://a:99999/|"
    ).split(b"|"),
    7,
)
VERSIONS = mostly(
    [b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.0"],
    (b"HTTP/1.2|HTTP/2.0|http/1.1|HTTP/1.1 |HTTP/11|").split(b"|"),
    9,
)
STATUS_LINES = mostly(
    [b"HTTP/1.1 200 OK", b"HTTP/1.1 404 Not Found", b"HTTP/1.1 206 x", b"HTTP/1.0 200 OK"],
    (
        b"HTTP/1.1 204 No Content|HTTP/1.1 304 Not Modified|HTTP/1.1 100 Continue|"
        b"HTTP/1.1 200|HTTP/1.1 200 |HTTP/1.1 999 \xe4|HTTP/1.1  200 OK|ICY 200 OK|"
        b"HTTP/1.1 20 OK|HTTP/1.1 2000 OK|HTTP/1.1 099 x|HTTP/2.0 200 OK|<html>|"
        b"HTTP/1.1 200\tOK|HTTP/1.1 200 O\rK|HTTP/1.1 200 O\x00K|HTTP/1.2 200 OK"
    ).split(b"|"),
    7,
)
ENDS = mostly(
    [b"\r\n"],
    [b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r", b"\r\r\n", b"\n\r\n", b" \r\n"],
    8,
)
FIELDS = mostly(
    [b"Content-Length: 5", b"Transfer-Encoding: chunked", b"X: y", b"Connection: close"],
    (
        b"Host: a|Host: b|host:a:80|Host: a |Host:|Host : a|Host: a b|Host: a@b|"
        b"Host: [::1]:80|Host: a:x|Content-Length: 0|content-length:5 |Content-Length: 05|"
        b"Content-Length: +5|Content-Length: 5, 5|Content-Length:|Content-Length: 5,6|"
        b"Content-Length: 0x5|Content-Length: -1|Content-Length : 5|Content-Length: 6|"
        b"Content-Length: 9999999999999999999|Transfer_Encoding: chunked|"
        b"transfer-encoding:CHUNKED|Transfer-Encoding: gzip, chunked|Transfer-Encoding: x|"
        b"Transfer-Encoding: chunked, identity|Transfer-Encoding: chunked, chunked|"
        b"Transfer-Encoding: identity|Transfer-Encoding: xchunked|Transfer-Encoding:|"
        b"Transfer-Encoding: gzip|Transfer-Encoding: chunked;x|Transfer-Encoding : chunked|"
        b"Transfer-Encoding: \x0bchunked|Transfer-Encoding: ,chunked|"
        b"Connection: keep-alive|X:|X: \t y \t |X: \xe4|X: a\x01b|X: a\rb|X: \x00| folded|"
        b"X|\tfolded: 1|: x|X y: z|X\xe4: y|\x00: x|Proxy-Connection: close|"
        b"Expect: 100-continue|Trailer: X|TE: trailers|Connection: upgrade"
    ).split(b"|"),
    7,
)
SIZES = mostly(
    [b"5", b"05", b"5;a=b"],
    (
        b'5;a="b;c"|5; a|5 ;a|5;|5 |0x5|+5|-5|5;a\x00|5;a\rb|5;a\nb|| 5|'
        b"00000000000000000005|FFFFFFFFFFFFFFFFF5|5\t|g|4"
    ).split(b"|"),
    8,
)
TRAILERS = mostly(
    [b"", b"X: y\r\n"],
    (
        b"X : y\r\n|X: y\n|Content-Length: 3\r\n| X: y\r\n|X: y\r\n z\r\n|X\r\n|"
        b"Transfer-Encoding: chunked\r\n|X: \x00\r\n|X: y\r\r\n|Host: b\r\n"
    ).split(b"|"),
    8,
)
ODD = st.sampled_from([b"%c" % byte for byte in b'\x00\t\n\x0b\r !",-/0159:;=@Aa_\x7f\x80\xff'])


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """Chunks, five bytes, or something else."""
    kind = draw(st.sampled_from(["chunked"] * 4 + ["plain"] * 3 + ["odd"]))
    if kind == "plain":
        return b"hello"
    if kind == "odd":
        return b"".join(draw(st.lists(ODD, max_size=12)))
    data = b""
    for _ in range(draw(st.integers(0, 2))):
        data += draw(SIZES) + draw(ENDS) + b"hello" + draw(ENDS)
    data += draw(mostly([b"0"], [b"000", b"0;x", b"0 "], 9)) + draw(ENDS)
    return data + draw(TRAILERS) + draw(ENDS)


@st.composite
def mutated(draw: st.DrawFn, data: bytes) -> bytes:
    """`data`, most often as it is, else with a few bytes put in, taken out or replaced."""
    for _ in range(draw(st.sampled_from([0] * 6 + [1, 1, 2]))):
        at = draw(st.integers(0, len(data)))
        cut = draw(st.integers(0, 2))
        data = data[:at] + draw(st.one_of(st.just(b""), ODD)) + data[at + cut :]
    return data


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """A request and what comes behind it."""
    data = draw(mostly([b""], [b"\r\n", b"\n", b"\r\n\r\n", b"\r"], 9))
    data += draw(METHODS) + b" " + draw(TARGETS) + b" " + draw(VERSIONS) + draw(ENDS)
    data += draw(mostly([b"Host: a\r\n"], [b"", b"Host: a\n"], 9))
    for field in draw(st.lists(FIELDS, max_size=3)):
        data += field + draw(ENDS)
    return draw(mutated(data + draw(ENDS) + draw(bodies())))


@st.composite
def responses(draw: st.DrawFn) -> bytes:
    """A response and what comes behind it."""
    data = draw(STATUS_LINES) + draw(ENDS)
    for field in draw(st.lists(FIELDS, max_size=3)):
        data += field + draw(ENDS)
    return draw(mutated(data + draw(ENDS) + draw(bodies())))


@LOOK
@given(requests())
def test_requests(data: bytes) -> None:
    ours = our_request(data)
    event("accepted" if isinstance(ours, Reading) else "refused or unfinished")
    agreement(ours, h11_request(data), "h11")
    agreement(ours, llhttp_request(data), "llhttp")
    check_forwarded(data)


@LOOK
@given(responses())
def test_responses(data: bytes) -> None:
    ours = our_response(data)
    event("accepted" if isinstance(ours, Reading) else "refused or unfinished")
    agreement(ours, h11_response(data), "h11", STRICTER_RESPONSE, LENIENT_RESPONSE)
    agreement(ours, llhttp_response(data), "llhttp", STRICTER_RESPONSE, LENIENT_RESPONSE)
    check_passed_on(data)


@LOOK
@given(st.one_of(requests(), responses(), st.binary(max_size=200)))
def test_a_head_is_read_alike_however_it_arrives(data: bytes) -> None:
    """More bytes never turn a refusal into a head, nor one head into another."""
    for parse in (parse_request, parse_response):
        verdicts = []
        for size in range(len(data) + 1):
            try:
                answer = parse(bytearray(data[:size]))
            except ProtocolError:
                verdicts.append("refused")
            else:
                if answer:
                    verdicts.append(repr((answer[0].raw, answer[1])))
        assert len(set(verdicts)) <= 1, verdicts


@LOOK
@given(bodies(), st.sampled_from([400, 502]), st.lists(st.integers(0, 80), max_size=4))
def test_chunks_are_read_alike_however_they_arrive(
    data: bytes, status: int, cuts: list[int]
) -> None:
    whole = read_chunks(data, status, sorted({*cuts, len(data)}))
    slow = read_chunks(data, status, list(range(1, len(data) + 1)))
    if whole is not None and slow is not None:
        assert whole == slow
        return
    event("refused")  # perhaps later in larger parts, but never read to the end
    assert whole is None or whole[1] is False
    assert slow is None or slow[1] is False


def read_chunks(
    data: bytes, status: int, places: list[int]
) -> tuple[bytes, bool, Headers | None, bytes] | None:
    """Payload, whether done, trailers, and what is left of `data`; None if it is refused."""
    reader, buf, wire, payload = body_reader(Framing("chunked", 0, status)), bytearray(), b"", b""
    start = 0
    for place in places:
        buf += data[start:place]
        start = max(start, place)
        try:
            taken, part = reader.read(buf)
        except ProtocolError as error:
            if error.status != status:
                raise
            return None
        wire, payload = wire + taken, payload + part
    assert wire + buf == data
    return payload, reader.done, reader.trailers, bytes(buf)


@LOOK
@given(st.lists(st.binary(max_size=40)), st.integers(1, 50))
def test_what_chunk_writes_is_read_back(parts: list[bytes], step: int) -> None:
    data = b"".join([chunk(part) for part in parts]) + b"0\r\n\r\n"
    reader, buf, payload = body_reader(Framing("chunked")), bytearray(), b""
    for start in range(0, len(data), step):
        buf += data[start : start + step]
        payload += reader.read(buf)[1]
    assert reader.done
    assert payload == b"".join(parts)
