"""The fingerprint addon: published vectors, hellos of real programs, and the odd cases.

The text of HTTP/2's is made, and tested, where a connection's start is read.
"""

import pytest

from rama_addons import fingerprint
from rama_proxy import (
    ClientHello,
    ClientHelloData,
    ConnectionInfo,
    ConnectionStart,
    Http2StartData,
    ServerConnectData,
    ServerHello,
    TlsInfo,
)
from rama_proxy.hooks import Hooks
from tests.support import hellos

CHROME_CIPHERS = (
    0x1301, 0x1302, 0x1303, 0xC02B, 0xC02F, 0xC02C, 0xC030, 0xCCA9, 0xCCA8, 0xC013, 0xC014,
    0x009C, 0x009D, 0x002F, 0x0035,
)  # fmt: skip
CHROME_SIGNATURES = b"\x00\x10\x04\x03\x08\x04\x04\x01\x05\x03\x08\x05\x05\x01\x08\x06\x06\x01"
H2_FIRST = b"\x00\x0c\x02h2\x08http/1.1"
TLS_13_FIRST = b"\x04\x03\x04\x03\x03"


def hello_of(
    extensions: list[tuple[int, bytes]],
    ciphers: tuple[int, ...] = (0x1301,),
    version: int = 0x0303,
) -> ClientHello:
    return ClientHello(b"", version, bytes(32), b"", ciphers, (0,), tuple(extensions))


def test_ja4_as_its_description_has_it() -> None:
    kinds = (0x1B, 0, 0x33, 16, 0x4469, 0x17, 0x2D, 13, 5, 0x23, 0x12, 43, 0xFF01, 11, 10, 0x15)
    content = {13: CHROME_SIGNATURES, 16: H2_FIRST, 43: TLS_13_FIRST}
    hello = hello_of([(kind, content.get(kind, b"")) for kind in kinds], CHROME_CIPHERS)
    sorted_ciphers = "002f,0035,009c,009d,1301,1302,1303,c013,c014,c02b,c02c,c02f,c030,cca8,cca9"
    sorted_extensions = "0005,000a,000b,000d,0012,0015,0017,001b,0023,002b,002d,0033,4469,ff01"
    signatures = "0403,0804,0401,0503,0805,0501,0806,0601"
    assert fingerprint.ja4_names(hello) == {
        "ja4": "t13d1516h2_8daaf6152771_e5627efa2ab1",
        "ja4_r": f"t13d1516h2_{sorted_ciphers}_{sorted_extensions}_{signatures}",
        "ja4_o": "t13d1516h2_acb858a92679_18f69afefd3d",
        "ja4_ro": "t13d1516h2_"
        "1301,1302,1303,c02b,c02f,c02c,c030,cca9,cca8,c013,c014,009c,009d,002f,0035_"
        "001b,0000,0033,0010,4469,0017,002d,000d,0005,0023,0012,002b,ff01,000b,000a,0015_"
        f"{signatures}",
    }


def test_ja3_and_ja4_as_a_public_checker_shows_them_for_chrome_143() -> None:
    kinds = (45, 51, 16, 65037, 23, 17613, 0, 11, 10, 43, 65281, 35, 18, 5, 13, 27)
    content = {
        10: b"\x00\x0a\x3a\x3a\x11\xec\x00\x1d\x00\x17\x00\x18",
        11: b"\x01\x00",
        13: CHROME_SIGNATURES,
        16: H2_FIRST,
        43: b"\x06\x2a\x2a\x03\x04\x03\x03",
    }
    extensions = [(kind, content.get(kind, b"")) for kind in kinds]
    hello = hello_of([(0x4A4A, b""), *extensions, (0xDADA, b"\x00")], (0x9A9A, *CHROME_CIPHERS))
    assert fingerprint.ja3_names(hello) == {
        "ja3": "98487aa16281980e7d1120d399efb6a4",
        "ja3n": "8e19337e7524d2573be54efb2b0784c9",
    }
    names = fingerprint.ja4_names(hello)
    assert names["ja4"] == "t13d1516h2_8daaf6152771_d8a2da3f94cd"
    assert names["ja4_o"] == "t13d1516h2_acb858a92679_f96a17c57971"


