/* The nodes of the n-ary rows: blocks of operands and plain numbers, what flows through them, and
   what a failed allocation leaves. The mathematics of the rows is tested in test_ops.c. */
#include "nary.h"

#include <math.h>

#include "memory.h"
#include "support.h"

#define SIZE 7

/* One set of numbers that suits every row, and the leaves that have them. */
static const double numbers[SIZE] = {0.75, -1.25, 2.0, 0.5, -0.5, 1.5, 3.0};

static void make_leaves(mg_node *leaves[SIZE]) {
    for (int i = 0; i < SIZE; i++) {
        leaves[i] = leaf(numbers[i]);
    }
}

/* The largest size up to SIZE that suits the row. */
static uint32_t size_for(mg_op op) { return mg_nary_fits(op, SIZE, 1.0) ? SIZE : SIZE - 1; }

/* A node of the row over the leaves whose bit is in `mask`; the others are plain numbers. */
static mg_node *masked(mg_op op, mg_node *const *leaves, unsigned mask) {
    mg_node *operands[SIZE];
    for (uint32_t i = 0; i < SIZE; i++) {
        operands[i] = mask >> i & 1 ? leaves[i] : NULL;
    }
    return nary_mixed(op, size_for(op), operands, numbers, 1.0);
}

static mg_op next_row(mg_op op) {
    do {
        op++;
    } while (op < MG_OP_COUNT && mg_op_table[op].arity != MG_ANY_ARITY);
    return op;
}

#define EACH_ROW(op) (mg_op op = next_row(MG_OP_local); op < MG_OP_COUNT; op = next_row(op))

/* All partials of a row at the numbers, straight from its function. */
static void partials_of(mg_op op, double *d) {
    uint32_t size = size_for(op);
    double r = mg_nary_table[op].forward(numbers, size, 1.0);
    for (uint32_t i = 0; i < size; i++) {
        d[i] = numbers[i];
    }
    mg_nary_table[op].partials(d, size, 1.0, r);
}

/* --- the rows --- */

