"""The start of an HTTP/2 connection in words, from the bytes of real peers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rama_proxy.content.http2 import start_facts
from rama_proxy.content.tls import Fact
from rama_proxy.protocols.http2_frames import PREFACE, serialize_settings
from tests.support.starts import CHROMIUM, NGHTTP, NGINX


def test_a_browser() -> None:
    assert start_facts(CHROMIUM) == [
        Fact("HEADER_TABLE_SIZE", "65536"),
        Fact("ENABLE_PUSH", "0"),
        Fact("INITIAL_WINDOW_SIZE", "6291456"),
        Fact("MAX_HEADER_LIST_SIZE", "262144"),
        Fact("WINDOW_UPDATE", "15663105, to 15728640"),
        Fact("first HEADERS", "stream 1"),
        Fact("priority", "depends on 0, exclusive, weight 256"),
        Fact("pseudo fields", ":method, :authority, :scheme, :path"),
    ]


def test_a_client_with_a_tree_of_priorities() -> None:
    assert start_facts(NGHTTP) == [
        Fact("MAX_CONCURRENT_STREAMS", "100"),
        Fact("INITIAL_WINDOW_SIZE", "65535"),
        Fact("PRIORITY of 3", "depends on 0, weight 201"),
        Fact("PRIORITY of 5", "depends on 0, weight 101"),
        Fact("PRIORITY of 7", "depends on 0, weight 1"),
        Fact("PRIORITY of 9", "depends on 7, weight 1"),
        Fact("PRIORITY of 11", "depends on 3, weight 1"),
        Fact("first HEADERS", "stream 13"),
        Fact("priority", "depends on 11, weight 16"),
        Fact("pseudo fields", ":method, :path, :scheme, :authority"),
    ]


def test_a_server_has_no_pseudo_fields_of_a_request() -> None:
    assert start_facts(NGINX) == [
        Fact("MAX_CONCURRENT_STREAMS", "128"),
        Fact("INITIAL_WINDOW_SIZE", "65536"),
        Fact("MAX_FRAME_SIZE", "16777215"),
        Fact("WINDOW_UPDATE", "2147418112, to 2147483647"),
        Fact("first HEADERS", "stream 1"),
    ]


def test_settings_keep_their_order_and_unknown_ones_their_number() -> None:
    sent = [(8, 1), (9, 1), (0x1A1A, 7), (0xFA3B, 2**32 - 1), (1, 0), (1, 0), (0, 3)]
    assert start_facts(PREFACE + serialize_settings(sent)) == [
        Fact("ENABLE_CONNECT_PROTOCOL", "1"),
        Fact("NO_RFC7540_PRIORITIES", "1"),
        Fact("GREASE", "7"),
        Fact("0xfa3b", "4294967295"),
        Fact("HEADER_TABLE_SIZE", "0"),
        Fact("HEADER_TABLE_SIZE", "0"),
        Fact("0x0000", "3"),
    ]


@pytest.mark.parametrize("end", range(0, len(CHROMIUM), 7))
def test_a_start_that_breaks_off(end: int) -> None:
    whole = start_facts(CHROMIUM)
    facts = start_facts(CHROMIUM[:end])
    assert facts == whole[: len(facts)] or facts[0] == Fact("SETTINGS", "none")


def test_a_client_that_names_no_pseudo_field() -> None:
    raw = PREFACE + b"\0\0\0\4\0\0\0\0\0" + b"\0\0\1\1\4\0\0\0\3\x88"
    assert start_facts(raw) == [
        Fact("SETTINGS", "none"),
        Fact("first HEADERS", "stream 3"),
        Fact("priority", "none"),
        Fact("pseudo fields", "none"),
    ]


@given(st.integers(0, len(CHROMIUM) - 1), st.binary(min_size=1, max_size=8), st.booleans())
def test_whatever_came_is_told_without_failing(at: int, put: bytes, is_client: bool) -> None:
    raw = CHROMIUM[:at] + put + CHROMIUM[at + len(put) :]
    facts = start_facts(raw if is_client else raw[len(PREFACE) :])
    assert facts
    assert all(fact.label and fact.value for fact in facts)
