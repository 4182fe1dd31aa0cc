"""OCSP responses (RFC 6960, RFC 9654, RFC 5019) that somebody hands over: injected by the operator, or stapled to a login.

    checker = OcspChecker(trust, profile)
    statements = checker.check([response], [certificate], at=now)
    print(statements[0].status, statements.reasons)

Nothing is fetched.  What a response says is established here: who signed it, with what right, of which certificate, when it
holds.  What comes out is a column of statements.  Each names the certificate that it is of by the key that issued it and
its serial, and counts for no other: so the certificate itself need not be verified first.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Generic, TypeAlias, TypeVar

import numpy as np

from sekisho._native import lib
from sekisho.engine import Engine
from sekisho.modes import Mode
from sekisho.profiles import PATH_LENGTH_MAX, RSA_BITS_MAX, SIGNATURE_ALGORITHMS, Profile
from sekisho.reasons import Reason
from sekisho.revocation.ocsp_response import NO_TIME, OcspResponse, OcspSingle, read_response
from sekisho.revocation.ocsp_statements import NOTHING, OCSP_STATEMENT, OcspStatement, OcspStatements, packed
from sekisho.revocation.responders import Issuer, Responder, Signer, Subject, same_name, split
from sekisho.revocation.snapshot import Revocation
from sekisho.signatures import SignatureBatch, verify_signatures
from sekisho.trust import TrustStore
from sekisho.verifier import Verifier

__all__ = [
    "OCSP_STATEMENT",
    "OcspChecker",
    "OcspResponse",
    "OcspSingle",
    "OcspStatement",
    "OcspStatements",
    "Responder",
    "read_response",
]

Given: TypeAlias = bytes | Sequence[bytes] | None
"""What a row has: a response, several, or none."""

RESPONSES_MAX: Final = (
    4  # responses a row that are looked at: a staple, and what an operator may have from two or three sources
)
DELEGATES_MAX: Final = 2  # delegated signers tried for a response; one is right, two share a name while its key changes
CACHE_ENTRIES_DEFAULT: Final = 16_384  # responses; some 2 kB each
ISSUERS_KEPT: Final = 1_024  # issuers that came along and were read, and certificates of delegates that were verified
# Rejections by lanes that OpenSSL confirms in one call, as for a batch of logins (verifier.py).
CONFIRMATIONS_MIN: Final = 64
CONFIRMATIONS_SHARE: Final = 8


_HOLD: Final = 6  # certificateHold (RFC 5280, 5.3.1), the one reason that may be taken back
_Key: TypeAlias = tuple[bytes, bytes]  # SHA-256 of a response and an issuer's identity, or that and a certificate's
_MODES: Final = {
    number: Mode.parse(f"{name}-der" if name.startswith("ecdsa") else name)
    for name, number in SIGNATURE_ALGORITHMS.items()
}
_NEVER: Final = (SIGNATURE_ALGORITHMS["ed25519"], b"", b"", b"")  # a row that no key verifies
# The order in which a response is judged: of several refusals that one is told which came farthest.
_ORDER: Final = {
    reason: place
    for place, reason in enumerate(
        (
            Reason.INPUT_TOO_LARGE,
            Reason.OCSP_MALFORMED,
            Reason.OCSP_NOT_SUCCESSFUL,
            Reason.OCSP_EXTENSION_UNKNOWN_CRITICAL,
            Reason.OCSP_OTHER_CERTIFICATE,
            Reason.OCSP_NONCE,
            Reason.OCSP_ALGORITHM_NOT_ALLOWED,
            Reason.OCSP_EXPIRED,
            Reason.OCSP_NOT_YET_VALID,
            Reason.OCSP_RESPONDER_UNKNOWN,
            Reason.OCSP_RESPONDER_NOT_ALLOWED,
            Reason.OCSP_SIGNATURE_WRONG,
            Reason.SIGNATURE_UNCONFIRMED,
        )
    )
}


# ---- checking ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Voucher:
    """Who signed a response, with what right: the issuer itself, its delegate, or a configured responder."""

    signer: Signer | None
    delegate: bool

    def key_of(self, issuer: Issuer) -> bytes:
        """The key that signed, for that issuer."""
        return issuer.spki if self.signer is None else self.signer.spki

    def pair_with(self, issuer: Issuer) -> _Key:
        """What an appointment is known by."""
        return issuer.identity, b"" if self.signer is None else self.signer.fingerprint


@dataclass(slots=True)
class _Known:
    """A response that was read, and for which issuers its signature was verified."""

    response: OcspResponse
    vouchers: dict[bytes, tuple[_Voucher, ...]] = field(default_factory=dict)

    def without_octets(self) -> _Known:
        """What is kept.  Certificates that come along are not signed: whoever adds some must not choose how much that is."""
        return _Known(replace(self.response, tbs=b"", signature=b"", certificates=()), self.vouchers)


@dataclass(slots=True)
class _Ask:
    """A response that is about a row's certificate and in time, if its signature holds."""

    doubts: int
    digest: bytes
    known: _Known
    issuer: Issuer
    singles: list[OcspSingle]
    at: int
    sent: bytes

    @property
    def key(self) -> _Key:
        return self.digest, self.issuer.identity


