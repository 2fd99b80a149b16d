"""Services and layers: how the steps of one connection are put together.

A service takes a connection and serves it to its end. A layer wraps a service in another. The order
varies by mode (TLS before or after SOCKS, a PROXY header first), so it is data, not code. Knows
nothing of what a connection carries.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

Service = Callable[[T], Awaitable[None]]
Layer = Callable[[Service[T]], Service[T]]


def stack(*layers: Layer[T], service: Service[T]) -> Service[T]:
    """`service` with `layers` around it; the first layer sees the connection first."""
    for layer in reversed(layers):
        service = layer(service)
    return service
