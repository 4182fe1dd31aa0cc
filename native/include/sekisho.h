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
    SEKI_E_DAMAGED = 5,  /* a shared structure does not have the form it must have */
    SEKI_E_FORKED = 6    /* the object belongs to the process that made it, and this is a child of that */
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
    SEKI_CLAIMS_UNAVAILABLE = 47, /* those that machines share */

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
    SEKI_REVOCATION_UNKNOWN = 194,
    SEKI_REVOCATION_STALE = 195,
    SEKI_REVOCATION_NOT_YET_VALID = 196,
    SEKI_REVOCATION_DAMAGED = 197,
    SEKI_ISSUER_REVOKED = 198,

    /* the engine */
    SEKI_ENGINE_FAULT = 224,

    /* CRLs: what a reader or a store says of one that it does not take; never said of a row */
    SEKI_CRL_MALFORMED = 256,
    SEKI_CRL_TRAILING_DATA = 257,
    SEKI_CRL_TRUNCATED = 258,
    SEKI_CRL_TOO_LARGE = 259,
    SEKI_CRL_PEM_MALFORMED = 260,
    SEKI_CRL_VERSION = 261,
    SEKI_CRL_ALGORITHMS_DIFFER = 262,
    SEKI_CRL_ALGORITHM_NOT_ALLOWED = 263,
    SEKI_CRL_TIME_MALFORMED = 264,
    SEKI_CRL_NAME_MALFORMED = 265,
    SEKI_CRL_EXTENSION_MALFORMED = 266,
    SEKI_CRL_EXTENSION_DUPLICATE = 267,
    SEKI_CRL_EXTENSION_UNKNOWN_CRITICAL = 268,
    SEKI_CRL_ENTRY_MALFORMED = 269,
    SEKI_CRL_ENTRY_EXTENSION = 270,
    SEKI_CRL_ENTRY_DUPLICATE = 271,
    SEKI_CRL_ISSUER_UNKNOWN = 272,
    SEKI_CRL_ISSUER_KEY_USAGE = 273,
    SEKI_CRL_SIGNATURE_WRONG = 274,
    SEKI_CRL_ISSUER_REVOKED = 275,
    SEKI_CRL_NOT_YET_VALID = 276,
    SEKI_CRL_EXPIRED = 277,
    SEKI_CRL_NUMBER_WENT_BACK = 278,
    SEKI_CRL_TIME_WENT_BACK = 279,
    SEKI_CRL_NUMBER_REUSED = 280,
    SEKI_CRL_KNOWN = 281,
    SEKI_CRL_DELTA_WITHOUT_BASE = 282,
    SEKI_CRL_DELTA_GAP = 283,
    SEKI_CRL_SCOPE_DIFFERS = 284,
    SEKI_CRL_SCOPE_UNSUPPORTED = 285,

    /* snapshots */
    SEKI_SNAPSHOT_MALFORMED = 304,
    SEKI_SNAPSHOT_VERSION = 305,
    SEKI_SNAPSHOT_DIGEST = 306,
    SEKI_SNAPSHOT_UNSIGNED = 307,
    SEKI_SNAPSHOT_SIGNATURE_WRONG = 308,
    SEKI_SNAPSHOT_OLDER = 309,
    SEKI_SNAPSHOT_BASE_MISSING = 310,

    /* OCSP responses */
    SEKI_OCSP_MALFORMED = 320,
    SEKI_OCSP_NOT_SUCCESSFUL = 321,
    SEKI_OCSP_RESPONDER_UNKNOWN = 322,
    SEKI_OCSP_RESPONDER_NOT_ALLOWED = 323,
    SEKI_OCSP_SIGNATURE_WRONG = 324,
    SEKI_OCSP_OTHER_CERTIFICATE = 325,
    SEKI_OCSP_NOT_YET_VALID = 326,
    SEKI_OCSP_EXPIRED = 327,
    SEKI_OCSP_NONCE = 328,
    SEKI_OCSP_EXTENSION_UNKNOWN_CRITICAL = 329,
    SEKI_OCSP_ALGORITHM_NOT_ALLOWED = 330
} seki_reason;

/* ---- limits ---------------------------------------------------------------------------------- */

enum {
    SEKI_CERTIFICATE_SIZE_MAX = 65536, /* bytes; FACTS section 0: a JPKI leaf is 1.8 kB; OpenSSL's TLS default is 100 kB */
    SEKI_CHALLENGE_SIZE_MAX = 200,     /* bytes; docs/ARCHITECTURE.md */
    SEKI_FOREIGN_CHALLENGE_SIZE_MAX = 4096, /* bytes; mode B takes at most k-11 of them anyway */
    SEKI_SIGNATURE_SIZE_MAX = 2048,    /* bytes; RSA-16384 would be 2,048 */
    SEKI_INTERMEDIATES_MAX = 16,       /* certificates a login, whatever its profile; real chains have 1 or 2 */
    SEKI_INTERMEDIATES_DEFAULT = 4,    /* what a profile allows that says nothing; docs/ARCHITECTURE.md */
    SEKI_REQUEST_SIZE_MAX = 256,       /* bytes of a request id; a UUID has 36 */
    SEKI_MESSAGE_SIZE_MAX = 1073741824, /* bytes; a signed message in verify_signatures */
    SEKI_ROWS_MAX = 16777216,          /* rows a batch */
    SEKI_CONFIRMATIONS_MIN = 64,       /* rejections by lanes that OpenSSL confirms in a batch of logins, where the caller says nothing: a */
    SEKI_CONFIRMATIONS_SHARE = 8,      /* flood of forgeries costs some two fifths more than good ones; and one more for every 8 rows */
    SEKI_CACHE_BYTES_MIN = 2097152     /* bytes; a chunk for each of 64 shards and the table of forgeries take 1.8 MB */
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

/* A mode is family | hash << 8 | mgf1_hash << 16 | salt_length << 24; see docs/SECURITY.md. */
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
    SEKI_BACKEND_AVX512 = 4,  /* sekisho's own RSA kernel, AVX-512F, 24-bit digits in doubles */
    SEKI_BACKEND_AVX2 = 5     /* sekisho's own RSA kernel, AVX2 and FMA, 46-bit digits in doubles */
};

/* Bits of a verdict's flags. */
enum {
    SEKI_FLAG_CONFIRMED = 1,       /* a lane's rejection was confirmed by OpenSSL */
    SEKI_FLAG_CROSS_CHECKED = 2,   /* a lane's acceptance was cross-checked by OpenSSL */
    SEKI_FLAG_MENDED = 4,          /* a lane rejected, OpenSSL accepted; OpenSSL's answer stands */
    SEKI_FLAG_CACHE_HIT = 8,
    SEKI_FLAG_REPEATED = 16,       /* a retry of a login already accepted: the same verdict again */
    SEKI_FLAG_REVOCATION_OFF = 32, /* the profile does not look at revocation */
    SEKI_FLAG_SLOW_PATH = 64,      /* the path was decided by OpenSSL */
    SEKI_FLAG_REVOCATION_SOFT = 128 /* accepted though revocation data was missing or stale: the profile says "soft" */
};

/* ---- the library ----------------------------------------------------------------------------- */

/* The version of the package this core was built for. */
const char *seki_version(void);
/* The version of the OpenSSL in use, as OpenSSL says it. */
const char *seki_openssl_version(void);

/* ---- kernels --------------------------------------------------------------------------------- */

typedef enum {
    SEKI_KERNEL_NONE = 0,
    SEKI_KERNEL_RSA_AVX512 = 1,
    SEKI_KERNEL_RSA_IFMA = 2,
    SEKI_KERNEL_RSA_CRYPTO_MB = 3,
    SEKI_KERNEL_P256 = 4,
    SEKI_KERNEL_P384 = 5,
    SEKI_KERNEL_ED25519 = 6,
    SEKI_KERNEL_SHA256 = 7,
    SEKI_KERNEL_RSA_AVX2 = 8,
    SEKI_KERNELS = 9
} seki_kernel_id;

typedef enum {
    SEKI_KERNEL_ABSENT = 0,          /* this CPU or build has it not */
    SEKI_KERNEL_ON = 1,
    SEKI_KERNEL_OFF_REQUESTED = 2,   /* seki_kernels_disable */
    SEKI_KERNEL_OFF_SELF_TEST = 3,   /* failed its known-answer test */
    SEKI_KERNEL_OFF_WRONG_ACCEPT = 4 /* accepted what OpenSSL refused: an alarm */
} seki_kernel_state;

typedef struct {
    uint32_t state;          /* seki_kernel_state */
    uint32_t chosen;         /* RSA: 1 if this kernel answers for 2048 bits */
    uint64_t lanes;          /* rows answered */
    uint64_t rejected;       /* rows it said no to */
    uint64_t mended;         /* of those, how many OpenSSL accepted */
    double ns_per_row;       /* RSA-2048 at start, 0 if not measured */
} seki_kernel_report;

/* What stands of kernel `id` now; runs the self-tests if nothing has yet. */
SEKI_MUST_USE seki_status seki_kernels_report(seki_kernel_id id, seki_kernel_report *out);

