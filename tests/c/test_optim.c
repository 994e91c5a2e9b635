/* The loops over many nodes: numbers in and out, norms, duplicates, and the update rules. */
#include "optim.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "support.h"

#define COUNT 7

static mg_node *nodes[COUNT];

/* Leaves with these data and grads. */
static void begin(const double *data, const double *grads) {
    heap_begin();
    for (size_t i = 0; i < COUNT; i++) {
        nodes[i] = leaf(data[i]);
        nodes[i]->grad = grads[i];
    }
}

static void end(void) {
    drop_nodes(nodes, COUNT);
    heap_end();
}

static const double some_data[COUNT] = {1.0, -2.0, 0.5, 0.0, 3.0, -0.25, 8.0};
static const double some_grads[COUNT] = {0.5, 1.0, -2.0, 4.0, 0.0, -0.125, 1e-3};

/* --- numbers in and out --- */

static void numbers_go_in_and_out_in_order(void) {
    double found[COUNT + 2];
    begin(some_data, some_grads);
    found[COUNT] = found[COUNT + 1] = 77.0;
    mg_nodes_read_data(nodes, COUNT, found);
    for (size_t i = 0; i < COUNT; i++) {
        CHECK_SAME(found[i], some_data[i]);
    }
    mg_nodes_read_grads(nodes, COUNT, found);
    for (size_t i = 0; i < COUNT; i++) {
        CHECK_SAME(found[i], some_grads[i]);
    }
    CHECK_SAME(found[COUNT], 77.0);
    mg_nodes_write_data(nodes, COUNT - 1, some_grads);
    for (size_t i = 0; i < COUNT; i++) {
        CHECK_SAME(nodes[i]->data, i < COUNT - 1 ? some_grads[i] : some_data[i]);
        CHECK_SAME(nodes[i]->grad, some_grads[i]);
    }
    end();
}

static void none_at_all_is_fine(void) {
    size_t first = 9, second = 9;
    mg_sgd sgd = {.lr = 0.1, .momentum = 0.9};
    mg_adam adam = {.lr = 0.1, .beta1 = 0.9, .beta2 = 0.999};
    mg_nodes_read_data(NULL, 0, NULL);
    mg_nodes_read_grads(NULL, 0, NULL);
    mg_nodes_write_data(NULL, 0, NULL);
    mg_nodes_zero_grads(NULL, 0);
    mg_nodes_scale_grads(NULL, 0, 2.0);
    mg_sgd_step(&sgd, NULL, 0, NULL);
    mg_adam_step(&adam, 1.0, NULL, 0, NULL, NULL);
    CHECK_SAME(mg_nodes_grad_norm(NULL, 0, 2.0), 0.0);
    CHECK_COUNT(mg_nodes_find_not_finite(NULL, 0), 0);
    CHECK_STATUS(mg_nodes_find_duplicate(NULL, 0, &first, &second), MG_OK);
    CHECK_COUNT(second, 0);
}

static void grads_are_zeroed_and_scaled(void) {
    begin(some_data, some_grads);
    mg_nodes_scale_grads(nodes, COUNT, -0.5);
    for (size_t i = 0; i < COUNT; i++) {
        CHECK_SAME(nodes[i]->grad, some_grads[i] * -0.5);
    }
    nodes[2]->grad = NAN;
    mg_nodes_zero_grads(nodes, COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        CHECK_SAME(nodes[i]->grad, 0.0);
        CHECK_SAME(nodes[i]->data, some_data[i]);
    }
    end();
}

/* --- norms --- */

static double norm_of(double a, double b, double c, double order) {
    nodes[0]->grad = a;
    nodes[1]->grad = b;
    nodes[2]->grad = c;
    return mg_nodes_grad_norm(nodes, 3, order);
}

