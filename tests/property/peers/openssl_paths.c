/* openssl_paths.c: OpenSSL's X509_verify_cert over many cases in one call, for the differential tests.
 *
 * Independent of the core: OpenSSL reads the same DER, builds the path itself and judges it in strict mode, purpose any.
 * See openssl_paths.h for the surface. */
#include "openssl_paths.h"

#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

enum { PATHS_MAX = 64, DEPTH_MAX = 10 }; /* whole paths asked one by one for a case; certificates in one of them */

typedef struct {
    const openssl_cases *in;
    X509 **certificates; /* read when first needed; NULL and `unreadable` if OpenSSL reads none */
    uint8_t *unreadable;
    X509_STORE **stores; /* one a group */
    unsigned long flags;
} session;

/* ---- reading ----------------------------------------------------------------------------------- */

static X509 *certificate(session *s, uint32_t index)
{
    if (s->certificates[index] != NULL || s->unreadable[index])
        return s->certificates[index];
    const uint8_t *at = s->in->der + s->in->offsets[index], *end = s->in->der + s->in->offsets[index + 1];
    X509 *x509 = d2i_X509(NULL, &at, (long)(end - at));
    if (x509 == NULL || at != end) {
        X509_free(x509);
        x509 = NULL;
        s->unreadable[index] = 1;
    }
    s->certificates[index] = x509;
    return x509;
}

static X509_STORE *store(session *s, uint32_t group)
{
    if (s->stores[group] != NULL)
        return s->stores[group];
    X509_STORE *made = X509_STORE_new();
    for (uint32_t i = s->in->trusted_ends[group]; made != NULL && i < s->in->trusted_ends[group + 1]; i++) {
        X509 *anchor = certificate(s, s->in->trusted[i]);
        if (anchor != NULL)
            (void)X509_STORE_add_cert(made, anchor);
    }
    return s->stores[group] = made;
}

/* ---- asking ------------------------------------------------------------------------------------ */

static int add_policies(const openssl_cases *in, X509_VERIFY_PARAM *param)
{
    const uint8_t *at = in->policies, *end = in->policies + in->policies_length;
    while (at < end) {
        ASN1_OBJECT *policy = d2i_ASN1_OBJECT(NULL, &at, (long)(end - at));
        if (policy == NULL || X509_VERIFY_PARAM_add0_policy(param, policy) != 1) {
            ASN1_OBJECT_free(policy);
            return 0;
        }
    }
    return 1;
}

static int dates_index = -1;

/* Both ends of a validity inclusive (RFC 5280, 4.1.2.5), and `skew` seconds at each; by OpenSSL's own comparison of times. */
static int dates_with_skew(int ok, X509_STORE_CTX *ctx)
{
    int error = X509_STORE_CTX_get_error(ctx);
    if (ok || (error != X509_V_ERR_CERT_HAS_EXPIRED && error != X509_V_ERR_CERT_NOT_YET_VALID))
        return ok;
    const openssl_cases *in = X509_STORE_CTX_get_ex_data(ctx, dates_index);
    X509 *one = X509_STORE_CTX_get_current_cert(ctx);
    time_t at = X509_VERIFY_PARAM_get_time(X509_STORE_CTX_get0_param(ctx));
    time_t last = at - (time_t)in->skew - 1, first = at + (time_t)in->skew; /* X509_cmp_time: -1 if not later than the time */
    if (error == X509_V_ERR_CERT_HAS_EXPIRED ? X509_cmp_time(X509_get0_notAfter(one), &last) != 1
                                             : X509_cmp_time(X509_get0_notBefore(one), &first) != -1)
        return 0;
    X509_STORE_CTX_set_error(ctx, X509_V_OK);
    return 1;
}

/* With a pinned path: who issued whom is said by the path and by names, whatever key identifiers say. */
static int issued_on_path(X509_STORE_CTX *ctx, X509 *subject, X509 *issuer)
{
    STACK_OF(X509) *path = X509_STORE_CTX_get_app_data(ctx);
    int last = sk_X509_num(path) - 1;
    for (int i = 0; i <= last; i++)
        if (X509_cmp(subject, sk_X509_value(path, i)) == 0)
            return X509_cmp(issuer, sk_X509_value(path, i == last ? last : i + 1)) == 0
                   && X509_NAME_cmp(X509_get_issuer_name(subject), X509_get_subject_name(issuer)) == 0;
    return 0;
}

