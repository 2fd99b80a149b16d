"""A gRPC server and clients in processes of their own: grpcio's threads outlive what closes it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import IO, Any, Self

from tests.support.grpc_calls import Said
from tests.support.peers import clean_env

ROOT = Path(__file__).parent.parent.parent


class Peer:
    """A child process that runs a module; it ends when its input does."""

    def __init__(self, module: str, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"tests.support.{module}", *arguments],
            cwd=ROOT,
            env=clean_env(GRPC_VERBOSITY="ERROR"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._input: IO[str] = self._process.stdin
        self._output: IO[str] = self._process.stdout

    def _read(self) -> Any:
        line = self._output.readline()
        assert line, "the peer has ended"
        return json.loads(line)

    def close(self) -> None:
        """End it."""
        self._input.close()
        try:
            assert self._process.wait(20) == 0
        finally:
            self._process.kill()
            self._process.wait()
            self._output.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class GrpcServer(Peer):
    """The service on a port of 127.0.0.1; `pem` is the file of a certificate with its key."""

    def __init__(self, pem: Path | None = None) -> None:
        super().__init__("grpc_service", str(pem or ""))
        self.port: int = self._read()
        scheme, host = ("https", "localhost") if pem else ("http", "127.0.0.1")
        self.url = f"{scheme}://{host}:{self.port}"


class GrpcClient(Peer):
    """A channel to `target`; over TLS if there is a certificate file to trust."""

    def __init__(self, target: str, trust: str = "") -> None:
        super().__init__("grpc_calls", target, trust)

    def call(self, name: str) -> Said:
        """What one of CALLS gave."""
        print(name, file=self._input, flush=True)
        said: Said = self._read()
        return said
