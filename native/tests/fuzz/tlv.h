/* tlv.h: DER as a tree that can be taken apart, changed and put together again with right lengths; for fuzz targets.
 *
 * The tree is a table of elements in the order in which they stand; nothing recurses.  OCTET STRINGs, and BIT STRINGs without
 * unused bits, whose content is DER are looked into. */
#ifndef SEKI_FUZZ_TLV_H
#define SEKI_FUZZ_TLV_H

#include "../../src/span.h"

enum {
    TLV_ELEMENTS_MAX = 4096,
    TLV_DEPTH_MAX = 40,
    TLV_LENGTH_SHORTEST = 0, /* forms of a length: X.690, 10.1 allows the first alone */
    TLV_LENGTH_LONGER = 1,   /* one zero octet in front */
    TLV_LENGTH_OVER = 2,     /* says one octet more than there is */
    TLV_LENGTH_UNDER = 3     /* says one less */
};

typedef struct {
    uint8_t tag;
    uint8_t form;    /* TLV_LENGTH_* */
    bool open;       /* its content is the elements that follow, `below` of them in all */
    bool bits;       /* an open BIT STRING: 00 stands before its content */
    uint32_t below;  /* elements inside, at all depths */
    seki_span value; /* its content, if it is not open */
} tlv_element;

typedef struct {
    size_t count;
    tlv_element at[TLV_ELEMENTS_MAX];
    size_t length[TLV_ELEMENTS_MAX]; /* work of tlv_write */
    uint32_t parent[TLV_ELEMENTS_MAX];
} tlv_tree;

/* Takes `der` apart, one element behind the other.  False if it is not all elements, or too many. */
bool tlv_read(tlv_tree *tree, seki_span der);

/* Puts the tree together; the length, or 0 if there is no room. */
size_t tlv_write(tlv_tree *tree, uint8_t *out, size_t room);

/* Replaces the element at `i`, with all in it, by `count` elements of another tree (none deletes it).  False if there is no room. */
bool tlv_replace(tlv_tree *tree, size_t i, const tlv_element *by, size_t count);

/* The same before `i`, which may be the end of the tree, inside of the element `parent` (or SIZE_MAX). */
bool tlv_insert(tlv_tree *tree, size_t i, size_t parent, const tlv_element *by, size_t count);

/* The element that holds `i`, or SIZE_MAX. */
size_t tlv_parent(const tlv_tree *tree, size_t i);

/* The element behind `i` under the same parent, or SIZE_MAX. */
size_t tlv_sibling(const tlv_tree *tree, size_t i);

/* The `n`th element in the element `i`, or SIZE_MAX. */
size_t tlv_child(const tlv_tree *tree, size_t i, size_t n);

/* A mutation that knows DER, behind `prefix` octets that are changed as octets: an element is doubled, deleted, swapped, moved,
 * wrapped, given another tag, form of length or value, or spliced in from `other` (which may be empty); lengths around it are
 * made right.  One in four is a mutation of octets alone.  Returns the new size, at most `room`. */
size_t tlv_mutate(uint8_t *data, size_t size, size_t room, size_t prefix, seki_span other, unsigned seed);

/* libFuzzer's own mutation, or replay.c's in its place. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t room);

/* Gives a target the two functions that libFuzzer calls where they are defined. */
#define TLV_CUSTOM_MUTATOR(prefix)                                                                                     \
    size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t room, unsigned seed);                            \
    size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t room, unsigned seed)                             \
    {                                                                                                                  \
        return tlv_mutate(data, size, room, prefix, (seki_span){data, 0}, seed);                                       \
    }                                                                                                                  \
    size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size, uint8_t *out,   \
                                     size_t room, unsigned seed);                                                      \
    size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size, uint8_t *out,   \
                                     size_t room, unsigned seed)                                                       \
    {                                                                                                                  \
        size_t size = a_size < room ? a_size : room, skip = b_size > (prefix) ? (prefix) : b_size;                     \
        memcpy(out, a, size);                                                                                          \
        return tlv_mutate(out, size, room, prefix, (seki_span){b + skip, b_size - skip}, seed);                        \
    }

#endif
