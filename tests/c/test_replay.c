/* Graphs lowered to programs and run as tapes: the same values to the last bit, and the gradients
   that backward finds. */
#include <math.h>
#include <string.h>

#include "dag.h"
#include "lower.h"
#include "tape.h"

/* A tape and arrays for one run. */
typedef struct {
    mg_tape *tape;
    mg_node **captured;
    double *numbers, *residuals, *adjoints, *tangents, *adjoint_tangents;
    mg_failure failure;
} machine;

static double *zeros(size_t count) {
    double *numbers = mg_memory_alloc(count + 1, sizeof(double));
    if (numbers != NULL) {
        memset(numbers, 0, (count + 1) * sizeof(double));
    }
    return numbers;
}

/* Whether tapes are in the order of mg_schedule. */
static int grouped = 1;

static mg_status machine_begin(machine *m, const mg_recorded *recorded) {
    mg_lowered lowered;
    mg_node *culprit = NULL;
    const char *why;
    *m = (machine){.tape = NULL};
    mg_status status = mg_lower(&heap.arena, recorded, NULL, &lowered, &culprit);
    if (status != MG_OK) {
        return status;
    }
    CHECK_STATUS(mg_program_verify(lowered.program, &why), MG_OK);
    m->captured = lowered.captured;
    status = mg_tape_new(lowered.program, grouped, NULL, &m->tape);
    if (status != MG_OK) {
        mg_memory_free(m->captured);
        return status;
    }
    const mg_tape *tape = m->tape;
    m->numbers = zeros(mg_tape_room(tape));
    m->residuals = zeros(tape->residual_count);
    m->adjoints = zeros(tape->place_count);
    m->tangents = zeros(tape->place_count);
    m->adjoint_tangents = zeros(tape->place_count);
    if (m->numbers != NULL) {
        mg_tape_prepare(tape, m->numbers);
    }
    return m->numbers != NULL && m->residuals != NULL && m->adjoints != NULL &&
                   m->tangents != NULL && m->adjoint_tangents != NULL
               ? MG_OK
               : MG_NO_MEMORY;
}

static void machine_end(machine *m) {
    if (m->tape != NULL) {
        mg_tape_drop(m->tape);
        mg_memory_free(m->captured);
    }
    mg_memory_free(m->numbers);
    mg_memory_free(m->residuals);
    mg_memory_free(m->adjoints);
    mg_memory_free(m->tangents);
    mg_memory_free(m->adjoint_tangents);
}

/* After a run for values alone, and after one for derivatives. */
static double value(const machine *m, uint32_t output) {
    return m->numbers[m->tape->slot_outputs[output]];
}

static double output(const machine *m, uint32_t index) {
    return m->numbers[m->tape->outputs[index]];
}

/* What reverse leaves behind must be zero, or the next run starts wrong. */
static void check_clean(const machine *m, const double *adjoints) {
    for (uint32_t i = m->tape->first_result; i < m->tape->place_count; i++) {
        if (!CHECK_SAME(adjoints[i], 0.0)) {
            return;
        }
    }
}