@dataclass(slots=True)
class _Row:
    found: list[tuple[OcspSingle, Issuer]] = field(default_factory=list)
    reason: Reason | None = None

    def refuse(self, reason: Reason) -> None:
        if self.reason is None or _ORDER[reason] > _ORDER[self.reason]:
            self.reason = reason


class OcspChecker:
    """Establishes what OCSP responses say under a trust store and a profile.  Shared by threads.

    Args:
        trust: whose CAs' certificates the responses are about.
        profile: for how old a response may be (`revocation_age_max`, `revocation_grace`, `clock_skew`), for the algorithms
            that certificates of responders are signed with, and whether a delegated responder without
            id-pkix-ocsp-nocheck must be known not to be revoked (`revocation`; RFC 6960, 4.2.2.2.1).
        responders: responders that are trusted though the issuer did not appoint them.
        revocation: what is asked about delegated responders; None: those without id-pkix-ocsp-nocheck are refused, unless
            the profile does not look at revocation.
        signature_algorithms: those by which responses may be signed; the profile's if None.
        engine: threads to work with; the process's own if None.
        cache_entries: verified responses that are kept, so that the same bytes are not verified again.

    Raises:
        ValueError: the certificate of a configured responder, or of an issuer it speaks for, cannot be used.
    """

    def __init__(
        self,
        trust: TrustStore,
        profile: Profile,
        *,
        responders: Iterable[Responder] = (),
        revocation: Revocation | None = None,
        signature_algorithms: Iterable[str] | None = None,
        engine: Engine | None = None,
        cache_entries: int = CACHE_ENTRIES_DEFAULT,
    ) -> None:
        self._profile = profile
        self._engine = engine
        allowed = profile.signature_algorithms if signature_algorithms is None else tuple(signature_algorithms)
        self._algorithms = {SIGNATURE_ALGORITHMS[name] for name in allowed}
        self._certificate_algorithms = {SIGNATURE_ALGORITHMS[name] for name in profile.signature_algorithms}
        anchors = len(trust.anchors)
        self._issuers: dict[tuple[int, bytes], list[Issuer]] = {}
        for index, der in enumerate(trust.certificates):
            if (issuer := Issuer(der, anchor=index < anchors, configured=True)).readable:
                _enter(self._issuers, issuer)
        self._responders = [_configured(number, one) for number, one in enumerate(responders)]
        self._judge = Verifier(trust, _delegates(profile), revocation=revocation, engine=engine)
        # What was verified is known by the doubts of that time too: a kernel may be found to accept wrongly (sekisho.h).
        self._cache = _Bounded[tuple[int, bytes], _Known](cache_entries)
        self._sent = _Bounded[bytes, Issuer](ISSUERS_KEPT)
        self._appointed = _Bounded[tuple[int, _Key], Signer](ISSUERS_KEPT)

    def check(
        self,
        responses: Sequence[Given],
        certificates: Sequence[bytes],
        *,
        at: int | Sequence[int],
        intermediates: Sequence[bytes] | None = None,
        nonces: Sequence[bytes | None] | None = None,
    ) -> OcspStatements:
        """What the responses of each row say of its certificate.

        Args:
            responses: DER, one, several (RESPONSES_MAX are looked at) or none a row.
            certificates: DER; what each row asks about.
            at: the time of judgement, seconds, for all rows or one a row.
            intermediates: CA certificates that came along, DER end to end a row, as in `LoginBatch`: issuers that the trust
                store does not have.
            nonces: what a row's request had; a response without that very nonce is refused.  None: any nonce, or none.

        Raises:
            ValueError: columns of different lengths.
        """
        count = len(certificates)
        times = [at] * count if isinstance(at, int) else list(at)
        sent = intermediates if intermediates is not None else [b""] * count
        asked = nonces if nonces is not None else [None] * count
        for name, column in (("responses", responses), ("times", times), ("intermediates", sent), ("nonces", asked)):
            if len(column) != count:
                raise ValueError(f"{count} certificates want {count} {name}, not {len(column)}")
        rows = [_Row() for _ in range(count)]
        doubts = lib.seki_kernels_doubts()
        asks: list[tuple[_Row, _Ask]] = []
        for row, given, der, moment, along, nonce in zip(
            rows, responses, certificates, times, sent, asked, strict=True
        ):
            if not given:
                continue
            subject = Subject(der)
            for data in ((given,) if isinstance(given, bytes) else given)[:RESPONSES_MAX]:
                found = self._match(data, subject, moment, along, nonce, doubts=doubts)
                if isinstance(found, Reason):
                    row.refuse(found)
                else:
                    asks += [(row, one) for one in found]
        vouchers = self._vouch(doubts, [one for _, one in asks])
        stands: dict[tuple[bytes, int, bytes], bool] = {}
        for row, one in asks:
            told = self._told(one, vouchers[one.key], stands)
            if told is None:
                row.found += [(single, one.issuer) for single in one.singles]
            else:
                row.refuse(told)
        self._settle(rows, certificates)
        return _statements(rows, doubts)

    # ---- which certificate, when

    def _match(
        self, data: bytes, subject: Subject, at: int, sent: bytes, nonce: bytes | None, *, doubts: int
    ) -> list[_Ask] | Reason:
        digest = hashlib.sha256(data).digest()
        known = self._cache.get((doubts, digest))
        if known is None:
            response = read_response(data)
            if isinstance(response, Reason):
                return Reason.OCSP_MALFORMED if response is Reason.INPUT_MISSING else response
            known = _Known(response)
        response = known.response
        about: dict[bytes, tuple[Issuer, list[OcspSingle]]] = {}
        if subject.readable:
            for single in response.singles:
                if single.serial == subject.serial and single.hash:
                    for issuer in self._issuers_of(single, subject, sent):
                        about.setdefault(issuer.identity, (issuer, []))[1].append(single)
        if not about:
            return Reason.OCSP_OTHER_CERTIFICATE
        if not response.tbs and any(identity not in known.vouchers for identity in about):
            whole = read_response(data)
            if isinstance(whole, Reason):  # the same octets were read before
                return whole
            known = _Known(whole, dict(known.vouchers))
        if nonce is not None and nonce != response.nonce:
            return Reason.OCSP_NONCE
        if response.algorithm not in self._algorithms:
            return Reason.OCSP_ALGORITHM_NOT_ALLOWED
        asks, why = [], Reason.OCSP_EXPIRED
        for issuer, singles in about.values():
            timely = []
            for single in singles:
                reason = self._untimely(response, single, at)
                if reason is None:
                    timely.append(single)
                else:
                    why = max(why, reason, key=_ORDER.__getitem__)
            if timely:
                asks.append(_Ask(doubts, digest, known, issuer, timely, at, sent))
        return asks or why

    def _issuers_of(self, single: OcspSingle, subject: Subject, sent: bytes) -> Iterator[Issuer]:
        """The issuers that a CertID is of, among those that may have issued the certificate (RFC 6960, 4.1.1).

        The name is hashed as it stands in the certificate; some responders hash it as it stands in an issuer's.  One key may
        have its name in several spellings: a CertID of one is of all, for the engine goes by the certificate's.
        """
        candidates = list(self._issuers.get((single.hash, single.key_hash), ()))
        for der in split(sent, lib.SEKI_INTERMEDIATES_MAX):
            issuer = self._issuer_sent(der)
            if issuer.readable and issuer.key_hashes[single.hash] == single.key_hash:
                candidates.append(issuer)
        candidates = [one for one in candidates if same_name(one.subject, subject.issuer)]
        named = {one.spki for one in candidates if one.name_hashes[single.hash] == single.name_hash}
        for issuer in candidates:
            if issuer.spki in named or single.name_hash == subject.name_hash(single.hash):
                yield issuer

    def _issuer_sent(self, der: bytes) -> Issuer:
        digest = hashlib.sha256(der).digest()
        issuer = self._sent.get(digest)
        if issuer is None:
            issuer = Issuer(der)
            self._sent.put(digest, issuer)
        return issuer

    def _untimely(self, response: OcspResponse, single: OcspSingle, at: int) -> Reason | None:
        """Why a status does not hold at that time; None if it does (RFC 6960, 3.2 and 4.2.2.1)."""
        profile = self._profile
        revoked_at = single.revoked_at
        if max(response.produced_at, single.this_update) > at + profile.clock_skew:
            # Known later, and so already then.
            return None if revoked_at is not None and revoked_at <= at else Reason.OCSP_NOT_YET_VALID
        if revoked_at is not None:
            return None  # does not age, as on a CRL: not even a hold is lifted but by somebody who says so
        if profile.revocation_age_max and at - profile.revocation_age_max > single.this_update:
            return Reason.OCSP_EXPIRED
        if single.next_update is None:  # "newer revocation information is available all the time": an age must be set
            return None if profile.revocation_age_max else Reason.OCSP_EXPIRED
        return None if at <= single.next_update + profile.revocation_grace else Reason.OCSP_EXPIRED

    # ---- who signed, and with what right

    def _vouch(self, doubts: int, asks: Sequence[_Ask]) -> dict[_Key, tuple[_Voucher, ...] | Reason]:
        """Who vouches for each response, by response and issuer asked about: in two batches of signatures for all of them."""
        told: dict[_Key, tuple[_Voucher, ...] | Reason] = {}
        waiting: dict[_Key, tuple[_Ask, list[_Voucher]]] = {}
        for ask in asks:
            if ask.key in told or ask.key in waiting:
                continue
            if (known := ask.known.vouchers.get(ask.issuer.identity)) is not None:
                told[ask.key] = known
                continue
            candidates = self._candidates(ask)
            if isinstance(candidates, Reason):
                told[ask.key] = candidates
            else:
                waiting[ask.key] = ask, candidates
        appointed = self._appointed_among(
            doubts,
            (
                (ask.issuer, one.signer)
                for ask, found in waiting.values()
                for one in found
                if one.delegate and one.signer is not None
            ),
        )
        jobs: list[tuple[_Ask, _Voucher]] = []
        for key, (ask, found) in waiting.items():
            entitled = [one for one in found if not one.delegate or one.pair_with(ask.issuer) in appointed]
            jobs += [(ask, one) for one in entitled]
            told[key] = Reason.OCSP_SIGNATURE_WRONG if entitled else Reason.OCSP_RESPONDER_NOT_ALLOWED
        signed = self._signed(
            (ask.known.response.algorithm, one.key_of(ask.issuer), ask.known.response.tbs, ask.known.response.signature)
            for ask, one in jobs
        )
        for (ask, one), reason in zip(jobs, signed, strict=True):
            so_far = told[ask.key]
            if reason is Reason.SIGNATURE_OK:
                told[ask.key] = (*(() if isinstance(so_far, Reason) else so_far), one)
            elif reason is Reason.SIGNATURE_UNCONFIRMED and isinstance(so_far, Reason):
                told[ask.key] = reason
        for key, (ask, _) in waiting.items():
            vouchers = told[key]
            if not isinstance(vouchers, Reason) and ask.issuer.configured:
                ask.known.vouchers[ask.issuer.identity] = vouchers
                self._cache.put((doubts, ask.digest), ask.known.without_octets())
        return told

    def _candidates(self, ask: _Ask) -> list[_Voucher] | Reason:
        """Who may have signed, by what costs nothing: name, purpose, algorithms (RFC 6960, 4.2.2.2)."""
        response, issuer = ask.known.response, ask.issuer

        def is_named(subject: bytes, key_hash: bytes) -> bool:
            if response.responder_name:
                return same_name(response.responder_name, subject)
            return response.responder_key == key_hash

        found = [_Voucher(None, delegate=False)] if is_named(issuer.subject, issuer.key_hash) else []
        found += [
            _Voucher(one, delegate=False)
            for one, speaks_for in self._responders
            if issuer.identity in speaks_for and is_named(one.subject, one.key_hash)
        ]
        why, delegates = Reason.OCSP_RESPONDER_UNKNOWN, 0
        for der in response.certificates:
            one = Signer(der)
            if not is_named(one.subject, one.key_hash):
                continue
            why = Reason.OCSP_RESPONDER_NOT_ALLOWED
            if (
                one.usable
                and one.delegated
                and one.algorithm in self._certificate_algorithms
                and same_name(one.issuer, issuer.subject)
                and delegates < DELEGATES_MAX
            ):
                delegates += 1
                # One object for all responses that are kept.
                one = self._appointed.get((ask.doubts, (issuer.identity, one.fingerprint))) or one
                found.append(_Voucher(one, delegate=True))
        return found or why

    def _appointed_among(self, doubts: int, pairs: Iterable[tuple[Issuer, Signer]]) -> set[_Key]:
        """Those delegates whose certificates are signed by the very key that they speak for, by identity and fingerprint."""
        found: set[_Key] = set()
        new: dict[_Key, tuple[Issuer, Signer]] = {}
        for issuer, signer in pairs:
            key = (issuer.identity, signer.fingerprint)
            if self._appointed.get((doubts, key)) is not None:
                found.add(key)
            else:
                new[key] = issuer, signer
        signed = self._signed((one.algorithm, issuer.spki, one.tbs, one.signature) for issuer, one in new.values())
        for (key, (issuer, signer)), reason in zip(new.items(), signed, strict=True):
            if reason is Reason.SIGNATURE_OK:
                found.add(key)
                if issuer.configured:
                    self._appointed.put((doubts, key), signer)
        return found

    def _signed(self, jobs: Iterable[tuple[int, bytes, bytes, bytes]]) -> list[Reason]:
        """For each algorithm, key, message and signature: SIGNATURE_OK, or why not."""
        rows = list(jobs)
        if not rows:
            return []
        batch = SignatureBatch(
            [key for _, key, _, _ in rows],
            [signature for _, _, _, signature in rows],
            [message for _, _, message, _ in rows],
            [_MODES[algorithm] for algorithm, _, _, _ in rows],
        )
        budget = CONFIRMATIONS_MIN + len(rows) // CONFIRMATIONS_SHARE
        return [one.reason for one in verify_signatures(batch, engine=self._engine, confirmations=budget)]

    def _told(
        self, ask: _Ask, vouchers: tuple[_Voucher, ...] | Reason, stands: dict[tuple[bytes, int, bytes], bool]
    ) -> Reason | None:
        """Why nothing that the response says counts at that time; None if it does."""
        if isinstance(vouchers, Reason):
            return vouchers
        if any(self._may_speak(one, ask, stands) for one in vouchers):
            return None
        return Reason.OCSP_RESPONDER_NOT_ALLOWED

    def _may_speak(self, one: _Voucher, ask: _Ask, stands: dict[tuple[bytes, int, bytes], bool]) -> bool:
        signer = one.signer
        if signer is None:
            return True  # the issuer: whether its own path holds is for the verdict on the certificate
        skew = self._profile.clock_skew
        if not signer.window[0] - skew <= ask.at <= signer.window[1] + skew:
            return False
        if not one.delegate or signer.no_check:
            return True
        key = (signer.fingerprint, ask.at, ask.sent)
        if key not in stands:
            verdict = self._judge.verify_certificates([signer.der], [ask.sent], at=ask.at)[0]
            stands[key] = verdict.reason is Reason.CERTIFICATE_OK
        return stands[key]

    # ---- which issuer

    def _settle(self, rows: Sequence[_Row], certificates: Sequence[bytes]) -> None:
        """Where statuses of one serial under several keys were found, keeps those under the key that signed the certificate.

        A statement is of one key.  Were it chosen otherwise, a response about another CA's certificate with that serial could
        stand in the way of one that says that this one is revoked.
        """
        torn = [
            (row, der)
            for row, der in zip(rows, certificates, strict=True)
            if len({i.identity for _, i in row.found}) > 1
        ]
        jobs = []
        for row, der in torn:
            signer = Signer(der)
            for issuer in {one.identity: one for _, one in row.found}.values():
                jobs.append((row, issuer, signer))
        signed = self._signed(
            (one.algorithm, issuer.spki, one.tbs, one.signature) if one.algorithm else _NEVER for _, issuer, one in jobs
        )
        for (row, issuer, _), reason in zip(jobs, signed, strict=True):
            if reason is not Reason.SIGNATURE_OK:
                row.found = [(single, one) for single, one in row.found if one.identity != issuer.identity]
                row.refuse(Reason.OCSP_OTHER_CERTIFICATE)
        for row, der in torn:
            # One key under several spellings of its name: the engine takes one of the trust store before one that came along,
            # and of these the one that the certificate has (find_candidates in stage_issuer.c, look in sent_chain.c).
            issuers = [one for _, one in row.found]
            if issuers:
                name = Signer(der).issuer
                best = max(issuers, key=lambda one: (one.configured, one.subject == name))
                row.found = [(single, best) for single, _ in row.found]


