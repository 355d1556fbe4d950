"""A certificate authority that lives as long as the stand-in, and keys for its other needs."""

from __future__ import annotations

import ssl
from collections.abc import Sequence

import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa


class CertificateAuthority:
    """Made anew each time; its key never leaves the process."""

    def __init__(self) -> None:
        self._authority = trustme.CA(organization_name="Stand-in for Drive")

    @property
    def certificate_pem(self) -> bytes:
        return self._authority.cert_pem.bytes()

    def server_context(self, hosts: Sequence[str]) -> ssl.SSLContext:
        """TLS for a server that is all of these hosts."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        # HTTP/1.1 only: a client that is offered no HTTP/2 does not ask for it.
        context.set_alpn_protocols(["http/1.1"])
        self._authority.issue_cert(*hosts).configure_cert(context)
        return context


def private_pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    """PKCS #8 without a password, as OpenSSL and Google's key files want it."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
