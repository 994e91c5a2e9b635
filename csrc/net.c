/* Invariants:
   - a call keeps nin inputs, then for each layer the nout weighted sums and the nout outputs, then
   the nout adjoints of its last layer; these are zero unless a backward pass is under way;
   - a call of a norm keeps its inputs, the scale, the inputs times the scale, the outputs and their
   adjoints;
   - the dense gradients of a network are zero unless a marked sweep has touched it. */
#include "net.h"

#include <string.h>

/* --- activations --- */

static void forward_linear(const double *a, double *r, size_t n) {
    memcpy(r, a, n * sizeof(double));
}

static void backward_linear(const double *a, const double *r, double *g, size_t n) {
    (void)a, (void)r, (void)g, (void)n;
}

#define UNARY(name, ...)                                                                 \
    static void forward_##name(const double *a, double *r, size_t n) {                   \
        for (size_t i = 0; i < n; i++) {                                                 \
            r[i] = mg_##name##_forward(a[i]);                                            \
        }                                                                                \
    }                                                                                    \
    static void backward_##name(const double *a, const double *r, double *g, size_t n) { \
        for (size_t i = 0; i < n; i++) {                                                 \
            g[i] *= mg_##name##_da(a[i], r[i]);                                          \
        }                                                                                \
    }
#define PARAMETRIC(name, symbol, raises, parameter, initial, ...)                        \
    static void forward_##name(const double *a, double *r, size_t n) {                   \
        for (size_t i = 0; i < n; i++) {                                                 \
            r[i] = mg_##name##_forward(a[i], initial);                                   \
        }                                                                                \
    }                                                                                    \
    static void backward_##name(const double *a, const double *r, double *g, size_t n) { \
        for (size_t i = 0; i < n; i++) {                                                 \
            g[i] *= mg_##name##_da(a[i], initial, r[i]);                                 \
        }                                                                                \
    }
#include "ops.def"

const mg_net_activation mg_net_activations[MG_OP_COUNT] = {
    [MG_OP_leaf] = {forward_linear, backward_linear},
#define UNARY(name, ...) [MG_OP_##name] = {forward_##name, backward_##name},
#define PARAMETRIC(name, ...) [MG_OP_##name] = {forward_##name, backward_##name},
#include "ops.def"
};

/* The end of the stretch of neurons from `from` on that share an activation. */
static uint32_t stretch_end(const uint8_t *neurons, uint32_t from, uint32_t count) {
    uint32_t end = from + 1;
    while (end < count && neurons[end] == neurons[from]) {
        end++;
    }
    return end;
}

/* --- memory --- */

/* With room for everything; layers, neurons and sizes are still to be filled in. */
static mg_block *new_block(mg_node *const *parameters, uint32_t parameter_count, uint32_t widest,
                           uint32_t layer_count, uint32_t neuron_count) {
    size_t doubles = 2 * ((size_t)parameter_count + widest);
    mg_block *block = mg_memory_alloc(1, sizeof(mg_block) + parameter_count * sizeof(mg_node *) +
                                             sizeof(mg_net) + doubles * sizeof(double) +
                                             layer_count * sizeof(mg_net_layer) + neuron_count);
    if (block == NULL) {
        return NULL;
    }
    *block = (mg_block){.count = parameter_count, .size = parameter_count};
    memcpy(block->operands, parameters, parameter_count * sizeof(mg_node *));
    mg_net *net = (mg_net *)(block->operands + parameter_count);
    double *data = (double *)(net + 1);
    mg_net_layer *layers = (mg_net_layer *)(data + doubles);
    memset(data, 0, doubles * sizeof(double));
    *net = (mg_net){.layer_count = layer_count,
                    .layers = layers,
                    .neurons = (uint8_t *)(layers + layer_count),
                    .data = data,
                    .grads = data + parameter_count,
                    .delta = data + 2 * (size_t)parameter_count,
                    .below = data + 2 * (size_t)parameter_count + widest};
    return block;
}

