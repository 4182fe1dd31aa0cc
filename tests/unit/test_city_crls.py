"""CRLs and OCSP responses that sekisho.testing makes, read back by cryptography, by OpenSSL's own program and by sekisho."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from sekisho.engine import Engine
from sekisho.profiles import Profile
from sekisho.reasons import Reason
from sekisho.revocation.crl import Crl
from sekisho.revocation.store import RevocationStore
from sekisho.testing import (
    AT,
    City,
    Draw,
    Entries,
    Nation,
    Signer,
    a_citizen,
    city_crls,
    der,
    indirect,
    issuing_point,
    make_crl,
    small_city,
    write_crl,
)
from sekisho.testing import crls as crls_module
from sekisho.testing.keys import KEY_KINDS, KeyKind, key_from_label
from sekisho.testing.leaves import Extension
from sekisho.testing.responses import OcspStatus
from sekisho.testing.revoked import NO_TIME, REASONS, SIGN_REASONS
from sekisho.trust import TrustStore
from sekisho.verifier import Verifier

DAY = 86_400
NAME = der.name(("2.5.4.6", "JP"), ("2.5.4.3", "A CA"))
OTHER = der.name(("2.5.4.6", "JP"), ("2.5.4.3", "Another CA"))


def signer(kind: KeyKind = "p256") -> Signer:
    return Signer(NAME, key_from_label(kind, "test_city_crls"))


def read(crl: bytes, by: Any) -> x509.CertificateRevocationList:
    loaded = x509.load_der_x509_crl(crl)
    assert loaded.is_signature_valid(by.key.private_key.public_key())
    assert loaded.public_bytes(Encoding.DER) == crl
    return loaded


NAMES = {number: name for name, number in REASONS.items()}


def told(loaded: x509.CertificateRevocationList) -> list[tuple[int, int, int, int]]:
    """Serial, date, reason and invalidityDate of each entry, as cryptography reads them."""
    entries = []
    for one in loaded:
        reason, invalid = 0, NO_TIME
        for extension in one.extensions:
            assert not extension.critical
            if isinstance(extension.value, x509.CRLReason):
                reason = REASONS[extension.value.reason.value]
            elif isinstance(extension.value, x509.InvalidityDate):
                invalid = int(extension.value.invalidity_date_utc.timestamp())
        entries.append((one.serial_number, int(one.revocation_date_utc.timestamp()), reason, invalid))
    return entries


def planted(entries: Entries) -> list[tuple[int, int, int, int]]:
    invalidity = [NO_TIME] * len(entries) if entries.invalidity is None else entries.invalidity.tolist()
    return list(zip(entries.numbers, entries.dates.tolist(), entries.reasons.tolist(), invalidity, strict=True))


def point_of(loaded: x509.CertificateRevocationList) -> x509.IssuingDistributionPoint:
    extension = loaded.extensions.get_extension_for_class(x509.IssuingDistributionPoint)
    assert extension.critical
    return extension.value


# ---- the encoding ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KEY_KINDS)
@pytest.mark.parametrize("order", ["serial", "revocation"])
def test_what_is_drawn_is_what_is_read(kind: KeyKind, order: Any, tmp_path: Path) -> None:
    for serials in ("counter", "random16", "random20"):
        draw = Draw(1500, serials=serials, order=order, invalidity=300, seed=kind, until=AT)  # type: ignore[arg-type]
        made = make_crl(signer(kind), draw, this_update=AT)
        loaded = read(made, signer(kind))
        entries = draw.entries()
        assert told(loaded) == planted(entries)
        numbers = entries.numbers
        assert len(set(numbers)) == 1500
        assert (numbers == sorted(numbers)) == (order == "serial")
        if order == "revocation":
            assert all(one <= other for one, other in pairwise(entries.dates.tolist()))
        written = write_crl(tmp_path / "crl", signer(kind), draw, this_update=AT)
        assert (tmp_path / "crl").read_bytes() == made
        assert (written.entries, written.size) == (1500, len(made))
        tbs = loaded.tbs_certlist_bytes
        expected = {"ed25519": b"", "p384": hashlib.sha384(tbs).digest()}.get(kind, hashlib.sha256(tbs).digest())
        assert written.digest == expected


def test_openssl_verifies_and_counts(tmp_path: Path) -> None:
    for key, extra in (((purpose, generation), 500) for purpose in ("auth", "sign") for generation in (1, 2)):
        authority = small_city().authority(*key)  # type: ignore[arg-type]
        (tmp_path / "ca.cer").write_bytes(authority.certificate)
        subprocess.run(
            ["openssl", "x509", "-inform", "DER", "-in", tmp_path / "ca.cer", "-out", tmp_path / "ca.pem"], check=True
        )
        draw = Draw(extra, invalidity=100)
        write_crl(tmp_path / "crl", authority, draw, this_update=AT, number=300, point=issuing_point(OTHER))
        command = ["openssl", "crl", "-inform", "DER", "-in", tmp_path / "crl", "-noout", "-text"]
        done = subprocess.run(
            [*command, "-verify", "-CAfile", tmp_path / "ca.pem"], check=False, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        assert "verify OK" in done.stdout + done.stderr
        assert done.stdout.count("Serial Number:") == extra
        listed = [int(line.split()[2], 16) for line in done.stdout.splitlines() if "Serial Number:" in line]
        assert listed == draw.entries().numbers
        damaged = bytearray((tmp_path / "crl").read_bytes())
        damaged[len(damaged) // 2] ^= 1
        (tmp_path / "crl").write_bytes(damaged)
        done = subprocess.run(
            [*command, "-verify", "-CAfile", tmp_path / "ca.pem"], check=False, capture_output=True, text=True
        )
        assert "verify OK" not in done.stdout + done.stderr


EDGES = [
    0,
    1,
    0x7F,
    0x80,
    0xFF,
    0x100,
    0x7FFF,
    0x8000,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**64,
    2**127,
    2**128 - 1,
    2**159 - 1,
]


@pytest.mark.parametrize("count", [1, 2, 14, 15])
def test_every_size_of_serial_and_every_form_of_time(count: int) -> None:
    times = [0, 951_782_400, AT, 2_524_607_999, 2_524_608_000, 4_102_444_800, -631_152_000]
    serials = EDGES[:count]
    entries = Entries.of(
        serials,
        dates=[times[i % 7] for i in range(count)],
        reasons=[list(REASONS)[i % 10] for i in range(count)],
        invalidity=[None if i % 3 == 0 else times[(i + 3) % 7] for i in range(count)],
    )
    loaded = read(make_crl(signer(), entries, this_update=AT), signer())
    assert told(loaded) == planted(entries)
    assert [row[0] for row in told(loaded)] == serials


def test_all_reasons_and_what_is_said_once_is_said_of_all() -> None:
    for name in REASONS:
        loaded = read(make_crl(signer(), [5, 6], reasons=name, dates=AT - 9, this_update=AT), signer())
        assert told(loaded) == [(5, AT - 9, REASONS[name], NO_TIME), (6, AT - 9, REASONS[name], NO_TIME)]
        if name == "unspecified":
            assert not list(loaded[0].extensions)


def test_an_empty_list_has_no_entries_at_all(tmp_path: Path) -> None:
    made = make_crl(signer(), this_update=AT, next_update=None, number=None)
    loaded = read(made, signer())
    assert (len(loaded), loaded.next_update_utc) == (0, None)
    assert [type(one.value) for one in loaded.extensions] == [x509.AuthorityKeyIdentifier]
    write_crl(tmp_path / "crl", signer(), Draw(0), this_update=AT, next_update=None, number=None)
    assert (tmp_path / "crl").read_bytes() == made


def test_lengths_that_a_signature_moves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A P-256 signature has 68 to 72 bytes: about a length of 65,536 the list's head cannot be known before it."""
    by, heads = signer(), []
    head = crls_module._head
    monkeypatch.setattr(crls_module, "_head", lambda *of: heads.append(head(*of)) or heads[-1])
    entries = Entries.of(range(1 << 30, (1 << 30) + 1_700), dates=AT - 1, reasons="superseded")

    def filled(size: int, number: int) -> dict[str, Any]:
        return {"this_update": AT, "number": number, "more": [Extension("1.2.3.4", False, bytes(size))]}

    start = 65_536 - len(make_crl(by, entries, **filled(2_000, 1))) + 2_000
    lengths, passes = set(), set()
    for size in range(start - 4, start + 12):
        for number in range(1, 9):
            made = make_crl(by, entries, **filled(size, number))
            heads.clear()
            write_crl(tmp_path / "crl", by, entries, **filled(size, number))
            assert (tmp_path / "crl").read_bytes() == made
            lengths.add(made[1])
            passes.add(len(heads))
    assert lengths == {0x82, 0x83}
    assert passes == {2, 4}  # a list that came out otherwise than was thought is written once more


