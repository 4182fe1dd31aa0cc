"""The reader of OCSP responses against cryptography: `python -m tests.property.ocsp --count N --seed S`.

Responses of the conformance suites, and some made here with every kind of part, are mutated, most often inside of the octets that
are signed.  Where sekisho reads a response, cryptography must read it too and find the same responder, times, nonce, signature
and, of each certificate, the same issuer, serial, status and times.  Two exceptions are known: certificates that come along are
not looked into by the reader, nor are the parameters of algorithms and hashes that are not taken; so what cryptography cannot
read of those is taken out before it is asked again.
"""

from __future__ import annotations

import base64
import io
import json
import lzma
import random
import tarfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509 import ocsp
from tests.conformance.suites import ROOT
from tests.property.certificates import mutate_bytes
from tests.property.command import command
from tests.property.der import Refused
from tests.property.oracle import BadDer, children
from tests.unit import ocsps
from tests.unit.chains import make

from sekisho.reasons import Reason
from sekisho.revocation.ocsp import OcspResponse, read_response
from sekisho.testing import AT
from sekisho.testing.der import NULL, context, generalized_time, sequence, tlv

__all__ = ["Fields", "Report", "hold", "seeds"]

SIZE_MAX: Final = 8_192  # bytes


# ---- seeds -------------------------------------------------------------------------------------------------


def _made() -> Iterator[bytes]:
    issuer = make("issuer")
    delegate = ocsps.responder(issuer)
    statuses = [ocsps.GOOD, ocsps.UNKNOWN, ocsps.revoked(), *(ocsps.revoked(code) for code in (0, 1, 6, 8, 10))]
    for number, status in enumerate(statuses):
        about = ocsps.certificate_id(issuer, number << 40, hash_name=("sha1", "sha256", "sha384")[number % 3])
        one = ocsps.single(number, issuer, status, next_update=AT if number % 2 else None, about=about)
        yield ocsps.respond(issuer, one, by_key=bool(number % 2))
    many = [ocsps.single(n * n, issuer, statuses[n % len(statuses)]) for n in range(12)]
    nonce = ocsps.nonce(b"nonce" * 5)
    yield ocsps.respond(delegate, *many, certificates=[delegate, issuer], extensions=[nonce])
    cutoff = ocsps.extension("1.3.6.1.5.5.7.48.1.6", generalized_time(AT - 10**8))
    reference = ocsps.extension("1.3.6.1.5.5.7.48.1.3", sequence(context(0, tlv(0x16, b"http://a.example"))))
    odd = [cutoff, reference, ocsps.extension("1.2.3.4", b"?")]
    extended = ocsps.extension("1.3.6.1.5.5.7.48.1.9", NULL)
    yield ocsps.respond(issuer, ocsps.single(7, issuer, extensions=odd), extensions=[extended, nonce])
    yield from (ocsps.unsuccessful(status) for status in (1, 2, 3, 5, 6))


