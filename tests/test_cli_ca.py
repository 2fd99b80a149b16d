"""`rama ca` as a person uses it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from rama_proxy.certs.authority import Authority
from rama_proxy.cli import main
from tests.support.issuer import Issuer, key_pem


def rama_ca(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["ca", *arguments])


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where `rama ca` looks, with nothing in it yet."""
    monkeypatch.setenv("RAMA_CONFDIR", str(tmp_path / "rama"))
    return tmp_path / "rama"


def test_show_makes_the_authority_and_says_all_of_it(directory: Path) -> None:
    result = rama_ca("show")
    made = Authority.load(directory, create=False)
    assert result.exit_code == 0
    for value in (made.path, made.fingerprint, made.spki_sha256, f"{made.expires:%Y-%m-%d}"):
        assert str(value) in result.stdout
    assert f"curl --cacert {made.path} " in result.stdout
    assert "PRIVATE" not in result.stdout
    assert rama_ca("show").stdout == result.stdout


def test_show_quotes_a_path_for_the_shell(tmp_path: Path) -> None:
    result = rama_ca("show", "--confdir", str(tmp_path / "my files"))
    assert f"curl --cacert '{tmp_path}/my files/ca-cert.pem' " in result.stdout


def test_export_writes_the_certificate_without_its_key(directory: Path, tmp_path: Path) -> None:
    result = rama_ca("export", "pem")
    assert result.stdout.encode() == (directory / "ca-cert.pem").read_bytes()
    file = tmp_path / "rama.crt"
    assert rama_ca("export", "pem", str(file)).output == ""
    assert file.read_bytes() == (directory / "ca-cert.pem").read_bytes()
    assert rama_ca("export", "pem", "-").stdout == result.stdout
    openssl = ["openssl", "x509", "-in", str(file), "-noout", "-subject"]
    assert b"Rama" in subprocess.check_output(openssl)


def test_export_says_what_it_cannot_write(directory: Path, tmp_path: Path) -> None:
    result = rama_ca("export", "pem", str(tmp_path / "none" / "x.pem"))
    assert result.exit_code == 2
    assert result.stderr == (
        f"rama: cannot write {tmp_path}/none/x.pem: No such file or directory\n"
    )
    assert rama_ca("export", "der").exit_code == 2


def test_check_tells_what_works(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rama_ca("show")
    result = rama_ca("check")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0].startswith("ok    the key is private and belongs to ")
    assert "ok    a client that trusts it accepts what it signs" in result.stdout
    assert result.stdout.splitlines()[-1].startswith("note  this system does not trust it;")
    monkeypatch.setenv("SSL_CERT_FILE", str(directory / "ca-cert.pem"))
    assert rama_ca("check").stdout.splitlines()[-1] == "ok    this system trusts it"


def test_check_makes_nothing(directory: Path) -> None:
    result = rama_ca("check")
    assert result.exit_code == 1
    assert result.stderr == (
        f"rama: there is no certificate authority in {directory} yet; `rama ca show` makes it\n"
    )
    assert not directory.exists()


def test_check_says_in_time_that_the_authority_expires(directory: Path) -> None:
    rama_ca("show")
    issuer = Issuer("short", days=(-1, 12))
    (directory / "ca-key.pem").write_bytes(key_pem(issuer.key))
    (directory / "ca-cert.pem").write_bytes(issuer.pem)
    assert "soon  the certificate expires on " in rama_ca("check").stdout


@pytest.mark.parametrize("command", [["show"], ["export", "pem"], ["check"]])
def test_an_open_key_ends_every_command_with_one_sentence(
    directory: Path, command: list[str]
) -> None:
    rama_ca("show")
    (directory / "ca-key.pem").chmod(0o640)
    result = rama_ca(*command)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        f"rama: {directory}/ca-key.pem is open to others (mode 0640);"
        f" run: chmod 600 {directory}/ca-key.pem\n"
    )
