/* tlv.c: see tlv.h. */
#include "tlv.h"

#include <stdlib.h>

#include "../../src/der.h"

enum { VALUES_SIZE = 1 << 17, SPLICE_MAX = 512 };

static tlv_tree tree, others;          /* of the input, and of what is spliced into it */
static uint8_t values[VALUES_SIZE];    /* changed contents */
static uint8_t source[VALUES_SIZE];    /* the input, to which the tree's spans point */
static size_t values_used;
static uint64_t state;

static size_t below(size_t bound) /* splitmix64 */
{
    uint64_t z = state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return bound == 0 ? 0 : (size_t)((z ^ (z >> 31)) % bound);
}

/* ---- the tree ---------------------------------------------------------------------------------- */

/* Whether `in` is nothing but elements, at least one. */
static bool tiles(seki_span in)
{
    uint8_t tag;
    seki_span content;
    if (in.length == 0)
        return false;
    while (in.length != 0)
        if (!seki_der_take_any(&in, &tag, &content, NULL))
            return false;
    return true;
}

bool tlv_read(tlv_tree *t, seki_span der)
{
    seki_span rest[TLV_DEPTH_MAX + 1];
    size_t holder[TLV_DEPTH_MAX + 1], depth = 0;
    t->count = 0;
    rest[0] = der;
    if (!tiles(der))
        return false;
    for (;;) {
        while (depth != 0 && rest[depth].length == 0) {
            tlv_element *closed = &t->at[holder[depth]];
            closed->below = (uint32_t)(t->count - holder[depth] - 1);
            depth--;
        }
        if (rest[depth].length == 0)
            return true;
        if (t->count == TLV_ELEMENTS_MAX)
            return false;
        tlv_element *e = &t->at[t->count];
        *e = (tlv_element){.form = TLV_LENGTH_SHORTEST};
        if (!seki_der_take_any(&rest[depth], &e->tag, &e->value, NULL))
            return false;
        seki_span inside = e->value;
        if (e->tag == SEKI_DER_BIT_STRING && inside.length > 1 && inside.data[0] == 0) {
            inside = (seki_span){inside.data + 1, inside.length - 1};
            e->bits = true;
        }
        bool holds = (e->tag & SEKI_DER_CONSTRUCTED) != 0 || e->tag == SEKI_DER_OCTET_STRING || e->bits;
        e->open = holds && depth < TLV_DEPTH_MAX && (tiles(inside) || (inside.length == 0 && (e->tag & SEKI_DER_CONSTRUCTED) != 0));
        e->bits = e->bits && e->open;
        if (e->open) {
            holder[++depth] = t->count;
            rest[depth] = inside;
        }
        t->count++;
    }
}

/* Octets of tag and length. */
static size_t header_size(const tlv_element *e, size_t length)
{
    size_t octets = 0;
    if (length >= 0x80 || e->form == TLV_LENGTH_LONGER)
        for (size_t left = length; left != 0 || octets == 0; left >>= 8)
            octets++;
    return 2 + octets + (e->form == TLV_LENGTH_LONGER);
}

size_t tlv_parent(const tlv_tree *t, size_t i)
{
    for (size_t p = i; p-- > 0;)
        if (t->at[p].open && p + t->at[p].below >= i)
            return p;
    return SIZE_MAX;
}

size_t tlv_sibling(const tlv_tree *t, size_t i)
{
    size_t next = i + 1 + t->at[i].below, parent = tlv_parent(t, i);
    size_t end = parent == SIZE_MAX ? t->count : parent + 1 + t->at[parent].below;
    return next < end ? next : SIZE_MAX;
}

size_t tlv_child(const tlv_tree *t, size_t i, size_t n)
{
    if (i >= t->count || !t->at[i].open || t->at[i].below == 0)
        return SIZE_MAX;
    size_t at = i + 1;
    for (; n != 0 && at != SIZE_MAX; n--)
        at = tlv_sibling(t, at);
    return at;
}

