"""The authority: its files in every state, and leaves that real clients take."""

from __future__ import annotations

import datetime
import ipaddress
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from rama_proxy.certs.authority import Authority
from rama_proxy.errors import CaError
from tests.support.issuer import Issuer, key_pem
from tests.support.peers import program

DAY = datetime.timedelta(days=1)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.load(tmp_path_factory.mktemp("authority") / "ca")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A directory with an authority's files in good order."""
    Authority.load(tmp_path / "ca")
    return tmp_path / "ca"


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o7777


def extension(certificate: x509.Certificate, kind: type[x509.ExtensionType]) -> x509.Extension:  # type: ignore[type-arg]  # any extension
    return certificate.extensions.get_extension_for_class(kind)


# --- the files


@pytest.fixture(params=[0o000, 0o022, 0o277], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


@pytest.mark.usefixtures("umask")
def test_the_first_run_makes_a_private_key_whatever_the_umask(tmp_path: Path) -> None:
    made = Authority.load(tmp_path / "a" / "ca")
    assert mode(tmp_path / "a" / "ca") & 0o077 == 0
    assert mode(tmp_path / "a" / "ca" / "ca-key.pem") == 0o600
    assert mode(made.path) == 0o644
    assert sorted(os.listdir(tmp_path / "a" / "ca")) == ["ca-cert.pem", "ca-key.pem"]


def test_the_second_run_finds_the_same_authority(directory: Path) -> None:
    first, second = Authority.load(directory), Authority.load(directory)
    assert first.certificate == second.certificate
    assert first.path == directory / "ca-cert.pem"
    assert first.pem == first.path.read_bytes()
    assert b"PRIVATE" not in first.pem


def test_nothing_is_made_unless_asked(tmp_path: Path) -> None:
    with pytest.raises(CaError, match=r"there is no certificate authority in .*/ca yet"):
        Authority.load(tmp_path / "ca", create=False)
    assert not (tmp_path / "ca").exists()


def test_first_runs_at_once_end_with_one_authority(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from rama_proxy.certs.authority import Authority;"
        "print(Authority.load(Path(sys.argv[1])).fingerprint)"
    )
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path / "ca")],
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parent.parent,
        )
        for _ in range(3)
    ]
    found = {run.communicate(timeout=60)[0] for run in runs}
    assert found == {Authority.load(tmp_path / "ca").fingerprint.encode() + b"\n"}


