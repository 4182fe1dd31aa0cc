/* name_match.h: whether two Names name the same (RFC 5280, 7.1), where their bytes differ.
 *
 * PrintableString, UTF8String, IA5String, BMPString and UniversalString are compared as characters: ASCII letters
 * without case, white space at the ends left out and inside taken for one space.  Other values (TeletexString above
 * all, whose characters nobody agrees on) are the same only octet by octet, under the same tag.  The attributes of an
 * RDN are a set.  RFC 4518 would fold more (case beyond ASCII, compatibility forms): what is called the same here is so
 * there, and in OpenSSL's X509_NAME_cmp; the slow path holds it against that.
 *
 * Names given here are well formed (name.h).  Nothing is allocated; each octet is looked at a bounded number of times. */
#ifndef SEKI_NAME_MATCH_H
#define SEKI_NAME_MATCH_H

#include "der.h"

/* Whether two whole Names (with tag and length) are the same. */
bool seki_names_match(seki_span a, seki_span b);

/* Whether whole Name `name` is `base` or stands below it: its first RDNs are base's (RFC 5280, 4.2.1.10). */
bool seki_name_is_within(seki_span name, seki_span base);

/* SHA-256 that is the same for Names that match: to find them by. */
void seki_name_digest(seki_span name, uint8_t out[32]);

#endif
