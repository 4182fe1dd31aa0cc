"""Watch lists: what becomes of the certificates that a service relies on (FACTS A2, rows 19, 20 and 22).

    watch = WatchList("watch.db", purpose="benefit accounts opened with a signature certificate, act X, article Y")
    watch.add([Watched(certificate, anchor, signer, "sign", reference="account 17")])
    …
    watch.observe(store.revocation, profile)       # after each new snapshot
    watch.deliver(send)                            # each event at least once, with an id that never changes

Revocation data may be used to see whether a certificate is valid, and for little else: a list exists only with a purpose, which
it keeps and every export names.  What is kept of a certificate is enough to ask about it, and no more: no name, no key, no
attribute.

An event says what a CRL says.  On a signature certificate affiliationChanged means that what is written in it changed (a move, a
new name).  Nothing in a CRL says that somebody died, and no event does.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from sekisho._native import check, ffi, lib
from sekisho.profiles import Profile
from sekisho.revocation.archive import Archive
from sekisho.revocation.crl import CRL_REASONS, CrlEntry
from sekisho.revocation.database import Database
from sekisho.revocation.snapshot import Revocation, SnapshotSource
from sekisho.revocation.store import RevocationStore

__all__ = ["Event", "WatchList", "WatchListError", "Watched", "to_file", "to_webhook"]

CertificateClass: TypeAlias = Literal["sign", "auth", "other"]
What: TypeAlias = Literal["revoked", "changed", "lifted"]

_CAUSES: Final = {
    "unspecified": "not-told",
    "keyCompromise": "key-compromised",
    "cACompromise": "key-compromised",
    "aACompromise": "key-compromised",
    "superseded": "renewed",
    "cessationOfOperation": "no-longer-needed",
    "certificateHold": "suspended",
    "privilegeWithdrawn": "withdrawn",
}
_AT_ONCE: Final = 65536  # certificates asked about in one native call
_WEBHOOK_TIMEOUT: Final = 10  # seconds

_SCHEMA: Final = (
    "CREATE TABLE about (one INTEGER PRIMARY KEY CHECK (one = 1), purpose TEXT NOT NULL)",
    """CREATE TABLE watched (
        number INTEGER PRIMARY KEY,
        identity BLOB NOT NULL UNIQUE,   -- SHA-256 of signer and serial
        facts BLOB NOT NULL,             -- seki_watched
        class TEXT NOT NULL,
        reference TEXT NOT NULL,         -- the caller's own
        reason INTEGER,                  -- CRLReason; NULL: not revoked
        revoked_at INTEGER,
        turn INTEGER NOT NULL DEFAULT 0  -- how often it changed
    )""",
    """CREATE TABLE event (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        watched INTEGER NOT NULL,
        reference TEXT NOT NULL,
        what TEXT NOT NULL,
        cause TEXT NOT NULL,
        class TEXT NOT NULL,
        crl_reason TEXT,
        revoked_at INTEGER,
        seen_at INTEGER NOT NULL,
        snapshot INTEGER NOT NULL,
        delivered_at INTEGER
    )""",
    "CREATE INDEX undelivered ON event (number) WHERE delivered_at IS NULL",
    "PRAGMA user_version = 1",
)
_VERSION: Final = 1


class WatchListError(ValueError):
    """The list cannot be used so; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Watched:
    """A certificate to watch: one whose signature and path were verified.

    Attributes:
        certificate: DER; not kept.
        anchor: identity of its path's trust anchor, 32 bytes (`IssuerReport.identity`).
        signer: identity of the key that signed it, 32 bytes (`CertificateFacts.issuer`).
        kind: "sign" (署名用), "auth" (利用者証明用) or "other".
        reference: what events call it: an id of your own, best a pairwise one.
    """

    certificate: bytes
    anchor: bytes
    signer: bytes
    kind: CertificateClass
    reference: str

    def __repr__(self) -> str:
        return f"<Watched {self.kind}>"  # a log line must not carry who is watched