def _enter(issuers: dict[tuple[int, bytes], list[Issuer]], issuer: Issuer) -> None:
    for kind, digest in issuer.key_hashes.items():
        there = issuers.setdefault((kind, digest), [])
        if all(one.identity != issuer.identity for one in there):
            there.append(issuer)


def _configured(number: int, responder: Responder) -> tuple[Signer, frozenset[bytes]]:
    signer = Signer(responder.certificate)
    if not signer.usable:
        raise ValueError(f"responders[{number}]: this certificate's key cannot sign OCSP responses, or cannot be used")
    issuers = [Issuer(der, anchor=True) for der in responder.issuers]
    if not issuers or not all(one.readable for one in issuers):
        raise ValueError(f"responders[{number}]: name the CAs that it may speak for, by certificates that can be read")
    return signer, frozenset(one.identity for one in issuers)


def _delegates(profile: Profile) -> Profile:
    """What a delegated responder without id-pkix-ocsp-nocheck must be: good, as far as this profile asks."""
    return Profile(
        name="ocsp-responder",
        purpose="other",
        signature_algorithms=profile.signature_algorithms,
        rsa_mode=Mode.parse("rsassa-pkcs1-v1_5-sha256"),
        p256_mode=Mode.parse("ecdsa-sha256-der"),
        p384_mode=Mode.parse("ecdsa-sha384-der"),
        ed25519_mode=Mode.parse("ed25519"),
        rsa_bits_min=profile.rsa_bits_min,
        rsa_bits_max=RSA_BITS_MAX,
        extended_key_usage=("OCSPSigning",),
        extended_key_usage_required=True,
        extended_key_usage_of_cas=False,
        path_length_max=PATH_LENGTH_MAX,
        intermediates_max=lib.SEKI_INTERMEDIATES_MAX,
        clock_skew=profile.clock_skew,
        revocation=profile.revocation,
        revocation_age_max=profile.revocation_age_max,
        revocation_grace=profile.revocation_grace,
        revocation_same_key=profile.revocation_same_key,
        challenge="foreign",
        test=profile.revocation == "off",
    )


