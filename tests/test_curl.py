"""The curl export: `sh` runs the command, and a server gets the very bytes of the request."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from rama_addons import curl
from rama_proxy import Body, ConnectionInfo, Flow, Headers, Request, TlsInfo
from rama_proxy.protocols import http1
from tests.support.listening import Listening

PORT = b"PORT"  # stands for the server's port in the bytes of a test


@pytest.fixture(scope="module")
def server() -> Iterator[Listening]:
    with Listening() as listening:
        yield listening


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


def flow_of(wire: bytes, port: int, body: bytes = b"") -> Flow:
    """The flow of the request whose head is `wire` and whose payload is `body`."""
    parsed = http1.parse_request(bytearray(wire))
    assert parsed is not None
    request, used = parsed
    assert used == len(wire)
    request.scheme, request.host, request.port = "http", "127.0.0.1", port
    request.body = Body(body)
    return Flow(ConnectionInfo("client"), request)


def run(command: str, home: Path, shell: str = "sh") -> None:
    """Let `shell` run `command`, with nothing of this machine's settings for curl."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "LC_ALL": "C.UTF-8"}
    script = home.with_name("command.sh")  # an argument of sh may not have more than 128 KiB
    script.write_text(command, "utf-8")
    ended = subprocess.run(
        [shell, str(script)], env=environment, cwd=home, timeout=20, capture_output=True
    )
    assert ended.returncode == 0, (command[:2000], ended.stderr)


def sends(
    server: Listening, home: Path, wire: bytes, body: bytes = b"", sent: bytes | None = None
) -> str:
    """Assert that the export of `wire` and `body` sends them, or `sent`; gives the command."""
    wire = wire.replace(PORT, str(server.port).encode())
    expected = wire + body if sent is None else sent.replace(PORT, str(server.port).encode())
    command = curl.to_curl(flow_of(wire, server.port, body))
    server.expected = len(expected)
    run(command, home)
    assert server.received() == expected, command
    assert not list(home.iterdir()), f"left files behind: {command}"
    return command


