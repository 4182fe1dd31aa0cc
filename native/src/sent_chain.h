/* sent_chain.h: CA certificates that came with a login, between its leaf and the trust store.
 *
 * They are strangers until their signatures verify: read by our reader, judged as CAs, each signature
 * checked natively, all under a budget; what they constrain is then for OpenSSL (slow_path.h). */
#ifndef SEKI_SENT_CHAIN_H
#define SEKI_SENT_CHAIN_H

#include "engine.h"

enum {
    SEKI_SENT_SIGNATURES_MAX = 12, /* signature checks a login with sent certificates may cost */
    SEKI_SENT_PATHS_MAX = 4,       /* whole paths of one login that are judged, each by OpenSSL */
    SEKI_SENT_RSA_BITS_MAX = 4096, /* of a sent CA's key, which anybody can have made: RSA-8192 costs four times as much */
    SEKI_SENT_EXPONENT_BITS_MAX = 33 /* nobody uses more (spki.h); 64 bits cost four times as much */
};

/* Judges the path that stands in `row`: 0, or the reason against it. */
typedef seki_reason (*seki_path_judge)(void *context, seki_login_row *row);

/* Looks for a way from row->leaf over row->intermediates to an issuer of `trust` that `judge` accepts, going back where a
 * way ends (RFC 4158, 2.4.2; OpenSSL's builder does not).  Sets row->issuer, sent, sent_count and the window of the sent certificates.
 * Returns 0; else the reason of the first whole path, or why there was none; row->issuer is then -1.
 * *signatures is how many were checked, whatever the outcome. */
seki_reason seki_sent_chain(const seki_trust *trust, const seki_profile *profile, seki_workspace *space, seki_login_row *row,
                            seki_path_judge judge, void *context, size_t *signatures);

#endif
