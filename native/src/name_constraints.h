/* name_constraints.h: RFC 5280, 4.2.1.10 and 6.1.3 (b), (c), natively and for a whole path.
 *
 * OpenSSL judges the same path; both must agree.  Stricter than OpenSSL here: a kind of name that is constrained and not compared
 * (otherName, x400Address, ediPartyName, registeredID) refuses; a URI or mailbox whose host cannot be told refuses where
 * its kind is constrained; a wildcard is excluded as soon as one host that it stands for is. */
#ifndef SEKI_NAME_CONSTRAINTS_H
#define SEKI_NAME_CONSTRAINTS_H

#include "cert.h"

/* Names held against subtrees for one path, each pair as one and one more for every 16 octets: eight CAs of 64 subtrees over 256
 * names of some length.  An eighth of what OpenSSL takes for one certificate (NAME_CHECK_MAX); about a millisecond. */
enum { SEKI_NAME_COMPARISONS_MAX = 131072 };

/* Holds the names of every certificate against the constraints of every CA above it; self-issued CA certificates are exempt.
 *   certificates  leaf first, anchor last; parsed, so that subtrees are of their form, without minimum and maximum
 * Returns 0 or NAME_CONSTRAINTS, the latter also where there is more to compare than is compared. */
seki_reason seki_name_constraints_check(const seki_certificate *const *certificates, size_t count);

#endif
