"""OCSP responses: what holds and what is refused, each refusal by its name."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.ocsp import OCSPCertStatus
from cryptography.x509.oid import ExtendedKeyUsageOID
from tests.unit import crls, ocsps
from tests.unit.chains import DAY, Made, dn, leaf, make, store
from tests.unit.ocsps import GOOD, PROFILE, SIGNING, UNKNOWN, respond, responder, revoked, single

from sekisho._native import ffi, lib
from sekisho.engine import Engine
from sekisho.profiles import Profile
from sekisho.reasons import Reason
from sekisho.revocation import ocsp
from sekisho.revocation.ocsp import OCSP_STATEMENT, OcspChecker, OcspStatement, Responder, read_response
from sekisho.signatures import SignatureBatch
from sekisho.testing import AT
from sekisho.testing.der import NULL, context, generalized_time, integer, octet_string, oid, sequence, tlv

ROOT = make("root")
CA = make("ca", ROOT)
OTHER = make("other ca", ROOT)
HOLDER = leaf(CA)
NEIGHBOUR = leaf(CA, "neighbour")
ENGINE = Engine(threads=1, cross_check_one_in=1)


def checker(profile: Profile = PROFILE, **how: object) -> OcspChecker:
    return OcspChecker(store([ROOT], [CA, OTHER]), profile, engine=ENGINE, **how)  # type: ignore[arg-type]


def ask(
    *responses: bytes, holder: Made = HOLDER, at: int = AT, by: OcspChecker | None = None, **how: object
) -> OcspStatement:
    return (by or checker()).check([list(responses)], [holder.der], at=at, **how)[0]  # type: ignore[arg-type]


def refusal(*responses: bytes, **how: object) -> Reason | None:
    said = ask(*responses, **how)  # type: ignore[arg-type]
    assert said.status == "none"
    return said.refusal


# ---- what holds


@pytest.mark.parametrize("by_key", [False, True])
@pytest.mark.parametrize("hash_name", ["sha1", "sha256"])
@pytest.mark.parametrize("parameters", [NULL, b""])
def test_good_by_the_issuer_itself(by_key: bool, hash_name: str, parameters: bytes) -> None:
    about = ocsps.certificate_id(CA, ocsps.serial_of(HOLDER), hash_name=hash_name, parameters=parameters)
    said = ask(respond(CA, single(HOLDER, CA, about=about), by_key=by_key))
    assert said == OcspStatement("good", None, None, None, AT - 3600, AT + 3600)


def test_revoked_says_when_and_why() -> None:
    said = ask(respond(CA, single(HOLDER, CA, revoked(1, AT - 5000))))
    assert said == OcspStatement("revoked", None, 1, AT - 5000, AT - 3600, AT + 3600)
    assert ask(respond(CA, single(HOLDER, CA, revoked()))).crl_reason == 0


def test_unknown_is_no_good() -> None:
    assert ask(respond(CA, single(HOLDER, CA, UNKNOWN))).status == "unknown"


def test_a_statement_is_of_one_key_and_serial() -> None:
    """The core uses it for no other certificate."""
    found = checker().check([respond(CA, single(HOLDER, CA, revoked(6)))], [HOLDER.der], at=AT)
    row = found.array[0]
    assert bytes(row["issuer"]) == crls.identity(CA)
    assert int.from_bytes(bytes(row["serial"])[: row["serial_length"]]) == ocsps.serial_of(HOLDER)
    assert not row["zero"].any()
    assert row["doubts"] == lib.seki_kernels_doubts()
    assert OCSP_STATEMENT.itemsize == ffi.sizeof("seki_ocsp_statement")
    for name, (_, offset) in OCSP_STATEMENT.fields.items():
        assert ffi.offsetof("seki_ocsp_statement", name) == offset


def test_rows_without_a_response_say_nothing() -> None:
    found = checker().check([b"", None, [], respond(CA, single(HOLDER, CA))], [HOLDER.der] * 4, at=[AT] * 4)
    assert [one.status for one in found] == ["none", "none", "none", "good"]
    assert found.array[:3].tobytes() == bytes(3 * OCSP_STATEMENT.itemsize)
    assert not found.reasons.any()
    assert repr(found) == "<OcspStatements of 4: none 3, good 1>"
    assert len(checker().check([], [], at=AT)) == 0


def test_columns_of_different_lengths_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="2 certificates want 2 responses, not 1"):
        checker().check([b""], [HOLDER.der] * 2, at=AT)


def test_several_certificates_in_one_response() -> None:
    response = respond(CA, single(NEIGHBOUR, CA, revoked(1)), single(HOLDER, CA), single(12345, CA, UNKNOWN))
    found = checker().check([response, response], [HOLDER.der, NEIGHBOUR.der], at=AT)
    assert [one.status for one in found] == ["good", "revoked"]


def test_a_serial_with_a_leading_zero_octet() -> None:
    holder = next(
        one for one in (leaf(CA, f"holder {n}") for n in range(8192)) if ocsps.serial_of(one).bit_length() % 8 == 0
    )
    found = checker().check([respond(CA, single(holder, CA))], [holder.der], at=AT)
    serial = ocsps.serial_of(holder)
    assert found[0].status == "good"
    assert int(found.array[0]["serial_length"]) == serial.bit_length() // 8
    assert bytes(found.array[0]["serial"]).startswith(serial.to_bytes(serial.bit_length() // 8))


# ---- several words on one certificate


def times(*statuses: tuple[bytes, int]) -> list[bytes]:
    return [single(HOLDER, CA, status, this_update=AT - age) for status, age in statuses]


COMBINED = [
    ([(GOOD, 60), (revoked(1), 60)], "revoked"),
    ([(revoked(1), 7200), (GOOD, 60)], "revoked"),  # for good is for good
    ([(revoked(6), 7200), (GOOD, 60)], "good"),  # a hold that was lifted
    ([(revoked(6), 60), (GOOD, 7200)], "revoked"),
    ([(revoked(6), 60), (GOOD, 60)], "revoked"),
    ([(revoked(6), 7200), (revoked(1), 9000), (GOOD, 60)], "revoked"),
    ([(revoked(6), 7200), (UNKNOWN, 60)], "revoked"),
    ([(UNKNOWN, 60), (GOOD, 60)], "unknown"),
    ([(UNKNOWN, 60), (GOOD, 7200)], "unknown"),
    ([(UNKNOWN, 7200), (GOOD, 60)], "good"),  # a certificate that the responder had not heard of yet
]


@pytest.mark.parametrize(("statuses", "expected"), COMBINED)
def test_revoked_wins_but_for_a_hold_lifted_later(statuses: list[tuple[bytes, int]], expected: str) -> None:
    singles = times(*statuses)
    for order in (singles, singles[::-1]):
        assert ask(respond(CA, *order)).status == expected
        assert ask(*(respond(CA, one) for one in order)).status == expected


def test_a_response_that_is_refused_hides_no_other() -> None:
    good, forged = respond(CA, single(HOLDER, CA, revoked(1))), respond(CA, single(HOLDER, CA), key_label="mallory")
    assert ask(forged, good).status == "revoked"
    assert refusal(forged, b"\x30") is Reason.OCSP_SIGNATURE_WRONG


# ---- another certificate


def test_replayed_for_another_serial() -> None:
    assert refusal(respond(CA, single(NEIGHBOUR, CA))) is Reason.OCSP_OTHER_CERTIFICATE


def test_of_nobody() -> None:
    assert refusal(respond(CA)) is Reason.OCSP_OTHER_CERTIFICATE


def test_wrong_hash_of_the_issuer() -> None:
    serial = ocsps.serial_of(HOLDER)
    for about in (
        ocsps.certificate_id(CA, serial, name=dn("other ca").public_bytes()),
        ocsps.certificate_id(CA, serial, bits=ocsps.key_bits(OTHER)),
        ocsps.certificate_id(CA, serial, hash_name="sha384"),  # not a hash by which anything is found
        ocsps.certificate_id(OTHER, serial),
    ):
        assert refusal(respond(CA, single(HOLDER, CA, about=about))) is Reason.OCSP_OTHER_CERTIFICATE


def test_an_issuer_of_the_same_name_and_another_key() -> None:
    """Two generations of one CA: a status is of the generation that it names, and the other cannot speak for it."""
    second = make("ca", ROOT, own_key="ca, second generation")
    by = OcspChecker(store([ROOT], [CA, second]), PROFILE, engine=ENGINE)
    found = by.check([respond(second, single(HOLDER, second, about=None))], [HOLDER.der], at=AT)
    assert bytes(found.array[0]["issuer"]) == crls.identity(second) != crls.identity(CA)
    forged = respond(second, single(HOLDER, CA))
    assert refusal(forged, by=by) is Reason.OCSP_SIGNATURE_WRONG


def test_a_word_on_another_cas_certificate_hides_none_on_this() -> None:
    """Whoever staples a status of his own CA, of the same name and serial, does not hide that the certificate is revoked."""
    mallory = make("ca", own_key="mallory")
    for status in (GOOD, revoked(1, AT - 50), revoked(1, AT - 2 * DAY)):
        staple = respond(mallory, single(HOLDER, mallory, status, this_update=AT - 1))
        truth = respond(CA, single(HOLDER, CA, revoked(4)))
        for responses in ([staple, truth], [truth, staple]):
            found = checker().check([responses], [HOLDER.der], at=AT, intermediates=[mallory.der])
            assert found[0].status == "revoked"
            assert bytes(found.array[0]["issuer"]) == crls.identity(CA)
            assert found[0].crl_reason == 4
    alone = checker().check([staple], [HOLDER.der], at=AT, intermediates=[mallory.der])
    assert bytes(alone.array[0]["issuer"]) == crls.identity(mallory)  # which nothing verifies


def test_an_issuer_that_came_along() -> None:
    sub = make("sub", CA)
    holder = leaf(sub)
    response = respond(sub, single(holder, sub))
    assert refusal(response, holder=holder) is Reason.OCSP_OTHER_CERTIFICATE
    assert ask(response, holder=holder, intermediates=[OTHER.der + sub.der]).status == "good"


def test_about_what_is_no_certificate() -> None:
    found = checker().check([respond(CA, single(HOLDER, CA))], [b"\x30\x00"], at=AT)
    assert found[0].refusal is Reason.OCSP_OTHER_CERTIFICATE


# ---- times

EDGES = [
    ({"this_update": AT + 60}, "good"),  # the profile's skew
    ({"this_update": AT + 61, "next_update": AT + 3600}, Reason.OCSP_NOT_YET_VALID),
    ({"next_update": AT}, "good"),
    ({"next_update": AT - 1}, Reason.OCSP_EXPIRED),
    ({"this_update": AT - 2 * DAY}, "good"),
    ({"this_update": AT - 2 * DAY - 1}, Reason.OCSP_EXPIRED),  # nextUpdate does not stretch the profile's age
    ({"next_update": None}, "good"),
    ({"next_update": None, "this_update": AT - 2 * DAY - 1}, Reason.OCSP_EXPIRED),
]


@pytest.mark.parametrize(("window", "expected"), EDGES)
def test_when_good_holds(window: dict[str, int], expected: str | Reason) -> None:
    said = ask(respond(CA, single(HOLDER, CA, **window)))
    assert (said.refusal if said.status == "none" else said.status) == expected


def test_produced_in_the_future() -> None:
    assert refusal(respond(CA, single(HOLDER, CA), produced_at=AT + 61)) is Reason.OCSP_NOT_YET_VALID
    assert ask(respond(CA, single(HOLDER, CA), produced_at=AT + 60)).status == "good"


def test_without_an_age_only_next_update_bounds() -> None:
    by = checker(replace(PROFILE, revocation_age_max=0, revocation_grace=100))
    old = {"this_update": AT - 300 * DAY}
    assert ask(respond(CA, single(HOLDER, CA, next_update=AT - 100, **old)), by=by).status == "good"
    assert refusal(respond(CA, single(HOLDER, CA, next_update=AT - 101, **old)), by=by) is Reason.OCSP_EXPIRED
    assert refusal(respond(CA, single(HOLDER, CA, next_update=None)), by=by) is Reason.OCSP_EXPIRED


def test_revoked_does_not_age() -> None:
    """A hold that ran out would else leave the word to a CRL from before it."""
    old = {"this_update": AT - 20 * DAY, "next_update": AT - 19 * DAY}
    for code in (None, 1, 6):
        assert ask(respond(CA, single(HOLDER, CA, revoked(code), **old))).status == "revoked"
    assert refusal(respond(CA, single(HOLDER, CA, UNKNOWN, **old))) is Reason.OCSP_EXPIRED


def test_revoked_by_what_was_known_later() -> None:
    """Judging a past time: whoever was revoked by then was so, whenever it was said."""
    later = {"this_update": AT + 100, "next_update": AT + 200}
    assert ask(respond(CA, single(HOLDER, CA, revoked(1, AT), **later))).status == "revoked"
    assert ask(respond(CA, single(HOLDER, CA, revoked(1, AT)), produced_at=AT + 100)).status == "revoked"
    assert refusal(respond(CA, single(HOLDER, CA, revoked(1, AT + 1), **later))) is Reason.OCSP_NOT_YET_VALID
    assert refusal(respond(CA, single(HOLDER, CA, UNKNOWN, **later))) is Reason.OCSP_NOT_YET_VALID


# ---- nonce


def test_nonce() -> None:
    asked = b"n" * 32
    with_it = respond(CA, single(HOLDER, CA), extensions=[ocsps.nonce(asked)])
    without = respond(CA, single(HOLDER, CA))
    assert ask(with_it).status == ask(without).status == "good"
    assert ask(with_it, nonces=[asked]).status == "good"
    assert refusal(without, nonces=[asked]) is Reason.OCSP_NONCE
    assert refusal(with_it, nonces=[b"m" * 32]) is Reason.OCSP_NONCE
    by = checker()
    assert ask(with_it, by=by).status == "good"
    assert refusal(with_it, by=by, nonces=[b"m" * 32]) is Reason.OCSP_NONCE  # from the cache as well


# ---- who signed


def test_signed_by_a_wrong_key() -> None:
    assert refusal(respond(CA, single(HOLDER, CA), key_label="mallory")) is Reason.OCSP_SIGNATURE_WRONG


def test_signed_by_somebody_unknown() -> None:
    mallory = make("mallory")
    for by_key in (False, True):
        assert refusal(respond(mallory, single(HOLDER, CA), by_key=by_key)) is Reason.OCSP_RESPONDER_UNKNOWN
    assert refusal(respond(OTHER, single(HOLDER, CA))) is Reason.OCSP_RESPONDER_UNKNOWN


@pytest.mark.parametrize("by_key", [False, True])
def test_a_delegate_with_no_check(by_key: bool) -> None:
    one = responder(CA)
    assert ask(respond(one, single(HOLDER, CA), certificates=[OTHER, one], by_key=by_key)).status == "good"
    assert refusal(respond(one, single(HOLDER, CA), by_key=by_key)) is Reason.OCSP_RESPONDER_UNKNOWN


def _extra(*extensions: tuple[x509.ExtensionType, bool]) -> Sequence[tuple[x509.ExtensionType, bool]]:
    return (*extensions, (x509.OCSPNoCheck(), False))


_ANY = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE])
_CLIENT = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
_UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")

NOT_ALLOWED = {
    "no purpose": responder(CA, extra=_extra()),
    "any purpose": responder(CA, extra=_extra((_ANY, False))),
    "another purpose": responder(CA, extra=_extra((_CLIENT, False))),
    "an unknown critical extension": responder(CA, extra=_extra(*SIGNING, (_UNKNOWN, True))),
    "a CA": make("responder", CA, extra=tuple(_extra(*SIGNING))),
    "appointed by another CA": responder(OTHER),
    "appointed by the CA above": responder(ROOT),
    "of the right issuer's name": responder(make("ca", own_key="mallory")),
    "too old": responder(CA, window=(AT - 9 * DAY, AT - DAY)),
    "not yet valid": responder(CA, window=(AT + DAY, AT + 9 * DAY)),
    "signed with SHA-384": responder(CA, hash_=hashes.SHA384()),
}


@pytest.mark.parametrize("case", NOT_ALLOWED)
def test_delegates_that_may_not(case: str) -> None:
    one = NOT_ALLOWED[case]
    response = respond(one, single(HOLDER, CA), certificates=[one])
    assert refusal(response) is Reason.OCSP_RESPONDER_NOT_ALLOWED


def test_a_delegate_for_its_own_issuer_alone() -> None:
    one = responder(OTHER)
    holder = leaf(OTHER)
    assert ask(respond(one, single(holder, OTHER), certificates=[one]), holder=holder).status == "good"


def test_a_delegate_out_of_time_from_the_cache() -> None:
    by = checker()
    one = responder(CA, window=(AT - DAY, AT + 1000))
    response = respond(one, single(HOLDER, CA), certificates=[one])
    assert ask(response, by=by).status == "good"
    assert ask(response, by=by, at=AT + 1060).status == "good"  # the profile's skew
    assert refusal(response, by=by, at=AT + 1061) is Reason.OCSP_RESPONDER_NOT_ALLOWED


def test_more_delegates_of_one_name_than_are_tried() -> None:
    decoys = [responder(CA, own_key=f"decoy {n}") for n in range(ocsp.DELEGATES_MAX)]
    one = responder(CA)
    response = respond(one, single(HOLDER, CA), certificates=[*decoys, one])
    assert refusal(response) is Reason.OCSP_SIGNATURE_WRONG
    assert ask(respond(one, single(HOLDER, CA), certificates=[decoys[0], one])).status == "good"


# ---- whether the delegate was revoked (RFC 6960, 4.2.2.2.1)


@pytest.fixture
def delegate() -> Made:
    return responder(CA, extra=SIGNING)


def test_a_delegate_without_no_check_and_without_crls(delegate: Made) -> None:
    response = respond(delegate, single(HOLDER, CA), certificates=[delegate])
    assert refusal(response) is Reason.OCSP_RESPONDER_NOT_ALLOWED
    empty = checker(revocation=crls.Revocation())
    assert refusal(response, by=empty) is Reason.OCSP_RESPONDER_NOT_ALLOWED
    off = replace(PROFILE, revocation="off", revocation_age_max=0, test=True)
    assert ask(response, by=checker(off)).status == "good"  # a test profile does not look


def test_a_delegate_without_no_check_by_crl(delegate: Made, tmp_path: Path) -> None:
    response = respond(delegate, single(HOLDER, CA), certificates=[delegate])
    of_root = (crls.crl(ROOT), ROOT, [ROOT])
    lists = {"good": crls.crl(CA), "revoked": crls.crl(CA, [delegate], number=2)}
    in_force = crls.in_force(crls.snapshot(tmp_path, [of_root, (lists["good"], CA, [ROOT])]))
    by = checker(revocation=in_force)
    assert ask(response, by=by).status == "good"
    in_force.publish(crls.snapshot(tmp_path, [of_root, (lists["revoked"], CA, [ROOT])]))
    assert refusal(response, by=by) is Reason.OCSP_RESPONDER_NOT_ALLOWED  # a verified response is asked about anew
    in_force.publish(crls.snapshot(tmp_path, [of_root]))
    assert refusal(response, by=by) is Reason.OCSP_RESPONDER_NOT_ALLOWED


def test_a_delegate_of_which_nothing_is_known_under_a_soft_profile(delegate: Made, tmp_path: Path) -> None:
    response = respond(delegate, single(HOLDER, CA), certificates=[delegate])
    soft = replace(PROFILE, revocation="soft")
    assert refusal(response, by=checker(soft)) is Reason.OCSP_RESPONDER_NOT_ALLOWED  # there is nothing to ask
    in_force = crls.in_force(crls.snapshot(tmp_path, [(crls.crl(ROOT), ROOT, [ROOT])]))
    assert ask(response, by=checker(soft, revocation=in_force)).status == "good"


def test_no_check_must_be_what_it_is() -> None:
    odd = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.5.5.7.48.1.5"), b"\x01\x01\xff")
    one = responder(CA, extra=(*SIGNING, (odd, False)))
    response = respond(one, single(HOLDER, CA), certificates=[one])
    assert refusal(response) is Reason.OCSP_RESPONDER_NOT_ALLOWED


# ---- configured responders


def test_a_configured_responder_speaks_for_its_issuers_alone() -> None:
    one = responder(make("another hierarchy"), extra=())
    response = respond(one, single(HOLDER, CA))
    assert refusal(response) is Reason.OCSP_RESPONDER_UNKNOWN
    assert ask(response, by=checker(responders=[Responder(one.der, [CA.der])])).status == "good"
    only_other = checker(responders=[Responder(one.der, [OTHER.der])])
    assert refusal(response, by=only_other) is Reason.OCSP_RESPONDER_UNKNOWN
    late = checker(responders=[Responder(responder(ROOT, window=(AT - 9, AT + 9)).der, [CA.der])])
    of_late = respond(responder(ROOT), single(HOLDER, CA))
    assert ask(of_late, by=late).status == "good"
    assert refusal(of_late, by=late, at=AT + 70) is Reason.OCSP_RESPONDER_NOT_ALLOWED


def test_a_configuration_that_cannot_be() -> None:
    with pytest.raises(ValueError, match=r"responders\[0\]: this certificate's key cannot sign"):
        checker(responders=[Responder(b"\x30\x00", [CA.der])])
    with pytest.raises(ValueError, match=r"responders\[0\]: name the CAs"):
        checker(responders=[Responder(responder(CA).der, [])])


# ---- form


def test_trailing_data() -> None:
    response = respond(CA, single(HOLDER, CA))
    for odd in (response + b"\0", response[:-1], b"", b"\x30", response + response):
        if odd:
            assert refusal(odd) is Reason.OCSP_MALFORMED
    inner = sequence(tlv(0x0A, b"\0"), context(0, sequence(oid(ocsps.BASIC), octet_string(_basic(response) + b"\0"))))
    assert refusal(inner) is Reason.OCSP_MALFORMED


def _basic(response: bytes) -> bytes:
    """The BasicOCSPResponse inside of what `respond` makes."""
    at = response.index(oid(ocsps.BASIC)) + len(oid(ocsps.BASIC))
    whole = response[at:]
    header = 2 if whole[1] < 0x80 else 2 + (whole[1] & 0x7F)
    return whole[header:]


def test_every_prefix_is_refused_and_read_to_its_end() -> None:
    one = responder(CA)
    response = respond(one, single(HOLDER, CA), certificates=[one], extensions=[ocsps.nonce(b"n")])
    for end in range(len(response)):
        assert read_response(response[:end]) in (Reason.OCSP_MALFORMED, Reason.INPUT_MISSING)


@pytest.mark.parametrize("status", [1, 2, 3, 5, 6])
def test_errors_of_a_responder(status: int) -> None:
    assert refusal(ocsps.unsuccessful(status)) is Reason.OCSP_NOT_SUCCESSFUL


@pytest.mark.parametrize(
    "odd",
    [
        ocsps.unsuccessful(0),
        ocsps.unsuccessful(4),
        ocsps.unsuccessful(7),
        ocsps.wrapped(_basic(respond(CA, single(HOLDER, CA))), status=1),
        ocsps.wrapped(_basic(respond(CA, single(HOLDER, CA))), kind="1.3.6.1.5.5.7.48.1.2"),
        respond(CA, single(HOLDER, CA), responder_id=context(3, dn("ca").public_bytes())),
        respond(CA, single(HOLDER, CA), responder_id=context(1, sequence())),
        respond(CA, single(HOLDER, CA), responder_id=context(2, octet_string(bytes(19)))),
        respond(CA, single(HOLDER, CA), responder_id=context(0, integer(0)) + context(1, dn("ca").public_bytes())),
        respond(CA, single(HOLDER, CA, tlv(0x83, b""))),
        respond(CA, single(HOLDER, CA, tlv(0x80, b"\0"))),
        respond(CA, single(HOLDER, CA, revoked(7))),
        respond(CA, single(HOLDER, CA, revoked(11))),
        respond(CA, single(HOLDER, CA, context(1, tlv(0x17, b"260101000000Z")))),
        respond(CA, single(HOLDER, CA, next_update=AT - 3601)),
        respond(CA, single(HOLDER, CA), extensions=[ocsps.nonce(b"")]),
        respond(CA, single(HOLDER, CA), extensions=[ocsps.nonce(b"n" * 129)]),
        respond(CA, single(HOLDER, CA), extensions=[ocsps.nonce(b"n")] * 2),
        respond(CA, single(HOLDER, CA), extensions=[ocsps.extension("1.2.3", b"")] * 2),
        respond(CA, single(HOLDER, CA), extensions=[ocsps.extension(ocsps.NONCE, b"n" * 16)]),
        respond(CA, single(HOLDER, CA, extensions=[ocsps.extension("1.3.6.1.5.5.7.48.1.6", NULL)])),
        respond(CA, *[single(n + 1, CA) for n in range(65)]),
        respond(CA, single(HOLDER, CA), certificates=[responder(CA)] * 9),
        respond(CA, single(1 << 160, CA)),
    ],
    ids=lambda odd: hashlib.sha256(odd).hexdigest()[:8],
)
def test_what_is_no_response(odd: bytes) -> None:
    assert read_response(odd) is Reason.OCSP_MALFORMED


def test_bounds_are_met() -> None:
    one = responder(CA)
    singles = [single(n + 1, CA) for n in range(63)]
    full = respond(one, *singles, single(HOLDER, CA), certificates=[OTHER] * 7 + [one])
    assert ask(full).status == "good"
    assert refusal(respond(CA, single(HOLDER, CA)) + bytes(65_536)) is Reason.INPUT_TOO_LARGE


ARCHIVE = ocsps.extension("1.3.6.1.5.5.7.48.1.6", generalized_time(AT - 300 * DAY))
EXTENDED = ocsps.extension("1.3.6.1.5.5.7.48.1.9", NULL)


def test_extensions_that_are_known_or_ignored() -> None:
    of_single = [ARCHIVE, ocsps.extension("1.3.6.1.4.1.11129.2.4.5", b"\x04\x00")]
    said = ask(respond(CA, single(HOLDER, CA, extensions=of_single), extensions=[EXTENDED]))
    assert said.status == "good"


@pytest.mark.parametrize("place", ["response", "single", "another single"])
@pytest.mark.parametrize("number", ["1.2.3.4", "1.3.6.1.5.5.7.48.1.6", "1.3.6.1.5.5.7.48.1.9", "1.3.6.1.5.5.7.48.1.3"])
def test_critical_extensions_that_are_not_processed(place: str, number: str) -> None:
    value = {"6": generalized_time(AT), "9": NULL}.get(number[-1], sequence())
    odd = [ocsps.extension(number, value, critical=True)]
    mine = single(HOLDER, CA, extensions=odd if place == "single" else ())
    others = [single(NEIGHBOUR, CA, extensions=odd)] if place == "another single" else []
    response = respond(CA, mine, *others, extensions=odd if place == "response" else ())
    assert refusal(response) is Reason.OCSP_EXTENSION_UNKNOWN_CRITICAL


def test_algorithms() -> None:
    sha1 = {"algorithm": sequence(oid("1.2.840.10045.4.1")), "hash_": hashes.SHA1()}  # noqa: S303
    sha384 = sequence(oid("1.2.840.10045.4.3.3"))
    good = single(HOLDER, CA)
    assert refusal(respond(CA, good, **sha1)) is Reason.OCSP_ALGORITHM_NOT_ALLOWED
    longer = respond(CA, good, algorithm=sha384, hash_=hashes.SHA384())
    assert refusal(longer) is Reason.OCSP_ALGORITHM_NOT_ALLOWED  # not the profile's
    assert ask(longer, by=checker(signature_algorithms=["ecdsa-sha384"])).status == "good"
    mixed = respond(CA, good, algorithm=sequence(oid("1.2.840.113549.1.1.11"), NULL))
    rsa = checker(signature_algorithms=["rsassa-pkcs1-v1_5-sha256"])
    assert refusal(mixed, by=rsa) is Reason.OCSP_SIGNATURE_WRONG


# ---- the cache


@pytest.fixture
def verified(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many signatures each call verified."""
    calls: list[int] = []
    real = ocsp.verify_signatures

    def counting(batch: SignatureBatch, **how: object) -> object:
        calls.append(len(batch.signatures))
        return real(batch, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(ocsp, "verify_signatures", counting)
    return calls


def test_the_same_bytes_are_verified_once(verified: list[int]) -> None:
    by = checker()
    one = responder(CA)
    first = respond(one, single(HOLDER, CA), certificates=[one])
    second = respond(one, single(NEIGHBOUR, CA), certificates=[one])
    for _ in range(3):
        assert ask(first, by=by).status == "good"
    assert verified == [1, 1]  # the appointment, and the response
    assert ask(second, by=by, holder=NEIGHBOUR).status == "good"
    assert verified == [1, 1, 1]  # the appointment is known
    assert refusal(first, by=by, at=AT + 3 * DAY) is Reason.OCSP_EXPIRED  # known bytes age all the same
    assert refusal(first, by=by, holder=NEIGHBOUR) is Reason.OCSP_OTHER_CERTIFICATE
    assert verified == [1, 1, 1]


def test_a_batch_is_verified_in_two_calls(verified: list[int]) -> None:
    delegates = [responder(CA, f"responder {n}") for n in range(3)]
    holders = [leaf(CA, f"holder {n}") for n in range(24)]
    responses = [
        respond(delegates[n % 3], single(one, CA, revoked(4) if n % 5 == 0 else GOOD), certificates=[delegates[n % 3]])
        for n, one in enumerate(holders)
    ]
    found = checker().check(responses, [one.der for one in holders], at=AT)
    assert [one.status for one in found] == ["revoked" if n % 5 == 0 else "good" for n in range(24)]
    assert verified == [3, 24]


def test_what_was_refused_is_not_kept_and_the_cache_is_bounded(verified: list[int]) -> None:
    by = checker(cache_entries=2)
    forged = respond(CA, single(HOLDER, CA), key_label="mallory")
    for _ in range(2):
        assert refusal(forged, by=by) is Reason.OCSP_SIGNATURE_WRONG
    assert verified == [1, 1]
    kept = [respond(CA, single(HOLDER, CA, this_update=AT - n)) for n in range(3)]
    for response in (*kept, kept[2], kept[1], kept[0]):
        assert ask(response, by=by).status == "good"
    assert verified == [1] * 6


def test_what_is_kept_does_not_grow_with_what_came_along(verified: list[int]) -> None:
    """Certificates are not signed, so anybody may add some to a good response."""
    by = checker()
    padded = [respond(CA, single(HOLDER, CA), certificates=[OTHER] * n) for n in (0, 8)]
    for response in padded * 2:
        assert ask(response, by=by).status == "good"
    assert verified == [1, 1]
    kept = list(by._cache._entries.values())
    assert [one.response.certificates for one in kept] == [(), ()]
    assert not any(one.response.tbs or one.response.signature for one in kept)


def test_a_known_response_under_another_name_of_its_issuer(verified: list[int]) -> None:
    """The same key under a name that is written otherwise is another identity: it is verified for that one too."""
    shouting = make("CA", ROOT, own_key="ca")
    by = OcspChecker(store([ROOT], [CA, shouting]), PROFILE, engine=ENGINE)
    response = respond(CA, single(HOLDER, CA))
    for _ in range(2):
        assert ask(response, by=by).status == "good"
    found = by.check([response], [HOLDER.der], at=AT)
    assert bytes(found.array[0]["issuer"]) == crls.identity(CA)  # whose name stands in the certificate
    lone = checker(cache_entries=1)
    assert ask(response, by=lone).status == "good"
    assert ask(response, by=lone, intermediates=[shouting.der]).status == "good"
    assert ask(response, by=lone, intermediates=[shouting.der]).status == "good"


def test_issuers_that_came_along_take_no_place(verified: list[int]) -> None:
    mallory = make("ca", own_key="mallory")
    by = checker()
    response = respond(mallory, single(HOLDER, mallory))
    for _ in range(2):
        assert ask(response, by=by, intermediates=[mallory.der]).status == "good"
    assert verified == [1, 1]


# ---- what others make


@pytest.fixture(scope="module")
def now() -> int:
    return int(time.time())


@pytest.fixture(scope="module")
def today(now: int) -> tuple[Made, Made, Made]:
    """A CA, a holder and a delegate that are valid now: real responders sign by the clock."""
    window = (now - 30 * DAY, now + 30 * DAY)
    root = make("root", window=window)
    return root, make("holder", root, is_ca=False, window=window), responder(root, window=window)


def by_today(root: Made) -> OcspChecker:
    return OcspChecker(store([root]), PROFILE, engine=ENGINE)


@pytest.mark.parametrize("delegated", [False, True])
@pytest.mark.parametrize("options", [(), ("-resp_key_id",), ("-sha256",), ("-resp_no_certs",)])
@pytest.mark.parametrize(
    ("gone", "expected"),
    [("", "good"), ("260101000000Z,keyCompromise", "revoked"), ("260101000000Z,certificateHold", "revoked")],
)
def test_openssl_responds(  # noqa: PLR0917 - columns of parameters
    tmp_path: Path, today: tuple[Made, Made, Made], delegated: bool, options: tuple[str, ...], gone: str, expected: str
) -> None:
    root, holder, delegate = today
    server = ocsps.OpenSsl(tmp_path, root)
    response = server.answer({holder: gone}, [holder], delegate if delegated else root, *options, nonce=True)
    at = int(time.time()) + 1
    if delegated and "-resp_no_certs" in options:
        assert refusal(response, holder=holder, by=by_today(root), at=at) is Reason.OCSP_RESPONDER_UNKNOWN
        return
    said = ask(response, holder=holder, by=by_today(root), at=at, nonces=[server.nonce()])
    assert said.status == expected
    assert said.crl_reason == {"": None, "keyCompromise": 1, "certificateHold": 6}[gone.partition(",")[2]]
    if gone:
        assert said.revoked_at == 1_767_225_600
    assert refusal(response, holder=holder, by=by_today(root), at=at, nonces=[b"other"]) is Reason.OCSP_NONCE


def test_openssl_knows_not_and_speaks_of_two(tmp_path: Path, today: tuple[Made, Made, Made]) -> None:
    root, holder, _ = today
    stranger = make("stranger", root, is_ca=False, window=(int(time.time()) - DAY, int(time.time()) + DAY))
    response = ocsps.OpenSsl(tmp_path, root).answer({holder: ""}, [holder, stranger], root)
    at = int(time.time()) + 1
    found = by_today(root).check([response] * 2, [holder.der, stranger.der], at=at)
    assert [one.status for one in found] == ["good", "unknown"]


@pytest.mark.parametrize("hash_", [hashes.SHA1(), hashes.SHA256()])  # noqa: S303
@pytest.mark.parametrize("delegated", [False, True])
def test_cryptography_responds(
    now: int, today: tuple[Made, Made, Made], hash_: hashes.HashAlgorithm, delegated: bool
) -> None:
    root, holder, delegate = today
    signer = delegate if delegated else root
    statuses = OCSPCertStatus
    for status, reason, expected in (
        (statuses.GOOD, None, "good"),
        (statuses.REVOKED, x509.ReasonFlags.key_compromise, "revoked"),
        (statuses.REVOKED, x509.ReasonFlags.certificate_hold, "revoked"),
        (statuses.UNKNOWN, None, "unknown"),
    ):
        response = ocsps.by_cryptography(
            holder, root, signer, status=status, reason=reason, hash_=hash_, at=now, nonce=b"n" * 32
        )
        at = int(time.time()) + 1
        assert ask(response, holder=holder, by=by_today(root), at=at, nonces=[b"n" * 32]).status == expected


def test_reasons_of_the_column_are_numbers() -> None:
    found = checker().check([b"\x30", respond(CA, single(HOLDER, CA))], [HOLDER.der] * 2, at=AT)
    assert found.reasons.dtype == np.uint16
    assert found.reasons.tolist() == [int(Reason.OCSP_MALFORMED), 0]
