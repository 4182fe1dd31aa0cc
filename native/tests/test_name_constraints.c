/* test_name_constraints.c: the native layer alone, kind by kind: RFC 5280, 4.2.1.10, with OpenSSL out of the way.
 *
 * Exit status 0 if everything held. */
#include "hex.h"

#include "../src/name_constraints.h"

enum { SIZE = 1 << 20 };

/* A DER value that is put together back to front. */
typedef struct {
    uint8_t *bytes;
    size_t at; /* where it begins */
} build;

static build begin(void)
{
    build b = {malloc(SIZE), SIZE};
    if (b.bytes == NULL)
        exit(2);
    return b;
}

static void put(build *b, const void *data, size_t length)
{
    if (length > b->at)
        exit(2);
    b->at -= length;
    memcpy(b->bytes + b->at, data, length);
}

/* Tag and length before what was put since `end`. */
static void wrap(build *b, uint8_t tag, size_t end)
{
    size_t length = end - b->at;
    uint8_t head[5] = {tag, 0x83, (uint8_t)(length >> 16), (uint8_t)(length >> 8), (uint8_t)length};
    if (length < 0x80)
        put(b, (uint8_t[]){tag, (uint8_t)length}, 2);
    else if (length < 0x100)
        put(b, (uint8_t[]){tag, 0x81, (uint8_t)length}, 3);
    else if (length < 0x10000)
        put(b, (uint8_t[]){tag, 0x82, (uint8_t)(length >> 8), (uint8_t)length}, 4);
    else
        put(b, head, 5);
}

static seki_span whole(const build *b)
{
    return (seki_span){b->bytes + b->at, SIZE - b->at};
}

/* A GeneralName: "dns:example.jp", "mail:a@b", "uri:…", "ip:hex", "dir:CN/CN" (PrintableStrings, lower case: UTF8), "other:", "id:". */
static void put_general(build *b, const char *name)
{
    size_t end = b->at;
    const char *value = strchr(name, ':') + 1;
    if (strncmp(name, "ip:", 3) == 0) {
        seki_span address = from_hex(value);
        put(b, address.data, address.length);
        release(address);
        wrap(b, 0x87, end);
    } else if (strncmp(name, "dir:", 4) == 0) {
        const char *parts[8];
        size_t count = 0;
        for (const char *at = value; *at != '\0'; at = strchr(at, '/') != NULL ? strchr(at, '/') + 1 : at + strlen(at))
            parts[count++] = at;
        while (count-- != 0) {
            size_t rdn = b->at, length = strcspn(parts[count], "/");
            put(b, parts[count], length);
            wrap(b, parts[count][0] >= 'a' ? 0x0c : 0x13, rdn);
            put(b, "\x06\x03\x55\x04\x0b", 5);
            wrap(b, 0x30, rdn);
            wrap(b, 0x31, rdn);
        }
        wrap(b, 0x30, end);
        wrap(b, 0xa4, end);
    } else if (strncmp(name, "other:", 6) == 0) {
        put(b, "\x06\x03\x2a\x03\x04\xa0\x02\x05\x00", 9);
        wrap(b, 0xa0, end);
    } else if (strncmp(name, "id:", 3) == 0) {
        put(b, "\x2a\x03\x04", 3);
        wrap(b, 0x88, end);
    } else {
        put(b, value, strlen(value));
        wrap(b, name[0] == 'm' ? 0x81 : name[0] == 'd' ? 0x82 : 0x86, end);
    }
}

/* Names with blanks between them, each in a subtree of its own where `subtrees`. */
static void put_list(build *b, const char *names, bool subtrees)
{
    char copy[512], *at[32];
    size_t count = 0;
    snprintf(copy, sizeof copy, "%s", names);
    for (char *one = strtok(copy, " "); one != NULL; one = strtok(NULL, " "))
        at[count++] = one;
    while (count-- != 0) {
        size_t end = b->at;
        put_general(b, at[count]);
        if (subtrees)
            wrap(b, 0x30, end);
    }
}

static seki_span constraints_of(build *b, const char *permitted, const char *excluded)
{
    size_t end = b->at;
    if (excluded[0] != '\0') {
        put_list(b, excluded, true);
        wrap(b, 0xa1, end);
    }
    if (permitted[0] != '\0') {
        size_t list = b->at;
        put_list(b, permitted, true);
        wrap(b, 0xa0, list);
    }
    wrap(b, 0x30, end);
    return whole(b);
}

#define NO_NAME ((seki_span){(const uint8_t *)"\x30\x00", 2})

