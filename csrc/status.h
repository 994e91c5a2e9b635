/* Status codes. A function that can fail returns one; results go through out-pointers. */
#ifndef MG_STATUS_H
#define MG_STATUS_H

typedef enum {
#define STATUS(code, text) MG_##code,
#include "status.def"
#undef STATUS
    MG_STATUS_COUNT
} mg_status;

/* The text of `status`; a static string, never freed. */
const char *mg_status_text(mg_status status);

/* Its name, without the MG_; the same. */
const char *mg_status_name(mg_status status);

#endif
