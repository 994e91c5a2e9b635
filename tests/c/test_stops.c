/* Lowering, passes and tapes of long graphs: how often they ask whether to stop, what stopping
   leaves behind, and what may happen while they ask. */
#include <string.h>

#include "lower.h"
#include "passes.h"
#include "support.h"
#include "tape.h"

#if !defined(LONG_OPS)
#define LONG_OPS 400000
#endif

static mg_node *x, *weight, *begun, *top;

/* Constants of many values, a foreign node from before, and ops of several operands. */
static void graph_begin(void) {
    heap_begin();
    x = leaf(0.5);
    weight = foreign_node(0.25, 0, NULL, NULL);
    begun = leaf(0.0);
    top = hold(x);
    for (int i = 0; i < LONG_OPS; i++) {
        top = then(top, with_constant(i % 3 != 0 ? MG_OP_mul_vc : MG_OP_add_vc, top, 1e-7 * i));
        if (i % 100 == 0) {
            mg_node *operands[] = {top, NULL, weight, x};
            const double numbers[] = {0.0, 1.0 + i, 0.0, 0.0};
            top = then(top, nary_mixed(MG_OP_sum, 4, operands, numbers, 0.0));
        }
    }
}

static void graph_end(void) {
    DROP(top, begun, weight, x);
    heap_end();
}

static mg_status lower(int (*poll)(void), mg_program **program) {
    const mg_recorded recorded = {
        .inputs = &x, .input_count = 1, .outputs = &top, .output_count = 1, .floor = begun};
    const uint32_t sweeping = heap.arena.sweeping, run = weight->run;
    mg_lowered got;
    mg_node *culprit = NULL;
    mg_status status = mg_lower(&heap.arena, &recorded, poll, &got, &culprit);
    if (status == MG_OK) {
        CHECK_COUNT(got.captured_count, 1);
        CHECK(got.captured[0] == weight);
        mg_memory_free(got.captured);
        *program = got.program;
    }
    CHECK_COUNT(heap.arena.sweeping, sweeping);
    CHECK_COUNT(weight->run, run);
    return status;
}

static int is_same(const mg_program *a, const mg_program *b) {
    return a->op_count == b->op_count && a->wide_count == b->wide_count &&
           a->constant_count == b->constant_count &&
           memcmp(a->code, b->code, a->op_count * sizeof(mg_instruction)) == 0 &&
           memcmp(a->wide, b->wide, a->wide_count * sizeof(mg_ref)) == 0 &&
           memcmp(a->constants, b->constants, a->constant_count * sizeof(double)) == 0;
}

static uint64_t polls, stop_at;

static int count_polls(void) { return ++polls == stop_at; }

/* Runs `step` stopped at its first poll, its second, and so on until it comes to its end; how many
   polls that took. */
static uint64_t stop_everywhere(mg_status (*step)(int (*poll)(void))) {
    for (stop_at = 1;; stop_at++) {
        const uint64_t outstanding = mg_memory_outstanding();
        polls = 0;
        mg_status status = step(count_polls);
        if (status != MG_INTERRUPTED) {
            CHECK_STATUS(status, MG_OK);
            CHECK_COUNT(polls, stop_at - 1);
            CHECK_COUNT(mg_memory_outstanding(), outstanding);
            return polls;
        }
        CHECK_COUNT(polls, stop_at);
        CHECK_COUNT(mg_memory_outstanding(), outstanding);
    }
}

static mg_status lower_step(int (*poll)(void)) {
    mg_program *program = NULL;
    mg_status status = lower(poll, &program);
    CHECK(status == MG_OK || status == MG_INTERRUPTED);
    mg_program_free(program);
    return status;
}

static void lowering_can_be_stopped(void) {
    graph_begin();
    mg_program *before = NULL, *after = NULL;
    CHECK_STATUS(lower(NULL, &before), MG_OK);
    /* A poll about every 32768 operands, collecting and writing. */
    const uint64_t count = stop_everywhere(lower_step);
    CHECK(count >= LONG_OPS / 32768 && count < LONG_OPS / 4096);
    CHECK_STATUS(lower(NULL, &after), MG_OK);
    CHECK(is_same(before, after));
    mg_program_free(before);
    mg_program_free(after);
    graph_end();
}

static mg_program *lowered;

static mg_status passes_step(int (*poll)(void)) {
    mg_program *result = NULL;
    mg_status status = mg_passes_run(lowered, ~0u, poll, &result);
    CHECK(status == MG_OK || status == MG_INTERRUPTED);
    mg_program_free(status == MG_OK ? result : NULL);
    return status;
}

static mg_status tape_step(int (*poll)(void)) {
    mg_tape *tape = NULL;
    mg_status status = mg_tape_new(mg_program_copy(lowered), 1, poll, &tape);
    CHECK(status == MG_OK || status == MG_INTERRUPTED);
    if (status == MG_OK) {
        mg_tape_drop(tape);
    }
    return status;
}

