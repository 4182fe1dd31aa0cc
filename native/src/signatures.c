#include "signatures.h"

#include <stdlib.h>

#include "block.h"
#include "ecdsa_der.h"
#include "kernels.h"
#include "mode.h"
#include "openssl_verify.h"

/* Orders of the groups, big-endian (SP 800-186, 3.2.1.3, 3.2.1.4); Ed25519's L little-endian (RFC 8032, 5.1). */
static const uint8_t P256_Q[32] = {0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff,
                                   0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17,
                                   0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51};
static const uint8_t P384_Q[48] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                   0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                   0xc7, 0x63, 0x4d, 0x81, 0xf4, 0x37, 0x2d, 0xdf, 0x58, 0x1a, 0x0d, 0xb2,
                                   0x48, 0xb0, 0xa7, 0x7a, 0xec, 0xec, 0x19, 0x6a, 0xcc, 0xc5, 0x29, 0x73};
static const uint8_t ED25519_L[32] = {0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7,
                                      0xa2, 0xde, 0xf9, 0xde, 0x14, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
                                      0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x10};

static void check_forms(seki_job *jobs, size_t count);
static void hash_messages(seki_signature_scratch *scratch, seki_job *jobs, size_t count);
static void run_rsa(seki_signature_scratch *scratch, const seki_job_policy *policy, seki_job *jobs, size_t count,
                    unsigned bits);
static void run_ec(seki_signature_scratch *scratch, const seki_job_policy *policy, seki_job *jobs, size_t count,
                   seki_key_kind kind);
static void run_openssl(seki_signature_scratch *scratch, seki_job *jobs, size_t count);

void seki_jobs_run(seki_signature_scratch *scratch, const seki_job_policy *policy, seki_job *jobs, size_t count)
{
    check_forms(jobs, count);
    hash_messages(scratch, jobs, count);
    for (unsigned bits = 2048; bits <= 4096; bits += 1024)
        run_rsa(scratch, policy, jobs, count, bits);
    run_ec(scratch, policy, jobs, count, SEKI_KEY_P256);
    run_ec(scratch, policy, jobs, count, SEKI_KEY_P384);
    run_ec(scratch, policy, jobs, count, SEKI_KEY_ED25519);
    run_openssl(scratch, jobs, count);
}

bool seki_signature_scratch_init(seki_signature_scratch *scratch)
{
    memset(scratch, 0, sizeof *scratch);
    scratch->checker = seki_key_checker_new();
    scratch->pool = seki_key_pool_new();
    scratch->kernel_scratch = aligned_alloc(64, SEKI_RSA_SCRATCH_SIZE);
    if (scratch->checker != NULL && scratch->pool != NULL && scratch->kernel_scratch != NULL)
        return true;
    seki_signature_scratch_clear(scratch);
    return false;
}

void seki_signature_scratch_clear(seki_signature_scratch *scratch)
{
    seki_key_checker_free(scratch->checker);
    seki_key_pool_free(scratch->pool);
    free(scratch->kernel_scratch);
    memset(scratch, 0, sizeof *scratch);
}

/* ---- form: everything that can be refused without arithmetic on the curve or a modexp ---------- */

/* 0 < number < bound, both big-endian of one size. */
static bool in_range(const uint8_t *number, const uint8_t *bound, size_t size)
{
    size_t zeros = 0; /* as a rule the first octet ends this: what is compared is public */
    while (zeros < size && number[zeros] == 0)
        zeros++;
    return zeros < size && memcmp(number, bound, size) < 0;
}

/* S < L, both little-endian (RFC 8032, 5.1.7, step 1; crypto_mb 2026.2 does not look). */
static bool below_l(const uint8_t *s)
{
    for (size_t i = 32; i-- > 0;)
        if (s[i] != ED25519_L[i])
            return s[i] < ED25519_L[i];
    return false;
}

