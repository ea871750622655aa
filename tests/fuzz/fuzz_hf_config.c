/* config.json on any bytes. */
#include "llm/hf_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    diag *d = diag_new();
    hf_config c;
    if (d) hf_config_read(&c, "fuzz", (str){(const char *)data, len}, d);
    diag_free(d);
    return 0;
}
