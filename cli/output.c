/* See output.h. */
#include "cli/output.h"
#include "base/file.h"
#include <errno.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

bool output_print(strbuf *b, const char *what, diag *d) {
    bool ok = !b->oom || diag_oom(d, what);
    if (ok) fwrite(b->data, 1, b->len, stdout);
    strbuf_free(b);
    return ok;
}

bool output_write(strbuf *b, const char *path, diag *d) {
    bool ok = (!b->oom || diag_oom(d, path)) && file_write_all(path, strbuf_str(b), d);
    strbuf_free(b);
    return ok;
}

static bool convert(char *svg, char *png, diag *d) {
    char *const args[] = {(char[]){"rsvg-convert"}, (char[]){"-o"}, png, svg, NULL};
    pid_t pid;
    int status = 0, error = posix_spawnp(&pid, args[0], NULL, NULL, args, environ);
    if (error)
        return diag_error(d,
                          "%s: a PNG needs the program rsvg-convert (Debian: librsvg2-bin), which does not start: %s; "
                          "an .svg needs nothing",
                          png, strerror(error));
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR) return diag_error(d, "%s: rsvg-convert cannot be waited for", png);
    return status == 0 || diag_error(d, "%s: rsvg-convert failed", png);
}

bool output_picture(strbuf *b, const char *path, diag *d) {
    if (!str_ends(str_from(path), STR(".png"))) return output_write(b, path, d);
    arena *a = arena_new(0);
    char *svg = a ? arena_printf(a, "%s.svg", path) : NULL, *png = a ? arena_strdup(a, path) : NULL;
    bool ok = svg && png ? output_write(b, svg, d) : diag_oom(d, path);
    ok = ok && convert(svg, png, d);
    if (svg) unlink(svg);
    strbuf_free(b);
    arena_free(a);
    return ok;
}
