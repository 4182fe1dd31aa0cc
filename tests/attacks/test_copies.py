"""One challenge in many rows of one batch: it gets no more signature checks than it may fail."""

from __future__ import annotations

from pathlib import Path

from sekisho import ChallengeKeys, Claims, Engine, LoginBatch, Profile, Reason, TrustStore, Verifier
from sekisho.testing import AT, a_citizen

FAILURES_MAX = 8
COPIES = 200


def desk(folder: Path) -> Verifier:
    trust = TrustStore(list(a_citizen().city.trust("auth")))
    claims = Claims.open(folder / "claims", capacity=1000, fresh=True)
    keys = ChallengeKeys.generate()
    return Verifier(trust, "jpki-auth-test", challenges=keys, claims=claims, engine=Engine(threads=1))


def token(verifier: Verifier) -> bytes:
    assert verifier.challenges is not None
    return bytes(verifier.challenges.issue(1, profile=Profile.load("jpki-auth-test").id32, at=AT)[0])


def test_a_flood_of_bad_signatures_for_one_challenge_costs_eight(tmp_path: Path) -> None:
    verifier = desk(tmp_path)
    bad = a_citizen(0).login(token(verifier))
    flood = [bytes([*bad.signature[:-1], bad.signature[-1] ^ (1 + row % 255)]) for row in range(COPIES)]
    good = a_citizen(1).login(token(verifier))
    batch = LoginBatch(
        certificates=[*[bad.certificate] * COPIES, good.certificate],
        challenges=[*[bad.challenge] * COPIES, good.challenge],
        signatures=[*flood, good.signature],
    )
    reasons = verifier.verify_logins(batch, at=AT).count()
    assert reasons == {
        Reason.CHALLENGE_LOCKED: COPIES - FAILURES_MAX,
        Reason.SIGNATURE_WRONG: FAILURES_MAX,
        Reason.ACCEPTED: 1,
    }


def test_the_same_login_in_a_few_rows_is_accepted_once(tmp_path: Path) -> None:
    verifier = desk(tmp_path)
    login = a_citizen(2).login(token(verifier))
    batch = LoginBatch([login.certificate] * 5, [login.challenge] * 5, [login.signature] * 5)
    verdicts = verifier.verify_logins(batch, at=AT)
    assert [verdict.reason for verdict in verdicts] == [Reason.ACCEPTED, *[Reason.CHALLENGE_USED] * 4]