def test_first_runs_in_threads_end_with_one_authority(tmp_path: Path) -> None:
    found: list[str] = []
    start = threading.Barrier(16)

    def run() -> None:
        start.wait()
        found.append(Authority.load(tmp_path / "ca").fingerprint)

    threads = [threading.Thread(target=run) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 16
    assert len(set(found)) == 1


def test_a_first_run_cut_after_the_key_is_completed(directory: Path) -> None:
    key = (directory / "ca-key.pem").read_bytes()
    (directory / "ca-cert.pem").unlink()
    (directory / "ca-cert.pem.new").write_bytes(b"-----BEGIN CERTIF")
    Authority.load(directory)
    assert (directory / "ca-key.pem").read_bytes() == key
    assert sorted(os.listdir(directory)) == ["ca-cert.pem", "ca-key.pem"]


def write_authority(directory: Path, issuer: Issuer) -> None:
    (directory / "ca-key.pem").write_bytes(key_pem(issuer.key))
    (directory / "ca-cert.pem").write_bytes(issuer.pem)


def loosen(directory: Path) -> None:
    (directory / "ca-key.pem").chmod(0o644)


def loosen_certificate(directory: Path) -> None:
    (directory / "ca-cert.pem").chmod(0o666)


def loosen_directory(directory: Path) -> None:
    directory.chmod(0o777)


def link_key(directory: Path) -> None:
    (directory / "ca-key.pem").rename(directory / "elsewhere")
    (directory / "ca-key.pem").symlink_to(directory / "elsewhere")


def link_certificate(directory: Path) -> None:
    (directory / "ca-cert.pem").rename(directory / "elsewhere")
    (directory / "ca-cert.pem").symlink_to(directory / "elsewhere")


def link_nowhere(directory: Path) -> None:
    (directory / "ca-key.pem").unlink()
    (directory / "ca-key.pem").symlink_to(directory / "nowhere")


def put_fifo(directory: Path) -> None:
    (directory / "ca-key.pem").unlink()
    os.mkfifo(directory / "ca-key.pem", 0o600)


def put_directory(directory: Path) -> None:
    (directory / "ca-cert.pem").unlink()
    (directory / "ca-cert.pem").mkdir()


def remove_key(directory: Path) -> None:
    (directory / "ca-key.pem").unlink()


def swap_key(directory: Path) -> None:
    (directory / "ca-key.pem").write_bytes(key_pem(ec.generate_private_key(ec.SECP256R1())))


def cut_key(directory: Path) -> None:
    data = (directory / "ca-key.pem").read_bytes()
    (directory / "ca-key.pem").write_bytes(data[: len(data) // 2])


def empty_certificate(directory: Path) -> None:
    (directory / "ca-cert.pem").write_bytes(b"")


def cut_certificate(directory: Path) -> None:
    data = (directory / "ca-cert.pem").read_bytes()
    (directory / "ca-cert.pem").write_bytes(data[: len(data) // 2])


def encrypt_key(directory: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    (directory / "ca-key.pem").write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    )


def put_other_kind_of_key(directory: Path) -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    (directory / "ca-key.pem").write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )


def put_leaf(directory: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    (directory / "ca-key.pem").write_bytes(key_pem(key))
    pem = Issuer("issuer").leaf("example.com", key=key)
    (directory / "ca-cert.pem").write_bytes(pem.partition(b"-----BEGIN PRIVATE")[0])


def expire(directory: Path) -> None:
    write_authority(directory, Issuer("old", days=(-20, -1)))


def postpone(directory: Path) -> None:
    write_authority(directory, Issuer("early", days=(1, 20)))


START_OVER = "restore both files, or remove ca-key.pem and ca-cert.pem to have a new"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (loosen, r"ca-key\.pem is open to others \(mode 0644\); run: chmod 600 /.*/ca-key\.pem$"),
        (loosen_certificate, r"ca-cert\.pem is open to others \(mode 0666\); run: chmod 644 /"),
        (loosen_directory, r"others may write to /.*/ca; run: chmod 700 /.*/ca$"),
        (link_key, r"ca-key\.pem is a symbolic link; put the file itself there"),
        (link_certificate, r"ca-cert\.pem is a symbolic link; put the file itself there"),
        (link_nowhere, r"ca-key\.pem is a symbolic link; put the file itself there"),
        (put_fifo, r"ca-key\.pem is not a file"),
        (put_directory, r"ca-cert\.pem is not a file"),
        (remove_key, r"ca-key\.pem is missing; restore it, or remove /.*/ca-cert\.pem as well"),
        (swap_key, rf"ca-key\.pem is not the key of /.*/ca-cert\.pem; {START_OVER}"),
        (cut_key, rf"ca-key\.pem holds no private key that can be read; {START_OVER}"),
        (empty_certificate, rf"ca-cert\.pem holds no certificate that can be read; {START_OVER}"),
        (cut_certificate, rf"ca-cert\.pem holds no certificate that can be read; {START_OVER}"),
        (encrypt_key, r"ca-key\.pem is encrypted; write it without a passphrase: openssl pkey"),
        (put_other_kind_of_key, r"ca-key\.pem is neither RSA nor elliptic curve"),
        (put_leaf, r"ca-cert\.pem is not the certificate of an authority"),
        (expire, rf"ca-cert\.pem expired on \d{{4}}-\d\d-\d\d; {START_OVER}"),
        (postpone, r"ca-cert\.pem is not valid before .* UTC; set this machine's clock"),
    ],
)
def test_bad_files_are_refused_and_left_alone(
    directory: Path, damage: Callable[[Path], None], message: str
) -> None:
    damage(directory)
    before = contents(directory)
    with pytest.raises(CaError, match=message) as caught:
        Authority.load(directory)
    assert contents(directory) == before
    assert "PRIVATE" not in str(caught.value)


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir() if path.is_file()}


def test_a_place_that_is_no_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CaError, match=r"cannot make .* in .*/ca: Not a directory"):
        Authority.load(tmp_path / "file" / "ca")
    with pytest.raises(CaError, match=r"file is not a directory|in .*/file: File exists"):
        Authority.load(tmp_path / "file")


def test_a_directory_open_to_others_gets_no_authority(tmp_path: Path) -> None:
    tmp_path.chmod(0o1777)
    with pytest.raises(CaError, match="others may write to"):
        Authority.load(tmp_path)
    assert os.listdir(tmp_path) == []


# --- the authority's certificate


def test_the_authority_is_what_clients_expect_of_one(authority: Authority) -> None:
    certificate = authority.certificate
    constraints = extension(certificate, x509.BasicConstraints)
    usage = extension(certificate, x509.KeyUsage)
    assert (constraints.value.ca, constraints.critical) == (True, True)
    assert (usage.value.key_cert_sign, usage.value.crl_sign, usage.critical) == (True, True, True)
    assert not usage.value.digital_signature
    assert extension(certificate, x509.SubjectKeyIdentifier).value.digest
    now = datetime.datetime.now(datetime.UTC)
    assert certificate.not_valid_before_utc < now - DAY
    assert 3640 * DAY < authority.expires - now < 3650 * DAY
    [name] = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    assert re.fullmatch(r"Rama \S.* \d{4}-\d\d-\d\d", str(name.value))
    assert certificate.subject == certificate.issuer


def test_the_pin_is_what_openssl_says(authority: Authority) -> None:
    pipeline = (
        f"openssl x509 -in '{authority.path}' -pubkey -noout | openssl pkey -pubin -outform der"
        " | openssl dgst -sha256 -binary | openssl base64"
    )
    assert subprocess.check_output(pipeline, shell=True, text=True).strip() == authority.spki_sha256
    fingerprint = openssl("x509", "-in", str(authority.path), "-noout", "-fingerprint", "-sha256")
    assert fingerprint.strip().endswith("=" + authority.fingerprint)


# --- leaves


def openssl(*arguments: str) -> str:
    return subprocess.check_output([program("openssl"), *arguments], text=True)


def test_a_leaf_is_what_clients_expect_of_one(authority: Authority) -> None:
    leaf = authority.leaf("example.com", ("*.example.com", "127.0.0.1"))
    san = extension(leaf, x509.SubjectAlternativeName)
    assert list(san.value) == [
        x509.DNSName("example.com"),
        x509.DNSName("*.example.com"),
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
    ]
    assert not san.critical
    assert leaf.subject.rfc4514_string() == "CN=example.com"
    assert leaf.public_key() == authority.leaf_key.public_key()
    issuer_id = extension(authority.certificate, x509.SubjectKeyIdentifier).value.digest
    assert extension(leaf, x509.AuthorityKeyIdentifier).value.key_identifier == issuer_id
    assert extension(leaf, x509.KeyUsage).critical
    purposes = extension(leaf, x509.ExtendedKeyUsage).value
    assert list(purposes) == [ExtendedKeyUsageOID.SERVER_AUTH]
    usage = extension(leaf, x509.KeyUsage).value
    assert usage.digital_signature
    assert not usage.key_cert_sign
    assert not extension(leaf, x509.BasicConstraints).value.ca
    age = datetime.datetime.now(datetime.UTC) - leaf.not_valid_before_utc
    assert 2 * DAY <= age < 2 * DAY + datetime.timedelta(minutes=1)
    assert leaf.not_valid_after_utc - leaf.not_valid_before_utc <= 199 * DAY


def test_no_two_leaves_have_the_same_serial(authority: Authority) -> None:
    serials = {authority.leaf("example.com", ()).serial_number for _ in range(20)}
    assert len(serials) == 20
    assert all(0 < serial < 1 << 159 for serial in serials)


LONG = "a" * 60 + ".example"


def test_a_name_too_long_for_a_subject_makes_the_alternative_names_critical(
    authority: Authority,
) -> None:
    leaf = authority.leaf(LONG, ())
    assert leaf.subject.rfc4514_string() == ""
    assert extension(leaf, x509.SubjectAlternativeName).critical


@pytest.mark.parametrize("host", ["example.com", LONG, "127.0.0.1", "::1", "xn--bcher-kva.de"])
def test_openssl_accepts_a_leaf_by_its_strictest_rules(
    authority: Authority, host: str, tmp_path: Path
) -> None:
    file = tmp_path / "leaf.pem"
    file.write_bytes(authority.leaf(host, ()).public_bytes(Encoding.PEM))
    check = ["-verify_ip", host] if ":" in host or host[0].isdigit() else ["-verify_hostname", host]
    strict = ["-x509_strict", "-purpose", "sslserver", "-CAfile", str(authority.path)]
    assert openssl("verify", *strict, *check, str(file)).endswith(": OK\n")


@pytest.mark.parametrize(
    ("host", "names", "expect"),
    [
        ("evil.org\0.example.com", ("good.example",), "DNS:good.example"),
        ("a,DNS:evil.org", ("good.example",), "DNS:good.example"),
        ("*.example.com", (), "DNS:invalid"),
        ("bücher.example", ("bad name", "", "*", "a\r\nb"), "DNS:invalid"),
        ("EXAMPLE.com.", ("example.com",), "DNS:example.com"),
        ("[::1]", ("127.0.0.1",), "IP Address:0:0:0:0:0:0:0:1, IP Address:127.0.0.1"),
    ],
)
def test_a_leaf_has_exactly_the_valid_names(
    authority: Authority, host: str, names: tuple[str, ...], expect: str, tmp_path: Path
) -> None:
    file = tmp_path / "leaf.pem"
    file.write_bytes(authority.leaf(host, names).public_bytes(Encoding.PEM))
    text = openssl("x509", "-in", str(file), "-noout", "-ext", "subjectAltName")
    assert text.splitlines()[1].strip() == expect


def test_a_leaf_does_not_outlive_its_authority(directory: Path) -> None:
    write_authority(directory, Issuer("short", days=(-1, 3)))
    found = Authority.load(directory)
    assert found.leaf("example.com", ()).not_valid_after_utc == found.expires


def test_an_authority_of_ones_own_may_have_an_rsa_key(directory: Path, tmp_path: Path) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    write_authority(directory, Issuer("own", key=key))
    found = Authority.load(directory)
    file = tmp_path / "leaf.pem"
    file.write_bytes(found.leaf("example.com", ()).public_bytes(Encoding.PEM))
    assert openssl("verify", "-CAfile", str(found.path), str(file)).endswith(": OK\n")
