"""Which view a body gets, and that it always gets one."""

from __future__ import annotations

import gzip
import zlib

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rama_proxy.content import views
from rama_proxy.content.hexdump import hex_row, hexdump, row_count
from rama_proxy.content.views import FORMATS, Format, View, render, view_body
from rama_proxy.model.body import Body
from rama_proxy.model.message import Response

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"


def response(data: bytes, **fields: str) -> Response:
    made = Response.make(200)
    for name, value in fields.items():
        made.headers.add(name.replace("_", "-"), value)
    made.body = Body(data)
    return made


@pytest.mark.parametrize(
    ("media_type", "data", "name", "language"),
    [
        ("application/json", b"{}", "JSON", "json"),
        ("application/problem+json", b"{}", "JSON", "json"),
        ("application/x-ndjson", b"{}\n{}", "JSON lines", "json"),
        ("text/html", b"<p>", "HTML", "html"),
        ("application/xhtml+xml", b"<p/>", "HTML", "html"),
        ("image/svg+xml", b"<svg/>", "XML", "xml"),
        ("application/x-www-form-urlencoded", b"a=b", "form", "form"),
        ("text/javascript", b"let a", "JavaScript", "javascript"),
        ("text/css", b"a{}", "CSS", "css"),
        ("text/plain", b"hello", "text", ""),
        ("text/event-stream", b"data: 1\n\n", "events", "yaml"),
        ("application/unheard-of", b"hello", "text", ""),
        ("image/png", PNG, "hex", ""),
        ("application/json", PNG, "hex", ""),
        ("", b' {"a": 1}', "JSON", "json"),
        ("text/plain", b"[1]", "JSON", "json"),
        ("text/plain", b"[INFO] started", "text", ""),
        ("", b"{not json}", "text", ""),
        ("", b"\n<!doctype html><p>", "HTML", "html"),
        ("application/octet-stream", b"<?xml version='1.0'?><a/>", "XML", "xml"),
        ("", b"", "text", ""),
    ],
)
def test_a_format_is_found(media_type: str, data: bytes, name: str, language: str) -> None:
    view = render(data, media_type)
    assert (view.name, view.language) == (name, language)


def test_a_view_can_be_asked_for() -> None:
    data = b'{"a":1}'
    assert render(data, "text/html", "hex") == View("hex", data)
    assert render(data, "application/json", "raw") == View("JSON", data, "json")
    assert render(data, "text/html", "JSON").data == b'{\n  "a": 1\n}'
    assert render(PNG, "image/png", "raw") == View("text", PNG, note="not valid UTF-8")


def test_a_form_is_decoded_in_its_order() -> None:
    view = render(b"b=2&a=1+1&a=%E2%82%AC&flag&t=x%0D%0Ay&=", "application/x-www-form-urlencoded")
    assert view.data.decode() == "b = 2\na = 1 1\na = €\nflag\nt = x\n    y\n = "


def test_a_form_has_an_end() -> None:
    view = render(b"a&" * 100_000, "application/x-www-form-urlencoded")
    assert view.data.count(b"\n") == 19_999
    assert view.note == "more than 20,000 fields: the rest is not shown"


@pytest.mark.parametrize(
    ("coding", "data"),
    [
        ("gzip", gzip.compress(b"[1]")),
        ("deflate", zlib.compress(b"[1]")),
        ("br", brotli.compress(b"[1]")),
        ("gzip, br", brotli.compress(gzip.compress(b"[1]"))),
    ],
)
def test_content_codings_are_undone(coding: str, data: bytes) -> None:
    view = view_body(response(data, Content_Type="application/json", Content_Encoding=coding))
    assert view == View("JSON", b"[\n  1\n]", "json")


@pytest.mark.parametrize(
    ("coding", "note"),
    [
        ("gzip", "broken compressed data: "),
        ("br", "broken brotli data: "),
        ("zstd", "broken zstd data: "),
        ("lzma", "unknown content coding 'lzma'"),
        ("gzip, gzip, gzip", "3 content codings in each other"),
    ],
)
def test_a_coding_that_cannot_be_undone_is_noted(coding: str, note: str) -> None:
    view = view_body(response(b"\xff\0\xfe\1", Content_Type="text/css", Content_Encoding=coding))
    assert (view.name, view.data) == ("hex", b"\xff\0\xfe\1")
    assert view.note.startswith(note)
    assert view.note.endswith("shown as received")


def test_a_body_that_was_cut_short_is_decoded_as_far_as_it_goes() -> None:
    data = gzip.compress(b'{"a":1,"b":"' + bytes(range(65, 91)) * 400)
    view = view_body(response(data[:-12], Content_Type="text/plain", Content_Encoding="gzip"))
    assert view.data.startswith(b'{\n  "a": 1')
    assert view.note == "not valid JSON: it ends too early"


def test_a_bomb_is_opened_only_so_far() -> None:
    bomb = brotli.compress(bytes(1 << 26), quality=5)
    assert len(bomb) < 1000
    view = view_body(response(bomb, Content_Type="text/html", Content_Encoding="br"))
    assert len(view.data) == 16 * 1024 * 1024
    assert view.note == "only the first 16 MiB after decoding; not HTML, shown as bytes"


def test_what_is_large_is_not_formatted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "MAX_PRETTY", 10)
    view = render(b"[1,2,3,4,5,6]", "application/json")
    assert view.data == b"[1,2,3,4,5,6]"
    assert view.note == "larger than 10 B, shown as it is"


def test_a_format_that_fails_does_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    def pretty(data: bytes) -> tuple[bytes, str]:
        raise ValueError(f"{len(data)} bytes are too few")

    monkeypatch.setitem(FORMATS, "CSS", Format("CSS", ("text/css",), "css", pretty))
    view = render(b"a{}", "text/css")
    assert (view.data, view.note) == (b"a{}", "cannot be shown as CSS: 3 bytes are too few")


@given(
    data=st.binary(max_size=200) | st.text(max_size=100).map(str.encode),
    media_type=st.sampled_from(["", "image/png", *(f.types[0] for f in FORMATS.values())]),
    name=st.sampled_from(["auto", "raw", "hex", "what", *FORMATS]),
    charset=st.sampled_from([None, "utf-8", "utf-16", "idna", "big5", "\0"]),
)
def test_every_body_has_a_view(data: bytes, media_type: str, name: str, charset: str) -> None:
    view = render(data, media_type, name, charset)
    assert view.name in {"text", "hex", *FORMATS}


def test_hexdump() -> None:
    data = bytes(range(0x1E, 0x30)) + b"~\x7f"
    assert hexdump(data) == (
        "00000000  1e 1f 20 21 22 23 24 25  26 27 28 29 2a 2b 2c 2d  |.. !\"#$%&'()*+,-|\n"
        "00000010  2e 2f 7e 7f                                       |./~.|\n"
    )
    assert row_count(b"") == 0
    assert row_count(data, 8) == 3
    assert hex_row(data, 2, 8) == ("00000010", "2e 2f 7e 7f            ", "./~.")
