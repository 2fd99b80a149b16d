"""The checks of fields against those of h2: what it refuses, we refuse."""

from __future__ import annotations

import h2.config
import h2.connection
import h2.exceptions
import hpack
from hypothesis import given, settings
from hypothesis import strategies as st

from rama_proxy.model.headers import Field
from rama_proxy.protocols.http2_fields import (
    content_length,
    request_fault,
    response_fault,
    trailers_fault,
)
from rama_proxy.protocols.http2_frames import PREFACE, serialize_frame

GET: list[Field] = [
    (b":method", b"GET"),
    (b":scheme", b"https"),
    (b":authority", b"a"),
    (b":path", b"/"),
]
NAMES = (
    b":method :scheme :authority :path :protocol :status :x host x X x-y te connection upgrade"
    b" transfer-encoding keep-alive proxy-connection content-length cookie trailer x\xe4 x\0 : a:b"
).split()
VALUES = (
    b"GET CONNECT OPTIONS https http a a:1 / * /x websocket 200 101 103 5 +5 trailers gzip chunked"
    b" x\r\ny x\0y x\xe4y"
).split(b" ")
FIELD = st.tuples(
    st.sampled_from([*NAMES, b"", b"x y"]), st.sampled_from([*VALUES, b"", b" x", b"x\t"])
)
LOOK = settings(max_examples=400, deadline=None)


def h2_refuses(fields: list[Field], *, request: bool) -> bool:
    """Whether h2, with all its checks, refuses a head (END_STREAM not set)."""
    config = h2.config.H2Configuration(
        client_side=not request, header_encoding=None, normalize_inbound_headers=False
    )
    connection = h2.connection.H2Connection(config)
    connection.initiate_connection()
    if request:
        connection.receive_data(PREFACE)
    else:
        connection.send_headers(1, GET, end_stream=True)
    block = hpack.Encoder().encode(fields, huffman=False)
    try:
        connection.receive_data(serialize_frame(1, 4, 1, block))
    except h2.exceptions.ProtocolError:
        return True
    return False


@given(st.lists(FIELD, max_size=3), st.permutations(GET), st.integers(0, 4))
@LOOK
def test_no_request_that_h2_refuses_passes(
    more: list[Field], pseudo: list[Field], kept: int
) -> None:
    for fields in (pseudo[:kept] + more, GET + more, more + GET):
        if h2_refuses(fields, request=True):
            assert request_fault(fields, connect_protocol=True) != "", fields


@given(st.lists(FIELD, max_size=4))
@LOOK
def test_no_response_that_h2_refuses_passes(more: list[Field]) -> None:
    for fields in (more, [(b":status", b"200"), *more]):
        if fields and h2_refuses(fields, request=False):
            assert response_fault(fields) != "", fields


def test_the_usual_passes_both() -> None:
    fields: list[Field] = [
        *GET,
        (b"host", b"a"),
        (b"cookie", b"a=\xe4\t1"),
        (b"cookie", b""),
        (b"te", b"trailers"),
        (b"content-length", b"5"),
        (b"x!#$%&'*+-.^_`|~0", b"y"),
    ]
    assert request_fault(fields, connect_protocol=False) == ""
    assert not h2_refuses(fields, request=True)
    assert content_length(fields) == 5
    assert response_fault([(b":status", b"599"), (b"x", b"\x01y")]) == ""
    assert trailers_fault([], response=False) == ""


def test_host_may_differ_in_case_alone() -> None:
    assert request_fault([*GET, (b"host", b"A")], connect_protocol=True) == ""


def test_extended_connect_only_where_it_was_offered() -> None:
    fields = [(b":method", b"CONNECT"), *GET[1:], (b":protocol", b"websocket")]
    assert request_fault(fields, connect_protocol=True) == ""
    assert "not offered" in request_fault(fields, connect_protocol=False)