static openssl_answer ask(session *s, X509_STORE *trusted, X509 *leaf, STACK_OF(X509) *untrusted, int64_t at, int pinned)
{
    openssl_answer answer = {X509_V_ERR_UNSPECIFIED, -1};
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    if (ctx != NULL && X509_STORE_CTX_init(ctx, trusted, leaf, untrusted) == 1) {
        X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);
        X509_VERIFY_PARAM_set_time(param, (time_t)at);
        if (s->in->skew >= 0) {
            (void)X509_STORE_CTX_set_ex_data(ctx, dates_index, (void *)s->in);
            X509_STORE_CTX_set_verify_cb(ctx, dates_with_skew);
        }
        X509_VERIFY_PARAM_set_depth(param, s->in->depth);
        if (pinned)
            (void)X509_STORE_CTX_set_app_data(ctx, untrusted);
        if (X509_VERIFY_PARAM_set_flags(param, s->flags) == 1 && add_policies(s->in, param)) {
            if (X509_verify_cert(ctx) == 1)
                answer = (openssl_answer){X509_V_OK, 0};
            else
                answer = (openssl_answer){X509_STORE_CTX_get_error(ctx), X509_STORE_CTX_get_error_depth(ctx)};
            if (answer.error == X509_V_OK && answer.depth != 0)
                answer.error = X509_V_ERR_UNSPECIFIED;
        }
    }
    X509_STORE_CTX_free(ctx);
    ERR_clear_error();
    return answer;
}

static openssl_answer as_openssl_builds(session *s, uint64_t i)
{
    X509 *leaf = certificate(s, s->in->leaf[i]);
    if (leaf == NULL)
        return (openssl_answer){OPENSSL_UNREADABLE, 0};
    STACK_OF(X509) *untrusted = sk_X509_new_null();
    for (uint32_t at = s->in->untrusted_ends[i]; at < s->in->untrusted_ends[i + 1]; at++) {
        X509 *one = certificate(s, s->in->untrusted[at]);
        if (one != NULL)
            (void)sk_X509_push(untrusted, one);
    }
    openssl_answer answer = ask(s, store(s, s->in->group[i]), leaf, untrusted, s->in->at[i], 0);
    sk_X509_free(untrusted);
    return answer;
}

static int names_fit(X509 *subject, X509 *issuer)
{
    return X509_NAME_cmp(X509_get_issuer_name(subject), X509_get_subject_name(issuer)) == 0;
}

/* One path by itself: leaf first, anchor last, nothing else for OpenSSL to go by. */
static openssl_answer one_path(session *s, X509 **path, int length, int64_t at, int pinned)
{
    STACK_OF(X509) *untrusted = sk_X509_new_null();
    X509_STORE *alone = X509_STORE_new();
    openssl_answer answer = {X509_V_ERR_UNSPECIFIED, -1};
    for (int i = pinned ? 0 : 1; i < length - (pinned ? 0 : 1); i++)
        (void)sk_X509_push(untrusted, path[i]);
    if (alone != NULL && X509_STORE_add_cert(alone, path[length - 1]) == 1) {
        if (pinned)
            X509_STORE_set_check_issued(alone, issued_on_path);
        answer = ask(s, alone, path[0], untrusted, at, pinned);
    }
    X509_STORE_free(alone);
    sk_X509_free(untrusted);
    return answer;
}

/* Every path that names make, until OpenSSL lets one pass; else the answer to the last. */
static openssl_answer path_by_path(session *s, uint64_t i, int pinned)
{
    const openssl_cases *in = s->in;
    X509 *path[DEPTH_MAX + 1];
    uint32_t tried[DEPTH_MAX + 1];
    uint32_t group = in->group[i], sent = in->untrusted_ends[i + 1] - in->untrusted_ends[i];
    uint32_t trusted = in->trusted_ends[group + 1] - in->trusted_ends[group];
    openssl_answer answer = {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, 0};
    int depth = 0, asked = 0;
    path[0] = certificate(s, in->leaf[i]);
    tried[0] = 0;
    if (path[0] == NULL)
        return (openssl_answer){OPENSSL_UNREADABLE, 0};
    while (depth >= 0) {
        if (tried[depth] == trusted + sent) {
            depth--;
            continue;
        }
        uint32_t option = tried[depth]++;
        X509 *next = option < trusted ? certificate(s, in->trusted[in->trusted_ends[group] + option])
                                      : certificate(s, in->untrusted[in->untrusted_ends[i] + option - trusted]);
        if (next == NULL || !names_fit(path[depth], next))
            continue;
        if (option < trusted) {
            path[depth + 1] = next;
            answer = one_path(s, path, depth + 2, in->at[i], pinned);
            if (answer.error == X509_V_OK || ++asked == PATHS_MAX)
                return answer;
            continue;
        }
        int again = depth + 1 == DEPTH_MAX;
        for (int j = 0; j <= depth; j++)
            again = again || X509_cmp(path[j], next) == 0;
        if (again)
            continue;
        path[++depth] = next;
        tried[depth] = 0;
    }
    return answer;
}