def test_progress_and_a_draw_that_is_not_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, int]] = []
    draw = Draw(150_000, order="serial", seed="held")
    write_crl(tmp_path / "crl", signer(), draw, this_update=AT, progress=lambda done, of: seen.append((done, of)))
    assert seen == [(65_536, 150_000), (131_072, 150_000), (150_000, 150_000)]
    held = (tmp_path / "crl").read_bytes()
    monkeypatch.setattr(crls_module, "_HELD_MAX", 0)
    write_crl(tmp_path / "crl", signer(), draw, this_update=AT)
    assert (tmp_path / "crl").read_bytes() == held
    assert Crl.of(held).summary.entries == 150_000


# ---- lists of other kinds --------------------------------------------------------------------------


def test_a_delta() -> None:
    entries = Entries.of([7, 8], dates=AT - 60, reasons=["removeFromCRL", "keyCompromise"])
    loaded = read(make_crl(signer(), entries, this_update=AT, number=12, base=9), signer())
    base = loaded.extensions.get_extension_for_class(x509.DeltaCRLIndicator)
    assert (base.critical, base.value.crl_number) == (True, 9)
    assert loaded.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == 12
    assert [row[2] for row in told(loaded)] == [8, 1]


def test_an_indirect_list() -> None:
    own, theirs = Entries.of([1, 2], dates=AT - 60), Entries.of([3, 4], dates=AT - 50, reasons="superseded")
    more = Entries.of([2**100], dates=AT - 40, reasons="keyCompromise", invalidity=AT - 90)
    entries = indirect((None, own), (OTHER, theirs), (NAME, more))
    made = make_crl(signer(), entries, this_update=AT, point=issuing_point(indirect=True))
    loaded = read(made, signer())
    assert point_of(loaded).indirect_crl
    issuers = []
    for one in loaded:
        try:
            extension = one.extensions.get_extension_for_class(x509.CertificateIssuer)
        except x509.ExtensionNotFound:
            issuers.append(None)
        else:
            assert extension.critical
            issuers.append(extension.value.get_values_for_type(x509.DirectoryName)[0].public_bytes())
    assert issuers == [None, None, OTHER, None, NAME]
    assert [one.serial_number for one in loaded] == [1, 2, 3, 4, 2**100]
    ours = Crl.of(made)
    assert ours.reason is None
    listed = ours.entries()
    assert isinstance(listed, list)
    assert [(one.issuer, one.serial) for one in listed] == [(0, 1), (0, 2), (0, 2**100), (1, 3), (1, 4)]
    assert (listed[2].reason, listed[2].invalidity) == (1, AT - 90)


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ({"only_user": True}, "only_contains_user_certs"),
        ({"only_ca": True}, "only_contains_ca_certs"),
        ({"indirect": True}, "indirect_crl"),
        ({"only_attribute": True}, "only_contains_attribute_certs"),
    ],
)
def test_flags_of_a_point(how: dict[str, bool], expected: str) -> None:
    loaded = read(make_crl(signer(), this_update=AT, point=issuing_point("http://x/y", NAME, **how)), signer())
    point = point_of(loaded)
    assert point.full_name is not None
    assert isinstance(point.full_name[0], x509.UniformResourceIdentifier)
    assert point.full_name[1].value.public_bytes() == NAME
    flags = ("user_certs", "ca_certs", "attribute_certs")
    all_of_them = {f"only_contains_{one}" for one in flags} | {"indirect_crl"}
    assert {one for one in all_of_them if getattr(point, one)} == {expected}


