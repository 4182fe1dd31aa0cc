"""Where sekisho is meant to differ from a suite, each with its reason; and the gaps that are ours to mend.

A rule looks at our reason and at facts of the case that other readers found, so that cases nobody has seen are judged too.
Its witnesses are cases that were seen to need it (see outcomes.py).  No rule for paths excuses an acceptance of what
OpenSSL, asked then and there, refuses.  docs/SECURITY.md tells the same to users.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from cryptography import x509

from sekisho.reasons import Reason
from tests.conformance.crl_facts import CrlFacts
from tests.conformance.facts import WEAK_HASHES, CertificateFacts
from tests.conformance.outcomes import Rule
from tests.conformance.path_cases import PathFacts
from tests.conformance.peers import ask_openssl
from tests.conformance.revocation_cases import CrlCase
from tests.conformance.signed_data import SignedDataFacts

RSA_BITS_MIN: Final = 2048  # FIPS 186-5, 5.1
NAME_COMPARISONS_MAX: Final = 1 << 17  # SEKI_NAME_COMPARISONS_MAX
GENERAL_NAMES_MAX: Final = 256  # SEKI_GENERAL_NAMES_MAX
SUBTREES_MAX: Final = 64  # SEKI_SUBTREES_MAX
KEYS: Final = frozenset({"rsa", "secp256r1", "secp384r1", "ed25519"})
SIGNATURES: Final = frozenset({"rsassa_pkcs1v15", "rsassa_pss", "ecdsa", "ed25519"})

# A fault of a CA certificate that came along makes it unusable, and the leaf then has no issuer.
_OR_NO_ISSUER: Final = frozenset({Reason.ISSUER_UNKNOWN, Reason.ISSUER_SIGNATURE_WRONG})


def _weak_rsa(one: CertificateFacts) -> bool:
    return one.rsa_bits is not None and one.rsa_bits < RSA_BITS_MIN


def _foreign_algorithm(facts: PathFacts) -> bool:
    return any(one.key_kind not in KEYS for one in facts.all) or any(
        one.signature_kind not in SIGNATURES for one in facts.below_anchor
    )


def _only_anchors_out_of_time(facts: PathFacts) -> bool:
    at = facts.case.at
    return not any(one.valid_at(at) for one in facts.anchors) and all(one.valid_at(at) for one in facts.sent)


def _no_anchor_is_ca(facts: PathFacts) -> bool:
    return not any(one.version == 3 and one.is_ca and "key_cert_sign" in (one.key_usage or ()) for one in facts.anchors)


def _sent_ca_without_key_usage(facts: PathFacts) -> bool:
    return any(one.key_usage is None for one in facts.sent)


def _basic_constraints_not_critical(facts: PathFacts) -> bool:
    return any(one.is_ca and not one.critical("2.5.29.19") for one in facts.authorities)


def _key_cert_sign_without_ca(facts: PathFacts) -> bool:
    return not facts.leaf.is_ca and "key_cert_sign" in (facts.leaf.key_usage or ())


def _key_identifier_missing(facts: PathFacts) -> bool:
    return any("2.5.29.35" not in one.extensions for one in facts.below_anchor) or any(
        "2.5.29.14" not in one.extensions for one in facts.sent
    )


def _constraint_not_critical(facts: PathFacts) -> bool:
    constraints = ("2.5.29.30", "2.5.29.36", "2.5.29.54")
    return any(oid in one.extensions and not one.critical(oid) for one in facts.authorities for oid in constraints)


def _anchor_has_policies(facts: PathFacts) -> bool:
    policies = {"2.5.29.32", "2.5.29.33", "2.5.29.36", "2.5.29.54"}
    return facts.case.anchor_constrains and any(policies & set(one.extensions) for one in facts.anchors)


def _name_comparisons(facts: PathFacts) -> int:
    """At most: each name of the leaf with each constraint of its kind, permitted or excluded."""
    names = Counter(str(one.name) for one in facts.leaf.value("2.5.29.17") or [])
    constraints = Counter(
        str(subtree["base"].name)
        for one in facts.authorities
        for value in [one.value("2.5.29.30")]
        if value is not None
        for kind in ("permitted_subtrees", "excluded_subtrees")
        for subtree in value[kind] or []
    )
    return sum(names[kind] * constraints[kind] for kind in names)


def _has_too_many_names(facts: PathFacts) -> bool:
    """Whether a certificate has more alternative names, or a CA more subtrees, than one may have."""
    for one in (facts.leaf, *facts.authorities):
        constraints = one.value("2.5.29.30")
        trees = 0 if constraints is None else sum(
            len(constraints[kind] or []) for kind in ("permitted_subtrees", "excluded_subtrees")
        )  # fmt: skip
        if len(one.value("2.5.29.17") or []) > GENERAL_NAMES_MAX or trees > SUBTREES_MAX:
            return True
    return False


def _openssl_too(facts: PathFacts) -> bool:
    """Whether OpenSSL, strict and given all of the case but the peer's name, accepts the path as well."""
    return ask_openssl(replace(facts.case, peer_name=None)) is True


