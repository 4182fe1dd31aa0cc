/* fuzz_column.c: libFuzzer target for columns (sekisho.h, "columns").
 *
 * Invariant: a column is valid exactly when its offsets, read as signed numbers, never fall and lie within the data; its rows
 * then lie within the data and behind one another.
 *
 * The input: one byte of form, one of rows, two of how much data there is; the rest are the offsets, as many as there are.
 *
 *   make fuzz TARGET=column */
#include "../src/column.h"
#include "fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned form = (unsigned)take_bits(&data, &size, 1);
    uint64_t rows = take_bits(&data, &size, 1), length = take_bits(&data, &size, 2);
    static const uint64_t widths[] = {4, 8, 4, 8, 0, 1, 16, UINT64_MAX};
    uint64_t width = widths[form % 8];
    bool narrow = width == 4;
    uint8_t *offsets = calloc((size_t)rows + 1, narrow ? 4 : 8), *bytes = malloc(length != 0 ? length : 1);
    require(offsets != NULL && bytes != NULL, "memory");
    memset(bytes, 0x5a, length != 0 ? length : 1);
    size_t room = ((size_t)rows + 1) * (narrow ? 4 : 8);
    memcpy(offsets, data, size < room ? size : room);
    bool has_data = (form & 8) == 0, has_offsets = (form & 16) == 0, optional = (form & 32) != 0;
    seki_column column = {.data = has_data ? bytes : NULL,
                          .data_length = (form & 64) != 0 ? UINT64_MAX - length : length,
                          .offsets = has_offsets ? offsets : NULL,
                          .offset_width = width};
    /* Nobody could make a column of more data than there is memory: valid or not, its rows are not read. */
    bool boundless = (form & 64) != 0;

    bool wanted = width == 4 || width == 8, absent = false;
    if (width == 0) {
        wanted = optional && !has_data && !has_offsets && column.data_length == 0;
        absent = wanted;
    } else if (wanted) {
        wanted = has_offsets && (has_data || column.data_length == 0) && column.data_length <= SIZE_MAX / 2;
        int64_t before = 0;
        for (uint64_t i = 0; wanted && i <= rows; i++) {
            int64_t wide = 0;
            int32_t word = 0;
            if (narrow)
                memcpy(&word, offsets + i * 4, 4);
            else
                memcpy(&wide, offsets + i * 8, 8);
            int64_t now = narrow ? word : wide;
            wanted = now >= before && (uint64_t)now <= column.data_length;
            before = now;
        }
    }
    bool valid = seki_column_valid(&column, rows, optional);
    require(valid == wanted, "valid as the header says");
    if (valid && !boundless) {
        const uint8_t *end = NULL;
        size_t sum = 0;
        for (uint64_t i = 0; i < rows; i++) {
            seki_span row = seki_column_row(&column, i);
            require(row.data != NULL, "never NULL");
            if (absent || !has_data) {
                require(row.length == 0, "nothing in it");
                continue;
            }
            require(row.data >= bytes && row.length <= (size_t)(bytes + length - row.data), "a row within the data");
            require(end == NULL || row.data == end, "rows behind one another");
            end = row.data + row.length;
            for (size_t k = 0; k < row.length; k++)
                sum += row.data[k];
        }
        require(sum % 0x5a == 0, "read");
    }
    free(offsets);
    free(bytes);
    return 0;
}