/* The leaf's alternative names, its subject (a "dir:" or none), and whether they are to be allowed. */
typedef struct {
    const char *permitted, *excluded, *names, *subject;
    bool allowed;
} row;

static const row rows[] = {
    /* nothing of the kind is constrained */
    {"dns:example.jp", "", "mail:a@b.jp ip:01020304 dir:X uri:x:y id: other:", "dir:A", true},
    {"dns:example.jp", "", "", "dir:A", true},
    /* dNSName */
    {"dns:example.jp", "", "dns:example.jp dns:EXAMPLE.jp dns:a.example.jp dns:a.b.example.JP", "", true},
    {"dns:example.jp", "", "dns:badexample.jp", "", false},
    {"dns:example.jp", "", "dns:jp", "", false},
    {"dns:example.jp", "", "dns:example.jp dns:example.org", "", false},
    {"dns:example.jp dns:example.org", "", "dns:example.jp dns:www.example.org", "", true},
    {"dns:", "", "dns:anything.jp", "", true},
    {"", "dns:", "dns:anything.jp", "", false},
    {"", "dns:example.jp", "dns:example.jp", "", false},
    {"", "dns:example.jp", "dns:A.Example.JP", "", false},
    {"", "dns:example.jp", "dns:badexample.jp", "", true},
    {"dns:example.jp", "dns:secret.example.jp", "dns:www.example.jp", "", true},
    {"dns:example.jp", "dns:secret.example.jp", "dns:www.secret.example.jp", "", false},
    /* a wildcard stands for hosts */
    {"dns:example.jp", "", "dns:*.example.jp", "", true},
    {"dns:a.example.jp", "", "dns:*.example.jp", "", false},
    {"", "dns:a.example.jp", "dns:*.example.jp", "", false},
    {"", "dns:example.jp", "dns:*.example.jp", "", false},
    {"", "dns:a.example.org", "dns:*.example.jp", "", true},
    /* rfc822Name: a mailbox, a host, all hosts below */
    {"mail:a@example.jp", "", "mail:a@EXAMPLE.jp", "", true},
    {"mail:a@example.jp", "", "mail:A@example.jp", "", false},
    {"mail:a@example.jp", "", "mail:b@example.jp", "", false},
    {"mail:example.jp", "", "mail:a@example.jp mail:b@Example.jp", "", true},
    {"mail:example.jp", "", "mail:a@sub.example.jp", "", false},
    {"mail:.example.jp", "", "mail:a@sub.example.jp mail:b@a.b.example.jp", "", true},
    {"mail:.example.jp", "", "mail:a@example.jp", "", false},
    {"mail:.example.jp", "", "mail:a@badexample.jp", "", false},
    {"mail:example.jp", "", "mail:no-at-sign", "", false},
    {"mail:example.jp", "", "mail:@example.jp", "", false},
    {"mail:example.jp", "", "mail:a@b@example.jp", "", true},
    {"", "mail:a@example.jp", "mail:A@example.jp", "", false},
    {"", "mail:example.jp", "mail:no-at-sign", "", false},
    {"", "mail:example.jp", "mail:a@example.org", "", true},
    {"", "mail:example.jp", "mail:a@sub.example.jp", "", true},
    {"", "mail:.example.jp", "mail:a@sub.example.jp", "", false},
    {"mail:..example.jp", "", "mail:a@x..example.jp", "", false},
    {"", "mail:..", "mail:a@example.jp", "", false},
    {"mail:@example.jp", "", "mail:a@example.jp", "", false},
    /* iPAddress */
    {"ip:c0000200ffffff00", "", "ip:c00002ff", "", true},
    {"ip:c0000200ffffff00", "", "ip:c0000300", "", false},
    {"ip:c0000200ffffff00", "", "ip:20010db8000000000000000000000000", "", false},
    {"", "ip:c0000200ffffff00", "ip:c0000201", "", false},
    {"", "ip:c0000200ffffff00", "ip:c0000301", "", true},
    {"", "ip:0000000000000000", "ip:01020304", "", false},
    {"ip:20010db8000000000000000000000000ffffffff000000000000000000000000", "", "ip:20010db8000000000000000000000001", "", true},
    {"ip:20010db8000000000000000000000000ffffffff000000000000000000000000", "", "ip:20010db9000000000000000000000001", "", false},
    /* uniformResourceIdentifier: its host */
    {"uri:example.jp", "", "uri:https://example.jp uri:ldap://u:p@EXAMPLE.jp:636/x?y#z", "", true},
    {"uri:example.jp", "", "uri:https://www.example.jp/", "", false},
    {"uri:.example.jp", "", "uri:https://www.example.jp/", "", true},
    {"uri:.example.jp", "", "uri:https://example.jp/", "", false},
    {"uri:example.jp", "", "uri:https://example.org/@example.jp", "", false},
    {"uri:example.jp", "", "uri:https://example.org?@example.jp", "", false},
    {"uri:example.jp", "", "uri:urn:example.jp", "", false},
    {"uri:example.jp", "", "uri:https://192.0.2.1/", "", false},
    {"", "uri:example.jp", "uri:https://192.0.2.1/", "", false},
    {"", "uri:example.jp", "uri:https://[2001:db8::1]/", "", false},
    {"", "uri:example.jp", "uri:urn:x", "", false},
    {"", "uri:example.jp", "uri:https://example.jp./", "", false},
    {"", "uri:example.jp", "uri:https://example.org:80/", "", true},
    {"", "uri:example.jp", "uri:https://Example.JP:80/", "", false},
    {"uri:https://example.jp", "", "uri:https://example.jp", "", false},
    /* directoryName, of the subject and of alternative names */
    {"dir:A", "", "", "dir:A", true},
    {"dir:A", "", "", "dir:A/B/C", true},
    {"dir:A", "", "", "dir:a/b", true}, /* normal forms, and PrintableString beside UTF8String */
    {"dir:A/B", "", "", "dir:A", false},
    {"dir:A", "", "", "dir:B/A", false},
    {"dir:A", "", "dir:B", "dir:A", false},
    {"dir:A", "", "dir:A/X", "dir:A", true},
    {"dir:A", "", "dns:a.jp", "", true}, /* no subject, no directoryName */
    {"", "dir:A", "", "dir:a/b", false},
    {"", "dir:A/B", "", "dir:A/C", true},
    {"", "dir:A", "dir:A", "dir:B", false},
    {"dir:A dir:B", "dir:B/C", "", "dir:B/D", true},
    {"dir:A dir:B", "dir:B/C", "", "dir:b/c/d", false},
    {"dir:", "", "", "dir:A", true},
    {"", "dir:", "", "dir:A", false},
    /* kinds that are not compared: refused where there is such a name, whatever it says */
    {"other:", "", "other:", "dir:A", false},
    {"", "other:", "other:", "dir:A", false},
    {"", "other:", "dns:example.jp", "dir:A", true},
    {"id:", "", "id:", "dir:A", false},
    {"", "id:", "dns:example.jp", "dir:A", true},
};

