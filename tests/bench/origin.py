"""The origin of the bench: nginx as the tests have it, and one beside it that offers HTTP/2."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.support.certificates import TestAuthority
from tests.support.peers import Nginx, free_port, listens, program, wait_for

CONF = """
daemon off;
master_process off;
pid http2.pid;
error_log error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path tmp; proxy_temp_path tmp; fastcgi_temp_path tmp;
  uwsgi_temp_path tmp; scgi_temp_path tmp;
  keepalive_requests 1000000000;
  sendfile on; tcp_nopush on;
  server {{
    listen 127.0.0.1:{port} ssl http2;
    ssl_certificate leaf.pem; ssl_certificate_key leaf.pem;
    ssl_session_cache off; ssl_session_tickets off;
    root files;
  }}
}}
"""


class Origin(Nginx):
    """`https2_port` offers HTTP/2 and HTTP/1.1 over TLS and serves the same files."""

    def __init__(self, directory: Path, authority: TestAuthority) -> None:
        super().__init__(directory, authority, log=False)
        self.https2_port = free_port()
        (directory / "http2.conf").write_text(CONF.format(port=self.https2_port))
        self._http2 = subprocess.Popen(
            [program("nginx"), "-p", str(directory), "-c", "http2.conf", "-e", "error.log"],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_for(lambda: listens(self.https2_port), "nginx to listen for HTTP/2")

    def close(self) -> None:
        """Stop both."""
        self._http2.terminate()
        self._http2.wait(10)
        super().close()