def test_reasons_and_a_relative_name_of_a_point() -> None:
    relative = der.sequence(der.oid("2.5.4.3"), der.utf8("CRL 1"))
    some = ["keyCompromise", "aACompromise", "superseded"]
    made = make_crl(signer(), this_update=AT, point=issuing_point(relative=relative, reasons=some))
    point = point_of(read(made, signer()))
    assert point.relative_name is not None
    assert [one.value for one in point.relative_name] == ["CRL 1"]
    assert {one.value for one in point.only_some_reasons or ()} == set(some)
    few = point_of(read(make_crl(signer(), this_update=AT, point=issuing_point(reasons=some[:1])), signer()))
    assert {one.value for one in few.only_some_reasons or ()} == {"keyCompromise"}


def test_other_extensions_of_list_and_entry() -> None:
    extension = Extension("1.2.3.4", True, der.NULL)
    entries = Entries.of(
        [1, 2, 3], dates=AT - 9, reasons=[0, "superseded", 0], extensions={0: extension.der, 1: extension.der}
    )
    loaded = read(make_crl(signer(), entries, this_update=AT, more=[extension]), signer())
    assert loaded.extensions.get_extension_for_oid(x509.ObjectIdentifier("1.2.3.4")).critical
    assert [len(list(one.extensions)) for one in loaded] == [1, 2, 0]