static void try_row(const row *r)
{
    build constraints = begin(), names = begin(), subject = begin();
    char what[512];
    seki_certificate ca = {.subject = NO_NAME, .issuer = NO_NAME}, leaf = ca;
    ca.name_constraints = constraints_of(&constraints, r->permitted, r->excluded);
    if (r->names[0] != '\0') {
        put_list(&names, r->names, false);
        wrap(&names, 0x30, SIZE);
        leaf.subject_alt_name = whole(&names);
    }
    if (r->subject[0] != '\0') {
        put_general(&subject, r->subject);
        subject.at += 2; /* the [4] */
        leaf.subject = whole(&subject);
    }
    const seki_certificate *path[] = {&leaf, &ca};
    snprintf(what, sizeof what, "permitted %s, excluded %s, names %s, subject %s", r->permitted, r->excluded, r->names, r->subject);
    check(seki_name_constraints_check(path, 2) == (r->allowed ? SEKI_NOT_DECIDED : SEKI_NAME_CONSTRAINTS), what,
          r->allowed ? "refused" : "allowed");
    free(constraints.bytes);
    free(names.bytes);
    free(subject.bytes);
}

/* An emailAddress in the subject is a mailbox, in a string whose octets are its characters. */
static void email_in_subject(void)
{
    static const struct {
        uint8_t tag;
        const char *value;
        bool allowed;
    } values[] = {{0x16, "a@example.jp", true}, {0x16, "a@example.org", false}, {0x0c, "a@example.jp", true}, {0x1e, "a@example.jp", false}};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        build constraints = begin(), subject = begin();
        put(&subject, values[i].value, strlen(values[i].value));
        wrap(&subject, values[i].tag, SIZE);
        put(&subject, "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01", 11);
        wrap(&subject, 0x30, SIZE);
        wrap(&subject, 0x31, SIZE);
        wrap(&subject, 0x30, SIZE);
        seki_certificate ca = {.subject = NO_NAME, .issuer = NO_NAME}, leaf = {.subject = whole(&subject), .issuer = NO_NAME};
        ca.name_constraints = constraints_of(&constraints, "mail:example.jp", "");
        const seki_certificate *path[] = {&leaf, &ca};
        check((seki_name_constraints_check(path, 2) == SEKI_NOT_DECIDED) == values[i].allowed, "emailAddress", values[i].value);
        free(constraints.bytes);
        free(subject.bytes);
    }
}

