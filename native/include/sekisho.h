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
    SEKI_CHALLENGE_OK = 4, /* of a challenge looked at by itself: never a login */

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

/* ---- challenges and claims -------------------------------------------------------------------
 *
 * A challenge is a token of SEKI_CHALLENGE_SIZE printable ASCII characters: "sekisho1." and then, in base64url
 * (RFC 4648, 5; no padding, no spare bits, so one spelling only), 117 bytes, numbers big-endian:
 *
 *     offset  size
 *          0     1  flags: 1 = bound to a transaction; other bits 0
 *          1     4  key id
 *          5     4  tenant
 *          9     4  profile
 *         13    16  audience: see seki_challenge_audience
 *         29     6  issued, seconds, at most SEKI_TIME_MAX
 *         35     2  lifetime, seconds, 1 to SEKI_CHALLENGE_LIFETIME_MAX; expiry = issued + lifetime
 *         37    16  random
 *         53    32  transaction digest, zeros when not bound to one
 *         85    32  HMAC-SHA-256 under the key named, over label || bytes 0 to 84 || length of the binding (2 bytes) || binding,
 *                   where label is "sekisho challenge token 1" filled up with zeros to 64 bytes
 *
 * It starts with 0x73, so it is no DigestInfo (0x30), and 165 is no size of a hash: a signature over it (mode B) is
 * not a signature over anything else (FACTS section C).  It is valid from issued - skew on, and until the second before its
 * expiry; the expiry is never stretched by a skew: a checking clock that is fast costs seconds of a life, not more.
 * The binding (a session, a QR id) is the caller's, given at issue and again at check, and is not in the token. */

enum {
    SEKI_CHALLENGE_SIZE = 165,              /* characters */
    SEKI_CHALLENGE_KEY_SIZE = 32,           /* bytes; RFC 2104, 3: as long as the hash */
    SEKI_CHALLENGE_KEYS_MAX = 64,           /* keys in one set: a rotation a day with two months of leftovers */
    SEKI_CHALLENGE_RANDOM_SIZE = 16,        /* bytes; FACTS section C asks for 128 bits */
    SEKI_CHALLENGE_AUDIENCE_SIZE = 16,      /* bytes */
    SEKI_CHALLENGE_TRANSACTION_SIZE = 32,   /* bytes: a SHA-256 */
    SEKI_CHALLENGE_BINDING_SIZE_MAX = 1024, /* bytes; up to 32 cost no further compression */
    SEKI_CHALLENGE_LIFETIME_DEFAULT = 120,  /* seconds; FACTS section C: 2 to 5 minutes at most */
    SEKI_CHALLENGE_LIFETIME_MAX = 300,      /* seconds; the same */
    SEKI_CHALLENGE_SKEW_MAX = 60,           /* seconds between the issuing and the checking clock */
    SEKI_CHALLENGE_FAILURES_MAX = 8,        /* failed signatures, then CHALLENGE_LOCKED; DESIGN section 6 */
    SEKI_CLAIMS_CAPACITY_MIN = 64,          /* live claims */
    SEKI_CLAIMS_CAPACITY_MAX = 67108864     /* live claims; a file of 3.2 GB */
};
#define SEKI_TIME_MAX 1099511627775 /* seconds, 2^40 - 1; milliseconds given by mistake lie beyond it */

/* MAC keys by id, one of them current.  Never changes once made, so threads share it freely; a rotation makes another. */
typedef struct seki_challenge_keys seki_challenge_keys;

/* ids: `count` different ones (1 to SEKI_CHALLENGE_KEYS_MAX); secrets: count * SEKI_CHALLENGE_KEY_SIZE bytes, copied in
 * expanded form, none all zeros; current: the id that issues, or -1 for a set that only checks. */
SEKI_MUST_USE seki_status seki_challenge_keys_new(const uint32_t *ids, const uint8_t *secrets, uint64_t count,
                                                  int64_t current, seki_challenge_keys **out);
void seki_challenge_keys_free(seki_challenge_keys *keys); /* wipes the keys */

/* The audience field for an audience's name (a URL, a client id): SHA-256("sekisho audience 1" || 00 || name), first 16
 * bytes.  name may be NULL when length is 0. */
void seki_challenge_audience(const uint8_t *name, uint64_t length, uint8_t *out);

typedef struct {
    uint32_t tenant;
    uint32_t profile;
    uint8_t audience[16];
    int64_t issued;   /* 0 to SEKI_TIME_MAX */
    int64_t lifetime; /* seconds, 1 to SEKI_CHALLENGE_LIFETIME_MAX */
} seki_challenge_params;

/* Issues `rows` tokens into tokens[rows * SEKI_CHALLENGE_SIZE].
 *   bindings      may be NULL or absent: then every binding is empty; a row is at most SEKI_CHALLENGE_BINDING_SIZE_MAX bytes
 *   transactions  may be NULL or absent; a row is empty (not bound to a transaction) or 32 bytes
 *   random        rows * 16 bytes that nobody can guess and nobody used; NULL takes them from getrandom(2) */
SEKI_MUST_USE seki_status seki_challenge_issue_many(const seki_challenge_keys *keys, const seki_challenge_params *params,
                                                    uint64_t rows, const seki_column *bindings,
                                                    const seki_column *transactions, const uint8_t *random, uint8_t *tokens);

typedef struct {
    uint32_t tenant;
    uint32_t profile;
    uint8_t audience[16];
    int64_t skew; /* seconds, 0 to SEKI_CHALLENGE_SKEW_MAX */
} seki_challenge_expectation;

