/* verify_signatures.c: the batch call of sekisho.h, "batch signature verification". */
#include "column.h"
#include "engine.h"
#include "kernels.h"
#include "keyset.h"

typedef struct {
    seki_engine *engine;
    const seki_signature_batch *batch;
    seki_signature_verdict *out;
    _Atomic uint64_t confirmations;
    _Atomic uint32_t status;
} call;

static void verify_range(void *context, size_t from, size_t to, unsigned worker);

static bool valid(const seki_signature_batch *batch)
{
    if (batch->rows > SEKI_ROWS_MAX || batch->keys == NULL || batch->modes == NULL || batch->key_index_stride > 1
        || batch->modes_stride > 1 || batch->prehashed > 1 || batch->reserved != 0)
        return false;
    if (!seki_column_valid(&batch->messages, batch->rows, false)
        || !seki_column_valid(&batch->signatures, batch->rows, false))
        return false;
    if (batch->key_index == NULL)
        return batch->rows <= batch->keys->count;
    for (uint64_t i = 0; i < (batch->key_index_stride != 0 ? batch->rows : 1); i++)
        if (batch->key_index[i] >= batch->keys->count)
            return false;
    return true;
}

seki_status seki_verify_signatures(seki_engine *engine, const seki_signature_batch *batch, seki_signature_verdict *out)
{
    if (engine == NULL || batch == NULL || (out == NULL && batch->rows != 0) || !valid(batch))
        return SEKI_E_ARGUMENT;
    if (batch->rows == 0)
        return SEKI_OK;
    call call = {.engine = engine, .batch = batch, .out = out};
    seki_status status;
    uint32_t doubts;
    do { /* once a kernel is found to accept wrongly, nothing counts that it said: again, without it */
        doubts = seki_kernels_doubts();
        memset(out, 0, (size_t)batch->rows * sizeof *out);
        atomic_init(&call.confirmations, batch->confirmations);
        atomic_init(&call.status, SEKI_OK);
        status = seki_pool_run(engine->pool, (size_t)batch->rows, seki_grain(engine, (size_t)batch->rows, SEKI_JOBS_MAX),
                               verify_range, &call);
        status = status != SEKI_OK ? status : (seki_status)atomic_load(&call.status);
    } while (status == SEKI_OK && doubts != seki_kernels_doubts());
    return status;
}

static seki_job make_job(const seki_signature_batch *batch, uint64_t row)
{
    uint64_t key = batch->key_index == NULL ? row : batch->key_index[row * batch->key_index_stride];
    return (seki_job){
        .key = batch->keys->keys[key],
        .mode = batch->modes[row * batch->modes_stride],
        .prehashed = batch->prehashed != 0,
        .message = seki_column_row(&batch->messages, row),
        .signature = seki_column_row(&batch->signatures, row),
        .reason = batch->keys->reasons[key],
    };
}

static void verify_range(void *context, size_t from, size_t to, unsigned worker)
{
    (void)worker;
    call *call = context;
    size_t slot, count = to - from;
    seki_workspace *space = seki_workspace_take(call->engine, &slot);
    if (space == NULL) {
        atomic_store(&call->status, SEKI_E_MEMORY);
        return;
    }
    for (size_t i = 0; i < count; i++)
        space->jobs[i] = make_job(call->batch, from + i);
    seki_job_policy policy = {.confirmations = &call->confirmations,
                              .cross_check_one_in = call->engine->options.cross_check_one_in};
    seki_jobs_run(&space->signatures, &policy, space->jobs, count);
    for (size_t i = 0; i < count; i++)
        call->out[from + i] = (seki_signature_verdict){
            .reason = space->jobs[i].reason, .backend = space->jobs[i].backend, .flags = space->jobs[i].flags};
    seki_workspace_return(call->engine, slot);
}