# ---- draws -----------------------------------------------------------------------------------------


def test_stretches_of_one_seed_have_no_serial_in_common() -> None:
    whole = Draw(30_000, counter=40_000, seed="x")
    parts = [Draw(10_000, first=first, counter=40_000, seed="x") for first in (0, 10_000, 20_000)]
    assert parts[0].after(10_000) == parts[1]
    numbers = [number for part in parts for number in part.entries().numbers]
    assert sorted(numbers) == whole.entries().numbers
    assert len(set(numbers)) == 30_000
    assert min(numbers) >= 1
    assert max(numbers) <= 40_000
    assert set(Draw(40_000, counter=40_000, seed="x").entries().numbers) == set(range(1, 40_001))
    assert whole.entries().numbers != Draw(30_000, counter=40_000, seed="y").entries().numbers
    with pytest.raises(ValueError, match="is not in a list of 40000"):
        Draw(40_000, first=1, counter=40_000)


def test_what_is_avoided_is_not_drawn() -> None:
    avoid = (range(1, 100), range(500, 700), range(900, 1001))
    draw = Draw(1000 - 99 - 200 - 101, counter=1000, avoid=avoid)
    assert set(draw.entries().numbers) == {*range(100, 500), *range(700, 900)}


def test_reasons_come_as_their_weights_say_and_dates_within_their_span() -> None:
    entries = Draw(100_000, until=AT, since=AT - 5000, invalidity=250).entries()
    counts = Counter(entries.reasons.tolist())
    for name, weight in SIGN_REASONS.items():
        assert counts.pop(REASONS[name]) == pytest.approx(100 * weight, rel=0.25)
    assert not counts
    assert (int(entries.dates.min()), int(entries.dates.max())) == (AT - 5000, AT - 1)
    assert entries.invalidity is not None
    has = entries.invalidity != NO_TIME
    assert np.count_nonzero(has) == pytest.approx(25_000, rel=0.05)
    before = entries.dates[has] - entries.invalidity[has]
    assert before.min() >= 0
    assert before.max() < 30 * DAY


def test_columns_are_saved_sorted_sliced_and_joined(tmp_path: Path) -> None:
    for serials in ("counter", "random16", "random20"):
        entries = Draw(200, serials=serials, order="revocation", invalidity=500).entries()  # type: ignore[arg-type]
        entries.save(tmp_path / "truth.npz")
        assert planted(Entries.load(tmp_path / "truth.npz")) == planted(entries)
        assert planted(entries.sorted()) == sorted(planted(entries))
        few = Entries.of([5, 2**70], dates=3, extensions={1: b"\x30\x00"})
        joined = entries + few
        assert planted(joined[198:]) == planted(entries[198:]) + planted(few)
        assert joined[199:].extensions == {2: b"\x30\x00"}
        assert joined.sorted().extensions == {joined.sorted().numbers.index(2**70): b"\x30\x00"}


# ---- partitions ------------------------------------------------------------------------------------


