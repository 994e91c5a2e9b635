/* Programs as bytes: what is kept in files and sent to other machines.

   Everything is little-endian, nothing is padded, and the same program always makes the same bytes.

       8   "\x89MGPROG\n"
       4   the version of the format, 1
       8   how many bytes there are in all
       20  counts: inputs, constants, ops, outputs, kinds of op
           each kind of op, in the order of its first use:
       1       length of its name
       ...     its name: that of the row in ops.def, a dot, and the form of its operands
               (mul.vv, mul.vc, exp.v, leaky_relu.vp, dot.n)
       1   for each input, zero
       8   for each constant, its bits
           each op:
       1       its kind
       4       of a form with one operand, that; of one with two, both
       ...     of the form n, the count of its operands, they, and its parameter, 4 bytes each
       4   for each output, what it is
       4   CRC-32 (that of zlib) of all that goes before

   Names, not op codes, so that the table may change from version to version. Operands are
   references as in program.h. Inputs take a byte each so that no file can claim more of anything
   than it has bytes for. */
#ifndef MG_PROGRAM_BYTES_H
#define MG_PROGRAM_BYTES_H

#include "program.h"

/* MG_OK with the bytes in a block that the caller gives back with mg_memory_free, or MG_NO_MEMORY.
 */
mg_status mg_program_to_bytes(const mg_program *program, uint8_t **bytes, size_t *size);

/* Reads exactly `size` bytes, from anywhere: whatever they are, nothing is read outside of them,
   and no more is allocated than a small multiple of `size`. MG_OK with a verified program, which
   the caller frees; MG_NO_MEMORY; or MG_MALFORMED with `*why`, a static text. */
mg_status mg_program_from_bytes(const uint8_t *bytes, size_t size, mg_program **program,
                                const char **why);

/* Writes the size and the checksum that bytes with this content must have, where there is room for
   them: for those who make malformed programs in order to test the reader. */
void mg_program_bytes_seal(uint8_t *bytes, size_t size);

#endif
