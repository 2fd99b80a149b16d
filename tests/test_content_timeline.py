"""Where the time of a flow went."""

from __future__ import annotations

import pytest

from rama_proxy.content.timeline import duration_text, timeline
from rama_proxy.model.connection import ConnectionInfo, TlsInfo
from rama_proxy.model.flow import ACTIVE, DONE, FAILED, Flow
from rama_proxy.model.message import Request

Row = tuple[str, float, float | None]


def flow(begin: float, *, sent: float | None, answered: float | None, end: float | None) -> Flow:
    made = Flow(ConnectionInfo("client", opened=100.0), Request.make("GET", "https://a.test/"))
    made.state = DONE if end is not None else ACTIVE
    made.timing.begin = begin
    made.timing.request_end, made.timing.response_begin, made.timing.end = sent, answered, end
    return made


def rows(flow: Flow) -> list[Row]:
    return [
        (span.label, round(span.start, 3), None if span.end is None else round(span.end, 3))
        for span in timeline(flow).spans
    ]


def test_a_tunnel_is_made_before_its_request() -> None:
    made = flow(100.07, sent=100.071, answered=100.1, end=100.15)
    made.client.secured = 100.06
    made.server = ConnectionInfo(
        "server", opened=100.01, resolved=100.02, connected=100.03, secured=100.05, tls=TlsInfo()
    )
    assert rows(made) == [
        ("client connect", 0.0, 0.01),
        ("DNS", 0.01, 0.02),
        ("server connect", 0.02, 0.03),
        ("server TLS", 0.03, 0.05),
        ("client TLS", 0.05, 0.06),
        ("request", 0.07, 0.071),
        ("wait", 0.071, 0.1),
        ("response", 0.1, 0.15),
    ]
    assert timeline(made).total == pytest.approx(0.15)
    assert timeline(made).remarks == []


def test_a_plain_request_dials_when_it_is_there() -> None:
    made = flow(100.001, sent=100.031, answered=100.05, end=100.06)
    made.server = ConnectionInfo("server", opened=100.001, resolved=100.002, connected=100.03)
    assert rows(made) == [
        ("client connect", 0.0, 0.001),
        ("DNS", 0.001, 0.002),
        ("server connect", 0.002, 0.03),
        ("request", 0.03, 0.031),
        ("wait", 0.031, 0.05),
        ("response", 0.05, 0.06),
    ]


def test_connections_that_were_there_are_remarked_on() -> None:
    made = flow(190.0, sent=190.001, answered=190.01, end=190.02)
    made.server = ConnectionInfo("server", opened=150.0, connected=150.5)
    assert [row[0] for row in rows(made)] == ["request", "wait", "response"]
    assert timeline(made).remarks == [
        "client connection reused: ready 1 min 30 s before the request",
        "server connection reused: ready 39.50 s before the request",
    ]


def test_a_flow_that_goes_on_has_no_end() -> None:
    made = flow(100.0, sent=100.01, answered=None, end=None)
    made.server = ConnectionInfo("server", opened=100.0, connected=100.005)
    assert rows(made)[-1] == ("wait", 0.01, None)


def test_a_name_that_does_not_resolve_is_where_the_time_went() -> None:
    made = flow(100.0, sent=None, answered=None, end=102.0)
    made.state, made.error = FAILED, "cannot resolve a.test"
    made.server = ConnectionInfo("server", opened=100.0)
    assert rows(made) == [("client connect", 0.0, 0.0), ("DNS", 0.0, 2.0)]


def test_a_server_that_does_not_answer_its_port() -> None:
    made = flow(100.0, sent=None, answered=None, end=110.0)
    made.state, made.error = FAILED, "a.test:443 did not answer within 10 s"
    made.server = ConnectionInfo("server", opened=100.0, resolved=100.01)
    assert rows(made)[-1] == ("server connect", 0.01, 10.0)


def test_a_handshake_that_fails() -> None:
    made = flow(100.1, sent=None, answered=None, end=100.11)
    made.state, made.error = FAILED, "certificate has expired"
    made.client.secured = 100.09
    made.server = ConnectionInfo(
        "server", opened=100.01, connected=100.02, closed=100.05, tls=TlsInfo()
    )
    assert rows(made) == [
        ("client connect", 0.0, 0.01),
        ("server connect", 0.01, 0.02),
        ("server TLS", 0.02, 0.05),
        ("client TLS", 0.05, 0.09),
    ]


def test_an_answer_that_comes_before_the_request_was_sent() -> None:
    made = flow(100.0, sent=100.5, answered=100.2, end=100.6)
    made.server = ConnectionInfo("server", opened=100.0, connected=100.1)
    assert rows(made)[-3:] == [("request", 0.1, 0.2), ("wait", 0.2, 0.2), ("response", 0.2, 0.6)]


def test_a_flow_without_a_server() -> None:
    made = flow(100.0, sent=None, answered=100.0, end=100.0)
    assert timeline(made).remarks == ["no server was asked"]
    assert timeline(made).total == 0.0
    made.state = ACTIVE
    assert timeline(made).remarks == ["no server yet"]


def test_nothing_is_known_of_the_connection() -> None:
    made = flow(100.0, sent=100.1, answered=100.2, end=100.3)
    made.client = ConnectionInfo("client", id=0)
    assert [row[0] for row in rows(made)] == ["request", "wait", "response"]


@pytest.mark.parametrize(
    ("seconds", "expect"),
    [
        (0.0, "0 µs"),
        (0.00031, "310 µs"),
        (0.0009996, "1.0 ms"),
        (0.0021, "2.1 ms"),
        (0.0999, "99.9 ms"),
        (0.09996, "100 ms"),
        (0.9996, "1.00 s"),
        (12.345, "12.35 s"),
        (59.996, "1 min 0 s"),
        (200.0, "3 min 20 s"),
    ],
)
def test_durations(seconds: float, expect: str) -> None:
    assert duration_text(seconds) == expect
