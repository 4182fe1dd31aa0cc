"""Path cases of x509-limbo, NIST PKITS and BoringSSL in one form, and the one place that makes profiles of their settings."""

from __future__ import annotations

import base64
import ipaddress
import json
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, lru_cache
from importlib import resources
from typing import Any, Final

from sekisho._native import lib
from sekisho.engine import Engine
from sekisho.profiles import EXTENDED_KEY_USAGES, KEY_USAGES, PATH_LENGTH_MAX, SIGNATURE_ALGORITHMS, Profile
from sekisho.reasons import Reason
from sekisho.trust import TrustError, TrustStore
from sekisho.verifier import Verifier
from tests.conformance.facts import CertificateFacts
from tests.conformance.outcomes import Outcome
from tests.conformance.suites import ROOT, only, read

INTERMEDIATES_MAX: Final[int] = lib.SEKI_INTERMEDIATES_MAX
ANY_POLICY: Final = "2.5.29.32.0"
NOW: Final = 1_764_028_800
"""2025-11-25T00:00:00Z, for cases that name no time: those are valid for decades."""

LIMBO, PKITS, CHAINS = "x509-limbo", "pkits", "boringssl-pki/chains"


@dataclass(frozen=True, slots=True)
class Settings:
    """What a case asks of a verifier beyond the chain (RFC 5280, 6.1.1, and what profiles have)."""

    policies: tuple[str, ...] = ()
    """The user-initial-policy-set; empty: anyPolicy."""
    explicit_policy: bool = False
    inhibit_policy_mapping: bool = False
    inhibit_any_policy: bool = False
    extended_key_usage: tuple[str, ...] = ()
    key_usage: tuple[str, ...] = ()
    intermediates_max: int = PATH_LENGTH_MAX
    signature_algorithms: tuple[str, ...] = tuple(SIGNATURE_ALGORITHMS)


def profile_for(settings: Settings) -> Profile:
    """A test profile as lenient as RFC 5280 itself, but for what the case asks.  Nobody else here makes profiles."""
    return Profile(
        name="conformance",
        purpose="other",
        test=True,
        revocation="off",
        challenge="foreign",
        signature_algorithms=settings.signature_algorithms,
        rsa_mode="rsassa-pkcs1-v1_5-sha256",  # type: ignore[arg-type]
        p256_mode="ecdsa-sha256-der",  # type: ignore[arg-type]
        p384_mode="ecdsa-sha384-der",  # type: ignore[arg-type]
        ed25519_mode="ed25519",  # type: ignore[arg-type]
        rsa_bits_max=8192,
        path_length_max=min(settings.intermediates_max, PATH_LENGTH_MAX),
        policies=settings.policies,
        initial_explicit_policy=settings.explicit_policy,
        initial_policy_mapping_inhibit=settings.inhibit_policy_mapping,
        initial_any_policy_inhibit=settings.inhibit_any_policy,
        intermediates_max=INTERMEDIATES_MAX,
        ca_leaf_allowed=True,
        extended_key_usage=settings.extended_key_usage,
        key_usage_required=settings.key_usage,
    )


@dataclass(frozen=True)
class PathCase:
    """One certificate with what came along, who is trusted, and what the suite says of it.

    `peer_name`: kind and value of the name that a TLS peer would want; sekisho has no such check.
    `anchor_constrains`: the suite wants the anchor certificate's own extensions obeyed, policies among them.
    `anchor_is_a_key`: the suite wants nothing of the anchor obeyed but its name and key.
    `said`: what the suite's own verifier said, as text.
    `crls`: that are to be asked; `by_crls`: whether they decide.
    """

    suite: str
    section: str
    case: str
    anchors: tuple[bytes, ...]
    sent: tuple[bytes, ...]
    leaf: bytes
    at: int
    settings: Settings
    expected: bool | None
    gated: bool = True
    by_crls: bool = False
    client: bool = True
    peer_name: tuple[str, str] | None = None
    anchor_constrains: bool = False
    anchor_is_a_key: bool = False
    said: str = ""
    crls: tuple[bytes, ...] = ()

    @property
    def id(self) -> str:
        return f"{self.suite}/{self.case}"

    @cached_property
    def facts(self) -> PathFacts:
        return PathFacts(self)

    def outcome(self, reason: Reason, openssl: bool | None = None, cryptography: bool | None = None) -> Outcome:
        return Outcome(
            suite=self.suite,
            section=self.section,
            case=self.case,
            expected=self.expected,
            accepted=reason is Reason.CERTIFICATE_OK,
            reason=reason,
            facts=self.facts,
            gated=self.gated,
            openssl=openssl,
            cryptography=cryptography,
        )


