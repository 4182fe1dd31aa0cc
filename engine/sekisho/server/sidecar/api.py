"""``/v1``: logins, challenges and certificates in JSON, for relying parties that speak HTTP.

Who asks is known by the user of its process (over a Unix socket) or by a bearer token, and speaks for one tenant; whoever may
speak for several names one in the field ``sekisho-tenant``. What is in a request is what `sekisho verify logins` reads.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final, Literal, TypeAlias, TypeVar

import msgspec
from msgspec import Meta, Struct
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from sekisho.challenges import LIFETIME_MAX
from sekisho.reasons import Advice, Blame, Reason
from sekisho.server.sidecar.answers import retry_after
from sekisho.server.sidecar.batcher import Answers, VerdictRow
from sekisho.server.sidecar.desk import LoginRow, Overloaded
from sekisho.server.sidecar.peer import peer_of
from sekisho.server.sidecar.service import Service
from sekisho.server.tenants import Tenant
from sekisho.verdicts import BACKENDS, FLAGS
from sekisho.verifier import Verifier

__all__ = [
    "OPERATIONS",
    "Api",
    "CertificatesRequest",
    "ChallengesAnswer",
    "ChallengesRequest",
    "LoginsRequest",
    "Problem",
    "VerdictsAnswer",
]

log = logging.getLogger("sekisho.api")

ROWS_MAX: Final = 4096  # of a request; what fills the lanes many times over
JSON: Final = "application/json"
PROBLEM_JSON: Final = "application/problem+json"  # RFC 9457

Der: TypeAlias = Annotated[bytes, Meta(description="A certificate in DER, as base64 on one line.", max_length=65536)]
Profile: TypeAlias = Annotated[str, Meta(description="One of the tenant's profiles; left out: its first.")]
Binding: TypeAlias = Annotated[str, Meta(description="What it is bound to: a session, a QR id.", max_length=1024)]
Transaction: TypeAlias = Annotated[
    str,
    Meta(
        description="SHA-256 of the transaction, in lower-case hexadecimal; empty: none.", pattern="^([0-9a-f]{64})?$"
    ),
]


class Login(Struct, forbid_unknown_fields=True):
    """A login: what the holder sent, and what the relying party knows of the session. Exactly one of the two challenges."""

    certificate: Der
    signature: Annotated[bytes, Meta(description="Over the challenge, as base64 on one line.", max_length=2048)]
    challenge: Annotated[str, Meta(description="As it was signed, as text.")] | None = None
    challenge_base64: (
        Annotated[bytes, Meta(description="As it was signed, as base64, where it is no text.", max_length=4096)] | None
    ) = None
    intermediates: Annotated[list[Der], Meta(description="CA certificates that came along.", max_length=16)] = []
    binding: Binding = ""
    transaction: Transaction = ""
    request: Annotated[
        str, Meta(description="An id of the request: sent again, it gets the first verdict again.", max_length=256)
    ] = ""


class LoginsRequest(Struct, forbid_unknown_fields=True):
    """Logins to verify."""

    logins: Annotated[list[Login], Meta(min_length=1, max_length=ROWS_MAX)]
    profile: Profile | None = None


class ChallengesRequest(Struct, forbid_unknown_fields=True):
    """How many challenges to issue, and what each is bound to."""

    count: Annotated[int, Meta(ge=1, le=ROWS_MAX)] = 1
    profile: Profile | None = None
    lifetime: Annotated[int, Meta(description="Seconds; left out: the tenant's.", ge=1, le=LIFETIME_MAX)] | None = None
    bindings: Annotated[list[Binding], Meta(description="One for each, or none at all.", max_length=ROWS_MAX)] = []
    transactions: Annotated[
        list[Transaction], Meta(description="One for each, or none at all.", max_length=ROWS_MAX)
    ] = []


class CertificateToCheck(Struct, forbid_unknown_fields=True):
    """A certificate whose holder is proven to be there elsewhere."""

    certificate: Der
    intermediates: Annotated[list[Der], Meta(description="CA certificates that came along.", max_length=16)] = []


class CertificatesRequest(Struct, forbid_unknown_fields=True):
    """Certificates to check: path, validity, policy, revocation. A good one is `certificate-ok`, which is no login."""

    certificates: Annotated[list[CertificateToCheck], Meta(min_length=1, max_length=ROWS_MAX)]
    profile: Profile | None = None


class Verdict(Struct):
    """A verdict. Only `ok` says yes; a reason that you do not know is a refusal."""

    ok: bool
    reason: Annotated[str, Meta(description="Of the closed list in docs/PROTOCOL.md.")]
    number: Annotated[int, Meta(description="The reason's number.")]
    blame: (
        Annotated[Literal["holder", "relying-party", "operator", "sekisho"], Meta(description="Who has to act.")] | None
    )
    advice: (
        Annotated[
            Literal["try-again", "other-certificate", "go-to-office", "stop"],
            Meta(description="All that the holder may be told."),
        ]
        | None
    )
    backend: Annotated[str, Meta(description="Who verified the signature.")]
    flags: list[str]
    revocation_age: (
        Annotated[int, Meta(description="Seconds since the oldest thisUpdate that counted; null: none was looked at.")]
        | None
    )
    snapshot: Annotated[int, Meta(description="Id of the revocation data; 0: none was looked at.")]


class VerdictsAnswer(Struct):
    """A verdict for each, in the order of the request."""

    verdicts: list[Verdict]


class ChallengesAnswer(Struct):
    """Challenges, each good for one login before `expires`."""

    challenges: list[str]
    issued: Annotated[int, Meta(description="Seconds since 1970-01-01T00:00:00Z.")]
    expires: Annotated[int, Meta(description="The first second in which it is no longer good.")]


class Problem(Struct):
    """Why there is no answer (RFC 9457)."""

    title: Annotated[str, Meta(description="In kebab-case; it does not change.")]
    status: int
    detail: Annotated[str, Meta(description="For people: what to do.")]


class ProblemError(Exception):
    """A request that gets a problem for an answer."""

    def __init__(self, status: int, title: str, detail: str) -> None:
        super().__init__(detail)
        self.problem = Problem(title, status, detail)


_Asked = TypeVar("_Asked")


class Api:
    """The three operations."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def logins(self, request: Request) -> Response:
        """Verifies logins: challenge, certificate, path, signature, revocation, single use."""
        tenant, asked = await self._asked(request, LoginsRequest)
        verifier = _verifier(tenant, asked.profile)
        if not tenant.takes_logins(verifier):
            raise ProblemError(
                409, "no-challenge-keys", "This tenant has no keys, so it only has certificates checked."
            )
        own = verifier.profile.challenge == "own"
        rows = [_login_row(place, one, own) for place, one in enumerate(asked.logins)]
        found = await self._service.desk.logins(verifier, rows)
        return self._verdicts(tenant, "login", Reason.ACCEPTED, found)

    async def certificates(self, request: Request) -> Response:
        """Checks certificates whose holders are proven to be there elsewhere."""
        tenant, asked = await self._asked(request, CertificatesRequest)
        rows = [(one.certificate, b"".join(one.intermediates)) for one in asked.certificates]
        found = await self._service.desk.certificates(_verifier(tenant, asked.profile), rows)
        return self._verdicts(tenant, "certificate", Reason.CERTIFICATE_OK, found)

    async def challenges(self, request: Request) -> Response:
        """Issues challenges."""
        tenant, asked = await self._asked(request, ChallengesRequest)
        profile = _verifier(tenant, asked.profile).profile
        if tenant.challenges is None or tenant.challenges.current is None or profile.challenge != "own":
            raise ProblemError(
                409, "no-challenge-keys", "This tenant has no current key, or the profile's challenges are foreign."
            )
        for name, column in (("bindings", asked.bindings), ("transactions", asked.transactions)):
            if column and len(column) != asked.count:
                raise ProblemError(422, "malformed", f"{name}: give one for each of {asked.count} challenges, or none")
        issued = int(time.time()) if tenant.at is None else tenant.at
        lifetime = asked.lifetime or tenant.lifetime
        try:
            tokens = tenant.challenges.issue(
                asked.count,
                profile=profile.id32,
                tenant=tenant.number,
                audience=tenant.audience,
                lifetime=lifetime,
                bindings=[one.encode() for one in asked.bindings] or None,
                transactions=[bytes.fromhex(one) for one in asked.transactions] or None,
                at=issued,
            )
        except ValueError as error:
            raise ProblemError(422, "malformed", str(error)) from None
        answer = ChallengesAnswer([bytes(one).decode("ascii") for one in tokens], issued, issued + lifetime)
        return _json(200, answer)

    async def _asked(self, request: Request, kind: type[_Asked]) -> tuple[Tenant, _Asked]:
        """Who asks, and what."""
        service = self._service
        tenant = _tenant(service, request)
        limit = service.tenants.config.limits.frame_bytes
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > limit:
                raise ProblemError(413, "too-large", f"A request has at most {limit} bytes.")
        try:
            return tenant, msgspec.json.decode(body, type=kind)
        except (msgspec.DecodeError, RecursionError) as error:
            # Says where and what is wanted, never the value.
            raise ProblemError(422, "malformed", str(error)) from None

    def _verdicts(self, tenant: Tenant, kind: str, wanted: Reason, found: Answers) -> Response:
        answers = []
        for row in found:
            self._service.metrics.count(tenant.name, kind, row.reason)
            answers.append(_verdict(row, wanted))
        return _json(200, VerdictsAnswer(answers))