mg_block *mg_net_new_tape(mg_tape *tape, uint32_t nin, mg_node *const *captured,
                          uint32_t captured_count) {
    const uint32_t nout = tape->program->output_count;
    size_t numbers = mg_tape_forward_room(tape) + tape->residual_count + 2 * (size_t)nout;
    size_t doubles = 2 * (size_t)captured_count + tape->place_count;
    if (numbers > UINT32_MAX || captured_count > UINT32_MAX / 32) {
        return NULL;
    }
    mg_block *block = mg_memory_alloc(1, sizeof(mg_block) + captured_count * sizeof(mg_node *) +
                                             sizeof(mg_net) + doubles * sizeof(double));
    if (block == NULL) {
        return NULL;
    }
    *block = (mg_block){.count = captured_count, .size = captured_count};
    if (captured_count != 0) {
        memcpy(block->operands, captured, captured_count * sizeof(mg_node *));
    }
    mg_net *net = (mg_net *)(block->operands + captured_count);
    double *data = (double *)(net + 1);
    memset(data, 0, doubles * sizeof(double));
    tape->holders++;
    *net = (mg_net){.nin = nin,
                    .nout = nout,
                    .numbers = (uint32_t)numbers,
                    .tape = tape,
                    .data = data,
                    .grads = data + captured_count,
                    .delta = data + 2 * (size_t)captured_count};
    return block;
}

void mg_net_dispose(mg_block *parameters) {
    const mg_net *net = (mg_net *)(parameters->operands + parameters->count);
    if (net->tape != NULL) {
        mg_tape_drop(net->tape);
    }
}

mg_block *mg_net_new(const mg_net_layer *layers, uint32_t layer_count, const uint8_t *neurons,
                     mg_node *const *parameters, uint32_t parameter_count) {
    uint32_t widest = layers[0].nin, neuron_count = 0;
    uint32_t numbers = layers[0].nin, first = 0;
    for (uint32_t l = 0; l < layer_count; l++) {
        widest = layers[l].nout > widest ? layers[l].nout : widest;
        neuron_count += layers[l].nout;
    }
    mg_block *block = new_block(parameters, parameter_count, widest, layer_count, neuron_count);
    if (block == NULL) {
        return NULL;
    }
    mg_net *net = (mg_net *)(block->operands + parameter_count);
    memcpy(net->neurons, neurons, neuron_count);
    for (uint32_t l = 0; l < layer_count; l++) {
        net->layers[l] = layers[l];
        net->layers[l].first = first;
        net->layers[l].sums = numbers;
        first += layers[l].nout * (layers[l].nin + (layers[l].has_bias != 0));
        numbers += 2 * layers[l].nout;
    }
    net->nin = layers[0].nin;
    net->nout = layers[layer_count - 1].nout;
    net->numbers = numbers + net->nout;
    return block;
}

mg_block *mg_net_new_norm(mg_node *const *parameters, uint32_t parameter_count, double eps) {
    mg_block *block = new_block(parameters, parameter_count, parameter_count, 0, 0);
    if (block != NULL) {
        mg_net *net = (mg_net *)(block->operands + parameter_count);
        net->nin = net->nout = parameter_count;
        net->numbers = 4 * parameter_count + 1;
        net->eps = eps;
    }
    return block;
}

mg_block *mg_net_call(mg_node *parameters) {
    const mg_net *net = mg_net_of(parameters);
    mg_block *call =
        mg_memory_alloc(1, sizeof(mg_block) + ((size_t)net->nin + 1) * sizeof(mg_node *) +
                               net->numbers * sizeof(double) + net->nin * sizeof(uint32_t));
    if (call != NULL) {
        *call = (mg_block){.count = 1, .size = net->nin + 1};
        call->operands[0] = parameters;
        memset(mg_call_adjoints(call), 0, net->nout * sizeof(double));
    }
    return call;
}

/* --- forward --- */

/* Each sum starts from the bias and adds term by term, as the loop that it replaces does, so it has
   to wait for one addition after the other: four neurons side by side fill that time. */
