/* "%5.2f" % x and "{:>5}".format(x): both become a field, and one function writes fields. The common directives only;
 * one that is not here is an error, never different text. */
#include "llm/jinja_internal.h"
#include <stdio.h>

typedef struct {
    char fill[5];            /* one code point */
    char align;              /* '<' '>' '^' '=', 0: by type */
    char sign;               /* '+', ' ' or 0 */
    bool alternate, comma;
    int64_t width, precision;   /* precision -1: none */
    char type;               /* s r d i f F e E g G x X o b c %, or 0 */
} field;

enum { WIDTH_MAX = 100000, PRECISION_MAX = 100 };

static bool read_number(str s, size_t *at, int64_t *out) {
    size_t begin = *at;
    *out = 0;
    for (; *at < s.n && s.p[*at] >= '0' && s.p[*at] <= '9'; (*at)++)
        if (*out <= WIDTH_MAX) *out = *out * 10 + (s.p[*at] - '0');
    return *at > begin;
}

/* ---- writing ---- */
static void padded(jinja_builder *b, const field *f, const jinja_string *text, char align, size_t sign_bytes) {
    int64_t room = f->width - (int64_t)jinja_length(text->text);
    const jinja_string fill = {.text = str_from(f->fill)};
    if (room < 0) room = 0;
    int64_t before = align == '>' ? room : align == '^' ? room / 2 : 0;
    if (align == '=') {
        jinja_add_slice(b, text, 0, sign_bytes);
        jinja_add_repeated(b, &fill, room);
        jinja_add_slice(b, text, sign_bytes, text->text.n);
        return;
    }
    jinja_add_repeated(b, &fill, before);
    jinja_add_string(b, text);
    jinja_add_repeated(b, &fill, room - before);
}

static void text_field(jinja_builder *b, const field *f, const jinja_string *s) {
    size_t end = f->precision < 0 ? s->text.n : jinja_offset(s->text, 0, (size_t)f->precision);
    jinja_value cut = jinja_slice(b->j, s, 0, end);
    if (!b->j->failed) padded(b, f, cut.string, f->align ? f->align : '<', 0);
}

static size_t digits_of(uint64_t v, unsigned base, bool upper, char out[80]) {
    char reversed[80];
    size_t n = 0;
    do reversed[n++] = (upper ? "0123456789ABCDEF" : "0123456789abcdef")[v % base];
    while (v /= base);
    for (size_t i = 0; i < n; i++) out[i] = reversed[n - 1 - i];
    return n;
}

/* sign, prefix and body, with commas every three digits of the whole part when asked. */
static void number_field(jinja_builder *b, const field *f, bool negative, const char *prefix, const char *digits) {
    char text[1024];
    size_t n = 0, whole = strspn(digits, "0123456789"), sign;
    if (negative) text[n++] = '-';
    else if (f->sign) text[n++] = f->sign;
    for (; *prefix; prefix++) text[n++] = *prefix;
    sign = n;
    for (size_t i = 0; digits[i] && n + 2 < sizeof text; i++) {
        if (f->comma && i && i < whole && (whole - i) % 3 == 0) text[n++] = ',';
        text[n++] = digits[i];
    }
    padded(b, f, &(jinja_string){.text = {text, n}}, f->align ? f->align : '>', sign);
}

static void integer_field(jinja_builder *b, const field *f, int64_t v) {
    static const struct {
        char type;
        unsigned base;
        const char *prefix;
    } rows[] = {{'x', 16, "0x"}, {'X', 16, "0X"}, {'o', 8, "0o"}, {'b', 2, "0b"}};
    unsigned base = 10;
    const char *prefix = "";
    char digits[80];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].type == f->type) base = rows[i].base, prefix = f->alternate ? rows[i].prefix : "";
    digits[digits_of(v < 0 ? -(uint64_t)v : (uint64_t)v, base, f->type == 'X', digits)] = 0;
    number_field(b, f, v < 0, prefix, digits);
}

static void real_field(jinja_builder *b, const field *f, double v) {
    char format[8] = "%.*f%%", digits[800];
    bool percent = f->type == '%';
    if (!percent) format[3] = f->type, format[4] = 0;
    snprintf(digits, sizeof digits, format, (int)(f->precision < 0 ? 6 : f->precision),
             __builtin_fabs(percent ? v * 100 : v));
    number_field(b, f, __builtin_signbit(v) != 0, "", digits);
}