class PathFacts:
    """A path case as rules see it."""

    def __init__(self, case: PathCase) -> None:
        self.case = case
        self.settings = case.settings

    @cached_property
    def leaf(self) -> CertificateFacts:
        return CertificateFacts(self.case.leaf)

    @cached_property
    def sent(self) -> list[CertificateFacts]:
        return [CertificateFacts(der) for der in self.case.sent]

    @cached_property
    def anchors(self) -> list[CertificateFacts]:
        return [CertificateFacts(der) for der in self.case.anchors]

    @property
    def below_anchor(self) -> list[CertificateFacts]:
        return [self.leaf, *self.sent]

    @property
    def all(self) -> list[CertificateFacts]:
        return [*self.below_anchor, *self.anchors]

    @property
    def authorities(self) -> list[CertificateFacts]:
        return [*self.sent, *self.anchors]

    @cached_property
    def a_name_differs_in_form(self) -> bool:
        """Whether a link of names is there only after RFC 5280, 7.1."""
        return any(child.names_differ_in_form(parent) for child in self.below_anchor for parent in self.authorities)

    @cached_property
    def peer_name_fits(self) -> bool:
        """Whether the leaf has the peer's name, by RFC 9525, 6 (DNS, IP) or as it stands (mail)."""
        if self.case.peer_name is None:
            return True
        kind, wanted = self.case.peer_name
        names = self.leaf.value("2.5.29.17")
        return names is not None and any(_same_name(kind, wanted, one) for one in names)


def _same_name(kind: str, wanted: str, name: Any) -> bool:
    if kind == "DNS" and name.name == "dns_name":
        labels, have = wanted.lower().split("."), str(name.native).lower().split(".")
        return labels == have or (have[0] == "*" and len(have) > 1 and labels[1:] == have[1:])
    if kind == "IP" and name.name == "ip_address":
        return bool(name.chosen.contents == ipaddress.ip_address(wanted).packed)
    return kind == "RFC822" and name.name == "rfc822_name" and str(name.native) == wanted


# ---- asking the engine -------------------------------------------------------------------------------


@lru_cache(maxsize=1024)
def _trust(anchors: tuple[bytes, ...], configured: tuple[bytes, ...]) -> tuple[TrustStore, Reason | None]:
    """A store, and why none of the case's own anchors was taken, if so."""
    try:
        return TrustStore(anchors, configured), None
    except TrustError:
        # A store must hold somebody; this CA has nothing to do with the cases.
        stranger = (resources.files("sekisho") / "data" / "jpki" / "authca03.cer").read_bytes()
        store = TrustStore([*anchors, stranger], configured)
        return store, store.issuers[0].reason


def trust_of(case: PathCase, *, configured: bool = False) -> tuple[TrustStore, Reason | None]:
    return _trust(case.anchors, case.sent if configured else ())


def verifier_of(case: PathCase, engine: Engine, *, configured: bool = False) -> tuple[Verifier, Reason | None]:
    store, refused = trust_of(case, configured=configured)
    return Verifier(store, profile_for(case.settings), engine=engine), refused


def verdict(case: PathCase, engine: Engine, *, configured: bool = False) -> Reason:
    """The engine's answer, with the CA certificates sent along, or standing in the store."""
    verifier, refused = verifier_of(case, engine, configured=configured)
    sent = b"" if configured else b"".join(case.sent)
    reason = verifier.verify_certificates([case.leaf], [sent], at=case.at)[0].reason
    return refused if refused is not None and reason is Reason.ISSUER_UNKNOWN else reason


# ---- x509-limbo --------------------------------------------------------------------------------------

_LIMBO_ALGORITHMS: Final = {
    f"{family}_{digest}": f"{ours}-{digest[5:].lower()}"
    for family, ours in (("RSA", "rsassa-pkcs1-v1_5"), ("ECDSA", "ecdsa"))
    for digest in ("WITH_SHA256", "WITH_SHA384", "WITH_SHA512")
} | {"ED25519": "ed25519", "RSASSA_PSS": "rsassa-pss"}
_LIMBO_FIELDS: Final = {
    "id", "conflicts_with", "features", "importance", "description", "validation_kind", "trusted_certs",
    "untrusted_intermediates", "peer_certificate", "peer_certificate_key", "validation_time", "signature_algorithms",
    "key_usage", "extended_key_usage", "expected_result", "expected_peer_name", "expected_peer_names", "max_chain_depth",
    "crls",
}  # fmt: skip


