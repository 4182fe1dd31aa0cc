/* points.h: where a CRL is looked for: its issuer and the name of a distribution point, as one value of 32 bytes.
 *
 * RFC 5280, 6.3.3 (b), asks whether a CRL's issuer is the certificate's (or the cRLIssuer that a distribution point names), and
 * whether one of the CRL's names for its scope (issuingDistributionPoint) is one of the certificate's.  Both are compared by 7.1.
 * What they are compared by is their point:
 *
 *     SHA-256("sekisho point 1", zeros up to 32 bytes || form of the CRL issuer (seki_name_digest) || digest of the name)
 *
 * The digest of a name: 32 zero bytes where there is none (a CRL that does not divide its scope), else SHA-256 of the
 * GeneralName's tag octet and, for a directoryName, its form, for the others their content. */
#ifndef SEKI_POINTS_H
#define SEKI_POINTS_H

#include "cert.h"

enum {
    SEKI_POINT_SIZE = 32,     /* bytes */
    SEKI_POINTS_MAX = 8,      /* kept of a certificate; JPKI has one, public CAs one or two */
    SEKI_REASONS_ALL = 0x1fe  /* ReasonFlags (RFC 5280, 4.2.1.13), bit i is 1 << i: keyCompromise to aACompromise */
};

/* One name of one DistributionPoint. */
typedef struct {
    uint8_t point[SEKI_POINT_SIZE];
    uint16_t reasons;  /* that CRLs found there are asked about; SEKI_REASONS_ALL where the DistributionPoint names none */
    bool indirect;     /* the DistributionPoint names a cRLIssuer: the CRL is another's, and must be an indirect one */
} seki_point;

/* All of a certificate's.  The points of its issuer alone (seki_points_of_issuer) are not among them. */
typedef struct {
    size_t count;
    bool more; /* there are more than are kept: data found only under those does not count */
    seki_point at[SEKI_POINTS_MAX];
} seki_points;

/* Where an issuer's CRLs are that name no distribution point, or its own name as theirs. */
typedef struct {
    uint8_t form[32]; /* seki_name_digest of its Name */
    uint8_t unnamed[SEKI_POINT_SIZE], by_name[SEKI_POINT_SIZE];
} seki_issuer_points;

/* The point of a CRL issuer's form and a GeneralName (whole element, well formed; NULL: none). */
void seki_point_of(const uint8_t issuer_form[32], const seki_span *general_name, uint8_t out[SEKI_POINT_SIZE]);

/* The same for a name given as a RelativeDistinguishedName below the CRL issuer's whole Name (RFC 5280, 4.2.1.13).
 * False if the two together are longer than any Name that is read here. */
bool seki_point_of_relative(seki_span issuer_name, const uint8_t issuer_form[32], seki_span rdn_content,
                            uint8_t out[SEKI_POINT_SIZE]);

void seki_points_of_issuer(const uint8_t issuer_form[32], seki_issuer_points *out);

/* Those of a parsed certificate.
 *   issuer_form  seki_name_digest of its issuer's Name */
void seki_certificate_points(const seki_certificate *certificate, const uint8_t issuer_form[32], seki_points *out);

#endif
