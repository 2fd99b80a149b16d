"""Names in certificates: hostile ones are left out, and a host is matched as RFC 9525 says."""

from __future__ import annotations

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from rama_proxy.certs.names import (
    MAX_NAMES,
    alternative_names,
    certificate_names,
    dns_name,
    general_names,
    matches,
)
from tests.support.issuer import Issuer

ISSUER = Issuer("issuer")

HOSTILE = [
    "",
    ".",
    "..",
    "a..b",
    ".example.com",
    "example.com\0.evil.org",
    "\0",
    "example.com\r\nX: y",
    "example.com\n",
    "exa mple.com",
    "*",
    "*.example.com",
    "w*.example.com",
    "www.*.com",
    "-example.com",
    "example-.com",
    "bücher.example",
    "exampleſ.com",
    "\u212aelvin.com",
    "ｅxample.com",
    "example\u3002com",
    "example.com:443",
    "user@example.com",
    "https://example.com/",
    "DNS:example.com",
    "example.com,IP:127.0.0.1",
    "a" * 64 + ".example.com",
    ".".join(["a"] * 300),
    "2130706433",
    "example.127",
    "1.2.3.4.5",
    "256.256.256.256",
    "[::1",
    "::g",
    "$(id).example.com",
    "%2e.example.com",
    "\x1b[2J.com",
    "\u202egro.live",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_none(name: str) -> None:
    assert dns_name(name) == ""
    assert general_names(name, ()) == []
    assert general_names("ok.example", [name]) == general_names(
        "ok.example", ["*.example.com"] if name == "*.example.com" else []
    )


@pytest.mark.parametrize(
    ("name", "expect"),
    [
        ("example.com", "example.com"),
        ("EXAMPLE.Com", "example.com"),
        ("example.com.", "example.com"),
        ("localhost", "localhost"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("_dmarc.some_host.internal", "_dmarc.some_host.internal"),
        ("a" * 63 + ".example", "a" * 63 + ".example"),
        ("3com.com", "3com.com"),
    ],
)
def test_a_valid_name_is_lower_case_without_a_final_dot(name: str, expect: str) -> None:
    assert dns_name(name) == expect


@pytest.mark.parametrize(
    ("name", "expect"),
    [
        ("*.example.com", "*.example.com"),
        ("*.com", ""),
        ("*", ""),
        ("*.*.com", ""),
        ("a*.example.com", ""),
    ],
)
def test_a_wildcard_is_a_whole_left_label_above_two_others(name: str, expect: str) -> None:
    assert dns_name(name, wildcard=True) == expect


@pytest.mark.parametrize(
    ("host", "expect"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("::1", "::1"),
        ("[::1]", "::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
    ],
)
def test_an_address_is_an_address(host: str, expect: str) -> None:
    [name] = general_names(host, ())
    assert isinstance(name, x509.IPAddress)
    assert str(name.value) == expect


def test_the_host_is_first_and_nothing_repeats() -> None:
    names = general_names("b.example", ["a.example", "B.EXAMPLE.", "127.0.0.1", "a.example"])
    assert [str(name.value) for name in names] == ["b.example", "a.example", "127.0.0.1"]


def test_a_wildcard_of_the_server_is_kept_and_one_of_the_client_is_not() -> None:
    assert general_names("*.example.com", ["*.example.com"]) == [x509.DNSName("*.example.com")]
    assert general_names("*.example.com", []) == []


def test_a_server_with_thousands_of_names_makes_no_giant_leaf() -> None:
    names = general_names("host.example", [f"n{number}.example" for number in range(5000)])
    assert len(names) == MAX_NAMES
    assert names[0] == x509.DNSName("host.example")


@given(st.text(), st.lists(st.text(max_size=12), max_size=4))
def test_any_text_makes_only_names_that_parse_back(host: str, names: list[str]) -> None:
    for name in general_names(host, names):
        if isinstance(name, x509.DNSName):
            assert dns_name(name.value, wildcard=True) == name.value
            assert name.value.isascii()


def certificate(*names: str, common_name: str = "leaf") -> x509.Certificate:
    return x509.load_pem_x509_certificate(ISSUER.leaf(*names, common_name=common_name))


@pytest.mark.parametrize(
    ("names", "host", "expect"),
    [
        (["example.com"], "example.com", True),
        (["example.com"], "EXAMPLE.com.", True),
        (["EXAMPLE.COM"], "example.com", True),
        (["other.com", "example.com"], "example.com", True),
        (["example.com"], "www.example.com", False),
        (["www.example.com"], "example.com", False),
        (["*.example.com"], "www.example.com", True),
        (["*.EXAMPLE.com"], "www.example.com", True),
        (["*.example.com"], "xn--bcher-kva.example.com", True),
        (["*.example.com"], "example.com", False),
        (["*.example.com"], "a.b.example.com", False),
        (["*.example.com"], ".example.com", False),
        (["w*.example.com"], "www.example.com", False),
        (["*w.example.com"], "www.example.com", False),
        (["www.*.com"], "www.example.com", False),
        (["*.*.com"], "www.example.com", False),
        (["*.com"], "example.com", False),
        (["*"], "localhost", False),
        (["127.0.0.1"], "127.0.0.1", True),
        (["127.0.0.1"], "127.0.0.2", False),
        (["::1"], "[::1]", True),
        (["::1"], "0:0:0:0:0:0:0:1", True),
        (["localhost"], "127.0.0.1", False),
        (["*.0.0.1"], "127.0.0.1", False),
        (["example.com\0.evil.org"], "example.com", False),
        (["evil.org", "example.com\0.evil.org"], "example.com\0.evil.org", False),
        ([], "leaf", False),
    ],
)
def test_a_host_matches_by_alternative_names_alone(
    names: list[str], host: str, expect: bool
) -> None:
    assert matches(certificate(*names), host) is expect


def test_an_address_written_as_a_dns_name_does_not_count() -> None:
    san = x509.SubjectAlternativeName([x509.DNSName("127.0.0.1")])
    pem = ISSUER.leaf(extensions=[(san, False)])
    assert not matches(x509.load_pem_x509_certificate(pem), "127.0.0.1")


def test_the_common_name_counts_for_no_host() -> None:
    found = certificate(common_name="example.com")
    assert not matches(found, "example.com")
    assert alternative_names(found) == []


def test_the_names_of_a_certificate_end_with_its_common_name() -> None:
    found = certificate("a.example", "127.0.0.1", common_name="b.example")
    assert certificate_names(found) == ("a.example", "127.0.0.1", "b.example")
    assert certificate_names(certificate("a.example", common_name="Some Company")) == ("a.example",)


def test_alternative_names_that_do_not_parse_are_for_nobody() -> None:
    oid = x509.SubjectAlternativeName.oid
    broken = x509.UnrecognizedExtension(oid, b"\x30\x03\x82\x01\xff")
    pem = ISSUER.leaf(common_name="a company", extensions=[(broken, False)])
    found = x509.load_pem_x509_certificate(pem)
    assert certificate_names(found) == ()
    assert not matches(found, "example.com")