@dataclass(frozen=True, slots=True)
class Event:
    """Something that a CRL said of a watched certificate.

    Attributes:
        id: the same for the same event, however often it is delivered.
        reference: as it was given.
        what: "revoked"; "changed", a revocation got another reason or date; "lifted", a hold ended.
        cause: "attributes-changed" (affiliationChanged of a signature certificate), "affiliation-changed", "renewed",
            "key-compromised", "suspended", "no-longer-needed", "withdrawn", "not-told", or "lifted": what the CRL says.
        kind: class of the certificate.
        crl_reason: the CRLReason's name; None where lifted.
        revoked_at: revocationDate, seconds since 1970; None where lifted.
        seen_at: when it was first seen here.
        snapshot: in which snapshot.
    """

    id: str
    reference: str
    what: What
    cause: str
    kind: CertificateClass
    crl_reason: str | None
    revoked_at: int | None
    seen_at: int
    snapshot: int

    def __repr__(self) -> str:
        return f"<Event {self.id} {self.what}>"


class WatchList(Database):
    """Certificates in use, and what became of them.  One process observes at a time; the file is our own (mode 0600).

    Args:
        path: an SQLite file, made if it is not there.
        purpose: what the list is for, and by which right; the same each time.  There is no list without one.

    Raises:
        WatchListError: no purpose, another one than the list was made for, or others can read the file.
    """

    def __init__(self, path: str | os.PathLike[str], *, purpose: str) -> None:
        if not purpose.strip():
            raise WatchListError(
                "a watch list needs a purpose: revocation data is for checking validity, and for little else"
            )
        path = Path(path)
        if not path.exists():
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise WatchListError(f"{path}: others can read who is watched: chmod 600 it")
        super().__init__(path, _SCHEMA, _VERSION)
        with self.transaction():
            self._db.execute("INSERT OR IGNORE INTO about VALUES (1, ?)", (purpose,))
        self.purpose: str = self._db.execute("SELECT purpose FROM about").fetchone()[0]
        if self.purpose != purpose:
            raise WatchListError(f"{path} was made for another purpose: {self.purpose!r}. Make a list for this one")

    def __len__(self) -> int:
        return int(self._db.execute("SELECT COUNT(*) FROM watched").fetchone()[0])

    # ---- who is watched

    def add(self, certificates: Iterable[Watched]) -> int:
        """Watches more certificates; those that are watched already stay as they are.  Returns how many are new.

        Raises:
            ValueError: a certificate is malformed, or has more distribution points than can be kept.
        """
        before = len(self)
        rows = []
        for one in certificates:
            if len(one.anchor) != 32 or len(one.signer) != 32:
                raise ValueError("identities have 32 bytes")
            facts = ffi.new("seki_watched *")
            doing = "watching a certificate"
            check(lib.seki_watched_of(one.certificate, len(one.certificate), one.anchor, one.signer, facts), doing)
            serial = bytes(facts.serial)[: facts.serial_length]
            identity = hashlib.sha256(one.signer + serial).digest()
            rows.append((identity, bytes(ffi.buffer(facts)), one.kind, one.reference))
        with self.transaction():
            self._db.executemany(
                "INSERT OR IGNORE INTO watched (identity, facts, class, reference) VALUES (?, ?, ?, ?)", rows
            )
        return len(self) - before

    def remove(self, reference: str) -> int:
        """Watches no more what goes by that reference, and forgets its events that were delivered.  Returns how many."""
        with self.transaction():
            gone = self._db.execute("DELETE FROM watched WHERE reference = ?", (reference,)).rowcount
            self._db.execute("DELETE FROM event WHERE reference = ? AND delivered_at IS NOT NULL", (reference,))
        return gone

    # ---- what became of them

    def observe(self, revocation: Revocation, profile: Profile, *, at: int | None = None) -> list[Event]:
        """Asks about every certificate anew, by what is in force, and stores what changed since the last time.

        Events and the state that they follow from are stored in one transaction: whatever happens in between, each event
        is stored once.  What is unknown or stale changes nothing.

        Args:
            profile: for how old data may be, and whose key may sign it.
            at: the time; None: now.
        """
        now = int(time.time()) if at is None else at
        found: list[Event] = []
        with self.transaction():
            rows = self._db.execute(
                "SELECT number, identity, facts, class, reference, reason, revoked_at, turn FROM watched ORDER BY number"
            )
            while some := rows.fetchmany(_AT_ONCE):
                found += self._compare(some, revocation, profile, now)
        return found

    def _compare(self, rows: list[Any], revocation: Revocation, profile: Profile, now: int) -> list[Event]:
        facts = b"".join(row[2] for row in rows)
        out, snapshot = ffi.new("seki_revocation_status[]", len(rows)), ffi.new("uint64_t *")
        check(
            lib.seki_revocation_ask_watched(
                revocation.native,
                len(rows),
                ffi.cast("seki_watched *", ffi.from_buffer(facts)),
                profile.to_native(),
                now,
                out,
                snapshot,
            ),
            f"asking about {len(rows)} certificates",
        )
        found = []
        for row, status in zip(rows, out, strict=True):
            number, identity, _, kind, reference, reason, revoked_at, turn = row
            if status.reason == lib.SEKI_REVOKED:
                new: tuple[int | None, int | None] = (status.crl_reason, status.revoked_at)
            elif status.reason == 0:
                new = (None, None)
            else:
                continue
            if new == (reason, revoked_at):
                continue
            event = _event(
                identity,
                reference,
                kind,
                before=(reason, revoked_at),
                after=new,
                turn=turn,
                now=now,
                snapshot=snapshot[0],
            )
            self._db.execute(
                "UPDATE watched SET reason = ?, revoked_at = ?, turn = turn + 1 WHERE number = ?", (*new, number)
            )
            self._db.execute(
                "INSERT OR IGNORE INTO event (id, watched, reference, what, cause, class, crl_reason, revoked_at, seen_at, "
                "snapshot) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(event.id, number, reference, event.what, event.cause, kind, event.crl_reason, event.revoked_at),
                    *(now, event.snapshot),
                ),
            )
            found.append(event)
        return found

    def events(self, *, undelivered: bool = False) -> Iterator[Event]:
        """All events in their order, or those that were not delivered yet."""
        where = " WHERE delivered_at IS NULL" if undelivered else ""
        rows = self._db.execute(
            f"SELECT id, reference, what, cause, class, crl_reason, revoked_at, seen_at, snapshot FROM event{where} "  # noqa: S608
            "ORDER BY number"
        )
        for row in rows.fetchall():
            yield Event(*row)

    def deliver(self, send: Callable[[Event], object], *, at: int | None = None) -> int:
        """Hands out what was not delivered, in order; an event counts as delivered once `send` has returned.

        If `send` raises, that event and those after it stay for the next time, and the exception goes on: each is delivered at
        least once, and told apart by its id.  Returns how many were.
        """
        count = 0
        for event in self.events(undelivered=True):
            send(event)
            now = int(time.time()) if at is None else at
            self._db.execute("UPDATE event SET delivered_at = ? WHERE id = ?", (now, event.id))
            count += 1
        return count

    # ---- a proof

    def proof(self, reference: str, store: RevocationStore, *, crl: bool = False) -> list[dict[str, Any]]:
        """What proves to somebody else that certificates of a reference are revoked, as was last observed: each one's entry, and
        which CRL has it.

        Args:
            crl: with the whole CRL (DER, hexadecimal), from the store's archive: other people's serials go along, so only where
                the purpose covers that.

        Raises:
            LookupError: the CRL was asked for and there is no archive.
        """
        base, proofs = store.base, []
        rows = self._db.execute(
            "SELECT facts FROM watched WHERE reference = ? AND reason IS NOT NULL", (reference,)
        ).fetchall()
        for (blob,) in rows if base is not None else ():
            facts = ffi.cast("seki_watched *", ffi.from_buffer(blob))
            serial = bytes(facts.serial)[: facts.serial_length]
            for snapshot in (one for one in (store.overlay, base) if one is not None):
                for source in snapshot.sources():
                    for index in source.sets:
                        if snapshot.set(index).issuer_form != bytes(facts.issuer_form):
                            continue
                        if (entry := snapshot.find(index, serial)) is not None:
                            proofs.append(_proof(self.purpose, source, entry, store.archive, crl))
        return proofs