static void weighted_sums(const mg_net_layer *layer, mg_node *const *parameters, const double *x,
                          double *sums) {
    const size_t nin = layer->nin, nout = layer->nout, stride = nin + (layer->has_bias != 0);
    size_t j = 0;
    for (; j + 4 <= nout; j += 4) {
        mg_node *const *w0 = parameters + j * stride, *const *w1 = w0 + stride;
        mg_node *const *w2 = w1 + stride, *const *w3 = w2 + stride;
        double s0 = 0.0, s1 = 0.0, s2 = 0.0, s3 = 0.0;
        if (layer->has_bias) {
            s0 = w0[nin]->data, s1 = w1[nin]->data, s2 = w2[nin]->data, s3 = w3[nin]->data;
        }
        for (size_t i = 0; i < nin; i++) {
            const double a = x[i];
            s0 += w0[i]->data * a;
            s1 += w1[i]->data * a;
            s2 += w2[i]->data * a;
            s3 += w3[i]->data * a;
        }
        sums[j] = s0, sums[j + 1] = s1, sums[j + 2] = s2, sums[j + 3] = s3;
    }
    for (; j < nout; j++) {
        mg_node *const *w = parameters + j * stride;
        double s = layer->has_bias ? w[nin]->data : 0.0;
        for (size_t i = 0; i < nin; i++) {
            s += w[i]->data * x[i];
        }
        sums[j] = s;
    }
}

static mg_status activate(const mg_net_layer *layer, const uint8_t *neurons, const double *a,
                          double *r, mg_net_fault *fault) {
    for (uint32_t from = 0, to; from < layer->nout; from = to) {
        to = stretch_end(neurons, from, layer->nout);
        mg_op op = (mg_op)neurons[from];
        mg_net_activations[op].forward(a + from, r + from, to - from);
        for (uint32_t i = from; mg_op_table[op].raises != MG_NEVER && i < to; i++) {
            mg_status status = mg_op_check(op, a[i], 0.0, r[i]);
            if (status != MG_OK) {
                *fault = (mg_net_fault){.op = op, .a = a[i]};
                return status;
            }
        }
    }
    return MG_OK;
}

/* The same operations in the same order as dot(x, x) / n + eps, ** -0.5, and two products. */
static mg_status norm_forward(const mg_net *net, mg_node *const *parameters, double *x,
                              mg_net_fault *fault) {
    const size_t n = net->nin;
    double *scale = x + n, *scaled = scale + 1, *outputs = scaled + n, total = 0.0;
    for (size_t i = 0; i < n; i++) {
        total += x[i] * x[i];
    }
    const double mean = total / (double)n + net->eps;
    *scale = mg_pow_forward(mean, -0.5);
    mg_status status = mg_op_check(MG_OP_pow, mean, -0.5, *scale);
    if (status != MG_OK) {
        *fault = (mg_net_fault){.op = MG_OP_pow, .a = mean, .b = -0.5};
        return status;
    }
    for (size_t i = 0; i < n; i++) {
        scaled[i] = x[i] * *scale;
        outputs[i] = parameters[i]->data * scaled[i];
    }
    return MG_OK;
}

mg_status mg_net_forward(mg_block *call, mg_net_fault *fault) {
    const mg_net *net = mg_net_of(call->operands[0]);
    mg_node *const *parameters = mg_node_block(call->operands[0])->operands;
    const uint8_t *neurons = net->neurons;
    double *numbers = mg_call_inputs(call);
    const double *x = numbers;
    if (net->layer_count == 0) {
        return norm_forward(net, parameters, numbers, fault);
    }
    for (uint32_t l = 0; l < net->layer_count; l++) {
        const mg_net_layer *layer = &net->layers[l];
        double *sums = numbers + layer->sums, *outputs = sums + layer->nout;
        weighted_sums(layer, parameters + layer->first, x, sums);
        mg_status status = activate(layer, neurons, sums, outputs, fault);
        if (status != MG_OK) {
            return status;
        }
        neurons += layer->nout;
        x = outputs;
    }
    return MG_OK;
}

/* --- backward --- */

