/* The loops. Each is one pass over the nodes in the order given; what is the same for every node is
   worked out before it. */
#include "optim.h"

#include <math.h>

#include "memory.h"

void mg_nodes_read_data(mg_node *const *nodes, size_t count, double *out) {
    for (size_t i = 0; i < count; i++) {
        out[i] = nodes[i]->data;
    }
}

void mg_nodes_read_grads(mg_node *const *nodes, size_t count, double *out) {
    for (size_t i = 0; i < count; i++) {
        out[i] = nodes[i]->grad;
    }
}

void mg_nodes_write_data(mg_node *const *nodes, size_t count, const double *data) {
    for (size_t i = 0; i < count; i++) {
        nodes[i]->data = data[i];
    }
}

void mg_nodes_zero_grads(mg_node *const *nodes, size_t count) {
    for (size_t i = 0; i < count; i++) {
        nodes[i]->grad = 0.0;
    }
}

void mg_nodes_scale_grads(mg_node *const *nodes, size_t count, double factor) {
    for (size_t i = 0; i < count; i++) {
        nodes[i]->grad *= factor;
    }
}

/* The largest magnitude of a gradient; nan if there is a nan. */
static double largest_grad(mg_node *const *nodes, size_t count) {
    double largest = 0.0;
    for (size_t i = 0; i < count; i++) {
        double magnitude = fabs(nodes[i]->grad);
        if (isnan(magnitude)) {
            return magnitude;
        }
        if (magnitude > largest) {
            largest = magnitude;
        }
    }
    return largest;
}

/* Between these the square of a gradient, and the sum of 2^64 of them, neither overflow nor lose
   what matters to underflow. */
#define SQUARES_FROM 1e-140
#define SQUARES_TO 1e140

double mg_nodes_grad_norm(mg_node *const *nodes, size_t count, double order) {
    double largest = largest_grad(nodes, count);
    if (largest == 0.0 || !isfinite(largest) || isinf(order)) {
        return largest;
    }
    double sum = 0.0;
    if (order == 2.0 && largest > SQUARES_FROM && largest < SQUARES_TO) {
        for (size_t i = 0; i < count; i++) {
            sum += nodes[i]->grad * nodes[i]->grad;
        }
        return sqrt(sum);
    }
    for (size_t i = 0; i < count; i++) {
        sum += pow(fabs(nodes[i]->grad) / largest, order);
    }
    return largest * pow(sum, 1.0 / order);
}

size_t mg_nodes_find_not_finite(mg_node *const *nodes, size_t count) {
    size_t i = 0;
    while (i < count && isfinite(nodes[i]->grad)) {
        i++;
    }
    return i;
}

mg_status mg_nodes_find_duplicate(mg_node *const *nodes, size_t count, size_t *first,
                                  size_t *second) {
    /* A hash table of positions plus one, 0 where free, at most half full. */
    size_t capacity = 2;
    while (capacity / 2 < count) {
        capacity *= 2;
    }
    size_t *table = mg_memory_alloc(capacity, sizeof(size_t));
    if (table == NULL) {
        return MG_NO_MEMORY;
    }
    for (size_t i = 0; i < capacity; i++) {
        table[i] = 0;
    }
    *first = *second = count;
    for (size_t i = 0; i < count && *second == count; i++) {
        /* The product spreads addresses that differ by multiples of the size of a node; its upper
           bits depend on all of them. */
        size_t slot = (size_t)(((uint64_t)(uintptr_t)nodes[i] * 0x9E3779B97F4A7C15u) >> 20);
        for (slot &= capacity - 1; table[slot] != 0; slot = (slot + 1) & (capacity - 1)) {
            if (nodes[table[slot] - 1] == nodes[i]) {
                *first = table[slot] - 1;
                *second = i;
                break;
            }
        }
        if (table[slot] == 0) {
            table[slot] = i + 1;
        }
    }
    mg_memory_free(table);
    return MG_OK;
}

void mg_sgd_step(const mg_sgd *rule, mg_node *const *nodes, size_t count, double *velocity) {
    const double lr = rule->lr, momentum = rule->momentum, weight_decay = rule->weight_decay;
    for (size_t i = 0; i < count; i++) {
        mg_node *node = nodes[i];
        double gradient = node->grad;
        /* Not added when it is 0: 0 times an infinite weight would be nan. */
        if (weight_decay != 0.0) {
            gradient += weight_decay * node->data;
        }
        if (momentum != 0.0) {
            velocity[i] = momentum * velocity[i] + gradient;
            gradient = rule->nesterov ? gradient + momentum * velocity[i] : velocity[i];
        }
        node->data -= lr * gradient;
    }
}

void mg_adam_step(const mg_adam *rule, double step, mg_node *const *nodes, size_t count, double *m,
                  double *v) {
    const double beta1 = rule->beta1, beta2 = rule->beta2;
    /* The mean m is too small by the factor 1 - beta1^step and v by 1 - beta2^step. Corrected,

           data -= lr * (m / (1 - beta1^step)) / (sqrt(v / (1 - beta2^step)) + eps)

       which with numerator and denominator times sqrt(1 - beta2^step) takes one division a node. */
    const double root = sqrt(1.0 - pow(beta2, step));
    const double rate = rule->lr * root / (1.0 - pow(beta1, step));
    const double eps = rule->eps * root;
    const double keep = rule->decoupled ? 1.0 - rule->lr * rule->weight_decay : 1.0;
    const double decay = rule->decoupled ? 0.0 : rule->weight_decay;
    for (size_t i = 0; i < count; i++) {
        mg_node *node = nodes[i];
        double gradient = node->grad;
        if (decay != 0.0) {
            gradient += decay * node->data;
        }
        m[i] = beta1 * m[i] + (1.0 - beta1) * gradient;
        v[i] = beta2 * v[i] + (1.0 - beta2) * gradient * gradient;
        node->data = keep * node->data - rate * m[i] / (sqrt(v[i]) + eps);
    }
}