/* How many kernels were ever found to accept wrongly in this process.  What was accepted before that number last rose, and kept
 * since, rests on a kernel that cannot be believed. */
uint32_t seki_kernels_doubts(void);

/* Switches one kernel off for the whole process (a wish, not an alarm). */
SEKI_MUST_USE seki_status seki_kernels_disable(seki_kernel_id id);

/* Faults that a test can plant, in builds made with SEKI_TEST_FAULTS; elsewhere SEKI_E_ARGUMENT. */
typedef enum {
    SEKI_FAULT_NONE = 0,
    SEKI_FAULT_SELF_TEST = 1, /* the next self-test of the kernel fails */
    SEKI_FAULT_ACCEPT = 2,    /* the kernel says yes to everything */
    SEKI_FAULT_REJECT = 3     /* the kernel says no to everything */
} seki_kernel_fault;
/* Plants a fault, forgets why the kernel was off, and runs its self-test again. */
SEKI_MUST_USE seki_status seki_kernels_plant(seki_kernel_id id, seki_kernel_fault fault);

/* ---- engine ---------------------------------------------------------------------------------- */

/* Threads, scratch and counters; one a process is enough.  After fork() the child's threads start anew. */
typedef struct seki_engine seki_engine;

typedef struct {
    uint32_t threads;              /* the calling thread included; 1 to 256 */
    uint32_t cross_check_one_in;   /* acceptances of a lane that OpenSSL checks too; 1: each, 0: none */
    uint64_t cache_bytes;          /* bound of the parsing cache, at least SEKI_CACHE_BYTES_MIN; 0: no cache */
} seki_engine_options;

SEKI_MUST_USE seki_status seki_engine_new(const seki_engine_options *options, seki_engine **out);
void seki_engine_free(seki_engine *engine);

/* ---- key sets -------------------------------------------------------------------------------- */

/* Keys parsed once.  Immutable; freed only when no call uses it. */
typedef struct seki_keyset seki_keyset;

/* From SubjectPublicKeyInfo DER, one a row.  A key that cannot be used does not fail the call: reasons[i] is
 * its SEKI_KEY_* reason (0 if usable), and every signature under it gets that reason. */
SEKI_MUST_USE seki_status seki_keyset_new(const seki_column *spki, uint64_t rows, uint16_t *reasons, seki_keyset **out);
void seki_keyset_free(seki_keyset *keyset);

/* ---- batch signature verification ------------------------------------------------------------ */

typedef struct {
    uint64_t rows;
    const seki_keyset *keys;
    const uint32_t *key_index;   /* rows of them, or NULL: row i has key i */
    uint64_t key_index_stride;   /* 1, or 0: all rows have key_index[0] */
    const uint32_t *modes;       /* rows of them */
    uint64_t modes_stride;       /* 1, or 0: all rows have modes[0] */
    seki_column messages;        /* what was signed, or its hash where `prehashed` */
    uint32_t prehashed;          /* 1: messages are hashes of the mode's hash (not for RAW and ED25519) */
    uint32_t reserved;           /* 0 */
    seki_column signatures;
    uint64_t confirmations;      /* rejections by lanes that OpenSSL confirms, at most; the rest are SIGNATURE_UNCONFIRMED */
} seki_signature_batch;

typedef struct {
    uint16_t reason;  /* SEKI_SIGNATURE_OK, or why not */
    uint8_t backend;  /* SEKI_BACKEND_* */
    uint8_t flags;    /* SEKI_FLAG_* */
} seki_signature_verdict;

/* Answers every row, in order.  out: rows of them. */
SEKI_MUST_USE seki_status seki_verify_signatures(seki_engine *engine, const seki_signature_batch *batch,
                                                 seki_signature_verdict *out);

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
 * not a signature over anything else (docs/SECURITY.md).  It is valid from issued - skew on, and until the second before its
 * expiry; the expiry is never stretched by a skew: a checking clock that is fast costs seconds of a life, not more.
 * The binding (a session, a QR id) is the caller's, given at issue and again at check, and is not in the token. */

enum {
    SEKI_CHALLENGE_SIZE = 165,              /* characters */
    SEKI_CHALLENGE_KEY_SIZE = 32,           /* bytes; RFC 2104, 3: as long as the hash */
    SEKI_CHALLENGE_KEYS_MAX = 64,           /* keys in one set: a rotation a day with two months of leftovers */
    SEKI_CHALLENGE_RANDOM_SIZE = 16,        /* bytes; docs/SECURITY.md asks for 128 bits */
    SEKI_CHALLENGE_AUDIENCE_SIZE = 16,      /* bytes */
    SEKI_CHALLENGE_TRANSACTION_SIZE = 32,   /* bytes: a SHA-256 */
    SEKI_CHALLENGE_BINDING_SIZE_MAX = 1024, /* bytes; up to 32 cost no further compression */
    SEKI_CHALLENGE_LIFETIME_DEFAULT = 120,  /* seconds; docs/SECURITY.md: 2 to 5 minutes at most */
    SEKI_CHALLENGE_LIFETIME_MAX = 300,      /* seconds; the same */
    SEKI_CHALLENGE_SKEW_MAX = 60,           /* seconds between the issuing and the checking clock */
    SEKI_CHALLENGE_FAILURES_MAX = 8,        /* failed signatures, then CHALLENGE_LOCKED; docs/ARCHITECTURE.md */
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
/* For whoever opened a set and found it made anew (origin not SEKI_CLAIMS_FOUND): challenges issued up to `at` plus the set's skew
 * are refused too, whatever time its first batch is judged at.  `at` is the time now, read after the set was opened.
 * Does nothing to a set made with SEKI_CLAIMS_FRESH. */
SEKI_MUST_USE seki_status seki_claims_not_before(seki_claims *claims, int64_t at);
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
    int64_t began;          /* its making (seki_claims_not_before) or first batch, 0 if none yet, 1 if SEKI_CLAIMS_FRESH */
    int64_t newest;         /* the newest time seen, 0 if none yet */
    int64_t skew;
    uint32_t origin;        /* SEKI_CLAIMS_FOUND ... */
    uint32_t lost;          /* 1: this process must open the set anew */
    /* by this process since it opened the set */
    uint64_t accepted, repeated, used, full, failures, failures_uncounted;
} seki_claims_statistics;

SEKI_MUST_USE seki_status seki_claims_read_statistics(const seki_claims *claims, seki_claims_statistics *out);

/* Claims that machines share: a Valkey (or Redis) server by which replicas with the same keys accept a challenge once among them.
 * What a machine's own set has granted is claimed there too, in one pipeline a batch, and accepted only when the server has said OK.
 * Keys there are hashes: nothing personal.  native/src/valkey.c says why nothing is accepted twice, docs/SECURITY.md what that wants. */
typedef struct seki_valkey seki_valkey;

enum {
    SEKI_VALKEY_TIMEOUT_MAX = 1000, /* ms: a batch waits no longer, nor does a link outlive its 5 s by more */
    SEKI_VALKEY_HOLD = 15,          /* seconds; links live 5, a primary that lost its replica stops after 10 (min-replicas-max-lag) */
    SEKI_VALKEY_HOLD_MAX = 300      /* seconds */
};

typedef struct {
    const char *path;     /* of a Unix socket; NULL: host and port */
    const char *host;     /* an address of loopback, in numbers: it is spoken in the clear */
    const char *password; /* NULL: none */
    uint32_t port;
    uint32_t timeout_ms;  /* of a pipeline with all that belongs to it, 1 to SEKI_VALKEY_TIMEOUT_MAX */
    int64_t skew;         /* seconds, 0 to SEKI_CHALLENGE_SKEW_MAX: as for the claims */
    int64_t hold;         /* seconds, 0 to SEKI_VALKEY_HOLD_MAX: how long after the server has changed replicas may still ask the old one */
} seki_valkey_options;

typedef enum { /* why nothing could be claimed, the last time */
    SEKI_VALKEY_FINE = 0,
    SEKI_VALKEY_NOT_ASKED = 1,   /* yet */
    SEKI_VALKEY_UNREACHABLE = 2, /* no connection */
    SEKI_VALKEY_SLOW = 3,        /* no answer in time */
    SEKI_VALKEY_BROKEN = 4,      /* the connection ended, or what was said makes no sense */
    SEKI_VALKEY_REFUSED = 5,     /* an error: password, memory, loading, read only */
    SEKI_VALKEY_NOT_PRIMARY = 6, /* a replica */
    SEKI_VALKEY_EVICTS = 7,      /* maxmemory-policy is not noeviction */
    SEKI_VALKEY_CLOCK = 8        /* its clock and ours differ by more than skew + 2 s */
} seki_valkey_trouble;

/* Connects to nothing yet.  Threads share it; a child of fork() makes connections of its own. */
SEKI_MUST_USE seki_status seki_valkey_new(const seki_valkey_options *options, seki_valkey **out);
void seki_valkey_free(seki_valkey *valkey); /* when no set of claims uses it */
/* Asks it without claiming, and begins its epoch where there is none; *trouble: SEKI_VALKEY_FINE ... */
SEKI_MUST_USE seki_status seki_valkey_look(seki_valkey *valkey, uint32_t *trouble);
/* From now on the set's claims are shared.  The Valkey MUST outlive the set; to be called before any batch. */
SEKI_MUST_USE seki_status seki_claims_share(seki_claims *claims, seki_valkey *valkey);