def test_a_nation_in_miniature(tmp_path: Path) -> None:
    nation = Nation(entries=20_000, lists=20, largest=4_000, seed="mini", authority_key="p256")
    seen: list[tuple[int, int]] = []
    files = nation.write(tmp_path, progress=lambda done, of: seen.append((done, of)))
    assert Nation.load(tmp_path) == nation
    assert seen[-1] == (20_000, 20_000)
    assert [one.entries for one in files] == [len(one.draw) for one in nation.partitions]
    counts = [one.entries for one in files]
    assert (len(counts), sum(counts), counts[0]) == (20, 20_000, 4_000)
    assert max(counts[1:]) > 2 * min(counts[1:]) > 0
    assert json.loads((tmp_path / "nation.json").read_text())["nation"]["entries"] == 20_000
    per_authority: dict[str, list[int]] = {"auth": [], "sign": []}
    names = set()
    for one in nation.partitions:
        ca = x509.load_der_x509_certificate((tmp_path / "ca" / f"{one.purpose}.cer").read_bytes())
        made = (tmp_path / one.file).read_bytes()
        loaded = x509.load_der_x509_crl(made)
        public = ca.public_key()
        assert isinstance(public, ec.EllipticCurvePublicKey)
        assert loaded.is_signature_valid(public)
        assert loaded.issuer == ca.subject
        assert told(loaded) == planted(one.draw.entries())
        (name,) = point_of(loaded).full_name or ()
        assert name.value.public_bytes() == nation.shape.partition_name(one.purpose, one.municipality)
        names.add(name.value.rfc4514_string())
        per_authority[one.purpose] += [entry.serial_number for entry in loaded]
        assert Crl.of(made).reason is None
    assert len(names) == 20
    for numbers in per_authority.values():
        assert len(set(numbers)) == len(numbers) > 0


def test_a_nation_of_full_size_is_counted_right() -> None:
    nation = Nation()
    counts = [len(one.draw) for one in nation.partitions]
    assert (len(counts), sum(counts), counts[0]) == (1_700, 25_000_000, 1_000_000)
    assert max(counts[1:]) < 1_000_000
    assert min(counts) > 1_000
    assert len({one.file for one in nation.partitions}) == 1_700


@pytest.fixture(scope="module")
def city() -> City:
    return small_city()


def partition_of(certificate: bytes) -> bytes:
    """The directoryName that a leaf's cRLDistributionPoints names."""
    loaded = x509.load_der_x509_certificate(certificate)
    (point,) = loaded.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    assert point.full_name is not None
    (name,) = point.full_name
    return bytes(name.value.public_bytes())


def test_a_citizen_is_looked_for_where_the_certificate_says(city: City) -> None:
    for purpose in ("auth", "sign"):
        citizen = a_citizen(3)
        row = citizen.row(purpose)  # type: ignore[arg-type]
        issuer = city.issuer(row)
        listed = read(citizen.crl(revoked=True, purpose=purpose, reasons="keyCompromise"), issuer)  # type: ignore[arg-type]
        (name,) = point_of(listed).full_name or ()
        assert name.value.public_bytes() == partition_of(citizen.certificate(purpose))  # type: ignore[arg-type]
        assert listed.issuer.public_bytes() == issuer.name
        assert [one[:1] + one[2:3] for one in told(listed)] == [(int(city.serial[row]), 1)]
        assert listed.last_update_utc.timestamp() <= city.plan.at < listed.next_update_utc.timestamp()  # type: ignore[union-attr]
        assert len(read(citizen.crl(purpose=purpose), issuer)) == 0  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="of another municipality or issuer"):
        city.crl(0, [city.rows("sign")[0]])


def test_lists_of_a_city(city: City, tmp_path: Path) -> None:
    lists = city_crls(city, 9, strangers=2_000)
    files = lists.write(tmp_path)
    assert len(files) == len(lists) == 4 * 53
    found: dict[int, int] = {}
    strangers = 0
    for row in range(len(city)):
        purpose, generation, code = lists.key_of(row)
        assert (purpose, generation) == (city.purpose(row), city.generation[row])
        loaded = read((tmp_path / f"{purpose}-{generation}-{code}.crl").read_bytes(), city.issuer(row))
        (name,) = point_of(loaded).full_name or ()
        assert name.value.public_bytes() == partition_of(city.certificate(row))
        for serial, date, reason, _ in told(loaded):
            if serial == city.serial[row]:
                found[row] = reason
                assert city.not_before[row] <= date < lists.this_update
    assert found == lists.revoked
    assert len(found) == 9
    ours = {(city.purpose(row), int(city.generation[row]), int(city.serial[row])) for row in range(len(city))}
    everyone: list[tuple[str, int, int]] = []
    for key in lists.lists:
        numbers = lists.entries(key).numbers
        assert numbers == sorted(set(numbers))
        everyone += [(key[0], key[1], number) for number in numbers]
        strangers += sum((key[0], key[1], number) not in ours for number in numbers)
        assert lists.crl(key) == (tmp_path / f"{key[0]}-{key[1]}-{key[2]}.crl").read_bytes()
    assert len(set(everyone)) == len(everyone) == 2_009
    assert strangers == 2_000