static void check_against_graph(size_t leaves, size_t interior, int exact) {
    dag graph = random_dag(leaves, interior, exact);
    const size_t root = graph.count - 1;
    flow *flows = expected_flows(&graph, root);
    mg_node **inputs = mg_memory_alloc(leaves, sizeof(mg_node *));
    for (size_t i = 0, found = 0; i < graph.count; i++) {
        if (!mg_node_is_interior(graph.nodes[i])) {
            inputs[found++] = graph.nodes[i];
        }
    }
    machine m;
    mg_recorded recorded = {.inputs = inputs,
                            .input_count = (uint32_t)leaves,
                            .outputs = &graph.nodes[root],
                            .output_count = 1};
    if (!CHECK_STATUS(machine_begin(&m, &recorded), MG_OK)) {
        return;
    }
    CHECK_COUNT(m.tape->program->input_count, leaves);
    for (uint32_t i = 0; i < leaves; i++) {
        m.numbers[i] = inputs[i]->data;
    }
    CHECK_STATUS(mg_tape_values(m.tape, m.numbers, NULL, &m.failure), MG_OK);
    CHECK_SAME(value(&m, 0), graph.nodes[root]->data);
    CHECK_STATUS(mg_tape_forward(m.tape, m.numbers, m.residuals, NULL, &m.failure), MG_OK);
    CHECK_SAME(output(&m, 0), graph.nodes[root]->data);
    m.adjoints[m.tape->outputs[0]] = 1.0;
    CHECK_STATUS(mg_tape_reverse(m.tape, m.numbers, m.residuals, m.adjoints, NULL), MG_OK);
    check_clean(&m, m.adjoints);
    double along = 0.0, scale = 1.0;
    for (uint32_t i = 0; i < leaves; i++) {
        const double gradient = m.adjoints[i];
        const flow expected = flows[index_of(inputs[i])];
        if (exact) {
            CHECK_SAME(gradient + 0.0, expected.gradient + 0.0);
        } else {
            CHECK(fabs(gradient - expected.gradient) <= 1e-12 * (1e-300 + expected.magnitude));
        }
        double tangent = random_between(-1.0, 1.0);
        m.tangents[i] = tangent;
        along += tangent * gradient;
        scale += fabs(tangent) * expected.magnitude;
    }
    /* The tangent of the output is the same sum, worked out in the other direction. */
    CHECK_STATUS(mg_tape_tangents(m.tape, m.numbers, m.residuals, m.tangents, NULL), MG_OK);
    CHECK(fabs(m.tangents[m.tape->outputs[0]] - along) <= 1e-11 * scale);
    machine_end(&m);
    mg_memory_free(inputs);
    mg_memory_free(flows);
    drop_dag(&graph);
}

static void random_graphs_replay_to_the_last_bit(void) {
    for (int i = 0; i < 300; i++) {
        heap_begin();
        grouped = i % 3 != 0;
        check_against_graph(1 + random_below(20), 1 + random_below(200), i % 2);
        heap_end();
    }
    grouped = 1;
}

static void a_large_graph_replays(void) {
    heap_begin();
    check_against_graph(1000, SANITIZED ? 50000 : 400000, 0);
    heap_end();
}

/* --- what is captured --- */

static void nodes_older_than_the_floor_are_captured(void) {
    heap_begin();
    mg_node *w = leaf(3.0), *made = unary(MG_OP_exp, w), *x = leaf(2.0), *floor = leaf(0.0);
    mg_node *constant = leaf(5.0), *a = binary(MG_OP_mul, x, made), *b = binary(MG_OP_add, a, w);
    mg_node *c = binary(MG_OP_mul, b, constant);
    mg_recorded recorded = {
        .inputs = &x, .input_count = 1, .outputs = &c, .output_count = 1, .floor = floor};
    machine m;
    if (CHECK_STATUS(machine_begin(&m, &recorded), MG_OK)) {
        CHECK_COUNT(m.tape->program->input_count, 3);
        CHECK_COUNT(m.tape->step_count, 3);
        CHECK(m.captured[0] == w && m.captured[1] == made); /* the oldest first */
        m.numbers[0] = 7.0;
        m.numbers[1] = 1.0;
        m.numbers[2] = 10.0;
        CHECK_STATUS(mg_tape_values(m.tape, m.numbers, NULL, &m.failure), MG_OK);
        CHECK_SAME(value(&m, 0), (7.0 * 10.0 + 1.0) * 5.0);
    }
    machine_end(&m);
    DROP(c, b, a, constant, floor, x, made, w);
    heap_end();
}

static void without_a_floor_leaves_are_captured(void) {
    heap_begin();
    mg_node *w = leaf(3.0), *x = leaf(2.0), *a = binary(MG_OP_mul, x, w);
    mg_node *b = with_constant(MG_OP_add_vc, a, 4.0), *outputs[] = {b, x, w, b};
    mg_recorded recorded = {.inputs = &x, .input_count = 1, .outputs = outputs, .output_count = 4};
    machine m;
    if (CHECK_STATUS(machine_begin(&m, &recorded), MG_OK)) {
        CHECK_COUNT(m.tape->program->input_count, 2);
        CHECK(m.captured[0] == w);
        m.numbers[0] = 7.0;
        m.numbers[1] = 10.0;
        CHECK_STATUS(mg_tape_forward(m.tape, m.numbers, m.residuals, NULL, &m.failure), MG_OK);
        CHECK_SAME(output(&m, 0), 74.0);
        CHECK_SAME(output(&m, 1), 7.0);
        CHECK_SAME(output(&m, 2), 10.0);
        CHECK_SAME(output(&m, 3), 74.0);
        for (uint32_t k = 0; k < 4; k++) {
            m.adjoints[m.tape->outputs[k]] += 1.0;
        }
        CHECK_STATUS(mg_tape_reverse(m.tape, m.numbers, m.residuals, m.adjoints, NULL), MG_OK);
        CHECK_SAME(m.adjoints[0], 21.0);
        CHECK_SAME(m.adjoints[1], 15.0);
        check_clean(&m, m.adjoints);
    }
    machine_end(&m);
    DROP(b, a, x, w);
    heap_end();
}