static void passes_and_tapes_can_be_stopped(void) {
    graph_begin();
    CHECK_STATUS(lower(NULL, &lowered), MG_OK);
    CHECK(stop_everywhere(passes_step) >= 5 * (LONG_OPS / 131072));
    CHECK(stop_everywhere(tape_step) >= 3 * (LONG_OPS / 131072));
    mg_program_free(lowered);
    graph_end();
}

static void short_ones_are_not_asked(void) {
    graph_begin();
    mg_node *long_one = top;
    top = with_constant(MG_OP_add_vc, weight, 1.0);
    polls = stop_at = 0;
    CHECK_STATUS(lower_step(count_polls), MG_OK);
    CHECK_STATUS(lower(NULL, &lowered), MG_OK);
    CHECK_STATUS(passes_step(count_polls), MG_OK);
    CHECK_STATUS(tape_step(count_polls), MG_OK);
    CHECK_COUNT(polls, 0);
    mg_program_free(lowered);
    drop(top);
    top = long_one;
    graph_end();
}

static mg_program *expected;

/* Lowers the same graph within its lowering, at one level more and then stopped. */
static int lower_again(void) {
    static int depth;
    mg_program *program = NULL;
    if (depth == 2) {
        return ++polls % 3 == 0;
    }
    depth++;
    if (lower(depth == 1 ? NULL : lower_again, &program) == MG_OK) {
        CHECK(is_same(program, expected));
        mg_program_free(program);
    }
    CHECK_STATUS(lower(lower_again, &program), depth == 2 ? MG_INTERRUPTED : MG_OK);
    if (depth == 1) {
        mg_program_free(program);
    }
    depth--;
    return 0;
}

static uint64_t outer_polls;

static int lower_again_at_times(void) { return ++outer_polls % 10 == 5 ? lower_again() : 0; }

static void a_lowering_within_a_lowering(void) {
    graph_begin();
    mg_program *program = NULL;
    CHECK_STATUS(lower(NULL, &expected), MG_OK);
    outer_polls = polls = 0;
    CHECK_STATUS(lower(lower_again_at_times, &program), MG_OK);
    CHECK(outer_polls > 5);
    CHECK(is_same(program, expected));
    mg_program_free(program);
    mg_program_free(expected);
    graph_end();
}

/* What reading `_children` does to a node with an inline constant. */
static void materialize(mg_node *node) {
    if (mg_op_shapes[node->op] == MG_SHAPE_VC) {
        mg_node *constant = leaf(node->right.constant);
        node->right.node = constant;
        node->op = mg_op_table[node->op].row;
    }
}

static uint64_t materialize_at;

/* Makes and drops nodes, and looks at all constants of the graph once. */
static int change_everything(void) {
    mg_node *kept[2000];
    for (int i = 0; i < 2000; i++) {
        kept[i] = with_constant(MG_OP_mul_vc, weight, i);
    }
    CHECK_STATUS(mg_graph_backward(&heap, kept[7]), MG_OK);
    if (++polls == materialize_at) {
        for (mg_node *node = top; node != x;) {
            materialize(node);
            mg_node *pair[2] = {NULL, NULL}, **operands = pair;
            mg_node_operands(node, pair, &operands);
            node = operands[0];
        }
    }
    drop_nodes(kept, 2000);
    return 0;
}

static double run(mg_program *program) {
    mg_tape *tape;
    mg_failure failure;
    double result = 0.0;
    if (CHECK_STATUS(mg_tape_new(program, 1, NULL, &tape), MG_OK)) {
        double *numbers = mg_memory_alloc(mg_tape_room(tape), sizeof(double));
        mg_tape_prepare(tape, numbers);
        numbers[0] = x->data;
        numbers[1] = weight->data;
        CHECK_STATUS(mg_tape_values(tape, numbers, NULL, &failure), MG_OK);
        result = numbers[tape->slot_outputs[0]];
        mg_memory_free(numbers);
        mg_tape_drop(tape);
    }
    return result;
}

static void a_graph_that_is_looked_at_meanwhile(void) {
    for (materialize_at = 1; materialize_at < 40; materialize_at += 4) {
        graph_begin();
        mg_program *program;
        polls = 0;
        if (CHECK_STATUS(lower(change_everything, &program), MG_OK)) {
            CHECK_SAME(run(program), top->data);
        }
        graph_end();
    }
    CHECK(polls > 20); /* of the last: it was not too late to look */
}

int main(void) {
    nary_warm_up();
    RUN(lowering_can_be_stopped);
    RUN(passes_and_tapes_can_be_stopped);
    RUN(short_ones_are_not_asked);
    RUN(a_lowering_within_a_lowering);
    RUN(a_graph_that_is_looked_at_meanwhile);
    return harness_summary("stops");
}