/* Fills t->parent. */
static void parents(tlv_tree *t)
{
    uint32_t at = UINT32_MAX;
    for (size_t i = 0; i < t->count; i++) {
        while (at != UINT32_MAX && at + t->at[at].below < i)
            at = t->parent[at];
        t->parent[i] = at;
        if (t->at[i].open)
            at = (uint32_t)i;
    }
}

size_t tlv_write(tlv_tree *t, uint8_t *out, size_t room)
{
    /* Lengths from the last element to the first: what is inside of an element stands behind it. */
    size_t total = 0, used = 0;
    parents(t);
    for (size_t i = 0; i < t->count; i++)
        t->length[i] = t->at[i].open ? t->at[i].bits : t->at[i].value.length;
    for (size_t i = t->count; i-- > 0;) {
        size_t whole = header_size(&t->at[i], t->length[i]) + t->length[i];
        if (t->parent[i] == UINT32_MAX)
            total += whole;
        else
            t->length[t->parent[i]] += whole;
    }
    if (total > room)
        return 0;
    for (size_t i = 0; i < t->count; i++) {
        const tlv_element *e = &t->at[i];
        size_t header = header_size(e, t->length[i]), said = t->length[i];
        said += e->form == TLV_LENGTH_OVER ? 1 : 0;
        said -= e->form == TLV_LENGTH_UNDER && said != 0 ? 1 : 0;
        out[used] = e->tag;
        if (header == 2) {
            out[used + 1] = (uint8_t)(said & 0x7f);
        } else {
            out[used + 1] = (uint8_t)(0x80 | (header - 2));
            for (size_t k = 0; k < header - 2; k++)
                out[used + 2 + k] = (uint8_t)(said >> 8 * (header - 3 - k));
        }
        used += header;
        if (e->open && e->bits)
            out[used++] = 0;
        if (!e->open && e->value.length != 0) {
            memcpy(out + used, e->value.data, e->value.length);
            used += e->value.length;
        }
    }
    return used;
}

static void widen(tlv_tree *t, size_t parent, size_t added, size_t removed)
{
    for (; parent != SIZE_MAX; parent = tlv_parent(t, parent))
        t->at[parent].below = (uint32_t)(t->at[parent].below + added - removed);
}

bool tlv_insert(tlv_tree *t, size_t i, size_t parent, const tlv_element *by, size_t count)
{
    if (t->count + count > TLV_ELEMENTS_MAX)
        return false;
    widen(t, parent, count, 0);
    memmove(&t->at[i + count], &t->at[i], (t->count - i) * sizeof t->at[0]);
    memcpy(&t->at[i], by, count * sizeof t->at[0]);
    t->count += count;
    return true;
}

bool tlv_replace(tlv_tree *t, size_t i, const tlv_element *by, size_t count)
{
    size_t removed = 1 + t->at[i].below;
    if (t->count - removed + count > TLV_ELEMENTS_MAX)
        return false;
    widen(t, tlv_parent(t, i), count, removed);
    memmove(&t->at[i + count], &t->at[i + removed], (t->count - i - removed) * sizeof t->at[0]);
    if (count != 0)
        memcpy(&t->at[i], by, count * sizeof t->at[0]);
    t->count = t->count - removed + count;
    return true;
}

/* ---- mutation ---------------------------------------------------------------------------------- */

#define S(literal) {(const uint8_t *)(literal), sizeof(literal) - 1}