static uint16_t check_rsa(const seki_job *job)
{
    /* Common pre-checks of docs/SECURITY.md: length exactly k, 0 < s < n. */
    if (job->signature.length != job->key.length)
        return SEKI_SIGNATURE_LENGTH;
    return in_range(job->signature.data, job->key.bytes, job->key.length) ? 0 : SEKI_SIGNATURE_WRONG;
}

static uint16_t check_ecdsa(seki_job *job)
{
    size_t size = job->key.kind == SEKI_KEY_P256 ? 32 : 48;
    const uint8_t *q = job->key.kind == SEKI_KEY_P256 ? P256_Q : P384_Q;
    if (seki_mode_family(job->mode) == SEKI_FAMILY_ECDSA_RAW) {
        if (job->signature.length != 2 * size)
            return SEKI_SIGNATURE_LENGTH;
        memcpy(job->ecdsa, job->signature.data, 2 * size);
    } else if (!seki_ecdsa_der_to_raw(job->signature, size, job->ecdsa)) {
        return SEKI_SIGNATURE_MALFORMED;
    }
    if (!in_range(job->ecdsa, q, size) || !in_range(job->ecdsa + size, q, size))
        return SEKI_SIGNATURE_WRONG;
    return 0;
}

static uint16_t check_form(seki_job *job)
{
    if (!seki_mode_known(job->mode))
        return SEKI_MODE_UNKNOWN;
    if (!seki_mode_fits(job->mode, job->key.kind))
        return SEKI_KEY_MODE_MISMATCH;
    if (job->signature.length == 0)
        return SEKI_INPUT_MISSING;
    if (job->signature.length > SEKI_SIGNATURE_SIZE_MAX || job->message.length > SEKI_MESSAGE_SIZE_MAX)
        return SEKI_INPUT_TOO_LARGE;
    unsigned family = seki_mode_family(job->mode);
    if (job->prehashed
        && (!seki_hash_signs(seki_mode_hash(job->mode))
            || job->message.length != seki_digest_size(seki_mode_hash(job->mode))))
        return SEKI_KEY_MODE_MISMATCH;
    if (job->key.kind == SEKI_KEY_ED25519) {
        if (job->signature.length != 64)
            return SEKI_SIGNATURE_LENGTH;
        return below_l(job->signature.data + 32) ? 0 : SEKI_SIGNATURE_WRONG;
    }
    if (job->key.kind != SEKI_KEY_RSA)
        return check_ecdsa(job);
    if (family == SEKI_FAMILY_PKCS1_RAW && (job->message.length == 0 || job->message.length + 11 > job->key.length))
        return job->message.length == 0 ? SEKI_INPUT_MISSING : SEKI_INPUT_TOO_LARGE;
    return check_rsa(job);
}

static void check_forms(seki_job *jobs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        jobs[i].backend = SEKI_BACKEND_NONE;
        jobs[i].flags = 0;
        jobs[i].value_size = 0;
        if (jobs[i].reason == 0)
            jobs[i].reason = check_form(&jobs[i]);
    }
}

/* ---- hashes ------------------------------------------------------------------------------------ */

static void hash_messages(seki_signature_scratch *scratch, seki_job *jobs, size_t count)
{
    size_t waiting = 0;
    for (size_t i = 0; i < count; i++) {
        seki_job *job = &jobs[i];
        unsigned hash = seki_mode_hash(job->mode);
        if (job->reason != 0 || hash == SEKI_HASH_NONE)
            continue;
        job->value_size = (uint8_t)seki_digest_size(hash);
        if (job->prehashed) {
            memcpy(job->value, job->message.data, job->value_size);
        } else if (hash == SEKI_HASH_SHA256) {
            scratch->hash_in[waiting] = job->message;
            scratch->hash_job[waiting++] = (uint16_t)i;
        } else if (!seki_digest(hash, job->message, job->value)) {
            job->reason = SEKI_ENGINE_FAULT;
        }
    }
    seki_sha256_many(scratch->hash_in, scratch->hash_out, waiting);
#ifdef SEKI_TEST_FAULTS
    for (size_t i = 0; seki_kernels_fault(SEKI_KERNEL_SHA256) == SEKI_FAULT_REJECT && i < waiting; i++)
        scratch->hash_out[i][0] ^= 1;
#endif
    for (size_t i = 0; i < waiting; i++)
        memcpy(jobs[scratch->hash_job[i]].value, scratch->hash_out[i], SEKI_SHA256_SIZE);
}