static void an_interior_input_cuts_the_graph(void) {
    heap_begin();
    mg_node *x = leaf(2.0), *middle = unary(MG_OP_log, x), *top = unary(MG_OP_exp, middle);
    mg_recorded recorded = {
        .inputs = &middle, .input_count = 1, .outputs = &top, .output_count = 1};
    machine m;
    if (CHECK_STATUS(machine_begin(&m, &recorded), MG_OK)) {
        CHECK_COUNT(m.tape->program->input_count, 1);
        CHECK_COUNT(m.tape->step_count, 1);
    }
    machine_end(&m);
    DROP(top, middle, x);
    heap_end();
}

static mg_status close_nothing(mg_node *node, void *context) {
    (void)node, (void)context;
    return MG_OK;
}

static void nodes_with_rules_of_their_own_are_refused(void) {
    heap_begin();
    const double one = 1.0;
    mg_node *x = leaf(2.0), *given = user_node(MG_OP_local, 4.0, 1, &x, &one);
    mg_node *own = user_node(MG_OP_closure, 4.0, 1, &x, NULL), *closed = unary(MG_OP_neg, x);
    mg_node *foreign = foreign_node(4.0, 1, &x, &one);
    CHECK(set_closure(closed, close_nothing, NULL));
    mg_node *refused[] = {given, own, closed, foreign};
    for (int i = 0; i < 4; i++) {
        mg_node *top = unary(MG_OP_exp, refused[i]), *culprit = NULL;
        mg_recorded recorded = {.inputs = &x, .input_count = 1, .outputs = &top, .output_count = 1};
        mg_lowered lowered;
        CHECK_STATUS(mg_lower(&heap.arena, &recorded, NULL, &lowered, &culprit), MG_UNRECORDABLE);
        CHECK(culprit == refused[i]);
        drop(top);
    }
    DROP(foreign, closed, own, given, x);
    heap_end();
}

/* --- failures --- */

static void a_pole_stops_the_run(void) {
    heap_begin();
    mg_node *x = leaf(2.0), *a = with_constant(MG_OP_sub_vc, x, 2.0), *b = leaf(1.0);
    mg_node *top = binary(MG_OP_div, b, x), *logarithm = unary(MG_OP_log, x);
    mg_node *outputs[] = {top, logarithm, a}, *inputs[] = {x, b};
    mg_recorded recorded = {
        .inputs = inputs, .input_count = 2, .outputs = outputs, .output_count = 3};
    machine m;
    if (CHECK_STATUS(machine_begin(&m, &recorded), MG_OK)) {
        m.numbers[1] = 1.0;
        m.numbers[0] = 0.0;
        CHECK_STATUS(mg_tape_values(m.tape, m.numbers, NULL, &m.failure), MG_ZERO_DIVISION);
        CHECK_COUNT(m.tape->program->code[m.failure.op].op, MG_OP_div);
        CHECK_SAME(m.failure.b, 0.0);
        m.numbers[0] = -1.0;
        CHECK_STATUS(mg_tape_forward(m.tape, m.numbers, m.residuals, NULL, &m.failure), MG_DOMAIN);
        CHECK_COUNT(m.tape->program->code[m.failure.op].op, MG_OP_log);
        CHECK_SAME(m.failure.a, -1.0);
        m.numbers[0] = 2.0;
        CHECK_STATUS(mg_tape_forward(m.tape, m.numbers, m.residuals, NULL, &m.failure), MG_OK);
    }
    machine_end(&m);
    DROP(logarithm, top, b, a, x);
    heap_end();
}

