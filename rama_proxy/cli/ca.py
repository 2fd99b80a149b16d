"""`rama ca`: where the certificate authority is, how to trust it, whether it works."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import click

from rama_proxy.certs.authority import Authority
from rama_proxy.certs.contexts import Contexts
from rama_proxy.config import Options, config_dir, load_options
from rama_proxy.errors import ConfigError, UpstreamTlsError
from rama_proxy.model.text import escape_text
from rama_proxy.net.tls import make_client_engine, make_server_engine

F = TypeVar("F", bound=Callable[..., object])

SOON = timedelta(days=30)
HOST = "localhost"  # for the trial handshake

TRUST = """\
To trust it:
  curl       curl --cacert {path} --proxy http://127.0.0.1:8080 https://example.com
  Python     REQUESTS_CA_BUNDLE={path} or SSL_CERT_FILE={path}
  Node       NODE_EXTRA_CA_CERTS={path}
  Chromium   --ignore-certificate-errors-spki-list={spki} --user-data-dir=DIR
  Firefox    Settings, Privacy & Security, View Certificates, Authorities, Import
  Debian     sudo cp {path} /usr/local/share/ca-certificates/rama.crt
             sudo update-ca-certificates"""


def _confdir_option(command: F) -> F:
    return click.option("--confdir", metavar="DIR", help="Directory of the certificate authority.")(
        command
    )


def _load(confdir: str | None, *, create: bool = True) -> Authority:
    options = load_options({"confdir": confdir} if confdir else {})
    directory = Path(options.confdir) if options.confdir else config_dir()
    return Authority.load(directory, create=create)


@click.group()
def ca() -> None:
    """Show, export and check the certificate authority.

    Clients accept what Rama shows them once they trust this authority. It is made on the first run,
    for this machine alone.
    """


@ca.command()
@_confdir_option
def show(confdir: str | None) -> None:
    """Show where the authority is, and how to trust it. Makes it if there is none."""
    authority = _load(confdir)
    certificate = authority.certificate
    rows = {
        "Certificate": authority.path,
        "Subject": certificate.subject.rfc4514_string(),
        "Valid": f"{certificate.not_valid_before_utc:%Y-%m-%d} to {authority.expires:%Y-%m-%d}",
        "SHA-256": authority.fingerprint,
        "SPKI": authority.spki_sha256,
    }
    for name, value in rows.items():
        click.echo(f"{name:<12} {escape_text(str(value))}")
    click.echo()
    path = shlex.quote(escape_text(str(authority.path)))
    click.echo(TRUST.format(path=path, spki=authority.spki_sha256))


@ca.command()
@click.argument("format", type=click.Choice(["pem"]))
@click.argument("file", required=False, type=click.Path(path_type=Path))
@_confdir_option
def export(format: str, file: Path | None, confdir: str | None) -> None:  # noqa: A002  its name in help
    """Write the certificate to FILE or standard output, never its key."""
    del format
    pem = _load(confdir).pem
    if file is None or str(file) == "-":
        sys.stdout.buffer.write(pem)
        return
    try:
        file.write_bytes(pem)
    except OSError as error:
        raise ConfigError(f"cannot write {file}: {error.strerror}") from error


@ca.command()
@_confdir_option
def check(confdir: str | None) -> None:
    """Check the authority's files, and whether this system trusts it."""
    authority = _load(confdir, create=False)
    click.echo(f"ok    the key is private and belongs to {authority.path}")
    left = authority.expires - datetime.now(UTC)
    click.echo(
        f"{'ok   ' if left > SOON else 'soon '} the certificate expires on"
        f" {authority.expires:%Y-%m-%d}, in {left.days} days"
    )
    try_handshake(authority, Options(ssl_ca=str(authority.path)))
    click.echo("ok    a client that trusts it accepts what it signs")
    try:
        try_handshake(authority, Options())
    except UpstreamTlsError:
        click.echo("note  this system does not trust it; `rama ca show` says how to change that")
    else:
        click.echo("ok    this system trusts it")


def try_handshake(authority: Authority, options: Options) -> None:
    """Do a TLS handshake in memory as server and client. Raises UpstreamTlsError if it fails."""
    contexts = Contexts(authority, options)
    to_server: list[bytes] = []
    to_client: list[bytes] = []
    server = make_server_engine(contexts, HOST, (), None, to_client.append)
    client = make_client_engine(contexts, HOST, (), to_server.append)
    client.start()
    while to_server or to_client:
        ciphertext, to_server[:] = b"".join(to_server), []
        server.feed(ciphertext)
        ciphertext, to_client[:] = b"".join(to_client), []
        client.feed(ciphertext)