typedef struct {
    uint32_t trouble; /* SEKI_VALKEY_FINE ... */
    int64_t since;    /* seconds: challenges issued later are lost to nobody; 0: not known */
    int64_t answered; /* seconds of its clock at its last good answer; 0: none */
    /* by this process: pipelines; rows by what came of them; epochs that it began */
    uint64_t pipelines, accepted, repeated, used, lost, expired, unavailable, changes;
} seki_valkey_statistics;

SEKI_MUST_USE seki_status seki_valkey_read_statistics(const seki_valkey *valkey, seki_valkey_statistics *out);

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
 *             else a reason of the check, CHALLENGE_USED, CHALLENGE_LOCKED, CLAIMS_LOST, CLAIMS_FULL, CLOCK_WENT_BACK, CLAIMS_UNAVAILABLE */
SEKI_MUST_USE seki_status seki_challenge_redeem_many(const seki_challenge_keys *keys, seki_claims *claims,
                                                     const seki_challenge_expectation *expect, uint64_t rows,
                                                     const seki_column *tokens, const seki_column *bindings,
                                                     const seki_column *transactions, const uint64_t *requests,
                                                     const uint8_t *outcomes, int64_t at, uint16_t *reasons, uint8_t *repeated);

/* ---- trust ----------------------------------------------------------------------------------- */

/* Trust anchors and configured intermediates.  Immutable; freed only when no verifier uses it. */
typedef struct seki_trust seki_trust;

/* anchors, intermediates: certificates in DER, one a row; intermediates may have no rows.
 * reasons: one for each anchor, then one for each intermediate: 0, or why it can issue nothing (it is kept out).
 * An intermediate is linked to every anchor and intermediate whose key verifies its signature: each chain of certificates up
 * to an anchor is a way, and a leaf is good if it is good by one of them. */
SEKI_MUST_USE seki_status seki_trust_new(const seki_column *anchors, uint64_t anchor_rows,
                                         const seki_column *intermediates, uint64_t intermediate_rows,
                                         uint16_t *reasons, seki_trust **out);
void seki_trust_free(seki_trust *trust);

/* What the store made of one of its certificates (anchors first, in the order given).  Several ways may lead up from it: `slow`,
 * `parent` and the window are those of the first, which is one of the shortest. */
typedef struct {
    uint16_t reason;        /* as in seki_trust_new */
    uint8_t anchor;         /* 1: a trust anchor */
    uint8_t slow;           /* 1: each of its leaves goes through OpenSSL whole */
    int32_t parent;         /* index of its issuer, -1 for an anchor */
    uint32_t ways;          /* that lead up from it; an anchor has one, itself */
    int64_t window_from;    /* the latest notBefore of its chain */
    int64_t window_to;      /* the earliest notAfter of its chain */
    uint8_t identity[32];   /* SHA-256 of subject Name and SubjectPublicKeyInfo: what certificates under it are known by */
    uint8_t fingerprint[32];/* SHA-256 of the certificate */
} seki_issuer_report;

uint64_t seki_trust_count(const seki_trust *trust);
SEKI_MUST_USE seki_status seki_trust_report(const seki_trust *trust, uint64_t index, seki_issuer_report *out);

/* ---- profiles -------------------------------------------------------------------------------- */

enum {
    SEKI_OID_SIZE_MAX = 31,         /* content octets; the longest JPKI policy has 11 */
    SEKI_PROFILE_POLICIES_MAX = 8,
    SEKI_REVOCATION_GRACE_MAX = 604800 /* seconds, a week: longer than any holiday that keeps a CA from its daily CRL */
};

typedef struct {
    uint8_t length;
    uint8_t bytes[31]; /* content octets of the OBJECT IDENTIFIER */
} seki_oid;

/* How a profile looks at revocation: not at all; whatever is not known to be good, and fresh, is refused; or what is not known, or
 * not fresh, is let pass and marked (SEKI_FLAG_REVOCATION_SOFT). */
enum { SEKI_REVOCATION_OFF = 0, SEKI_REVOCATION_REQUIRED = 1, SEKI_REVOCATION_SOFT = 2 };
/* Whose challenges a profile takes. */
enum { SEKI_CHALLENGE_OWN = 0, SEKI_CHALLENGE_FOREIGN = 1 };

/* What a valid certificate is for a purpose. */
typedef struct {
    uint64_t id;                    /* differs for profiles that differ in anything; not 0 */
    uint32_t rsa_mode;              /* the mode of a login by a key of that kind; 0: no such key is taken */
    uint32_t p256_mode;
    uint32_t p384_mode;
    uint32_t ed25519_mode;
    uint32_t rsa_bits_min;
    uint32_t rsa_bits_max;
    uint32_t signature_algorithms;  /* bit i: certificates signed with seki_signature_algorithm i are taken */
    uint16_t key_usage_required;    /* all of these bits; the extension must then be there */
    uint16_t key_usage_forbidden;   /* none of these bits */
    uint32_t extended_key_usage;    /* one of these bits, where the extension is there; 0: anything */
    uint8_t extended_key_usage_required; /* 1: the extension must be there */
    uint8_t path_length_max;        /* CA certificates between anchor and leaf */
    uint8_t revocation;             /* SEKI_REVOCATION_* */
    uint8_t challenge;              /* SEKI_CHALLENGE_* */
    uint8_t intermediates_max;      /* CA certificates a login may bring; at most SEKI_INTERMEDIATES_MAX */
    uint8_t ca_leaf_allowed;        /* 1: a CA certificate may be the end of a path; 0: LEAF_IS_CA */
    uint8_t ca_purposes_ignored;    /* 1: the extendedKeyUsage of CAs is not held against extended_key_usage */
    uint8_t initial_explicit_policy;        /* RFC 5280, 6.1.1 (f): 1: the path must be valid for some policy; */
                                            /* where policies are given it must be, whatever stands here */
    uint8_t initial_policy_mapping_inhibit; /* RFC 5280, 6.1.1 (e): 1: no mappings */
    uint8_t initial_any_policy_inhibit;     /* RFC 5280, 6.1.1 (g): 1: anyPolicy matches nothing */
    uint8_t revocation_same_key;    /* 1: only CRLs signed by the very key that signed the certificate count */
    uint32_t policy_count;          /* 0: any; else the leaf must be valid for one of them */
    seki_oid policies[8];
    int64_t clock_skew;             /* seconds added at both ends of a certificate's validity; 0 to 300 */
    int64_t revocation_age_max;     /* seconds since thisUpdate after which revocation data is stale; 0: nextUpdate alone decides */
    int64_t revocation_grace;       /* seconds after nextUpdate in which it is still fresh; 0 to SEKI_REVOCATION_GRACE_MAX */
} seki_profile;

/* ---- revocation ------------------------------------------------------------------------------ */

/* What is in force of revocation data.  Shared by threads. */
typedef struct seki_revocation seki_revocation;

/* What an OCSP response says of a certificate. */
enum { SEKI_OCSP_NONE = 0, SEKI_OCSP_GOOD = 1, SEKI_OCSP_REVOKED = 2, SEKI_OCSP_UNKNOWN = 3 };

/* What a response that was verified says, as a row of a batch: of the certificate with this serial that the key with this identity
 * issued, and of no other.  Whoever made it has checked signer, signature, certID and nonce; the times are here to be judged by:
 * SEKI_E_ARGUMENT where one is not within SEKI_TIME_MAX of 1970. */
typedef struct {
    uint8_t status;        /* SEKI_OCSP_*; SEKI_OCSP_NONE: nothing is said, and all else is 0 */
    uint8_t reason;        /* CRLReason, where revoked */
    uint8_t serial_length;
    uint8_t zero[5];
    int64_t this_update;
    int64_t next_update;   /* INT64_MIN if absent */
    int64_t revoked_at;    /* where revoked, else INT64_MIN */
    uint8_t issuer[32];    /* identity: see seki_issuer_report */
    uint8_t serial[20];    /* magnitude, big-endian, without leading zeros (zero is one octet 00) */
    uint32_t doubts;       /* seki_kernels_doubts from before its signatures were verified: good counts only while that is so */
} seki_ocsp_statement;

enum { SEKI_OCSP_OF_CAS_MAX = 256 }; /* statements on CA certificates a batch; each CA of a path is looked for among them */

/* Whose revocation data said what a verdict rests on, as bits: of the certificate, and of the CA certificates above it. */
enum { SEKI_BY_CRL = 1, SEKI_BY_OCSP = 2 };

/* ---- verifier -------------------------------------------------------------------------------- */

/* A profile over a trust store, with the challenges it takes.  Shared by threads.  Borrows all its parts. */
typedef struct seki_verifier seki_verifier;

/* issuers_allowed: one byte for each certificate of `trust`: 1 if leaves below it are for this profile, whether it issued them
 * or a CA below it did: of the ways up from a leaf, those that pass through such a certificate.
 * revocation: may be NULL; then a profile that looks at revocation refuses every certificate (REVOCATION_NOT_CONFIGURED) on which
 * no OCSP statement of the batch says something. */