static const seki_span oids[] = {
    S("\x55\x1d\x0e"), S("\x55\x1d\x0f"), S("\x55\x1d\x11"), S("\x55\x1d\x12"), S("\x55\x1d\x13"), S("\x55\x1d\x1e"),
    S("\x55\x1d\x1f"), S("\x55\x1d\x20"), S("\x55\x1d\x20\x00"), S("\x55\x1d\x21"), S("\x55\x1d\x23"), S("\x55\x1d\x24"),
    S("\x55\x1d\x25"), S("\x55\x1d\x25\x00"), S("\x55\x1d\x2e"), S("\x55\x1d\x36"), S("\x55\x1d\x09"),
    S("\x2b\x06\x01\x05\x05\x07\x01\x01"), S("\x2b\x06\x01\x05\x05\x07\x01\x0b"), S("\x2b\x06\x01\x05\x05\x07\x01\x03"),
    S("\x2b\x06\x01\x05\x05\x07\x03\x01"), S("\x2b\x06\x01\x05\x05\x07\x03\x02"), S("\x2b\x06\x01\x05\x05\x07\x03\x09"),
    S("\x2b\x06\x01\x05\x05\x07\x02\x01"), S("\x2b\x06\x01\x05\x05\x07\x02\x02"), S("\x2b\x06\x01\x05\x05\x07\x01\x07"),
    S("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01"), S("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a"), S("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b"),
    S("\x2a\x86\x48\xce\x3d\x04\x03\x02"), S("\x2a\x86\x48\xce\x3d\x02\x01"), S("\x2a\x86\x48\xce\x3d\x03\x01\x07"),
    S("\x2b\x81\x04\x00\x22"), S("\x2b\x65\x70"), S("\x2b\x65\x71"), S("\x55\x04\x03"), S("\x55\x04\x06"), S("\x55\x04\x2d"),
    S("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01"), S("\x2a\x03"), S("\x2a\x04"), S("\x2a\x05"), S("\x80\x01"), S("\x55\x80\x01"), S("\x55\x81"), S(""),
    S("\x2b\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f"), S("\x00"), S("\x7f"), S("\x2b\x06\x01\x04\x01\xd6\x79\x02\x04\x03"),
};
static const seki_span integers[] = {
    S(""), S("\x00"), S("\x01"), S("\x02"), S("\x7f"), S("\x80"), S("\xff"), S("\x00\x80"), S("\x00\x7f"), S("\xff\x80"),
    S("\x7f\xff\xff\xff"), S("\x00\x80\x00\x00\x00"), S("\x7f\xff\xff\xff\xff\xff\xff\xff"), S("\x00\xff\xff\xff\xff\xff\xff\xff\xff"),
    S("\x01\x00\x01"), S("\x01\x00\x00\x00\x01"), S("\x7f" "aaaaaaaaaaaaaaaaaaa"), S("\x00\x80" "aaaaaaaaaaaaaaaaaaa"), S("\x00\x80" "aaaaaaaaaaaaaaaaaa"),
};
static const seki_span times[] = {
    S("260101000000Z"), S("491231235959Z"), S("500101000000Z"), S("20500101000000Z"), S("20491231235959Z"), S("99991231235959Z"),
    S("00000101000000Z"), S("20240229000000Z"), S("20230229000000Z"), S("2601010000Z"), S("260101000000+0000"), S("260101000060Z"),
    S("20260101000000.5Z"), S("2026010100000Z"), S("000101000000Z"), S("691231235959Z"), S("700101000000Z"), S("20380119031408Z"),
};
static const seki_span strings[] = {
    S(""), S("\0"), S("a\0b"), S("JP"), S("*.a.b"), S("*"), S(".a.b"), S("a.b."), S("a..b"), S("-a.b"), S("a_b.c"), S("1.2.3.4"), S("a@b.c"),
    S("a@b@c"), S("x://u@h:1/p"), S("http://[::1]/"), S("\xe9\x96\xa2"), S("\xc0\x80"), S("\xed\xa0\x80"), S("\xf4\x90\x80\x80"), S("\xff"),
    S("\x7f"), S("\xd8\x00\xdc\x00"), S("\x00\x11\x00\x00"), S("\xc0\x00\x02\x01"), S("\xc0\x00\x02\x00\xff\xff\xff\x00"),
    S("\xc0\x00\x02\x00\xff\x00\xff\x00"), S("xn--a.b"), S("A.B"), S("a b"),
    S("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.b"),
};
static const seki_span extensions[] = {
    S("\x30\x0f\x06\x03\x55\x1d\x13\x01\x01\xff\x04\x05\x30\x03\x01\x01\xff"), S("\x30\x0c\x06\x03\x55\x1d\x13\x01\x01\xff\x04\x02\x30\x00"),
    S("\x30\x0e\x06\x03\x55\x1d\x0f\x01\x01\xff\x04\x04\x03\x02\x07\x80"), S("\x30\x0e\x06\x03\x55\x1d\x0f\x01\x01\xff\x04\x04\x03\x02\x02\x04"),
    S("\x30\x0c\x06\x03\x55\x1d\x11\x04\x05\x30\x03\x82\x01\x61"), S("\x30\x0f\x06\x03\x55\x1d\x11\x04\x08\x30\x06\x87\x04\xc0\x00\x02\x01"),
    S("\x30\x10\x06\x03\x55\x1d\x11\x01\x01\xff\x04\x06\x30\x04\x81\x02\x61\x40"),
    S("\x30\x10\x06\x03\x55\x1d\x1e\x04\x09\x30\x07\xa0\x05\x30\x03\x82\x01\x61"), S("\x30\x10\x06\x03\x55\x1d\x1e\x04\x09\x30\x07\xa1\x05\x30\x03\x82\x01\x61"),
    S("\x30\x0f\x06\x03\x55\x1d\x20\x04\x08\x30\x06\x30\x04\x06\x02\x2a\x03"), S("\x30\x11\x06\x03\x55\x1d\x20\x04\x0a\x30\x08\x30\x06\x06\x04\x55\x1d\x20\x00"),
    S("\x30\x13\x06\x03\x55\x1d\x21\x04\x0c\x30\x0a\x30\x08\x06\x02\x2a\x03\x06\x02\x2a\x04"), S("\x30\x0c\x06\x03\x55\x1d\x24\x04\x05\x30\x03\x80\x01\x00"),
    S("\x30\x13\x06\x03\x55\x1d\x25\x04\x0c\x30\x0a\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x02"), S("\x30\x0d\x06\x03\x55\x1d\x25\x04\x06\x30\x04\x06\x02\x2a\x03"),
    S("\x30\x0a\x06\x03\x55\x1d\x36\x04\x03\x02\x01\x00"), S("\x30\x0c\x06\x03\x55\x1d\x23\x04\x05\x30\x03\x80\x01\x01"),
    S("\x30\x0a\x06\x03\x55\x1d\x0e\x04\x03\x04\x01\x01"), S("\x30\x09\x06\x02\x2a\x05\x04\x03\x04\x01\x01"), S("\x30\x0c\x06\x02\x2a\x06\x01\x01\xff\x04\x03\x02\x01\x01"),
    S("\x30\x16\x06\x03\x55\x1d\x1f\x04\x0f\x30\x0d\x30\x0b\xa0\x09\xa0\x07\x86\x05\x78\x3a\x2f\x2f\x7a"),
    S("\x30\x0e\x06\x08\x2b\x06\x01\x05\x05\x07\x01\x03\x04\x02\x30\x00"),
};

