"""Rama: an intercepting proxy that records every exchange. Addons import from here."""

from rama_proxy.addon import (
    Addon,
    ClientHelloData,
    CommandCall,
    Engine,
    Http2StartData,
    Loader,
    ServerConnectData,
)
from rama_proxy.export import is_plain_text, shell_print, shell_quote
from rama_proxy.hooks import when
from rama_proxy.model.body import Body
from rama_proxy.model.connection import ConnectionInfo, TlsInfo
from rama_proxy.model.flow import Flow
from rama_proxy.model.headers import Headers
from rama_proxy.model.message import Request, Response
from rama_proxy.model.websocket import WebSocketData, WebSocketMessage
from rama_proxy.protocols.client_hello import ClientHello, ServerHello
from rama_proxy.protocols.http2_start import ConnectionStart

__all__ = [
    "Addon",
    "Body",
    "ClientHello",
    "ClientHelloData",
    "CommandCall",
    "ConnectionInfo",
    "ConnectionStart",
    "Engine",
    "Flow",
    "Headers",
    "Http2StartData",
    "Loader",
    "Request",
    "Response",
    "ServerConnectData",
    "ServerHello",
    "TlsInfo",
    "WebSocketData",
    "WebSocketMessage",
    "is_plain_text",
    "shell_print",
    "shell_quote",
    "when",
]
__version__ = "0.1.0"
