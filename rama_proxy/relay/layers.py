"""What every connection goes through, whatever its mode: layers around the mode's service."""

from __future__ import annotations

from rama_proxy.errors import ProtocolError, RamaError
from rama_proxy.relay.copy import note_failure
from rama_proxy.relay.wiring import Conn, close_upstream
from rama_proxy.service import Service


def closing(inner: Service[Conn]) -> Service[Conn]:
    """Close what the connection leaves behind, and write down how it went."""

    async def serve(conn: Conn) -> None:
        try:
            await inner(conn)
        finally:
            if conn.upstream is not None:
                await close_upstream(conn, conn.upstream)
            for stream in [*conn.pool.drain(), *conn.links.drain()]:
                await close_upstream(conn, stream)
            conn.client.close()
            _forget_frames(conn.client.error)
            conn.wiring.capture.closed(conn.client.info)

    return serve


def announcing(inner: Service[Conn]) -> Service[Conn]:
    """Tell addons of the client, before and after; one of them may refuse it."""

    async def serve(conn: Conn) -> None:
        hooks, info = conn.wiring.hooks, conn.client.info
        if hooks.client_connected:
            await hooks.run(hooks.client_connected, info)
            if info.error:
                return
        try:
            await inner(conn)
        finally:
            if hooks.client_disconnected:
                await hooks.run(hooks.client_disconnected, info)

    return serve


def explaining(inner: Service[Conn]) -> Service[Conn]:
    """Let no error of a peer get further than its connection; a broken protocol gets a row."""

    async def serve(conn: Conn) -> None:
        try:
            await inner(conn)
        except ProtocolError as error:
            await note_failure(conn, "tcp", error)
        except RamaError as error:
            conn.client.info.error = conn.client.info.error or str(error)

    return serve


def _forget_frames(error: BaseException | None) -> None:
    """Drop the tracebacks: their frames hold the stream, and the stream holds the error."""
    while error is not None:
        error.__traceback__ = None
        error = error.__cause__ or error.__context__