def _anchor_without_key_identifier(facts: PathFacts) -> bool:
    return any(
        "2.5.29.14" not in one.extensions or ("2.5.29.35" not in one.extensions and not one.may_be_issued_by(one))
        for one in facts.anchors
    )


def _anchor_obeyed(has: Callable[[CertificateFacts], bool]) -> Callable[[PathFacts], bool]:
    """For suites that want nothing of an anchor but name and key: whether it has what we obey."""
    return lambda facts: facts.case.anchor_is_a_key and any(has(one) for one in facts.anchors)


_ANCHORS_ARE_OBEYED: Final = (
    "of an anchor's certificate: RFC 5280, 6.1.1 (d), leaves open whether to obey them; BoringSSL has both ways and tells "
    "them apart"
)


def _path_length_without_ca(facts: PathFacts) -> bool:
    return any(not one.is_ca and one.path_length is not None for one in facts.below_anchor)


PATHS: Final[tuple[Rule, ...]] = (
    # ---- we refuse what the suite calls valid
    Rule(
        "algorithm-not-ours",
        "a key or signature that is not RSA, P-256, P-384 or Ed25519; DSA is withdrawn: FIPS 186-5, 4",
        "refuse",
        _foreign_algorithm,
        reasons=frozenset({Reason.KEY_UNSUPPORTED, Reason.ALGORITHM_NOT_ALLOWED, Reason.KEY_MODE_MISMATCH})
        | _OR_NO_ISSUER,
        witnesses=("pkits/4.1.4", "pkits/4.1.5"),
    ),
    Rule(
        "weak-hash",
        "a certificate signed with SHA-1 or MD5: NIST SP 800-131A Rev. 2, 3 (SHA-1 disallowed), RFC 6151, 2 (MD5)",
        "refuse",
        lambda facts: any(one.signature_hash in WEAK_HASHES for one in facts.below_anchor),
        reasons=frozenset({Reason.ALGORITHM_NOT_ALLOWED}) | _OR_NO_ISSUER,
        witnesses=(
            "boringssl-pki/chains/intermediate-eku-server-gated-crypto/sha1-eku-any",
            "boringssl-pki/chains/issuer-and-subject-not-byte-for-byte-equal/target",
        ),
    ),
    Rule(
        "small-rsa-key",
        "an RSA key below 2,048 bits: FIPS 186-5, 5.1",
        "refuse",
        lambda facts: any(_weak_rsa(one) for one in facts.all),
        reasons=frozenset({Reason.KEY_TOO_SMALL}) | _OR_NO_ISSUER,
    ),
    Rule(
        "anchor-out-of-time",
        "an anchor is trusted within its certificate's validity: RFC 5280, 6.1.1 (d), leaves open what else of a "
        "self-signed certificate is obeyed; a CA that has run out issues nothing",
        "refuse",
        _only_anchors_out_of_time,
        reasons=frozenset({Reason.ISSUER_EXPIRED, Reason.ISSUER_NOT_YET_VALID}),
        witnesses=(
            "boringssl-pki/chains/expired-root/not-before",
            "boringssl-pki/chains/expired-root/not-after-ta-with-constraints",
        ),
    ),
    Rule(
        "anchor-not-a-ca",
        "an anchor given as a certificate must be a CA's, of version 3 with cA and keyCertSign: RFC 5280, 4.2.1.9 and "
        "4.2.1.3; 6.1.1 (d) leaves open what else of an anchor's certificate is obeyed",
        "refuse",
        _no_anchor_is_ca,
        reasons=frozenset({Reason.ISSUER_NOT_CA, Reason.ISSUER_KEY_USAGE}),
        witnesses=(
            "boringssl-pki/chains/root-lacks-basic-constraints/main",
            "boringssl-pki/chains/root-lacks-basic-constraints/ta-with-constraints",
            "boringssl-pki/chains/root-lacks-keycertsign-key-usage/main",
        ),
    ),
    *(
        Rule(f"anchor-{what}", f"{what} {_ANCHORS_ARE_OBEYED}", "refuse", _anchor_obeyed(has), frozenset({reason}))
        for what, reason, has in (
            ("purposes", Reason.EXTENDED_KEY_USAGE, lambda one: "2.5.29.37" in one.extensions),
            ("name-constraints", Reason.NAME_CONSTRAINTS, lambda one: "2.5.29.30" in one.extensions),
            ("path-length", Reason.PATH_TOO_LONG, lambda one: one.path_length is not None),
            (
                "critical-extensions",
                Reason.CERTIFICATE_EXTENSION_UNKNOWN_CRITICAL,
                lambda one: bool(one.unknown_critical),
            ),
        )
    ),
    Rule(
        "path-length-without-ca",
        "a certificate with pathLenConstraint and without cA: RFC 5280, 4.2.1.9, MUST NOT",
        "refuse",
        _path_length_without_ca,
        reasons=frozenset({Reason.PATH_REFUSED, Reason.CERTIFICATE_EXTENSION_MALFORMED}) | _OR_NO_ISSUER,
    ),
    Rule(
        "sent-ca-without-key-usage",
        "a CA certificate without keyUsage: RFC 5280, 4.2.1.3, MUST be there; 6.1.4 (n) would let it pass",
        "refuse",
        _sent_ca_without_key_usage,
        reasons=frozenset({Reason.ISSUER_KEY_USAGE, Reason.PATH_REFUSED}) | _OR_NO_ISSUER,
    ),
    Rule(
        "basic-constraints-not-critical",
        "a CA whose basicConstraints is not critical: RFC 5280, 4.2.1.9, MUST be; 6.1.4 (k) does not look. x509-limbo "
        "(root-non-critical-basic-constraints) and OpenSSL's strict mode want it refused, PKITS 4.6.4 does not",
        "refuse",
        _basic_constraints_not_critical,
        reasons=frozenset({Reason.PATH_REFUSED, Reason.ISSUER_NOT_CA}) | _OR_NO_ISSUER,
        witnesses=("pkits/4.6.4",),
    ),
    Rule(
        "key-cert-sign-without-ca",
        "a leaf with keyCertSign and without cA: RFC 5280, 4.2.1.3 and 4.2.1.9, MUST NOT; x509-limbo "
        "(leaf-ku-keycertsign) wants it refused, BoringSSL does not",
        "refuse",
        _key_cert_sign_without_ca,
        reasons=frozenset({Reason.ISSUER_NOT_CA, Reason.PATH_REFUSED, Reason.KEY_USAGE}),
        witnesses=("boringssl-pki/chains/target-has-keycertsign-but-not-ca/main",),
    ),
    Rule(
        "unknown-critical-extension",
        "a critical extension that RFC 5280 does not define: 4.2, MUST reject; BoringSSL knows some of Microsoft's",
        "refuse",
        lambda facts: any(one.unknown_critical for one in facts.below_anchor),
        reasons=frozenset({Reason.CERTIFICATE_EXTENSION_UNKNOWN_CRITICAL}) | _OR_NO_ISSUER,
        witnesses=("boringssl-pki/chains/target-msapplicationpolicies-and-eku/main",),
    ),
    Rule(
        "policies-without-explicit",
        "policies given without an explicit one: a profile that names policies wants one of them (RFC 5280, 6.1.1 (c), (f))",
        "refuse",
        lambda facts: bool(facts.settings.policies) and not facts.settings.explicit_policy,
        reasons=frozenset({Reason.POLICY}),
    ),
    Rule(
        "key-identifier-missing",
        "a certificate without authorityKeyIdentifier, or a CA's without subjectKeyIdentifier: RFC 5280, 4.2.1.1 and "
        "4.2.1.2, MUST be there; OpenSSL's strict mode, which judges such paths, wants them",
        "refuse",
        _key_identifier_missing,
        reasons=frozenset({Reason.PATH_REFUSED}),
    ),
    Rule(
        "many-names",
        "more names, more subtrees or more of both than are compared: RFC 5280, 4.2.1.6 and 4.2.1.10, set no bound; 256 names, "
        "64 subtrees a certificate and 131,072 comparisons a path are ours (docs/SECURITY.md, Budgets)",
        "refuse",
        lambda facts: _name_comparisons(facts) > NAME_COMPARISONS_MAX or _has_too_many_names(facts),
        reasons=frozenset({Reason.NAME_CONSTRAINTS, Reason.CERTIFICATE_EXTENSION_MALFORMED}) | _OR_NO_ISSUER,
        witnesses=("boringssl-pki/chains/many-names/ok-all-types",),
    ),
    # ---- we accept what the suite calls invalid
    Rule(
        "peer-name",
        "the certificate is not for the host asked for, which sekisho does not look at: it verifies holders, not servers "
        "(RFC 9525, 6, is for TLS clients)",
        "accept",
        lambda facts: not facts.peer_name_fits and _openssl_too(facts),
    ),
    Rule(
        "constraint-not-critical",
        "nameConstraints, policyConstraints or inhibitAnyPolicy not marked critical: RFC 5280, 4.2.1.10, 4.2.1.11 and "
        "4.2.1.14, MUST for CAs; they are obeyed all the same (6.1 does not look at criticality)",
        "accept",
        lambda facts: _constraint_not_critical(facts) and _openssl_too(facts),
        witnesses=("x509-limbo/rfc5280::pc::ica-noncritical-pc",),
    ),
    Rule(
        "anchor-policies",
        "policies, mappings and inhibitions in an anchor's own certificate: RFC 5280, 6.1.1, takes them from the "
        "caller (the profile), not from the anchor; RFC 5937, which reads them, is optional",
        "accept",
        lambda facts: _anchor_has_policies(facts) and _openssl_too(facts),
        witnesses=(
            "boringssl-pki/chains/policies-inhibit-anypolicy-by-root-fail/ta-with-constraints",
            "boringssl-pki/chains/policies-inhibit-mapping-by-root-fail/ta-with-constraints",
            "boringssl-pki/chains/policy-mappings-on-root-fail/ta-with-constraints",
        ),
    ),
    Rule(
        "anchor-without-key-identifier",
        "an anchor's certificate without subjectKeyIdentifier, or without authorityKeyIdentifier where it is not self-issued: "
        "RFC 5280, 4.2.1.1 and 4.2.1.2, are for what is issued; 6.1.1 (d) takes name and key from an anchor, and key "
        "identifiers only order candidates here",
        "accept",
        lambda facts: _anchor_without_key_identifier(facts) and _openssl_too(facts),
    ),
)
"""Rules for paths."""