def test_who_is_revoked_in_a_city_can_be_said(city: City) -> None:
    assert dict(city_crls(city, {5: 1, 20: 6}).revoked) == {5: 1, 20: 6}
    assert set(city_crls(city, [5, 6]).revoked) == {5, 6}
    assert city_crls(city, 7).revoked == city_crls(city, 7).revoked
    assert set(city_crls(city, 7, seed=2).revoked) != set(city_crls(city, 7).revoked)
    with pytest.raises(ValueError, match="has no 33 to revoke"):
        city_crls(city, 33)


def test_a_city_is_judged_by_its_lists(city: City, tmp_path: Path) -> None:
    """Whoever is in a list is refused, with its reason, and nobody else: first by one day's lists, then by the next day's."""
    trust = TrustStore(list(city.trust()))
    with RevocationStore(tmp_path / "store", trust) as store:
        for number, revoked in ((1, city_crls(city, 9, strangers=2_000).revoked), (2, {0: 6, 31: 1})):
            lists = city_crls(city, revoked, strangers=2_000, number=number, this_update=AT - 7200 + number)
            lists.write(tmp_path / f"day {number}")
            update = store.update([tmp_path / f"day {number}"], at=AT)
            assert (update.taken, len(update.decisions)) == (212, 212)
            for purpose in city.plan.purposes:
                profile = replace(Profile.load(f"jpki-{purpose}-test"), name=f"city-{purpose}", revocation="required")
                judge = Verifier(trust, profile, revocation=store.revocation, engine=Engine(threads=1))
                rows = city.rows(purpose)
                verdicts = judge.verify_certificates([city.certificate(row) for row in rows], at=AT)
                refused = {row for row, one in zip(rows, verdicts, strict=True) if one.reason is Reason.REVOKED}
                assert refused == set(revoked) & set(rows)
                assert sum(one.ok for one in verdicts) == len(rows) - len(refused)


def test_a_revoked_citizen_takes_a_line(tmp_path: Path) -> None:
    citizen = a_citizen(4)
    login = citizen.login(b"the challenge")
    profile = replace(Profile.load("jpki-auth-test"), name="a-line", revocation="required")
    with RevocationStore(tmp_path, TrustStore(list(login.trust))) as store:
        judge = Verifier(store.trust, profile, revocation=store.revocation, engine=Engine(threads=1))
        for number, revoked in enumerate((False, True), 1):
            store.update([citizen.crl(revoked=revoked, number=number, this_update=AT - 100 + number)], at=AT)
            (verdict,) = judge.verify_certificates([login.certificate], at=AT)
            assert verdict.ok != revoked
            assert (verdict.reason is Reason.REVOKED) == revoked


# ---- OCSP responses ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["good", "revoked", "unknown"])
def test_responses_of_a_city_by_cryptography(status: OcspStatus) -> None:
    city = small_city()
    how: dict[str, Any] = {"reason": "certificateHold", "revoked_at": AT - 7} if status == "revoked" else {}
    found = ocsp.load_der_ocsp_response(city.ocsp(3, status, **how))
    issuer = x509.load_der_x509_certificate(city.issuer(3).certificate)
    assert found.certificate_status.name == status.upper()
    assert found.serial_number == x509.load_der_x509_certificate(city.certificate(3)).serial_number
    assert found.issuer_name_hash == hashlib.sha1(issuer.subject.public_bytes(), usedforsecurity=False).digest()
    assert found.issuer_key_hash == x509.SubjectKeyIdentifier.from_public_key(issuer.public_key()).digest
    assert found.responder_key_hash == found.issuer_key_hash
    assert (found.this_update_utc.timestamp(), found.next_update_utc.timestamp()) == (AT - 60, AT - 60 + 3600)
    issuer.public_key().verify(found.signature, found.tbs_response_bytes, PKCS1v15(), hashes.SHA256())
    if how:
        assert found.revocation_time_utc.timestamp() == AT - 7
        assert found.revocation_reason is x509.ReasonFlags.certificate_hold