def guarded(service: Service, kind: str, handler: Callable[[Request], Awaitable[Response]]) -> Callable[..., Any]:
    """The handler with its problems told, its time taken, and nothing of its insides told to anybody."""
    seen = service.metrics.answers.labels(kind)

    async def endpoint(request: Request) -> Response:
        with seen.time():
            try:
                return await handler(request)
            except ProblemError as error:
                return _problem(service, error.problem)
            except Overloaded:
                return _problem(
                    service, Problem("overloaded", 503, "Too much waits already; come again after Retry-After.")
                )
            except ClientDisconnect:
                return Response(status_code=499)
            except Exception:
                log.exception("a request failed", extra={"kind": kind})
                return _problem(service, Problem("internal-fault", 500, "sekisho failed; nothing was accepted."))

    return endpoint


OPERATIONS: Final = (
    ("/v1/logins", "logins", LoginsRequest, VerdictsAnswer),
    ("/v1/challenges", "challenges", ChallengesRequest, ChallengesAnswer),
    ("/v1/certificates/check", "certificates", CertificatesRequest, VerdictsAnswer),
)
"""Path, method of `Api`, and what goes in and comes out."""


def _tenant(service: Service, request: Request) -> Tenant:
    peer = peer_of(request.scope)
    speaking = service.tenants.speaking(uid=peer.uid, token=peer.token)
    names = request.headers.getlist("sekisho-tenant")
    if names:
        speaking = [one for one in speaking if [one.name] == names]
    if not speaking:
        raise ProblemError(
            403, "not-a-tenant", "This user or token speaks for no tenant, or not for the one that is named."
        )
    if len(speaking) > 1:
        raise ProblemError(400, "tenant-unclear", "This user or token speaks for several: name one in sekisho-tenant.")
    return speaking[0]


