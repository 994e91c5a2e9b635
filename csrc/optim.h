/* What is done to many nodes at once: reading and writing their numbers, and the update rules of
   the optimisers. Everything takes an array of nodes, which the caller keeps alive, and numbers one
   for each node; nothing here looks at ops or operands, fails or raises unless it says so. Numbers
   that are not finite follow IEEE 754. */
#ifndef MG_OPTIM_H
#define MG_OPTIM_H

#include <stddef.h>
#include <stdint.h>

#include "node.h"

void mg_nodes_read_data(mg_node *const *nodes, size_t count, double *out);
void mg_nodes_read_grads(mg_node *const *nodes, size_t count, double *out);
void mg_nodes_write_data(mg_node *const *nodes, size_t count, const double *data);
void mg_nodes_zero_grads(mg_node *const *nodes, size_t count);
void mg_nodes_scale_grads(mg_node *const *nodes, size_t count, double factor);

/* The norm of the gradients as one vector: the `order`-th root of the sum of their magnitudes to
   the power `order`, which is positive; the largest magnitude if it is infinite. It overflows only
   if the norm itself does. nan if a gradient is nan, else infinite if one is. */
double mg_nodes_grad_norm(mg_node *const *nodes, size_t count, double order);

/* The position of the first gradient that is not finite, or `count`. */
size_t mg_nodes_find_not_finite(mg_node *const *nodes, size_t count);

/* Looks for a node that stands in the array twice: `*second` is the first position that repeats an
   earlier one, `*first`, or `count` if none does. MG_OK or MG_NO_MEMORY. */
mg_status mg_nodes_find_duplicate(mg_node *const *nodes, size_t count, size_t *first,
                                  size_t *second);

/* Gradient descent. */
typedef struct {
    double lr, momentum, weight_decay;
    int nesterov;
} mg_sgd;

/* One step. `velocity` holds one number per node, 0 before the first step; without momentum it is
   not touched. */
void mg_sgd_step(const mg_sgd *rule, mg_node *const *nodes, size_t count, double *velocity);

/* Adam (Kingma and Ba, 2015). With `decoupled` the weight decay acts on the data alone, which makes
   it AdamW (Loshchilov and Hutter, 2019); otherwise it is part of the gradient. */
typedef struct {
    double lr, beta1, beta2, eps, weight_decay;
    int decoupled;
} mg_adam;

/* The step with number `step`, which is 1 for the first. `m` and `v` are the running means of the
   gradients and of their squares, 0 before the first step. */
void mg_adam_step(const mg_adam *rule, double step, mg_node *const *nodes, size_t count, double *m,
                  double *v);

#endif
