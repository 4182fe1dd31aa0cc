/* column.h: reading the columns of a batch (sekisho.h, "columns"). */
#ifndef SEKI_COLUMN_H
#define SEKI_COLUMN_H

#include "../include/sekisho.h"
#include "span.h"

/* Whether the column has Arrow's form for `rows` rows: offsets never fall and stay within data_length.
 * An absent column (data and offsets NULL, width 0) passes where `optional`. */
bool seki_column_valid(const seki_column *column, uint64_t rows, bool optional);

static inline bool seki_column_present(const seki_column *column)
{
    return column->offset_width != 0;
}

static inline uint64_t seki_column_offset(const seki_column *column, uint64_t at)
{
    if (column->offset_width == 4) {
        int32_t narrow;
        memcpy(&narrow, (const uint8_t *)column->offsets + at * 4, 4);
        return (uint64_t)(int64_t)narrow;
    }
    uint64_t wide;
    memcpy(&wide, (const uint8_t *)column->offsets + at * 8, 8);
    return wide;
}

/* Row `row` of a valid column; empty where the column is absent.  The pointer is never NULL. */
static inline seki_span seki_column_row(const seki_column *column, uint64_t row)
{
    static const uint8_t nothing;
    if (!seki_column_present(column) || column->data == NULL)
        return (seki_span){&nothing, 0};
    uint64_t from = seki_column_offset(column, row), to = seki_column_offset(column, row + 1);
    return (seki_span){column->data + from, (size_t)(to - from)};
}

#endif
