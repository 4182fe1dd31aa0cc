"""Inputs made to cost much, and what each costs: `python -m tests.attacks.pathological` prints the table.

Each case is one login's certificates, judged alone by an engine without a cache. What it costs is counted by a shim that is
loaded before the process (`SHIM`): signatures and whole paths checked by OpenSSL, calls of malloc, bytes alive at once. There are
two kinds of senders: a stranger, nothing of whose is trusted, and a CA below an anchor that has turned hostile.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from sekisho.engine import Engine
from sekisho.modes import Mode
from sekisho.profiles import Profile
from sekisho.reasons import Reason
from sekisho.testing import AT
from sekisho.trust import TrustStore
from sekisho.verifier import Verifier

SHIM = r"""
/* Counts what a process asks of malloc and of OpenSSL. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stddef.h>

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
extern void __libc_free(void *);
static atomic_long made, alive, peak, signatures, paths;

static void *count(void *got)
{
    long now = atomic_fetch_add(&alive, (long)malloc_usable_size(got)) + (long)malloc_usable_size(got);
    atomic_fetch_add(&made, 1);
    if (now > atomic_load(&peak))
        atomic_store(&peak, now);
    return got;
}
void *malloc(size_t size) { return count(__libc_malloc(size)); }
void *calloc(size_t n, size_t size) { return count(__libc_calloc(n, size)); }
void *realloc(void *old, size_t size)
{
    atomic_fetch_sub(&alive, (long)malloc_usable_size(old));
    return count(__libc_realloc(old, size));
}
void free(void *old) { atomic_fetch_sub(&alive, (long)malloc_usable_size(old)); __libc_free(old); }

#define COUNTED(name, counter, arguments, passed)                                                                  \
    int name arguments                                                                                             \
    {                                                                                                              \
        static int (*next) arguments;                                                                              \
        if (next == NULL) /* Python loads the library out of everybody's sight: not RTLD_NEXT */                   \
            *(void **)&next = dlsym(dlopen("libcrypto.so.3", RTLD_NOW | RTLD_NOLOAD), #name);                      \
        atomic_fetch_add(&counter, 1);                                                                             \
        return next passed;                                                                                        \
    }
COUNTED(EVP_PKEY_verify, signatures, (void *c, const void *s, size_t sl, const void *t, size_t tl), (c, s, sl, t, tl))
COUNTED(EVP_DigestVerify, signatures, (void *c, const void *s, size_t sl, const void *t, size_t tl), (c, s, sl, t, tl))
COUNTED(X509_verify_cert, paths, (void *c), (c))