def _verifier(tenant: Tenant, profile: str | None) -> Verifier:
    try:
        return tenant.verifier(profile)
    except LookupError:
        raise ProblemError(
            422, "profile-unknown", f"This tenant's profiles are {', '.join(tenant.verifiers)}."
        ) from None


def _login_row(place: int, login: Login, own: bool) -> LoginRow:
    if (login.challenge is None) == (login.challenge_base64 is None):
        raise ProblemError(422, "malformed", f"logins[{place}]: give challenge or challenge_base64, one of them")
    if not own and (login.binding or login.transaction):
        raise ProblemError(
            422, "malformed", f"logins[{place}]: binding and transaction are of challenges that sekisho issued"
        )
    challenge = login.challenge_base64 if login.challenge is None else login.challenge.encode()
    return LoginRow(
        certificate=login.certificate,
        challenge=challenge or b"",
        signature=login.signature,
        intermediates=b"".join(login.intermediates),
        binding=login.binding.encode(),
        transaction=bytes.fromhex(login.transaction),
        request=login.request.encode(),
    )


def _verdict(row: VerdictRow, wanted: Reason) -> Verdict:
    reason = Reason(row.reason)
    blame: Blame | None = reason.blame
    advice: Advice | None = reason.advice
    return Verdict(
        ok=reason is wanted,
        reason=reason.kebab,
        number=row.reason,
        blame=None if blame is None else blame.value,
        advice=None if advice is None else advice.value,
        backend=BACKENDS[row.backend],
        flags=[name for name, bit in FLAGS.items() if row.flags & bit],
        revocation_age=row.revocation_age if row.revocation_age >= 0 else None,
        snapshot=row.snapshot,
    )


def _json(status: int, value: Struct, media_type: str = JSON) -> Response:
    return Response(
        msgspec.json.encode(value), status_code=status, media_type=media_type, headers={"cache-control": "no-store"}
    )


def _problem(service: Service, problem: Problem) -> Response:
    service.turned_away(problem.title)
    answer = _json(problem.status, problem, PROBLEM_JSON)
    if problem.status == 503:
        answer.headers["retry-after"] = retry_after().decode()
    return answer