def _statements(rows: Sequence[_Row], doubts: int) -> OcspStatements:
    array = np.frombuffer(b"".join(_row_of(row, doubts) for row in rows), dtype=OCSP_STATEMENT)
    reasons = np.array([0 if row.found or row.reason is None else int(row.reason) for row in rows], dtype=np.uint16)
    return OcspStatements(array, reasons)


def _row_of(row: _Row, doubts: int) -> bytes:
    if not row.found:
        return NOTHING
    single, issuer = _combined(row.found)
    return packed(single, issuer.identity, doubts)


def _combined(found: Sequence[tuple[OcspSingle, Issuer]]) -> tuple[OcspSingle, Issuer]:
    """What several statuses of one certificate come to.

    Revoked stands, whatever else is said, but for a hold that a later thisUpdate has lifted; good stands only where nothing
    of the same time or later says otherwise.
    """
    revoked = [one for one in found if one[0].status == lib.SEKI_OCSP_REVOKED]
    final = [one for one in revoked if one[0].reason != _HOLD]
    lifted = max((one[0].this_update for one in found if one[0].status == lib.SEKI_OCSP_GOOD), default=NO_TIME)
    held = [one for one in revoked if one[0].this_update >= lifted]
    return max(final or held or found, key=lambda one: (one[0].this_update, one[0].status, one[1].configured))


_K = TypeVar("_K")
_V = TypeVar("_V")


class _Bounded(Generic[_K, _V]):
    """The entries that were asked for last; shared by threads."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._entries: OrderedDict[_K, _V] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: _K) -> _V | None:
        with self._lock:
            if (value := self._entries.get(key)) is not None:
                self._entries.move_to_end(key)
            return value

    def put(self, key: _K, value: _V) -> None:
        with self._lock:
            self._entries[key] = value
            self._entries.move_to_end(key)
            while len(self._entries) > self._most:
                self._entries.popitem(last=False)