HEADS = [
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: other.example\r\nUser-Agent: me\r\nAccept: */*\r\n\r\n",
    b"GET / HTTP/1.1\r\nX-First: 1\r\nhOST:   127.0.0.1:PORT\t\r\nX-Last:2\r\n\r\n",
    b"GET / HTTP/1.1\r\nhost: 127.0.0.1:PORT\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost:\r\nA: b\r\n\r\n",
    b"GET / HTTP/1.1\r\nA: b\r\nHost:\r\n\r\n",
    b"GET / HTTP/1.0\r\n\r\n",
    b"GET / HTTP/1.0\r\nAccept:\r\nuser-agent:\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nCookie: a=1\r\nX: 1\r\ncookie: b=2\r\nX: 1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nEmpty:\r\nX-Semi: a;b\r\nX-At: @/etc/passwd\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nConnection: TE, close\r\nTE: trailers\r\n"
    b"Accept-Encoding: gzip, br\r\nRange: bytes=0-1\r\nReferer: http://x/\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Basic eDp5\r\nIf-None-Match: \"x\"\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\n-v: -o x\r\n--help: $(id) `id` ${HOME} !! %s \\ \"\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nX: it's 'quoted' ''\r\nY: \xc3\xa9 \xff\xfe\tz\r\n\r\n",
    b"GET /a/../b/./c?d=/../e HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /%2e%2E/x/%2E HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /{a,b}/[1-3]?x[]=%20&y={} HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /?q=%00%zz%&'\"<>|^`$(id)\\ HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /? HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /#frag HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET //evil.example/@x:1 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /caf\xc3\xa9/\xff\xfe?\xe2\x80\xae HTTP/1.1\r\nHost: a\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    b"HEAD /x HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
    b"get / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"-X / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"M-SEARCH / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"!#$%&'*+.^_`|~ / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 60_000 + b"\r\n\r\n",
]  # fmt: skip


@pytest.mark.parametrize("wire", HEADS, ids=lambda wire: repr(wire[:40]))
def test_heads_are_sent_byte_for_byte(server: Listening, home: Path, wire: bytes) -> None:
    sends(server, home, wire)


@pytest.mark.parametrize(
    "body",
    [
        b"plain",
        b"@/etc/passwd",
        b"-d",
        b"a=1&b=%41+\n\n",
        b"\n",
        b"\r\n",
        b"it's $HOME `id` $(id) \\ \\n \\101 %s %% !!",
        b"\x00",
        b"\x00\x01\xff'\\%!-\n\x00\n",
        b"-\x00",
        bytes(range(256)),
        bytes(range(256)) * 5,
        "é ☃ 𝄞".encode(),
        "rtl \u202e and esc \x1b[201~".encode(),
        b"a" * 1025,
        b"'" * 70_000,
        b"line\n" * 60_000,
        b"\x1f\x8b" * 600_000,  # beyond 1 MiB curl asks with Expect unless told not to
    ],
    ids=lambda body: f"{len(body)}-{body[:8]!r}",
)
def test_bodies_are_sent_byte_for_byte(server: Listening, home: Path, body: bytes) -> None:
    head = b"POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\nX: y\r\n\r\n" % len(body)
    sends(server, home, head, body)


@pytest.mark.parametrize(
    ("method", "head"),
    [
        (b"POST", b"Content-Type: application/json\r\nContent-Length: 5\r\n"),
        (b"PUT", b"Content-Length: 5\r\nContent-Type:\r\n"),
        (b"GET", b"content-length: 5\r\n"),
        (b"DELETE", b"Content-Length:5\r\n"),
        (b"HEAD", b"Content-Length: 5\r\n"),
        (b"POST", b"Expect: 100-continue\r\nContent-Length: 5\r\n"),
    ],
)
def test_a_body_goes_with_any_method(
    server: Listening, home: Path, method: bytes, head: bytes
) -> None:
    sends(server, home, method + b" / HTTP/1.1\r\nHost: a\r\n" + head + b"\r\n", b"a=b&c")


@pytest.mark.parametrize(("body", "chunks"), [(b"", b""), (b"hello", b"5\r\nhello\r\n")])
def test_a_chunked_body_is_sent_chunked(
    server: Listening, home: Path, body: bytes, chunks: bytes
) -> None:
    head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nX: y\r\n\r\n"
    sends(server, home, head, body, head + chunks + b"0\r\n\r\n")


def test_what_is_meant_for_a_proxy_stays_away_from_the_server(
    server: Listening, home: Path
) -> None:
    sends(
        server,
        home,
        b"GET http://127.0.0.1:PORT/a?b HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\n"
        b"Proxy-Authorization: Basic eDp5\r\nProxy-Connection: keep-alive\r\nX: y\r\n\r\n",
        sent=b"GET /a?b HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nX: y\r\n\r\n",
    )


@pytest.mark.parametrize(
    ("method", "target", "sent"),
    [
        (b"OPTIONS", b"http://127.0.0.1:PORT", b"*"),
        (b"GET", b"http://127.0.0.1:PORT", b"/"),
        (b"GET", b"HTTP://127.0.0.1:PORT?x", b"/?x"),
        (b"GET", b"/http://127.0.0.1/", b"/http://127.0.0.1/"),
    ],
)
def test_an_absolute_target_becomes_relative(
    server: Listening, home: Path, method: bytes, target: bytes, sent: bytes
) -> None:
    rest = b" HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\n\r\n"
    sends(server, home, method + b" " + target + rest, sent=method + b" " + sent + rest)


def test_an_edited_field_is_sent_as_edited(server: Listening, home: Path) -> None:
    flow = flow_of(b"GET / HTTP/1.1\r\nHost: a\r\nX:1\r\nY:2\r\n\r\n", server.port)
    flow.request.headers.set("Y", "it's 3")
    expected = b"GET / HTTP/1.1\r\nHost: a\r\nX:1\r\nY: it's 3\r\n\r\n"
    server.expected = len(expected)
    run(curl.to_curl(flow), home)
    assert server.received() == expected


def test_a_usual_request_reads_well() -> None:
    request = Request.make(
        "POST",
        "https://api.example/v1/items?page=2",
        '{"name": "it\'s"}',
        {"Content-Type": "application/json", "User-Agent": "app/1", "Accept": "*/*"},
    )
    assert curl.to_curl(Flow(ConnectionInfo("client"), request)) == (
        "curl 'https://api.example/v1/items?page=2' \\\n"
        "  --http1.1 \\\n"
        "  -H 'Content-Type: application/json' \\\n"
        "  -H 'User-Agent: app/1' \\\n"
        "  -H 'Accept: */*' \\\n"
        """  --data-raw '{"name": "it'\\''s"}'"""
    )


def test_an_edited_command_still_has_the_right_length(server: Listening, home: Path) -> None:
    head = b"POST / HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Length: 5\r\n\r\n" % server.port
    command = curl.to_curl(flow_of(head, server.port, b"short"))
    expected = head.replace(b": 5", b": 9") + b"much more"
    server.expected = len(expected)
    run(command.replace("'short'", "'much more'"), home)
    assert server.received() == expected


@pytest.mark.parametrize(
    ("version", "scheme", "flag"),
    [
        ("HTTP/1.0", "http", "--http1.0"),
        ("HTTP/1.1", "https", "--http1.1"),
        ("HTTP/2.0", "https", "--http2"),
        ("HTTP/2.0", "http", "--http2-prior-knowledge"),
        ("HTTP/3", "https", "--http3"),
    ],
)
def test_the_version_is_asked_for(version: str, scheme: str, flag: str) -> None:
    request = Request.make("GET", f"{scheme}://[::1]:81/")
    request.version = version
    words = curl.to_curl(Flow(ConnectionInfo("client"), request)).split()
    assert words[1] == f"'{scheme}://[::1]:81/'"
    assert "--globoff" in words
    assert flag in words


