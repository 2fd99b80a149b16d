"""Where `rama_proxy.protocols.http1` and its judges differ on purpose, and why.

Nothing else may differ: the tests fail on a verdict that no row here explains, and on a row that
explains nothing.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from rama_proxy.model.headers import Field
from tests.support.judges import (
    Reading,
    Verdict,
    forwarded,
    h11_request,
    h11_response,
    llhttp_request,
    llhttp_response,
    our_response,
    passed_on,
)


class Deviation(NamedTuple):
    """`judges` say the contrary of us. `words` is what the refusing side says, as a pattern."""

    judges: tuple[str, ...]
    words: str
    reason: str


BOTH = ("h11", "llhttp")

# We refuse, they accept. `words` is our refusal.
STRICTER = [
    Deviation(
        BOTH,
        r"^version b'HTTP/\d\.\d'",
        "505 for every version but 1.0 and 1.1; h11 takes any digits, llhttp takes 2.0",
    ),
    Deviation(
        BOTH,
        r"^bare LF in line ",
        "RFC 9112 2.2 allows LF for CRLF, and readers that differ in it can be smuggled past; h11 "
        "takes it everywhere, llhttp behind what it reads as HTTP/0.9",
    ),
    Deviation(
        ("llhttp",),
        r"^no Host header|^more than one Host header",
        "llhttp leaves the rule of RFC 9112 3.2 to the program that uses it",
    ),
    Deviation(
        BOTH,
        r"^bad (Host|CONNECT target|target's authority) ",
        "they do not look into Host and authority; what we cannot read we cannot route, and a user "
        "in a target hides where it goes (RFC 9110 4.2.4)",
    ),
    Deviation(
        BOTH,
        r"^Host .* contradicts target ",
        "which of the two a server goes by differs, so a proxy that guesses can be misused",
    ),
    Deviation(
        BOTH,
        r"^target .* is neither a path nor a URL|^CONNECT target .* is not host:port|^bad port in",
        "they take every target for every method; RFC 9112 3.2 does not",
    ),
    Deviation(
        BOTH,
        r"^no host in target|^scheme '.*' in target",
        "there is nowhere to send it, or not by HTTP",
    ),
    Deviation(
        ("llhttp",),
        r"^an empty line where a request should begin|^not an HTTP request: b'\\r",
        "llhttp skips any number of empty lines and a CR alone, we one line (RFC 9112 2.2)",
    ),
    Deviation(
        ("llhttp",),
        r"^request line .* is not method, target and version",
        "llhttp takes HTTP/0.9 and several spaces in a row",
    ),
    Deviation(
        ("h11",),
        r"^(repeated|bad) Content-Length",
        "h11 joins equal lengths into one; we pass bytes on as they are, and RFC 9110 8.6 forbids "
        "to pass on these",
    ),
    Deviation(
        ("h11",),
        r"^both Content-Length and Transfer-Encoding",
        "h11 ignores the length as RFC 9112 6.3 allows; a server that does not is smuggled to",
    ),
    Deviation(
        ("h11",),
        r"^Transfer-Encoding on HTTP/1\.0|^CONNECT with ",
        "RFC 9112 6.1 calls the framing faulty; a CONNECT has no body (RFC 9110 9.3.6)",
    ),
    Deviation(
        ("llhttp",),
        r"^transfer coding .* in a request|^Transfer-Encoding on HTTP/1\.0|^CONNECT with ",
        "llhttp passes other codings before chunked, and HTTP/1.0 with them; servers that compare "
        "the whole value read no body then",
    ),
    Deviation(
        ("llhttp",),
        r"^empty name in Transfer-Encoding",
        "llhttp looks at the end of the value only",
    ),
    Deviation(
        ("h11",),
        r"^a tab behind Transfer-Encoding",
        "h11 takes blanks off as RFC 9110 5.5 says, llhttp leaves tabs on and sees no chunks",
    ),
    Deviation(
        ("h11",),
        r"^folded header line ",
        "h11 unfolds, which RFC 9112 5.2 leaves open; we pass bytes on as they are",
    ),
    Deviation(
        ("h11",),
        r"^control character ",
        "h11 takes all but NUL and white space; llhttp and RFC 9110 5.5 do not",
    ),
    Deviation(
        BOTH,
        r"^bad chunk size b['\"][0-9A-Fa-f]+;",
        "h11 takes anything behind a semicolon, llhttp empty names and values",
    ),
    Deviation(
        ("h11",),
        r"^bad chunk size b['\"][0-9A-Fa-f]+( |\\t)",
        "h11 takes blanks behind the size; in a request nobody needs them",
    ),
    Deviation(
        ("llhttp",),
        r"^bad chunk size b'0{2,}[0-9A-Fa-f]+'",
        "llhttp takes any number of leading zeros, h11 and we 20 digits in all",
    ),
    Deviation(
        ("h11",),
        r"^Content-Length b'\d+' is too large",
        "h11 counts further than 2**63, and here ignores the length because of chunks",
    ),
    Deviation(
        BOTH,
        r"^b'(?i:host|content-length|transfer-encoding)' as a trailer",
        "they leave it to the server to ignore these (RFC 9110 6.5.1)",
    ),
]

# We accept, they refuse. `words` is their refusal.
LENIENT = [
    Deviation(
        ("h11",),
        r"illegal request line: bytearray\(b['\"][^ ]+ [!-~]*\\x[89a-f]",
        "bytes from 0x80 in a target: browsers and scripts send raw UTF-8, servers take it",
    ),
    Deviation(
        ("llhttp",),
        r"Invalid char in url|Unexpected start char in url|Invalid characters in url",
        "the same, and llhttp takes apart the URL where we only look for its authority",
    ),
    Deviation(
        ("llhttp",),
        r"Invalid method encountered|Expected space after method",
        "llhttp knows its methods by name, RFC 9110 9.1 lets everybody make more",
    ),
    Deviation(
        ("h11",),
        r"no request line received",
        "an empty line before a request is to be skipped (RFC 9112 2.2)",
    ),
    Deviation(
        ("llhttp",),
        r"Invalid character in chunk extensions",
        "llhttp takes no blanks in chunk extensions, which RFC 9112 7.1.1 tells to parse",
    ),
]

# Responses: we refuse, they accept.
STRICTER_RESPONSE = [
    Deviation(
        BOTH,
        r"^(not an HTTP/1 response: b'HTTP/\d\.\d |bad status line b'HTTP/1\.\d )",
        "they take other versions than 1.0 and 1.1, and h11 any three digits as a status",
    ),
    Deviation(("h11",), r"^bare LF in line ", "as in requests"),
    Deviation(("h11",), r"^(repeated|bad) Content-Length", "as in requests, where values differ"),
    Deviation(
        BOTH,
        r"^Content-Length b'\d+' is too large",
        "as in requests; llhttp where there is no body to be that long",
    ),
    Deviation(
        ("llhttp",),
        r"^not an HTTP/1 response: b'\\[rn]",
        "llhttp skips empty lines; RFC 9112 2.2 lets servers do so, clients not",
    ),
    Deviation(("h11",), r"^both Content-Length and Transfer-Encoding", "as in requests"),
    Deviation(BOTH, r"^Transfer-Encoding on HTTP/1\.0", "as in requests"),
    Deviation(
        BOTH,
        r"^b'(?i:host|content-length|transfer-encoding)' as a trailer",
        "as in requests; llhttp minds Content-Length only",
    ),
    Deviation(("h11",), r"^folded header line ", "a trailer is passed on as it is, never mended"),
    Deviation(
        ("llhttp",),
        r"^transfer coding b'.*' in the response|^empty name in Transfer-Encoding",
        "llhttp reads to the end of the connection behind any coding; clients do not agree on what "
        "codings nobody knows mean",
    ),
    Deviation(("llhttp",), r"^bad chunk size b'0{2,}[0-9A-Fa-f]+'", "as in requests"),
    Deviation(BOTH, r"^bad chunk size b['\"][0-9A-Fa-f]+;", "as in requests"),
]

# Responses: we accept, they refuse.
LENIENT_RESPONSE = [
    Deviation(
        BOTH,
        r"illegal header line|Invalid header token|Invalid header field char",
        "a blank before a colon is taken out before we pass it on (RFC 9112 5.1)",
    ),
    Deviation(
        ("llhttp",),
        r"Unexpected whitespace after header value",
        "a folded line is made one before we pass it on (RFC 9112 5.2)",
    ),
    Deviation(
        ("llhttp",),
        r"Duplicate Content-Length",
        "the same length said twice is said once before we pass it on (RFC 9110 8.6)",
    ),
    Deviation(
        ("llhttp",),
        r"Invalid header value char",
        "control characters but NUL, CR, LF: RFC 9110 5.5 lets them be, browsers take them",
    ),
    Deviation(
        ("llhttp",),
        r"Invalid character in chunk (size|extensions)",
        "blanks behind a chunk size and around an extension: servers pad with them, browsers skip "
        "them",
    ),
    Deviation(
        ("h11",),
        r"multiple Transfer-Encoding headers|Only Transfer-Encoding: chunked is supported",
        "h11 knows chunked only; codings before it do not change how far a response reaches",
    ),
]


MENDED = LENIENT_RESPONSE[:3]
_RAW = re.compile(rb"[\x80-\xff]")


def agreement(
    ours: Verdict,
    theirs: Verdict,
    judge: str,
    stricter: list[Deviation] = STRICTER,
    lenient: list[Deviation] = LENIENT,
) -> Deviation | None:
    """The row that explains why the verdicts differ, None if they do not.

    A refusal and an unfinished message are one: neither lets the message through. Raises
    AssertionError for a difference without a row.
    """
    if isinstance(ours, Reading) and isinstance(theirs, Reading):
        assert _alike(ours) == _alike(theirs), judge
        return None
    if not isinstance(ours, Reading) and not isinstance(theirs, Reading):
        return None
    table, words = (lenient, theirs) if isinstance(ours, Reading) else (stricter, ours)
    for row in table:
        if judge in row.judges and words is not None and re.search(row.words, str(words)):
            return row
    raise AssertionError(f"{judge}: {theirs}; we: {ours}")


def check_forwarded(data: bytes) -> None:
    """If we forward the request in `data`, h11 reads what we forward as we do, to the last byte."""
    sent = forwarded(data)
    if sent is None:
        return
    # h11 knows no raw bytes in a target, see LENIENT.
    line, _, rest = sent[0].partition(b"\r\n")
    plain = _RAW.sub(b"x", line) + b"\r\n" + rest
    theirs = h11_request(plain)
    ours = sent[1]._replace(start=tuple(_RAW.sub(b"x", part) for part in sent[1].start))
    assert isinstance(theirs, Reading), theirs
    assert _alike(theirs) == _alike(ours)
    assert h11_request(plain[:-1]) is None, "something is passed on behind the request"
    agreement(sent[1], llhttp_request(sent[0]), "llhttp", [])


def check_passed_on(data: bytes) -> None:
    """If we pass on the response in `data`, it is read by all as we do, what is mended included."""
    sent = passed_on(data)
    if sent is None:
        return
    ours = our_response(data)
    assert our_response(sent) == ours
    rest = [row for row in LENIENT_RESPONSE if row not in MENDED]
    agreement(ours, h11_response(sent), "h11", [], rest)
    agreement(ours, llhttp_response(sent), "llhttp", [], rest)


def _alike(reading: Reading) -> Reading:
    """Without what the judges do to values.

    llhttp leaves the blanks behind a value to its user, h11 writes a fold as one blank, and a
    transfer coding in lower case.
    """
    return reading._replace(
        fields=[_plain(field) for field in reading.fields],
        trailers=[_plain(field) for field in reading.trailers],
    )


def _plain(field: Field) -> Field:
    name, value = field
    value = b" ".join(value.replace(b"\t", b" ").split())
    return name, value.lower() if name.lower() == b"transfer-encoding" else value
