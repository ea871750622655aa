/* ingot version: what a bug report needs. */
#include "cli/cli.h"
#include <curl/curl.h>
#include <jansson.h>
#include <openssl/crypto.h>
#include <sys/utsname.h>
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <utf8proc.h>
#include <xxhash.h>

const cli_option cmd_version_options[] = {OPTIONS_END};

int cmd_version(cli *c, int argc, char **argv) {
    if (!cli_parse(c, argc, argv, NULL)) return c->status;
    char pcre2[64] = "";
    struct utsname host = {0};
    pcre2_config(PCRE2_CONFIG_VERSION, pcre2);
    uname(&host);
    printf("ingot %s\n", INGOT_VERSION);
    printf("built with %s, %s\n", __VERSION__, sizeof(void *) == 8 ? "64 bit" : "32 bit");
    printf("jansson %s, PCRE2 %s, ", jansson_version_str(), pcre2);
    printf("xxHash %u, utf8proc %s\n", XXH_versionNumber(), utf8proc_version());
    printf("libcurl %s, %s\n", curl_version_info(CURLVERSION_NOW)->version, OpenSSL_version(OPENSSL_VERSION));
    printf("on %s %s, %s\n", host.sysname, host.release, host.machine);
    return CLI_OK;
}
