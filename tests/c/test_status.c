#include <string.h>

#include "harness.h"

static void codes_start_at_success(void) {
    CHECK_COUNT(MG_OK, 0);
    CHECK_TEXT(mg_status_text(MG_OK), "no error");
}

static void every_code_has_the_name_and_text_of_its_row(void) {
#define STATUS(code, text)                       \
    CHECK_TEXT(mg_status_text(MG_##code), text); \
    CHECK_TEXT(mg_status_name(MG_##code), #code);
#include "status.def"
#undef STATUS
}

static void texts_differ(void) {
    for (int i = 0; i < MG_STATUS_COUNT; i++) {
        const char *text = mg_status_text((mg_status)i);
        CHECK(strlen(text) > 0);
        for (int j = 0; j < i; j++) {
            CHECK(strcmp(text, mg_status_text((mg_status)j)) != 0);
        }
    }
}

static void a_number_that_is_no_code_is_named_so(void) {
    CHECK_TEXT(mg_status_text(MG_STATUS_COUNT), "unknown status");
    CHECK_TEXT(mg_status_text((mg_status)-1), "unknown status");
    CHECK_TEXT(mg_status_name(MG_STATUS_COUNT), "UNKNOWN");
}

int main(void) {
    RUN(codes_start_at_success);
    RUN(every_code_has_the_name_and_text_of_its_row);
    RUN(texts_differ);
    RUN(a_number_that_is_no_code_is_named_so);
    return harness_summary("status");
}
