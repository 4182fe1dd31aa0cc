#include "column.h"

bool seki_column_valid(const seki_column *column, uint64_t rows, bool optional)
{
    if (!seki_column_present(column))
        return optional && column->data == NULL && column->offsets == NULL && column->data_length == 0;
    if ((column->offset_width != 4 && column->offset_width != 8) || column->offsets == NULL
        || (column->data == NULL && column->data_length != 0) || column->data_length > SIZE_MAX / 2)
        return false;
    uint64_t before = seki_column_offset(column, 0);
    for (uint64_t i = 1; i <= rows; i++) {
        uint64_t now = seki_column_offset(column, i);
        if (now < before)
            return false;
        before = now;
    }
    /* A negative offset is a huge one by now, and offsets never fall: the last bounds them all. */
    return before <= column->data_length;
}
