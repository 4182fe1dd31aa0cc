/* cert.h: an X.509 certificate (RFC 5280, section 4) as spans into its own DER.
 *
 * Strict: DER only (X.690, 10 and 11), version 3 rules for extensions, each extension at most once,
 * every extension known here decoded to its end.  Judges form, never trust: dates, issuer, key
 * strength, names and policies are judged by the stages that own them. */
#ifndef SEKI_CERT_H
#define SEKI_CERT_H

#include "algorithm.h"
#include "spki.h"

enum {
    SEKI_POLICIES_MAX = 128,  /* policies a certificate; each must differ from all others, so their number is bounded */
    SEKI_GENERAL_NAMES_MAX = 256, /* names in subjectAltName or issuerAltName; public CAs issue for 250 at most */
    SEKI_SUBTREES_MAX = 64,   /* permitted and excluded subtrees a certificate, each held against each name below; 15 are the most
                               * seen in a real one */
    SEKI_NAME_SIZE_MAX = 4096 /* bytes of an issuer's or subject's Name; those of 779 real roots have at most 335 */
};

/* Extensions that the parser knows, as bits of `extensions` and `critical`. */
enum {
    SEKI_EXT_SUBJECT_KEY_ID = 1 << 0,       /* 2.5.29.14 */
    SEKI_EXT_KEY_USAGE = 1 << 1,            /* 2.5.29.15 */
    SEKI_EXT_SUBJECT_ALT_NAME = 1 << 2,     /* 2.5.29.17 */
    SEKI_EXT_ISSUER_ALT_NAME = 1 << 3,      /* 2.5.29.18 */
    SEKI_EXT_BASIC_CONSTRAINTS = 1 << 4,    /* 2.5.29.19 */
    SEKI_EXT_NAME_CONSTRAINTS = 1 << 5,     /* 2.5.29.30 */
    SEKI_EXT_CRL_DISTRIBUTION = 1 << 6,     /* 2.5.29.31 */
    SEKI_EXT_POLICIES = 1 << 7,             /* 2.5.29.32 */
    SEKI_EXT_POLICY_MAPPINGS = 1 << 8,      /* 2.5.29.33 */
    SEKI_EXT_AUTHORITY_KEY_ID = 1 << 9,     /* 2.5.29.35 */
    SEKI_EXT_POLICY_CONSTRAINTS = 1 << 10,  /* 2.5.29.36 */
    SEKI_EXT_EXTENDED_KEY_USAGE = 1 << 11,  /* 2.5.29.37 */
    SEKI_EXT_INHIBIT_ANY_POLICY = 1 << 12,  /* 2.5.29.54 */
    SEKI_EXT_AUTHORITY_INFO = 1 << 13,      /* 1.3.6.1.5.5.7.1.1 */
    SEKI_EXT_FRESHEST_CRL = 1 << 14,        /* 2.5.29.46 */
    SEKI_EXT_SUBJECT_INFO = 1 << 15,        /* 1.3.6.1.5.5.7.1.11 */
    SEKI_EXT_SUBJECT_DIRECTORY = 1 << 16,   /* 2.5.29.9 */
    SEKI_EXT_UNKNOWN = 1 << 30              /* any other; in `critical`: an unknown critical one, or a critical
                                               certificatePolicies with a qualifier of an unknown kind */
};

/* What real roots do that a certificate must not, as bits of `departures`: let pass in a configured anchor alone. */
enum {
    SEKI_DEPARTURE_SERIAL = 1 << 0,   /* zero or negative (RFC 5280, 4.1.2.2): 20 of 779 roots, three of SECOM's among them */
    SEKI_DEPARTURE_KEY_USAGE = 1 << 1 /* trailing zero bits in keyUsage (X.690, 11.2.2): 4 roots, two of Trustwave's */
};

/* KeyUsage bits, RFC 5280 4.2.1.3; bit i of the BIT STRING is 1 << i. */
enum {
    SEKI_KU_DIGITAL_SIGNATURE = 1 << 0,
    SEKI_KU_NON_REPUDIATION = 1 << 1,
    SEKI_KU_KEY_ENCIPHERMENT = 1 << 2,
    SEKI_KU_DATA_ENCIPHERMENT = 1 << 3,
    SEKI_KU_KEY_AGREEMENT = 1 << 4,
    SEKI_KU_KEY_CERT_SIGN = 1 << 5,
    SEKI_KU_CRL_SIGN = 1 << 6,
    SEKI_KU_ENCIPHER_ONLY = 1 << 7,
    SEKI_KU_DECIPHER_ONLY = 1 << 8
};