static void norms_are_those_of_a_vector(void) {
    static const double scales[] = {1.0,   1e-139, 1e-141, 1e-200, 1e-305,
                                    1e139, 1e141,  1e200,  1e305};
    begin(some_data, some_grads);
    for (size_t i = 0; i < sizeof scales / sizeof *scales; i++) {
        double s = scales[i];
        CHECK_NEAR(norm_of(3.0 * s, -4.0 * s, 12.0 * s, 2.0) / s, 13.0, 1e-14);
        CHECK_NEAR(norm_of(3.0 * s, -4.0 * s, 12.0 * s, 1.0) / s, 19.0, 1e-14);
        CHECK_NEAR(norm_of(3.0 * s, -4.0 * s, 12.0 * s, 3.0) / s, cbrt(1819.0), 1e-14);
        CHECK_SAME(norm_of(3.0 * s, -4.0 * s, 12.0 * s, INFINITY), 12.0 * s);
    }
    CHECK_SAME(norm_of(0.0, -0.0, 0.0, 2.0), 0.0);
    CHECK_SAME(norm_of(0.0, 0.0, -5e-324, 2.0), 5e-324);
    CHECK_SAME(norm_of(DBL_MAX, DBL_MAX, 0.0, 2.0), INFINITY);
    end();
}

static void a_norm_that_is_not_finite_says_how(void) {
    static const double orders[] = {0.5, 1.0, 2.0, 3.0, INFINITY};
    begin(some_data, some_grads);
    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
        CHECK_SAME(norm_of(1.0, -INFINITY, 2.0, orders[i]), INFINITY);
        CHECK_SAME(norm_of(INFINITY, NAN, 2.0, orders[i]), NAN);
        CHECK_SAME(norm_of(NAN, 1.0, INFINITY, orders[i]), NAN);
    }
    end();
}

static void the_first_gradient_that_is_not_finite_is_found(void) {
    begin(some_data, some_grads);
    CHECK_COUNT(mg_nodes_find_not_finite(nodes, COUNT), COUNT);
    nodes[5]->grad = NAN;
    CHECK_COUNT(mg_nodes_find_not_finite(nodes, COUNT), 5);
    nodes[3]->grad = -INFINITY;
    CHECK_COUNT(mg_nodes_find_not_finite(nodes, COUNT), 3);
    CHECK_COUNT(mg_nodes_find_not_finite(nodes, 3), 3);
    end();
}

/* --- duplicates --- */

#define MANY 3000

static void a_duplicate_is_found_wherever_it_is(void) {
    static mg_node *many[MANY];
    heap_begin();
    for (size_t i = 0; i < MANY; i++) {
        many[i] = leaf(1.0);
    }
    size_t first, second;
    /* Every size up to where the table has grown a few times. */
    for (size_t count = 1; count <= 70; count++) {
        CHECK_STATUS(mg_nodes_find_duplicate(many, count, &first, &second), MG_OK);
        CHECK_COUNT(second, count);
        for (size_t i = 0; i + 1 < count; i++) {
            mg_node *kept = many[count - 1];
            many[count - 1] = many[i];
            CHECK_STATUS(mg_nodes_find_duplicate(many, count, &first, &second), MG_OK);
            CHECK_COUNT(first, i);
            CHECK_COUNT(second, count - 1);
            many[count - 1] = kept;
        }
    }
    CHECK_STATUS(mg_nodes_find_duplicate(many, MANY, &first, &second), MG_OK);
    CHECK_COUNT(second, MANY);
    /* The first to repeat is reported, with what it repeats. */
    mg_node *kept[2] = {many[1000], many[2000]};
    many[2000] = many[1000] = many[10];
    CHECK_STATUS(mg_nodes_find_duplicate(many, MANY, &first, &second), MG_OK);
    CHECK_COUNT(first, 10);
    CHECK_COUNT(second, 1000);
    many[1000] = kept[0];
    many[2000] = kept[1];
    drop_nodes(many, MANY);
    heap_end();
}

/* Never looked into: only their addresses matter, and making nodes would allocate too. */
static mg_node *spare[COUNT];

static mg_status look_for_duplicates(void) {
    size_t first, second;
    return mg_nodes_find_duplicate(spare, COUNT, &first, &second);
}

/* --- the rules, each against its formula written out for one number --- */