int openssl_verify(const openssl_cases *in, openssl_answer *out)
{
    session s = {.in = in};
    s.certificates = calloc(in->certificates + 1, sizeof *s.certificates);
    s.unreadable = calloc(in->certificates + 1, 1);
    s.stores = calloc(in->groups + 1, sizeof *s.stores);
    s.flags = X509_V_FLAG_X509_STRICT | X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_POLICY_CHECK;
    if (dates_index < 0)
        dates_index = X509_STORE_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL);
    if (in->explicit_policy)
        s.flags |= X509_V_FLAG_EXPLICIT_POLICY;
    int ready = s.certificates != NULL && s.unreadable != NULL && s.stores != NULL;
    for (uint64_t i = 0; ready && i < in->cases; i++)
        out[i] = in->way == OPENSSL_BUILDS ? as_openssl_builds(&s, i) : path_by_path(&s, i, in->way == OPENSSL_PINNED);
    for (uint64_t i = 0; ready && i < in->groups; i++)
        X509_STORE_free(s.stores[i]);
    for (uint64_t i = 0; ready && i < in->certificates; i++)
        X509_free(s.certificates[i]);
    free(s.certificates);
    free(s.unreadable);
    free(s.stores);
    return ready;
}

/* Whether `signature` by the key of `der` over `message` is right; kinds as in openssl_paths.h. */
int openssl_signature(const uint8_t *der, size_t der_length, const uint8_t *message, size_t message_length,
                      const uint8_t *signature, size_t signature_length, int hash)
{
    const uint8_t *at = der;
    X509 *x509 = d2i_X509(NULL, &at, (long)der_length);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    const EVP_MD *md = hash == 256 ? EVP_sha256() : hash == 384 ? EVP_sha384() : hash == 512 ? EVP_sha512() : NULL;
    int right = x509 != NULL && ctx != NULL && EVP_DigestVerifyInit(ctx, NULL, md, NULL, X509_get0_pubkey(x509)) == 1
                && EVP_DigestVerify(ctx, signature, signature_length, message, message_length) == 1;
    EVP_MD_CTX_free(ctx);
    X509_free(x509);
    ERR_clear_error();
    return right;
}

const char *openssl_error(int error)
{
    return error == OPENSSL_UNREADABLE ? "unreadable" : X509_verify_cert_error_string(error);
}

const char *openssl_version(void)
{
    return OpenSSL_version(OPENSSL_VERSION);
}

/* ---- RSA keys of many small primes: a private operation then costs about what a public one does ---- */

struct small_rsa {
    size_t primes, size;
    uint64_t *prime, *exponent;
    BIGNUM **weight; /* 1 modulo its prime, 0 modulo the others */
    BIGNUM *modulus;
    BN_CTX *ctx;
};

small_rsa *small_rsa_new(size_t primes, const uint64_t *prime, const uint64_t *exponent, const uint8_t *weights,
                         const uint8_t *modulus, size_t size)
{
    small_rsa *key = calloc(1, sizeof *key);
    if (key == NULL)
        return NULL;
    key->primes = primes;
    key->size = size;
    key->prime = malloc(primes * sizeof *prime);
    key->exponent = malloc(primes * sizeof *exponent);
    key->weight = calloc(primes, sizeof *key->weight);
    key->ctx = BN_CTX_new();
    key->modulus = BN_bin2bn(modulus, (int)size, NULL);
    if (key->prime == NULL || key->exponent == NULL || key->weight == NULL || key->ctx == NULL || key->modulus == NULL)
        abort();
    memcpy(key->prime, prime, primes * sizeof *prime);
    memcpy(key->exponent, exponent, primes * sizeof *exponent);
    for (size_t i = 0; i < primes; i++)
        key->weight[i] = BN_bin2bn(weights + i * size, (int)size, NULL);
    return key;
}

static uint64_t power(uint64_t base, uint64_t exponent, uint64_t modulus)
{
    unsigned __int128 square = base % modulus, result = 1;
    for (; exponent != 0; exponent >>= 1) {
        if ((exponent & 1) != 0)
            result = result * square % modulus;
        square = square * square % modulus;
    }
    return (uint64_t)result;
}

int small_rsa_sign(small_rsa *key, const uint8_t *block, uint8_t *out)
{
    BIGNUM *message = BN_bin2bn(block, (int)key->size, NULL), *sum = BN_new(), *term = BN_new();
    int done = message != NULL && sum != NULL && term != NULL;
    for (size_t i = 0; done && i < key->primes; i++) {
        uint64_t root = power(BN_mod_word(message, key->prime[i]), key->exponent[i], key->prime[i]);
        done = BN_copy(term, key->weight[i]) != NULL && BN_mul_word(term, root) == 1 && BN_add(sum, sum, term) == 1;
    }
    done = done && BN_mod(sum, sum, key->modulus, key->ctx) == 1 && BN_bn2binpad(sum, out, (int)key->size) == (int)key->size;
    BN_free(message);
    BN_free(sum);
    BN_free(term);
    return done;
}