@cache
def seeds() -> tuple[bytes, ...]:
    """Responses of the suites (each once, in a fixed order), and as many of those made here."""
    found: dict[bytes, None] = {}
    for path in sorted(ROOT.glob("boringssl-pki/ocsp.json")):
        found |= dict.fromkeys(base64.b64decode(one["response"]) for one in json.loads(path.read_text())["cases"])
    path = ROOT / "fuzz-seeds" / "boringssl.tar.xz"
    if path.exists():
        with tarfile.open(fileobj=io.BytesIO(lzma.decompress(path.read_bytes()))) as archive:
            for member in archive:
                file = archive.extractfile(member) if "ocsp_parse_ocsp_response_fuzzer" in member.name else None
                if file is not None:
                    found[file.read()] = None
    suites = [one for one in found if 40 < len(one) <= SIZE_MAX]
    made = list(_made())
    return (*suites, *(made * (1 + len(suites) // len(made))))


# ---- readers -----------------------------------------------------------------------------------------------

Single = tuple[str, bytes, bytes, int, str, int, int | None, int, int | None]
_HASHES: Final = {0: "", 1: "sha1", 2: "sha256"}  # SEKI_HASH_*; of others only that they are others
_STATUSES: Final = {1: "GOOD", 2: "REVOKED", 3: "UNKNOWN"}  # SEKI_OCSP_*


@dataclass(frozen=True)
class Fields:
    """What a reader found."""

    responder: bytes
    produced_at: int
    nonce: bytes
    singles: tuple[Single, ...]
    tbs: bytes
    signature: bytes
    certificates: int


def _ours(found: OcspResponse) -> Fields:
    return Fields(
        found.responder_name or found.responder_key,
        found.produced_at,
        found.nonce,
        tuple(
            (
                _HASHES[one.hash],
                one.name_hash,
                one.key_hash,
                int.from_bytes(one.serial, signed=True),
                _STATUSES[one.status],
                one.reason,
                one.revoked_at,
                one.this_update,
                one.next_update,
            )
            for one in found.singles
        ),
        found.tbs,
        found.signature,
        len(found.certificates),
    )


def _seconds(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp())


_CODES: Final = {
    None: 0,
    x509.ReasonFlags.unspecified: 0,
    x509.ReasonFlags.key_compromise: 1,
    x509.ReasonFlags.ca_compromise: 2,
    x509.ReasonFlags.affiliation_changed: 3,
    x509.ReasonFlags.superseded: 4,
    x509.ReasonFlags.cessation_of_operation: 5,
    x509.ReasonFlags.certificate_hold: 6,
    x509.ReasonFlags.remove_from_crl: 8,
    x509.ReasonFlags.privilege_withdrawn: 9,
    x509.ReasonFlags.aa_compromise: 10,
}


def _hash_of(one: ocsp.OCSPSingleResponse) -> str:
    try:
        name = one.hash_algorithm.name
    except UnsupportedAlgorithm:
        return ""
    return name if name in _HASHES.values() else ""


def by_cryptography(data: bytes) -> Fields | int:
    """What cryptography reads; a number: the responder's error."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            response = ocsp.load_der_ocsp_response(data)
            if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
                return int(response.response_status.value)
            name = response.responder_name
            nonces = [one.value.nonce for one in response.extensions if isinstance(one.value, x509.OCSPNonce)]
            return Fields(
                _responder_of(response.tbs_response_bytes) if name is not None else response.responder_key_hash or b"",
                _seconds(response.produced_at_utc) or 0,
                nonces[0] if nonces else b"",
                tuple(
                    (
                        _hash_of(one),
                        one.issuer_name_hash,
                        one.issuer_key_hash,
                        one.serial_number,
                        one.certificate_status.name,
                        _CODES[one.revocation_reason],
                        _seconds(one.revocation_time_utc),
                        _seconds(one.this_update_utc) or 0,
                        _seconds(one.next_update_utc),
                    )
                    for one in response.responses
                ),
                response.tbs_response_bytes,
                response.signature,
                len(response.certificates),
            )
    except (ValueError, TypeError, KeyError, OverflowError, UnsupportedAlgorithm, x509.DuplicateExtension) as error:
        raise Refused(f"{type(error).__name__}: {str(error).splitlines()[0][:120] if str(error) else ''}") from None


def _responder_of(tbs: bytes) -> bytes:
    """The Name as it stands: cryptography gives it parsed alone."""
    return children(children(tbs)[0].content)[0].content


ORACLES: Final[dict[str, Callable[[bytes], Fields | int]]] = {"cryptography": by_cryptography}


# ---- mutations ----------------------------------------------------------------------------------------------


def _basic(data: bytes) -> bytes | None:
    """The BasicOCSPResponse; None where there is none."""
    try:
        explicit = children(children(data)[0].content)[1]
        return children(children(explicit.content)[0].content)[1].content
    except (BadDer, IndexError):
        return None


def _mutated(chance: random.Random, data: bytes, pool: tuple[bytes, ...]) -> bytes:
    basic = _basic(data)
    if basic is None or chance.random() < 0.15:
        return mutate_bytes(chance, data, pool)
    return ocsps.wrapped(mutate_bytes(chance, basic))


def _plain(data: bytes, found: OcspResponse) -> bytes:
    """The same without certificates that came along, without statuses under a hash that is not taken, and under an
    algorithm that is taken if it has another.
    """
    basic = _basic(data)
    assert basic is not None
    tbs, algorithm, signature = children(children(basic)[0].content)[:3]
    responder, produced_at, singles, *extensions = children(tbs.content)
    kept = [one.whole for one, said in zip(children(singles.content), found.singles, strict=True) if said.hash]
    tbs_kept = sequence(responder.whole, produced_at.whole, sequence(*kept), *(one.whole for one in extensions))
    return ocsps.wrapped(
        sequence(tbs_kept, algorithm.whole if found.algorithm else ocsps.ECDSA_SHA256, signature.whole)
    )


# ---- holding ------------------------------------------------------------------------------------------------


@dataclass
class Report:
    responses: int = 0
    read: int = 0
    singles: int = 0
    plain: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    stricter: Counter[str] = field(default_factory=Counter)
    unexplained: Counter[str] = field(default_factory=Counter)
    kept: list[str] = field(default_factory=list)

    def disagree(self, words: str, data: bytes) -> None:
        self.unexplained[words] += 1
        if len(self.kept) < 1000:
            self.kept.append(f"{words}\t{data.hex()}")


def one(data: bytes, report: Report, ask_anyway: bool) -> None:
    """Holds one response against the oracles."""
    found = read_response(data)
    report.responses += 1
    report.reasons[found.kebab if isinstance(found, Reason) else "read"] += 1
    is_answer = isinstance(found, Reason) and found is Reason.OCSP_NOT_SUCCESSFUL
    if isinstance(found, Reason) and not is_answer and not ask_anyway:
        return
    if isinstance(found, OcspResponse):
        report.read += 1
        report.singles += len(found.singles)
    for name, oracle in ORACLES.items():
        _hold_against(name, oracle, data, found, report)


def _hold_against(
    name: str, oracle: Callable[[bytes], Fields | int], data: bytes, found: OcspResponse | Reason, report: Report
) -> None:
    try:
        theirs = oracle(data)
    except Refused as refusal:
        if isinstance(found, OcspResponse) and (plain := _plain(data, found)) != data:
            report.plain += 1
            _hold_against(name, oracle, plain, read_response(plain), report)
        elif isinstance(found, OcspResponse) or found is Reason.OCSP_NOT_SUCCESSFUL:
            report.disagree(f"{name} refuses: {refusal}", data)
        return
    if isinstance(found, Reason):
        if isinstance(theirs, int):
            if found is not Reason.OCSP_NOT_SUCCESSFUL:
                report.stricter[f"{found.kebab}, an error to {name}"] += 1
        elif found is Reason.OCSP_NOT_SUCCESSFUL:
            report.disagree(f"{name} reads an answer", data)
        else:
            report.stricter[f"{found.kebab}, read by {name}"] += 1
        return
    if isinstance(theirs, int):
        report.disagree(f"{name} reads an error", data)
        return
    ours = _ours(found)
    different = [key for key in vars(ours) if getattr(ours, key) != getattr(theirs, key)]
    if different:
        report.disagree(f"{name} reads another {', '.join(different)}", data)


def hold(count: int, seed: object, progress: Callable[[Report], None] = lambda _: None) -> Report:
    """`count` mutated responses."""
    report, chance, pool = Report(), random.Random(f"{seed}/ocsp"), seeds()
    for number in range(count):
        data = chance.choice(pool)
        for _ in range(chance.choice([0, 1, 1, 1, 1, 2])):
            data = _mutated(chance, data, pool)
        one(data, report, number % 8 == 0)
        if number % 256 == 0:
            progress(report)
    return report


def table(report: Report) -> str:
    lines = [f"{count:10d}  {reason}" for reason, count in report.reasons.most_common()]
    lines += [
        f"{report.plain:10d}  asked again without certificates that came along, algorithms and hashes that are not taken"
    ]
    lines += ["", "refused here, read by an oracle (asked about one refusal in 8)"]
    lines += [f"{count:10d}  {words}" for words, count in report.stricter.most_common()]
    if report.unexplained:
        lines += ["", "UNEXPLAINED"]
        lines += [f"{count:10d}  {words}" for words, count in report.unexplained.most_common(60)]
    return "\n".join(lines)


def main() -> None:
    replayed = Report()
    command(
        "Hold the reader of OCSP responses against cryptography.",
        "responses",
        seeds=seeds,
        hold=hold,
        again=lambda data, _seed: one(data, replayed, True),
        report=lambda: replayed,
        table=table,
        count=lambda report: report.responses,
        read=lambda report: f"{report.read} read with {report.singles} statuses",
    )


if __name__ == "__main__":
    main()