GAPS: Final[tuple[Rule, ...]] = ()
"""Ours to mend: none.  Each would go when what it names is there."""

PATH_RULES: Final = PATHS + GAPS

# ---- signed data ---------------------------------------------------------------------------------------


def _unsupported_signature(facts: SignedDataFacts) -> bool:
    return facts.data.mode is None and (facts.hash in WEAK_HASHES or facts.signature_algorithm not in KNOWN_SIGNATURES)


KNOWN_SIGNATURES: Final = frozenset(
    {f"1.2.840.113549.1.1.{arc}" for arc in (10, 11, 12, 13)}
    | {f"1.2.840.10045.4.3.{arc}" for arc in (2, 3, 4)}
    | {"1.3.101.112"}
)
"""RSASSA-PSS, sha256/384/512WithRSAEncryption, ecdsa-with-SHA256/384/512, Ed25519."""

SIGNED_DATA_RULES: Final[tuple[Rule, ...]] = (
    Rule(
        "small-rsa-key",
        "an RSA key below 2,048 bits: FIPS 186-5, 5.1",
        "refuse",
        lambda facts: facts.rsa_bits is not None and facts.rsa_bits < RSA_BITS_MIN,
        reasons=frozenset({Reason.KEY_TOO_SMALL}),
        witnesses=("boringssl-pki/signed_data/rsa-pkcs1-sha256",),
    ),
    Rule(
        "no-mode",
        "ML-DSA and others that sekisho has no mode for, SHA-1 among them (NIST SP 800-131A Rev. 2, 3)",
        "refuse",
        _unsupported_signature,
        witnesses=("boringssl-pki/signed_data/mldsa-44", "boringssl-pki/signed_data/mldsa-87"),
    ),
    Rule(
        "compressed-point",
        "a compressed point: RFC 5480, 2.2, MAY be rejected",
        "refuse",
        lambda facts: facts.point_is_compressed,
        reasons=frozenset({Reason.KEY_MALFORMED, Reason.KEY_UNSUPPORTED, Reason.KEY_POINT}),
        witnesses=("rustls-webpki/signed_data/ours/ecdsa-prime256v1-sha256-compressed",),
    ),
    Rule(
        "limit-of-the-suite",
        "rustls-webpki does not support it; OpenSSL finds the signature right by key and data (raw_crypto), and RFC 5758, "
        "3.2, and RFC 4055, 3.1, allow P-256 with SHA-512 and salts of any length",
        "accept",
        lambda facts: facts.data.raw is True and facts.data.boringssl is not False,
        witnesses=("rustls-webpki/signed_data/ecdsa-prime256v1-sha512",),
    ),
)
"""Rules for signed data: a mode is None where nothing of ours would take the AlgorithmIdentifier."""