static void sgd_case(const mg_sgd *rule) {
    double velocity[COUNT] = {0.0}, data[COUNT], speed[COUNT] = {0.0};
    begin(some_data, some_grads);
    memcpy(data, some_data, sizeof data);
    for (int step = 0; step < 20; step++) {
        mg_sgd_step(rule, nodes, COUNT, velocity);
        for (size_t i = 0; i < COUNT; i++) {
            double g = some_grads[i] + rule->weight_decay * data[i];
            speed[i] = rule->momentum * speed[i] + g;
            data[i] -= rule->lr * (rule->nesterov ? g + rule->momentum * speed[i] : speed[i]);
            CHECK_NEAR(nodes[i]->data, data[i], 1e-15);
            CHECK_SAME(nodes[i]->grad, some_grads[i]);
            CHECK_NEAR(velocity[i], rule->momentum != 0.0 ? speed[i] : 0.0, 1e-15);
        }
    }
    end();
}

static void sgd_follows_its_formula(void) {
    static const mg_sgd rules[] = {
        {.lr = 0.1},
        {.lr = 0.0, .momentum = 0.9},
        {.lr = 0.1, .weight_decay = 0.5},
        {.lr = 0.1, .momentum = 0.9},
        {.lr = 0.1, .momentum = 0.9, .weight_decay = 0.5},
        {.lr = 0.1, .momentum = 0.9, .nesterov = 1},
        {.lr = 0.1, .momentum = 0.5, .weight_decay = 0.25, .nesterov = 1},
    };
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        sgd_case(&rules[i]);
    }
}

static void sgd_without_momentum_needs_no_memory(void) {
    mg_sgd rule = {.lr = 0.5};
    begin(some_data, some_grads);
    mg_sgd_step(&rule, nodes, COUNT, NULL);
    CHECK_SAME(nodes[0]->data, 0.75);
    end();
}

static void adam_case(const mg_adam *rule) {
    double m[COUNT] = {0.0}, v[COUNT] = {0.0};
    double data[COUNT], mean[COUNT] = {0.0}, square[COUNT] = {0.0};
    begin(some_data, some_grads);
    memcpy(data, some_data, sizeof data);
    for (int step = 1; step <= 20; step++) {
        mg_adam_step(rule, step, nodes, COUNT, m, v);
        for (size_t i = 0; i < COUNT; i++) {
            double decay = rule->weight_decay * data[i];
            double g = some_grads[i] + (rule->decoupled ? 0.0 : decay);
            mean[i] = rule->beta1 * mean[i] + (1.0 - rule->beta1) * g;
            square[i] = rule->beta2 * square[i] + (1.0 - rule->beta2) * g * g;
            double corrected = mean[i] / (1.0 - pow(rule->beta1, step));
            double root = sqrt(square[i] / (1.0 - pow(rule->beta2, step)));
            data[i] -= rule->decoupled ? rule->lr * decay : 0.0;
            data[i] -= rule->lr * corrected / (root + rule->eps);
            CHECK_NEAR(nodes[i]->data, data[i], 1e-14);
            CHECK_NEAR(m[i], mean[i], 1e-15);
            CHECK_NEAR(v[i], square[i], 1e-15);
        }
    }
    end();
}

static void adam_follows_its_formula(void) {
    static const mg_adam rules[] = {
        {.lr = 0.1, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8},
        {.lr = 0.1, .beta1 = 0.9, .beta2 = 0.999, .eps = 0.1},
        {.lr = 0.1, .beta1 = 0.0, .beta2 = 0.5, .eps = 1e-8},
        {.lr = 0.1, .beta1 = 0.5, .beta2 = 0.0, .eps = 1e-8},
        {.lr = 0.1, .beta1 = 0.9, .beta2 = 0.99, .eps = 1e-8, .weight_decay = 0.5},
        {.lr = 0.1, .beta1 = 0.9, .beta2 = 0.99, .eps = 1e-8, .weight_decay = 0.5, .decoupled = 1},
        {.lr = 0.1, .beta1 = 0.9, .beta2 = 0.99, .eps = 1e-8, .decoupled = 1},
    };
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        adam_case(&rules[i]);
    }
}

