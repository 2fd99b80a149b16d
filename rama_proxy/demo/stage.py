"""Brings the demo on stage beside an engine: its servers, then its clients, in threads."""

from __future__ import annotations

import asyncio
import tempfile
import threading
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from rama_proxy.config import Options
from rama_proxy.demo.certificates import DemoAuthority
from rama_proxy.demo.client import Client
from rama_proxy.demo.origin import Origin
from rama_proxy.demo.traffic import endless, first_round
from rama_proxy.demo.visit import Visit

SLOW = 6.0  # how much longer streams take where somebody may watch them


class Stage:
    """The demo for one run. `visits` limits how many requests are sent, None for one round.

    `lasting`: the clients go on after the first round, and all is at the pace of people.
    """

    def __init__(self, visits: int | None = None, *, lasting: bool = False) -> None:
        self.visits = visits
        self.lasting = lasting
        self._directory = tempfile.TemporaryDirectory(prefix="rama-demo-")
        self._origin: Origin | None = None
        self._client: Client | None = None
        self._over = threading.Event()

    async def prepare(self, options: Options) -> None:
        """Start the servers, and let `options` lead their names there and trust them."""
        authority = DemoAuthority(Path(self._directory.name))
        self._origin = Origin(authority, SLOW if self.lasting else 1.0)
        await self._origin.start()
        options.ssl_ca = str(authority.path)
        options.resolve = (*options.resolve, *self._origin.resolve())

    async def run(self, proxy: tuple[str, int], ca: Path) -> None:
        """Send the requests through `proxy`; ends when all are answered."""
        self._client = Client(proxy, ca)
        try:
            await asyncio.to_thread(self._send_all, self._client)
        finally:
            self._over.set()

    async def close(self) -> None:
        """Let nobody wait any longer, and remove every trace."""
        self._over.set()
        if self._client is not None:
            self._client.close()
        if self._origin is not None:
            await self._origin.close()
        self._directory.cleanup()

    def _send_all(self, client: Client) -> None:
        asides: list[threading.Thread] = []
        left = self.visits
        for pause, visit in self._script():
            if left == 0 or self._over.wait(pause):
                break
            if left is not None:
                visit = replace(visit, also=visit.also[: left - 1])
                left -= len(visit.urls)
            if visit.aside:
                asides.append(_beside(client, visit))
            else:
                client.send(visit)
        for thread in asides:
            thread.join()
        client.close()

    def _script(self) -> Iterable[tuple[float, Visit]]:
        if self.lasting:
            return endless()
        requests = sum(len(visit.urls) for visit in first_round())
        rounds = 1 if self.visits is None else -(-self.visits // requests)
        return ((0.0, visit) for _ in range(rounds) for visit in first_round())


def _beside(client: Client, visit: Visit) -> threading.Thread:
    thread = threading.Thread(target=client.send, args=(visit,), name="demo visit", daemon=True)
    thread.start()
    return thread
