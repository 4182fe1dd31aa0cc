"""Watch lists: each thing that becomes of a watched certificate is told once, with an id, and no more than the CRL says."""

from __future__ import annotations

import http.server
import json
import os
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from tests.unit.chains import DAY, PROFILE, Made, leaf, make
from tests.unit.crls import crl, identity, partition, points, serial_of

from sekisho.revocation.store import RevocationStore
from sekisho.revocation.watch_list import Event, Watched, WatchList, WatchListError, to_file, to_webhook
from sekisho.testing import AT
from sekisho.trust import TrustStore

WANTED = replace(PROFILE, name="watching", revocation="required")
PURPOSE = "accounts opened with a signature certificate"
FLAGS = x509.ReasonFlags


@pytest.fixture(scope="module")
def root() -> Made:
    return make("watched root")


@pytest.fixture
def store(root: Made, tmp_path: Path) -> RevocationStore:
    return RevocationStore(tmp_path / "store", TrustStore([root.der]), archive=tmp_path / "archive")


def watch(tmp_path: Path, purpose: str = PURPOSE) -> WatchList:
    return WatchList(tmp_path / "watch.db", purpose=purpose)


def watched(root: Made, holder: Made, reference: str, kind: str = "sign") -> Watched:
    return Watched(holder.der, identity(root), identity(root), kind, reference)  # type: ignore[arg-type]


def told(events: list[Event]) -> list[tuple[str, str, str]]:
    return [(one.reference, one.what, one.cause) for one in events]


def test_there_is_no_list_without_a_purpose(tmp_path: Path) -> None:
    with pytest.raises(WatchListError, match="purpose"):
        watch(tmp_path, " ")
    watch(tmp_path).close()
    with pytest.raises(WatchListError, match="another purpose"):
        watch(tmp_path, "marketing")
    os.chmod(tmp_path / "watch.db", 0o644)
    with pytest.raises(WatchListError, match="chmod 600"):
        watch(tmp_path)


def test_what_becomes_of_certificates(root: Made, store: RevocationStore, tmp_path: Path) -> None:
    sign, auth, held, good = (leaf(root, name) for name in ("sign", "auth", "held", "good"))
    with watch(tmp_path) as list_:
        holders = [("s", sign, "sign"), ("a", auth, "auth"), ("h", held, "auth"), ("g", good, "auth")]
        assert list_.add(watched(root, one, name, kind) for name, one, kind in holders) == 4
        assert list_.add([watched(root, sign, "again")]) == 0
        assert list_.observe(store.revocation, WANTED, at=AT) == []  # nothing is in force: nothing is told
        store.update([crl(root, number=1)], at=AT)
        assert list_.observe(store.revocation, WANTED, at=AT) == []
        reasons = [FLAGS.affiliation_changed, FLAGS.affiliation_changed, FLAGS.certificate_hold]
        store.update([crl(root, [sign, auth, held], reasons=reasons, number=2, this_update=AT - 50)], at=AT)
        events = list_.observe(store.revocation, WANTED, at=AT)
        assert told(events) == [
            ("s", "revoked", "attributes-changed"),
            ("a", "revoked", "affiliation-changed"),
            ("h", "revoked", "suspended"),
        ]
        assert {one.snapshot for one in events} == {store.revocation.id}
        assert {one.revoked_at for one in events} == {AT - 7200}
        assert list_.observe(store.revocation, WANTED, at=AT) == []  # once
        # A hold ends, by a delta; the other stays.
        lift = crl(root, [held], reasons=[FLAGS.remove_from_crl], number=3, base=2, this_update=AT - 40)
        store.update([lift], at=AT)
        assert told(list_.observe(store.revocation, WANTED, at=AT)) == [("h", "lifted", "lifted")]
        # It is held again: another event than the first; then that becomes final.
        store.update([crl(root, [sign, auth, held], reasons=reasons, number=4, this_update=AT - 30)], at=AT)
        again = list_.observe(store.revocation, WANTED, at=AT)
        assert told(again) == [("h", "revoked", "suspended")]
        final = [*reasons[:2], FLAGS.key_compromise]
        store.update([crl(root, [sign, auth, held], reasons=final, number=5, this_update=AT - 20)], at=AT)
        assert told(list_.observe(store.revocation, WANTED, at=AT)) == [("h", "changed", "key-compromised")]
        ids = [one.id for one in list_.events()]
        assert len(ids) == len(set(ids)) == 6
        # Stale data is no news.
        assert list_.observe(store.revocation, WANTED, at=AT + 2 * DAY) == []
        assert "death" not in json.dumps([str(one) for one in list_.events()])


