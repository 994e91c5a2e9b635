/* Programs as text, so that a test shows what it is about.

       mul $0 $1; add_vc %0 2.5; sum %0 %1 $0; out %1 %2

   Ops stand in the order of the code, %n being the result of op n and $n input n; a number is a
   constant of its own. `in 3` says how many inputs there are, which otherwise are as many as the
   text names; a parameter of a wide op that is not 0 stands behind a bar: cross_entropy $0 $1 | 1.
 */
#ifndef PROGRAM_TEXT_H
#define PROGRAM_TEXT_H

#include "program.h"

/* The program of a text; NULL when out of memory. A text that is none fails the test. */
mg_program *program_from_text(const char *text);

/* The text of a program, in a buffer that the next call overwrites. Says `in` only where the rest
   does not, and constants that nothing reads are told at the end: "; unused 2.5". */
const char *text_of(const mg_program *program);

#endif
