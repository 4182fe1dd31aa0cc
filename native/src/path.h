/* path.h: from a leaf to its issuer: what is decided natively, and what is left to OpenSSL.
 *
 * The fast path decides leaves whose path holds nothing but names, keys, dates, path lengths and the
 * leaf's own extensions.  Whatever is beyond it goes whole through OpenSSL (slow_path.h).  Wherever both
 * can decide they must agree; tests hold them against each other. */
#ifndef SEKI_PATH_H
#define SEKI_PATH_H

#include "trust.h"

/* Whether its key signs anything but certificates and CRLs: where keyUsage is there, it has digitalSignature or nonRepudiation
 * (RFC 5280, 4.2.1.3), whatever the profile asks for. */
bool seki_leaf_may_sign(const seki_certificate *leaf);

/* What the leaf says of itself, against the profile: 0 or the first reason.  No signature is looked at. */
seki_reason seki_leaf_check(const seki_certificate *leaf, const seki_profile *profile, int64_t at);

/* A path from a leaf up to an anchor, whose every signature was verified. */
typedef struct {
    int32_t way;      /* of the trust store: its foot issued the leaf, or the last certificate sent */
    const seki_certificate *sent[SEKI_INTERMEDIATES_MAX]; /* CA certificates that came along, the leaf's issuer first */
    size_t sent_count;
    bool names_differ; /* below the way's foot names match by RFC 5280, 7.1, somewhere, and not byte for byte */
    int64_t window_from, window_to; /* when all its CA certificates are valid */
    bool soft;           /* revocation data of a CA is missing or stale, and the profile lets it pass */
    uint8_t revocation_by; /* SEKI_BY_*: what counted for its CAs */
    int64_t this_update; /* the oldest thisUpdate that counted for its CAs; INT64_MAX: none did */
} seki_path;

enum { SEKI_PATH_CERTIFICATES_MAX = 1 + SEKI_INTERMEDIATES_MAX + SEKI_PATH_DEPTH_MAX };

/* All certificates of a path, leaf first, anchor last; returns how many. */
size_t seki_path_certificates(const seki_trust *trust, const seki_certificate *leaf, const seki_path *path,
                              const seki_certificate *out[SEKI_PATH_CERTIFICATES_MAX]);

/* Whether the fast path may decide a leaf of way `way`: OpenSSL's strict mode (X509_V_FLAG_X509_STRICT)
 * would find nothing in it that the native checks do not look at. */
bool seki_leaf_is_plain(const seki_certificate *leaf, const seki_way *way, const seki_profile *profile);

/* Whether the profile takes leaves below way `way` at this time: 0 or the reason. */
seki_reason seki_way_check(const seki_trust *trust, const seki_way *way, const seki_profile *profile, bool allowed, int64_t at);

/* Whether the profile takes a CA certificate as itself: its key (a stranger's, or of a configured CA) and its purposes.
 * 0, KEY_TOO_SMALL, KEY_EXPONENT or EXTENDED_KEY_USAGE. */
seki_reason seki_ca_fits(const seki_certificate *ca, bool anchor, const seki_profile *profile);

/* Whether one of the profile's purposes is that of every certificate of the path that has an extendedKeyUsage: a CA for one
 * issues nothing for another, though the profile takes both.  The leaf and each CA must fit by themselves (seki_leaf_check,
 * seki_ca_fits). */
bool seki_purpose_throughout(const seki_trust *trust, const seki_certificate *leaf, const seki_path *path,
                             const seki_profile *profile);

/* Whether a path must be valid for some policy (explicit_policy of RFC 5280, 6.1.2 (d), is 0 from the start). */
bool seki_profile_wants_policy(const seki_profile *profile);

/* Of the reasons against two ways, the one that helps more: that of the way which came farther before it was refused. */
seki_reason seki_more_useful(seki_reason one, seki_reason other);

/* The mode in which a key of this kind signs a login under the profile; 0: it cannot. */
uint32_t seki_profile_mode(const seki_profile *profile, seki_key_kind kind);

#endif