SEKI_MUST_USE seki_status seki_verifier_new(seki_engine *engine, const seki_trust *trust, const seki_profile *profile,
                                            const uint8_t *issuers_allowed, seki_revocation *revocation, seki_verifier **out);
void seki_verifier_free(seki_verifier *verifier);

/* A batch of certificates: is each valid for the profile?  (Possession of its key is proven elsewhere.) */
typedef struct {
    uint64_t rows;
    seki_column certificates;  /* DER */
    seki_column intermediates; /* may be absent; a row holds up to the profile's number of certificates in DER, end to end */
    const int64_t *at;         /* the time to judge at, seconds */
    uint64_t at_stride;        /* 1: a time a row; 0: at[0] for all */
    uint64_t confirmations;    /* as in seki_signature_batch */
    const seki_ocsp_statement *ocsp;        /* a statement for each row, which counts where it names the row's certificate; may be NULL */
    const seki_ocsp_statement *ocsp_of_cas; /* statements on CA certificates, in any order, for all rows; may be NULL */
    uint64_t ocsp_of_cas_count;             /* at most SEKI_OCSP_OF_CAS_MAX */
} seki_certificate_batch;

/* A verdict on a login or a certificate. */
typedef struct {
    uint16_t reason;          /* SEKI_ACCEPTED or SEKI_CERTIFICATE_OK, or why not */
    uint8_t backend;          /* SEKI_BACKEND_* that answered for the login's signature (certificates: the issuer's) */
    uint8_t flags;            /* SEKI_FLAG_* */
    int32_t revocation_age;   /* seconds since the oldest thisUpdate that counted; -1: none did */
    uint64_t certificate;     /* handle in this process, for seki_certificate_of; 0: none */
    uint64_t snapshot;        /* the revocation snapshot's id; 0: none */
    uint8_t revocation_by;    /* SEKI_BY_*; 0: nothing said that it is good, or that it is revoked */
    uint8_t zero[7];          /* 0 */
} seki_verdict;

SEKI_MUST_USE seki_status seki_verify_certificates(seki_verifier *verifier, const seki_certificate_batch *batch,
                                                   seki_verdict *out);

/* A batch of logins.  All columns have `rows` rows. */
typedef struct {
    uint64_t rows;
    const seki_challenge_keys *keys;    /* NULL where the profile's challenges are foreign */
    seki_claims *claims;                /* the same */
    seki_challenge_expectation expect;  /* read where the challenges are our own */
    seki_column certificates;   /* the holder's, DER */
    seki_column intermediates;  /* may be absent; as in seki_certificate_batch */
    seki_column challenges;     /* what was signed */
    seki_column signatures;
    seki_column bindings;       /* may be absent, and must be where the profile's challenges are foreign */
    seki_column transactions;   /* the same; a row is empty or 32 bytes */
    seki_column requests;       /* may be absent; a request id, so that a retry gets the first verdict again */
    const int64_t *at;
    uint64_t at_stride;
    uint64_t confirmations;
    const seki_ocsp_statement *ocsp;        /* these three as in seki_certificate_batch */
    const seki_ocsp_statement *ocsp_of_cas;
    uint64_t ocsp_of_cas_count;
} seki_login_batch;

/* Answers every row, stage by stage (docs/ARCHITECTURE.md).  Of good rows with one challenge exactly one is accepted: the first,
 * unless several threads share the batch. */
SEKI_MUST_USE seki_status seki_verify_logins(seki_verifier *verifier, const seki_login_batch *batch, seki_verdict *out);

/* What is kept of a certificate that a handle names. */
typedef struct {
    uint8_t fingerprint[32];  /* SHA-256 of its DER */
    uint8_t issuer[32];       /* identity of the key that verified it: see seki_issuer_report */
    uint8_t serial[20];       /* magnitude, big-endian */
    uint8_t serial_length;
    uint8_t key_kind;         /* 1 RSA, 2 P-256, 3 P-384, 4 Ed25519 */
    uint16_t key_bits;
    int64_t not_before;
    int64_t not_after;
} seki_certificate_facts;

/* SEKI_E_ARGUMENT if the handle's entry has left the cache (or never was). */
SEKI_MUST_USE seki_status seki_certificate_of(const seki_engine *engine, uint64_t handle, seki_certificate_facts *out);

typedef struct {
    uint64_t entries;
    uint64_t bytes;           /* of the entries and their index */
    uint64_t bytes_max;
    uint64_t hits;
    uint64_t misses;
    uint64_t inserted;
    uint64_t evicted;
    uint64_t forged_hits;     /* certificates refused because they were refused before */
} seki_cache_statistics;

SEKI_MUST_USE seki_status seki_engine_cache_statistics(const seki_engine *engine, seki_cache_statistics *out);
/* Forgets every certificate (the counters stay). */
void seki_engine_cache_clear(seki_engine *engine);

/* ---- names ----------------------------------------------------------------------------------- */

/* Whether two Names (whole, in DER) are the same by RFC 5280, 7.1: *out is 1 or 0.  ASCII letters are compared without case, white
 * space is trimmed and collapsed, PrintableString, UTF8String, IA5String, BMPString and UniversalString are compared as
 * characters, TeletexString byte for byte, the attributes of an RDN as a set.
 * SEKI_E_ARGUMENT: one is no well-formed Name, by the rules under which certificates are read. */
SEKI_MUST_USE seki_status seki_name_equal(const uint8_t *a, size_t a_length, const uint8_t *b, size_t b_length, uint32_t *out);

/* Whether `name` is `base` or stands below it in the directory (RFC 5280, 4.2.1.10): its first RDNs are those of `base`. */
SEKI_MUST_USE seki_status seki_name_within(const uint8_t *name, size_t name_length, const uint8_t *base, size_t base_length,
                                           uint32_t *out);

/* ---- certificate, field by field ------------------------------------------------------------- */

/* Bytes of the DER that was given: offset from its start, length; both 0 if the field is absent. */
typedef struct {
    uint32_t offset;
    uint32_t length;
} seki_part;

/* One extension as it stands. */
typedef struct {
    seki_part oid;     /* content octets of the OBJECT IDENTIFIER */
    seki_part value;   /* content of the OCTET STRING */
    uint32_t known;    /* its one bit of SEKI_EXT_* in native/src/cert.h; bit 30: not known */
    uint32_t critical; /* 1 or 0 */
} seki_extension_summary;

enum { SEKI_EXTENSIONS_MAX = 64 }; /* extensions a certificate; 779 real roots have at most 10 */

/* What the parser saw; the meaning of each field is in native/src/cert.h. */
typedef struct {
    int64_t not_before;
    int64_t not_after;
    uint64_t key_exponent;        /* RSA e, else 0 */
    uint32_t version;             /* 1, 2, 3; 0: nothing was read */
    uint32_t signature_algorithm; /* seki_signature_algorithm, 0 unknown */
    uint32_t key_kind;            /* 1 RSA, 2 P-256, 3 P-384, 4 Ed25519; 0 if key_reason is not 0 */
    uint32_t key_bits;
    uint32_t key_reason;          /* 0, or the SEKI_KEY_* reason that speaks against the key */
    uint32_t extensions;          /* SEKI_EXT_* present */
    uint32_t critical;            /* SEKI_EXT_* present and critical */
    uint32_t key_usage;           /* SEKI_KU_*, 0 if absent */
    uint32_t extended_key_usage;  /* SEKI_EKU_*, 0 if absent */
    uint32_t is_ca;               /* 1 or 0 */
    int32_t path_length;          /* -1 if absent */
    uint32_t departures;          /* SEKI_DEPARTURE_*: let pass in a configured anchor alone */
    seki_part tbs, serial, issuer, subject, spki, modulus, point, signature;
    seki_part subject_key_id, authority_key_id, authority_issuer, authority_serial;
    seki_part key_usage_der, subject_alt_name, issuer_alt_name, name_constraints, crl_distribution, policies,
        policy_mappings, policy_constraints, extended_key_usage_der, inhibit_any_policy, authority_info, freshest_crl;
    uint32_t extension_count;
    seki_extension_summary extension[64]; /* in the certificate's order; SEKI_EXTENSIONS_MAX of them */
} seki_certificate_summary;

/* Parses one certificate as a login's would be.
 *   reason  0 if it is well formed, else why not (SEKI_CERTIFICATE_*, SEKI_INPUT_*)
 *   fault   offset at which the fault was seen, 0 if there is none
 *   out     zeroed if the certificate is refused; filled nevertheless where `departures` alone speak against it */
SEKI_MUST_USE seki_status seki_certificate_summarize(const uint8_t *der, size_t length, seki_certificate_summary *out,
                                                     uint32_t *reason, size_t *fault);

/* One element of a DER structure. */
typedef struct {
    uint32_t offset;  /* of its tag */
    uint32_t content; /* offset of its content */
    uint32_t length;  /* of its content */
    uint8_t tag;
    uint8_t depth;    /* 0 outermost */
} seki_element;