def test_partitions_and_chains(root: Made, store: RevocationStore, tmp_path: Path) -> None:
    here, there = (leaf(root, name, extra=[(points(name), False)]) for name in "ab")
    with watch(tmp_path) as list_:
        list_.add([watched(root, here, "here"), watched(root, there, "there")])
        store.update([crl(root, [here, there], idp=partition("a"))], at=AT)
        assert [one.reference for one in list_.observe(store.revocation, WANTED, at=AT)] == ["here"]
        many = leaf(root, "many", extra=[(points(*"abcde"), False)])
        with pytest.raises(ValueError, match="watching"):
            list_.add([watched(root, many, "many")])


def test_each_event_is_delivered_at_least_once(root: Made, store: RevocationStore, tmp_path: Path) -> None:
    holders = [leaf(root, f"holder {i}") for i in range(5)]
    with watch(tmp_path) as list_:
        list_.add(watched(root, one, str(i)) for i, one in enumerate(holders))
        store.update([crl(root, holders)], at=AT)
        list_.observe(store.revocation, WANTED, at=AT)
        seen: list[str] = []

        def fails_at_the_third(event: Event) -> None:
            if len(seen) == 2:
                raise OSError("the other side is away")
            seen.append(event.id)

        with pytest.raises(OSError, match="away"):
            list_.deliver(fails_at_the_third)
        assert len(list(list_.events(undelivered=True))) == 3
    with watch(tmp_path) as list_:  # after a restart
        assert list_.deliver(to_file(tmp_path / "events.jsonl")) == 3
        assert list_.deliver(to_file(tmp_path / "events.jsonl")) == 0
        lines = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
        assert [one["reference"] for one in lines] == ["2", "3", "4"]
        assert {one["id"] for one in lines} | set(seen) == {one.id for one in list_.events()}
        serials = {f"{serial_of(one):x}" for one in holders}
        assert not any(serial in (tmp_path / "events.jsonl").read_text() for serial in serials)


def test_a_webhook_counts_once_it_has_answered(root: Made, store: RevocationStore, tmp_path: Path) -> None:
    got: list[tuple[str, dict[str, object]]] = []
    answers = [500, 204]

    class Hook(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            got.append((self.headers["Idempotency-Key"], body))
            self.send_response(answers.pop(0))
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = http.server.HTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with watch(tmp_path) as list_:
        holder = leaf(root)
        list_.add([watched(root, holder, "one")])
        store.update([crl(root, [holder])], at=AT)
        list_.observe(store.revocation, WANTED, at=AT)
        send = to_webhook(f"http://127.0.0.1:{server.server_port}/")
        with pytest.raises(OSError, match="500"):
            list_.deliver(send)
        assert list_.deliver(send) == 1
    server.shutdown()
    server.server_close()
    assert got[0] == got[1]  # the same id and the same words
    assert got[0][1]["reference"] == "one"
    with pytest.raises(ValueError, match="http"):
        to_webhook("file:///etc/passwd")


def test_a_proof_is_of_one_serial(root: Made, store: RevocationStore, tmp_path: Path) -> None:
    one, other = leaf(root, "one"), leaf(root, "other")
    der = crl(root, [one, other], reasons=[FLAGS.superseded])
    with watch(tmp_path) as list_:
        list_.add([watched(root, one, "one"), watched(root, other, "other")])
        assert list_.proof("one", store) == []
        store.update([der], at=AT)
        list_.observe(store.revocation, WANTED, at=AT)
        (proof,) = list_.proof("one", store)
        assert (proof["purpose"], proof["serial"]) == (PURPOSE, f"{serial_of(one):x}")
        assert (proof["crl_reason"], proof["revoked_at"]) == ("superseded", AT - 7200)
        assert f"{serial_of(other):x}" not in json.dumps(proof)
        (whole,) = list_.proof("one", store, crl=True)
        assert bytes.fromhex(whole["crl"]) == der
        assert list_.proof("nobody", store) == []
        assert list_.remove("one") == 1
        assert list_.proof("one", store) == []