@pytest.mark.parametrize(
    ("hello", "text", "digest"),
    [
        (
            hello_of(
                [(0, b""), (10, b"\x00\x06\x00\x17\x00\x18\x00\x19"), (11, b"\x01\x00")],
                (47, 53, 5, 10, 49161, 49162, 49171, 49172, 50, 56, 19, 4),
                0x0301,
            ),
            "769,47-53-5-10-49161-49162-49171-49172-50-56-19-4,0-10-11,23-24-25,0",
            "ada70206e40642a3e4461f35503241d5",
        ),
        (
            hello_of([], (4, 5, 10, 9, 100, 98, 3, 6, 19, 18, 99), 0x0301),
            "769,4-5-10-9-100-98-3-6-19-18-99,,,",
            "de350869b8c85de67a350c8d186f11e6",
        ),
    ],
)
def test_ja3_as_its_description_has_it(hello: ClientHello, text: str, digest: str) -> None:
    assert fingerprint.ja3_text(hello, [kind for kind, _ in hello.extensions]) == text
    assert fingerprint.ja3_names(hello)["ja3"] == digest


@pytest.mark.parametrize(
    ("raw", "ja4"),
    [
        (hellos.CHROMIUM_156, "t13d1517h2_8daaf6152771_cb7bf5808d99"),
        (hellos.PYTHON_3_11, "t13d181100_85036bcba153_d41ae481755e"),
        (hellos.CURL_7_88, "t13d3112h2_e8f1e7e78f70_b26ce05bbdd6"),
        (hellos.OPENSSL_TLS12, "t12d280700_d943125447b4_e7e480e5a997"),
        (hellos.OPENSSL_NO_NAME, "t13i3110hh_e8f1e7e78f70_1f22a2ca17c4"),
    ],
    ids=["chromium", "python", "curl", "openssl", "openssl-without-name"],
)
def test_ja4_of_real_programs(raw: bytes, ja4: str) -> None:
    assert fingerprint.ja4_names(ClientHello.from_bytes(raw))["ja4"] == ja4


def test_grease_is_left_out_wherever_it_stands() -> None:
    extensions = [
        (0, b""),
        (10, b"\x00\x02\x00\x1d"),
        (13, b"\x00\x02\x04\x03"),
        (43, b"\x02\x03\x04"),
    ]
    greased = [
        (0x0A0A, b""),
        (0, b""),
        (10, b"\x00\x04\xea\xea\x00\x1d"),
        (13, b"\x00\x04\x1a\x1a\x04\x03"),
        (43, b"\x04\xfa\xfa\x03\x04"),
        (0xFAFA, b"\x00"),
    ]
    plain, with_grease = hello_of(extensions), hello_of(greased, (0x2A2A, 0x1301))
    assert fingerprint.ja4_names(with_grease) == fingerprint.ja4_names(plain)
    assert fingerprint.ja3_names(with_grease) == fingerprint.ja3_names(plain)
    assert len(fingerprint.GREASE) == 16
    assert 0x1A0A not in fingerprint.GREASE


@pytest.mark.parametrize(
    ("first", "letters"),
    [
        (b"", "00"),
        (b"h2", "h2"),
        (b"http/1.1", "h1"),
        (b"h", "hh"),
        (b"\xab", "ab"),
        (b"\xab\xcd", "ad"),
        (b"\x30\xab", "3b"),
        (b"\x30\x31\xab\xcd", "3d"),
        (b"\x30\xab\xcd\x31", "01"),
        (b"\xba\xad", "bd"),
        (b"-", "2d"),
    ],
)
def test_letters_of_the_first_protocol(first: bytes, letters: str) -> None:
    assert fingerprint.alpn_letters(first) == letters


