"""Certificates read by asn1crypto, for rules to look at: not by the reader under test, and lenient about what it refuses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any, Final, TypeVar

from asn1crypto import x509

_T = TypeVar("_T")

WEAK_HASHES: Final = frozenset({"md2", "md4", "md5", "sha1"})
RFC_5280_EXTENSIONS: Final = frozenset(
    {f"2.5.29.{arc}" for arc in (9, 14, 15, 17, 18, 19, 30, 31, 32, 33, 35, 36, 37, 46, 54)}
    | {"1.3.6.1.5.5.7.1.1", "1.3.6.1.5.5.7.1.11"}
)
"""All that RFC 5280, 4.2.1 and 4.2.2, and appendix A define."""


class CertificateFacts:
    """What rules ask about one certificate.  What asn1crypto cannot read either is False, None or empty."""

    def __init__(self, der: bytes) -> None:
        self.der = der
        self.parsed = x509.Certificate.load(der)

    def _try(self, read: Callable[[x509.Certificate], _T], otherwise: _T) -> _T:
        try:
            return read(self.parsed)
        except (ValueError, KeyError, TypeError, OverflowError):
            return otherwise

    @cached_property
    def extensions(self) -> dict[str, tuple[bool, Any]]:
        """By OID: critical, and the extension."""
        return self._try(
            lambda c: {
                one["extn_id"].dotted: (bool(one["critical"].native), one)
                for one in c["tbs_certificate"]["extensions"] or []
            },
            {},
        )

    def value(self, oid: str) -> Any:
        """An extension's value, parsed; None if absent or beyond reading."""
        if oid not in self.extensions:
            return None
        extension = self.extensions[oid][1]
        return self._try(lambda _: extension["extn_value"].parsed, None)

    def critical(self, oid: str) -> bool:
        return oid in self.extensions and self.extensions[oid][0]

    @cached_property
    def rsa_bits(self) -> int | None:
        return self._try(
            lambda c: c.public_key.bit_size if c.public_key.algorithm in ("rsa", "rsassa_pss") else None, None
        )

    @cached_property
    def key_kind(self) -> str:
        """Such as "rsa", "secp256r1", "ed25519", "dsa", ...; "" if it cannot be read."""

        def read(certificate: x509.Certificate) -> str:
            key = certificate.public_key
            return str(key.curve[1]) if key.algorithm == "ec" else str(key.algorithm)

        return self._try(read, "")

    @cached_property
    def signature_hash(self) -> str:
        return self._try(lambda c: str(c["signature_algorithm"].hash_algo), "")

    @cached_property
    def signature_kind(self) -> str:
        """Such as "rsassa_pkcs1v15", "rsassa_pss", "ecdsa", "dsa", "ed25519" ...; "" if it is none that asn1crypto knows."""
        return self._try(lambda c: str(c["signature_algorithm"].signature_algo), "")

    @cached_property
    def is_ca(self) -> bool:
        constraints = self.value("2.5.29.19")
        return constraints is not None and self._try(lambda _: bool(constraints["ca"].native), False)

    @cached_property
    def path_length(self) -> int | None:
        constraints = self.value("2.5.29.19")
        return None if constraints is None else self._try(lambda _: constraints["path_len_constraint"].native, None)

    @cached_property
    def version(self) -> int:
        return self._try(lambda c: int(c["tbs_certificate"]["version"]) + 1, 0)

    @cached_property
    def key_usage(self) -> frozenset[str] | None:
        usage = self.value("2.5.29.15")
        return None if usage is None else self._try(lambda _: frozenset(usage.native), None)

    @cached_property
    def validity(self) -> tuple[float, float]:
        def read(certificate: x509.Certificate) -> tuple[float, float]:
            validity = certificate["tbs_certificate"]["validity"]
            return validity["not_before"].native.timestamp(), validity["not_after"].native.timestamp()

        return self._try(read, (0, 0))

    def valid_at(self, at: int) -> bool:
        return self.validity[0] <= at <= self.validity[1]

    @cached_property
    def unknown_critical(self) -> frozenset[str]:
        return frozenset(oid for oid, (critical, _) in self.extensions.items() if critical) - RFC_5280_EXTENSIONS

    @cached_property
    def writes_a_default(self) -> bool:
        """Whether an extension has "critical FALSE" or "cA FALSE" written out."""
        written = b"\x01\x01\x00"
        constraints = self.value("2.5.29.19")
        return any(
            written in one.dump()[: len(one.dump()) - len(one["extn_value"].dump())]
            for _, one in self.extensions.values()
        ) or (constraints is not None and written in constraints.dump())

    @property
    def serial_octets(self) -> int:
        return len(self.parsed["tbs_certificate"]["serial_number"].contents)

    def within(self, oid: str) -> Iterator[tuple[int, bytes]]:
        """Tag and content of every element of an extension's value, whatever its meaning."""
        if oid in self.extensions:
            yield from _walk(self.extensions[oid][1]["extn_value"].contents)

    def may_be_issued_by(self, issuer: CertificateFacts) -> bool:
        """Names equal after RFC 5280, 7.1: case, spaces and kind of string apart."""
        return self._try(lambda c: bool(c.issuer == issuer.parsed.subject), False)

    def names_differ_in_form(self, issuer: CertificateFacts) -> bool:
        """Equal after RFC 5280, 7.1, and not byte for byte."""
        return self.may_be_issued_by(issuer) and self._try(
            lambda c: bool(c.issuer.dump() != issuer.parsed.subject.dump()), False
        )


def _walk(der: bytes) -> Iterator[tuple[int, bytes]]:
    while der:
        head = 2 + (der[1] & 0x7F if der[1] & 0x80 else 0)
        length = int.from_bytes(der[2:head], "big") if der[1] & 0x80 else der[1]
        yield der[0], der[head : head + length]
        if der[0] & 0x20:
            yield from _walk(der[head : head + length])
        der = der[head + length :]