/* Lists the elements of `der` in the order in which they stand, down into whatever is constructed; what lies inside
 * of OCTET and BIT STRINGs is listed by calling this with their content.  For people to look at: judges nothing.
 *   out       `capacity` elements; may be NULL if capacity is 0
 *   count     elements found, which may be more than capacity
 *   fault     offset of the first octet that is not DER, or is nested deeper than 32 levels; `length` if there is none */
SEKI_MUST_USE seki_status seki_der_list(const uint8_t *der, size_t length, seki_element *out, uint64_t capacity,
                                        uint64_t *count, size_t *fault);

/* ---- CRLs ------------------------------------------------------------------------------------ */

/* A certificate revocation list (RFC 5280, section 5) as it arrives, in pieces of any size: memory does not grow with it.
 * Judges form, never trust: signature, dates, numbers and scope are judged by whoever takes it.  Used by one thread at a time. */
typedef struct seki_crl seki_crl;

enum {
    SEKI_CRL_ENTRY_SIZE_MAX = 4096,       /* octets an entry; a certificateIssuer of the longest Name seen has 400 */
    SEKI_CRL_EXTENSIONS_SIZE_MAX = 65536, /* octets of crlExtensions; an issuingDistributionPoint of 250 URLs has some 20 kB */
    SEKI_CRL_TBS_KEPT_MAX = 1048576,      /* octets of a TBSCertList under Ed25519, which signs the message, not its hash */
    SEKI_CRL_SETS_MAX = 256               /* certificate issuers in an indirect CRL, each with a file of its own once it is large; PKITS has 3 */
};

typedef struct {
    uint64_t memory_bytes;       /* for the CRL issuer's entries (an indirect CRL's others: four times as much together, or 64 MB); */
                                 /* beyond it they go to an unlinked file; 0: a default */
    uint64_t filter_ppm;         /* false positives of the filter built from them, in a million; 0: a default */
    const char *spill_directory; /* of that file; NULL: $TMPDIR, or /tmp */
} seki_crl_options;

SEKI_MUST_USE seki_status seki_crl_new(const seki_crl_options *options, seki_crl **out);
void seki_crl_free(seki_crl *crl);

/* Reads on.  The first octet of all says what comes: '-' begins "-----BEGIN X509 CRL-----" (RFC 7468, strict), all else is DER.
 *   reason  0, or why the CRL is refused: once refused it stays so, and what follows is not looked at */
SEKI_MUST_USE seki_status seki_crl_feed(seki_crl *crl, const uint8_t *data, size_t length, uint32_t *reason);

/* Says that all has been fed.
 *   reason  as above; CRL_TRUNCATED where more should have come
 *   fault   offset at which the fault was seen, 0 if there is none: in the DER (even of a PEM file), but of CRL_PEM_MALFORMED and
 *           of what follows the end line in the text */
SEKI_MUST_USE seki_status seki_crl_end(seki_crl *crl, uint32_t *reason, uint64_t *fault);

/* Bits of a CRL's flags. */
enum {
    SEKI_CRL_IS_DELTA = 1,              /* deltaCRLIndicator: never to be taken for a complete list */
    SEKI_CRL_IS_INDIRECT = 2,
    SEKI_CRL_ONLY_USER = 4,             /* onlyContainsUserCerts */
    SEKI_CRL_ONLY_CA = 8,               /* onlyContainsCACerts */
    SEKI_CRL_ONLY_ATTRIBUTE = 16,       /* onlyContainsAttributeCerts: covers no public key certificate */
    SEKI_CRL_IS_PEM = 32
};
enum { SEKI_CRL_REASONS_ALL = 510 };    /* ReasonFlags 1 to 8 */

/* Extensions of a CRL, as bits. */
enum {
    SEKI_CRL_EXT_AUTHORITY_KEY_ID = 1,
    SEKI_CRL_EXT_ISSUER_ALT_NAME = 2,
    SEKI_CRL_EXT_NUMBER = 4,
    SEKI_CRL_EXT_DELTA = 8,
    SEKI_CRL_EXT_IDP = 16,
    SEKI_CRL_EXT_FRESHEST = 32,
    SEKI_CRL_EXT_AUTHORITY_INFO = 64,
    SEKI_CRL_EXT_UNKNOWN = 128
};

typedef struct {
    int64_t this_update;
    int64_t next_update;          /* INT64_MIN if absent */
    uint64_t size;                /* octets of the CertificateList in DER */
    uint64_t tbs_size;            /* octets of the TBSCertList */
    uint64_t entries;             /* all of them */
    uint64_t removals;            /* those of reason removeFromCRL */
    uint64_t negative;            /* those of a negative serial: no certificate that is taken has one, so they are in no set */
    uint64_t sets;                /* certificate issuers: the CRL issuer itself, and each that certificateIssuer names */
    uint32_t version;             /* 1 or 2 */
    uint32_t signature_algorithm; /* seki_signature_algorithm, the same inside and outside */
    uint32_t hash;                /* SEKI_HASH_* of it; SEKI_HASH_NONE for Ed25519 */
    uint32_t flags;               /* SEKI_CRL_* */
    uint32_t reasons;             /* onlySomeReasons, bit i of the BIT STRING is 1 << i; SEKI_CRL_REASONS_ALL if absent */
    uint32_t extensions;          /* SEKI_CRL_EXT_* present */
    uint32_t points;              /* at least 1: see seki_crl_points */
    uint8_t number_length;        /* octets of `number`; 0 if cRLNumber is absent */
    uint8_t base_number_length;   /* the same of deltaCRLIndicator's BaseCRLNumber */
    uint8_t number[20];           /* magnitude, big-endian, without leading zeros (zero is one octet 00) */
    uint8_t base_number[20];
    uint8_t digest_length;
    uint8_t digest[64];           /* of the TBSCertList under `hash`: the signed message where `prehashed` */
    uint8_t sha256[32];           /* of the whole CertificateList */
    uint8_t issuer_form[32];      /* digest that is the same for all Names that match the issuer (RFC 5280, 7.1) */
} seki_crl_summary;

/* SEKI_E_ARGUMENT unless seki_crl_end was called and refused nothing; the same for the calls below. */
SEKI_MUST_USE seki_status seki_crl_summarize(const seki_crl *crl, seki_crl_summary *out);

typedef enum {
    SEKI_CRL_PART_ISSUER = 0,           /* whole Name */
    SEKI_CRL_PART_SIGNATURE = 1,        /* octets of the BIT STRING */
    SEKI_CRL_PART_TBS = 2,              /* whole TBSCertList, under Ed25519 alone */
    SEKI_CRL_PART_AUTHORITY_KEY_ID = 3, /* keyIdentifier's octets */
    SEKI_CRL_PART_AUTHORITY_KEY = 4,    /* from here on the whole value of the extension */
    SEKI_CRL_PART_IDP = 5,
    SEKI_CRL_PART_ISSUER_ALT_NAME = 6,
    SEKI_CRL_PART_FRESHEST = 7,
    SEKI_CRL_PART_AUTHORITY_INFO = 8,
    SEKI_CRL_PARTS = 9
} seki_crl_part_id;

/* *data is valid until the CRL is freed; *length is 0 where the part is absent. */
SEKI_MUST_USE seki_status seki_crl_part(const seki_crl *crl, uint32_t part, const uint8_t **data, size_t *length);

/* The distribution points that the CRL is of: one for each name of its issuingDistributionPoint, or one for the issuer's full
 * scope where it names none (native/src/points.h).
 *   points  room for `capacity` of 32 bytes each; may be NULL if capacity is 0 */
SEKI_MUST_USE seki_status seki_crl_points(const seki_crl *crl, uint8_t *points, uint64_t capacity, uint64_t *count);

/* One entry as a set holds it. */
typedef struct {
    uint8_t serial[20];    /* magnitude, big-endian, without leading zeros (zero is one octet 00) */
    uint8_t length;        /* octets of it */
    uint8_t reason;        /* CRLReason; 0 where the extension is absent (RFC 5280, 5.3.1) */
    int64_t date;          /* revocationDate */
    int64_t invalidity;    /* invalidityDate, INT64_MIN if absent */
    uint64_t set;          /* index of the certificate issuer; 0: the CRL's own */
} seki_crl_entry;

/* Lists the entries in order of set, then serial, removals behind the revoked of their set, and empties the CRL of them: for people
 * and tests, since all of them lie in memory meanwhile.
 *   out     room for `capacity` entries, `entries` - `negative` of the summary; fewer are SEKI_E_ARGUMENT, as is a second call
 *   reason  CRL_ENTRY_DUPLICATE where a set has one serial twice, and then no entry counts; else 0 */
SEKI_MUST_USE seki_status seki_crl_entries(seki_crl *crl, seki_crl_entry *out, uint64_t capacity, uint64_t *count, uint32_t *reason);

/* The issuer form of set `set`. */
SEKI_MUST_USE seki_status seki_crl_set_issuer(const seki_crl *crl, uint64_t set, uint8_t issuer_form[32]);

/* ---- snapshots of revocation data ------------------------------------------------------------- */

/* A file of indexes of revoked serials, with the CRLs that they are of (docs/SNAPSHOT.md): a base, which holds whole lists, or an
 * overlay, which holds what deltas changed in one base. */
typedef struct seki_snapshot seki_snapshot;
typedef struct seki_snapshot_writer seki_snapshot_writer;

