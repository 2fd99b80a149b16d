"""Queries beside the screen: in a thread, stopped for good when nobody waits for them any more."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from rama_proxy.errors import StoreError
from rama_proxy.store.reader import Reader

P = ParamSpec("P")
T = TypeVar("T")

AGAIN = 0.02  # seconds; an interrupt that comes before its query has begun is lost


async def read_beside(
    reader: Reader, query: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
) -> T:
    """The result of `query`, a method of `reader`, which nobody else may use until it is there.

    When the caller is cancelled the query is interrupted, and over before this returns. Raises
    StoreError.
    """
    task = asyncio.ensure_future(asyncio.to_thread(query, *args, **kwargs))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            reader.interrupt()
            await asyncio.wait([task], timeout=AGAIN)
        with contextlib.suppress(StoreError):
            task.result()
        raise
