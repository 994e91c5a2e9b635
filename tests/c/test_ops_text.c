/* The op table and its formulas as text. */
#include "ops_text.h"

#include <string.h>

#include "harness.h"

static void every_row_has_its_expressions(void) {
    for (int code = 0; code < MG_OP_COUNT; code++) {
        const mg_op_text *text = &mg_op_texts[code];
        harness_case(mg_op_table[code].name);
        if (code <= MG_OP_local) {
            CHECK(text->forward == NULL);
            continue;
        }
        const uint8_t arity = mg_op_table[code].arity;
        CHECK(strlen(text->forward) > 0);
        CHECK(strlen(text->raises) > 0);
        if (arity == MG_ANY_ARITY) {
            CHECK_TEXT(text->operands, "");
            CHECK(text->partials[0] != NULL && text->partials[1] == NULL);
        } else {
            CHECK(strlen(text->operands) >= arity);
        }
    }
}

static void expressions_stand_as_in_the_table(void) {
    CHECK_TEXT(mg_op_texts[MG_OP_mul].forward, "a * b");
    CHECK_TEXT(mg_op_texts[MG_OP_mul].operands, "ab");
    CHECK_TEXT(mg_op_texts[MG_OP_mul].partials[0], "b");
    CHECK_TEXT(mg_op_texts[MG_OP_mul].partials[1], "a");
    CHECK(mg_op_texts[MG_OP_mul].partials[2] == NULL);
    /* Names of constants are not replaced by what they stand for. */
    CHECK_TEXT(mg_op_texts[MG_OP_log2].partials[0], "MG_LOG2_E / a");
    CHECK_TEXT(mg_op_texts[MG_OP_log2].raises, "POLE");
    CHECK_TEXT(mg_op_texts[MG_OP_where].operands, "abc");
    CHECK_TEXT(mg_op_texts[MG_OP_sum].forward, "nary_sum");
}

static void constants_have_no_partials(void) {
    CHECK_TEXT(mg_op_texts[MG_OP_div_vc].partials[0], "1.0 / b");
    CHECK(mg_op_texts[MG_OP_div_vc].partials[1] == NULL);
    CHECK(mg_op_texts[MG_OP_div_cv].partials[0] == NULL);
    CHECK_TEXT(mg_op_texts[MG_OP_div_cv].partials[1], "math_div_db(a, b)");
    CHECK_TEXT(mg_op_texts[MG_OP_leaky_relu].operands, "ac");
    CHECK(mg_op_texts[MG_OP_leaky_relu].partials[1] == NULL);
}

static void headers_are_whole(void) {
    static const char *const definitions[] = {
        "static inline double math_sign(double a)",
        "static inline double nary_sum(const double *x, size_t n, double c)",
        "static inline mg_status check_power(double a, double b, double r)",
    };
    size_t count = 0;
    while (mg_formula_texts[count] != NULL) {
        const char *text = mg_formula_texts[count];
        const size_t size = strlen(text);
        CHECK(strncmp(text, "/* ", 3) == 0);
        CHECK(size > 8 && strcmp(text + size - 8, "\n#endif\n") == 0);
        CHECK(strstr(text, definitions[count]) != NULL);
        count++;
    }
    CHECK_COUNT(count, sizeof definitions / sizeof *definitions);
}

int main(void) {
    RUN(every_row_has_its_expressions);
    RUN(expressions_stand_as_in_the_table);
    RUN(constants_have_no_partials);
    RUN(headers_are_whole);
    return harness_summary("ops_text");
}