/* Hashes a message once more without lanes, since OpenSSL's answer is worth no more than the hash it is asked about.
 * Returns false if the lanes had it wrong: they are switched off, and the job has the right hash now. */
static bool hash_again(seki_job *job)
{
    uint8_t value[SEKI_SHA256_SIZE];
    if (job->prehashed || seki_mode_hash(job->mode) != SEKI_HASH_SHA256)
        return true;
    seki_sha256(job->message, value);
    if (memcmp(job->value, value, sizeof value) == 0)
        return true;
    memcpy(job->value, value, sizeof value);
    seki_kernels_off(SEKI_KERNEL_SHA256, SEKI_KERNEL_OFF_WRONG_ACCEPT);
    return false;
}

/* The hash, or for B and Ed25519 the message itself. */
static seki_span value_of(const seki_job *job)
{
    return job->value_size != 0 ? (seki_span){job->value, job->value_size} : job->message;
}

/* ---- confirmation ------------------------------------------------------------------------------ */

static seki_openssl_answer ask_openssl(seki_signature_scratch *scratch, const seki_job *job)
{
    bool ecdsa = job->key.kind == SEKI_KEY_P256 || job->key.kind == SEKI_KEY_P384;
    size_t size = job->key.kind == SEKI_KEY_P256 ? 64 : 96;
    seki_openssl_question question = {
        .key = &job->key,
        .mode = job->mode,
        .value = value_of(job),
        .signature = ecdsa ? (seki_span){job->ecdsa, size} : job->signature,
    };
    return seki_openssl_verify(scratch->pool, &question);
}

static bool spend_confirmation(const seki_job_policy *policy)
{
    uint64_t left = atomic_load_explicit(policy->confirmations, memory_order_relaxed);
    while (left > 0)
        if (atomic_compare_exchange_weak_explicit(policy->confirmations, &left, left - 1, memory_order_relaxed,
                                                  memory_order_relaxed))
            return true;
    return false;
}

static void accept(seki_signature_scratch *scratch, const seki_job_policy *policy, seki_job *job, seki_kernel_id kernel)
{
    job->backend = (uint8_t)seki_kernels_backend(kernel);
    job->reason = SEKI_SIGNATURE_OK;
    if (policy->cross_check_one_in == 0 || ++scratch->accepted % policy->cross_check_one_in != 0)
        return;
    job->flags |= SEKI_FLAG_CROSS_CHECKED;
    bool hashed_right = hash_again(job);
    switch (ask_openssl(scratch, job)) {
    case SEKI_OPENSSL_RIGHT:
        return;
    case SEKI_OPENSSL_WRONG:
        if (hashed_right)
            seki_kernels_off(kernel, SEKI_KERNEL_OFF_WRONG_ACCEPT);
        job->reason = SEKI_SIGNATURE_WRONG;
        break;
    default:
        job->reason = SEKI_ENGINE_FAULT;
    }
    job->backend = SEKI_BACKEND_OPENSSL;
}