# ---- signatures of Wycheproof's other algorithms -------------------------------------------------------

SIGNATURE_RULES: Final[tuple[Rule, ...]] = (
    Rule(
        "small-rsa-key",
        "an RSA key below 2,048 bits: FIPS 186-5, 5.1",
        "refuse",
        lambda case: case.rsa_bits is not None and case.rsa_bits < RSA_BITS_MIN,
        reasons=frozenset({Reason.KEY_TOO_SMALL}),
    ),
)
"""Rules for signatures."""

OTHER_ALGORITHM_RULES: Final[tuple[Rule, ...]] = (
    Rule(
        "right-in-our-mode",
        "invalid there, since it was made with another hash, the mode's; cryptography finds it right in that mode "
        "too (RFC 8017, 8.1.2 and 8.2.2: the algorithm is an input of verification)",
        "accept",
        lambda tried: tried.case.invalid and tried.right_for_cryptography,
    ),
)
"""Rules for signatures of algorithms that sekisho has no mode for."""

PARSE_RULES: Final[tuple[Rule, ...]] = ()
"""Rules for single certificates: none is needed."""

# ---- CRLs ----------------------------------------------------------------------------------------------


def _limit_of_rustls(facts: CrlFacts) -> bool:
    return facts.said.startswith("Unsupported") and facts.is_of_every_kind