static void write_field(jinja_builder *b, const field *f, jinja_value v) {
    double d = 0;
    int64_t i = 0;
    jinja_builder repr = {.j = b->j};
    bool number = jinja_number(v, &d);
    if (f->type == 'r') {
        jinja_print(&repr, v, true);
        text_field(b, f, jinja_str(b->j, jinja_built(&repr)));
    } else if (f->type == 's' || (!f->type && (!number || v.type == JINJA_BOOL))) text_field(b, f, jinja_str(b->j, v));
    else if (!number) jinja_fail(b->j, "format '%c' needs a number, not %s", f->type, jinja_type_name(v));
    else if (f->type && strchr("fFeEgG%", f->type)) real_field(b, f, d);
    else if (jinja_integer(v, &i) && f->type != 'c') integer_field(b, f, i);
    else if (!f->type && f->precision < 0) {
        jinja_print_float(&repr, __builtin_fabs(d));
        const jinja_string *text = jinja_str(b->j, jinja_built(&repr));
        char digits[64];
        snprintf(digits, sizeof digits, "%.*s", (int)text->text.n, text->text.p);
        number_field(b, f, __builtin_signbit(d) != 0, "", digits);
    } else jinja_fail(b->j, "format '%c' is not supported for %s", f->type ? f->type : 'n', jinja_type_name(v));
}

static bool check(jinja_state *j, const field *f) {
    if (f->width > WIDTH_MAX || f->precision > PRECISION_MAX)
        jinja_fail(j, "format: a width or precision is too large");
    return !j->failed;
}

/* ---- % ---- */
/* After the '%': flags, width, precision, type. A key in brackets was read before. */
static bool read_percent(jinja_state *j, str s, size_t *at, field *f) {
    *f = (field){.fill = " ", .precision = -1};
    bool zero = false;
    for (; *at < s.n && s.p[*at] && strchr("-+ #0", s.p[*at]); (*at)++) switch (s.p[*at]) {
        case '-': f->align = '<'; break;
        case '+': f->sign = '+'; break;
        case ' ': if (!f->sign) f->sign = ' '; break;
        case '#': f->alternate = true; break;
        default: zero = true;
    }
    read_number(s, at, &f->width);
    if (*at < s.n && s.p[*at] == '.') ++*at, read_number(s, at, &f->precision);
    f->type = *at < s.n ? s.p[(*at)++] : 0;
    if (f->type == 'i' || f->type == 'u') f->type = 'd';
    if (!f->type || !strchr("srdfFeEgGxXo%", f->type))
        jinja_fail(j, "format: '%%' is followed by '%c', which is not supported", f->type ? f->type : ' ');
    bool text = f->type == 's' || f->type == 'r';
    if (zero && !f->align && !text) f->fill[0] = '0', f->align = '=';
    else if (!f->align) f->align = '>';
    return check(j, f);
}

static void percent_field(jinja_builder *b, const field *f, jinja_value v) {
    double d;
    if (f->type == 'd' && v.type == JINJA_FLOAT) v = v.real > -9e18 && v.real < 9e18 ? jinja_int((int64_t)v.real) : v;
    if (f->type != 's' && f->type != 'r' && !jinja_number(v, &d))
        jinja_fail(b->j, "format '%%%c' needs a number, not %s", f->type, jinja_type_name(v));
    write_field(b, f, v);
}

jinja_value jinja_percent(jinja_state *j, const jinja_string *format, jinja_value arguments) {
    str s = format->text;
    jinja_builder b = {.j = j};
    bool tuple = arguments.type == JINJA_TUPLE;
    size_t used = 0, count = tuple ? arguments.list->count : 1;
    for (size_t i = 0; i < s.n && !j->failed;) {
        size_t at = i;
        while (at < s.n && s.p[at] != '%') at++;
        jinja_add_slice(&b, format, i, at);
        if ((i = at) == s.n) break;
        field f;
        jinja_value v = arguments;
        bool named = ++i < s.n && s.p[i] == '(';
        if (named) {
            size_t close = i;
            while (close < s.n && s.p[close] != ')') close++;
            jinja_value key = jinja_slice(j, format, i + 1, close);
            const jinja_value *found =
                j->failed || arguments.type != JINJA_DICT ? NULL : jinja_find(j, arguments.dict, key);
            if (!found) jinja_fail(j, "format: no value of this name");
            else v = *found;
            i = close + (close < s.n);
            used = count;
        }
        if (!read_percent(j, s, &i, &f)) break;
        if (f.type == '%') {
            jinja_adds(&b, "%");
            continue;
        }
        if (!named && used >= count) jinja_fail(j, "format: fewer values than places");
        else if (!named) v = tuple ? arguments.list->items[used] : arguments, used++;
        if (!j->failed) percent_field(&b, &f, v);
    }
    if (used < count && arguments.type != JINJA_DICT && arguments.type != JINJA_LIST)
        jinja_fail(j, "format: more values than places");
    return jinja_built(&b);
}

