/* fuzz_chain.c: libFuzzer target for certificates that are sent with a leaf, all of them signed by keys that the target holds.
 *
 * Invariant: what is accepted has a way to an anchor on which each certificate names and verifies under the next, which is a CA that
 * may sign certificates and valid at the time, no longer than the profile allows; more than four sent are refused; cold, warm and
 * asked again, the answer is the same, and what was accepted is accepted later without what was sent.
 *
 * The input: one byte of profile and time, one of issuer, then up to six certificates, the leaf first.
 *
 *   make fuzz TARGET=chain */
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "../src/der.h"
#include "fuzz/judge.h"
#include "fuzz/tlv.h"

enum { SENT_MAX = 6 };

TLV_CUSTOM_MUTATOR(2)

static X509 *read_x509(seki_span der)
{
    const uint8_t *at = der.data;
    X509 *x509 = d2i_X509(NULL, &at, (long)der.length);
    ERR_clear_error();
    return x509;
}

static bool valid_at(X509 *x509, int64_t at, int64_t skew)
{
    time_t low = (time_t)(at + skew), high = (time_t)(at - skew - 1);
    return X509_cmp_time(X509_get0_notBefore(x509), &low) < 0 && X509_cmp_time(X509_get0_notAfter(x509), &high) > 0;
}

static bool issued(X509 *child, X509 *parent)
{
    bool by = X509_NAME_cmp(X509_get_issuer_name(child), X509_get_subject_name(parent)) == 0 && X509_check_ca(parent) == 1 &&
              (X509_get_key_usage(parent) & KU_KEY_CERT_SIGN) != 0 && X509_verify(child, X509_get0_pubkey(parent)) == 1;
    ERR_clear_error();
    return by;
}

/* Looks for a way by trying everything, one step of a path a level. */
static bool has_way(seki_span leaf, seki_span sent, const seki_profile *profile, int64_t at)
{
    X509 *certificates[1 + SENT_MAX] = {read_x509(leaf)}, *anchors[AUTHORITY_ISSUERS];
    size_t count = 1, depth = 0, tried[1 + SENT_MAX] = {0}, path[1 + SENT_MAX] = {0};
    seki_span content, whole;
    while (count <= SENT_MAX && seki_der_take(&sent, SEKI_DER_SEQUENCE, &content, &whole))
        certificates[count++] = read_x509(whole);
    for (size_t i = 0; i < AUTHORITY_ISSUERS; i++)
        anchors[i] = read_x509(authority_certificate(i));
    bool found = false, done = certificates[0] == NULL || !valid_at(certificates[0], at, profile->clock_skew);
    while (!done && !found) {
        X509 *here = certificates[path[depth]];
        for (size_t i = 0; tried[depth] == 0 && i < AUTHORITY_ISSUERS; i++)
            found = found || (issued(here, anchors[i]) && depth + (i >= AUTHORITY_PLAIN) <= profile->path_length_max);
        size_t next = ++tried[depth];
        if (next >= count) {
            done = depth == 0;
            tried[depth] = 0;
            depth -= depth != 0;
            continue;
        }
        bool on_path = certificates[next] == NULL;
        for (size_t i = 0; i <= depth; i++)
            on_path = on_path || path[i] == next;
        if (on_path || !valid_at(certificates[next], at, profile->clock_skew) || !issued(here, certificates[next]))
            continue;
        path[++depth] = next;
        tried[depth] = 0;
    }
    for (size_t i = 0; i < count; i++)
        X509_free(certificates[i]);
    for (size_t i = 0; i < AUTHORITY_ISSUERS; i++)
        X509_free(anchors[i]);
    return found;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t out[SEKI_CERTIFICATE_SIZE_MAX * 8];
    unsigned choice = (unsigned)take_bits(&data, &size, 1), by = (unsigned)take_bits(&data, &size, 1);
    if (size == 0 || size > SEKI_CERTIFICATE_SIZE_MAX)
        return 0;
    size_t first;
    size_t length = authority_issue((seki_span){data, size}, by % (AUTHORITY_ISSUERS + 1), (by & 0x80) != 0, out, sizeof out, &first);
    seki_span leaf = exact_copy(out, first), sent = exact_copy(out + first, length - first), none = {out, 0};
    int64_t at = judge_at(leaf, choice >> 2);
    const seki_profile *profile = authority_profile(choice);
    seki_reason reason = judge(JUDGE_COLD, choice, leaf, sent, at);
    require(judge(JUDGE_COLD, choice, leaf, sent, at) == reason, "cold, and again");
    if (judge_engines[JUDGE_WARM] != NULL)
        judge_forget(); /* a leaf once accepted with other certificates stays accepted */
    require(judge(JUDGE_WARM, choice, leaf, sent, at) == reason, "warm");
    require(judge(JUDGE_WARM, choice, leaf, sent, at) == reason, "warm, and again");
    if (reason == SEKI_CERTIFICATE_OK) {
        require(has_way(leaf, sent, profile, at), "there is a way to an anchor");
        require(judge(JUDGE_WARM, choice, leaf, none, at) == SEKI_CERTIFICATE_OK, "accepted later without what was sent");
    }
    free((void *)(uintptr_t)leaf.data);
    free((void *)(uintptr_t)sent.data);
    return 0;
}