def _is_indirect(case: CrlCase) -> bool:
    read = case.summary
    found = None if read is None else read.extensions.get_extension_for_class(x509.IssuingDistributionPoint)
    return found is not None and bool(found.value.indirect_crl)


CRL_RULES: Final[tuple[Rule, ...]] = (
    Rule(
        "crl-indirect",
        "a list of the certificate's own issuer that says it is indirect: RFC 5280, 6.3.3 (b)(1), and PKITS 4.14.22 take it; "
        "BoringSSL does not support it",
        "accept",
        _is_indirect,
        witnesses=("boringssl-pki/crl/bad_idp_indirectcrl",),
    ),
)
"""BoringSSL's CRLs."""

CRL_PARSE_RULES: Final[tuple[Rule, ...]] = (
    # ---- we refuse what the suite calls valid
    Rule(
        "crl-issuer-empty",
        "an empty issuer: RFC 5280, 5.1.2.3, MUST contain a non-empty distinguished name; nobody could be found by it",
        "refuse",
        lambda facts: facts.issuer_is_empty,
        reasons=frozenset({Reason.CRL_NAME_MALFORMED}),
        witnesses=("rustls-webpki/crl_parse/parse_empty_crl",),
    ),
    Rule(
        "crl-invalidity-utc-time",
        "an invalidityDate written as UTCTime: RFC 5280, 5.3.2, InvalidityDate ::= GeneralizedTime; cryptography and "
        "asn1crypto cannot read it either",
        "refuse",
        lambda facts: facts.invalidity_is_utc_time,
        reasons=frozenset({Reason.CRL_ENTRY_EXTENSION}),
        witnesses=("rustls-webpki/crl_parse/parse_entry_invalidity_date_crl",),
    ),
    Rule(
        "crl-default-said",
        "a BOOLEAN DEFAULT FALSE of the issuingDistributionPoint written as FALSE: X.690, 11.5, shall not be encoded",
        "refuse",
        lambda facts: facts.default_is_said,
        reasons=frozenset({Reason.CRL_EXTENSION_MALFORMED}),
        witnesses=("rustls-webpki/crl_parse/test_issuing_distribution_explicit_false_bool",),
    ),
    Rule(
        "crl-algorithm-not-ours",
        "signed by an algorithm that is not RSA, ECDSA or Ed25519 with SHA-2: NIST SP 800-131A Rev. 2, 3, FIPS 186-5, 4",
        "refuse",
        lambda facts: facts.signature_algorithm not in KNOWN_SIGNATURES,
        reasons=frozenset({Reason.CRL_ALGORITHM_NOT_ALLOWED}),
    ),
    # ---- we accept what the suite calls invalid
    Rule(
        "crl-limit-of-the-suite",
        "rustls does not support it: deltas, indirect CRLs, reasons, names relative to the issuer or none at all; RFC 5280, "
        "5.2.4 and 5.2.5, have them, and the summary says each, so that nobody takes the list for another kind",
        "accept",
        _limit_of_rustls,
        witnesses=(
            "rustls-webpki/crl_parse/test_issuing_distribution_point_indirect",
            "rustls-webpki/crl_parse/test_issuing_distribution_only_some_reasons",
            "rustls-webpki/crl_parse/test_issuing_distribution_relative_name",
            "rustls-webpki/crl_parse/test_issuing_distribution_no_name",
        ),
    ),
    Rule(
        "crl-attribute-certificates",
        "onlyContainsAttributeCerts: well formed (RFC 5280, 5.2.5); the summary says it, and such a list covers no "
        "certificate that is judged here",
        "accept",
        lambda facts: facts.only("only_contains_attribute_certs"),
        witnesses=("rustls-webpki/crl_parse/test_issuing_distribution_only_attribute_certs",),
    ),
    Rule(
        "crl-without-next-update",
        "no nextUpdate: RFC 5280, 5.1.2.5, obliges issuers, and BoringSSL takes such lists (good_no_nextupdate); how old a "
        "list may be is the profile's to say",
        "accept",
        lambda facts: not facts.next_update,
        witnesses=("rustls-webpki/crl_parse/parse_missing_next_update_crl",),
    ),
    Rule(
        "crl-without-number-or-key-identifier",
        "no cRLNumber or authorityKeyIdentifier: RFC 5280, 5.2.1 and 5.2.3, oblige issuers; version 1 has none, and "
        "BoringSSL takes such lists (good_no_version, good_no_nextupdate)",
        "accept",
        lambda facts: not {"2.5.29.20", "2.5.29.35"} <= set(facts.extensions),
        witnesses=("rustls-webpki/crl_parse/parse_missing_exts_crl",),
    ),
    Rule(
        "crl-expired",
        "form is judged without a time: whether the list is in force is asked when it is taken",
        "accept",
        lambda facts: facts.said == "CrlExpired",
        witnesses=("rustls-webpki/crl_parse/test_crl_expired",),
    ),
)
"""Rules for the form of CRLs."""