/* 6.1.3 (b): CA certificates in between are held against them too, self-issued ones are not, unless last. */
static void along_the_path(void)
{
    build constraints = begin(), a = begin(), a_spelled = begin(), b = begin();
    put_general(&a, "dir:A");
    put_general(&a_spelled, "dir:a");
    put_general(&b, "dir:B");
    a.at += 2;
    a_spelled.at += 2;
    b.at += 2;
    seki_certificate root = {.subject = whole(&b), .issuer = whole(&b)};
    root.name_constraints = constraints_of(&constraints, "dir:A", "");
    seki_certificate good = {.subject = whole(&a), .issuer = whole(&b)}, bad = {.subject = whole(&b), .issuer = whole(&a)};
    seki_certificate self = {.subject = whole(&b), .issuer = whole(&b)};
    const seki_certificate *fine[] = {&good, &good, &root}, *middle[] = {&good, &bad, &root}, *rollover[] = {&good, &self, &root},
                           *last[] = {&self, &good, &root}, *unconstrained[] = {&bad, &bad};
    check(seki_name_constraints_check(fine, 3) == SEKI_NOT_DECIDED, "a CA inside", "refused");
    check(seki_name_constraints_check(middle, 3) == SEKI_NAME_CONSTRAINTS, "a CA outside", "allowed");
    check(seki_name_constraints_check(rollover, 3) == SEKI_NOT_DECIDED, "a self-issued CA", "refused");
    check(seki_name_constraints_check(last, 3) == SEKI_NAME_CONSTRAINTS, "a self-issued leaf", "allowed");
    check(seki_name_constraints_check(unconstrained, 2) == SEKI_NOT_DECIDED, "no constraints", "refused");
    /* Self-issued by normal form. */
    build excluded = begin();
    seki_certificate top = {.subject = whole(&b), .issuer = whole(&b)};
    top.name_constraints = constraints_of(&excluded, "", "dir:A");
    seki_certificate spelled = {.subject = whole(&a), .issuer = whole(&a_spelled)}, leaf = {.subject = whole(&b), .issuer = whole(&a)};
    const seki_certificate *by_form[] = {&leaf, &spelled, &top}, *as_leaf[] = {&spelled, &top};
    check(seki_name_constraints_check(by_form, 3) == SEKI_NOT_DECIDED, "self-issued in other letters", "refused");
    check(seki_name_constraints_check(as_leaf, 2) == SEKI_NAME_CONSTRAINTS, "self-issued in other letters, last", "allowed");
    free(constraints.bytes);
    free(excluded.bytes);
    free(a.bytes);
    free(a_spelled.bytes);
    free(b.bytes);
}

/* So many names against so many constraints of another kind: the bound is met, and not before. */
static void bound(void)
{
    for (size_t constraints_count = 127; constraints_count <= 129; constraints_count++) {
        build constraints = begin(), names = begin();
        for (size_t i = 0; i < constraints_count; i++)
            put_list(&constraints, "ip:0102030400000000", true);
        wrap(&constraints, 0xa1, SIZE);
        wrap(&constraints, 0x30, SIZE);
        for (size_t i = 0; i < 1024; i++)
            put_general(&names, "dns:a.jp");
        wrap(&names, 0x30, SIZE);
        seki_certificate ca = {.subject = NO_NAME, .issuer = NO_NAME, .name_constraints = whole(&constraints)};
        seki_certificate leaf = {.subject = NO_NAME, .issuer = NO_NAME, .subject_alt_name = whole(&names)};
        const seki_certificate *path[] = {&leaf, &ca};
        bool within = 1024 * constraints_count <= SEKI_NAME_COMPARISONS_MAX;
        check(within == (constraints_count <= 128), "bound", "the test's own arithmetic");
        check((seki_name_constraints_check(path, 2) == SEKI_NOT_DECIDED) == within, "bound", within ? "refused" : "allowed");
        free(constraints.bytes);
        free(names.bytes);
    }
}

int main(void)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        try_row(&rows[i]);
    email_in_subject();
    along_the_path();
    bound();
    return verdict("test_name_constraints");
}