@lru_cache(maxsize=1)
def limbo() -> tuple[list[PathCase], int]:
    """Every case of x509-limbo, and how many the file holds."""
    schema = json.loads((ROOT / LIMBO / "limbo-schema.json").read_text())
    only(schema["$defs"]["Testcase"]["properties"], _LIMBO_FIELDS, "limbo-schema.json")
    data = read(ROOT / LIMBO / "limbo.json", {"version", "testcases"})
    assert data["version"] == 1
    return [_limbo_case(one) for one in data["testcases"]], len(data["testcases"])


def _limbo_case(one: dict[str, Any]) -> PathCase:
    only(one, _LIMBO_FIELDS, one["id"])
    section = one["id"].split("::")[0]
    names = ([one["expected_peer_name"]] if one["expected_peer_name"] else []) + one["expected_peer_names"]
    for name in names:
        only(name, {"kind", "value"}, one["id"])
    assert one["validation_kind"] in ("SERVER", "CLIENT"), one["id"]
    assert one["expected_result"] in ("SUCCESS", "FAILURE"), one["id"]
    algorithms = tuple(
        ours
        for name in one["signature_algorithms"]
        for ours in SIGNATURE_ALGORITHMS
        if ours.startswith(_LIMBO_ALGORITHMS.get(name, "none of ours"))
    )
    depth = one["max_chain_depth"]
    return PathCase(
        suite=LIMBO,
        section=section,
        case=one["id"],
        anchors=tuple(_pem(text) for text in one["trusted_certs"]),
        sent=tuple(_pem(text) for text in one["untrusted_intermediates"]),
        leaf=_pem(one["peer_certificate"]),
        at=_seconds(one["validation_time"]) if one["validation_time"] else NOW,
        settings=Settings(
            extended_key_usage=_known(one["extended_key_usage"], EXTENDED_KEY_USAGES, one["id"]),
            key_usage=_known(
                ["nonRepudiation" if name == "contentCommitment" else name for name in one["key_usage"]],
                KEY_USAGES,
                one["id"],
            ),
            intermediates_max=PATH_LENGTH_MAX if depth is None else depth,
            **({"signature_algorithms": algorithms} if algorithms else {}),
        ),
        expected=one["expected_result"] == "SUCCESS",
        gated=section != "webpki",
        crls=tuple(_pem(text) for text in one["crls"]),
        by_crls="has-crl" in one["features"] or bool(one["crls"]) or section == "crl",
        client=one["validation_kind"] == "CLIENT",
        peer_name=(names[0]["kind"], names[0]["value"]) if names else None,
    )


def _known(names: list[str], known: Any, where: str) -> tuple[str, ...]:
    assert set(names) <= set(known), f"{where}: {names}"
    return tuple(names)


def _pem(text: str) -> bytes:
    return base64.b64decode("".join(line for line in text.splitlines() if "-----" not in line))


def _seconds(moment: str) -> int:
    return int(datetime.fromisoformat(moment.replace("Z", "+00:00")).timestamp())


# ---- PKITS -------------------------------------------------------------------------------------------

_PKITS_REVOCATION: Final = frozenset({4, 5, 7, 14, 15})  # sections that decide by CRLs
_PKITS_FIELDS: Final = {
    "id", "number", "subpart", "title", "section", "section_title", "trust_anchor", "chain", "extra_certs", "crls",
    "initial_policy_set", "initial_explicit_policy", "initial_policy_mapping_inhibit", "initial_any_policy_inhibit",
    "expected_valid", "expected_user_constrained_policy_set", "authorities_constrained_policy_set",
    "explicit_policy_indicator", "needs", "confirmed_by", "openssl_table_error", "openssl_3_0_22_verify",
}  # fmt: skip


@lru_cache(maxsize=1)
def pkits() -> tuple[list[PathCase], int]:
    """Every case of PKITS, and how many the file holds.  Extra certificates are offered with the chain's."""
    data = read(
        ROOT / PKITS / "pkits.json",
        {"what", "sources", "licence", "validation_time", "notes", "cases", "certs", "crls"},
    )
    at = _seconds(data["validation_time"].split()[0])
    return [_pkits_case(one, data["certs"], data["crls"], at) for one in data["cases"]], len(data["cases"])