OCSP_RULES: Final[tuple[Rule, ...]] = (
    Rule(
        "ocsp-algorithm-not-ours",
        "a response signed by an algorithm that is not RSA, ECDSA or Ed25519 with SHA-2: NIST SP 800-131A Rev. 2, 3; all of "
        "BoringSSL's are signed with SHA-1, and are run once more signed with SHA-256",
        "refuse",
        lambda facts: facts.signature_algorithm not in KNOWN_SIGNATURES,
        reasons=frozenset({Reason.OCSP_ALGORITHM_NOT_ALLOWED}),
        witnesses=(
            "boringssl-pki/ocsp/responder_name",
            "boringssl-pki/ocsp/responder_id",
            "boringssl-pki/ocsp/revoke_response_reason",
        ),
    ),
    Rule(
        "ocsp-critical-extension",
        "a critical extension that is not processed, Certificate Transparency's among them: RFC 6960, 4.4, and RFC 5280, 4.2, "
        "refuse; BoringSSL lets that one pass",
        "refuse",
        lambda facts: bool(facts.critical - {"1.3.6.1.5.5.7.48.1.2"}),
        reasons=frozenset({Reason.OCSP_EXTENSION_UNKNOWN_CRITICAL}),
    ),
    Rule(
        "ocsp-version-said",
        "the default version written out: X.690, 11.5, shall not be encoded",
        "refuse",
        lambda facts: facts.version_is_said,
        reasons=frozenset({Reason.OCSP_MALFORMED}),
    ),
    Rule(
        "ocsp-delegate-unchecked",
        "a delegated responder without id-pkix-ocsp-nocheck, and no CRL to say that it was not revoked: RFC 6960, 4.2.2.2.1, "
        "leaves what then to local policy, which is to refuse",
        "refuse",
        lambda facts: facts.has_delegate_to_check,
        reasons=frozenset({Reason.OCSP_RESPONDER_NOT_ALLOWED}),
    ),
)
"""Rules for OCSP responses."""
