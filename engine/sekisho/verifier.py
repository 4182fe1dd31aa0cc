"""The login pipeline: a profile over a trust store, and batches of logins from bytes to verdicts (docs/ARCHITECTURE.md)."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from sekisho._native import check, ffi, lib
from sekisho.batch import Column, ColumnLike, absent, frozen, times
from sekisho.challenges import ChallengeKeys
from sekisho.claims import Claims
from sekisho.engine import Engine, default_engine
from sekisho.profiles import Profile
from sekisho.reasons import Reason
from sekisho.revocation.ocsp_statements import OCSP_STATEMENT, OcspStatements
from sekisho.revocation.snapshot import Revocation
from sekisho.trust import TrustStore
from sekisho.verdicts import LOGIN_VERDICT, Verdicts

__all__ = ["CertificateFacts", "LoginBatch", "Verifier"]

# Rejections by lanes that OpenSSL confirms in one batch of logins: a flood of forgeries then costs at most about two
# fifths more than the same number of good ones; the rest are told to try again.
CONFIRMATIONS_MIN: Final[int] = lib.SEKI_CONFIRMATIONS_MIN
CONFIRMATIONS_SHARE: Final[int] = lib.SEKI_CONFIRMATIONS_SHARE  # and one more for every so many rows

_KEY_KINDS: Final = {1: "rsa", 2: "p256", 3: "p384", 4: "ed25519"}


@dataclass(frozen=True, slots=True)
class LoginBatch:
    """N logins, a column a field (see `sekisho.Column` for what a column may be).

    Attributes:
        certificates: the holders' certificates, DER.
        challenges: the challenges as they were signed.
        signatures: the signatures over them, in the mode of the profile.
        intermediates: CA certificates that came along, as many a login as the profile allows, DER end to end; None: none.
        bindings: what the challenge was bound to at issue (session, QR id), opaque; None: empty in every row.
        transactions: SHA-256 of the transaction each login is for, or empty; None: empty in every row.
        requests: an id of the request each, so that a retry gets the first verdict again instead of `CHALLENGE_USED`;
            None or empty: no retries.
        ocsp: what OCSP responses establish of the certificates (`OcspChecker.check`), a row each; None: nothing.  A statement
            counts for no certificate but the one that it names, and for none longer than the profile lets revocation data count.
        ocsp_of_cas: the same of CA certificates above them, in any order, at most 256; for all rows.
    """

    certificates: ColumnLike
    challenges: ColumnLike
    signatures: ColumnLike
    intermediates: ColumnLike | None = None
    bindings: ColumnLike | None = None
    transactions: ColumnLike | None = None
    requests: ColumnLike | None = None
    ocsp: OcspStatements | None = None
    ocsp_of_cas: OcspStatements | None = None

    def __repr__(self) -> str:
        # A log line must not carry who logs in, nor a session.
        return f"<LoginBatch of {len(self.certificates)}>"


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """What the engine keeps of a certificate. Personal: `serial` names a holder to whoever knows the issuer.

    Attributes:
        fingerprint: SHA-256 of its DER, 32 bytes.
        issuer: SHA-256 of the issuer's Name and SubjectPublicKeyInfo, 32 bytes: with `serial` the certificate's identity.
        serial: the serial number.
        key_kind: "rsa", "p256", "p384" or "ed25519".
        key_bits: size of the key.
        not_before, not_after: validity, seconds since 1970-01-01T00:00:00Z, both ends valid.
    """

    fingerprint: bytes
    issuer: bytes
    serial: int
    key_kind: str
    key_bits: int
    not_before: int
    not_after: int

    def __repr__(self) -> str:
        # A log line must not carry a serial.
        return f"<CertificateFacts {self.key_kind}-{self.key_bits}>"


class Verifier:
    """Verifies logins against one profile and one trust store.

    Args:
        trust: who may issue.
        profile: what a valid certificate is and how it signs; a `Profile`, or the name of a shipped one.
        challenges: keys of the challenges this relying party issues; None only where the profile's challenges are foreign.
        claims: where acceptances are claimed; None only where the profile's challenges are foreign.
        audience: the name under which challenges were issued for this relying party.
        tenant: the tenant's number.
        skew: seconds by which the issuing machine's clock may be ahead of this one's, 0 to 60.
        revocation: what is in force of revocation data (`RevocationStore.revocation`); None: a profile that looks at revocation
            refuses every row of which OCSP says nothing with `REVOCATION_NOT_CONFIGURED`.
        engine: threads and cache; the process's own if None.

    Shared by threads. `challenges` and `claims` may be replaced at any time by assigning to the attribute: a batch uses one of
    them. Trust store, profile and engine are a verifier's own for its life.

    Raises:
        ValueError: parts are missing, or do not fit together.
    """

    def __init__(
        self,
        trust: TrustStore,
        profile: Profile | str,
        *,
        challenges: ChallengeKeys | None = None,
        claims: Claims | None = None,
        audience: str = "",
        tenant: int = 0,
        skew: int = 0,
        revocation: Revocation | None = None,
        engine: Engine | None = None,
    ) -> None:
        self._trust = trust
        self._profile = profile if isinstance(profile, Profile) else Profile.load(profile)
        self.challenges = challenges
        self.claims = claims
        self._engine = engine or default_engine()
        self._expect = ffi.new("seki_challenge_expectation *")
        self._expect.tenant = tenant
        self._expect.profile = self.profile.id32
        self._expect.skew = skew
        name = audience.encode("utf-8")
        lib.seki_challenge_audience(name, len(name), self._expect.audience)
        out = ffi.new("seki_verifier **")
        allowed = ffi.from_buffer("uint8_t[]", _allowed(trust, self.profile))
        check(
            lib.seki_verifier_new(
                self.engine.native,
                trust.native,
                self.profile.to_native(),
                allowed,
                ffi.NULL if revocation is None else revocation.native,
                out,
            ),
            f"making a verifier for profile {self.profile.name!r}",
        )
        self._native: Any = ffi.gc(out[0], lib.seki_verifier_free)
        self._revocation = revocation
        self._borrowed = (
            self.engine.native,
            trust.native,
            revocation,
        )  # used by address, whatever becomes of the attributes

    @property
    def native(self) -> Any:
        """A `seki_verifier *`; good as long as this object lives."""
        return self._native

    @property
    def expectation(self) -> Any:
        """What its challenges must say, a `seki_challenge_expectation`; a copy."""
        return ffi.new("seki_challenge_expectation *", self._expect[0])[0]

    @property
    def trust(self) -> TrustStore:
        """Who may issue. For another store make another verifier: they can share an engine."""
        return self._trust

    @property
    def revocation(self) -> Revocation | None:
        """What is in force of revocation data. What it holds may be replaced at any time; a batch sees one state of it."""
        return self._revocation

    @property
    def engine(self) -> Engine:
        """Threads and cache."""
        return self._engine

    @property
    def profile(self) -> Profile:
        """What a valid certificate is and how it signs."""
        return self._profile

    def verify_logins(
        self, batch: LoginBatch, *, at: int | NDArray[np.int64] | None = None, confirmations: int | None = None
    ) -> Verdicts:
        """Verify every login of a batch: challenge, certificate, path, signature, revocation, single use.

        Args:
            batch: N rows.
            at: the time to judge at, seconds since 1970-01-01T00:00:00Z, one or N of them; None: now.
            confirmations: as in `verify_signatures`; None: 64 and one more for every 8 rows.

        Returns:
            `Verdicts`, N rows in input order; a good row is `Reason.ACCEPTED`, once for each challenge. A bad row never raises.

        Raises:
            ValueError: columns of different lengths, no challenge keys although the profile wants them, or a time that the claims
                must not remember (`Claims.refuse_far_time`).
            TypeError: a row is not bytes, a time is not an int.
            NativeError: the core failed; no verdict is trustworthy.
        """
        certificates = Column.of(batch.certificates)
        rows = certificates.rows
        own = self.profile.challenge == "own"
        challenges, claims = self.challenges, self.claims  # those of this batch: another thread may assign others
        if own and challenges is None:
            raise ValueError(
                f"profile {self.profile.name!r} takes challenges of our own: give the Verifier `challenges` (ChallengeKeys) "
                'and `claims` (Claims), or use a profile with challenge = "foreign"'
            )
        keep: list[Any] = [certificates]
        native = ffi.new("seki_login_batch *")
        native.rows = rows
        native.keys = challenges.native if own and challenges is not None else ffi.NULL
        native.claims = claims.native if own and claims is not None else ffi.NULL
        native.expect = self._expect[0]
        native.certificates = certificates.native[0]
        for name in ("intermediates", "challenges", "signatures", "bindings", "transactions", "requests"):
            setattr(native, name, _column(name, getattr(batch, name), rows, keep))
        when = times(int(time.time()) if at is None else at, rows)
        if own and claims is not None and at is not None and rows:
            claims.refuse_far_time(int(at.max()) if isinstance(at, np.ndarray) else int(at))
        native.at, native.at_stride = when.native, when.stride
        native.confirmations = (
            CONFIRMATIONS_MIN + rows // CONFIRMATIONS_SHARE if confirmations is None else confirmations
        )
        _take_ocsp(native, rows, batch.ocsp, batch.ocsp_of_cas, keep)
        return self._run(lib.seki_verify_logins, native, rows, Reason.ACCEPTED)

    def verify_certificates(
        self,
        certificates: ColumnLike,
        intermediates: ColumnLike | None = None,
        *,
        at: int | NDArray[np.int64] | None = None,
        confirmations: int | None = None,
        ocsp: OcspStatements | None = None,
        ocsp_of_cas: OcspStatements | None = None,
    ) -> Verdicts:
        """Verify certificates alone: path, validity, policy, revocation. Whether their holder is there is proven elsewhere
        (a TLS handshake at a trusted hop), so a good row is `Reason.CERTIFICATE_OK`, which is no login.

        Arguments, return and exceptions as in `LoginBatch` and `verify_logins`.
        """
        column = Column.of(certificates)
        keep: list[Any] = [column]
        native = ffi.new("seki_certificate_batch *")
        native.rows = column.rows
        native.certificates = column.native[0]
        native.intermediates = _column("intermediates", intermediates, column.rows, keep)
        when = times(int(time.time()) if at is None else at, column.rows)
        native.at, native.at_stride = when.native, when.stride
        native.confirmations = (
            CONFIRMATIONS_MIN + column.rows // CONFIRMATIONS_SHARE if confirmations is None else confirmations
        )
        _take_ocsp(native, column.rows, ocsp, ocsp_of_cas, keep)
        return self._run(lib.seki_verify_certificates, native, column.rows, Reason.CERTIFICATE_OK)

    def certificate(self, handle: int) -> CertificateFacts | None:
        """What the engine keeps of the certificate that a verdict names; None if it has left the cache."""
        facts = ffi.new("seki_certificate_facts *")
        if lib.seki_certificate_of(self.engine.native, handle, facts) != lib.SEKI_OK:
            return None
        return CertificateFacts(
            fingerprint=bytes(facts.fingerprint),
            issuer=bytes(facts.issuer),
            serial=int.from_bytes(bytes(facts.serial)[: facts.serial_length], "big"),
            key_kind=_KEY_KINDS[facts.key_kind],
            key_bits=facts.key_bits,
            not_before=facts.not_before,
            not_after=facts.not_after,
        )

    def _run(self, call: Any, native: Any, rows: int, wanted: Reason) -> Verdicts:
        out = np.zeros(rows, dtype=LOGIN_VERDICT)
        if rows:
            view = ffi.cast("seki_verdict *", ffi.from_buffer(out, require_writable=True))
            check(call(self._native, native, view), f"verifying {rows} rows")
        return Verdicts(out, wanted)


def _column(name: str, values: ColumnLike | None, rows: int, keep: list[Any]) -> Any:
    if values is None:
        return absent()
    column = Column.of(values)
    if column.rows != rows:
        raise ValueError(f"{rows} certificates want {rows} {name}, not {column.rows}")
    keep.append(column)
    return column.native[0]


def _take_ocsp(
    native: Any, rows: int, ocsp: OcspStatements | None, of_cas: OcspStatements | None, keep: list[Any]
) -> None:
    """Gives a batch its statements; what is not given stays NULL."""
    if ocsp is not None:
        if len(ocsp) != rows:
            raise ValueError(f"{rows} certificates want {rows} OCSP statements, not {len(ocsp)}")
        native.ocsp = _statements(ocsp, keep)
    if of_cas is not None and len(of_cas):
        if len(of_cas) > lib.SEKI_OCSP_OF_CAS_MAX:
            raise ValueError(f"a batch takes at most {lib.SEKI_OCSP_OF_CAS_MAX} statements on CAs, not {len(of_cas)}")
        native.ocsp_of_cas, native.ocsp_of_cas_count = _statements(of_cas, keep), len(of_cas)


def _statements(of: OcspStatements, keep: list[Any]) -> Any:
    if of.array.dtype != OCSP_STATEMENT or of.array.ndim != 1:
        raise TypeError(f"statements are an array of dtype OCSP_STATEMENT, not {of.array.dtype} {of.array.shape}")
    view = ffi.from_buffer("uint8_t[]", frozen(of.array))
    keep.append(view)
    return ffi.cast("seki_ocsp_statement *", view)


def _allowed(trust: TrustStore, profile: Profile) -> bytes:
    """A byte for each certificate of the store: 1 if it is one of the profile's issuers, below which its leaves are."""
    if not profile.issuers:
        return bytes([1]) * len(trust.issuers)
    wanted = frozenset(profile.issuers)
    return bytes(issuer.subject in wanted for issuer in trust.issuers)
