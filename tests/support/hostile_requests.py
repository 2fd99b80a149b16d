"""Requests as attackers send them, and how each byte string is to be answered.

Written for a client of a proxy. `to_server` makes them what a client of a reverse proxy sends, and
what the server behind a regular proxy gets. A status of 200 comes from that server. The smuggled
request, where there is one, is for /admin.
"""

from __future__ import annotations

GET = b"GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n"
POST = b"POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
ADMIN = b"GET http://a.test/admin HTTP/1.1\r\nHost: a.test\r\n\r\n"
HELLO = b"5\r\nhello\r\n"
END = b"0\r\n\r\n"

Attack = tuple[tuple[int, ...], bytes]  # the answers, and what is sent

LENGTHS: list[Attack] = [  # CL.0, and lengths that readers read in several ways
    ((200, 200), POST + b"Content-Length: 5\r\n\r\nhello" + ADMIN),
    ((200, 200), GET + b"Content-Length: 5\r\n\r\nhello" + ADMIN),
    ((200, 200), POST + b"Content-Length: 0\r\n\r\n" + ADMIN),
    ((200, 200), POST + b"Content-Length: 0000000005\r\n\r\nhello" + ADMIN),
    ((200,), GET + b"Content-Length: 28\r\n\r\nGET /admin HTTP/1.1\r\nHost: b"),
    ((), POST + b"Content-Length: 99\r\n\r\nGET /admin HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    ((400,), POST + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello" + ADMIN),
    ((400,), POST + b"Content-Length: 5\r\nContent-Length: 0\r\n\r\nhello" + ADMIN),
    ((400,), POST + b"Content-Length: 0\r\ncontent-length: 5\r\n\r\nhello" + ADMIN),
    ((400,), POST + b"Content-Length: 5, 5\r\n\r\nhello" + ADMIN),
    ((400,), POST + b"Content-Length: 5,0\r\n\r\nhello" + ADMIN),
    ((400,), POST + b"Content-Length: +5\r\n\r\nhello" + ADMIN),
    ((400,), POST + b"Content-Length: -5\r\n\r\nhello" + ADMIN),
    ((400,), POST + b"Content-Length: 5.0\r\n\r\nhello" + ADMIN),
    ((400,), POST + b"Content-Length: 0x5\r\n\r\nhello" + ADMIN),
    ((400,), POST + b"Content-Length: 5e0\r\n\r\nhello" + ADMIN),
    ((400,), POST + b"Content-Length: 1_0\r\n\r\n0123456789" + ADMIN),
    ((400,), POST + b"Content-Length: 5 5\r\n\r\nhello" + ADMIN),
    ((400,), POST + b"Content-Length: \xb25\r\n\r\nhello" + ADMIN),
    ((400,), POST + b"Content-Length: '5'\r\n\r\nhello" + ADMIN),
    ((400,), POST + b"Content-Length: five\r\n\r\nhello" + ADMIN),
    ((400,), POST + b"Content-Length:\r\n\r\n" + ADMIN),
    ((400,), POST + b"Content-Length: 18446744073709551621\r\n\r\nhello" + ADMIN),
    ((400,), POST + b"Content-Length: 4294967301000000000\r\n\r\nhello" + ADMIN),
    ((400,), POST + b"Content-Length : 5\r\n\r\nhello" + ADMIN),
    ((400,), POST + b"Content-Length\t: 5\r\n\r\nhello" + ADMIN),
    ((400,), POST + b" Content-Length: 5\r\n\r\nhello" + ADMIN),
    ((400,), POST + b"Content-Length\x00: 5\r\n\r\nhello" + ADMIN),
    ((400,), POST + b"Content-Length:\r\n 5\r\n\r\nhello" + ADMIN),
    ((400,), POST + b"Content-Length: \x0b5\r\n\r\nhello" + ADMIN),
    ((400,), POST + b"Content-Length: 5\x00\r\n\r\nhello" + ADMIN),
    ((400,), POST + b"Content-Length: 5\r\r\n\r\nhello" + ADMIN),
]