/* Checks `rows` tokens and claims nothing.  reasons[i] is SEKI_CHALLENGE_OK or the first of: CHALLENGE_MALFORMED,
 * _KEY_UNKNOWN, _FORGED (also a wrong binding), _WRONG_TENANT, _WRONG_AUDIENCE, _WRONG_PROFILE, _NOT_YET_VALID, _EXPIRED,
 * _WRONG_TRANSACTION; INPUT_TOO_LARGE is a binding too long for any token.  Nothing past _FORGED is said of a token that is not ours.
 *   transactions  may be NULL or absent; row and token must agree: both without one, or the same 32 bytes
 *   at            the time checked; at_rows, `rows` of them, takes its place when not NULL */
SEKI_MUST_USE seki_status seki_challenge_check_many(const seki_challenge_keys *keys, const seki_challenge_expectation *expect,
                                                    uint64_t rows, const seki_column *tokens, const seki_column *bindings,
                                                    const seki_column *transactions, int64_t at, const int64_t *at_rows,
                                                    uint16_t *reasons);

/* The set of claims: which challenges of this machine were accepted, in a file that every process maps.  Lock-free, and whole
 * after kill -9 at any instruction.  What it does not cover: a VM or its memory taken back to an earlier state inside a challenge's life;
 * the set lost and the clock set back at once; another program of the same user writing into the file. */
typedef struct seki_claims seki_claims;

enum {
    SEKI_CLAIMS_FRESH = 1 /* no challenge of these keys was ever accepted before (first installation, test): if the set must be
                           * made, challenges issued before it began are good.  Never set this for a restart. */
};

/* Opens the set at `path`, or makes it (mode 0600) if it is missing, empty, damaged or of an earlier boot; then challenges issued up
 * to the first batch plus `skew` are refused with CLAIMS_LOST.  A good set is taken as it is, whatever `capacity`, `skew` say.
 *   path      on a local file system, best one in memory (/dev/shm, /run): there is a path.lock beside it, and while it is made
 *             a path.new.  Must stay reachable: a set whose path leads elsewhere answers CLAIMS_LOST.
 *   capacity  live claims it must hold: acceptances a second times the challenges' lifetime; 48 bytes of memory each
 *   skew      seconds, 0 to SEKI_CHALLENGE_SKEW_MAX: how far ahead of this machine an issuing clock may be; a set made in place of a lost
 *             one must not have less than that had
 * SEKI_E_SYSTEM with errno EPERM: the file is another user's or others can open it; EOPNOTSUPP: a network file system.
 * SEKI_E_DAMAGED: there is a file that never was a set; it is left alone. */
SEKI_MUST_USE seki_status seki_claims_open(const char *path, uint64_t capacity, int64_t skew, uint32_t flags,
                                           seki_claims **out);
void seki_claims_free(seki_claims *claims); /* unmaps; the file stays */

enum { /* how the set came to be, from this process's point of view */
    SEKI_CLAIMS_FOUND = 0,
    SEKI_CLAIMS_MADE = 1,
    SEKI_CLAIMS_REMADE_DAMAGED = 2,
    SEKI_CLAIMS_REMADE_BOOT = 3
};

typedef struct {
    uint64_t capacity;      /* live claims for which it was made */
    uint64_t slots;         /* places; a claim is CLAIMS_FULL when the 48 in which it can stand are taken */
    uint64_t live;          /* claims not yet expired, counted now: takes about a millisecond a million slots */
    uint64_t failing;       /* live challenges with a failed signature */
    uint64_t locked;        /* of them, those refused before any signature check */
    uint64_t failure_slots;
    int64_t began;          /* the first batch, 0 if none yet, 1 if SEKI_CLAIMS_FRESH */
    int64_t newest;         /* the newest time seen, 0 if none yet */
    int64_t skew;
    uint32_t origin;        /* SEKI_CLAIMS_FOUND ... */
    uint32_t lost;          /* 1: this process must open the set anew */
    /* by this process since it opened the set */
    uint64_t accepted, repeated, used, full, failures, failures_uncounted;
} seki_claims_statistics;

SEKI_MUST_USE seki_status seki_claims_read_statistics(const seki_claims *claims, seki_claims_statistics *out);

enum { /* what became of a row's signature, for seki_challenge_redeem_many */
    SEKI_OUTCOME_NONE = 0,   /* not looked at: the challenge is checked, nothing is claimed */
    SEKI_OUTCOME_GOOD = 1,   /* all else has passed: claim */
    SEKI_OUTCOME_FAILED = 2  /* the signature was wrong: count it */
};

/* Checks tokens as seki_challenge_check_many does and then claims them, for a caller who verifies signatures himself.  One batch, one time.
 *   requests  may be NULL; a row's 64-bit fingerprint of tenant, request id and all bytes (a keyed or cryptographic hash);
 *             0 = no request id.  A claimed challenge offered again with the same one is ACCEPTED with repeated[i] = 1.
 *   outcomes  may be NULL: all SEKI_OUTCOME_GOOD
 *   reasons   ACCEPTED only for claimed rows, SEKI_CHALLENGE_OK for good ones with SEKI_OUTCOME_NONE, SIGNATURE_WRONG for counted ones;
 *             else a reason of the check, CHALLENGE_USED, CHALLENGE_LOCKED, CLAIMS_LOST, CLAIMS_FULL, CLOCK_WENT_BACK */
SEKI_MUST_USE seki_status seki_challenge_redeem_many(const seki_challenge_keys *keys, seki_claims *claims,
                                                     const seki_challenge_expectation *expect, uint64_t rows,
                                                     const seki_column *tokens, const seki_column *bindings,
                                                     const seki_column *transactions, const uint64_t *requests,
                                                     const uint8_t *outcomes, int64_t at, uint16_t *reasons, uint8_t *repeated);

/* cdef: end */
#endif