@pytest.mark.parametrize(
    ("version", "supported", "shown"),
    [
        (0x0303, b"\x04\x03\x03\x03\x04", "13"),
        (0x0303, b"", "12"),
        (0x0302, b"", "11"),
        (0x0301, b"", "10"),
        (0x0300, b"", "s3"),
        (0x0002, b"", "s2"),
        (0x0303, b"\x02\x7f\x1c", "00"),
    ],
)
def test_the_highest_version_offered_is_shown(version: int, supported: bytes, shown: str) -> None:
    hello = hello_of([(43, supported)] if supported else [], version=version)
    assert fingerprint.ja4_names(hello)["ja4"][1:3] == shown


def test_what_is_not_there_is_zeros() -> None:
    assert fingerprint.ja4_names(hello_of([], ())) == {
        "ja4": "t12i000000_000000000000_000000000000",
        "ja4_r": "t12i000000__",
        "ja4_o": "t12i000000_000000000000_000000000000",
        "ja4_ro": "t12i000000__",
    }


def test_only_a_name_is_nothing_when_sorted_and_something_in_order() -> None:
    names = fingerprint.ja4_names(hello_of([(0, b"")]))
    assert names["ja4"].endswith("_000000000000")
    assert names["ja4_ro"] == "t12d010100_1301_0000"
    assert not names["ja4_o"].endswith("_000000000000")


def test_counts_end_at_99() -> None:
    hello = hello_of([(kind, b"") for kind in range(200, 320)], tuple(range(120)))
    assert fingerprint.ja4_names(hello)["ja4"].startswith("t12i999900_")


SERVER_HELLO = (
    b"\x02\x00\x00\x31\x03\x01" + bytes(32) + b"\x00\xc0\x13\x00"
    b"\x00\x09\xff\x01\x00\x01\x00\x00\x0b\x00\x00"
)


def test_ja3s_as_suricata_has_it() -> None:
    hello = ServerHello.from_bytes(SERVER_HELLO)
    assert fingerprint.ja3s_text(hello) == "769,49171,65281-11"
    assert fingerprint.ja3s_name(hello) == "184d532a16876b78846ae6a03f654890"


async def test_hooks_annotate_the_connections() -> None:
    problems: list[tuple[str, str, str]] = []
    hooks = Hooks([fingerprint], lambda *problem: problems.append(problem))
    client, server = ConnectionInfo("client"), ConnectionInfo("server")
    hello = ClientHello.from_bytes(hellos.CHROMIUM_156)
    await hooks.run(hooks.tls_clienthello, ClientHelloData(client, hello))
    server.tls = TlsInfo(server_hello=SERVER_HELLO)
    await hooks.run(hooks.tls_established_server, ServerConnectData(server, client))
    firefox = ConnectionStart(
        settings=((1, 65536), (2, 0), (4, 131072), (5, 16384)),
        window_update=12517377,
        pseudo_order="mpas",
    )
    await hooks.run(hooks.http2_start, Http2StartData(client, firefox))
    assert problems == []
    assert client.annotations["h2fp"] == "6ea73faa8fc5aac76bded7bd238f6433"
    assert client.annotations["h2fp_text"] == ("1:65536;2:0;4:131072;5:16384|12517377|0|m,p,a,s")
    assert client.annotations["ja4"] == "t13d1517h2_8daaf6152771_cb7bf5808d99"
    assert server.annotations == {"ja3s": "184d532a16876b78846ae6a03f654890"}
    assert set(client.annotations) | set(server.annotations) == set(hooks.annotations())


@pytest.mark.parametrize("tls", [None, TlsInfo()])
async def test_a_server_whose_hello_is_unknown_has_no_ja3s(tls: TlsInfo | None) -> None:
    server = ConnectionInfo("server", tls=tls)
    fingerprint.tls_established_server(ServerConnectData(server, ConnectionInfo("client")))
    assert server.annotations == {}


def test_a_retry_request_is_no_answer_to_fingerprint() -> None:
    retry = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
    server = ConnectionInfo("server")
    server.tls = TlsInfo(server_hello=SERVER_HELLO.replace(bytes(32), retry))
    fingerprint.tls_established_server(ServerConnectData(server, ConnectionInfo("client")))
    assert server.annotations == {}
