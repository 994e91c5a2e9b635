/* Programs run and differentiated the plain way, op by op with the functions of ops.h, and programs
   made at random: what passes and tapes are compared with. */
#ifndef PROGRAM_RUN_H
#define PROGRAM_RUN_H

#include "program.h"

/* The number that `ref` names, given the inputs and the results of the ops. */
double program_number(const mg_program *program, const double *inputs, const double *results,
                      mg_ref ref);

/* The results of all ops. Returns the status with which the first op that raises does, MG_OK if
   none does; the others are computed all the same. `needed` (NULL: all) says which ops may raise.
 */
mg_status program_run(const mg_program *program, const double *inputs, double *results,
                      const unsigned char *needed);

/* The gradient of the outputs, each multiplied by its weight and added up. `scale` gets what the
   sum would be if nothing in it cancelled: what its rounding errors are measured by. */
void program_gradient(const mg_program *program, const double *inputs, const double *results,
                      const double *weights, double *gradient, double *scale);

/* Marks the ops that the outputs depend on, with 1; the others with 0. */
void program_needed(const mg_program *program, unsigned char *needed);

/* A random program of so many ops of all rows, in which everything happens that a pass looks for:
   constants that are no use to anybody, repetitions, chains, what nobody needs. NULL when out of
   memory. */
mg_program *program_random(uint32_t ops);

/* Random inputs: of every kind of double, or such that most gradients are finite. */
void random_inputs(double *inputs, uint32_t count, int tame);

#endif
