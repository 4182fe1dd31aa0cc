"""What sekisho, OpenSSL and `cryptography` say of the cases of a batch."""

from __future__ import annotations

import itertools
import warnings
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509 import verification
from cryptography.x509.verification import Criticality, ExtensionPolicy, PolicyBuilder, Store
from tests.property.certificates import ANY_POLICY
from tests.property.chains import Batch, Case, Family
from tests.property.peers.build import openssl

from sekisho.batch import Column
from sekisho.engine import Engine
from sekisho.reasons import Reason
from sekisho.testing import der
from sekisho.trust import TrustStore
from sekisho.verifier import Verifier

__all__ = ["BUILDS", "EACH", "OK", "PINNED", "Core", "OpenSsl", "Pyca", "openssl_words", "store_of"]

OK: Final = int(Reason.CERTIFICATE_OK)
BUDGET: Final = int(Reason.PATH_BUDGET_SPENT)
_PATHS_MAX: Final = 64
BUILDS, EACH, PINNED = 0, 1, 2  # openssl_paths.h


# ---- sekisho ---------------------------------------------------------------------------------------------


def store_of(batch: Batch) -> TrustStore:
    """All families of a batch in one store."""
    anchors = [one for family in batch.families for one in family.anchors]
    configured = [one for family in batch.families for one in family.configured]
    return TrustStore(anchors, configured)


@dataclass
class Core:
    """The core, by its Python surface."""

    engine: Engine = field(default_factory=lambda: Engine(threads=1, cache_bytes=16 << 20, cross_check_one_in=1024))

    def told(self, batch: Batch, store: TrustStore | None = None) -> list[int]:
        """Reasons.  A row whose search ran out of the batch's budget is asked again by itself."""
        verifier = Verifier(store or store_of(batch), batch.profile, engine=self.engine)
        rows = [(case.leaf, b"".join(case.sent)) for case in batch.cases]
        reasons = self.many(verifier, rows, batch.at)
        for index, reason in enumerate(reasons):
            if reason == BUDGET:
                reasons[index] = self.many(verifier, [rows[index]], batch.at)[0]
        return reasons

    def many(self, verifier: Verifier, rows: list[tuple[bytes, bytes]], at: int) -> list[int]:
        verdicts = verifier.verify_certificates(
            Column.of([leaf for leaf, _ in rows]), Column.of([sent for _, sent in rows]), at=at, confirmations=10**6
        )
        told: list[int] = verdicts.array["reason"].tolist()
        return told


# ---- OpenSSL ---------------------------------------------------------------------------------------------


def openssl_words(error: int) -> str:
    module = openssl()
    words: bytes = module.ffi.string(module.lib.openssl_error(error))
    return words.decode()


class OpenSsl:
    """X509_verify_cert in strict mode, purpose any, over many cases in one call."""

    def __init__(self) -> None:
        self.ffi, self.lib = openssl().ffi, openssl().lib

    def told(
        self, batch: Batch, cases: list[Case] | None = None, *, way: int = BUILDS, skew: int = -1
    ) -> list[tuple[int, int]]:
        """(error, depth of the certificate at fault); error 0 is yes."""
        cases = batch.cases if cases is None else cases
        if not cases:
            return []
        table: dict[bytes, int] = {}

        def place(one: bytes) -> int:
            return table.setdefault(one, len(table))

        groups: dict[int, int] = {}
        trusted: list[int] = []
        trusted_ends = [0]
        leaves, group, untrusted, untrusted_ends = [], [], [], [0]
        for case in cases:
            family = case.family
            number = groups.get(family.number)
            if number is None:
                number = groups[family.number] = len(groups)
                trusted += [place(one) for one in family.anchors]
                trusted_ends.append(len(trusted))
            leaves.append(place(case.leaf))
            group.append(number)
            untrusted += [place(one) for one in case.sent]
            untrusted += [place(one) for one in family.configured]
            untrusted_ends.append(len(untrusted))
        every = list(table)
        data = b"".join(every)
        offsets = [0]
        for one in every:
            offsets.append(offsets[-1] + len(one))
        ffi, profile = self.ffi, batch.profile
        listed = b"".join(der.oid(one) for one in profile.policies or (ANY_POLICY,))
        keep = {
            "der": ffi.from_buffer("uint8_t[]", data),
            "offsets": ffi.new("uint64_t[]", offsets),
            "trusted": ffi.new("uint32_t[]", trusted),
            "trusted_ends": ffi.new("uint32_t[]", trusted_ends),
            "leaf": ffi.new("uint32_t[]", leaves),
            "group": ffi.new("uint32_t[]", group),
            "untrusted": ffi.new("uint32_t[]", untrusted),
            "untrusted_ends": ffi.new("uint32_t[]", untrusted_ends),
            "at": ffi.new("int64_t[]", [batch.at] * len(cases)),
            "policies": ffi.from_buffer("uint8_t[]", listed),
        }
        native = ffi.new("openssl_cases *", keep)
        native.cases, native.certificates, native.groups = len(cases), len(every), len(groups)
        native.policies_length = len(listed)
        native.explicit_policy = int(bool(profile.policies))
        native.depth, native.way, native.skew = profile.path_length_max, way, skew
        out = ffi.new("openssl_answer[]", len(cases))
        if self.lib.openssl_verify(native, out) != 1:
            raise MemoryError
        return [(answer.error, answer.depth) for answer in out]


# ---- cryptography ----------------------------------------------------------------------------------------


