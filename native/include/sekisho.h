/* sekisho.h: the whole surface of the C core, and its manual.
 *
 * The core verifies certificate logins in bulk: a batch is a table of columns, each stage is a loop
 * over the rows still alive, and every row ends with a reason from the closed list below.  It reads
 * no clock, no file and no network of its own accord: time, trust and keys are arguments.
 *
 * Conventions
 *   - A call returns a seki_status; SEKI_OK is exactly 0.  What a row deserves is its reason, never
 *     the status: a bad row fails no call.  On any status but SEKI_OK no output of the call counts.
 *   - Lengths are in bytes, times in seconds since 1970-01-01T00:00:00Z (int64), unless a name says else.
 *   - Columns borrow the caller's memory until the call returns; it must not change meanwhile.
 *   - NULL is an error wherever "may be NULL" is not written.
 *   - Objects are freed by their _free, which takes NULL.  An object may be shared by threads unless
 *     its comment says otherwise.
 *
 * Everything between the cdef marks is read by native/build.py for cffi: plain declarations only. */
#ifndef SEKISHO_H
#define SEKISHO_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define SEKI_MUST_USE __attribute__((warn_unused_result))
#else
#define SEKI_MUST_USE
#endif

/* cdef: begin */

/* ---- status of a call ---------------------------------------------------------------------- */

typedef enum {
    SEKI_OK = 0,
    SEKI_E_ARGUMENT = 1, /* the caller broke this header's rules */
    SEKI_E_MEMORY = 2,   /* out of memory */
    SEKI_E_OPENSSL = 3,  /* OpenSSL failed for a reason of its own */
    SEKI_E_SYSTEM = 4,   /* a system call failed; errno says which way */
    SEKI_E_DAMAGED = 5   /* a shared structure does not have the form it must have */
} seki_status;

/* ---- reasons: the closed list.  Numbers are stable; engine/sekisho/reasons.py has the sentences - */

typedef enum {
    SEKI_NOT_DECIDED = 0, /* zeroed memory never accepts */
    SEKI_ACCEPTED = 1,
    SEKI_SIGNATURE_OK = 2,
    SEKI_CERTIFICATE_OK = 3,

    /* the request */
    SEKI_INPUT_MISSING = 16,
    SEKI_INPUT_TOO_LARGE = 17,
    SEKI_MODE_UNKNOWN = 18,
    SEKI_TOO_MANY_INTERMEDIATES = 19,

    /* the challenge */
    SEKI_CHALLENGE_MALFORMED = 32,
    SEKI_CHALLENGE_KEY_UNKNOWN = 33,
    SEKI_CHALLENGE_FORGED = 34, /* the MAC, and with it the binding */
    SEKI_CHALLENGE_EXPIRED = 35,
    SEKI_CHALLENGE_NOT_YET_VALID = 36,
    SEKI_CHALLENGE_WRONG_TENANT = 37,
    SEKI_CHALLENGE_WRONG_AUDIENCE = 38,
    SEKI_CHALLENGE_WRONG_PROFILE = 39,
    SEKI_CHALLENGE_WRONG_TRANSACTION = 40,
    SEKI_CHALLENGE_USED = 41,
    SEKI_CHALLENGE_LOCKED = 42,
    SEKI_CHALLENGE_FORM_FORBIDDEN = 43, /* a foreign challenge that could be a hash or a DigestInfo */
    SEKI_CLAIMS_LOST = 44,
    SEKI_CLAIMS_FULL = 45,
    SEKI_CLOCK_WENT_BACK = 46,

    /* the certificate as bytes (X.690, RFC 5280 section 4) */
    SEKI_CERTIFICATE_MALFORMED = 64, /* not strict DER, or not the ASN.1 of a certificate */
    SEKI_CERTIFICATE_TRAILING_DATA = 65,
    SEKI_CERTIFICATE_VERSION = 66,
    SEKI_CERTIFICATE_SERIAL = 67,
    SEKI_CERTIFICATE_ALGORITHMS_DIFFER = 68,
    SEKI_CERTIFICATE_VALIDITY_MALFORMED = 69,
    SEKI_CERTIFICATE_NAME_MALFORMED = 70,
    SEKI_CERTIFICATE_EXTENSION_MALFORMED = 71,
    SEKI_CERTIFICATE_EXTENSION_DUPLICATE = 72,
    SEKI_CERTIFICATE_EXTENSION_UNKNOWN_CRITICAL = 73,

    /* keys */
    SEKI_KEY_MALFORMED = 96,
    SEKI_KEY_UNSUPPORTED = 97,
    SEKI_KEY_TOO_SMALL = 98,
    SEKI_KEY_TOO_LARGE = 99,
    SEKI_KEY_MODULUS_EVEN = 100,
    SEKI_KEY_EXPONENT = 101,
    SEKI_KEY_POINT = 102, /* not on its curve, or not in its field */
    SEKI_KEY_MODE_MISMATCH = 103,

    /* the path (RFC 5280 section 6) */
    SEKI_ISSUER_UNKNOWN = 128,
    SEKI_ISSUER_SIGNATURE_WRONG = 129, /* no admitted key of that name signed this certificate */
    SEKI_ISSUER_NOT_CA = 130,
    SEKI_ISSUER_KEY_USAGE = 131,
    SEKI_ISSUER_NOT_ALLOWED = 132, /* trusted, but not for this profile */
    SEKI_ISSUER_EXPIRED = 133,
    SEKI_ISSUER_NOT_YET_VALID = 134,
    SEKI_PATH_TOO_LONG = 135,
    SEKI_PATH_BUDGET_SPENT = 136,
    SEKI_PATH_REFUSED = 137, /* the slow path refused for a reason with no name of its own here */
    SEKI_NAME_CONSTRAINTS = 138,
    SEKI_EXPIRED = 139,
    SEKI_NOT_YET_VALID = 140,
    SEKI_KEY_USAGE = 141,
    SEKI_EXTENDED_KEY_USAGE = 142,
    SEKI_POLICY = 143,
    SEKI_ALGORITHM_NOT_ALLOWED = 144,
    SEKI_LEAF_IS_CA = 145,

    /* the signature */
    SEKI_SIGNATURE_WRONG = 160,
    SEKI_SIGNATURE_MALFORMED = 161,
    SEKI_SIGNATURE_LENGTH = 162,
    SEKI_SIGNATURE_UNCONFIRMED = 163, /* a lane said no and the confirmation budget was spent: try again */

    /* revocation */
    SEKI_REVOKED = 192,
    SEKI_REVOCATION_NOT_CONFIGURED = 193,

    /* the engine */
    SEKI_ENGINE_FAULT = 224
} seki_reason;

