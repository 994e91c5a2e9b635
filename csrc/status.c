#include "status.h"

static const char *const status_texts[] = {
#define STATUS(code, text) text,
#include "status.def"
#undef STATUS
};

static const char *const status_names[] = {
#define STATUS(code, text) #code,
#include "status.def"
#undef STATUS
};

_Static_assert(sizeof(status_texts) / sizeof(status_texts[0]) == MG_STATUS_COUNT,
               "one text per status code");

const char *mg_status_text(mg_status status) {
    if ((unsigned)status >= MG_STATUS_COUNT) {
        return "unknown status";
    }
    return status_texts[status];
}

const char *mg_status_name(mg_status status) {
    if ((unsigned)status >= MG_STATUS_COUNT) {
        return "UNKNOWN";
    }
    return status_names[status];
}