int mg_net_read(mg_node *parameters) {
    mg_block *block = mg_node_block(parameters);
    double *data = mg_net_of(parameters)->data;
    int interior = 0;
    for (uint32_t i = 0; i < block->count; i++) {
        data[i] = block->operands[i]->data;
        interior |= mg_node_is_interior(block->operands[i]);
    }
    return interior;
}

void mg_net_deliver(mg_node *parameters) {
    mg_block *block = mg_node_block(parameters);
    double *grads = mg_net_of(parameters)->grads;
    for (uint32_t i = 0; i < block->count; i++) {
        block->operands[i]->grad += grads[i];
        grads[i] = 0.0;
    }
}

/* y += d * x. Apart, so that the compiler knows that nothing overlaps. */
static inline void add_scaled(double *restrict y, double d, const double *restrict x, size_t n) {
    for (size_t i = 0; i < n; i++) {
        y[i] += d * x[i];
    }
}

/* From the adjoints of the sums to those of the weights, the biases and (NULL: not wanted) the
   inputs x. */
static void backward_sums(const mg_net *net, const mg_net_layer *layer, const double *delta,
                          const double *x, double *below) {
    const size_t nin = layer->nin, stride = nin + (layer->has_bias != 0);
    const double *w = net->data + layer->first;
    double *g = net->grads + layer->first;
    if (below != NULL) {
        memset(below, 0, nin * sizeof(double));
    }
    for (size_t j = 0; j < layer->nout; j++, w += stride, g += stride) {
        add_scaled(g, delta[j], x, nin);
        if (layer->has_bias) {
            g[nin] += delta[j];
        }
        if (below != NULL) {
            add_scaled(below, delta[j], w, nin);
        }
    }
}

/* From the adjoints of a tape's inputs to the gradients of the captured nodes. */
static void collect_captured(mg_block *call, const double *adjoints) {
    const mg_net *net = mg_net_of(call->operands[0]);
    const uint32_t captured_count = mg_node_block(call->operands[0])->count;
    for (uint32_t i = 0; i < captured_count; i++) {
        net->grads[i] += adjoints[net->nin + i];
    }
}

/* The same through a tape; net->delta has an adjoint for each number. */
static const double *descend_tape(mg_block *call) {
    const mg_net *net = mg_net_of(call->operands[0]);
    double *adjoints = net->delta;
    (void)mg_tape_reverse(net->tape, mg_call_inputs(call), mg_call_residuals(call), adjoints, NULL);
    collect_captured(call, adjoints);
    return adjoints;
}

/* From the adjoints of the outputs, net->delta, to those of the weights and of the inputs x. */
static const double *norm_descend(const mg_net *net, const double *x) {
    const size_t n = net->nin;
    const double scale = x[n], *scaled = x + n + 1, *w = net->data, *delta = net->delta;
    double *below = net->below, scale_adjoint = 0.0;
    for (size_t i = 0; i < n; i++) {
        const double scaled_adjoint = w[i] * delta[i];
        net->grads[i] += scaled[i] * delta[i];
        below[i] = scale * scaled_adjoint;
        scale_adjoint += x[i] * scaled_adjoint;
    }
    /* d scale / d mean is -0.5 * scale ** 3, and d mean / d x is 2 * x / n. */
    const double square_adjoint = -(scale * scale * scale) * scale_adjoint / (double)n;
    for (size_t i = 0; i < n; i++) {
        below[i] += x[i] * square_adjoint;
    }
    return below;
}

/* Sends net->delta, the adjoints of the outputs, down. Returns the adjoints of the inputs, which
   mean nothing if no input is a node. */