/* ---- format() ---- */
/* [[fill]align][sign][#][0][width][,][.precision][type] */
static bool read_spec(jinja_state *j, str s, field *f) {
    uint32_t cp;
    size_t at = 0, n = s.n ? jinja_code_point(s, 0, &cp) : 0;
    if (n && n < s.n && strchr("<>^=", s.p[n]) && s.p[n])
        memcpy(f->fill, s.p, n), f->fill[n] = 0, f->align = s.p[n], at = n + 1;
    else if (n && s.p[0] && strchr("<>^=", s.p[0])) f->align = s.p[0], at = 1;
    if (at < s.n && s.p[at] && strchr("+- ", s.p[at])) f->sign = s.p[at] == '-' ? 0 : s.p[at], at++;
    if (at < s.n && s.p[at] == '#') f->alternate = true, at++;
    if (at < s.n && s.p[at] == '0' && !f->align) strcpy(f->fill, "0"), f->align = '=', at++;
    read_number(s, &at, &f->width);
    if (at < s.n && s.p[at] == ',') f->comma = true, at++;
    if (at < s.n && s.p[at] == '.') at++, read_number(s, &at, &f->precision);
    if (at < s.n) f->type = s.p[at++];
    if (at < s.n || (f->type && !strchr("sdfFeEgGxXob%", f->type)))
        jinja_fail(j, "format: '%.*s' is not supported", (int)(s.n < 60 ? s.n : 60), s.p);
    return check(j, f);
}

/* "0", "name", "name.attribute" or nothing, which takes the next argument. */
static jinja_value argument_of(jinja_state *j, const jinja_string *format, size_t begin, size_t end,
                               const jinja_arguments *g, size_t *next) {
    int64_t index;
    size_t head = begin, digits = begin;
    while (head < end && format->text.p[head] != '.' && format->text.p[head] != '[') head++;
    bool number = read_number((str){format->text.p, head}, &digits, &index) && digits == head;
    jinja_value v = {0}, name = jinja_slice(j, format, begin, head);
    if (head == begin) index = (int64_t)(*next)++, number = true;
    const jinja_value *found = j->failed ? NULL
                               : number  ? ((size_t)index < g->count ? &g->values[index] : NULL)
                                         : jinja_find(j, &g->named, name);
    if (found) v = *found;
    else
        jinja_fail(j, "format: no argument '%.*s'", (int)(head - begin < 60 ? head - begin : 60),
                   format->text.p + begin);
    if (head < end && format->text.p[head] == '[') jinja_fail(j, "format: brackets in a place are not supported");
    return head < end && !j->failed ? jinja_path(j, v, jinja_slice(j, format, head + 1, end)) : v;
}

static void place(jinja_builder *b, const jinja_string *format, size_t begin, size_t end, const jinja_arguments *g,
                  size_t *next) {
    str s = format->text;
    field f = {.fill = " ", .precision = -1};
    size_t name = begin;
    while (name < end && s.p[name] != '!' && s.p[name] != ':') name++;
    jinja_value v = argument_of(b->j, format, begin, name, g, next);
    bool repr = name + 1 < end && s.p[name] == '!' && s.p[name + 1] == 'r';
    if (name < end && s.p[name] == '!') name += 2;
    if (name < end && !read_spec(b->j, (str){s.p + name + 1, end - name - 1}, &f)) return;
    if (repr) f.type = 'r';
    if (!b->j->failed) write_field(b, &f, v);
}

jinja_value jinja_format_method(jinja_state *j, jinja_value self, const jinja_arguments *g) {
    const jinja_string *format = self.string;
    str s = format->text;
    jinja_builder b = {.j = j};
    size_t next = 0;
    for (size_t i = 0; i < s.n && !j->failed;) {
        char c = s.p[i];
        bool twice = i + 1 < s.n && s.p[i + 1] == c;
        if ((c != '{' && c != '}') || twice) {
            jinja_add_slice(&b, format, i, i + 1);
            i += 1 + ((c == '{' || c == '}') && twice);
            continue;
        }
        size_t end = i + 1;
        while (end < s.n && s.p[end] != '}' && s.p[end] != '{') end++;
        if (c == '}' || end == s.n || s.p[end] == '{')
            jinja_fail(j, "format: a bracket stands alone, or one place is inside another");
        else place(&b, format, i + 1, end, g, &next);
        i = end + 1;
    }
    return jinja_built(&b);
}