enum { SEKI_SNAPSHOT_BASE = 1, SEKI_SNAPSHOT_OVERLAY = 2 };
enum {
    SEKI_SNAPSHOT_SOURCES_MAX = 1048576, /* CRLs a snapshot; JPKI has some 3,500 */
    SEKI_SNAPSHOT_ANCHORS_MAX = 64       /* trust anchors that one CRL's signer was validated under */
};

typedef struct {
    uint32_t kind;      /* SEKI_SNAPSHOT_BASE or _OVERLAY */
    uint32_t reserved;  /* 0 */
    uint64_t id;        /* verdicts name it; not 0, grows with each that is made */
    int64_t built_at;
    uint8_t base[32];   /* of an overlay: the digest of its base; else zeros */
} seki_snapshot_options;

/* Writes a snapshot to `fd`, from its present end on, which must be offset 0.  The file is whole only after seki_snapshot_writer_end;
 * fsync is the caller's.  After any status but SEKI_OK nothing but _free may be called. */
SEKI_MUST_USE seki_status seki_snapshot_writer_new(int fd, const seki_snapshot_options *options, seki_snapshot_writer **out);
void seki_snapshot_writer_free(seki_snapshot_writer *writer);

/* Takes a complete CRL into a base, and empties it of its entries.
 *   signer   identity (seki_issuer_report) of the key that signed it: signature and path were verified by the caller
 *   anchors  identities of the trust anchors under which that key may sign CRLs of its issuer, 32 bytes each
 *   reason   0, CRL_ENTRY_DUPLICATE, CRL_SCOPE_UNSUPPORTED or CRL_DELTA_WITHOUT_BASE: then nothing was taken and the writer goes on */
SEKI_MUST_USE seki_status seki_snapshot_writer_add(seki_snapshot_writer *writer, seki_crl *crl, const uint8_t signer[32],
                                                   const uint8_t *anchors, uint64_t anchor_count, uint32_t *reason);

/* Takes a source of `from`, or of it with what `overlay` changed in it (may be NULL), into a base. */
SEKI_MUST_USE seki_status seki_snapshot_writer_copy(seki_snapshot_writer *writer, const seki_snapshot *from,
                                                    const seki_snapshot *overlay, uint64_t source);

/* The same, under those of its anchors alone that are listed, 32 bytes each: for a signer whom the others no longer vouch for.
 * SEKI_E_ARGUMENT if it has none of them. */
SEKI_MUST_USE seki_status seki_snapshot_writer_copy_under(seki_snapshot_writer *writer, const seki_snapshot *from,
                                                          const seki_snapshot *overlay, uint64_t source,
                                                          const uint8_t *anchors, uint64_t anchor_count);

/* Takes a delta CRL into an overlay, as changes of source `source` of `base`, on top of what `before`, an older overlay of the same
 * base (may be NULL), changed in it; where the delta's BaseCRLNumber is at most the number of the base's CRL, it says all by itself.
 * crl may be NULL: what `before` changed, and nothing more.  reason as in seki_snapshot_writer_add. */
SEKI_MUST_USE seki_status seki_snapshot_writer_change(seki_snapshot_writer *writer, const seki_snapshot *base, uint64_t source,
                                                      const seki_snapshot *before, seki_crl *crl, const uint8_t signer[32],
                                                      uint32_t *reason);

/* Writes the directory.  digest: the snapshot's, which every byte of it goes into. */
SEKI_MUST_USE seki_status seki_snapshot_writer_end(seki_snapshot_writer *writer, uint8_t digest[32]);

/* Maps a snapshot.  The file must be one that nobody else can write; a page of it that is lost while mapped marks it damaged, and
 * whoever asks then is refused (REVOCATION_DAMAGED); for that a handler of SIGBUS is installed, which passes on all other faults.
 * Looks at header, directory and the indexes' heads; the whole is looked at by seki_snapshot_verify.
 *   reason  0, or SNAPSHOT_MALFORMED, SNAPSHOT_VERSION, SNAPSHOT_DIGEST; then *out is NULL */
SEKI_MUST_USE seki_status seki_snapshot_map(int fd, uint32_t *reason, seki_snapshot **out);

/* Gives it back; it is unmapped when nothing uses it any more. */
void seki_snapshot_free(seki_snapshot *snapshot);

/* Whether every byte is as it was written: *reason is 0 or SNAPSHOT_DIGEST, or REVOCATION_DAMAGED. */
SEKI_MUST_USE seki_status seki_snapshot_verify(const seki_snapshot *snapshot, uint32_t *reason);

typedef struct {
    uint64_t id;
    int64_t built_at;
    uint64_t size;        /* bytes */
    uint64_t sources, sets, keys;
    uint64_t entries;     /* revoked certificates */
    uint64_t filter_size; /* bytes of filters and bitmaps */
    uint32_t kind;
    uint32_t damaged;     /* 1: a page was lost */
    uint8_t digest[32];
    uint8_t base[32];
} seki_snapshot_report;

SEKI_MUST_USE seki_status seki_snapshot_summarize(const seki_snapshot *snapshot, seki_snapshot_report *out);

/* One CRL of a snapshot. */
typedef struct {
    int64_t this_update, next_update; /* next_update: INT64_MIN if absent */
    uint64_t entries, removals;       /* an overlay's: since its base */
    uint64_t size;                    /* bytes of the CRL */
    uint64_t first_set, sets;
    uint64_t keys;                    /* anchors times points */
    uint32_t flags;                   /* SEKI_CRL_* */
    uint32_t reasons;
    uint32_t signature_algorithm;
    uint32_t base_source;             /* of an overlay: the source of its base that it changes */
    uint8_t number_length, base_number_length;
    uint8_t number[20], base_number[20];
    uint8_t issuer_form[32], signer[32], sha256[32];
} seki_snapshot_source;

SEKI_MUST_USE seki_status seki_snapshot_source_at(const seki_snapshot *snapshot, uint64_t source, seki_snapshot_source *out);
/* The whole Name of its issuer, and the whole value of its issuingDistributionPoint (length 0 if absent); live as long as the snapshot. */
SEKI_MUST_USE seki_status seki_snapshot_source_names(const seki_snapshot *snapshot, uint64_t source, const uint8_t **issuer,
                                                     size_t *issuer_length, const uint8_t **idp, size_t *idp_length);
/* Its keys, an anchor and a point of 32 bytes each; at most `capacity` of them. */
SEKI_MUST_USE seki_status seki_snapshot_source_keys(const seki_snapshot *snapshot, uint64_t source, uint8_t *keys, uint64_t capacity);

typedef struct {
    uint64_t entries;
    uint64_t size, filter_size; /* bytes */
    uint32_t is_bitmap;
    uint32_t source;
    double filter_rate;         /* of false positives, by theory; 0 of a bitmap */
    uint8_t issuer_form[32];    /* of the certificates' issuer */
} seki_snapshot_set;

SEKI_MUST_USE seki_status seki_snapshot_set_at(const seki_snapshot *snapshot, uint64_t set, seki_snapshot_set *out);

/* Looks serials up in sets as they stand (overlays are not looked at).
 *   sets     rows of them, or one for all where sets_stride is 0
 *   serials  magnitudes, big-endian; leading zeros do not matter
 *   found    a byte a row: 0 no, by the filter; 1 no, although the filter said maybe; 2 yes; 3 the snapshot is damaged
 *   entries  may be NULL; written where found is 2 */
SEKI_MUST_USE seki_status seki_snapshot_look_up(const seki_snapshot *snapshot, uint64_t rows, const uint32_t *sets,
                                                uint64_t sets_stride, const seki_column *serials, uint8_t *found,
                                                seki_crl_entry *entries);

/* Where a walk through a set is.  Begins as zeros. */
typedef struct {
    uint64_t place[4];
} seki_snapshot_cursor;

/* The next entries of a set, in order, at most `capacity`; *count is 0 at the end.  removed: 1 walks the removals of an overlay. */
SEKI_MUST_USE seki_status seki_snapshot_walk(const seki_snapshot *snapshot, uint64_t set, uint32_t removed,
                                             seki_snapshot_cursor *cursor, seki_crl_entry *out, uint64_t capacity, uint64_t *count);

/* ---- what is in force -------------------------------------------------------------------------- */

SEKI_MUST_USE seki_status seki_revocation_new(seki_revocation **out);
void seki_revocation_free(seki_revocation *revocation);

/* Puts a base, and an overlay of it (may be NULL), in force at once, by one pointer: a call that has begun goes on with what it
 * took.  What is replaced is unmapped here, once the last of them has ended; this call waits for that, a second at most.
 * SEKI_E_ARGUMENT: the overlay is not of that base.  SEKI_E_DAMAGED: a page of one was lost. */
SEKI_MUST_USE seki_status seki_revocation_publish(seki_revocation *revocation, seki_snapshot *base, seki_snapshot *overlay);

/* Of what is in force: id of the overlay, else of the base; 0 if nothing is. */
uint64_t seki_revocation_id(seki_revocation *revocation);

