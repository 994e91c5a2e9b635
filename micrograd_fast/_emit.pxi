# What the C source of a function is written from: the op table and its formulas, and the steps.

cdef extern from "ops_text.h":
    ctypedef struct mg_op_text:
        const char *operands
        const char *raises
        const char *forward
        const char *partials[3]
    const mg_op_text mg_op_texts[]
    const char *const mg_formula_texts[]

cdef extern from "status.h":
    int MG_STATUS_COUNT
    const char *mg_status_name(mg_status status)
    const char *mg_status_text(mg_status status)


def op_texts():
    """What csrc/ops_text.h says of each op code of a row, after that row's name: (name, operands,
    raises, forward, partials)."""
    texts = {}
    for code in range(MG_OP_COUNT):
        if mg_op_texts[code].forward != NULL:
            partials = [None if mg_op_texts[code].partials[i] == NULL
                        else mg_op_texts[code].partials[i].decode() for i in range(3)]
            texts[code] = (mg_op_table[code].name.decode(), mg_op_texts[code].operands.decode(),
                           mg_op_texts[code].raises.decode(), mg_op_texts[code].forward.decode(),
                           partials)
    return texts


def formula_texts():
    """The headers with the functions that the op table calls, a str each."""
    texts = []
    while mg_formula_texts[len(texts)] != NULL:
        texts.append(mg_formula_texts[len(texts)].decode())
    return texts


def status_texts():
    """By status code its name and text."""
    return [(mg_status_name(<mg_status>code).decode(), mg_status_text(<mg_status>code).decode())
            for code in range(MG_STATUS_COUNT)]


def tape_slots(Tape tape):
    """The slots of a tape (csrc/tape.h), of which the inputs have the first: the first of the
    constants, the first of the results, how many there are, how many operands the widest step has,
    and the slots of the outputs."""
    cdef uint32_t i
    return (tape.tape.first_constant, tape.tape.first_result, tape.tape.slot_count,
            tape.tape.widest,
            [tape.tape.slot_outputs[i] for i in range(tape.tape.program.output_count)])


def tape_constants(Tape tape):
    return [tape.tape.program.constants[i] for i in range(tape.tape.program.constant_count)]


def tape_steps(Tape tape):
    """The steps in the order in which they run, each as (op code, slot of the result, slots of the
    operands). Behind the operands of a wide op comes its parameter."""
    cdef const mg_slot_step *step
    cdef const uint32_t *wide
    cdef uint32_t i, k, op
    steps = []
    for i in range(tape.tape.step_count):
        step = &tape.tape.slot_steps[i]
        op = tape.tape.program.code[tape.tape.ops[i]].op
        if mg_op_is_wide(op):
            wide = tape.tape.slot_wide + step.a
            slots = [wide[k] for k in range(step.b + 1)]
        else:
            slots = [step.a, step.b]
        steps.append((op, step.result, slots))
    return steps