/* ExtendedKeyUsage purposes, RFC 5280 4.2.1.12. */
enum {
    SEKI_EKU_ANY = 1 << 0,
    SEKI_EKU_SERVER_AUTH = 1 << 1,
    SEKI_EKU_CLIENT_AUTH = 1 << 2,
    SEKI_EKU_CODE_SIGNING = 1 << 3,
    SEKI_EKU_EMAIL_PROTECTION = 1 << 4,
    SEKI_EKU_TIME_STAMPING = 1 << 5,
    SEKI_EKU_OCSP_SIGNING = 1 << 6,
    SEKI_EKU_OTHER = 1 << 7 /* at least one purpose not listed above */
};

typedef struct {
    seki_span der;          /* the whole Certificate */
    seki_span tbs;          /* the TBSCertificate with tag and length: what is signed */
    uint8_t version;        /* 1, 2, 3 */
    seki_span serial;       /* content octets of the INTEGER: positive (an anchor's: any), 1 to 20 octets (RFC 5280, 4.1.2.2), a leading 00 pad included */
    seki_span issuer;       /* whole Name, with tag and length */
    seki_span subject;      /* whole Name, with tag and length; may be the empty sequence 30 00 */
    int64_t not_before;     /* seconds; UTCTime and GeneralizedTime as RFC 5280 4.1.2.5 has them */
    int64_t not_after;      /* seconds; the second named is still valid */
    seki_span spki;         /* whole SubjectPublicKeyInfo, with tag and length */
    seki_public_key key;    /* valid only if key_reason is 0 */
    uint16_t key_reason;    /* what seki_spki_parse said: a key that nobody can use does not make a certificate
                               malformed, as long as it is a SubjectPublicKeyInfo */
    seki_signature_algorithm signature_algorithm; /* the same inside and outside, else refused */
    seki_span signature;    /* content of the BIT STRING without its count of unused bits, which is 0 */
    uint32_t extensions;    /* SEKI_EXT_* present */
    uint32_t critical;      /* SEKI_EXT_* present and critical */
    uint16_t key_usage;     /* SEKI_KU_*, 0 if absent: a keyUsage without any bit is refused */
    uint32_t extended_key_usage; /* SEKI_EKU_*, 0 if absent */
    bool is_ca;             /* basicConstraints cA; false if absent */
    bool openssl_judges;    /* an extension is there that is unknown here and that OpenSSL's path validation reads */
    bool unknown_qualifier; /* certificatePolicies has a qualifier that is neither CPS pointer nor user notice */
    bool maps_any_policy;   /* policyMappings maps from or to anyPolicy, as no CA may (RFC 5280, 4.2.1.5) */
    int32_t path_length;    /* pathLenConstraint, -1 if absent */
    /* The content of each extension's OCTET STRING (a whole DER element), empty if absent. */
    seki_span subject_key_id;    /* here the KeyIdentifier's octets themselves */
    seki_span authority_key_id;  /* here the keyIdentifier's octets themselves, empty if absent */
    seki_span authority_issuer;  /* authorityCertIssuer, content of the [1], empty if absent */
    seki_span authority_serial;  /* authorityCertSerialNumber, content octets, empty if absent */
    seki_span key_usage_der, subject_alt_name, issuer_alt_name, name_constraints, crl_distribution, policies, policy_mappings,
        policy_constraints, extended_key_usage_der, inhibit_any_policy, authority_info, freshest_crl;
    uint32_t departures;      /* SEKI_DEPARTURE_*; 0 but after seki_certificate_parse_anchor */
    seki_span extension_list; /* content of the SEQUENCE OF Extension, known or not; empty if absent */
} seki_certificate;

/* Parses one certificate of at most SEKI_CERTIFICATE_SIZE_MAX bytes.
 *   der    borrowed; must outlive *out
 *   out    written only on success
 *   fault  may be NULL; on refusal the offset in `der` at which the fault was seen
 * Returns SEKI_NOT_DECIDED (0) if the certificate is well formed, else a SEKI_CERTIFICATE_* or SEKI_INPUT_* reason.
 * An unknown critical extension is no fault here: it is reported in `critical`. */
seki_reason seki_certificate_parse(seki_span der, seki_certificate *out, size_t *fault);

/* The same for a certificate that its operator configured as a trust anchor.  RFC 5280, 6.1.1 (d), takes name, key and
 * algorithm from an anchor; departures that touch none of them do not refuse it and are reported in `departures`.
 * Never for a certificate that somebody sent. */
seki_reason seki_certificate_parse_anchor(seki_span der, seki_certificate *out, size_t *fault);

/* Whether certificatePolicies `policies` (as parsed above) names the policy whose OID content octets are `oid`. */
bool seki_certificate_has_policy(const seki_certificate *certificate, seki_span oid);

#endif
