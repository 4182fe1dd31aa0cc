/* points.h: what a distribution point is known by, whether a certificate names it (RFC 5280, 4.2.1.13) or the
 * issuingDistributionPoint of a CRL does (5.2.5): the two meet where the octets here are the same. */
#ifndef SEKI_POINTS_H
#define SEKI_POINTS_H

#include "der.h"

enum { SEKI_POINT_SIZE = 32 }; /* octets */

/* The point of one name: SHA-256 of "sekisho point 1" (zero-filled to 32 octets), the CRL issuer's form, and a digest of the name,
 * which is 32 zeros where there is none, else SHA-256 of its tag octet and: of a directoryName its form, of any other its content.
 *   issuer_form   seki_name_digest of the CRL issuer's Name
 *   general_name  a whole GeneralName, well formed (name.h); NULL: no distribution point name, the issuer's full scope */
void seki_point_of(const uint8_t issuer_form[32], const seki_span *general_name, uint8_t out[SEKI_POINT_SIZE]);

/* The same where the name is given relative to the CRL issuer: the directoryName that is the issuer's Name and one RDN more.
 *   issuer  whole Name, well formed
 *   rdn     content of a RelativeDistinguishedName, well formed */
bool seki_point_of_relative(const uint8_t issuer_form[32], seki_span issuer, seki_span rdn, uint8_t out[SEKI_POINT_SIZE]);

#endif
