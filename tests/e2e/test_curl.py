"""curl through the proxy to nginx, by every way in: what arrives, and what is stored."""

from __future__ import annotations

import pytest

from tests.support.engine import Engine
from tests.support.fault_origin import FaultOrigin
from tests.support.peers import Nginx, curl


@pytest.mark.parametrize("name", ["0", "1k", "100k"])
def test_http_is_stored_as_it_went_by(engine: Engine, nginx: Nginx, name: str) -> None:
    url = f"{nginx.http}/{name}?a=1"
    answer = curl("-x", engine.proxy, "-A", "test/1", url)
    assert (answer.exit_code, answer.status) == (0, 200), answer.error
    assert answer.body == nginx.file(name)
    (flow,) = engine.flows()
    assert (flow.request.method, flow.request.url) == ("GET", url)
    assert flow.request.headers.get("User-Agent") == "test/1"
    assert flow.response is not None
    assert (flow.response.status, flow.response.reason) == (200, "OK")
    assert bytes(flow.response.body) == nginx.file(name)
    assert flow.response.body.size == len(nginx.file(name))
    assert flow.server is not None
    assert flow.server.peer == ("127.0.0.1", nginx.http_port)
    assert (flow.state, flow.error) == ("done", "")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_https_is_decrypted_for_who_trusts_our_authority(
    engine: Engine, nginx: Nginx, host: str
) -> None:
    url = f"https://{host}:{nginx.https_port}/100k"
    answer = curl("-x", engine.proxy, "--cacert", engine.ca, url)
    assert (answer.exit_code, answer.status) == (0, 200), answer.error
    assert answer.body == nginx.file("100k")
    (flow,) = engine.flows()
    assert flow.request.url == url
    assert flow.response is not None
    assert bytes(flow.response.body) == nginx.file("100k")
    assert flow.server is not None
    client, server = flow.client.tls, flow.server.tls
    assert client is not None
    assert client.version == "TLSv1.3"
    assert client.sni == ("localhost" if host == "localhost" else "")  # no SNI for addresses
    assert client.client_hello[:1] == b"\x01"
    assert flow.client.annotations["ja4"].startswith("t13")
    assert server is not None
    assert (server.version, server.verify_error) == ("TLSv1.3", "")
    assert len(server.certificates) == 1


def test_a_client_that_does_not_trust_us_is_a_row_that_says_so(
    engine: Engine, nginx: Nginx
) -> None:
    answer = curl("-x", engine.proxy, f"{nginx.https}/1k")
    assert answer.exit_code == 60  # peer certificate cannot be authenticated
    (flow,) = engine.flows()
    assert (flow.kind, flow.state) == ("tls", "error")
    assert flow.request.host == "localhost"
    assert "trust" in flow.error


@pytest.mark.parametrize("scheme", ["socks5", "socks5h", "socks4", "socks4a"])
def test_socks_on_the_same_port(engine: Engine, nginx: Nginx, scheme: str) -> None:
    proxy = f"{scheme}://127.0.0.1:{engine.port}"
    trusting = ("-4", "-x", proxy, "--cacert", engine.ca)
    assert curl(*trusting, f"{nginx.http}/1k").body == nginx.file("1k")
    answer = curl(*trusting, f"{nginx.https}/1k")
    assert answer.body == nginx.file("1k"), answer.error
    plain, secure = engine.flows(2)
    assert (plain.request.scheme, secure.request.scheme) == ("http", "https")
    assert secure.request.port == nginx.https_port
    assert secure.client.tls is not None


def test_tls_to_the_proxy_itself(engine: Engine, nginx: Nginx) -> None:
    proxy = ("-x", f"https://127.0.0.1:{engine.port}", "--proxy-cacert", engine.ca)
    answer = curl(*proxy, f"{nginx.http}/1k")
    assert answer.body == nginx.file("1k"), answer.error
    answer = curl(*proxy, "--cacert", engine.ca, f"{nginx.https}/1k")
    assert answer.body == nginx.file("1k"), answer.error
    assert [flow.request.scheme for flow in engine.flows(2)] == ["http", "https"]


def test_one_connection_carries_several_requests(engine: Engine, nginx: Nginx) -> None:
    urls = [f"{nginx.https}/1k?{number}" for number in range(3)]
    answer = curl("-x", engine.proxy, "--cacert", engine.ca, *urls)
    assert answer.body == nginx.file("1k") * 3
    flows = engine.flows(3)
    assert [flow.request.url for flow in flows] == urls
    assert len({flow.client.id for flow in flows}) == 1
    assert len({flow.server.id for flow in flows if flow.server}) == 1


def test_coded_bodies_are_stored_as_sent_and_read_as_meant(engine: Engine, nginx: Nginx) -> None:
    answer = curl("-x", engine.proxy, "--compressed", f"{nginx.http}/data.json")
    assert answer.body == nginx.file("data.json")
    (flow,) = engine.flows()
    assert flow.response is not None
    assert flow.response.headers.get("Content-Encoding") == "gzip"
    assert bytes(flow.response.body)[:2] == b"\x1f\x8b"
    assert flow.response.content == nginx.file("data.json")


@pytest.mark.parametrize("path", ["/204", "/304", "/302"])
def test_statuses_without_a_body(engine: Engine, nginx: Nginx, path: str) -> None:
    answer = curl("-x", engine.proxy, f"{nginx.http}{path}", f"{nginx.http}/1k")
    assert answer.exit_code == 0
    assert answer.body.endswith(nginx.file("1k"))  # the next response is in step
    first, _ = engine.flows(2)
    assert first.response is not None
    assert first.response.status == int(path[1:])


def test_head_has_a_length_and_no_body(engine: Engine, nginx: Nginx) -> None:
    answer = curl("-x", engine.proxy, "-I", f"{nginx.http}/1g")
    assert b"Content-Length: 1073741824" in answer.body
    (flow,) = engine.flows()
    assert flow.response is not None
    assert (flow.request.method, flow.response.body.size) == ("HEAD", 0)


def test_uploads_arrive_and_are_stored(engine: Engine, fault_origin: FaultOrigin) -> None:
    data = bytes(range(256)) * 400
    url = f"{fault_origin.url}/echo"
    answer = curl("-x", engine.proxy, "--data-binary", "@-", url, stdin=data)
    assert answer.body.endswith(data)
    answer = curl("-x", engine.proxy, "-T", "-", url, stdin=data)  # chunked
    assert answer.exit_code == 0
    assert fault_origin.bodies[0] == data
    assert fault_origin.bodies[1].endswith(b"\r\n0\r\n\r\n")
    sized, chunked = engine.flows(2)
    assert bytes(sized.request.body) == bytes(chunked.request.body) == data


def test_http_1_0(engine: Engine, nginx: Nginx) -> None:
    answer = curl("-x", engine.proxy, "--http1.0", f"{nginx.http}/1k")
    assert answer.body == nginx.file("1k")
    (flow,) = engine.flows()
    assert flow.request.version == "HTTP/1.0"
