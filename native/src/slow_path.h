/* slow_path.h: a whole path, decided by OpenSSL (X509_verify_cert): slow, obvious, and the judge of the fast one. */
#ifndef SEKI_SLOW_PATH_H
#define SEKI_SLOW_PATH_H

#include "path.h"

/* Verifies `leaf` up the path.
 *   leaf   parsed by our reader; OpenSSL must agree on its serial, validity and key
 *   at     the time; taken into the chain's own window first, since the caller has judged every date, with its skew
 * Returns 0 if OpenSSL accepts under X509_STRICT and POLICY_CHECK, with what the profile says of policies; else the reason. */
seki_reason seki_slow_path(const seki_trust *trust, const seki_path *path, const seki_certificate *leaf,
                           const seki_profile *profile, int64_t at);

#endif