/* Infinite and nan numbers go where IEEE arithmetic takes them, and touch no other node. */
static void what_is_not_finite_stays_with_its_node(void) {
    static const double data[COUNT] = {1.0, 1.0, 1.0, INFINITY, NAN, 1.0, 1.0};
    static const double grads[COUNT] = {INFINITY, -INFINITY, NAN, 1.0, 1.0, 1e200, 1.0};
    mg_sgd sgd = {.lr = 0.5};
    begin(data, grads);
    mg_sgd_step(&sgd, nodes, COUNT, NULL);
    CHECK_SAME(nodes[0]->data, -INFINITY);
    CHECK_SAME(nodes[1]->data, INFINITY);
    CHECK_SAME(nodes[2]->data, NAN);
    CHECK_SAME(nodes[3]->data, INFINITY);
    CHECK_SAME(nodes[4]->data, NAN);
    CHECK_SAME(nodes[5]->data, 1.0 - 0.5e200);
    CHECK_SAME(nodes[6]->data, 0.5);
    end();
    double m[COUNT] = {0.0}, v[COUNT] = {0.0};
    mg_adam adam = {.lr = 0.5, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8};
    begin(data, grads);
    mg_adam_step(&adam, 1.0, nodes, COUNT, m, v);
    for (size_t i = 0; i < 3; i++) {
        CHECK_SAME(nodes[i]->data, NAN); /* infinity over infinity, or nan */
    }
    CHECK_SAME(nodes[3]->data, INFINITY);
    CHECK_SAME(nodes[4]->data, NAN);
    CHECK_SAME(nodes[5]->data, 1.0); /* the square overflows: no step */
    CHECK_NEAR(nodes[6]->data, 0.5, 1e-7);
    end();
}

/* 0 / 0, where eps does not help. */
static void adam_without_eps_and_gradient_is_nan(void) {
    static const double zeros[COUNT] = {0.0};
    double m[COUNT] = {0.0}, v[COUNT] = {0.0};
    mg_adam rule = {.lr = 0.5, .beta1 = 0.9, .beta2 = 0.999};
    begin(some_data, zeros);
    mg_adam_step(&rule, 1.0, nodes, COUNT, m, v);
    CHECK_SAME(nodes[0]->data, NAN);
    end();
}

/* A number of steps that no int could hold: the corrections are 1. */
static void adam_after_a_very_long_time(void) {
    double m[COUNT] = {0.0}, v[COUNT] = {0.0};
    mg_adam rule = {.lr = 0.5, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8};
    begin(some_data, some_grads);
    mg_adam_step(&rule, 1e18, nodes, COUNT, m, v);
    double g = some_grads[1];
    double expected = some_data[1] - 0.5 * (0.1 * g) / (sqrt(0.001 * g * g) + 1e-8);
    CHECK_NEAR(nodes[1]->data, expected, 1e-12);
    end();
}

int main(void) {
    for (size_t i = 0; i < COUNT; i++) {
        spare[i] = (mg_node *)(uintptr_t)((i + 1) * sizeof(mg_node));
    }
    RUN(numbers_go_in_and_out_in_order);
    RUN(none_at_all_is_fine);
    RUN(grads_are_zeroed_and_scaled);
    RUN(norms_are_those_of_a_vector);
    RUN(a_norm_that_is_not_finite_says_how);
    RUN(the_first_gradient_that_is_not_finite_is_found);
    RUN(a_duplicate_is_found_wherever_it_is);
    RUN_EACH_FAILURE(look_for_duplicates);
    RUN(sgd_follows_its_formula);
    RUN(sgd_without_momentum_needs_no_memory);
    RUN(adam_follows_its_formula);
    RUN(what_is_not_finite_stays_with_its_node);
    RUN(adam_without_eps_and_gradient_is_nan);
    RUN(adam_after_a_very_long_time);
    return harness_summary("optim");
}
