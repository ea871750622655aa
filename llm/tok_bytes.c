/* Bytes as characters: the byte-level alphabet of GPT-2's BPE, SentencePiece's <0xHH> tokens, and white space.
 *
 * Byte-level BPE writes every byte as one printable character: 33-126, 161-172 and 174-255 as themselves, the other
 * 68, in order, as U+0100, U+0101, ... (model-formats 8.4).
 */
#include "llm/tok_internal.h"

static bool stands_for_itself(uint32_t c) {
    return (c >= 33 && c <= 126) || (c >= 161 && c <= 172) || (c >= 174 && c <= 255);
}

/* The bytes that do not stand for themselves: 0-32, 127-160, 173. */
uint32_t byte_level_char(uint8_t byte) {
    if (stands_for_itself(byte))
        return byte;
    if (byte <= 32)
        return 256u + byte;
    return byte == 173 ? 256 + 67 : 256 + 33 + (byte - 127u);
}

int byte_level_byte(uint32_t c) {
    if (c < 256)
        return stands_for_itself(c) ? (int)c : -1;
    if (c <= 256 + 32)
        return (int)c - 256;
    if (c < 256 + 67)
        return (int)c - 256 - 33 + 127;
    return c == 256 + 67 ? 173 : -1;
}

void byte_level_map(str bytes, strbuf *out) {
    for (size_t i = 0; i < bytes.n; i++)
        strbuf_add_utf8(out, byte_level_char((uint8_t)bytes.p[i]));
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int byte_token_value(str s) {
    if (s.n != 6 || memcmp(s.p, "<0x", 3) || s.p[5] != '>')
        return -1;
    int high = hex_digit(s.p[3]), low = hex_digit(s.p[4]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

bool text_is_white(uint32_t c) {
    if (c < 0x80)
        return c == ' ' || (c >= '\t' && c <= '\r');
    return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 ||
           c == 0x202F || c == 0x205F || c == 0x3000;
}
