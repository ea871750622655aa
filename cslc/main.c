/* The program `cslc`: compiles a layout. All of it is in api/cslc.c. */
#include "api/api.h"

int main(int argc, char **argv) {
    strbuf print = {0};
    bool ok = false;
    diag *d = diag_new();
    if (!d) {
        fputs("cslc: out of memory\n", stderr);
        return 1;
    }
    isa_image *m = api_cslc_run(argc - 1, (const char *const *)argv + 1, &print, &ok, d);
    diag_print(d, stderr);
    if (print.data) fputs(print.data, stdout);
    if (print.oom || fflush(stdout)) {
        fputs("cslc: the output could not be printed\n", stderr);
        ok = false;
    }
    isa_image_free(m);
    strbuf_free(&print);
    diag_free(d);
    return ok ? 0 : 1;
}