/* Eager code would stop at the first op of the program that raises, whatever comes first in the
   tape: here all logarithms do, and the squares of them. */
static void the_first_op_that_raises_is_named(void) {
    heap_begin();
    mg_node *x = leaf(2.0), *y = leaf(3.0), *first = unary(MG_OP_log, y), *top = hold(first);
    for (int i = 0; i < 10; i++) {
        mg_node *quotient = binary(MG_OP_div, top, x), *logarithm = unary(MG_OP_log, x);
        top = then(top, binary(MG_OP_add, quotient, logarithm));
        DROP(logarithm, quotient);
    }
    mg_node *inputs[] = {x, y};
    mg_recorded recorded = {.inputs = inputs, .input_count = 2, .outputs = &top, .output_count = 1};
    machine m;
    if (CHECK_STATUS(machine_begin(&m, &recorded), MG_OK)) {
        CHECK(m.tape->run_count < m.tape->step_count); /* not in the order of the program */
        m.numbers[0] = 0.0;
        m.numbers[1] = 1.0;
        CHECK_STATUS(mg_tape_values(m.tape, m.numbers, NULL, &m.failure), MG_ZERO_DIVISION);
        CHECK_COUNT(m.failure.op, 1);
        m.numbers[1] = -1.0;
        CHECK_STATUS(mg_tape_forward(m.tape, m.numbers, m.residuals, NULL, &m.failure), MG_DOMAIN);
        CHECK_COUNT(m.failure.op, 0);
        CHECK_SAME(m.failure.a, -1.0);
    }
    machine_end(&m);
    DROP(top, first, y, x);
    heap_end();
}

static int stop(void) { return 1; }

static void a_long_run_asks_whether_to_stop(void) {
    heap_begin();
    mg_node *x = leaf(1.0), *top = hold(x);
    for (int i = 0; i < 400000; i++) {
        top = then(top, unary(MG_OP_neg, top));
    }
    mg_recorded recorded = {.inputs = &x, .input_count = 1, .outputs = &top, .output_count = 1};
    machine m;
    if (CHECK_STATUS(machine_begin(&m, &recorded), MG_OK)) {
        CHECK_COUNT(m.tape->slot_count, 2); /* the input, and the result of the moment */
        CHECK_STATUS(mg_tape_values(m.tape, m.numbers, stop, &m.failure), MG_INTERRUPTED);
        CHECK_STATUS(mg_tape_forward(m.tape, m.numbers, m.residuals, NULL, &m.failure), MG_OK);
        CHECK_STATUS(mg_tape_reverse(m.tape, m.numbers, m.residuals, m.adjoints, stop),
                     MG_INTERRUPTED);
        CHECK_STATUS(mg_tape_tangents(m.tape, m.numbers, m.residuals, m.tangents, stop),
                     MG_INTERRUPTED);
    }
    machine_end(&m);
    DROP(top, x);
    heap_end();
}

/* With an instance of a subclass among what is captured. */
static mg_status lower_and_run(void) {
    heap_begin();
    mg_node *x = leaf(2.0), *floor = leaf(0.0), *y = NULL, *top = NULL;
    mg_node *foreign = foreign_node(3.0, 0, NULL, NULL);
    mg_status status = MG_NO_MEMORY;
    if (x != NULL && floor != NULL && foreign != NULL &&
        (y = binary(MG_OP_mul, x, foreign)) != NULL &&
        (top = ternary(MG_OP_where, x, y, x)) != NULL) {
        mg_recorded recorded = {
            .inputs = &x, .input_count = 1, .outputs = &top, .output_count = 1, .floor = floor};
        machine m;
        status = machine_begin(&m, &recorded);
        if (status == MG_OK) {
            CHECK(m.captured[0] == foreign);
        }
        machine_end(&m);
        CHECK_COUNT(foreign->run, UINT32_MAX);
    }
    DROP(top, y, foreign, floor, x);
    heap_end();
    return status;
}

static void every_allocation_may_fail(void) { RUN_EACH_FAILURE(lower_and_run); }

/* --- forward over reverse --- */