@cache
def _extension_policies() -> tuple[ExtensionPolicy, ExtensionPolicy]:
    """For CAs the library's own, made to let pass what it does not process but RFC 5280 lets be critical; for leaves anything
    that it knows (the profile's demands are ours): docs/ARCHITECTURE.md."""
    ca = ExtensionPolicy.webpki_defaults_ca()
    ee = ExtensionPolicy.permit_all()
    for kind in (
        x509.CertificatePolicies,
        x509.PolicyConstraints,
        x509.InhibitAnyPolicy,
        x509.CRLDistributionPoints,
    ):
        ca = ca.may_be_present(kind, Criticality.AGNOSTIC, None)
        ee = ee.may_be_present(kind, Criticality.AGNOSTIC, None)
    return ca, ee


_UNREAD: Final = (
    ValueError,
    TypeError,  # of a Name with an attribute of a type that it does not expect
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
    UnsupportedAlgorithm,
)


def _issued_by(one: x509.Certificate, several: list[x509.Certificate]) -> list[x509.Certificate]:
    """Those of `several` that bear the issuer's name, as far as it can show both names."""
    found = []
    for other in several:
        try:
            if other.subject == one.issuer:
                found.append(other)
        except ValueError:
            continue
    return found


class Pyca:
    """The verifier of `cryptography`: reads with a parser of its own, builds paths going back, checks name constraints."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self._read: dict[bytes, Any] = {}
        self._verifiers: dict[int, Any] = {}
        warnings.simplefilter("ignore")  # opinions on lengths of names and on serials

    def certificate(self, data: bytes) -> x509.Certificate | str:
        """The certificate, or why there is none."""
        found = self._read.get(data)
        if found is None:
            try:
                found = x509.load_der_x509_certificate(data)
            except _UNREAD as error:
                found = str(error)
            self._read[data] = found
        return found  # type: ignore[no-any-return]

    def _verifier(self, family: Family) -> Any:
        found = self._verifiers.get(family.number)
        if found is None:
            anchors = [one for one in map(self.certificate, family.anchors) if not isinstance(one, str)]
            if not anchors:
                return None
            configured = [one for one in map(self.certificate, family.configured) if not isinstance(one, str)]
            found = self._verifiers[family.number] = (self._client(Store(anchors)), configured)
        return found

    def told(self, case: Case) -> str:
        """Empty for yes, else its words."""
        leaf = self.certificate(case.leaf)
        if isinstance(leaf, str):
            return f"unreadable: {leaf}"
        pair = self._verifier(case.family)
        if pair is None:
            return "no anchor"
        verifier, configured = pair
        sent = [one for one in map(self.certificate, case.sent) if not isinstance(one, str)]
        return self._asked(verifier, leaf, [*sent, *configured])

    def paths(self, case: Case) -> list[str]:
        """Its words on each path that names make, when it is given nothing but that path."""
        return [self._on_path(path) for path in self.chains(case)]

    def takes(self, path: list[bytes]) -> bool:
        """Whether it takes this path, leaf first, given nothing else."""
        read = [one for one in map(self.certificate, path) if not isinstance(one, str)]
        return len(read) == len(path) and self._on_path(read) == ""

    def links_hold(self, path: list[x509.Certificate]) -> bool:
        """Whether it takes each certificate of a path under the next one as anchor."""
        pairs = itertools.pairwise(path)
        return all(self._asked(self._client(Store([above])), below, []) == "" for below, above in pairs)

    def chains(self, case: Case) -> list[list[x509.Certificate]]:
        """Each path that names make, leaf first, anchor last."""
        leaf = self.certificate(case.leaf)
        if isinstance(leaf, str):
            return []
        anchors, others = (
            [one for one in map(self.certificate, dict.fromkeys(several)) if not isinstance(one, str)]
            for several in (case.family.anchors, [*case.sent, *case.family.configured])
        )
        found: list[list[x509.Certificate]] = []
        waiting: list[list[x509.Certificate]] = [[leaf]]
        while waiting and len(found) < _PATHS_MAX:
            path = waiting.pop()
            above = _issued_by(path[-1], anchors), _issued_by(path[-1], others)
            found += [[*path, anchor] for anchor in above[0]]
            if len(path) <= 8:
                waiting += [[*path, one] for one in above[1] if one not in path]
        return found

    def _on_path(self, path: list[x509.Certificate]) -> str:
        """Its words on one path: those at the first certificate, from the leaf up, that cannot stand as an anchor.  (Of a whole
        path it says what was wrong with the last certificate it tried, which need not be of the path's own fault.)"""
        for length in range(2, len(path) + 1):
            told = self._asked(self._client(Store([path[length - 1]])), path[0], path[1 : length - 1])
            if told:
                return told + "; " + self._asked(self._client(Store([path[length - 1]])), path[length - 2], [])
        return ""

    def _client(self, store: Store) -> Any:
        ca, ee = _extension_policies()
        return (
            PolicyBuilder()
            .store(store)
            .time(datetime.fromtimestamp(self.batch.at, UTC))
            .max_chain_depth(7)
            .extension_policies(ca_policy=ca, ee_policy=ee)
            .build_client_verifier()
        )

    def _asked(self, verifier: Any, leaf: x509.Certificate, others: list[x509.Certificate]) -> str:
        try:
            verifier.verify(leaf, others)
        except verification.VerificationError as error:
            return str(error).removeprefix("validation failed: ")
        except _UNREAD as error:  # its reading of extensions is lazy
            return f"unreadable: {error}"
        return ""
