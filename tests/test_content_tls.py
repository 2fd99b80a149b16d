"""TLS in words: what was agreed on, offered and vouched for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from rama_proxy.content.certificate import certificate_facts, certificate_title
from rama_proxy.content.tls import (
    BAD,
    GOOD,
    WARNING,
    Fact,
    absence,
    client_hello_facts,
    connection_facts,
    fingerprint_facts,
    server_hello_facts,
)
from rama_proxy.content.tls_names import EXTENSIONS, is_grease, name_of
from rama_proxy.model.connection import ConnectionInfo, TlsInfo
from rama_proxy.model.flow import ACTIVE, DONE, Flow
from rama_proxy.model.message import Request, Response
from tests.support.flows import CLIENT_HELLO, LEAF, ROOT

SERVER_HELLO = bytes.fromhex(
    "02000056 0303" + "11" * 32 + "00 1302 00 002e 002b 0002 0304 0033 0024 001d 0020" + "22" * 32
)


def flow(kind: str = "http") -> Flow:
    made = Flow(ConnectionInfo("client"), Request.make("GET", "https://a.test/"), kind)
    made.state = DONE
    made.server = ConnectionInfo("server", address=("a.test", 443))
    return made


def values(facts: list[Fact]) -> dict[str, str]:
    return {fact.label: fact.value for fact in facts}


def test_both_ends_of_a_connection() -> None:
    info = ConnectionInfo(
        "server", peer=("2001:db8::1", 443), address=("a.test", 443), via="p:3128"
    )
    info.tls = TlsInfo(
        version="TLSv1.3",
        cipher="TLS_AES_128_GCM_SHA256",
        group="X25519MLKEM768",
        alpn="h2",
        alpn_offered=("h2", "http/1.1"),
        sni="a.test",
        resumed=True,
    )
    assert connection_facts(info) == [
        Fact("server", "a.test:443"),
        Fact("address", "[2001:db8::1]:443"),
        Fact("via", "p:3128"),
        Fact("version", "TLSv1.3"),
        Fact("cipher", "TLS_AES_128_GCM_SHA256"),
        Fact("key exchange", "X25519MLKEM768"),
        Fact("ALPN", "h2"),
        Fact("ALPN offered", "h2, http/1.1"),
        Fact("server name", "a.test"),
        Fact("resumed", "yes, no certificate was sent"),
        Fact("trust", "verified", GOOD),
    ]


def test_what_went_wrong_is_said() -> None:
    info = ConnectionInfo("server", peer=("192.0.2.1", 443), error="handshake failed")
    info.tls = TlsInfo(version="TLSv1.1", verify_error="self-signed certificate")
    facts = connection_facts(info)
    assert Fact("version", "TLSv1.1", WARNING) in facts
    assert Fact("trust", "self-signed certificate", BAD) in facts
    assert Fact("error", "handshake failed", BAD) in facts


@pytest.mark.parametrize(
    ("kind", "expect"),
    [("tcp", "passed through, not decrypted"), ("tls", "handshake not finished")],
)
def test_a_hello_that_was_not_answered(kind: str, expect: str) -> None:
    info = ConnectionInfo("client", tls=TlsInfo(sni="a.test", client_hello=CLIENT_HELLO))
    facts = values(connection_facts(info, kind))
    assert facts["TLS"] == expect
    assert facts["server name"] == "a.test"
    assert "cipher" not in facts


def test_why_there_is_nothing_to_show() -> None:
    plain = flow()
    assert absence(plain, "client") == absence(plain, "server") == "plain HTTP, no TLS"
    tunnel = flow("tcp")
    assert absence(tunnel, "client") == "passed through, no TLS seen"
    tunnel.client.tls = TlsInfo(client_hello=CLIENT_HELLO)
    assert absence(tunnel, "client") == ""
    assert absence(flow("tls"), "server") == "no TLS on this side"
    alone = flow()
    alone.server = None
    assert absence(alone, "server") == "no connection to a server"
    alone.response = Response.make(200)
    assert absence(alone, "server") == "no server was asked"
    alone.state = ACTIVE
    assert absence(alone, "server") == "no connection to a server yet"


def test_annotations_come_with_the_short_ones_first() -> None:
    info = ConnectionInfo("client", annotations={"ja4_r": "x" * 80, "ja4": "b", "ja3": "a"})
    assert fingerprint_facts(info) == [
        Fact("ja3", "a"),
        Fact("ja4", "b"),
        Fact("ja4_r", "x" * 80),
    ]


def test_a_client_hello_in_wire_order() -> None:
    facts = client_hello_facts(CLIENT_HELLO)
    assert [fact.label for fact in facts] == [
        "legacy version",
        "session id",
        "18 ciphers",
        "server_name",
        "ec_point_formats",
        "supported_groups",
        "session_ticket",
        "alpn",
        "encrypt_then_mac",
        "extended_master_secret",
        "signature_algorithms",
        "supported_versions",
        "psk_key_exchange_modes",
        "key_share",
    ]
    found = values(facts)
    assert found["server_name"] == "api.example.com"
    assert found["18 ciphers"].startswith("TLS_AES_256_GCM_SHA384, TLS_CHACHA20_POLY1305_SHA256, ")
    assert found["supported_groups"].startswith("x25519, secp256r1, x448")
    assert found["supported_versions"] == "TLSv1.3, TLSv1.2"
    assert found["key_share"] == "x25519"
    assert found["session_ticket"] == "empty"
    assert found["psk_key_exchange_modes"] == "2 bytes"


def test_a_server_hello() -> None:
    assert server_hello_facts(SERVER_HELLO) == [
        Fact("version", "TLSv1.3"),
        Fact("cipher", "TLS_AES_256_GCM_SHA384"),
        Fact("supported_versions", "TLSv1.3"),
        Fact("key_share", "x25519"),
    ]


@pytest.mark.parametrize("size", range(0, len(CLIENT_HELLO), 7))
def test_a_broken_hello_is_unreadable_and_no_more(size: int) -> None:
    for facts in (client_hello_facts(CLIENT_HELLO[:size]), server_hello_facts(CLIENT_HELLO[:size])):
        assert [fact.label for fact in facts] == ["unreadable"]


def test_numbers_without_a_name() -> None:
    assert name_of(EXTENSIONS, 0x5A5A) == "GREASE"
    assert name_of(EXTENSIONS, 0xBEEF) == "0xbeef"
    assert [number for number in range(0x10000) if is_grease(number)] == [
        value << 8 | value for value in range(0x0A, 0x100, 0x10)
    ]


def test_a_certificate() -> None:
    now = datetime(2026, 6, 1, tzinfo=UTC)
    facts = values(certificate_facts(LEAF, now))
    assert facts == {
        "subject": "CN=example.com",
        "issuer": "CN=Example Root X1,O=Example Trust",
        "names": "example.com, *.example.com, *.example.net",
        "valid": "2026-01-01 to 2036-01-01, 3,501 days left",
        "key": "EC secp256r1",
        "signature": "ecdsa-with-SHA256",
        "serial": "1234567890abcdef",
        "SHA-256": "63252249fd8b813c6c30a75d46bc1bc5dd317204d553de699fa083b600b0e78b",
    }
    assert values(certificate_facts(ROOT, now))["issuer"] == "itself"
    assert certificate_title(LEAF) == "example.com"


@pytest.mark.parametrize(
    ("now", "value", "tone"),
    [
        (datetime(2025, 12, 31, tzinfo=UTC), "not yet", BAD),
        (datetime(2036, 1, 1, tzinfo=UTC) - timedelta(days=1, hours=1), "1 day left", WARNING),
        (datetime(2036, 1, 1, tzinfo=UTC) - timedelta(days=30), "30 days left", ""),
        (datetime(2036, 1, 3, 1, tzinfo=UTC), "expired 2 days ago", BAD),
    ],
)
def test_expiry(now: datetime, value: str, tone: str) -> None:
    (fact,) = (fact for fact in certificate_facts(LEAF, now) if fact.label == "valid")
    assert fact == Fact("valid", f"2026-01-01 to 2036-01-01, {value}", tone)


@pytest.mark.parametrize("der", [b"", b"0", LEAF[:200], LEAF[:-1], b"\x30\x82" + LEAF[:90]])
def test_a_broken_certificate_is_unreadable_and_no_more(der: bytes) -> None:
    facts = certificate_facts(der, datetime(2026, 6, 1, tzinfo=UTC))
    assert [(fact.label, fact.tone) for fact in facts] == [("unreadable", BAD)]
    assert certificate_title(der) == f"{len(der)} bytes"