BOTH: list[Attack] = [  # CL.TE and TE.CL
    ((400,), POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n" + END + ADMIN),
    ((400,), POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n" + END + ADMIN),
    ((400,), POST + b"Content-Length: 65\r\nTransfer-Encoding: chunked\r\n\r\n" + END + ADMIN),
    ((400,), POST + b"Transfer-Encoding: identity\r\nContent-Length: 5\r\n\r\nhello" + ADMIN),
    ((400,), POST + b"Transfer-Encoding: chunked\r\nContent-Length: x\r\n\r\n" + END + ADMIN),
    ((400,), POST + b"Content-Length: 5\r\nTransfer-Encoding : chunked\r\n\r\n" + END + ADMIN),
    ((400,), POST + b"Content-Length: 5\r\nTransfer-Encoding:\r\n chunked\r\n\r\n" + END + ADMIN),
    ((400,), POST + b"Content-Length: 5\r\nX: y\nTransfer-Encoding: chunked\r\n\r\n" + END + ADMIN),
    ((400,), POST + b"Content-Length: 5\r\nX: y\rTransfer-Encoding: chunked\r\n\r\n" + END + ADMIN),
    ((400,), POST + b"Content-Length: 5\r\n Transfer-Encoding: chunked\r\n\r\n" + END + ADMIN),
    ((400,), POST + b"Content-Length: 5\r\nTransfer-Encoding\x00: chunked\r\n\r\n" + END + ADMIN),
    ((200, 200), POST + b"Content-Length: 5\r\nTransfer_Encoding: chunked\r\n\r\n" + END + ADMIN),
    ((200, 200), POST + b"Content-Length: 5\r\nX-Transfer-Encoding: chunked\r\n\r\n" + END + ADMIN),
    ((400,), b"POST http://a.test/ HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n" + END + ADMIN),
    (
        (400,),
        b"POST http://a.test/ HTTP/1.0\r\nHost: a.test\r\nContent-Length: 5\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n" + END + ADMIN,
    ),
]

CODINGS: list[Attack] = [  # TE.TE: what one reader takes for chunked and the next does not
    ((200, 200), POST + b"Transfer-Encoding: chunked\r\n\r\n" + END + ADMIN),
    ((200, 200), POST + b"transfer-encoding:CHUNKED\r\n\r\n" + END + ADMIN),
    ((200, 200), POST + b"Transfer-Encoding:\t chunked  \r\n\r\n" + END + ADMIN),
    ((400,), POST + b"Transfer-Encoding: chunked\t\r\n\r\n" + END + ADMIN),
    ((400,), POST + b"X: y\r\nTransfer-Encoding: chunked \t \t\r\n\r\n" + END + ADMIN),
    ((400,), POST + b"Transfer-Encoding: chunked, identity\r\n\r\n" + END + ADMIN),
    ((400,), POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n" + END + ADMIN),
    ((400,), POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n" + END + ADMIN),
    ((400,), POST + b"Transfer-Encoding: identity\r\n\r\n" + END + ADMIN),
    ((400,), POST + b"Transfer-Encoding: xchunked\r\n\r\n" + END + ADMIN),
    ((400,), POST + b"Transfer-Encoding: chunkedx\r\n\r\n" + END + ADMIN),
    ((400,), POST + b"Transfer-Encoding: chunked;q=1\r\n\r\n" + END + ADMIN),
    ((400,), POST + b'Transfer-Encoding: "chunked"\r\n\r\n' + END + ADMIN),
    ((400,), POST + b"Transfer-Encoding: chun ked\r\n\r\n" + END + ADMIN),
    ((400,), POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n" + END + ADMIN),
    ((400,), POST + b"Transfer-Encoding: \x0cchunked\r\n\r\n" + END + ADMIN),
    ((400,), POST + b"Transfer-Encoding: \xa0chunked\r\n\r\n" + END + ADMIN),
    ((400,), POST + b"Transfer-Encoding: chunked\x00\r\n\r\n" + END + ADMIN),
    ((400,), POST + b"Transfer-Encoding: ,chunked\r\n\r\n" + END + ADMIN),
    ((400,), POST + b"Transfer-Encoding: chunked,\r\n\r\n" + END + ADMIN),
    ((400,), POST + b"Transfer-Encoding:\r\n\r\n" + END + ADMIN),
    ((501,), POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + END + ADMIN),
    ((501,), POST + b"Transfer-Encoding: cow, chunked\r\n\r\n" + END + ADMIN),
    ((501,), POST + b"Transfer-Encoding: identity, chunked\r\n\r\n" + END + ADMIN),
    (
        (400,),
        POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n" + END + ADMIN,
    ),
    ((400,), POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: cow\r\n\r\n" + END + ADMIN),
    ((501,), POST + b"Transfer-Encoding: cow\r\nTransfer-Encoding: chunked\r\n\r\n" + END + ADMIN),
    ((400,), POST + b"\x00Transfer-Encoding: chunked\r\n\r\n" + END + ADMIN),
    ((400,), POST + b"Transfer-Encoding\xa0: chunked\r\n\r\n" + END + ADMIN),
]

CHUNKS: list[Attack] = [
    ((200, 200), CHUNKED + HELLO + END + ADMIN),
    ((200, 200), CHUNKED + b'5;a=b;c="d;\\"e"\r\nhello\r\n000;last\r\n\r\n' + ADMIN),
    ((200, 200), CHUNKED + HELLO + b"0\r\nX-Sum: 1\r\n\r\n" + ADMIN),
    ((400,), CHUNKED + b"5\nhello\r\n" + END + ADMIN),
    ((400,), CHUNKED + b"5\rhello\r\n" + END + ADMIN),
    ((400,), CHUNKED + b"5\r\nhello\n" + END + ADMIN),
    ((400,), CHUNKED + b"5\r\nhelloXX" + END + ADMIN),
    ((400,), CHUNKED + b"4\r\nhello\r\n" + END + ADMIN),
    ((400,), CHUNKED + b"6\r\nhello\r\n" + END + ADMIN),
    ((400,), CHUNKED + b"5;\r\nhello\r\n" + END + ADMIN),
    ((400,), CHUNKED + b"5;a\nhello\r\n" + END + ADMIN),
    ((400,), CHUNKED + b"5;a\rb\r\nhello\r\n" + END + ADMIN),
    ((400,), CHUNKED + b"5;a\x00\r\nhello\r\n" + END + ADMIN),
    ((400,), CHUNKED + b'5;a="b\r\nhello\r\n' + END + ADMIN),
    ((400,), CHUNKED + b"5 ;a\r\nhello\r\n" + END + ADMIN),
    ((400,), CHUNKED + b"5 \r\nhello\r\n" + END + ADMIN),
    ((400,), CHUNKED + b" 5\r\nhello\r\n" + END + ADMIN),
    ((400,), CHUNKED + b"+5\r\nhello\r\n" + END + ADMIN),
    ((400,), CHUNKED + b"-5\r\nhello\r\n" + END + ADMIN),
    ((400,), CHUNKED + b"0x5\r\nhello\r\n" + END + ADMIN),
    ((400,), CHUNKED + b"5_0\r\nhello\r\n" + END + ADMIN),
    ((400,), CHUNKED + b"5h\r\nhello\r\n" + END + ADMIN),
    ((400,), CHUNKED + b"\r\nhello\r\n" + END + ADMIN),
    ((400,), CHUNKED + b"10000000000000005\r\nhello\r\n" + END + ADMIN),
    ((400,), CHUNKED + b"FFFFFFFFFFFFFFFF\r\nhello\r\n" + END + ADMIN),
    ((400,), CHUNKED + b"000000000000000000005\r\nhello\r\n" + END + ADMIN),
    ((400,), CHUNKED + HELLO + b"0\r\nX : y\r\n\r\n" + ADMIN),
    ((400,), CHUNKED + HELLO + b"0\r\nX: y\r\n z\r\n\r\n" + ADMIN),
    ((400,), CHUNKED + HELLO + b"0\r\nX: y\n\r\n" + ADMIN),
    ((400,), CHUNKED + HELLO + b"0\r\nContent-Length: 9\r\n\r\n" + ADMIN),
    ((400,), CHUNKED + HELLO + b"0\r\nTransfer-Encoding: chunked\r\n\r\n" + ADMIN),
    ((400,), CHUNKED + HELLO + b"0\r\nHost: b.test\r\n\r\n" + ADMIN),
    ((400,), CHUNKED + HELLO + b"0\n\n" + ADMIN),
    ((400,), CHUNKED + HELLO + b"0\r\n" + ADMIN),
    ((), CHUNKED + HELLO + b"0\r\n\r"),
    ((), CHUNKED + b"99\r\nGET /admin HTTP/1.1\r\nHost: a.test\r\n\r\n"),
]

LINES: list[Attack] = [  # first lines, line ends, folds, blanks, NUL
    ((200, 200), b"\r\n" + GET + b"\r\n" + ADMIN),
    ((400,), b"\n" + GET + b"\r\n"),
    ((400,), b" " + GET + b"\r\n"),
    ((400,), b"GET  http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    ((400,), b"GET http://a.test/  HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    ((400,), b"GET http://a.test/ HTTP/1.1 \r\nHost: a.test\r\n\r\n"),
    ((400,), b"GET\thttp://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    ((400,), b"GET http://a.test/ x HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    ((400,), b"GET http://a.test/\x00 HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    ((400,), b"GET http://a.test/\x7f HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    ((400,), b"GET http://a.test/\rX HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    ((400,), b"GET http://a.test/ HTTP/1.1\nHost: a.test\r\n\r\n"),
    ((400,), b"GET http://a.test/\r\nHost: a.test\r\n\r\n"),
    ((400,), b"GET http://a.test/ http/1.1\r\nHost: a.test\r\n\r\n"),
    ((400,), b"GET http://a.test/ HTTP/1.10\r\nHost: a.test\r\n\r\n"),
    ((505,), b"GET http://a.test/ HTTP/1.2\r\nHost: a.test\r\n\r\n"),
    ((505,), b"GET http://a.test/ HTTP/2.0\r\nHost: a.test\r\n\r\n"),
    ((400,), GET.replace(b"\r\n", b"\n") + b"\n" + ADMIN),
    ((400,), GET + b"X: y\n\r\n" + ADMIN),
    ((400,), GET + b"X: y\r\n\n" + ADMIN),
    ((400,), GET + b"\n" + ADMIN),
    ((400,), GET + b"X: y\r\r\n\r\n" + ADMIN),
    ((400,), GET + b"X: y\r\n z\r\n\r\n" + ADMIN),
    ((400,), GET + b"X: y\r\n\tz: 1\r\n\r\n" + ADMIN),
    ((400,), GET + b"X:\r\n \r\n\r\n" + ADMIN),
    ((400,), GET + b"X : y\r\n\r\n" + ADMIN),
    ((400,), GET + b"X y: z\r\n\r\n" + ADMIN),
    ((400,), GET + b"X\r\n\r\n" + ADMIN),
    ((400,), GET + b": y\r\n\r\n" + ADMIN),
    ((400,), GET + b"X: a\x00b\r\n\r\n" + ADMIN),
    ((400,), GET + b"X: a\x0bb\r\n\r\n" + ADMIN),
    ((400,), GET + b"X\xe4: y\r\n\r\n" + ADMIN),
    ((400,), GET + b"X(y): z\r\n\r\n" + ADMIN),
    ((400,), GET + b"X: y\r\n\r" + ADMIN),
]

HOSTS: list[Attack] = [  # who is asked
    ((400,), b"GET http://a.test/ HTTP/1.1\r\n\r\n"),
    ((400,), GET + b"Host: a.test\r\n\r\n"),
    ((400,), GET + b"Host: b.test\r\n\r\n"),
    ((400,), GET + b"hOST:b.test\r\n\r\n"),
    ((400,), b"GET http://a.test/ HTTP/1.1\r\nHost: a.test, b.test\r\n\r\n"),
    ((400,), b"GET http://a.test/ HTTP/1.1\r\nHost: a.test b.test\r\n\r\n"),
    ((400,), b"GET http://a.test/ HTTP/1.1\r\nHost: x@a.test\r\n\r\n"),
    ((400,), b"GET http://a.test/ HTTP/1.1\r\nHost: a.test/x\r\n\r\n"),
    ((400,), b"GET http://a.test/ HTTP/1.1\r\nHost: a.test:x\r\n\r\n"),
    ((400,), b"GET http://a.test/ HTTP/1.1\r\nHost: a.test:99999\r\n\r\n"),
    ((400,), b"GET http://a.test/ HTTP/1.1\r\nHost: a.test\\x\r\n\r\n"),
    ((400,), b"GET http://a.test/ HTTP/1.1\r\nHost:\r\n a.test\r\n\r\n"),
    ((400,), b"GET http://a.test/ HTTP/1.1\r\nHost : a.test\r\n\r\n"),
]

TO_PROXIES: list[Attack] = [  # absolute targets; a method so long that it may be no HTTP
    ((400,), b"GET" + b"T" * 62 + b" http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    ((400,), b"GET http://a.test/ HTTP/1.1\r\nHost: b.test\r\n\r\n"),
    ((400,), b"GET http://a.test/ HTTP/1.1\r\nHost: a.test:81\r\n\r\n"),
    ((400,), b"GET http://a.test/ HTTP/1.1\r\nHost:\r\n\r\n"),
    ((400,), b"GET http://b.test@a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    ((400,), b"GET http://a.test\\@b.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    ((400,), b"GET http://a.test:0/ HTTP/1.1\r\nHost: a.test:0\r\n\r\n"),
    ((400,), b"GET http://a.test:99999/ HTTP/1.1\r\nHost: a.test:99999\r\n\r\n"),
    ((400,), b"GET http://a.test:8 0/ HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    ((400,), b"GET http:///x HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    ((400,), b"GET http:/x HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    ((400,), b"GET a.test/x HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    ((400,), b"GET a.test:80 HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    ((400,), b"GET * HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    ((400,), b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    ((501,), b"GET ftp://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    ((501,), b"GET file://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    ((400,), b"CONNECT a.test HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    ((400,), b"CONNECT http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    ((400,), b"CONNECT a.test:0 HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    ((400,), b"CONNECT x@a.test:80 HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    ((400,), b"CONNECT a.test:80 HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello"),
    (
        (400,),
        b"CONNECT a.test:80 HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n" + END,
    ),
]

LARGE: list[Attack] = [
    ((414,), b"GET http://a.test/" + b"x" * 40_000 + b" HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    ((431,), GET + b"X: " + b"x" * 1_000_000 + b"\r\n\r\n"),
    ((431,), GET + b"x" * 1_000_000 + b": y\r\n\r\n"),
    ((431,), GET + b"X: y\r\n" * 10_000 + b"\r\n"),
    ((431,), GET + b"X: y\r\n" * 256 + b"\r\n"),
    ((400,), CHUNKED + b"5;" + b"x" * 5000 + b"\r\nhello\r\n" + END),
    ((400,), CHUNKED + HELLO + b"0\r\nX: " + b"x" * 20_000 + b"\r\n\r\n"),
    ((400,), CHUNKED + HELLO + b"0\r\n" + b"X: y\r\n" * 300 + b"\r\n"),
    ((200, 200), GET + b"X: y\r\n" * 200 + b"\r\n" + ADMIN),
    ((200,), CHUNKED + b"1\r\nx\r\n" * 5000 + END),
]

TO_SERVERS: list[Attack] = [
    ((501,), b"GET" + b"T" * 62 + b" / HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    ((400,), b"\x00\x01 no HTTP at all\r\n\r\n"),
    ((400,), b"\x05\x01\x00"),
    ((400,), b"SSH-2.0-OpenSSH_9.2\r\n"),
    ((), b"GE"),
]

EVERYWHERE = LENGTHS + BOTH + CODINGS + CHUNKS + LINES + HOSTS + LARGE


def to_server(data: bytes) -> bytes:
    """The same for a server: targets as paths."""
    return data.replace(b" http://a.test/", b" /")