static seki_span keep(const uint8_t *data, size_t size)
{
    if (size > VALUES_SIZE - values_used)
        size = VALUES_SIZE - values_used;
    uint8_t *at = values + values_used;
    if (size != 0)
        memmove(at, data, size);
    values_used += size;
    return (seki_span){at, size};
}

#define ONE_OF(table) ((table)[below(sizeof(table) / sizeof(table)[0])])

static void change_value(tlv_element *e)
{
    if (below(3) == 0) {
        size_t room = e->value.length + 16;
        if (room > VALUES_SIZE - values_used)
            return;
        seki_span copy = keep(e->value.data, e->value.length);
        size_t size = LLVMFuzzerMutate((uint8_t *)(uintptr_t)copy.data, copy.length, room);
        e->value = (seki_span){copy.data, size};
        values_used += size > copy.length ? size - copy.length : 0;
        return;
    }
    switch (e->tag) {
    case SEKI_DER_BOOLEAN: {
        const uint8_t truth[] = {0x00, 0xff, 0x01};
        e->value = keep(&truth[below(3)], 1);
        break;
    }
    case SEKI_DER_INTEGER:
    case SEKI_DER_ENUMERATED:
        e->value = ONE_OF(integers);
        break;
    case SEKI_DER_OID:
        e->value = ONE_OF(oids);
        break;
    case SEKI_DER_UTC_TIME:
    case SEKI_DER_GENERALIZED_TIME:
        e->value = ONE_OF(times);
        e->tag = e->value.length == 13 && below(4) != 0 ? SEKI_DER_UTC_TIME : SEKI_DER_GENERALIZED_TIME;
        break;
    case SEKI_DER_BIT_STRING: {
        const uint8_t bits[] = {(uint8_t)below(9), (uint8_t)below(256), (uint8_t)below(256)};
        e->value = keep(bits, below(4));
        break;
    }
    default:
        e->value = below(4) == 0 ? ONE_OF(oids) : ONE_OF(strings);
    }
}

