/* Decimal text to integers without a detour over doubles, which would lose a quarter of a microsecond on absolute
 * times; and JSON's escapes undone. */
#include "audit/scan.h"
#include <ctype.h>

enum { DIGITS_MAX = 40 };

typedef struct {
    uint8_t digit[DIGITS_MAX];
    int count, exponent; /* 0.d0 d1 d2 ... x 10^exponent */
    bool negative, more; /* more: further digits that are not all zero */
} decimal;

static const char *take_digits(decimal *x, const char *p, const char *end, bool fraction, bool *any) {
    for (; p < end && *p >= '0' && *p <= '9'; p++) {
        *any = true;
        if (*p == '0' && !x->count) {
            x->exponent -= fraction;
            continue;
        }
        if (x->count < DIGITS_MAX) x->digit[x->count++] = (uint8_t)(*p - '0');
        else x->more = x->more || *p != '0';
        x->exponent += !fraction;
        if (x->exponent > 1000 || x->exponent < -1000) return NULL;
    }
    return p;
}

static bool decimal_parse(decimal *x, str text) {
    const char *p = text.p, *end = p + text.n;
    bool any = false;
    *x = (decimal){0};
    if (p < end && (*p == '-' || *p == '+')) x->negative = *p++ == '-';
    if (!(p = take_digits(x, p, end, false, &any))) return false;
    if (p < end && *p == '.' && !(p = take_digits(x, p + 1, end, true, &any))) return false;
    if (!any) return false;
    if (p < end && (*p == 'e' || *p == 'E')) {
        int sign = 1, value = 0;
        if (++p < end && (*p == '-' || *p == '+')) sign = *p++ == '-' ? -1 : 1;
        if (p == end) return false;
        for (; p < end && isdigit((unsigned char)*p); p++)
            if ((value = value * 10 + *p - '0') > 1000) return false;
        x->exponent += sign * value;
    }
    return p == end;
}

bool scan_decimal(str text, int scale_digits, int64_t *out) {
    decimal x;
    if (!text.p || !decimal_parse(&x, text)) return false;
    int whole = x.exponent + scale_digits; /* digits before the point */
    if (!x.count || whole < 0) return *out = 0, true;
    if (whole > 19) return false;
    unsigned __int128 value = 0;
    for (int i = 0; i < whole; i++) value = value * 10 + (unsigned)(i < x.count ? x.digit[i] : 0);
    if (whole < x.count) {
        bool rest = x.more;
        for (int i = whole + 1; i < x.count; i++) rest = rest || x.digit[i];
        int first = x.digit[whole];
        if (first > 5 || (first == 5 && (rest || value & 1))) value++;
    }
    if (value > INT64_MAX) return false;
    *out = x.negative ? -(int64_t)value : (int64_t)value;
    return true;
}

static bool hex4(const char *p, const char *end, uint32_t *out) {
    if (end - p < 4) return false;
    *out = 0;
    for (int i = 0; i < 4; i++) {
        int c = (unsigned char)p[i], v = c >= '0' && c <= '9'   ? c - '0'
                                         : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                         : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                                                : -1;
        if (v < 0) return false;
        *out = *out << 4 | (uint32_t)v;
    }
    return true;
}

str scan_unescape(str s, char *out, size_t cap) {
    if (!s.n || !memchr(s.p, '\\', s.n)) return s;
    static const char from[] = "nrtbf", to[] = "\n\r\t\b\f";
    const char *p = s.p, *end = s.p + s.n;
    size_t n = 0;
    while (p < end && n + 4 <= cap) {
        uint32_t cp;
        const char *known;
        if (*p != '\\' || p + 1 == end) out[n++] = *p++;
        else if (p[1] == 'u' && hex4(p + 2, end, &cp)) {
            size_t len = utf8_encode(cp, out + n);
            n += len ? len : (size_t)(out[n] = '?', 1);
            p += 6;
        } else {
            known = strchr(from, p[1]);
            out[n++] = known && p[1] ? to[known - from] : p[1];
            p += 2;
        }
    }
    return (str){out, n};
}