def to_file(path: str | os.PathLike[str]) -> Callable[[Event], None]:
    """Delivers into a file, a line of JSON each, on the disk before it counts."""

    def send(event: Event) -> None:
        line = (json.dumps(asdict(event), ensure_ascii=False) + "\n").encode()
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if os.write(descriptor, line) != len(line):
                raise OSError("an event was written in part: the disk is full")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    return send


def to_webhook(url: str, *, timeout: float = _WEBHOOK_TIMEOUT) -> Callable[[Event], None]:
    """Delivers by POST, a JSON object each; any answer of 200 to 299 counts as delivered.

    Raises (when an event is sent):
        OSError: no answer, or another one.
    """
    if not url.startswith(("http://", "https://")):
        raise ValueError(f"a webhook is an http or https URL, not {url!r}")

    def send(event: Event) -> None:
        body = json.dumps(asdict(event), ensure_ascii=False).encode()
        headers = {"Content-Type": "application/json", "Idempotency-Key": event.id}
        request = urllib.request.Request(url, body, headers, method="POST")  # noqa: S310 - the scheme is looked at above
        with urllib.request.urlopen(request, timeout=timeout) as answer:  # noqa: S310
            answer.read(1)

    return send


def _event(
    identity: bytes,
    reference: str,
    kind: CertificateClass,
    *,
    before: tuple[int | None, int | None],
    after: tuple[int | None, int | None],
    turn: int,
    now: int,
    snapshot: int,
) -> Event:
    reason, revoked_at = after
    what: What = "lifted" if reason is None else "revoked" if before[0] is None else "changed"
    name = None if reason is None else CRL_REASONS.get(reason, "unspecified")
    # The turn tells a second hold from the first; the same turn seen twice is one event.
    form = json.dumps([identity.hex(), what, name, revoked_at, turn])
    digest = hashlib.sha256(b"sekisho watch event 1\0" + form.encode()).hexdigest()
    return Event(
        id=digest[:32],
        reference=reference,
        what=what,
        cause=_cause(name, kind),
        kind=kind,
        crl_reason=name,
        revoked_at=revoked_at,
        seen_at=now,
        snapshot=snapshot,
    )


def _cause(name: str | None, kind: CertificateClass) -> str:
    if name is None:
        return "lifted"
    if name == "affiliationChanged":
        return "attributes-changed" if kind == "sign" else "affiliation-changed"
    return _CAUSES.get(name, "not-told")


def _proof(
    purpose: str, source: SnapshotSource, entry: CrlEntry, archive: Archive | None, whole: bool
) -> dict[str, Any]:
    found = {
        "purpose": purpose,
        "issuer": source.issuer.hex(),
        "serial": f"{entry.serial:x}",
        "revoked_at": entry.date,
        "crl_reason": CRL_REASONS.get(entry.reason, "unspecified"),
        "crl_sha256": source.sha256.hex(),
        "crl_number": source.number,
        "this_update": source.this_update,
        "signer": source.signer.hex(),
    }
    if whole:
        if archive is None:
            raise LookupError("no archive keeps the CRLs: give the store one (archive=…)")
        found["crl"] = archive.read(source.sha256).hex()
    return found
