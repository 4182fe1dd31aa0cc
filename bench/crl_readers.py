"""Reads one CRL to the end, so that every serial, date and reason can be asked for.

`python -m bench.crl_readers WHO CRL CERTIFICATE LOOKUPS`, a process for each reader, so that its peak of memory can be
told.  Prints JSON: CPU seconds, entries, a checksum (the sum over all entries of serial mod 2^32, date and reason),
look-ups of listed serials a second, and bytes at the peak beyond those at the start.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]


def sekisho(crl: Path, certificate: Path, lookups: int) -> dict[str, Any]:
    """Signature, index, map."""
    import numpy as np  # noqa: PLC0415 - each reader has its own in memory, and no other's

    from sekisho.revocation.crl import Crl  # noqa: PLC0415
    from sekisho.revocation.signers import Signers  # noqa: PLC0415
    from sekisho.revocation.snapshot import Snapshot, SnapshotWriter  # noqa: PLC0415
    from sekisho.trust import TrustStore  # noqa: PLC0415

    der = certificate.read_bytes()
    signers = Signers(TrustStore([der]))
    with tempfile.TemporaryDirectory(dir=crl.parent) as folder:
        before, start = _peak(), time.process_time()
        read = Crl.read(crl)
        found = signers.find(read, read.summary.this_update)
        assert isinstance(found, list), found
        path = Path(folder) / "snapshot"
        with SnapshotWriter(path, id=1, built_at=0) as writer:
            assert writer.add(read, signer=found[0].identity, anchors=found[0].anchors) is None
            writer.end()
        snapshot = Snapshot(path)
        seconds, peak = time.process_time() - start, _peak() - before
        serials: list[int] = []
        checksum = count = 0
        for entry in snapshot.entries(0):
            checksum += (entry.serial & 0xFFFFFFFF) + entry.date + entry.reason
            count += 1
            if len(serials) < lookups:
                serials.append(entry.serial)
        width = max([1, *((one.bit_length() + 7) // 8 for one in serials)])
        asked = np.frombuffer(b"".join(one.to_bytes(width, "big") for one in serials), dtype=np.uint8).reshape(
            -1, width
        )
        start = time.process_time()
        hits = int((snapshot.look_up(0, asked) == 2).sum())
        taken = time.process_time() - start
        return {
            "seconds": seconds,
            "entries": count,
            "checksum": checksum,
            "per_s": len(serials) / taken if serials else 0,
            "hits": hits,
            "peak": peak,
            "index": snapshot.report.size,
        }


def cryptography(crl: Path, certificate: Path, lookups: int) -> dict[str, Any]:
    """load, is_signature_valid, iterate into a dict."""
    from cryptography import x509  # noqa: PLC0415

    key = x509.load_der_x509_certificate(certificate.read_bytes()).public_key()
    numbers = {reason: number for number, reason in enumerate(_REASONS)}
    before, start = _peak(), time.process_time()
    read = x509.load_der_x509_crl(crl.read_bytes())
    assert read.is_signature_valid(key)  # type: ignore[arg-type]
    table: dict[int, tuple[int, int]] = {}
    for one in read:
        extensions = one.extensions
        reason = (
            extensions.get_extension_for_class(x509.CRLReason).value.reason.name if len(extensions) else "unspecified"
        )
        table[one.serial_number] = (int(one.revocation_date_utc.timestamp()), numbers[reason])
    seconds, peak = time.process_time() - start, _peak() - before
    checksum = sum((serial & 0xFFFFFFFF) + date + reason for serial, (date, reason) in table.items())
    serials = list(table)[:: max(1, len(table) // max(lookups, 1))][:lookups]
    start = time.process_time()
    hits = sum(read.get_revoked_certificate_by_serial_number(serial) is not None for serial in serials[:200])
    taken = time.process_time() - start
    return {
        "seconds": seconds,
        "entries": len(table),
        "checksum": checksum,
        "per_s": len(serials[:200]) / taken,
        "hits": hits,
        "peak": peak,
    }


def openssl(crl: Path, certificate: Path, lookups: int) -> dict[str, Any]:
    """A C program of its own."""
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "crl_openssl"
        source = ROOT / "bench" / "peers" / "crl_openssl.c"
        subprocess.run(["gcc", "-O2", str(source), "-o", str(program), "-lcrypto"], check=True)
        done = subprocess.run(
            [str(program), str(crl), str(certificate), str(lookups)], check=True, capture_output=True, text=True
        )
    return dict(json.loads(done.stdout))


_REASONS: Final = (
    *("unspecified", "key_compromise", "ca_compromise", "affiliation_changed", "superseded"),
    *("cessation_of_operation", "certificate_hold", "7", "remove_from_crl", "privilege_withdrawn", "aa_compromise"),
)


def _peak() -> int:
    """Bytes.  ru_maxrss of a child begins at its parent's peak."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.partition("VmHWM:")[2].split()[0])


READERS: Final = {"sekisho": sekisho, "cryptography": cryptography, "openssl": openssl}


def run(who: str, crl: Path, certificate: Path, lookups: int) -> dict[str, Any]:
    """That reader in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.crl_readers", who, str(crl), str(certificate), str(lookups)],
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


if __name__ == "__main__":
    _, name, list_, issuer, many = sys.argv
    print(json.dumps(READERS[name](Path(list_), Path(issuer), int(many))))
