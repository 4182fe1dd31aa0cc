"""CRLs read by asn1crypto, for rules to look at: not by the reader under test, and lenient about what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, Final, TypeVar

from asn1crypto import core, crl

_T = TypeVar("_T")
_DEFAULT_FALSE: Final = (
    "only_contains_user_certs",
    "only_contains_ca_certs",
    "indirect_crl",
    "only_contains_attribute_certs",
)
_UTC_TIME: Final = 0x17


class CrlFacts:
    """What rules ask about one CRL.  What asn1crypto cannot read either is False, None or empty.

    Attributes:
        said: the suite's word for its refusal; "" if there is none.
    """

    def __init__(self, der: bytes, said: str = "") -> None:
        self.said = said
        self.parsed = crl.CertificateList.load(der)

    def _try(self, read: Callable[[crl.CertificateList], _T], otherwise: _T) -> _T:
        try:
            return read(self.parsed)
        except (ValueError, KeyError, TypeError, OverflowError):
            return otherwise

    @cached_property
    def issuer_is_empty(self) -> bool:
        return self._try(lambda c: len(c["tbs_cert_list"]["issuer"].chosen) == 0, False)

    @cached_property
    def next_update(self) -> bool:
        return self._try(lambda c: c["tbs_cert_list"]["next_update"].native is not None, False)

    @cached_property
    def signature_algorithm(self) -> str:
        return self._try(lambda c: str(c["tbs_cert_list"]["signature"]["algorithm"].dotted), "")

    @cached_property
    def extensions(self) -> dict[str, Any]:
        """Those of the list, by OID."""
        return self._try(lambda c: {one["extn_id"].dotted: one for one in c["tbs_cert_list"]["crl_extensions"]}, {})

    @cached_property
    def entry_extensions(self) -> list[tuple[str, bytes]]:
        """OID and value of each, of all entries, unparsed."""
        return self._try(
            lambda c: [
                (raw[0].dotted, raw[len(raw) - 1].contents)
                for entry in c["tbs_cert_list"]["revoked_certificates"]
                for raw in core.SequenceOf.load(entry["crl_entry_extensions"].dump(), spec=core.Sequence)
            ],
            [],
        )

    @property
    def invalidity_is_utc_time(self) -> bool:
        return any(oid == "2.5.29.24" and value[:1] == bytes((_UTC_TIME,)) for oid, value in self.entry_extensions)

    @cached_property
    def scope(self) -> Any:
        """The issuingDistributionPoint, None if absent."""
        found = self.extensions.get("2.5.29.28")
        return None if found is None else self._try(lambda _: found["extn_value"].parsed, None)

    def only(self, name: str) -> bool:
        """Whether a BOOLEAN of the issuingDistributionPoint is TRUE."""
        return self.scope is not None and self._try(lambda _: bool(self.scope[name].native), False)

    @property
    def default_is_said(self) -> bool:
        """Whether a BOOLEAN of the issuingDistributionPoint is there and FALSE."""
        return self.scope is not None and any(
            self.scope[name].contents == b"\0" for name in _DEFAULT_FALSE if self.scope[name].contents is not None
        )

    @property
    def is_of_every_kind(self) -> bool:
        """Whether RFC 5280 has a feature that the list uses, and that a reader may leave out."""
        scope = self.scope
        return "2.5.29.27" in self.extensions or (
            scope is not None
            and (
                self.only("indirect_crl")
                or scope["only_some_reasons"].native is not None
                or scope["distribution_point"].native is None
                or scope["distribution_point"].name == "name_relative_to_crl_issuer"
            )
        )
