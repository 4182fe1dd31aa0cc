"""What a gateway is told of each reason there is."""

from __future__ import annotations

from sekisho.reasons import Advice, Blame, Reason
from sekisho.server.sidecar.answers import RETRY_AFTER, of_problem, of_reason


def test_one_reason_alone_lets_anybody_in() -> None:
    assert [reason for reason in Reason if of_reason(reason, 0, 1).status == 200] == [Reason.CERTIFICATE_OK]


def test_a_login_is_not_what_a_gateway_asks_for() -> None:
    assert of_reason(Reason.ACCEPTED, 0, 1).status == 503


def test_what_nobody_could_decide_is_no_refusal() -> None:
    for reason in Reason:
        answer = of_reason(reason, 60, 7)
        fields = dict(answer.fields)
        assert fields[b"sekisho-verdict"].decode() == reason.kebab
        assert fields[b"cache-control"] == b"no-store"
        if reason is Reason.CERTIFICATE_OK:
            assert (fields[b"sekisho-revocation-age"], fields[b"sekisho-snapshot"]) == (b"60", b"7")
            continue
        assert fields[b"sekisho-advice"].decode() in {one.value for one in Advice}
        assert (answer.status == 503) == (b"retry-after" in fields)
        if reason.blame is Blame.HOLDER:
            assert answer.status == 403, reason
    for reason in (
        Reason.REVOCATION_STALE,
        Reason.REVOCATION_UNKNOWN,
        Reason.REVOCATION_NOT_CONFIGURED,
        Reason.ENGINE_FAULT,
    ):
        assert of_reason(reason, -1, 0).status == 503
    for reason in (Reason.REVOKED, Reason.EXPIRED, Reason.ISSUER_UNKNOWN, Reason.CERTIFICATE_MALFORMED):
        assert of_reason(reason, -1, 0).status == 403


def test_clients_that_are_turned_away_together_do_not_come_back_together() -> None:
    seconds = [int(dict(of_problem(503, "overloaded").fields)[b"retry-after"]) for _ in range(2 * len(RETRY_AFTER))]
    assert sorted(set(seconds)) == list(RETRY_AFTER)
    assert b"retry-after" not in dict(of_problem(403, "no-certificate").fields)
