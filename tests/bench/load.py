"""Load on a proxy: wrk, h2load, curl, and for CONNECT, which wrk cannot speak, a client of ours.

`python -m tests.bench.load PROXY_PORT ORIGIN_PORT SECONDS CONNECTIONS` is that client: each request
is a CONNECT, a TLS handshake and one GET on a connection of its own; it prints how many succeeded.
"""

from __future__ import annotations

import re
import socket
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path

from tests.support.peers import clean_env, curl, program

ROOT = Path(__file__).parent.parent.parent
RUN = 2048  # requests of one h2load; new connections are 1 in 256 then
SCRIPT = 'wrk.path = "{path}"\nwrk.headers["Host"] = "{host}"\n'


def wrk(url: str, seconds: float, connections: int, *options: str) -> int:
    """Run wrk on one thread; how many requests were answered. Fails on any error."""
    run = subprocess.run(
        [program("wrk"), "-t1", f"-c{connections}", f"-d{seconds:g}s", *options, url],
        capture_output=True,
        text=True,
        check=True,
        env=clean_env(),
    )
    count = re.search(r"(\d+) requests in", run.stdout)
    if count is None or "Non-2xx" in run.stdout or "Socket errors" in run.stdout:
        raise SystemExit(f"wrk {url} met errors:\n{run.stdout}")
    return int(count[1])


def h2load(url: str, seconds: float, connections: int, streams: int) -> int:
    """Run h2load until `seconds` are over; how many requests were answered. Fails on any error.

    Each run ends with its last response. One that ends by the clock would leave all streams under
    way, whose cost would count and which would not.
    """
    sizes = (f"-c{connections}", f"-m{streams}", f"-n{RUN}")
    expected = (
        "Application protocol: h2\n",
        f"{RUN} done, {RUN} succeeded, 0 failed, 0 errored, 0 timeout",
        f"status codes: {RUN} 2xx",
    )
    deadline = time.monotonic() + seconds
    count = 0
    while time.monotonic() < deadline:
        command = [program("h2load"), *sizes, url]
        run = subprocess.run(command, capture_output=True, text=True, check=True, env=clean_env())
        if not all(text in run.stdout for text in expected):
            raise SystemExit(f"h2load {url} met errors:\n{run.stdout}")
        count += RUN
    return count


def download(url: str, size: int, *options: str) -> int:
    """Fetch the first `size` bytes of `url` with curl; 1, the number of requests."""
    target = ("--insecure", "--range", f"0-{size - 1}", "--output", "/dev/null", url)
    answer = curl(*options, *target, timeout=120)  # a body that is short ends in an error
    if (answer.exit_code, answer.status) != (0, 206):
        raise SystemExit(f"curl {url} met an error: {answer}")
    return 1


def absolute_form(directory: Path, origin: int, path: str) -> str:
    """A script that makes wrk ask for the whole URL, as one asks a proxy."""
    script = directory / "absolute.lua"
    host = f"127.0.0.1:{origin}"
    script.write_text(SCRIPT.format(path=f"http://{host}{path}", host=host))
    return str(script)


def connects(proxy: int, origin: int, seconds: float, connections: int) -> int:
    """Run the CONNECT client in a process of its own; how many requests were answered."""
    arguments = [str(number) for number in (proxy, origin, seconds, connections)]
    run = subprocess.run(
        [sys.executable, "-m", "tests.bench.load", *arguments],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env=clean_env(),
    )
    return int(run.stdout)


def _connect_once(proxy: int, origin: int, context: ssl.SSLContext) -> None:
    target = f"localhost:{origin}"
    with socket.create_connection(("127.0.0.1", proxy)) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            answer += sock.recv(4096)
        assert b" 200 " in answer[:16], answer
        with context.wrap_socket(sock, server_hostname="localhost") as tls:
            tls.sendall(f"GET /1k HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
            data = tls.recv(65536)
            while len(data.partition(b"\r\n\r\n")[2]) < 1024:
                data += tls.recv(65536)
            assert data.startswith(b"HTTP/1.1 200"), data[:100]


def main() -> None:
    """The CONNECT client."""
    proxy, origin, connections = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[4])
    deadline = time.monotonic() + float(sys.argv[3])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    counts = [0] * connections

    def work(index: int) -> None:
        while time.monotonic() < deadline:
            _connect_once(proxy, origin, context)
            counts[index] += 1

    threads = [threading.Thread(target=work, args=(index,)) for index in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(sum(counts))


if __name__ == "__main__":
    main()
