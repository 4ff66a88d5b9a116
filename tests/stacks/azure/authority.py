"""Whom the tests' Azure trusts: an authority that certifies its addresses, and the key that signs its tokens."""

import datetime as dt
import ipaddress
import ssl
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

ADDRESSES = ("127.0.0.1", "127.0.0.2")
MANAGEMENT = "https://management.azure.com"
"""Where Azure Resource Manager answers."""
MANAGEMENT_SCOPE = f"{MANAGEMENT}/.default"

NAMES = (MANAGEMENT.removeprefix("https://"),)
ISSUER = "https://sts.windows.net"
_DAY = dt.timedelta(days=1)
_TOKEN_SECONDS = 3600


class NotAToken(Exception):
    """No token of this authority's, or one for somebody else's ears."""


@dataclass(frozen=True)
class Authority:
    """The files of one authority: made once per folder, and read by those who must trust or prove."""

    folder: Path

    @classmethod
    def create(cls, folder: Path) -> "Authority":
        """A new authority, with a certificate for the addresses that Azure is played on."""
        folder.mkdir(parents=True, exist_ok=True)
        authority = cls(folder)
        ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Tests' Azure CA")])
        ca = (
            _builder(ca_name, ca_name, ca_key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(sign_certificates=True), critical=True)
            .sign(ca_key, hashes.SHA256())
        )
        certificate = (
            _builder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Tests' Azure")]), ca_name, key)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(sign_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(
                x509.SubjectAlternativeName(
                    [
                        *(x509.IPAddress(ipaddress.ip_address(address)) for address in ADDRESSES),
                        *(x509.DNSName(name) for name in NAMES),
                    ]
                ),
                critical=False,
            )
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
            .sign(ca_key, hashes.SHA256())
        )
        authority.ca_file.write_bytes(ca.public_bytes(serialization.Encoding.PEM))
        authority.certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        for file, private in ((authority.key_file, key), (authority.token_key_file, ec.generate_private_key(ec.SECP256R1()))):
            file.touch(mode=0o600)
            file.write_bytes(
                private.private_bytes(
                    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
                )
            )
        return authority

    @property
    def ca_file(self) -> Path:
        return self.folder / "ca.pem"

    @property
    def certificate_file(self) -> Path:
        return self.folder / "certificate.pem"

    @property
    def key_file(self) -> Path:
        return self.folder / "key.pem"

    @property
    def token_key_file(self) -> Path:
        return self.folder / "token-key.pem"

    def server_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.certificate_file, self.key_file)
        return context

    def client_context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.ca_file))

    def token(self, *, object_id: str, client_id: str, tenant_id: str, audience: str) -> tuple[str, int]:
        """A token of Entra's form, and when it expires (seconds since the epoch)."""
        now = int(time.time())
        expires = now + _TOKEN_SECONDS
        claims = {
            "aud": audience,
            "iss": f"{ISSUER}/{tenant_id}/",
            "tid": tenant_id,
            "oid": object_id,
            "sub": object_id,
            "appid": client_id,
            "idtyp": "app",
            "iat": now,
            "nbf": now - 60,
            "exp": expires,
            "uti": uuid.uuid4().hex,
            "ver": "1.0",
        }
        return jwt.encode(claims, self.token_key_file.read_bytes(), algorithm="ES256"), expires

    def claims(self, authorization: str | None, *audiences: str) -> Mapping[str, Any]:
        """What an Authorization header's token says. Raises NotAToken."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer":
            raise NotAToken("there is no bearer token")
        key = serialization.load_pem_private_key(self.token_key_file.read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        accepted = [form for audience in audiences for form in (audience, f"{audience}/")]
        try:
            claims: dict[str, Any] = jwt.decode(
                token, key.public_key(), algorithms=["ES256"], audience=accepted, options={"require": ["exp", "oid"]}
            )
        except jwt.InvalidTokenError as error:
            raise NotAToken(str(error)) from None
        return claims


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _DAY)
        .not_valid_after(now + 2 * _DAY)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(*, sign_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not sign_certificates,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