def pkits_certificates() -> list[bytes]:
    """Every certificate of PKITS, of whichever case."""
    data = json.loads((ROOT / PKITS / "pkits.json").read_text())
    return [base64.b64decode(text) for text in data["certs"].values()]


def _pkits_case(one: dict[str, Any], certificates: dict[str, str], crls: dict[str, str], at: int) -> PathCase:
    only(one, _PKITS_FIELDS, one["id"])
    *authorities, leaf = one["chain"]
    policies = one["initial_policy_set"]
    return PathCase(
        suite=PKITS,
        section=f"4.{one['section']} {one['section_title']}",
        case=one["id"],
        anchors=(base64.b64decode(certificates[one["trust_anchor"]]),),
        sent=tuple(base64.b64decode(certificates[name]) for name in authorities + one["extra_certs"]),
        leaf=base64.b64decode(certificates[leaf]),
        at=at,
        settings=Settings(
            policies=() if ANY_POLICY in policies else tuple(policies),
            explicit_policy=one["initial_explicit_policy"],
            inhibit_policy_mapping=one["initial_policy_mapping_inhibit"],
            inhibit_any_policy=one["initial_any_policy_inhibit"],
        ),
        expected=one["expected_valid"],
        crls=tuple(base64.b64decode(crls[name]) for name in one["crls"]),
        by_crls=one["section"] in _PKITS_REVOCATION or "crl" in one["needs"],
        said=one["openssl_3_0_22_verify"],
    )


# ---- BoringSSL's chains ------------------------------------------------------------------------------

_PURPOSES: Final = {"ANY_EKU": (), "SERVER_AUTH": ("serverAuth",), "CLIENT_AUTH": ("clientAuth",)}
_TRUSTED: Final = frozenset(
    {"TRUSTED_ANCHOR", "TRUSTED_ANCHOR_WITH_EXPIRATION", "TRUSTED_ANCHOR_WITH_CONSTRAINTS"}
)  # the last certificate of the chain is an anchor
_NOT_TRUSTED: Final = frozenset({"UNSPECIFIED", "DISTRUSTED"})  # it is none


@lru_cache(maxsize=1)
def chains() -> tuple[list[PathCase], int]:
    """Every case of BoringSSL's chains, and how many the file holds.

    Purposes of Chromium's own (*_STRICT and others) and trusted leaves are not of our kind: reported, not gated.
    """
    data = read(ROOT / "boringssl-pki" / "chains.json", {"what", "source", "licence", "notes", "chains", "cases"})
    return [_chain_case(one, data["chains"]) for one in data["cases"]], len(data["cases"])


def _chain_case(one: dict[str, Any], all_chains: dict[str, list[str]]) -> PathCase:
    known = {
        "id", "chain", "last_cert_trust", "time", "key_purpose", "digest_policy", "expected_valid", "expected_errors",
        "user_constrained_policy_set", "comment",
    }  # fmt: skip
    only(one, known, one["id"])
    leaf, *others = (base64.b64decode(text) for text in all_chains[one["chain"]])
    trust, purpose = one["last_cert_trust"], one["key_purpose"]
    ours = purpose in _PURPOSES and trust in _TRUSTED | _NOT_TRUSTED
    anchor = () if trust in _NOT_TRUSTED else (others[-1] if others else leaf,)
    base = next((usages for name, usages in _PURPOSES.items() if purpose.startswith(name)), ())
    return PathCase(
        suite=CHAINS,
        section=purpose if ours else "Chromium's own",
        case=one["id"],
        anchors=anchor or _strangers(),
        sent=tuple(others if trust in _NOT_TRUSTED else others[:-1]),
        leaf=leaf,
        at=_seconds(one["time"]),
        settings=Settings(extended_key_usage=("anyExtendedKeyUsage", *base) if base else ()),
        expected=one["expected_valid"],
        gated=ours,
        client=not purpose.startswith("SERVER"),
        anchor_constrains=trust.startswith("TRUSTED_ANCHOR_WITH_CONSTRAINTS"),
        anchor_is_a_key=trust == "TRUSTED_ANCHOR",
        said="\n".join(line for line in one["expected_errors"] if line.startswith("ERROR")),
    )


def _strangers() -> tuple[bytes, ...]:
    """An anchor that is above none of the cases."""
    return ((resources.files("sekisho") / "data" / "jpki" / "authca03.cer").read_bytes(),)


def all_path_cases() -> list[PathCase]:
    return limbo()[0] + pkits()[0] + chains()[0]