/* ---- limits ---------------------------------------------------------------------------------- */

enum {
    SEKI_CERTIFICATE_SIZE_MAX = 65536, /* bytes; FACTS section 0: a JPKI leaf is 1.8 kB; OpenSSL's TLS default is 100 kB */
    SEKI_CHALLENGE_SIZE_MAX = 200,     /* bytes; DESIGN section 6 */
    SEKI_FOREIGN_CHALLENGE_SIZE_MAX = 4096, /* bytes; mode B takes at most k-11 of them anyway */
    SEKI_SIGNATURE_SIZE_MAX = 2048,    /* bytes; RSA-16384 would be 2,048 */
    SEKI_INTERMEDIATES_MAX = 4,        /* certificates a login; DESIGN section 4 */
    SEKI_MESSAGE_SIZE_MAX = 1073741824, /* bytes; a signed message in verify_signatures */
    SEKI_ROWS_MAX = 16777216           /* rows a batch */
};

/* ---- columns --------------------------------------------------------------------------------- */

/* A column of byte strings in Arrow's layout: row i is data[offsets[i] .. offsets[i+1]).
 * offset_width is 4 (int32) or 8 (int64), in bytes; a column that is absent has data, offsets NULL and width 0.
 * Offsets are checked (non-negative, never falling, within data_length) before any row is read. */
typedef struct {
    const uint8_t *data;
    uint64_t data_length;
    const void *offsets; /* rows + 1 of them */
    uint64_t offset_width;
} seki_column;

/* ---- signatures ------------------------------------------------------------------------------ */

/* A mode is family | hash << 8 | mgf1_hash << 16 | salt_length << 24; see FACTS section C. */
enum {
    SEKI_FAMILY_PKCS1 = 1,      /* RSASSA-PKCS1-v1_5 over DigestInfo, RFC 8017 section 8.2 (mode A) */
    SEKI_FAMILY_PKCS1_BARE = 2, /* the same block over the bare hash (mode A') */
    SEKI_FAMILY_PKCS1_RAW = 3,  /* the same block over the message itself (mode B); hash 0 */
    SEKI_FAMILY_PSS = 4,        /* RSASSA-PSS, RFC 8017 section 8.1, trailer 0xbc */
    SEKI_FAMILY_ECDSA_DER = 5,  /* FIPS 186-5, Ecdsa-Sig-Value in strict DER; curve from the key */
    SEKI_FAMILY_ECDSA_RAW = 6,  /* FIPS 186-5, r || s, each of the order's size (P1363) */
    SEKI_FAMILY_ED25519 = 7     /* RFC 8032 section 5.1.7, hash 0 */
};
enum {
    SEKI_HASH_NONE = 0,
    SEKI_HASH_SHA1 = 1, /* as MGF1's hash only */
    SEKI_HASH_SHA256 = 2,
    SEKI_HASH_SHA384 = 3,
    SEKI_HASH_SHA512 = 4
};

/* Who answered. */
enum {
    SEKI_BACKEND_NONE = 0,
    SEKI_BACKEND_OPENSSL = 1,
    SEKI_BACKEND_CRYPTO_MB = 2,
    SEKI_BACKEND_IFMA = 3,    /* sekisho's own RSA kernel, AVX-512 IFMA, 52-bit digits */
    SEKI_BACKEND_AVX512 = 4   /* sekisho's own RSA kernel, AVX-512F, 28-bit digits */
};

/* Bits of a verdict's flags. */
enum {
    SEKI_FLAG_CONFIRMED = 1,       /* a lane's rejection was confirmed by OpenSSL */
    SEKI_FLAG_CROSS_CHECKED = 2,   /* a lane's acceptance was cross-checked by OpenSSL */
    SEKI_FLAG_MENDED = 4,          /* a lane rejected, OpenSSL accepted; OpenSSL's answer stands */
    SEKI_FLAG_CACHE_HIT = 8,
    SEKI_FLAG_REPEATED = 16,       /* a retry of a login already accepted: the same verdict again */
    SEKI_FLAG_REVOCATION_OFF = 32, /* the profile does not look at revocation */
    SEKI_FLAG_SLOW_PATH = 64       /* the path was decided by OpenSSL */
};

/* cdef: end */
#endif