static void every_row_says_how_many_numbers_it_takes(void) {
    static const struct {
        mg_op op;
        size_t n;
        double c;
        int fits;
    } cases[] = {
        {MG_OP_sum, 0, 0.0, 1},           {MG_OP_mean, 0, 0.0, 0},
        {MG_OP_mse_loss, 0, 0.0, 0},      {MG_OP_mse_loss, 3, 0.0, 0},
        {MG_OP_mse_loss, 4, 0.0, 1},      {MG_OP_dot, 1, 0.0, 0},
        {MG_OP_dot, 2, 0.0, 1},           {MG_OP_dot, 3, 0.0, 1},
        {MG_OP_cross_entropy, 0, 0.0, 0}, {MG_OP_cross_entropy, 3, 2.0, 1},
        {MG_OP_cross_entropy, 3, 3.0, 0}, {MG_OP_cross_entropy, 3, -1.0, 0},
        {MG_OP_cross_entropy, 3, 0.5, 0}, {MG_OP_cross_entropy, 3, NAN, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        harness_case(mg_op_table[cases[i].op].name);
        CHECK_COUNT((uint64_t)mg_nary_fits(cases[i].op, cases[i].n, cases[i].c),
                    (uint64_t)cases[i].fits);
    }
}

/* --- operands and plain numbers --- */

static void plain_numbers_keep_their_places(void) {
    heap_begin();
    mg_node *leaves[SIZE];
    make_leaves(leaves);
    for (unsigned mask = 1; mask < 1u << SIZE; mask++) {
        mg_node *node = masked(MG_OP_sum, leaves, mask);
        const double *x = mg_nary_numbers(mg_node_block(node));
        for (int i = 0; i < SIZE; i++) {
            CHECK_SAME(x[i], numbers[i]);
        }
        drop(node);
    }
    drop_nodes(leaves, SIZE);
    heap_end();
}

/* Whatever part of the numbers is an operand, and wherever the operand fields are, it gets what the
   row says: by a step by hand, by the marked sweep, and among the partials. */
static void each_operand_gets_its_partial(void) {
    heap_begin();
    mg_node *leaves[SIZE];
    double expected[SIZE], d[SIZE];
    make_leaves(leaves);
    for
        EACH_ROW(op) {
            harness_case(mg_op_table[op].name);
            partials_of(op, expected);
            for (unsigned mask = 1; mask < 1u << size_for(op); mask++) {
                mg_node *node = masked(op, leaves, mask);
                for (int tracked = 0; tracked < 2; tracked++) {
                    uint32_t operand = 0;
                    for (int i = 0; i < SIZE; i++) {
                        leaves[i]->grad = 0.0;
                    }
                    node->grad = 2.0;
                    mg_graph_step(node);
                    CHECK_STATUS(mg_graph_backward(&heap, node), MG_OK);
                    mg_graph_partials(node, d);
                    for (uint32_t i = 0; i < size_for(op); i++) {
                        int is_operand = mask >> i & 1;
                        CHECK_SAME(leaves[i]->grad,
                                   is_operand ? expected[i] * 2.0 + expected[i] : 0.0);
                        if (is_operand) {
                            CHECK_SAME(d[operand++], expected[i]);
                        }
                    }
                    CHECK(tracked || track(node));
                }
                drop(node);
            }
        }
    drop_nodes(leaves, SIZE);
    heap_end();
}

static void plain_numbers_become_leaves_in_their_places(void) {
    heap_begin();
    mg_node *leaves[SIZE];
    make_leaves(leaves);
    for (unsigned mask = 1; mask < (1u << SIZE) - 1; mask++) {
        mg_node *node = masked(MG_OP_logsumexp, leaves, mask), *made[SIZE];
        mg_block *block = mg_node_block(node);
        uint32_t count = 0;
        for (int i = 0; i < SIZE; i++) {
            if (!(mask >> i & 1)) {
                made[count++] = leaf(numbers[i]);
            }
        }
        mg_nary_materialize(block, made);
        CHECK_COUNT(block->count, SIZE);
        count = 0;
        for (int i = 0; i < SIZE; i++) {
            CHECK(block->operands[i] == (mask >> i & 1 ? leaves[i] : made[count]));
            count += !(mask >> i & 1);
        }
        CHECK_STATUS(mg_graph_backward(&heap, node), MG_OK);
        double total = 0.0;
        for (int i = 0; i < SIZE; i++) {
            total += block->operands[i]->grad;
            block->operands[i]->grad = 0.0;
        }
        CHECK_NEAR(total, 1.0, 1e-15);
        drop(node); /* and with it the leaves made */
    }
    drop_nodes(leaves, SIZE);
    heap_end();
}

static void data_are_read_when_they_are_needed(void) {
    heap_begin();
    mg_node *w = leaf(2.0), *x = leaf(3.0), *operands[] = {w, NULL, x, NULL};
    const double plain[] = {NAN, 5.0, NAN, 7.0};
    mg_node *node = nary_mixed(MG_OP_dot, 4, operands, plain, 0.0);
    CHECK_SAME(node->data, 2.0 * 3.0 + 5.0 * 7.0);
    x->data = -4.0;
    CHECK_SAME(mg_nary_numbers(mg_node_block(node))[2], -4.0);
    CHECK_STATUS(mg_graph_backward(&heap, node), MG_OK);
    CHECK_SAME(w->grad, -4.0);
    CHECK_SAME(x->grad, 2.0);
    DROP(node, x, w);
    heap_end();
}

/* --- in graphs --- */

static void one_node_may_be_every_operand(void) {
    heap_begin();
    enum { TIMES = 1000 };
    mg_node *x = leaf(0.5), *square = binary(MG_OP_mul, x, x), *operands[TIMES];
    for (int i = 0; i < TIMES; i++) {
        operands[i] = square;
    }
    mg_node *sum = nary(MG_OP_sum, TIMES, operands, 0.0);
    mg_node *dot = nary(MG_OP_dot, TIMES, operands, 0.0), *both[] = {sum, dot, sum};
    mg_node *root = nary(MG_OP_sum, 3, both, 0.0);
    CHECK_COUNT((uint64_t)square->refcount, 2 * TIMES + 1);
    CHECK_STATUS(mg_graph_backward(&heap, root), MG_OK);
    CHECK_SAME(sum->grad, 2.0);
    CHECK_SAME(square->grad, 2.0 * TIMES + TIMES * 0.25);
    CHECK_SAME(x->grad, square->grad);
    DROP(root, dot, sum, square, x);
    heap_end();
}

/* A node is counted once however often it is met: were it not, the sweep would end too soon, or
   walk on to the end of the log. */
static void layers_of_nary_nodes_agree_with_the_depth_first_order(void) {
    heap_begin();
    enum { LAYERS = 40, WIDTH = 9 };
    mg_node *nodes[LAYERS][WIDTH], *aside = leaf(1.0);
    double swept[LAYERS][WIDTH];
    for (int l = 0; l < LAYERS; l++) {
        for (int j = 0; j < WIDTH; j++) {
            mg_node *operands[WIDTH];
            double plain[WIDTH];
            for (int i = 0; l > 0 && i < WIDTH; i++) {
                int is_plain = i != 0 && random_below(5) == 0;
                operands[i] =
                    is_plain ? NULL : nodes[random_below((uint64_t)l)][random_below(WIDTH)];
                plain[i] = random_between(-1.0, 1.0);
            }
            nodes[l][j] = l == 0 ? leaf(random_between(-1.0, 1.0))
                                 : nary_mixed(j % 2 ? MG_OP_mean : MG_OP_logsumexp, WIDTH, operands,
                                              plain, 0.0);
        }
    }
    mg_node *root = nary(MG_OP_norm, WIDTH, nodes[LAYERS - 1], 0.0);
    CHECK_STATUS(mg_graph_backward(&heap, root), MG_OK);
    for (int l = 0; l < LAYERS; l++) {
        for (int j = 0; j < WIDTH; j++) {
            swept[l][j] = nodes[l][j]->grad;
            nodes[l][j]->grad = 0.0;
        }
    }
    CHECK_STATUS(mg_graph_backward_depth_first(&heap, root), MG_OK);
    for (int l = 0; l < LAYERS; l++) {
        for (int j = 0; j < WIDTH; j++) {
            CHECK_NEAR(swept[l][j], nodes[l][j]->grad, 1e-14);
        }
    }
    CHECK_SAME(aside->grad, 0.0);
    drop(root);
    drop_nodes(nodes[0], LAYERS * WIDTH);
    drop(aside);
    heap_end();
}

static void a_very_wide_node(void) {
    heap_begin();
    const uint32_t count = 300000;
    mg_node **operands = mg_memory_alloc(count, sizeof(mg_node *));
    for (uint32_t i = 0; i < count; i++) {
        operands[i] = leaf(1.0);
    }
    mg_node *node = nary(MG_OP_mean, count, operands, 0.0);
    CHECK_SAME(node->data, 1.0);
    CHECK_STATUS(mg_graph_backward(&heap, node), MG_OK);
    CHECK_SAME(operands[0]->grad, 1.0 / count);
    CHECK_SAME(operands[count - 1]->grad, 1.0 / count);
    drop_nodes(operands, count);
    mg_memory_free(operands);
    drop(node);
    heap_end();
}

/* --- memory --- */

static mg_status building_and_differentiating(void) {
    mg_status status = MG_NO_MEMORY;
    heap_begin();
    mg_node *x = leaf(0.5), *node = NULL;
    if (x != NULL) {
        mg_node *operands[] = {x, NULL, x, NULL};
        const double plain[] = {NAN, 2.0, NAN, 4.0};
        node = nary_mixed(MG_OP_dot, 4, operands, plain, 0.0);
        CHECK_COUNT((uint64_t)x->refcount, node != NULL ? 3 : 1);
        if (node != NULL) {
            mg_node *above = nary(MG_OP_sum, 1, &node, 0.0);
            CHECK_COUNT((uint64_t)node->refcount, above != NULL ? 2 : 1);
            status = above != NULL ? mg_graph_backward(&heap, above) : MG_NO_MEMORY;
            CHECK_SAME(x->grad, status == MG_OK ? 1.0 : 0.0);
            DROP(above);
        }
    }
    DROP(node, x);
    heap_end();
    return status;
}

/* The room that steps use grows with the largest node, and its failure is that of the node: what is
   there already can still be differentiated. This must run before anything as large is made. */
static void backward_allocates_nothing(void) {
    enum { LARGER = 1 << 21 };
    heap_begin();
    mg_node *x = leaf(3.0), *y = leaf(4.0), *operands[] = {x, y};
    mg_node *node = nary(MG_OP_norm, 2, operands, 0.0);
    mg_memory_fail_nth(1);
    CHECK(mg_nary_new(LARGER, 0.0) == NULL);
    mg_memory_fail_nth(1);
    CHECK_STATUS(mg_graph_backward(&heap, node), MG_OK);
    mg_memory_fail_nth(0);
    CHECK_SAME(x->grad, 0.6);
    CHECK_SAME(y->grad, 0.8);
    DROP(node, y, x);
    heap_end();
}

static void a_block_that_cannot_be_mixed_stays_as_it_is(void) {
    heap_begin();
    mg_node *x = leaf(1.0);
    mg_block *block = mg_nary_new(2, 0.0);
    block->operands[block->count++] = x;
    mg_memory_fail_nth(1);
    CHECK(mg_nary_mix(block) == NULL);
    mg_memory_fail_nth(0);
    CHECK_COUNT(block->count, 1);
    CHECK(block->operands[0] == x);
    block = mg_nary_mix(block);
    CHECK_COUNT(mg_nary_places(block)[0], 0);
    CHECK(block->operands[0] == x);
    mg_memory_free(block);
    drop(x);
    heap_end();
}

int main(void) {
    nary_warm_up();
    RUN(every_row_says_how_many_numbers_it_takes);
    RUN(plain_numbers_keep_their_places);
    RUN(each_operand_gets_its_partial);
    RUN(plain_numbers_become_leaves_in_their_places);
    RUN(data_are_read_when_they_are_needed);
    RUN(one_node_may_be_every_operand);
    RUN(layers_of_nary_nodes_agree_with_the_depth_first_order);
    RUN(a_very_wide_node);
    RUN_EACH_FAILURE(building_and_differentiating);
    RUN(backward_allocates_nothing);
    RUN(a_block_that_cannot_be_mixed_stays_as_it_is);
    return harness_summary("nary");
}