static long base;
void counters_begin(void)
{
    base = atomic_load(&alive);
    atomic_store(&made, 0); atomic_store(&signatures, 0); atomic_store(&paths, 0); atomic_store(&peak, base);
}
void counters_read(long out[4])
{
    out[0] = atomic_load(&signatures); out[1] = atomic_load(&paths);
    out[2] = atomic_load(&made); out[3] = atomic_load(&peak) - base;
}
"""

DAY = 86_400
SIZE_MAX = 65_536  # bytes of a certificate: SEKI_CERTIFICATE_SIZE_MAX
ROOT = Path(__file__).resolve().parents[2]

PROFILE = Profile(
    name="pathological",
    purpose="other",
    signature_algorithms=("ecdsa-sha256", "ecdsa-sha384", "ecdsa-sha512", "rsassa-pkcs1-v1_5-sha256"),
    p256_mode=Mode.parse("ecdsa-sha256-der"),
    p384_mode=Mode.parse("ecdsa-sha384-der"),
    path_length_max=7,
    revocation="off",
    challenge="foreign",
    test=True,
)
WITH_POLICY = replace(PROFILE, name="pathological-policy", policies=("1.2.3.1",))


# ---- certificates --------------------------------------------------------------------------------------------


def tlv(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    octets = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes((tag, 0x80 | len(octets))) + octets + content


def oid(number: int) -> bytes:
    """1.2.3.number as an element."""
    arcs = [number & 0x7F]
    while number := number >> 7:
        arcs.insert(0, 0x80 | (number & 0x7F))
    return tlv(0x06, b"\x2a\x03", bytes(arcs))


Extra = tuple[str, bytes, bool]  # dotted OID, value, critical


def san(names: Iterable[bytes]) -> Extra:
    return "2.5.29.17", tlv(0x30, *(tlv(0x82, name) for name in names)), False


def name_constraints(names: Iterable[bytes]) -> Extra:
    return "2.5.29.30", tlv(0x30, tlv(0xA1, *(tlv(0x30, tlv(0x82, name)) for name in names))), True


def policies(numbers: Iterable[int]) -> Extra:
    return "2.5.29.32", tlv(0x30, *(tlv(0x30, oid(number)) for number in numbers)), False


def mappings(pairs: Iterable[tuple[int, int]]) -> Extra:
    return "2.5.29.33", tlv(0x30, *(tlv(0x30, oid(a), oid(b)) for a, b in pairs)), True


def padding(octets: int) -> Extra:
    """An extension that nobody knows and that says nothing."""
    return "1.2.3.99", bytes(octets), False


def other(number: int) -> Extra:
    """Another one, so that certificates differ."""
    return f"1.2.4.{number}", b"", False


@functools.cache
def key(label: str) -> ec.EllipticCurvePrivateKey:
    """P-384 costs most of what lanes and OpenSSL verify for certificates."""
    return ec.derive_private_key(int.from_bytes(hashlib.sha384(label.encode()).digest()) >> 1, ec.SECP384R1())


@functools.cache
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey


@dataclass(frozen=True)
class Made:
    der: bytes
    key: ec.EllipticCurvePrivateKey
    subject: x509.Name


def named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COUNTRY_NAME, "JP"), x509.NameAttribute(NameOID.COMMON_NAME, name)])


def make(
    name: str,
    issuer: Made | None = None,
    *extra: Extra,
    ca: bool = True,
    label: str | None = None,
    public: PublicKey | None = None,
    subject: x509.Name | None = None,
    key_id: bytes = b"one id",
    hash_: hashes.SHA512 | None = None,
    signer: rsa.RSAPrivateKey | None = None,
) -> Made:
    """A certificate under `issuer`, self-signed without one; all name the same key identifier."""
    own = key(label or name)
    subject = subject or named(name)
    every = ["digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"]
    every += ["key_cert_sign", "crl_sign", "encipher_only", "decipher_only"]
    usages = ("key_cert_sign", "crl_sign") if ca else ("digital_signature",)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(public or own.public_key())
        .serial_number(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) >> 1 | 1)
        .not_valid_before(datetime.fromtimestamp(AT - 30 * DAY, UTC))
        .not_valid_after(datetime.fromtimestamp(AT + 30 * DAY, UTC))
        .add_extension(x509.BasicConstraints(ca, None), critical=True)
        .add_extension(x509.KeyUsage(**{one: one in usages for one in every}), critical=True)
        .add_extension(x509.SubjectKeyIdentifier(key_id), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier(key_id, None, None), critical=False)
    )
    for dotted, value, critical in extra:
        builder = builder.add_extension(x509.UnrecognizedExtension(x509.ObjectIdentifier(dotted), value), critical)
    made = builder.sign(
        signer or (issuer.key if issuer else own), hash_ or (hashes.SHA256() if signer else hashes.SHA384())
    )
    return Made(made.public_bytes(serialization.Encoding.DER), own, subject)


def exchange_signature(der: bytes, signature: bytes) -> bytes:
    """`der` with other octets as its signature."""
    content = der[4:] if der[1] == 0x82 else der[3:]
    pieces, at = [], 0
    while at < len(content):
        size, header = content[at + 1], 2
        if size >= 0x80:
            header = 2 + (size & 0x7F)
            size = int.from_bytes(content[at + 2 : at + header])
        pieces.append(content[at : at + header + size])
        at += header + size
    return tlv(0x30, pieces[0], pieces[1], tlv(0x03, b"\x00", signature))


# ---- cases ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """What is sent, what it is told, and the most that it may cost.

    Attributes:
        signatures: checks by OpenSSL, those of whole paths among them.
        paths: whole paths judged by OpenSSL.
    """

    name: str
    reason: Reason
    leaf: bytes
    sent: bytes = b""
    signatures: int = 0
    paths: int = 0
    anchors: tuple[bytes, ...] = ()
    intermediates: tuple[bytes, ...] = ()
    profile: Profile = PROFILE


def chain(*made: Made) -> bytes:
    return b"".join(one.der for one in made)


def filled(name: str, issuer: Made | None, *extra: Extra, **how: object) -> Made:
    """As large as a certificate may be."""
    size = len(make(name, issuer, *extra, padding(40_000), **how).der)  # type: ignore[arg-type]
    return make(name, issuer, *extra, padding(40_000 + SIZE_MAX - size - 8), **how)  # type: ignore[arg-type]


def strangers() -> Iterator[Case]:
    """Nothing of theirs is trusted."""
    root = make("root")
    nobody = make("nobody")
    holder = make("holder", nobody, ca=False)

    def case(name: str, reason: Reason, leaf: bytes, sent: bytes = b"", signatures: int = 0) -> Case:
        return Case(name, reason, leaf, sent, signatures, anchors=(root.der,))

    yield case("certificate of 16 MiB", Reason.INPUT_TOO_LARGE, tlv(0x30, bytes(1 << 24)))
    yield case("intermediate of 16 MiB", Reason.INPUT_TOO_LARGE, holder.der, tlv(0x30, bytes(1 << 24)))
    yield case("10,000 intermediates", Reason.TOO_MANY_INTERMEDIATES, holder.der, tlv(0x30) * 10_000)
    yield case("64 KiB of nothing known", Reason.ISSUER_UNKNOWN, filled("fat", nobody, ca=False).der)
    malformed = Reason.CERTIFICATE_EXTENSION_MALFORMED
    names = [b"n%d.example" % number for number in range(4000)]
    yield case("4,000 SANs", malformed, make("sans", nobody, san(names), ca=False).der)
    many = make("short sans", nobody, san([b"a"] * 20_000), ca=False)
    yield case("20,000 SANs", malformed, many.der)
    deep = b"\x05\x00"
    for _ in range(10_000):
        deep = tlv(0x30, deep)
    attributes = tlv(0x30, tlv(0x30, oid(1), tlv(0x31, deep)))
    yield case("nesting of 10,000", malformed, make("deep", nobody, ("2.5.29.9", attributes, False), ca=False).der)
    nested = b"".join(b"\x30\x80" for _ in range(20_000))
    open_ = tlv(0x30, tlv(0xA0, oid(1), tlv(0xA0, nested)))
    yield case("nesting without lengths", malformed, make("open", nobody, ("2.5.29.17", open_, False), ca=False).der)
    long_arc = tlv(0x30, tlv(0x30, tlv(0x06, b"\x2a" + b"\xff" * 60_000 + b"\x7f")))
    yield case(
        "OID arc of 420,000 bits",
        Reason.ISSUER_UNKNOWN,
        make("arc", nobody, ("2.5.29.32", long_arc, False), ca=False).der,
    )
    purposes = tlv(0x30, *(oid(number) for number in range(9_000)))
    yield case(
        "9,000 purposes", Reason.ISSUER_UNKNOWN, make("purposes", nobody, ("2.5.29.37", purposes, False), ca=False).der
    )
    yield case("8,000 policies", malformed, make("policies", nobody, policies(range(8000)), ca=False).der)
    extensions = [(f"1.2.3.{number}", b"", False) for number in range(2000)]
    yield case("2,000 extensions", malformed, make("extensions", nobody, *extensions, ca=False).der)
    wide = x509.Name([x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "u" * 40) for _ in range(1_100)])
    yield case("subject of 55 kB", Reason.CERTIFICATE_NAME_MALFORMED, make("wide", nobody, ca=False, subject=wide).der)
    modulus = rsa.RSAPublicNumbers(65537, (1 << 500_000) + 1).public_key()
    yield case(
        "RSA modulus of 500,000 bits", Reason.KEY_TOO_LARGE, make("modulus", nobody, ca=False, public=modulus).der
    )

    crowd = [make("crowd", make("crowd"), label=f"crowd {number}") for number in range(4)]
    lost = make("lost", replace(crowd[0], key=key("somebody else")), ca=False)
    wrong = Reason.ISSUER_SIGNATURE_WRONG
    yield case("4 look-alike CAs sent", wrong, lost.der, chain(*crowd), 12)
    fat = [filled("crowd", make("crowd"), label=f"crowd {number}", hash_=hashes.SHA512()) for number in range(4)]
    fat_lost = filled("lost", replace(crowd[0], key=key("somebody else")), ca=False, hash_=hashes.SHA512())
    yield case("the same, 64 KiB each", wrong, fat_lost.der, chain(*fat), 12)
    ring = [make("ring", make("ring"), label="ring") for _ in range(1)]
    ring += [make("ring", replace(ring[0], key=key("ring")), other(number), label="ring") for number in range(1, 4)]
    round_ = make("around", replace(ring[0], key=key("ring")), ca=False)
    yield case("4 CAs that issued one another", Reason.ISSUER_UNKNOWN, round_.der, chain(*ring), 12)
    fat_ring = [
        filled("ring", replace(ring[0], key=key("ring")), other(number), label="ring", hash_=hashes.SHA512())
        for number in range(4)
    ]
    fat_round = filled("around", replace(ring[0], key=key("ring")), ca=False, hash_=hashes.SHA512())
    yield case("the same, 64 KiB each", Reason.ISSUER_UNKNOWN, fat_round.der, chain(*fat_ring), 12)
    # Nobody has a key to these numbers, and none is needed to make others compute with them.
    numbers = [rsa.RSAPublicNumbers((1 << 32) + 1, (1 << 4096) - 2 * number - 1).public_key() for number in range(4)]
    first = make("slow", make("slow"))
    slow = [make("slow", make("slow"), other(number), public=one) for number, one in enumerate(numbers)]
    forged = exchange_signature(make("under slow", first, ca=False, signer=rsa_key()).der, b"\x7f" * 512)
    yield case("RSA-4096, exponent of 33 bits, sent", wrong, forged, chain(*slow), 12)

    copies = [make("copy", label=f"copy {number}") for number in range(2000)]
    under = make("under copies", replace(copies[0], key=key("somebody else")), ca=False)
    anchors = tuple(one.der for one in copies)
    yield Case("2,000 look-alike anchors", wrong, under.der, signatures=16, anchors=anchors)
    yield Case(
        "the same, 4 look-alikes sent",
        Reason.PATH_BUDGET_SPENT,
        under.der,
        chain(*(make("copy", label=f"sent {number}") for number in range(4))),
        28,
        anchors=anchors,
    )
    mine = make("mine", root, ca=False)
    huge = tlv(0x30, tlv(0x02, b"\x7f" + bytes(32_000)), tlv(0x02, b"\x7f" + bytes(30_000)))
    yield case("ECDSA integers of 30,000 octets", wrong, exchange_signature(mine.der, huge))
    yield case("no ECDSA signature", wrong, exchange_signature(mine.der, b""))


def excluded(tag: int, number: int, last: bytes = b"") -> Extra:
    """64 subtrees that a name of `nearly` differs from in its last octets only; `last` is one that it does not differ from."""
    stem = b"a" * 50 + b".b" * 80
    trees = [stem + b"%03d" % (500 + 64 * number + one) for one in range(63)]
    trees.append(stem + (last or b"999"))
    return "2.5.29.30", tlv(0x30, tlv(0xA1, *(tlv(0x30, tlv(tag, tree)) for tree in trees))), True


def nearly(tag: int, before: bytes, last: bytes = b"") -> Extra:
    stem = before + b"a" * 50 + b".b" * 80
    names = [stem + b"%03d" % number for number in range(255)]
    names.append(stem + (last or b"255"))
    return "2.5.29.17", tlv(0x30, *(tlv(tag, name) for name in names)), False


def hostile() -> Iterator[Case]:
    """A CA below the anchor issues what costs most."""
    root = make("root")
    sub = make("sub", root, ("2.5.29.32", tlv(0x30, tlv(0x30, b"\x06\x04\x55\x1d\x20\x00")), False))

    def case(
        name: str,
        reason: Reason,
        leaf: Made,
        *sent: Made,
        signatures: int = 16,
        paths: int = 4,
        profile: Profile = PROFILE,
    ) -> Case:
        return Case(name, reason, leaf.der, chain(*sent), signatures, paths, (root.der,), (sub.der,), profile)

    ok, unknown = Reason.CERTIFICATE_OK, Reason.ISSUER_UNKNOWN
    for subtrees, count in ((64, 256), (65, 256), (3000, 3000)):
        tight = make("tight", sub, name_constraints(b"s%05d.example" % number for number in range(subtrees)))
        leaf = make("names", tight, san(b"n%05d.example" % number for number in range(min(count, 256))), ca=False)
        yield case(f"{subtrees} subtrees, {count} names", ok if subtrees == 64 else unknown, leaf, tight)
    for kind, tag, before in (("DNS names", 0x82, b"x."), ("mailboxes", 0x81, b"m@"), ("URIs", 0x86, b"x://")):
        tights = [sub]
        for number in range(4):
            tights.append(make(f"tight {number}", tights[-1], excluded(tag, number)))
        leaf = make("names", tights[-1], nearly(tag, before), ca=False)
        yield case(f"4 CAs of 64 subtrees, 256 {kind}", Reason.NAME_CONSTRAINTS, leaf, *reversed(tights[1:]))
    # Two levels of two CAs each, of one name and key: four whole paths, each refused at its last comparison.
    upper = [make("upper", sub, excluded(0x81, number), other(number)) for number in range(2)]
    lower = [make("lower", upper[0], excluded(0x81, number, b"zzz"), other(number)) for number in range(2)]
    leaf = make("names", lower[0], nearly(0x81, b"m@", b"zzz"), ca=False)
    yield case(
        "4 paths of 2 such CAs, 256 mailboxes", Reason.NAME_CONSTRAINTS, leaf, *lower, *upper, signatures=12 + 4 * 5
    )

    for fan in (2, 11):
        levels = [sub]
        for number in range(4):
            pairs = [(a, b) for a in range(1, fan + 1) for b in range(1, fan + 1)]
            levels.append(make(f"map {number}", levels[-1], policies(range(1, fan + 1)), mappings(pairs)))
        leaf = make("mapped", levels[-1], policies(range(1, fan + 1)), ca=False)
        # At 1,000 nodes (CVE-2023-0464) OpenSSL gives up, and says that it had no memory: refused, and not remembered.
        wanted = ok if fan == 2 else Reason.POLICY
        yield case(f"policy tree, {fan} to the 4th", wanted, leaf, *reversed(levels[1:]), profile=WITH_POLICY)
    levels = [sub]
    for number in range(4):
        levels.append(
            make(
                f"wide {number}", levels[-1], policies(range(1, 129)), mappings((a, a % 128 + 1) for a in range(1, 129))
            )
        )
    leaf = make("wide leaf", levels[-1], policies(range(1, 129)), ca=False)
    yield case("128 policies, mapped in a ring", ok, leaf, *reversed(levels[1:]), profile=WITH_POLICY)
    levels = [sub]
    for number in range(4):
        levels.append(filled(f"fat {number}", levels[-1], san(b"n%05d.example" % one for one in range(256))))
    leaf = filled("fat leaf", levels[-1], ca=False)
    yield case("4 CAs of 64 KiB", ok, leaf, *reversed(levels[1:]))


def cases() -> list[tuple[str, Case]]:
    return [("stranger", one) for one in strangers()] + [("hostile CA", one) for one in hostile()]


# ---- counting ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cost:
    """What one judgement was told and cost. `milliseconds`: CPU time, the best of five."""

    sender: str
    name: str
    wanted: str
    reason: str
    signatures: int
    paths: int
    allocations: int
    peak_bytes: int
    milliseconds: float
    signatures_max: int
    paths_max: int


def verifier_of(case: Case, engine: Engine) -> Verifier:
    return Verifier(TrustStore(list(case.anchors), list(case.intermediates)), case.profile, engine=engine)


def ask(case: Case, engine: Engine) -> Callable[[], Reason]:
    """The question, to be asked as often as wanted."""
    judge = verifier_of(case, engine)
    leaves, sent = [case.leaf], [case.sent]
    return lambda: judge.verify_certificates(leaves, sent, at=AT)[0].reason


def count() -> list[Cost]:
    """The costs of all cases; only in a process with the shim loaded."""
    counters = ctypes.CDLL(None)
    engine = Engine(threads=1, cache_bytes=0, cross_check_one_in=0)
    numbers = (ctypes.c_long * 4)()
    costs = []
    for sender, case in cases():
        question = ask(case, engine)
        question()
        counters.counters_begin()
        reason = question()
        counters.counters_read(numbers)
        signatures, paths, allocations, peak = numbers
        times = []
        for _ in range(5):
            start = time.process_time_ns()
            question()
            times.append(time.process_time_ns() - start)
        costs.append(
            Cost(
                sender,
                case.name,
                case.reason.name,
                reason.name,
                signatures,
                paths,
                allocations,
                peak,
                min(times) / 1e6,
                case.signatures,
                case.paths,
            )
        )
    return costs


def costs() -> list[Cost]:
    """Counts in a process of its own, with the shim made and loaded."""
    with tempfile.TemporaryDirectory() as folder:
        source, library = Path(folder, "shim.c"), Path(folder, "shim.so")
        source.write_text(SHIM)
        compiler = os.environ.get("CC", "cc")
        subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
        done = subprocess.run(
            [sys.executable, "-m", "tests.attacks.pathological", "--count"],
            env=os.environ | {"LD_PRELOAD": str(library)},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode != 0:
        raise RuntimeError(f"status {done.returncode}: {done.stderr}")
    return [Cost(**one) for one in json.loads(done.stdout.splitlines()[-1])]


def main() -> None:
    if "--count" in sys.argv:
        print(json.dumps([vars(one) for one in count()]))
        return
    print(
        f"{'sender':10} {'input':38} {'reason':34} {'ms':>8} {'signatures':>10} {'paths':>5} {'mallocs':>8} {'peak KiB':>8}"
    )
    for one in costs():
        print(
            f"{one.sender:10} {one.name:38} {one.reason:34} {one.milliseconds:8.2f} {one.signatures:10} {one.paths:5}"
            f" {one.allocations:8} {one.peak_bytes / 1024:8.0f}"
            + ("" if one.reason == one.wanted else f"   not {one.wanted}")
        )


if __name__ == "__main__":
    main()
