/* slow_path.h: a whole path, decided by OpenSSL (X509_verify_cert): slow, obvious, and the judge of the fast one. */
#ifndef SEKI_SLOW_PATH_H
#define SEKI_SLOW_PATH_H

#include "trust.h"

/* Verifies `leaf` up to the anchor above `issuer`.
 *   leaf   parsed by our reader; OpenSSL must agree on its serial, validity and key
 *   sent   DER of CA certificates between the leaf and `issuer`, leaf's own issuer first; sent_count of them
 *   window_from, window_to  when all the CA certificates are valid
 *   at     the time; taken into the chain's own window first, since the caller has judged every date, with its skew
 * Returns 0 if OpenSSL accepts under X509_STRICT and, where the profile has policies, POLICY_CHECK and
 * EXPLICIT_POLICY with them; else the reason. */
seki_reason seki_slow_path(const seki_trust *trust, const seki_issuer *issuer, const seki_certificate *leaf,
                           const seki_span *sent, size_t sent_count, const seki_profile *profile, int64_t window_from,
                           int64_t window_to, int64_t at);

#endif