/* The gradient at `at` moved along `direction` by `step`: into `gradient`. */
static void gradient_at(machine *m, uint32_t count, const double *at, const double *direction,
                        double step, double *gradient) {
    for (uint32_t i = 0; i < count; i++) {
        m->numbers[i] = at[i] + step * direction[i];
    }
    CHECK_STATUS(mg_tape_forward(m->tape, m->numbers, m->residuals, NULL, &m->failure), MG_OK);
    memset(m->adjoints, 0, m->tape->place_count * sizeof(double));
    m->adjoints[m->tape->outputs[0]] = 1.0;
    CHECK_STATUS(mg_tape_reverse(m->tape, m->numbers, m->residuals, m->adjoints, NULL), MG_OK);
    memcpy(gradient, m->adjoints, count * sizeof(double));
}

/* One op of two inputs: its Hessian along a direction, against differences of its gradient. */
static void check_second(const mg_recorded *recorded, const double *at) {
    const double direction[2] = {0.7, -0.4}, h = 1e-5;
    const uint32_t count = recorded->input_count;
    double above[2], below[2];
    machine m;
    if (!CHECK_STATUS(machine_begin(&m, recorded), MG_OK)) {
        return;
    }
    gradient_at(&m, count, at, direction, h, above);
    gradient_at(&m, count, at, direction, -h, below);
    for (uint32_t i = 0; i < count; i++) {
        m.numbers[i] = at[i];
        m.tangents[i] = direction[i];
    }
    CHECK_STATUS(mg_tape_forward(m.tape, m.numbers, m.residuals, NULL, &m.failure), MG_OK);
    CHECK_STATUS(mg_tape_tangents(m.tape, m.numbers, m.residuals, m.tangents, NULL), MG_OK);
    memset(m.adjoints, 0, m.tape->place_count * sizeof(double));
    m.adjoints[m.tape->outputs[0]] = 1.0;
    CHECK_STATUS(mg_tape_reverse_tangents(m.tape, m.numbers, m.tangents, m.adjoints,
                                          m.adjoint_tangents, NULL),
                 MG_OK);
    check_clean(&m, m.adjoints);
    check_clean(&m, m.adjoint_tangents);
    for (uint32_t i = 0; i < count; i++) {
        CHECK_NEAR(m.adjoint_tangents[i], (above[i] - below[i]) / (2 * h), 1e-6);
    }
    machine_end(&m);
}

static void check_row(mg_op op, const char *name) {
    heap_begin();
    harness_case(name);
    /* Where every row is smooth. */
    const double at[2] = {op == MG_OP_acosh ? 1.6 : 0.6, 0.45};
    mg_node *x = leaf(at[0]), *y = leaf(at[1]), *inputs[] = {x, y}, *top;
    mg_shape shape = mg_op_shapes[op];
    if (shape == MG_SHAPE_V) {
        top = unary(op, x);
    } else if (shape == MG_SHAPE_VV) {
        top = binary(op, x, y);
    } else {
        top = with_constant(op, x, 1.7);
    }
    mg_recorded recorded = {.inputs = inputs, .input_count = 2, .outputs = &top, .output_count = 1};
    check_second(&recorded, at);
    DROP(top, y, x);
    harness_case(NULL);
    heap_end();
}

static void second_partials_are_those_of_the_first(void) {
#define UNARY(name, ...) check_row(MG_OP_##name, #name);
#define PARAMETRIC(name, ...) check_row(MG_OP_##name, #name);
#define BINARY(name, ...)                                 \
    check_row(MG_OP_##name, #name);                       \
    check_row(MG_OP_##name##_vc, #name " of a constant"); \
    check_row(MG_OP_##name##_cv, #name " of a constant first");
#include "ops.def"
}

int main(void) {
    rows_alone = 1;
    nary_warm_up();
    RUN(random_graphs_replay_to_the_last_bit);
    RUN(a_large_graph_replays);
    RUN(nodes_older_than_the_floor_are_captured);
    RUN(without_a_floor_leaves_are_captured);
    RUN(an_interior_input_cuts_the_graph);
    RUN(nodes_with_rules_of_their_own_are_refused);
    RUN(a_pole_stops_the_run);
    RUN(the_first_op_that_raises_is_named);
    RUN(a_long_run_asks_whether_to_stop);
    RUN(every_allocation_may_fail);
    RUN(second_partials_are_those_of_the_first);
    return harness_summary("test_replay");
}
