"""Every error that Rama raises on purpose.

    RamaError
    ├── ConfigError            bad option, file or argument; exit code 2
    │   └── FilterError        bad filter expression: position and hint
    ├── StartError             the engine cannot start: port taken, unwritable path; exit code 1
    │   └── CaError            the certificate authority is missing, damaged or readable by others
    ├── StoreError             the SQLite store: missing, newer, damaged, in use; exit code 1
    │   └── QueryInterrupted       a query was stopped on purpose
    ├── ControlError           the control socket: not there, refused, bad answer
    ├── AddonError             a script that does not load
    ├── ExportError            a flow that a format cannot express
    ├── ProtocolError          a peer broke its protocol; `status` is what the client is told
    │   └── Http2Error             the same in HTTP/2: the code and the stream to answer with
    └── ConnectionProblem      a connection could not be made or did not last
        ├── UpstreamError      the server side; `status` 502
        │   ├── UpstreamTimeout    `status` 504
        │   ├── LoopError          the server asked for is this proxy; `status` 508
        │   └── UpstreamTlsError   handshake or verification; `cause` names it
        ├── ClientTlsError     the client broke off the handshake; it may not trust our CA
        ├── PeerTimeout        a peer was silent for longer than its phase allows
        │   └── PeerStalled        it left unread what was sent to it
        └── PeerClosed         a peer closed in the middle of something

A message says what, where, and got what. It is meant for a person and never ends in a stop.
"""

from collections.abc import Sequence


class RamaError(Exception):
    """Base of all. `exit_code` is what the command line ends with."""

    exit_code = 1


class ConfigError(RamaError):
    """An option, a config file or an argument that cannot be used."""

    exit_code = 2


class FilterError(ConfigError):
    """A filter expression that does not parse. `position` counts characters from 0."""

    def __init__(self, message: str, position: int, hint: str = "") -> None:
        super().__init__(message)
        self.position = position
        self.hint = hint


class StartError(RamaError):
    """The engine cannot start. `free_port` is one to try instead where a port is taken, else 0."""

    free_port = 0


class CaError(StartError):
    """The certificate authority cannot be used."""


class StoreError(RamaError):
    """The store cannot be opened, read or written."""


class QueryInterrupted(StoreError):
    """A query was stopped on purpose before its end."""


class ControlError(RamaError):
    """The engine's control socket does not answer, or refuses."""


class AddonError(RamaError):
    """A script or addon that does not load."""


class ExportError(RamaError):
    """A flow that an export format cannot express, or has not got all of."""


class ProtocolError(RamaError):
    """A peer sent what its protocol forbids. `status` is the HTTP status that answers it."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class Http2Error(ProtocolError):
    """An HTTP/2 peer broke its protocol: `code` is for RST_STREAM, for GOAWAY if `stream` is 0.

    `fields` are those of a malformed head.
    """

    def __init__(
        self, code: int, message: str, stream: int = 0, fields: Sequence[tuple[bytes, bytes]] = ()
    ) -> None:
        super().__init__(message)
        self.code = code
        self.stream = stream
        self.fields = list(fields)


class ConnectionProblem(RamaError):
    """A connection could not be made or did not last. `status` is what a waiting client is told.

    `code` is that of the RST_STREAM or GOAWAY with which an HTTP/2 peer ended it (RFC 9113 7).
    """

    status = 502
    code: int | None = None


class UpstreamError(ConnectionProblem):
    """The server cannot be reached or broke off."""


class UpstreamTimeout(UpstreamError):
    """The server did not answer in time."""

    status = 504


class LoopError(UpstreamError):
    """The server asked for is this proxy itself."""

    status = 508


class UpstreamTlsError(UpstreamError):
    """The TLS handshake with the server failed.

    `cause` is a word for programs: expired, not-yet-valid, name-mismatch, self-signed, unknown-ca,
    revoked, weak, alert, protocol or other.
    """

    def __init__(self, message: str, cause: str = "other") -> None:
        super().__init__(message)
        self.cause = cause


class ClientTlsError(ConnectionProblem):
    """The client broke off its TLS handshake with us."""


class PeerTimeout(ConnectionProblem):
    """A peer was silent for longer than its phase allows."""

    status = 504


class PeerStalled(PeerTimeout):
    """A peer left unread for too long what was sent to it."""


class PeerClosed(ConnectionProblem):
    """A peer closed in the middle of something."""
