"""Whole conversations through the relay, byte for byte, and what the store keeps of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from rama_proxy import Addon, Flow, Response, when
from rama_proxy.config import Options
from tests.support.play import Play

GET = b"GET http://a.test/x?y=1 HTTP/1.1\r\nHost: a.test\r\n\r\n"
GET_SENT = b"GET /x?y=1 HTTP/1.1\r\nHost: a.test\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


async def test_absolute_target_goes_on_as_path(tmp_path: Path) -> None:
    (flow,) = await Play(tmp_path).client(GET).server(GET_SENT, reply=OK).client_gets(OK)
    assert flow.request.url == "http://a.test/x?y=1"
    assert flow.request.raw == GET
    assert flow.response is not None
    assert (flow.response.status, bytes(flow.response.body)) == (200, b"hi")
    assert flow.notes == ["absolute target sent as a path"]
    assert flow.error == ""


async def test_odd_bytes_go_on_as_they_came(tmp_path: Path) -> None:
    head = b"X-Odd:a\r\nx-odd:   b \r\nHOST:a.test\r\nX-Latin: caf\xe9\r\n\r\n"
    answer = (
        b"HTTP/1.1 299 Fine  thanks\r\nset-cookie:a\r\nSet-Cookie: b\r\ncontent-length:0\r\n\r\n"
    )
    (flow,) = await (
        Play(tmp_path)
        .client(b"BREW http://a.test/p\xe4th HTTP/1.1\r\n" + head)
        .server(b"BREW /p\xe4th HTTP/1.1\r\n" + head, reply=answer)
        .client_gets(answer)
    )
    assert flow.request.method == "BREW"
    assert flow.response is not None
    assert flow.response.raw == answer
    assert flow.response.headers.all("set-cookie") == ["a", "b"]


async def test_requests_share_a_connection_to_the_server(tmp_path: Path) -> None:
    flows = await (
        Play(tmp_path)
        .client(GET)
        .server(GET_SENT, reply=OK)
        .client_gets(OK)
        .client(GET)
        .server(GET_SENT, reply=OK, number=0)
        .client_gets(OK)
    )
    assert len(flows) == 2
    assert flows[0].server is not None
    assert flows[1].server is not None
    assert flows[0].server.id == flows[1].server.id


async def test_pipelined_requests_are_answered_in_order(tmp_path: Path) -> None:
    other = GET.replace(b"/x", b"/z")
    flows = await (
        Play(tmp_path)
        .client(GET + other)
        .server(GET_SENT, reply=OK)
        .client_gets(OK)
        .server(GET_SENT.replace(b"/x", b"/z"), reply=OK, number=0)
        .client_gets(OK)
    )
    assert [flow.request.path for flow in flows] == ["/x?y=1", "/z?y=1"]


async def test_a_line_end_too_many_is_no_request(tmp_path: Path) -> None:
    flows = await (
        Play(tmp_path)
        .client(GET + b"\r\n")
        .server(GET_SENT, reply=OK)
        .client_gets(OK)
        .client_closes()
        .client_gets_end()
    )
    assert len(flows) == 1


async def test_chunks_extensions_and_trailers_stay(tmp_path: Path) -> None:
    head = b"POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n"
    body = b"3;ext=1\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n"
    answer_head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n"
    answer_body = b'2;q="a;b"\r\nok\r\n0\r\nX-T: done\r\n\r\n'
    (flow,) = await (
        Play(tmp_path)
        .client(head + body[:5])
        .client(body[5:])
        .server(head.replace(b"http://a.test/", b"/") + body, reply=answer_head + answer_body)
        .client_gets(answer_head + answer_body)
    )
    assert bytes(flow.request.body) == b"abc"
    assert flow.request.trailers is not None
    assert flow.request.trailers.get("x-sum") == "1"
    assert flow.response is not None
    assert bytes(flow.response.body) == b"ok"
    assert flow.response.trailers is not None
    assert flow.response.trailers.get("x-t") == "done"


async def test_any_number_of_informational_responses(tmp_path: Path) -> None:
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n"
    (flow,) = await (
        Play(tmp_path)
        .client(GET)
        .server(GET_SENT, reply=hints)
        .client_gets(hints)
        .server_sends(hints + OK)
        .client_gets(hints + OK)
    )
    assert flow.response is not None
    assert [response.status for response in flow.response.informational] == [103, 103]


async def test_continue_is_asked_of_the_server(tmp_path: Path) -> None:
    head = (
        b"PUT http://a.test/ HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\n"
        b"Expect: 100-continue\r\n\r\n"
    )
    (flow,) = await (
        Play(tmp_path)
        .client(head)
        .server(head.replace(b"http://a.test/", b"/"), reply=b"HTTP/1.1 100 Continue\r\n\r\n")
        .client_gets(b"HTTP/1.1 100 Continue\r\n\r\n")
        .client(b"abc")
        .server(b"abc", reply=OK)
        .client_gets(OK)
    )
    assert bytes(flow.request.body) == b"abc"


@pytest.mark.parametrize(
    ("method", "answer"),
    [
        (b"HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n"),
        (b"GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 999\r\n\r\n"),
        (b"GET", b"HTTP/1.1 204 No Content\r\n\r\n"),
    ],
)
async def test_no_body_is_waited_for(tmp_path: Path, method: bytes, answer: bytes) -> None:
    flows = await (
        Play(tmp_path)
        .client(GET.replace(b"GET", method, 1))
        .server(GET_SENT.replace(b"GET", method, 1), reply=answer)
        .client_gets(answer)
        .client(GET)
        .server(GET_SENT, reply=OK, number=0)
        .client_gets(OK)
    )
    assert len(flows) == 2


async def test_body_that_ends_with_the_connection(tmp_path: Path) -> None:
    (flow,) = await (
        Play(tmp_path)
        .client(GET)
        .server(GET_SENT, reply=b"HTTP/1.1 200 OK\r\n\r\nsome ")
        .client_gets(b"HTTP/1.1 200 OK\r\n\r\nsome ")
        .server_sends(b"more")
        .client_gets(b"more")
        .server_closes()
        .client_gets_end()
    )
    assert flow.response is not None
    assert bytes(flow.response.body) == b"some more"
    assert flow.response.body.complete
    assert flow.error == ""


async def test_events_pass_at_once(tmp_path: Path) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
    seen: list[bytes] = []

    class Whole(Addon):
        def response(self, flow: Flow) -> None:
            assert flow.response is not None
            seen.append(bytes(flow.response.body))

    (flow,) = await (
        Play(tmp_path, addons=[Whole()])
        .client(GET)
        .server(GET_SENT, reply=head + b"data: 1\n\n")
        .client_gets(head + b"data: 1\n\n")
        .server_sends(b"data: 2\n\n")
        .client_gets(b"data: 2\n\n")
        .server_closes()
        .client_gets_end()
    )
    assert seen == [b"data: 1\n\ndata: 2\n\n"]
    assert any("event stream" in note for note in flow.notes)


async def test_upgraded_connection_is_copied(tmp_path: Path) -> None:
    ask = b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"
    switch = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\n\r\n"
    (flow,) = await (
        Play(tmp_path)
        .client(ask.replace(b"/", b"http://a.test/", 1))
        .server(ask, reply=switch + b"\x81\x01a")
        .client_gets(switch + b"\x81\x01a")
        .client(b"\x81\x81")
        .server(b"\x81\x81")
        .server_closes()
        .client_gets_end()
    )
    assert flow.kind == "http"
    assert flow.notes[1:] == ["upgraded to echo, bytes copied"]
    assert bytes(flow.request.body) == b"\x81\x81"
    assert flow.response is not None
    assert bytes(flow.response.body) == b"\x81\x01a"


async def test_connect_carries_plain_http(tmp_path: Path) -> None:
    ask = b"GET / HTTP/1.1\r\nHost: other.test\r\n\r\n"
    (flow,) = await (
        Play(tmp_path)
        .client(b"CONNECT a.test:81 HTTP/1.1\r\nHost: a.test:81\r\n\r\n")
        .client_gets(b"HTTP/1.1 200 Connection established\r\n\r\n")
        .client(ask)
        .server(ask, reply=OK)
        .client_gets(OK)
    )
    assert flow.request.url == "http://a.test:81/"


async def test_connect_to_nowhere_is_refused(tmp_path: Path) -> None:
    (flow,) = await (
        Play(tmp_path)
        .server_refuses("cannot resolve a.test: no such name")
        .client(b"CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n")
        .client_gets(_refusal(502, "Bad Gateway", "cannot resolve a.test: no such name"))
        .client_gets_end()
    )
    assert flow.error == "cannot resolve a.test: no such name"
    assert flow.state == "error"


async def test_a_server_that_begins_like_http2_and_is_none(tmp_path: Path) -> None:
    """Its first byte might be that of a SETTINGS frame, whose sender waits for the client."""
    (flow,) = await (
        Play(tmp_path)
        .client(b"CONNECT a.test:99 HTTP/1.1\r\nHost: a.test:99\r\n\r\n")
        .client_gets(b"HTTP/1.1 200 Connection established\r\n\r\n")
        .server_sends(b"\x00")
        .server_sends(b"\x01hello")
        .client_gets(b"\x00\x01hello")
        .client(b"\x00me")
        .server(b"\x00me")
        .client_closes()
        .server_gets_end()
    )
    assert flow.kind == "tcp"


async def test_tunnel_of_unknown_bytes(tmp_path: Path) -> None:
    (flow,) = await (
        Play(tmp_path)
        .client(b"CONNECT a.test:22 HTTP/1.1\r\nHost: a.test:22\r\n\r\n")
        .client_gets(b"HTTP/1.1 200 Connection established\r\n\r\n")
        .server_sends(b"SSH-2.0-OpenSSH_9\r\n")
        .client_gets(b"SSH-2.0-OpenSSH_9\r\n")
        .client(b"SSH-2.0-me\r\n")
        .server(b"SSH-2.0-me\r\n")
        .client_closes()
        .server_gets_end()
    )
    assert (flow.kind, flow.request.host, flow.request.port) == ("tcp", "a.test", 22)
    assert bytes(flow.request.body) == b"SSH-2.0-me\r\n"
    assert flow.response is not None
    assert bytes(flow.response.body) == b"SSH-2.0-OpenSSH_9\r\n"


async def test_socks5_then_http(tmp_path: Path) -> None:
    ask = b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"
    (flow,) = await (
        Play(tmp_path)
        .client(b"\x05\x01\x00")
        .client_gets(b"\x05\x00")
        .client(b"\x05\x01\x00\x03\x06a.test\x00\x50")
        .client_gets(b"\x05\x00\x00\x01\x7f\x00\x00\x01\x9c\x40")
        .client(ask)
        .server(ask, reply=OK)
        .client_gets(OK)
    )
    assert flow.request.url == "http://a.test/"


async def test_socks5_refusals(tmp_path: Path) -> None:
    (flow,) = await (
        Play(tmp_path)
        .client(b"\x05\x01\x00")
        .client_gets(b"\x05\x00")
        .client(b"\x05\x02\x00\x03\x06a.test\x00\x50")
        .client_gets(b"\x05\x07\x00\x01\x00\x00\x00\x00\x00\x00")
        .client_gets_end()
    )
    assert "SOCKS command 2" in flow.error


async def test_reverse_mode_rewrites_host(tmp_path: Path) -> None:
    (flow,) = await (
        Play(tmp_path, mode="reverse:http://origin.test:8000")
        .client(b"GET /a HTTP/1.1\r\nhost: shown.test\r\nX: 1\r\n\r\n")
        .server(b"GET /a HTTP/1.1\r\nhost: origin.test:8000\r\nX: 1\r\n\r\n", reply=OK)
        .client_gets(OK)
    )
    assert flow.request.url == "http://origin.test:8000/a"
    assert flow.notes


async def test_reverse_mode_keeps_host_when_told(tmp_path: Path) -> None:
    ask = b"GET /a HTTP/1.1\r\nhost: shown.test\r\n\r\n"
    await (
        Play(tmp_path, mode="reverse:http://origin.test", options=Options(keep_host=True))
        .client(ask)
        .server(ask, reply=OK)
        .client_gets(OK)
    )


def _refusal(status: int, reason: str, message: str) -> bytes:
    body = f"rama: {status} {reason}: {message}\n".encode()
    return (
        f"HTTP/1.1 {status} {reason}\r\nContent-Type: text/plain; charset=utf-8\r\n"
        f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body


async def test_malformed_request_is_seen_and_never_sent_on(tmp_path: Path) -> None:
    bad = b"POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1, 2\r\n\r\n"
    play = Play(tmp_path).client(bad).client_gets_start(b"HTTP/1.1 400 ")
    (flow,) = await play
    assert play.dialer.made == []
    assert flow.state == "error"
    assert "length" in flow.error.lower()
    assert flow.request.raw.startswith(b"POST http://a.test/")


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nbad line\r\n\r\n",
    ],
)
async def test_malformed_response_gives_502(tmp_path: Path, answer: bytes) -> None:
    (flow,) = await (
        Play(tmp_path)
        .client(GET)
        .server(GET_SENT, reply=answer)
        .client_gets_start(b"HTTP/1.1 502 ")
        .server_gets_end()
    )
    assert "malformed" in flow.error


async def test_server_that_closes_without_an_answer(tmp_path: Path) -> None:
    reason = "the server closed the connection before its response"
    (flow,) = await (
        Play(tmp_path)
        .client(GET)
        .server(GET_SENT)
        .server_closes()
        .client_gets(_refusal(502, "Bad Gateway", reason))
        .client_gets_end()
    )
    assert flow.error == reason


async def test_truncated_response_stays_truncated(tmp_path: Path) -> None:
    part = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"
    (flow,) = await (
        Play(tmp_path)
        .client(GET)
        .server(GET_SENT, reply=part)
        .client_gets(part)
        .server_closes()
        .client_gets_end(reset=True)
    )
    assert flow.response is not None
    assert not flow.response.body.complete
    assert "early" in flow.error


async def test_closed_idle_connection_is_made_anew(tmp_path: Path) -> None:
    flows = await (
        Play(tmp_path)
        .client(GET)
        .server(GET_SENT, reply=OK)
        .client_gets(OK)
        .server_closes()
        .client(GET)
        .server(GET_SENT, reply=OK, number=1)
        .client_gets(OK)
    )
    assert [flow.error for flow in flows] == ["", ""]


async def test_request_is_sent_again_when_the_idle_connection_dies_under_it(
    tmp_path: Path,
) -> None:
    flows = await (
        Play(tmp_path)
        .client(GET)
        .server(GET_SENT, reply=OK)
        .client_gets(OK)
        .client(GET)
        .server(GET_SENT, number=0)
        .server_vanishes(number=0)
        .server(GET_SENT, reply=OK, number=1)
        .client_gets(OK)
    )
    assert [flow.error for flow in flows] == ["", ""]


async def test_unasked_response_reaches_nobody(tmp_path: Path) -> None:
    await (
        Play(tmp_path)
        .client(GET)
        .server(GET_SENT, reply=OK)
        .client_gets(OK)
        .server_sends(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
        .client(GET)
        .server(GET_SENT, reply=OK, number=1)
        .client_gets(OK)
    )


async def test_answer_before_the_whole_request(tmp_path: Path) -> None:
    head = b"POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\nContent-Length: 100\r\n\r\n"
    answer = b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n"
    (flow,) = await (
        Play(tmp_path)
        .client(head + b"part")
        .server(head.replace(b"http://a.test/", b"/") + b"part", reply=answer)
        .client_gets(answer)
        .client_gets_end()
    )
    assert flow.response is not None
    assert flow.response.status == 413
    assert "the server answered before the request was complete" in flow.notes


async def test_client_that_leaves_frees_the_server(tmp_path: Path) -> None:
    (flow,) = await Play(tmp_path).client(GET).server(GET_SENT).client_vanishes().server_gets_end()
    assert "client closed" in flow.error
    assert flow.response is None


class TestHooks:
    async def test_an_edit_is_sent_and_noted(self, tmp_path: Path) -> None:
        class Edit(Addon):
            def requestheaders(self, flow: Flow) -> None:
                flow.request.headers["X-Added"] = "1"

            def responseheaders(self, flow: Flow) -> None:
                assert flow.response is not None
                flow.response.status_code = 201

        (flow,) = await (
            Play(tmp_path, addons=[Edit()])
            .client(GET)
            .server(GET_SENT[:-2] + b"X-Added: 1\r\n\r\n", reply=OK)
            .client_gets(OK.replace(b"200 OK", b"201 Created"))
        )
        assert "request edited by an addon" in flow.notes
        assert "response edited by an addon" in flow.notes

    async def test_an_edited_body_gets_its_length(self, tmp_path: Path) -> None:
        class Edit(Addon):
            def request(self, flow: Flow) -> None:
                flow.request.text = flow.request.text.upper() + "!"

            def response(self, flow: Flow) -> None:
                assert flow.response is not None
                flow.response.text = "longer than before"

        head = b"POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\n"
        await (
            Play(tmp_path, addons=[Edit()])
            .client(head + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
            .server(
                b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 4\r\n\r\nABC!",
                reply=OK,
            )
            .client_gets(b"HTTP/1.1 200 OK\r\nContent-Length: 18\r\n\r\nlonger than before")
        )

    async def test_an_untouched_message_stays_exact(self, tmp_path: Path) -> None:
        class Look(Addon):
            def request(self, flow: Flow) -> None:
                flow.metadata["seen"] = len(flow.request.content)

            def response(self, flow: Flow) -> None:
                assert flow.response is not None
                flow.metadata["got"] = len(flow.response.content)

        head = b"POST http://a.test/ HTTP/1.1\r\nHost:a.test\r\nTransfer-Encoding:chunked\r\n\r\n"
        body = b"03;x\r\nabc\r\n0\r\n\r\n"
        answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding:chunked\r\n\r\n002\r\nhi\r\n0\r\n\r\n"
        (flow,) = await (
            Play(tmp_path, addons=[Look()])
            .client(head + body)
            .server(head.replace(b"http://a.test/", b"/") + body, reply=answer)
            .client_gets(answer)
        )
        assert flow.metadata == {"seen": 3, "got": 2}

    async def test_an_addon_answers(self, tmp_path: Path) -> None:
        class Answer(Addon):
            def request(self, flow: Flow) -> None:
                flow.response = Response.make(418, b"short", {"X-By": "addon"})

        play = Play(tmp_path, addons=[Answer()])
        (flow,) = await play.client(GET).client_gets(
            b"HTTP/1.1 418 I'm a Teapot\r\nX-By: addon\r\nContent-Length: 5\r\n\r\nshort"
        )
        assert play.dialer.made == []
        assert flow.response is not None
        assert flow.response.status == 418

    async def test_a_killed_flow_is_reset(self, tmp_path: Path) -> None:
        class Kill(Addon):
            def request(self, flow: Flow) -> None:
                flow.kill()

        (flow,) = await Play(tmp_path, addons=[Kill()]).client(GET).client_gets_end(reset=True)
        assert (flow.state, flow.error) == ("error", "killed")

    async def test_another_server(self, tmp_path: Path) -> None:
        class Redirect(Addon):
            def request(self, flow: Flow) -> None:
                flow.request.host = "b.test"
                flow.request.port = 81

        play = Play(tmp_path, addons=[Redirect()])
        (flow,) = await (
            play.client(GET).server(GET_SENT.replace(b"a.test", b"b.test:81"), reply=OK)
        ).client_gets(OK)
        assert flow.server is not None
        assert flow.server.address == ("b.test", 81)

    async def test_a_failing_addon_is_reported_and_loses_nothing(self, tmp_path: Path) -> None:
        class Fail(Addon):
            def request(self, flow: Flow) -> None:
                raise ZeroDivisionError("oops")

        play = Play(tmp_path, addons=[Fail()])
        (flow,) = await play.client(GET).server(GET_SENT, reply=OK).client_gets(OK)
        assert flow.error == ""
        ((level, source, message),) = play.reports
        assert (level, source) == ("error", "Fail.request")
        assert "ZeroDivisionError: oops" in message

    async def test_continue_is_sent_for_an_addon_that_wants_the_body(self, tmp_path: Path) -> None:
        class Look(Addon):
            async def request(self, flow: Flow) -> None:
                flow.metadata["seen"] = flow.request.text

        head = (
            b"PUT http://a.test/ HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\n"
            b"Expect: 100-continue\r\n\r\n"
        )
        (flow,) = await (
            Play(tmp_path, addons=[Look()])
            .client(head)
            .client_gets(b"HTTP/1.1 100 Continue\r\n\r\n")
            .client(b"abc")
            .server(
                head.replace(b"http://a.test/", b"/") + b"abc",
                reply=b"HTTP/1.1 100 Continue\r\n\r\n" + OK,
            )
            .client_gets(OK)
        )
        assert flow.metadata == {"seen": "abc"}

    async def test_a_body_beyond_the_limit_is_not_held_back(self, tmp_path: Path) -> None:
        class Look(Addon):
            def response(self, flow: Flow) -> None:
                assert flow.response is not None
                flow.metadata["kept"] = len(bytes(flow.response.body))

        answer = b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n" + b"0123456789"
        (flow,) = await (
            Play(tmp_path, addons=[Look()], options=Options(body_limit=8))
            .client(GET)
            .server(GET_SENT, reply=answer)
            .client_gets(answer)
            .server_sends(b"abcdefghij")
            .client_gets(b"abcdefghij")
        )
        assert flow.metadata == {"kept": 8}
        assert flow.response is not None
        assert flow.response.body.size == 20
        assert flow.response.body.truncated

    async def test_when_filters_and_leaves_bodies_alone(self, tmp_path: Path) -> None:
        class Some(Addon):
            @when("~d other.test")
            def request(self, flow: Flow) -> None:
                raise AssertionError("the filter does not match")

            @when("~d a.test", body=False)
            def response(self, flow: Flow) -> None:
                flow.metadata["seen"] = True

        play = Play(tmp_path, addons=[Some()])
        (flow,) = await play.client(GET).server(GET_SENT, reply=OK).client_gets(OK)
        assert flow.metadata == {"seen": True}
        assert play.reports == []