/* What the CRLs in force say of one certificate, as a login's stage of revocation would ask them. */
typedef struct {
    int64_t revoked_at;   /* revocationDate, where REVOKED */
    int64_t this_update;  /* the oldest thisUpdate that counted; INT64_MAX: none did */
    uint32_t reason;      /* 0: good; else REVOKED, REVOCATION_UNKNOWN, _STALE, _NOT_YET_VALID, _DAMAGED, _NOT_CONFIGURED */
    uint32_t crl_reason;  /* CRLReason, where REVOKED */
} seki_revocation_status;

/*   certificate  DER; SEKI_E_ARGUMENT if it is malformed
 *   anchor       identity of the trust anchor of its path
 *   signer       identity of the key that signed it
 *   profile      for age, grace, skew and whose key may sign */
SEKI_MUST_USE seki_status seki_revocation_ask_one(seki_revocation *revocation, const uint8_t *certificate, size_t length,
                                                  const uint8_t anchor[32], const uint8_t signer[32], const seki_profile *profile,
                                                  int64_t at, seki_revocation_status *out);

/* ---- watched certificates --------------------------------------------------------------------- */

/* What must be kept of a certificate to ask about it again and again: no name, no key, no attribute of its holder. */
typedef struct {
    uint8_t anchor[32];      /* identity of its path's trust anchor */
    uint8_t signer[32];      /* identity of the key that signed it */
    uint8_t issuer_form[32]; /* of its issuer's Name */
    uint8_t points[4][32];   /* its distribution points */
    uint16_t reasons[4];
    uint8_t indirect[4];
    uint8_t point_count;
    uint8_t kind;            /* of which lists it can be: seki_certificate_kind in native/src/revocation.h */
    uint8_t serial_length;
    uint8_t zero;
    uint8_t serial[20];
    uint8_t pad[4];
} seki_watched;

/* From a certificate in DER whose signature and path were verified.  SEKI_E_ARGUMENT if it is malformed, or has more than four
 * distribution points, which would not all be asked. */
SEKI_MUST_USE seki_status seki_watched_of(const uint8_t *certificate, size_t length, const uint8_t anchor[32], const uint8_t signer[32],
                                          seki_watched *out);

/* Asks about all of them, by one state of what is in force.
 *   out       rows of them, as seki_revocation_ask_one
 *   snapshot  id of what was asked; 0: nothing is in force, and every row is REVOCATION_NOT_CONFIGURED */
SEKI_MUST_USE seki_status seki_revocation_ask_watched(seki_revocation *revocation, uint64_t rows, const seki_watched *watched,
                                                      const seki_profile *profile, int64_t at, seki_revocation_status *out,
                                                      uint64_t *snapshot);

/* ---- OCSP ------------------------------------------------------------------------------------ */

enum {
    SEKI_OCSP_SIZE_MAX = 65536,      /* octets of a response; one with three RSA-4096 certificates has some 6 kB */
    SEKI_OCSP_SINGLES_MAX = 64,      /* certificates a response; responders put one there, or a few that were asked about together */
    SEKI_OCSP_CERTIFICATES_MAX = 8,  /* certificates sent along; one is needed, a chain above it has two or three */
    SEKI_OCSP_NONCE_SIZE_MAX = 128   /* octets; RFC 9654, 2.1 */
};

/* Extensions of a response and of one certificate's status in it, as bits. */
enum {
    SEKI_OCSP_EXT_NONCE = 1,
    SEKI_OCSP_EXT_CRL_REFERENCE = 2,
    SEKI_OCSP_EXT_ARCHIVE_CUTOFF = 4,
    SEKI_OCSP_EXT_EXTENDED_REVOKE = 8,
    SEKI_OCSP_EXT_UNKNOWN = 128
};

typedef struct {
    int64_t this_update;
    int64_t next_update;  /* INT64_MIN if absent */
    int64_t revoked_at;   /* where revoked, else INT64_MIN */
    uint32_t hash;        /* of the CertID: SEKI_HASH_SHA1 or SEKI_HASH_SHA256; SEKI_HASH_NONE: another */
    uint32_t status;      /* SEKI_OCSP_GOOD, _REVOKED or _UNKNOWN */
    uint32_t reason;      /* CRLReason, where revoked; 0 where it gives none */
    uint32_t extensions;  /* SEKI_OCSP_EXT_* */
    seki_part name_hash;  /* issuerNameHash */
    seki_part key_hash;   /* issuerKeyHash */
    seki_part serial;     /* content octets of the INTEGER */
} seki_ocsp_single_summary;

/* A response as the parser saw it. */
typedef struct {
    int64_t produced_at;
    uint32_t response_status;     /* OCSPResponseStatus; 0: successful */
    uint32_t signature_algorithm; /* seki_signature_algorithm; 0: one that is not taken */
    uint32_t extensions;          /* SEKI_OCSP_EXT_* */
    uint32_t single_count;
    uint32_t certificate_count;
    uint32_t reserved;            /* 0 */
    seki_part tbs;                /* what is signed: the ResponseData */
    seki_part responder_name;     /* ResponderID: the whole Name, or */
    seki_part responder_key;      /* the SHA-1 of the key; one of the two has length 0 */
    seki_part nonce;              /* octets of the Nonce; length 0 if absent */
    seki_part signature;
    seki_part certificate[8];                /* SEKI_OCSP_CERTIFICATES_MAX of them, whole and not looked into */
    seki_ocsp_single_summary single[64];     /* SEKI_OCSP_SINGLES_MAX of them */
} seki_ocsp_summary;

/* Parses one OCSPResponse (RFC 6960, 4.2.1), in strict DER.  Judges form alone: who signed it, when it holds and for which
 * certificate is for whoever takes it.
 *   reason  0, or OCSP_MALFORMED, OCSP_NOT_SUCCESSFUL, OCSP_EXTENSION_UNKNOWN_CRITICAL, SEKI_INPUT_*
 *   fault   offset at which the fault was seen, 0 if there is none
 *   out     zeroed if it is refused, but for response_status */
SEKI_MUST_USE seki_status seki_ocsp_summarize(const uint8_t *der, size_t length, seki_ocsp_summary *out, uint32_t *reason,
                                              size_t *fault);

/* ---- frames ----------------------------------------------------------------------------------
 *
 * The protocol of the socket server: docs/PROTOCOL.md, "Frames", says what every byte means.  All numbers are little-endian. */

enum {
    SEKI_FRAME_HEADER_SIZE = 16,
    SEKI_FRAME_SIZE_MIN = 4096,        /* bytes that a server takes at least: a login without a chain */
    SEKI_FRAME_SIZE_MAX = 67108864,    /* bytes; SEKI_INTERMEDIATES_MAX certificates of SEKI_CERTIFICATE_SIZE_MAX are 1 MB */
    SEKI_HELLO_SIZE = 24,
    SEKI_HELLO_SIZE_MAX = 256,         /* bytes; room for later versions */
    SEKI_CLIENT_FRAME_SIZE_MIN = 4096, /* bytes that a client must be able to take, if it says a limit at all */
    SEKI_PING_SIZE_MAX = 64,           /* bytes */
    SEKI_BULK_ROWS_MAX = 1024,         /* challenges or certificates in one request: an answer of 169 kB */
    SEKI_DEADLINE_MS_MAX = 600000,     /* milliseconds; what waits longer has been given up by whoever asked */
    SEKI_PROTOCOL_VERSION = 1
};

typedef enum { /* kinds; an answer's is its request's + SEKI_FRAME_ANSWER */
    SEKI_FRAME_HELLO = 1,
    SEKI_FRAME_PING = 2,
    SEKI_FRAME_CHALLENGES = 3,
    SEKI_FRAME_LOGIN = 4,
    SEKI_FRAME_CERTIFICATE = 5,
    SEKI_FRAME_SIGNATURE = 6,
    SEKI_FRAME_REVOCATION = 7,
    SEKI_FRAME_STATS = 8,
    SEKI_FRAME_GOODBYE = 9,
    SEKI_FRAME_ANSWER = 128,
    SEKI_FRAME_ERROR = 255
} seki_frame_kind;

enum { /* flags of a request */
    SEKI_REQUEST_REFERENCE = 1,    /* login, certificate: the certificate is named by its SHA-256 */
    SEKI_REQUEST_KEEP = 2,         /* login, certificate: it may be kept, to be named by reference */
    SEKI_REQUEST_PREHASHED = 1,    /* signature */
    SEKI_REQUEST_BINDINGS = 1,     /* challenges */
    SEKI_REQUEST_TRANSACTIONS = 2  /* challenges */
};

enum { SEKI_FEATURE_CHALLENGES = 1, SEKI_FEATURE_REFERENCES = 2, SEKI_FEATURE_LOGINS = 4 };

