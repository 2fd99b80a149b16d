"""Connections to servers: names resolved, addresses tried in turn, failures named."""

from __future__ import annotations

import asyncio
import functools
import ipaddress
import socket
import time
from collections.abc import Sequence
from contextlib import nullcontext

from rama_proxy.errors import ConfigError, LoopError, UpstreamError, UpstreamTimeout
from rama_proxy.model.connection import Address, ConnectionInfo
from rama_proxy.net.stream import Stream
from rama_proxy.net.sweeper import Sweeper

MAX_ADDRESSES = 6  # of one name; each may take a share of the timeout

_Ip = ipaddress.IPv4Address | ipaddress.IPv6Address


class Dialer:
    """Opens connections to servers.

    `resolve` maps `host:port` to an address, as curl's flag of that name; `dns_servers` are asked
    instead of the system's resolver; connecting to one of `own` addresses is refused.
    """

    def __init__(
        self,
        timeout: float,
        sweeper: Sweeper,
        resolve: Sequence[str] = (),
        dns_servers: Sequence[str] = (),
        dns_port: int = 53,
    ) -> None:
        self.timeout = timeout
        self.sweeper = sweeper
        self.overrides = dict(_override(entry) for entry in resolve)
        for server in dns_servers:
            if not is_ip(server):
                raise ConfigError(f"--dns-server takes an IP address, not {server!r}")
        self.dns_servers = tuple(dns_servers)
        self.dns_port = dns_port
        self.own: list[Address] = []

    async def connect(self, info: ConnectionInfo) -> Stream:
        """A stream to `info.address`, with its times noted in `info`.

        Raises UpstreamError with a message made for the person who waits.
        """
        assert info.address is not None
        host, port = info.address
        info.started = time.time()
        info.opened = time.monotonic()
        try:
            async with asyncio.timeout(self.timeout):
                addresses = await self._addresses(host, port)
                info.resolved = time.monotonic()
                stream = await self._first(info, addresses)
        except TimeoutError as error:
            raise UpstreamTimeout(
                f"{host}:{port} did not answer within {self.timeout:g} s"
            ) from error
        info.connected = time.monotonic()
        return stream

    async def _first(self, info: ConnectionInfo, addresses: list[Address]) -> Stream:
        loop = asyncio.get_running_loop()
        problem: OSError | None = None
        for index, address in enumerate(addresses):
            if self._is_own(address):
                raise LoopError(f"{address[0]}:{address[1]} is this proxy itself")
            left = len(addresses) - index
            try:
                async with asyncio.timeout(self.timeout / left) if left > 1 else nullcontext():
                    _, stream = await loop.create_connection(lambda: Stream(info), *address)
                # not before: uvloop makes a stream for a connection that fails, too
                return self.sweeper.watch(stream)
            except TimeoutError:
                problem = None
            except OSError as error:
                problem = error
        assert info.address is not None
        where = "{}:{}".format(*info.address)
        if problem is None:
            raise UpstreamTimeout(f"{where} did not answer within {self.timeout:g} s")
        raise UpstreamError(f"cannot connect to {where}: {_reason(problem)}") from problem

    async def _addresses(self, host: str, port: int) -> list[Address]:
        host, port = self.overrides.get((host.lower(), port), (host, port))
        if is_ip(host):
            return [(host, port)]
        if self.dns_servers:
            found = await self._ask_servers(host)
        else:
            found = await _ask_system(host, port)
        return [(address, port) for address in found[:MAX_ADDRESSES]]

    async def _ask_servers(self, host: str) -> list[str]:
        import dns.asyncresolver
        import dns.exception

        resolver = dns.asyncresolver.Resolver(configure=False)
        resolver.nameservers = list(self.dns_servers)
        resolver.port = self.dns_port
        resolver.lifetime = self.timeout
        try:
            answer = await resolver.resolve_name(host)
        except dns.exception.DNSException as error:
            servers = ", ".join(self.dns_servers)
            raise UpstreamError(f"cannot resolve {host} at {servers}: {error}") from error
        return list(answer.addresses())

    def _is_own(self, address: Address) -> bool:
        for own_host, own_port in self.own:
            if own_port == address[1]:
                own, wanted = ipaddress.ip_address(own_host), _reached(address[0])
                if own == wanted or (own.is_unspecified and _is_local(wanted)):
                    return True
        return False


async def _ask_system(host: str, port: int) -> list[str]:
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise UpstreamError(f"cannot resolve {host}: {error.strerror}") from error
    except UnicodeError as error:
        raise UpstreamError(f"cannot resolve {host!r}: it is no host name") from error
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def _override(entry: str) -> tuple[Address, Address]:
    host, _, rest = entry.partition(":")
    port, _, where = rest.partition(":")
    if is_ip(where.strip("[]")):
        address, goal = where, port
    else:
        address, _, goal = where.rpartition(":")
    address = address.strip("[]")
    if not host or not port.isdigit() or not is_ip(address) or not goal.isdigit():
        raise ConfigError(f"--resolve takes HOST:PORT:ADDRESS[:PORT], not {entry!r}")
    return (host.lower(), int(port)), (address, int(goal))


@functools.lru_cache(256)
def is_ip(host: str) -> bool:
    """Whether `host` is an address and not a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _reached(host: str) -> _Ip:
    """The address that a kernel connects to for `host`: for none of them loopback."""
    address = ipaddress.ip_address(host)
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if address.is_unspecified:
        return ipaddress.ip_address("::1" if address.version == 6 else "127.0.0.1")
    return address


def _is_local(address: _Ip) -> bool:
    if address.is_loopback:
        return True
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((str(address), 0))  # only an address of this machine can be bound
    except OSError:
        return False
    return True


def _reason(error: OSError) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    text = error.strerror or str(error)
    return text.lower() if text else type(error).__name__