static const double *descend_layers(mg_block *call) {
    const mg_net *net = mg_net_of(call->operands[0]);
    double *numbers = mg_call_inputs(call), *delta = net->delta, *below = net->below;
    const uint32_t *places = mg_call_places(call);
    const uint8_t *neurons = net->neurons;
    /* The data of operands is read now. */
    for (uint32_t i = 1; i < call->count; i++) {
        numbers[places[i - 1]] = call->operands[i]->data;
    }
    if (net->layer_count == 0) {
        return norm_descend(net, numbers);
    }
    for (uint32_t l = 0; l < net->layer_count; l++) {
        neurons += net->layers[l].nout;
    }
    for (uint32_t l = net->layer_count; l-- > 0;) {
        const mg_net_layer *layer = &net->layers[l];
        const double *sums = numbers + layer->sums, *outputs = sums + layer->nout;
        const double *x = l != 0 ? sums - net->layers[l - 1].nout : numbers;
        neurons -= layer->nout;
        for (uint32_t from = 0, to; from < layer->nout; from = to) {
            to = stretch_end(neurons, from, layer->nout);
            mg_net_activations[neurons[from]].backward(sums + from, outputs + from, delta + from,
                                                       to - from);
        }
        backward_sums(net, layer, delta, x, l != 0 || call->count > 1 ? below : NULL);
        double *swapped = delta;
        delta = below;
        below = swapped;
    }
    return delta;
}

/* The adjoints of the inputs from those of the outputs; adjoints NULL: 1 for `output` alone. */
static const double *descend(mg_block *call, const double *adjoints, uint32_t output) {
    const mg_net *net = mg_net_of(call->operands[0]);
    const uint32_t *places = net->tape != NULL ? net->tape->outputs : NULL;
    if (places == NULL) {
        memset(net->delta, 0, net->nout * sizeof(double));
    }
    for (uint32_t k = 0; k < net->nout; k++) {
        /* Two outputs of a tape may be the same number. */
        net->delta[places != NULL ? places[k] : k] +=
            adjoints != NULL ? adjoints[k] : (double)(k == output);
    }
    return places != NULL ? descend_tape(call) : descend_layers(call);
}

/* Ends a step, after the adjoints of the inputs have been read. */
static void ascend(const mg_net *net) {
    if (net->tape != NULL) {
        memset(net->delta, 0, net->tape->first_result * sizeof(double));
    }
}

/* The operands are walked by a pointer of their own: gcc 12 at -O2 works their addresses out from
   those of the places otherwise, takes the stores for ones to the block, and drops the call. */
static void add_to_inputs(mg_block *call, const double *below) {
    const uint32_t *places = mg_call_places(call);
    mg_node *const *operand = call->operands + 1, *const *const end = call->operands + call->count;
    for (; operand != end; operand++) {
        (*operand)->grad += below[*places++];
    }
}

void mg_net_forget(mg_block *call) {
    const mg_net *net = mg_net_of(call->operands[0]);
    if (net->nout != 1) {
        memset(mg_call_adjoints(call), 0, net->nout * sizeof(double));
    }
}

void mg_net_seed(mg_block *call, double grad, double *adjoints) {
    const mg_net *net = mg_net_of(call->operands[0]);
    for (uint32_t k = 0; k < net->nout; k++) {
        adjoints[net->tape->outputs[k]] += net->nout == 1 ? grad : mg_call_adjoints(call)[k];
    }
    mg_net_forget(call);
}

void mg_net_collect(mg_block *call, const double *adjoints) {
    collect_captured(call, adjoints);
    add_to_inputs(call, adjoints);
}

void mg_net_backward(mg_block *call, double grad) {
    const mg_net *net = mg_net_of(call->operands[0]);
    double *adjoints = net->nout == 1 ? &grad : mg_call_adjoints(call);
    add_to_inputs(call, descend(call, adjoints, 0));
    ascend(net);
    mg_net_forget(call);
}

void mg_net_partials(mg_block *call, uint32_t output, double *partials) {
    mg_node *parameters = call->operands[0];
    mg_net *net = mg_net_of(parameters);
    uint32_t parameter_count = mg_node_block(parameters)->count;
    if (net->touched) {
        mg_net_deliver(parameters);
    }
    mg_net_read(parameters);
    const double *below = descend(call, NULL, output);
    const uint32_t *places = mg_call_places(call);
    for (uint32_t i = 1; i < call->count; i++) {
        partials[i - 1] = below[places[i - 1]];
    }
    memcpy(partials + call->count - 1, net->grads, parameter_count * sizeof(double));
    memset(net->grads, 0, parameter_count * sizeof(double));
    ascend(net);
}
