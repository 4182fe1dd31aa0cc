/* path.h: from a leaf to its issuer: what is decided natively, and what is left to OpenSSL.
 *
 * The fast path decides leaves whose path holds nothing but names, keys, dates, path lengths and the
 * leaf's own extensions.  Whatever is beyond it goes whole through OpenSSL (slow_path.h).  Wherever both
 * can decide they must agree; tests hold them against each other. */
#ifndef SEKI_PATH_H
#define SEKI_PATH_H

#include "trust.h"

/* What the leaf says of itself, against the profile: 0 or the first reason.  No signature is looked at. */
seki_reason seki_leaf_check(const seki_certificate *leaf, const seki_profile *profile, int64_t at);

/* Whether the fast path may decide a leaf under `issuer`: OpenSSL's strict mode (X509_V_FLAG_X509_STRICT)
 * would find nothing in it that the native checks do not look at. */
bool seki_leaf_is_plain(const seki_certificate *leaf, const seki_issuer *issuer, const seki_profile *profile);

/* Whether `issuer`, whose key verified the leaf, may have issued it for this profile at this time: 0 or the reason. */
seki_reason seki_issuer_check(const seki_trust *trust, const seki_issuer *issuer, const seki_profile *profile, bool allowed,
                              int64_t at);

/* Whether the profile takes a CA certificate as itself: its key (a stranger's, or of a configured CA) and its purposes.
 * 0, KEY_TOO_SMALL, KEY_EXPONENT or EXTENDED_KEY_USAGE. */
seki_reason seki_ca_fits(const seki_certificate *ca, bool anchor, const seki_profile *profile);

/* The mode in which a key of this kind signs a login under the profile; 0: it cannot. */
uint32_t seki_profile_mode(const seki_profile *profile, seki_key_kind kind);

#endif