/* A lane said no.  Returns whether OpenSSL disagreed. */
static bool reject(seki_signature_scratch *scratch, const seki_job_policy *policy, seki_job *job, seki_kernel_id kernel)
{
    job->backend = (uint8_t)seki_kernels_backend(kernel);
    if (!spend_confirmation(policy)) {
        job->reason = SEKI_SIGNATURE_UNCONFIRMED;
        return false;
    }
    (void)hash_again(job);
    switch (ask_openssl(scratch, job)) {
    case SEKI_OPENSSL_WRONG:
        job->reason = SEKI_SIGNATURE_WRONG;
        job->flags |= SEKI_FLAG_CONFIRMED;
        return false;
    case SEKI_OPENSSL_RIGHT:
        job->reason = SEKI_SIGNATURE_OK;
        job->backend = SEKI_BACKEND_OPENSSL;
        job->flags |= SEKI_FLAG_MENDED;
        return true;
    default:
        job->reason = SEKI_ENGINE_FAULT;
        return false;
    }
}

/* Settles one group of lanes: bit i of `right` is row rows[i]'s answer. */
static void settle(seki_signature_scratch *scratch, const seki_job_policy *policy, seki_job *jobs, const uint16_t *rows,
                   size_t filled, unsigned right, seki_kernel_id kernel)
{
#ifdef SEKI_TEST_FAULTS
    seki_kernel_fault fault = seki_kernels_fault(kernel);
    right = fault == SEKI_FAULT_ACCEPT ? ~0u : fault == SEKI_FAULT_REJECT ? 0 : right;
#endif
    uint64_t rejected = 0, mended = 0;
    for (size_t i = 0; i < filled; i++) {
        if ((right >> i & 1) != 0) {
            accept(scratch, policy, &jobs[rows[i]], kernel);
        } else {
            rejected++;
            mended += reject(scratch, policy, &jobs[rows[i]], kernel) ? 1 : 0;
        }
    }
    seki_kernels_count(kernel, filled, rejected, mended);
}

/* ---- lanes ------------------------------------------------------------------------------------- */

/* How many rows of a group that starts at `from` go into lanes: a full one, or a tail that is worth it. */
static size_t group_size(size_t from, size_t waiting, seki_kernel_id kernel)
{
    size_t left = waiting - from;
    if (left >= SEKI_RSA_LANES)
        return SEKI_RSA_LANES;
    return left >= seki_kernels_rows_min(kernel) ? left : 0;
}

static void run_rsa_group(seki_signature_scratch *scratch, const seki_job_policy *policy, seki_job *jobs,
                          const uint16_t *rows, size_t filled, unsigned bits, seki_kernel_id kernel)
{
    size_t size = bits / 8;
    uint8_t *block[SEKI_RSA_LANES];
    const uint8_t *modulus[SEKI_RSA_LANES], *signature[SEKI_RSA_LANES];
    for (size_t i = 0; i < SEKI_RSA_LANES; i++) {
        const seki_job *job = &jobs[rows[i < filled ? i : 0]];
        block[i] = scratch->blocks[i];
        modulus[i] = job->key.bytes;
        signature[i] = job->signature.data;
    }
    unsigned answered = seki_kernels_rsa_function(kernel)(block, modulus, signature, bits, scratch->kernel_scratch);
    unsigned right = 0;
    for (size_t i = 0; i < filled; i++) {
        const seki_job *job = &jobs[rows[i]];
        if ((answered >> i & 1) != 0
            && seki_block_construct(seki_mode_family(job->mode), seki_mode_hash(job->mode), value_of(job),
                                    scratch->expected, size)
            && memcmp(scratch->expected, block[i], size) == 0)
            right |= 1u << i;
    }
    settle(scratch, policy, jobs, rows, filled, right, kernel);
}

static bool wants_rsa_lane(const seki_job *job, unsigned bits)
{
    return job->reason == 0 && job->key.kind == SEKI_KEY_RSA && job->key.bits == bits && job->key.exponent == 65537
           && seki_mode_family(job->mode) != SEKI_FAMILY_PSS;
}