typedef enum { /* codes of errors */
    SEKI_WIRE_OK = 0,
    SEKI_WIRE_HELLO_EXPECTED = 1,
    SEKI_WIRE_HELLO_MALFORMED = 2,
    SEKI_WIRE_VERSION_UNSUPPORTED = 3,
    SEKI_WIRE_TENANT_REFUSED = 4,
    SEKI_WIRE_FRAME_MALFORMED = 5,
    SEKI_WIRE_FRAME_TOO_LARGE = 6,
    SEKI_WIRE_KIND_UNKNOWN = 7,
    SEKI_WIRE_REQUEST_MALFORMED = 8,
    SEKI_WIRE_NOT_OFFERED = 9,
    SEKI_WIRE_PROFILE_UNKNOWN = 10,
    SEKI_WIRE_TOO_MANY_REQUESTS = 11,
    SEKI_WIRE_TOO_MUCH = 12,
    SEKI_WIRE_NEED_CERTIFICATE = 13,
    SEKI_WIRE_OVERLOADED = 14,
    SEKI_WIRE_SHUTTING_DOWN = 15,
    SEKI_WIRE_HANDSHAKE_TIMEOUT = 16,
    SEKI_WIRE_IDLE_TIMEOUT = 17,
    SEKI_WIRE_FRAME_TIMEOUT = 18,
    SEKI_WIRE_CONNECTIONS_FULL = 19,
    SEKI_WIRE_ENGINE_FAULT = 20,
    SEKI_WIRE_CODES = 21
} seki_wire_code;

/* ---- the socket server -----------------------------------------------------------------------
 *
 * All of it but the sockets: bytes that were received go in, bytes to send come out, and threads of its own do the work between.
 * One thread, the loop, makes every call that takes a server, tenant or connection, unless a comment says "any thread"; the
 * workers tell it through an eventfd that answers are there.  Times called `now` are nanoseconds of CLOCK_MONOTONIC.
 * None of this survives fork(): in a child every call that can fail is SEKI_E_FORKED, and the frees do nothing. */
typedef struct seki_server seki_server;
typedef struct seki_tenant seki_tenant;
typedef struct seki_connection seki_connection;

typedef struct {
    uint32_t threads;         /* workers, at most 256; 0: whoever calls seki_server_work */
    int32_t wake;             /* an eventfd, borrowed, in which 1 is written when answers are there; -1: none */
    uint32_t frame_bytes;     /* of a request, header included: SEKI_FRAME_SIZE_MIN to SEKI_FRAME_SIZE_MAX */
    uint32_t connections;     /* at once, 1 to 1,048,576 */
    uint32_t connection_rows; /* requests of one connection without an answer, 1 to rows; one with a count counts so often */
    uint32_t rows;            /* requests of all without an answer, 1 to 16,777,216; 80 bytes of memory each */
    uint32_t batch_rows;      /* that a worker takes at once, 1 to 1,048,576; one request for n counts n, and is taken whole */
    uint32_t backlog_bytes;   /* answers waiting to be sent beyond which nothing more of a connection is read; of its requests, 4 times as many */
    uint32_t deadline_ms;     /* of a request that says none, 1 to SEKI_DEADLINE_MS_MAX */
    uint32_t idle_ms;         /* without a byte in or a request under way, then the connection ends */
    uint32_t handshake_ms;    /* from the first byte of a frame to its last, and from a connection's start to its hello */
    uint32_t reserved;        /* 0 */
    int64_t at;               /* seconds; the time to judge at, for demonstrations; -1: the clock's */
} seki_server_options;

SEKI_MUST_USE seki_status seki_server_new(const seki_server_options *options, seki_server **out);
/* Ends the workers (a batch that was begun is ended first) and frees all tenants and connections. */
void seki_server_free(seki_server *server);

/* With threads = 0: does what a worker does with one batch.  *rows: how many requests it was, 0: none waited.  Any thread. */
SEKI_MUST_USE seki_status seki_server_work(seki_server *server, uint64_t now, uint64_t *rows);

/* The tokens of connections for which seki_connection_take has something new, at most `capacity`; the rest at the next call.
 * Reads the eventfd. */
SEKI_MUST_USE seki_status seki_server_answered(seki_server *server, uint64_t *tokens, uint64_t capacity, uint64_t *count);

/* Ends what has been idle, half open or in the middle of a frame for too long, by errors of its own; it then is "answered".  To be
 * called about once a second. */
SEKI_MUST_USE seki_status seki_server_expire(seki_server *server, uint64_t now);

/* Says goodbye to all connections and refuses what comes from here on. */
SEKI_MUST_USE seki_status seki_server_drain(seki_server *server);

typedef struct {
    uint64_t connections;     /* now */
    uint64_t waiting;         /* requests in the queue, now */
    uint64_t working;         /* requests that workers have, now */
    uint64_t wait_ns;         /* the wait to be expected by a request that came now */
    uint64_t receive_bytes;   /* memory for what was received, now */
    uint64_t backlog_bytes;   /* of answers not taken yet, now */
    uint64_t batches, rows;   /* that workers did */
    uint64_t work_ns;         /* in which they did it, all workers together */
    uint64_t accepted_connections, refused_connections;
} seki_server_statistics;

SEKI_MUST_USE seki_status seki_server_read_statistics(seki_server *server, seki_server_statistics *out); /* any thread */

/* One profile of a tenant.  Everything is borrowed: see seki_tenant_put. */
typedef struct {
    seki_verifier *verifier;
    const seki_challenge_keys *keys;   /* NULL: no challenges are issued; logins are taken where challenges are foreign */
    seki_claims *claims;               /* NULL where challenges are foreign, or for CLAIMS_LOST */
    seki_challenge_expectation expect; /* expect.profile names it in requests; of a tenant's none has the same */
    uint32_t lifetime;                 /* seconds, of challenges where the request does not say */
    uint32_t issues;                   /* 1: `keys` has a current one, so that challenges are issued here */
} seki_tenant_profile;

enum {
    SEKI_TENANT_PROFILES_MAX = 32, /* a tenant's; JPKI has ten */
    SEKI_LATENCY_BUCKETS = 256     /* see seki_tenant_statistics */
};

/* A relying party.  It lives as long as the server.
 *   reference_bytes  memory for certificates that may be named by reference; 0: none are kept */
SEKI_MUST_USE seki_status seki_tenant_new(seki_server *server, uint32_t number, uint64_t reference_bytes, seki_tenant **out);

/* Replaces the profiles of a tenant, the first of them being meant where a request names none; with none of them everything is
 * NOT_OFFERED.  What was given before must live until seki_tenant_replaced is 0: batches under way use it. */
SEKI_MUST_USE seki_status seki_tenant_put(seki_tenant *tenant, const seki_tenant_profile *profiles, uint64_t count);
uint64_t seki_tenant_replaced(seki_tenant *tenant);

typedef struct {
    uint64_t waiting, working;
    uint64_t wait_ns;              /* as in seki_server_statistics, for a request of this tenant */
    uint64_t references;           /* certificates kept */
    uint64_t requests[16];         /* taken, by kind */
    uint64_t verdicts[512];        /* by reason */
    uint64_t errors[32];           /* by seki_wire_code */
    uint64_t latency[256];         /* requests by the time from frame to answer, in units of 128 ns: bucket i < 8 is i units, bucket 8 (e + 1) + m
                                    * from (8 + m) << e on: steps of an eighth, at most */
    uint64_t latency_ns;           /* the sum of these times */
} seki_tenant_statistics;

SEKI_MUST_USE seki_status seki_tenant_read_statistics(seki_tenant *tenant, seki_tenant_statistics *out); /* any thread */

enum { /* what a connection wants, as bits */
    SEKI_WANTS_ADMISSION = 1, /* a hello came: seki_connection_hello, then seki_connection_admit */
    SEKI_WANTS_WRITE = 2,     /* seki_connection_take has bytes */
    SEKI_WANTS_CLOSE = 4,     /* once all that was taken is written, close it */
    SEKI_WANTS_PAUSE = 8      /* more waits than backlog_bytes allows: do not read for now */
};

/* A connection.  `token` comes back from seki_server_answered and is not 0.  Where there is no room for it, it has one error to say and wants
 * to be closed.  Freed by seki_connection_free: requests that still wait go unanswered, those under way end first. */
SEKI_MUST_USE seki_status seki_connection_new(seki_server *server, uint64_t token, uint64_t now, seki_connection **out);
void seki_connection_free(seki_connection *connection);

/* Where the next bytes received belong: *size is not 0. */
SEKI_MUST_USE seki_status seki_connection_buffer(seki_connection *connection, uint8_t **data, uint64_t *size);
/* So many bytes were received there. */
SEKI_MUST_USE seki_status seki_connection_received(seki_connection *connection, uint64_t size, uint64_t now, uint32_t *wants);
/* The peer sends nothing more: the connection ends when all is answered. */
SEKI_MUST_USE seki_status seki_connection_ended(seki_connection *connection, uint32_t *wants);

/* The tenant that the hello names. */
SEKI_MUST_USE seki_status seki_connection_hello(const seki_connection *connection, uint32_t *tenant);
/* Lets the peer speak for the tenant; NULL: refused.  Goes on with what came behind the hello. */
SEKI_MUST_USE seki_status seki_connection_admit(seki_connection *connection, seki_tenant *tenant, uint64_t now, uint32_t *wants);

/* All that is to be sent now; *data is good until the next call with this connection.
 *   unsent  bytes of what was taken before that the system has not taken yet: they count as backlog */
SEKI_MUST_USE seki_status seki_connection_take(seki_connection *connection, uint64_t unsent, const uint8_t **data, uint64_t *size,
                                               uint32_t *wants);

/* cdef: end */
#endif