def test_a_certificate_that_was_not_trusted_is_accepted_again() -> None:
    flow = Flow(ConnectionInfo("client"), Request.make("GET", "https://a.example/"))
    flow.server = ConnectionInfo("server", tls=TlsInfo())
    assert "--insecure" not in curl.to_curl(flow)
    flow.server.tls = TlsInfo(verify_error="self-signed certificate")
    assert curl.to_curl(flow).endswith("--insecure")


def changed(**values: object) -> Flow:
    """A flow of a small request with attributes of the request changed."""
    request = Request.make("POST", "http://a.example/", "body")
    for name, value in values.items():
        setattr(request, name, value)
    return Flow(ConnectionInfo("client"), request)


def truncated_body() -> Body:
    body = Body(complete=False)
    body.add(b"abcdef", 3)
    return body


def broken_off_body() -> Body:
    body = Body(complete=False)
    body.add(b"abc", 100)
    return body


@pytest.mark.parametrize(
    ("flow", "reason"),
    [
        (changed(method="CONNECT"), "a tunnel is no request"),
        (changed(method="A B"), "method 'A B'"),
        (changed(method=""), "method ''"),
        (changed(scheme="ftp"), "cannot take ftp://"),
        (changed(host="a;id"), "cannot take"),
        (changed(host="user@b"), "cannot take"),
        (changed(host=""), "cannot take"),
        (changed(target=b""), "request target"),
        (changed(target=b"/\x00"), "request target"),
        (changed(version="HTTP/0.9"), "HTTP/0.9"),
        (changed(headers=Headers([("A", "b\r\nC: d")])), "header field b'A'"),
        (changed(headers=Headers([("@file", "b")])), "header field b'@file'"),
        (changed(headers=Headers([("A", "b\0")])), "header field"),
        (changed(trailers=Headers([("A", "b")])), "trailers"),
        (changed(body=truncated_body()), "only 3 of 6 bytes"),
        (changed(body=broken_off_body()), "did not arrive whole"),
    ],
)
def test_what_curl_cannot_send_is_refused(flow: Flow, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        curl.to_curl(flow)


@pytest.mark.parametrize("kind", ["tcp", "tls"])
def test_a_tunnel_is_no_request(kind: str) -> None:
    flow = Flow(ConnectionInfo("client"), Request.make("GET", "http://a.example/"), kind)
    with pytest.raises(ValueError, match="tunnel"):
        curl.to_curl(flow)


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_nothing_in_a_request_is_run_by_the_shell(
    server: Listening, home: Path, shell: str
) -> None:
    evil = b"';touch ran;'$(touch ran)`touch ran`\";touch ran;\"\\';touch ran #"
    request = Request("P", b"/" + evil.replace(b" ", b"\t"), "HTTP/1.0", Headers())
    request.headers.fields = [(b"X", evil), (b"Y", evil + b"\xff\x1b")]
    request.scheme, request.host, request.port = "http", "127.0.0.1", server.port
    for body in (evil, evil + b"\x00"):
        request.body = Body(body)
        server.expected = 1
        run(curl.to_curl(Flow(ConnectionInfo("client"), request)), home, shell)
        assert server.received().count(evil) == 3  # two fields and the body
        assert not list(home.iterdir())


TOKEN = st.text("!#$%&'*+-.^_`|~09azAZ", min_size=1, max_size=12).map(str.encode)
NAMES = st.one_of(
    TOKEN,
    st.sampled_from(
        [b"User-Agent", b"Accept", b"accept", b"Cookie", b"Accept-Encoding", b"TE", b"Referer",
         b"Content-Type", b"Authorization", b"Connection", b"Range", b"X", b"If-Modified-Since"]
    ),
)  # fmt: skip
VALUES = st.lists(
    st.one_of(st.sampled_from(list(b"'\"\\$`!;&|%@#*?~- \t{}[]()<>=ab0")), st.integers(0x80, 0xFF)),
    max_size=24,
).map(lambda value: bytes(value).strip(b" \t"))
TARGETS = st.lists(
    st.one_of(
        st.sampled_from(list(b"/.?#%'\"\\$`!;&|@*~-{}[]()<>=:^ab0")), st.integers(0x80, 0xFF)
    ),
    max_size=24,
).map(lambda target: b"/" + bytes(target))
FIELDS = st.lists(st.tuples(NAMES, VALUES), max_size=6)


@given(
    method=TOKEN,
    target=TARGETS,
    before=FIELDS,
    after=FIELDS,
    body=st.one_of(st.binary(max_size=300), st.text(max_size=60).map(str.encode)),
)
@example(b"GET", b"/", [], [], b"")
@settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_request_is_sent_byte_for_byte(
    server: Listening,
    home: Path,
    method: bytes,
    target: bytes,
    before: list[tuple[bytes, bytes]],
    after: list[tuple[bytes, bytes]],
    body: bytes,
) -> None:
    length = [(b"Content-Length", b"%d" % len(body))] if body else []
    fields = [*before, (b"Host", b"127.0.0.1:PORT"), *length, *after]
    lines = [name + (b": " + value if value else b":") for name, value in fields]
    head = b"\r\n".join([method + b" " + target + b" HTTP/1.1", *lines]) + b"\r\n\r\n"
    sends(server, home, head, body)