static void run_rsa(seki_signature_scratch *scratch, const seki_job_policy *policy, seki_job *jobs, size_t count,
                    unsigned bits)
{
    seki_kernel_id kernel = seki_kernels_rsa(bits);
    if (kernel == SEKI_KERNEL_NONE)
        return;
    size_t waiting = 0;
    for (size_t i = 0; i < count; i++)
        if (wants_rsa_lane(&jobs[i], bits))
            scratch->order[waiting++] = (uint16_t)i;
    size_t filled;
    for (size_t i = 0; i < waiting && seki_kernels_on(kernel) && (filled = group_size(i, waiting, kernel)) != 0; i += filled)
        run_rsa_group(scratch, policy, jobs, scratch->order + i, filled, bits, kernel);
}

static void run_ec_group(seki_signature_scratch *scratch, const seki_job_policy *policy, seki_job *jobs,
                         const uint16_t *rows, size_t filled, seki_kernel_id kernel)
{
    seki_ec_lane lanes[SEKI_EC_LANES];
    uint8_t hashes[SEKI_EC_LANES][48];
    size_t size = kernel == SEKI_KERNEL_P384 ? 48 : 32;
    for (size_t i = 0; i < SEKI_EC_LANES; i++) {
        const seki_job *job = &jobs[rows[i < filled ? i : 0]];
        const uint8_t *signature = kernel == SEKI_KERNEL_ED25519 ? job->signature.data : job->ecdsa;
        lanes[i] = (seki_ec_lane){.r = signature, .s = signature + size, .key = job->key.bytes};
        if (kernel == SEKI_KERNEL_ED25519) {
            lanes[i].message = job->message.data;
            lanes[i].message_length = job->message.length;
            continue;
        }
        /* The leftmost bits of the hash, FIPS 186-5, 6.4.1; a shorter hash is a smaller number. */
        size_t have = job->value_size < size ? job->value_size : size;
        memset(hashes[i], 0, size - have);
        memcpy(hashes[i] + size - have, job->value, have);
        lanes[i].message = hashes[i];
        lanes[i].message_length = size;
    }
    unsigned right = kernel == SEKI_KERNEL_P256   ? seki_p256_lanes(lanes)
                     : kernel == SEKI_KERNEL_P384 ? seki_p384_lanes(lanes)
                                                  : seki_ed25519_lanes(lanes);
    settle(scratch, policy, jobs, rows, filled, right, kernel);
}

static void run_ec(seki_signature_scratch *scratch, const seki_job_policy *policy, seki_job *jobs, size_t count,
                   seki_key_kind kind)
{
    seki_kernel_id kernel = seki_kernels_ec(kind == SEKI_KEY_P256   ? SEKI_KERNEL_P256
                                            : kind == SEKI_KEY_P384 ? SEKI_KERNEL_P384
                                                                    : SEKI_KERNEL_ED25519);
    if (kernel == SEKI_KERNEL_NONE)
        return;
    size_t waiting = 0;
    for (size_t i = 0; i < count; i++)
        if (jobs[i].reason == 0 && jobs[i].key.kind == kind)
            scratch->order[waiting++] = (uint16_t)i;
    size_t filled;
    for (size_t i = 0; i < waiting && seki_kernels_on(kernel) && (filled = group_size(i, waiting, kernel)) != 0; i += filled)
        run_ec_group(scratch, policy, jobs, scratch->order + i, filled, kernel);
}

/* Whatever no lane took. */
static void run_openssl(seki_signature_scratch *scratch, seki_job *jobs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (jobs[i].reason != 0)
            continue;
        jobs[i].backend = SEKI_BACKEND_OPENSSL;
        seki_openssl_answer answer = ask_openssl(scratch, &jobs[i]);
        if (answer == SEKI_OPENSSL_WRONG && !hash_again(&jobs[i]))
            answer = ask_openssl(scratch, &jobs[i]);
        switch (answer) {
        case SEKI_OPENSSL_RIGHT:
            jobs[i].reason = SEKI_SIGNATURE_OK;
            break;
        case SEKI_OPENSSL_WRONG:
            jobs[i].reason = SEKI_SIGNATURE_WRONG;
            break;
        default:
            jobs[i].reason = SEKI_ENGINE_FAULT;
        }
    }
}
