/* Programs made for tests, and what they must compute, worked out op by op from the table alone. */
#ifndef PROGRAMS_H
#define PROGRAMS_H

#include "harness.h"
#include "program.h"

/* A random program of every op and form of the table. Operands are older results, inputs and now
   and then constants; with these inputs no op raises and every result is moderate. The outputs are
   any of its numbers, the last result among them. NULL when out of memory. */
mg_program *random_program(const double *inputs, uint32_t input_count, uint32_t op_count,
                           uint32_t output_count);

/* A program of the one op, on inputs alone but where its form wants a constant, which is
   `constant`; a wide op on `count` of them. Its only output is the op. NULL when out of memory. */
mg_program *program_of(uint32_t op, uint32_t count, double constant);

/* Whether two programs are the same in every count, reference and bit. */
int same_programs(const mg_program *one, const mg_program *other);

/* The results of all ops; those that would raise are what IEEE arithmetic makes of them. */
void evaluate_program(const mg_program *program, const double *inputs, double *values);

/* What reverse must make of the seeds of the outputs: adds to `gradient`, one number an input.
   `adjoints` is room for op_count numbers. */
void differentiate_program(const mg_program *program, const double *inputs, const double *values,
                           const double *seeds, double *adjoints, double *gradient);

/* The number that a reference names. */
double number_of(const mg_program *program, const double *inputs, const double *values, mg_ref ref);

#endif