/* Whether the encoding of element `a` sorts behind that of `b`. */
static bool sorts_behind(size_t a, size_t b)
{
    static uint8_t encoded[2][SPLICE_MAX * 8];
    size_t length[2], at[2] = {a, b};
    for (int i = 0; i < 2; i++) {
        others.count = 1 + tree.at[at[i]].below;
        memcpy(others.at, &tree.at[at[i]], others.count * sizeof others.at[0]);
        length[i] = tlv_write(&others, encoded[i], sizeof encoded[i]);
    }
    int order = memcmp(encoded[0], encoded[1], length[0] < length[1] ? length[0] : length[1]);
    return order > 0 || (order == 0 && length[0] > length[1]);
}

/* SET OF in DER's order (X.690, 11.6): without it hardly a mutated name would be well formed. */
static void sort_set(size_t set)
{
    static tlv_element moved[SPLICE_MAX];
    for (size_t rounds = 0; rounds < 8; rounds++)
        for (size_t a = tlv_child(&tree, set, 0); a != SIZE_MAX && tlv_sibling(&tree, a) != SIZE_MAX; a = tlv_sibling(&tree, a)) {
            size_t b = tlv_sibling(&tree, a), count = 1 + tree.at[b].below;
            if (!sorts_behind(a, b))
                continue;
            memcpy(moved, &tree.at[b], count * sizeof moved[0]);
            (void)tlv_replace(&tree, b, NULL, 0);
            (void)tlv_insert(&tree, a, set, moved, count);
        }
}

