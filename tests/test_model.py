"""Headers, messages, flows: what addons hold in their hands."""

from __future__ import annotations

import gzip

import pytest

from rama_proxy.model import coding
from rama_proxy.model.body import Body
from rama_proxy.model.headers import Headers
from rama_proxy.model.message import Request, Response, split_authority, split_url


class TestHeaders:
    def test_look_up_ignores_case_and_gives_text(self) -> None:
        headers = Headers([(b"X-One", b"a"), (b"x-one", b"b"), ("X-Two", "caf\u00e9")])
        assert headers.get("X-ONE") == "a"
        assert headers.all("x-one") == ["a", "b"]
        assert headers.joined("x-one") == "a, b"
        assert headers["x-two"] == "caf\u00e9"
        assert headers.get("none") is None
        assert "x-two" in headers
        assert 3 not in headers
        with pytest.raises(KeyError):
            headers["none"]

    def test_set_keeps_place_and_case_and_drops_repeats(self) -> None:
        headers = Headers([(b"A", b"1"), (b"X-ONE", b"2"), (b"B", b"3"), (b"x-one", b"4")])
        headers.set("x-one", "new")
        assert headers.fields == [(b"A", b"1"), (b"X-ONE", b"new"), (b"B", b"3")]
        headers["C"] = "5"
        assert headers.fields[-1] == (b"C", b"5")
        del headers["a"]
        assert "a" not in headers
        with pytest.raises(KeyError):
            del headers["a"]

    def test_equality_is_that_of_the_wire(self) -> None:
        assert Headers([(b"A", b"1")]) != Headers([(b"a", b"1")])
        assert bytes(Headers([(b"A", b"1"), (b"b", b"")])) == b"A: 1\r\nb: \r\n"

    def test_letters_beyond_latin1_go_out_as_utf8(self) -> None:
        headers = Headers()
        headers.add("X", "\u2713")
        assert headers.fields == [(b"X", "\u2713".encode())]
        assert headers.get("x") == "\u2713"


class TestBody:
    def test_keeps_up_to_the_limit_and_counts_all(self) -> None:
        body = Body(complete=False)
        body.add(b"1234", 6)
        body.add(b"5678", 6)
        body.add(b"90", 6)
        assert (bytes(body), body.size, body.truncated) == (b"123456", 10, True)

    def test_nothing_is_kept_behind_a_gap(self) -> None:
        body = Body(complete=False)
        assert [body.add(b"12", 100), body.add(b"34", 0), body.add(b"56", 100)] == [2, 0, 0]
        assert (bytes(body), body.size, body.truncated) == (b"12", 6, True)

    def test_tiny_pieces_are_joined(self) -> None:
        body = Body(complete=False)
        for number in range(10_000):
            body.add(b"%d" % (number % 10), 1 << 20)
        assert len(body.chunks) < 10
        assert bytes(body) == b"0123456789" * 1000

    def test_a_copy_does_not_grow_with_the_original(self) -> None:
        body = Body(b"a")
        other = body.copy()
        body.add(b"b", 10)
        assert (bytes(other), bytes(body)) == (b"a", b"ab")


class TestMessage:
    def test_content_is_decoded_and_encoded_again(self) -> None:
        response = Response.make(200, gzip.compress(b"hello"), {"Content-Encoding": "gzip"})
        assert response.content == b"hello"
        response.text = "other"
        assert gzip.decompress(response.raw_content) == b"other"
        assert response.body.edited

    def test_text_by_charset(self) -> None:
        response = Response.make(200, b"caf\xe9", {"Content-Type": 'text/plain; charset="latin-1"'})
        assert response.text == "caf\u00e9"
        for charset in ("no-such", "idna", "punycode", "undefined", "a\0b"):
            response.headers["Content-Type"] = f"text/plain; charset={charset}"
            assert response.text == "caf\ufffd"
        assert response.text == "caf\ufffd"
        response.text = "\u2713"
        assert response.raw_content == "\u2713".encode()

    def test_status_code_brings_its_reason(self) -> None:
        response = Response.make(200)
        response.status_code = 404
        assert response.reason == "Not Found"

    def test_request_of_a_url(self) -> None:
        request = Request.make("POST", "https://a.test:8443/p?q=1#f", "body", {"X": "1"})
        assert (request.host, request.port, request.path) == ("a.test", 8443, "/p?q=1")
        assert request.headers.items() == [
            ("Host", "a.test:8443"),
            ("X", "1"),
            ("Content-Length", "4"),
        ]
        assert request.query == [("q", "1")]
        request.url = "http://b.test/"
        assert request.headers["host"] == "b.test"

    def test_pretty_url_shows_what_the_client_named(self) -> None:
        request = Request.make("GET", "http://10.0.0.1/x", headers={"Host": "named.test"})
        assert request.url == "http://10.0.0.1/x"
        assert request.pretty_url == "http://named.test/x"
        assert request.pretty_host == "named.test"

    def test_path_of_an_absolute_target(self) -> None:
        request = Request("GET", b"http://a.test?q", "HTTP/1.1", Headers())
        assert request.path == "/?q"
        request.target = b"http://a.test"
        assert request.path == "/"


@pytest.mark.parametrize(
    ("authority", "expected"),
    [
        ("a.test", ("a.test", None)),
        ("a.test:80", ("a.test", 80)),
        ("[::1]:80", ("::1", 80)),
        ("[::1]", ("::1", None)),
        ("a.test:", ("a.test", None)),
    ],
)
def test_split_authority(authority: str, expected: tuple[str, int | None]) -> None:
    assert split_authority(authority) == expected


@pytest.mark.parametrize("authority", ["a:b", "a:99999", "::1", "a:\u0661"])
def test_split_authority_refuses(authority: str) -> None:
    with pytest.raises(ValueError, match=r"port|brackets"):
        split_authority(authority)


@pytest.mark.parametrize("url", ["a.test", "ftp://a.test/", "http://", "http:///x", "http://a:x/"])
def test_split_url_refuses(url: str) -> None:
    with pytest.raises(ValueError, match=r"URL|host|port"):
        split_url(url)


class TestCoding:
    @pytest.mark.parametrize("name", ["gzip", "deflate", "br", "zstd", "gzip, br", "identity", ""])
    def test_there_and_back(self, name: str) -> None:
        data = b"some text " * 100
        assert coding.decode(coding.encode(data, name), name) == data

    def test_deflate_without_its_header(self) -> None:
        import zlib

        packer = zlib.compressobj(wbits=-15)
        assert coding.decode(packer.compress(b"raw") + packer.flush(), "deflate") == b"raw"

    @pytest.mark.parametrize("name", ["gzip", "br", "zstd", "deflate"])
    def test_a_bomb_is_not_unpacked(self, name: str) -> None:
        bomb = coding.encode(bytes(40 * 1024 * 1024), name)
        with pytest.raises(coding.CodingError, match="more than"):
            coding.decode(bomb, name)

    @pytest.mark.parametrize("name", ["gzip", "br", "zstd", "deflate", "gzip, gzip, gzip", "magic"])
    def test_what_is_broken_is_said(self, name: str) -> None:
        with pytest.raises(coding.CodingError, match=r"broken|unknown|codings"):
            coding.decode(b"\xff\xfe not compressed", name)

    def test_a_cut_body_gives_what_can_be_had(self) -> None:
        packed = gzip.compress(bytes(range(256)) * 64, mtime=0)
        assert coding.decode(packed[:200], "gzip").startswith(bytes(range(32)))