static void change(seki_span other)
{
    static const uint8_t tags[] = {0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0a, 0x0c, 0x12, 0x13, 0x14, 0x16, 0x17, 0x18, 0x1a, 0x1c, 0x1e,
                                   0x30, 0x31, 0x80, 0x81, 0x82, 0x86, 0x87, 0x88, 0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0x24, 0x00, 0x1f};
    static tlv_element moved[TLV_ELEMENTS_MAX];
    size_t i = below(tree.count), parent = tlv_parent(&tree, i), next = tlv_sibling(&tree, i), count = 1 + tree.at[i].below;
    memcpy(moved, &tree.at[i], count * sizeof moved[0]);
    switch (below(12)) {
    case 0:
        if (tree.count > count)
            (void)tlv_replace(&tree, i, NULL, 0);
        break;
    case 1: /* doubled, and now and then many times */
        for (size_t times_over = below(8) == 0 ? 1 + below(40) : 1; times_over != 0; times_over--)
            (void)tlv_insert(&tree, i, parent, moved, count);
        break;
    case 2:
        if (next != SIZE_MAX && tlv_replace(&tree, i, NULL, 0))
            (void)tlv_insert(&tree, i + 1 + tree.at[i].below, parent, moved, count);
        break;
    case 3:
        tree.at[i].tag = below(4) == 0 ? (uint8_t)(tree.at[i].tag ^ 1u << below(8)) : tags[below(sizeof tags)];
        break;
    case 4:
        if (below(4) == 0)
            tree.at[i].form = (uint8_t)(1 + below(3));
        break;
    case 5: { /* wrapped in one more, or unwrapped */
        tlv_element wrap = {.tag = below(2) == 0 ? SEKI_DER_SEQUENCE : tags[below(sizeof tags)], .open = true, .below = (uint32_t)count};
        if (below(2) == 0 && tree.at[i].open && count > 1)
            (void)tlv_replace(&tree, i, moved + 1, count - 1);
        else
            (void)tlv_insert(&tree, i, parent, &wrap, 1);
        break;
    }
    case 6: { /* moved, or copied, to another place */
        size_t to = below(tree.count);
        if (to < i || to >= i + count)
            (void)tlv_replace(&tree, to, moved, count);
        break;
    }
    case 7: { /* an extension beside the others: they are SEQUENCEs that begin with an OID */
        seki_span one = ONE_OF(extensions);
        size_t guess = i;
        for (size_t k = 0; k < tree.count; k++, guess = (guess + 1) % tree.count)
            if (tree.at[guess].tag == SEKI_DER_SEQUENCE && tlv_child(&tree, guess, 0) != SIZE_MAX && tree.at[guess + 1].tag == SEKI_DER_OID
                && tlv_child(&tree, guess, 1) != SIZE_MAX)
                break;
        if (tlv_read(&others, one))
            (void)tlv_insert(&tree, guess, tlv_parent(&tree, guess), others.at, others.count);
        break;
    }
    case 8:
        if (other.length != 0 && tlv_read(&others, other)) {
            size_t from = below(others.count);
            /* Something of the same kind, if there is one: what it replaces is then often taken. */
            for (size_t k = 0; k < others.count && others.at[from].tag != tree.at[i].tag; k++)
                from = (from + 1) % others.count;
            (void)tlv_replace(&tree, i, &others.at[from], 1 + others.at[from].below);
        }
        break;
    default:
        for (size_t k = 0; k < tree.count && tree.at[i].open; k++)
            i = (i + 1) % tree.count;
        if (!tree.at[i].open)
            change_value(&tree.at[i]);
    }
    if (below(2) == 0)
        for (size_t k = 0; k < tree.count; k++)
            if (tree.at[k].tag == SEKI_DER_SET && tree.at[k].open && tree.at[k].below > 3 && tree.at[k].below < 64)
                sort_set(k);
}

size_t tlv_mutate(uint8_t *data, size_t size, size_t room, size_t prefix, seki_span other, unsigned seed)
{
    state = seed * UINT64_C(0x9e3779b97f4a7c15) + size;
    values_used = 0;
    size_t kind = below(8);
    if (size <= prefix || size > sizeof source || kind < 2)
        return LLVMFuzzerMutate(data, size, room);
    if (kind == 2 && prefix != 0)
        (void)LLVMFuzzerMutate(data, prefix, prefix);
    memcpy(source, data, size);
    if (!tlv_read(&tree, (seki_span){source + prefix, size - prefix}))
        return LLVMFuzzerMutate(data, size, room);
    for (size_t changes = 1 + below(4); changes != 0 && tree.count != 0; changes--)
        change(other);
    size_t written = tlv_write(&tree, data + prefix, room - prefix);
    return written != 0 ? prefix + written : LLVMFuzzerMutate(data, size, room);
}
