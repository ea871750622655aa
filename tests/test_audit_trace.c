/* Traces of our own: readers on damaged and odd files, names, shapes, buckets, verdicts; and the verdicts of the public
 * traces. */
#include "audit/analysis.h"
#include "audit/interval.h"
#include "audit/names.h"
#include "audit/scan.h"
#include "audit/trace.h"
#include "audit/work.h"
#include "base/file.h"
#include <math.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <zlib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

typedef struct {
    arena *a;
    diag *d;
    events e;
    audit_report r;
    bool ok;
} world;

static world *open_world(void) {
    world *w = calloc(1, sizeof *w);
    w->a = arena_new(0);
    w->d = diag_new();
    events_init(&w->e, w->a);
    audit_report_init(&w->r, w->a, AUDIT_OF_TRACE, "test");
    return w;
}

static void close_world(world *w) {
    events_free(&w->e);
    arena_free(w->a);
    diag_free(w->d);
    free(w);
}

static world *load(const char *json) {
    world *w = open_world();
    w->ok = trace_load_bytes(&w->e, "t.json", str_from(json), false, w->d);
    return w;
}

static bool said(const world *w, const char *words) { return strstr(diag_text(w->d), words) != NULL; }

/* ---- numbers ---- */

static int64_t ns(const char *text) {
    int64_t v = -77;
    return scan_decimal(str_from(text), 3, &v) ? v : -77;
}

static void decimals(void **unused) {
    (void)unused;
    assert_int_equal(ns("12"), 12000);
    assert_int_equal(ns("1428625746382.662"), 1428625746382662);
    assert_int_equal(ns("1682725898236567.123"), 1682725898236567123); /* a double would lose 0.123 */
    assert_int_equal(ns("0.0005"), 0);                                 /* halves to even */
    assert_int_equal(ns("0.0015"), 2);
    assert_int_equal(ns("0.00050001"), 1);
    assert_int_equal(ns("-1.5"), -1500);
    assert_int_equal(ns("1e3"), 1000000);
    assert_int_equal(ns("2.5E-3"), 2);
    assert_int_equal(ns("000.001"), 1);
    assert_int_equal(ns("9223372036854775.807"), INT64_MAX);
    static const char *const bad[] = {
        "", "-", ".", "NaN", "inf", "1e", "1.2.3", "0x10", "9223372036854775.808", "1e999", "1e99999999999", "12 "};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) assert_int_equal(ns(bad[i]), -77);
}

/* ---- the scanner ---- */

#define KERNEL(ts, dur, more)                                                                                          \
    "{\"ph\":\"X\",\"cat\":\"kernel\",\"name\":\"k\",\"pid\":0,\"tid\":1,\"ts\":" #ts ",\"dur\":" #dur                 \
    ",\"args\":{\"device\":0,\"stream\":1" more "}}"

static void good(const char *json, size_t device_events, uint64_t broken) {
    world *w = load(json);
    if (!w->ok) fail_msg("%s: %s", json, diag_text(w->d));
    assert_int_equal(w->e.device_count, device_events);
    assert_int_equal(w->e.broken, broken);
    close_world(w);
}

static void odd_files(void **unused) {
    (void)unused;
    good("{\"traceEvents\":[]}", 0, 0);
    good("[]", 0, 0);
    good("\xef\xbb\xbf [" KERNEL(1, 2, "") "]", 1, 0);
    good("[" KERNEL(1, 2, "") "," KERNEL(5, 2, ""), 2, 0); /* a bare array may lack its end */
    good("[" KERNEL(1, 2, "") ",\n", 1, 0);
    good("{\"a\":{\"traceEvents\":[1]},\"traceEvents\":[" KERNEL(1, 2, "") "],\"b\":[[\"]\"]]}", 1, 0);
    good("[" KERNEL(1, 2, ",\"x\":NaN,\"y\":-inf,\"z\":[1,[2,{\"a\":\"]}\"}]]") "]", 1, 0);
    good("[{\"ph\":\"X\",\"cat\":\"kernel\",\"name\":\"say \"hello\" now\",\"pid\":\"Spans\",\"ts\":1,\"dur\":1}]", 1,
         0); /* bare quotes */
    good("[{\"ph\":\"X\",\"cat\":\"kernel\",\"name\":\"a\nb\x01\",\"pid\":0,\"ts\":1,\"dur\":1}]", 1, 0);
    good("[{\"ph\":\"X\",\"cat\":\"kernel\",\"name\":\"x\", y\",\"ts\":1}, " KERNEL(1, 2, "") "]", 1,
         1); /* lost, and found again */
    good("[{\"ph\":\"X\" \"cat\"}, " KERNEL(1, 2, "") ", {{{, " KERNEL(9, 2, "") "]", 2, 1);
    good("[" KERNEL(1, -2, "") "," KERNEL(3, 0, "") "]", 1, 0);
    good("[" KERNEL(1e300, 2, "") "," KERNEL(1, 1e13, "") "," KERNEL("abc", 1, "") "]", 0, 0);
    good("[{\"ph\":\"B\",\"cat\":\"kernel\",\"name\":\"outer\",\"pid\":1,\"tid\":1,\"ts\":1},{\"ph\":\"B\",\"cat\":"
         "\"kernel\",\"name\":\"inner\",\"pid\":1,\"tid\":1,\"ts\":2},"
         "{\"ph\":\"E\",\"pid\":1,\"tid\":1,\"ts\":3},{\"ph\":\"E\",\"pid\":1,\"tid\":2,\"ts\":3},{\"ph\":\"E\","
         "\"pid\":1,\"tid\":1,\"ts\":9}]",
         2, 1);
}

static void bad(const char *json, const char *words) {
    world *w = load(json);
    if (w->ok || !said(w, words)) fail_msg("%s: ok %d: %s", json, w->ok, diag_text(w->d));
    close_world(w);
}

static void no_traces(void **unused) {
    (void)unused;
    bad("", "is empty");
    bad("hello", "is no trace");
    bad("\x7f"
        "ELF",
        "is no trace");
    bad("{\"a\": 1}", "without traceEvents");
    bad("{\"traceEvents\": null}", "without traceEvents");
    bad("{\"traceEvents\":[" KERNEL(1, 2, ""), "ends in the middle, after 1 events");
    bad("{\"traceEvents\":[" KERNEL(1, 2, "") ",{\"ph\":\"X\",\"na", "ends in the middle");
    bad("{\"trace", "ends in the middle");
    bad("{", "ends in the middle");
    bad("[{\"ph\":\"X\" 12}]", "no event of it can be read");
}

static void partial(void **unused) {
    (void)unused;
    world *w = open_world();
    assert_true(
        trace_load_bytes(&w->e, "t", STR("{\"traceEvents\":[" KERNEL(1, 2, "") ",{\"ph\":\"X\",\"na"), true, w->d));
    assert_int_equal(w->e.device_count, 1);
    assert_true(w->e.cut_short);
    close_world(w);
}

/* An event longer than the scanner takes is passed over, the next one is found; the buffer's end may fall anywhere. */
static void long_events(void **unused) {
    (void)unused;
    strbuf b = {0};
    strbuf_adds(&b, "[{\"ph\":\"X\",\"cat\":\"kernel\",\"ts\":1,\"name\":\"");
    for (int i = 0; i < 6 << 20; i++) strbuf_addc(&b, 'x');
    strbuf_adds(&b, "\"}");
    for (int i = 0; i < 40000; i++)
        strbuf_addf(&b,
                    ",{\"ph\":\"X\",\"cat\":\"kernel\",\"name\":\"kernel number "
                    "%d\",\"pid\":0,\"ts\":%d.%03d,\"dur\":1,\"args\":{\"stream\":%d}}",
                    i % 100, i, i % 1000, i % 3);
    strbuf_adds(&b, "]");
    world *w = load(b.data);
    assert_true(w->ok);
    assert_int_equal(w->e.device_count, 40000);
    assert_int_equal(w->e.broken, 1);
    assert_int_equal(w->e.lane_count, 3);
    assert_int_equal(w->e.device[39999].start_ns, 39999999);
    close_world(w);
    strbuf_free(&b);
}

/* A file of nothing but broken events ends in an error, in bounded time. */
static void hostile(void **unused) {
    (void)unused;
    strbuf b = {0};
    strbuf_adds(&b, "[");
    for (int i = 0; i < 400000; i++) strbuf_adds(&b, ",{\"ph\":\"");
    world *w = load(b.data);
    assert_false(w->ok);
    close_world(w);
    strbuf_clear(&b);
    for (int i = 0; i < 100000; i++) strbuf_adds(&b, "[");
    w = load(b.data);
    assert_false(w->ok);
    close_world(w);
    strbuf_free(&b);
}

/* ---- gzip ---- */

static str zipped(const char *text, int members) {
    static unsigned char out[1 << 16];
    size_t n = 0;
    for (int i = 0; i < members; i++) {
        z_stream z = {0};
        size_t len = strlen(text), part = len / (size_t)members, from = part * (size_t)i;
        assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
        z.next_in = (Bytef *)text + from;
        z.avail_in = (uInt)(i == members - 1 ? len - from : part);
        z.next_out = out + n;
        z.avail_out = (uInt)(sizeof out - n);
        assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
        n = sizeof out - z.avail_out;
        deflateEnd(&z);
    }
    return (str){(char *)out, n};
}

static void gzip(void **unused) {
    (void)unused;
    static const char text[] = "{\"traceEvents\":[" KERNEL(1, 2, "") "," KERNEL(4, 2, "") "]}";
    for (int members = 1; members < 4; members++) {
        world *w = open_world();
        assert_true(trace_load_bytes(&w->e, "t.gz", zipped(text, members), false, w->d));
        assert_int_equal(w->e.device_count, 2);
        close_world(w);
    }
    str whole = zipped(text, 1);
    for (size_t n = 3; n < whole.n; n++) { /* every cut is told */
        world *w = open_world();
        assert_false(trace_load_bytes(&w->e, "t.gz", (str){whole.p, n}, false, w->d));
        assert_true(diag_error_count(w->d) > 0);
        close_world(w);
    }
    ((char *)whole.p)[whole.n / 2] ^= 0x55;
    world *w = open_world();
    assert_false(trace_load_bytes(&w->e, "t.gz", whole, false, w->d));
    close_world(w);
}

/* ---- SQLite ---- */

static world *database(const char *sql) {
    sqlite3 *db;
    sqlite3_int64 n;
    world *w = open_world();
    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    unsigned char *bytes = sqlite3_serialize(db, "main", &n, 0);
    w->ok = trace_load_bytes(&w->e, "t.sqlite", (str){(char *)bytes, (size_t)n}, false, w->d);
    sqlite3_free(bytes);
    sqlite3_close(db);
    return w;
}

#define STRINGS                                                                                                        \
    "create table StringIds(id integer primary key, value text); insert into StringIds values (5, 'sgemm'), (6, "      \
    "'cudaLaunchKernel');"
#define KERNELS                                                                                                        \
    "create table CUPTI_ACTIVITY_KIND_KERNEL(start integer, end integer, deviceId integer, streamId integer, "         \
    "correlationId integer, shortName integer);"                                                                       \
    "insert into CUPTI_ACTIVITY_KIND_KERNEL values (100, 250, 0, 7, 1, 5), (300, 290, 0, 7, 2, 5), (400, 450, 1, 7, "  \
    "3, 99);"

static void nsys(void **unused) {
    (void)unused;
    world *w = database(STRINGS KERNELS); /* no other table, and no column of long names */
    if (!w->ok) fail_msg("%s", diag_text(w->d));
    assert_int_equal(w->e.device_count, 2);
    assert_int_equal(w->e.negative, 1);
    assert_true(str_is(events_text_of(&w->e, w->e.device[0].name), "sgemm"));
    close_world(w);
    w = database(STRINGS KERNELS
                 "create table NVTX_EVENTS(start integer, end integer, eventType integer, text text, textId integer, "
                 "globalTid integer);"
                 "insert into NVTX_EVENTS values (10, 50, 59, 'aten::mm, op_id = 3', null, 8), (10, 60, 59, null, 6, "
                 "8), (1, null, 59, 'open', null, 8);"
                 "create table CUPTI_ACTIVITY_KIND_RUNTIME(start integer, end integer, correlationId integer, "
                 "globalTid integer, nameId integer);"
                 "insert into CUPTI_ACTIVITY_KIND_RUNTIME values (20, 25, 1, 8, 6);"
                 "create table TARGET_INFO_GPU(id integer, name text, memoryBandwidth integer, totalMemory integer, "
                 "smCount integer);"
                 "insert into TARGET_INFO_GPU values (0, 'NVIDIA H100 80GB HBM3', 3352320000000, 85000000000, 132);");
    assert_true(w->ok);
    assert_int_equal(w->e.op_count, 1);
    assert_int_equal(w->e.range_count, 1);
    assert_int_equal(w->e.device[0].op, 0); /* by thread and time */
    assert_int_equal(w->e.device[0].launch_ns, 20);
    assert_true(w->e.devices[0].memory_bytes_per_s > 3e12);
    close_world(w);
    w = database("create table t(a)");
    assert_true(!w->ok && said(w, "no export of Nsight"));
    close_world(w);
    /* A view in a table's place, and one that never ends, are not read. */
    w = database(STRINGS "create view CUPTI_ACTIVITY_KIND_KERNEL as with recursive c(x) as (select 1 union all select "
                         "x+1 from c) select x as start, x as end from c;");
    assert_true(w->ok);
    assert_int_equal(w->e.device_count, 0);
    close_world(w);
    w = open_world();
    assert_false(trace_load_bytes(&w->e, "t", (str){"SQLite format 3\0garbage", 23}, false, w->d));
    assert_true(said(w, "database"));
    close_world(w);
}

/* ---- names ---- */

static void names(void **unused) {
    (void)unused;
    static const struct {
        const char *name, *base;
        name_kind kind;
    } rows[] = {
        {"void at::native::vectorized_elementwise_kernel<4, "
         "at::native::bfloat16_copy_kernel_cuda(at::TensorIteratorBase&)::{lambda(float)#1}>(int)",
         "vectorized_elementwise_kernel", NAME_STREAM},
        {"std::enable_if<(((8)>(0)))&&vllm::_typeConvert<c10::BFloat16>::exists, void>::type "
         "vllm::fused_add_rms_norm_kernel<c10::BFloat16, 8>(c10::BFloat16*)",
         "fused_add_rms_norm_kernel", NAME_STREAM},
        {"void fbgemm_gpu::permute_2D_lengths_kernel<int>(int, int)", "permute_2D_lengths_kernel", NAME_STREAM},
        {"void (anonymous namespace)::multimem_all_reduce_kernel<c10::BFloat16, 16>(c10::BFloat16*)",
         "multimem_all_reduce_kernel", NAME_COMM},
        {"ncclDevKernel_AllGather_RING_LL(ncclDevKernelArgsStorage<4096ul>)", "ncclDevKernel_AllGather_RING_LL",
         NAME_COMM},
        {"void vllm::cross_device_reduce_1stage<__half, 8>(x)", "cross_device_reduce_1stage", NAME_COMM},
        {"void cutlass::Kernel2<cutlass_80_simt_sgemm_128x32_8x5_nn_align1>(Params)", "Kernel2", NAME_GEMM},
        {"_ZN7ck_tile6kentryILi1ENS_12Rmsnorm2dFwdINS_27Rmsnorm2dFwdPipelineOnePassE", "kentry", NAME_STREAM},
        {"Cijk_Alik_Bljk_BBS_BH_Bias_HA_S_SAV_UserArgs_MT32x32x256", NULL, NAME_GEMM},
        {"nvjet_tst_64x64_64x16_2x1_2cta_v_bz_bias_TNT", NULL, NAME_GEMM},
        {"_matmul_ogs_NNT_bf16xbf16xmxfp4_16x128x256x1_swiglu", NULL, NAME_GEMM},
        {"_finalize_matmul_scatter_bf16", NULL, NAME_STREAM},
        {"fmhaSm100aKernel_QkvE4m3OBfloat16H64PagedKvCausal", NULL, NAME_ATTENTION},
        {"void pytorch_flash::flash_fwd_kernel<pytorch_flash::Flash_fwd_kernel_traits<64, 128> >(p)",
         "flash_fwd_kernel", NAME_ATTENTION},
        {"void vllm::reshape_and_cache_flash_kernel<__nv_bfloat16>(x)", "reshape_and_cache_flash_kernel", NAME_STREAM},
        {"sm90_xmma_fprop_implicit_gemm_bf16", NULL, NAME_GEMM},
        {"my_own_thing", "my_own_thing", NAME_OTHER},
        {"", "", NAME_OTHER},
        {"<<<(((", NULL, NAME_OTHER},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        str base = names_base(str_from(rows[i].name));
        if (rows[i].base && !str_is(base, rows[i].base)) fail_msg("%s: base '%.*s'", rows[i].name, (int)base.n, base.p);
        if (names_kind(str_from(rows[i].name)) != rows[i].kind)
            fail_msg("%s: %s", rows[i].name, names_kind_text(names_kind(str_from(rows[i].name))));
    }
}

/* ---- work ---- */

static void works(void **unused) {
    (void)unused;
    static const struct {
        const char *op, *shape;
        double flops, bytes; /* bytes 0: refused */
    } rows[] = {
        {"aten::mm", "[[8,16],[16,32]]\n[\"c10::Half\",\"c10::Half\"]\n", 2 * 8 * 16 * 32,
         2 * (8 * 16 + 16 * 32 + 8 * 32)},
        {"aten::addmm", "[[32],[8,16],[16,32]]\n[\"float\",\"float\",\"float\"]\n", 2 * 8 * 16 * 32,
         4 * (32 + 8 * 16 + 16 * 32 + 8 * 32)},
        {"aten::bmm", "[[4,8,16],[4,16,32]]\n[\"c10::BFloat16\",\"c10::BFloat16\"]\n", 4 * 2 * 8 * 16 * 32,
         2 * 4 * (8 * 16 + 16 * 32 + 8 * 32)},
        {"aten::mm", "[[8,16],[17,32]]\n[\"c10::Half\",\"c10::Half\"]\n", 0, 0},
        {"aten::mm", "[[8,16]]\n[\"c10::Half\"]\n", 0, 0},
        {"aten::linear", "[[2,4,16],[32,16],[]]\n[\"c10::Half\",\"c10::Half\",\"\"]\n", 2 * 8 * 16 * 32,
         2 * (8 * 16 + 8 * 32 + 32 * 16)},
        {"aten::_flash_attention_forward",
         "[[2,64,8,32],[2,64,2,32],[2,64,2,32]]\n[\"c10::Half\",\"c10::Half\",\"c10::Half\"]\n[\"\",\"\",\"True\"]",
         4.0 * 2 * 8 * 64 * 64 * 32 / 2, 2.0 * 2 * (2 * 8 * 64 * 32 + 2 * 2 * 64 * 32)},
        {"aten::add", "[[16,1,8],[4,8],[]]\n[\"float\",\"c10::Half\",\"Scalar\"]\n", 16 * 4 * 8,
         16 * 8 * 4 + 4 * 8 * 2 + 16 * 4 * 8 * 4},
        {"aten::eq", "[[100],[]]\n[\"long int\",\"Scalar\"]\n", 100, 800 + 100},
        {"aten::copy_", "[[10,10],[10,10]]\n[\"float\",\"c10::Half\"]\n", 0, 600},
        {"aten::cat", "[[[2,3],[4,3]],[]]\n[\"TensorList\",\"Scalar\"]\n", 0, 2 * 2 * 18},
        {"aten::embedding", "[[50000,64],[4,8]]\n[\"c10::Half\",\"long int\"]\n", 0, 2 * 32 * 64 * 2 + 32 * 8},
        {"aten::cudnn_convolution",
         "[[1,3,8,8],[16,3,3,3],[],[],[]]\n[\"float\",\"float\",\"ScalarList\",\"ScalarList\",\"ScalarList\"]\n[\"\","
         "\"\",\"[1, 1]\",\"[2, 2]\",\"[1, 1]\"]",
         2.0 * 16 * 4 * 4 * 3 * 9, 4.0 * (3 * 64 + 16 * 16 + 16 * 27)},
        {"aten::mm", "nonsense", 0, 0},
        {"aten::mm", "[[", 0, 0},
        {"aten::mm", "", 0, 0},
        {"aten::no_such_op", "[[8]]\n[\"float\"]\n", 0, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        audit_work w;
        bool ok = audit_work_of(&w, str_from(rows[i].op), str_from(rows[i].shape));
        if (ok != (rows[i].bytes > 0) || (ok && (w.bytes != rows[i].bytes || w.flops != rows[i].flops)))
            fail_msg("%s %s: %d %g flops, %g bytes", rows[i].op, rows[i].shape, ok, w.flops, w.bytes);
    }
}

/* ---- buckets and verdicts ---- */

static void judge(world *w, const char *path, audit_options o) {
    if (!trace_load(&w->e, path, false, w->d) || !audit_trace(&w->r, &w->e, &o, w->d)) fail_msg("%s", diag_text(w->d));
}

static void steps(void **unused) {
    static const int64_t want_us[AUDIT_BUCKETS] = {[AUDIT_HOST_LINK] = 100, [AUDIT_NETWORK] = 30,  [AUDIT_COPIES] = 60,
                                                   [AUDIT_MEMORY] = 450,    [AUDIT_COMPUTE] = 350, [AUDIT_IDLE] = 10};
    (void)unused;
    world *w = open_world();
    judge(w, "tests/data/audit/steps.json", (audit_options){.device = -1});
    for (int b = 0; b < AUDIT_BUCKETS; b++) assert_int_equal(w->r.bucket_ns[b], want_us[b] * 1000);
    assert_int_equal(w->r.total_ns, 1000000);
    assert_int_equal(w->r.verdict, AUDIT_WALL_ROOFLINE);
    assert_true(fabs(w->r.lo - 0.19) < 1e-9 && fabs(w->r.best - 0.64) < 1e-9 && fabs(w->r.hi - 0.64) < 1e-9);
    close_world(w);
    w = open_world(); /* without the annotations nothing says how many sequences the step serves, and the pause counts
                       */
    judge(w, "tests/data/audit/steps.json", (audit_options){.device = -1, .no_annotations = true});
    assert_int_equal(w->r.bucket_ns[AUDIT_UNKNOWN], 300000);
    assert_int_equal(w->r.total_ns, 1400000);
    assert_int_equal(w->r.bucket_ns[AUDIT_IDLE_HOST], 400000);
    close_world(w);
}

static void empty(void **unused) {
    (void)unused;
    world *w = load("{\"traceEvents\":[{\"ph\":\"X\",\"cat\":\"cpu_op\",\"name\":\"aten::mm\",\"pid\":1,\"tid\":1,"
                    "\"ts\":1,\"dur\":5}]}");
    assert_true(w->ok);
    assert_true(audit_trace(&w->r, &w->e, &(audit_options){.device = -1}, w->d));
    assert_int_equal(w->r.verdict, AUDIT_NO_DEVICE);
    assert_int_equal(audit_exit_status(&w->r, 0.5), AUDIT_EXIT_UNDECIDED);
    close_world(w);
}

#define EVENT(cat, name, pid, tid, ts, dur, args)                                                                      \
    "{\"ph\":\"X\",\"cat\":\"" cat "\",\"name\":\"" name "\",\"pid\":" #pid ",\"tid\":" #tid ",\"ts\":" #ts            \
    ",\"dur\":" #dur ",\"args\":{" args "}}"
#define ON(device, stream, correlation) "\"device\":" #device ",\"stream\":" #stream ",\"correlation\":" #correlation
#define CALL(n)                         "\"correlation\":" #n

static world *judged(const char *json) {
    world *w = load(json);
    if (!w->ok || !audit_trace(&w->r, &w->e, &(audit_options){.device = -1}, w->d)) fail_msg("%s", diag_text(w->d));
    return w;
}

/* Marks of a step on two streams are one window; marks that cover little of the work give way to those on the host; a
 * pause before a serving engine's step is left out, one inside a step of training is not. */
static void windows(void **unused) {
    (void)unused;
    world *w = judged("[" EVENT("gpu_user_annotation", "ProfilerStep#1", 0, 7, 100, 50, "") "," EVENT(
        "gpu_user_annotation", "ProfilerStep#1", 0, 8, 160, 40,
        "") "," EVENT("kernel", "a", 0, 7, 100, 50, ON(0, 7, 1)) "," EVENT("kernel", "b", 0, 8, 160, 40,
                                                                           ON(0, 8, 2)) "]");
    assert_int_equal(w->r.total_ns, 100000);
    close_world(w);
    w = judged("[" EVENT("gpu_user_annotation", "ProfilerStep#1", 0, 7, 100, 10, "") "," EVENT(
        "user_annotation", "ProfilerStep#1", 9, 9, 0, 20,
        "") "," EVENT("cuda_runtime", "cudaLaunchKernel", 9, 9, 1, 1,
                      CALL(1)) "," EVENT("cuda_runtime", "cudaLaunchKernel", 9, 9, 5, 1,
                                         CALL(2)) "," EVENT("kernel", "a", 0, 7, 100, 10,
                                                            ON(0, 7, 1)) "," EVENT("kernel", "b", 0, 7, 110, 90,
                                                                                   ON(0, 7, 2)) "]");
    assert_int_equal(w->r.total_ns, 100000);
    assert_true(strstr(w->r.window, "on the host") != NULL);
    close_world(w);
    for (int serving = 0; serving < 2; serving++) {
        w = judged(serving ? "[" EVENT("gpu_user_annotation", "step[DECODE bs=4]", 0, 7, 100, 1000, "") "," EVENT(
                                 "kernel", "a", 0, 7, 100, 1, ON(0, 7, 1)) "," EVENT("kernel", "b", 0, 7, 1000, 100,
                                                                                     ON(0, 7, 2)) "]"
                           : "[" EVENT("gpu_user_annotation", "ProfilerStep#4", 0, 7, 100, 1000, "") "," EVENT(
                                 "kernel", "a", 0, 7, 100, 1, ON(0, 7, 1)) "," EVENT("kernel", "b", 0, 7, 1000, 100,
                                                                                     ON(0, 7, 2)) "]");
        assert_int_equal(w->r.total_ns, serving ? 100000 : 1000000);
        close_world(w);
    }
}

/* What a rank spends in a collective beyond the least over the ranks is waiting. */
static void ranks(void **unused) {
    (void)unused;
    world *w = load("[" EVENT("kernel", "gemm", 0, 7, 0, 100, ON(0, 7, 1)) "," EVENT(
        "kernel", "ncclAllReduce", 0, 8, 100, 100,
        ON(0, 8, 2)) "," EVENT("kernel", "ncclAllReduce", 0, 8, 200, 20,
                               ON(0, 8, 3)) "," EVENT("kernel", "ncclOther", 0, 8, 220, 30, ON(0, 8, 4)) "]");
    world *other = load("[" EVENT("kernel", "gemm", 0, 7, 50, 170, ON(0, 7, 1)) "," EVENT(
        "kernel", "ncclAllReduce", 0, 8, 170, 30, ON(0, 8, 2)) "," EVENT("kernel", "ncclAllReduce", 0, 8, 200, 40,
                                                                         ON(0, 8, 3)) "]");
    rank_calls mine, theirs;
    assert_true(ranks_calls(&mine, w->a, &w->e, -1, w->d) && ranks_calls(&theirs, other->a, &other->e, -1, other->d));
    assert_true(ranks_least(&mine, &theirs, w->a, w->d));
    assert_int_equal(mine.count, 3);
    assert_int_equal(mine.unmatched, 1);
    assert_true(audit_trace(&w->r, &w->e, &(audit_options){.device = -1, .ranks = &mine}, w->d));
    assert_int_equal(w->r.bucket_ns[AUDIT_NETWORK], 80000); /* 30 + 20 + 30 */
    assert_int_equal(w->r.bucket_ns[AUDIT_IDLE], 70000);
    assert_int_equal(w->r.total_ns, 250000);
    close_world(w);
    close_world(other);
}

static void annotations(void **unused) {
    (void)unused;
    step_load l;
    assert_true(step_load_parse(
        &l,
        STR("execute_8192_context_9(sq8155sk8430sqsq7475785sqsk7671310)_generation_37(sq37sk34489sqsq37sqsk34489)")));
    assert_true(l.tokens == 8192 && l.prefills == 9 && l.prefill_tokens == 8155 && l.prefill_kv == 8430 &&
                l.decodes == 37 && l.decode_kv == 34489 && l.kv_known);
    assert_true(step_load_parse(&l, STR("execute_context_1(888_788544)_generation_0(0)")));
    assert_true(l.tokens == 888 && l.prefills == 1 && l.decodes == 0 && !l.kv_known);
    assert_true(step_load_parse(&l, STR("step[EXTEND bs=15 toks=15360]")));
    assert_true(l.tokens == 15360 && l.prefills == 15);
    assert_true(step_load_parse(&l, STR("step[DECODE bs=32]")));
    assert_true(l.tokens == 32 && l.decodes == 32);
    static const char *const none[] = {"",
                                       "execute_",
                                       "execute_diffusion_1_256x256",
                                       "step[",
                                       "step[DECODE bs=]",
                                       "ProfilerStep#3",
                                       "execute_context_(_generation_("};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) assert_false(step_load_parse(&l, str_from(none[i])));
}

/* No device: the processor is judged when its roofs are given, by the operators that call no others. */
static void processor(void **unused) {
    (void)unused;
    static const char json[] =
        "[{\"ph\":\"X\",\"cat\":\"cpu_op\",\"name\":\"aten::linear\",\"pid\":1,\"tid\":1,\"ts\":0,\"dur\":6000,"
        "\"args\":{}},"
        "{\"ph\":\"X\",\"cat\":\"cpu_op\",\"name\":\"aten::mm\",\"pid\":1,\"tid\":1,\"ts\":1000,\"dur\":4000,\"args\":{"
        "\"Input Dims\":[[1024,1024],[1024,1024]],\"Input type\":[\"float\",\"float\"]}},"
        "{\"ph\":\"X\",\"cat\":\"cpu_op\",\"name\":\"aten::add\",\"pid\":1,\"tid\":1,\"ts\":6000,\"dur\":5000,\"args\":"
        "{\"Input Dims\":[[4096,4096],[4096,4096],[]],\"Input type\":[\"float\",\"float\",\"Scalar\"]}},"
        "{\"ph\":\"X\",\"cat\":\"cpu_op\",\"name\":\"aten::add\",\"pid\":1,\"tid\":1,\"ts\":12000,\"dur\":1,\"args\":{"
        "\"Input Dims\":[[4096,4096],[4096,4096],[]],\"Input type\":[\"float\",\"float\",\"Scalar\"]}}]";
    world *w = load(json);
    assert_true(w->ok);
    assert_true(audit_trace(&w->r, &w->e, &(audit_options){.device = -1, .peaks = {NULL, 1, 50}}, w->d));
    assert_int_equal(w->r.bucket_ns[AUDIT_COMPUTE], 4000000);
    assert_int_equal(w->r.bucket_ns[AUDIT_MEMORY], 5000000);
    assert_int_equal(w->r.bucket_ns[AUDIT_UNKNOWN], 1000); /* from the cache, or wrong: faster than the roof */
    assert_int_equal(w->r.bucket_ns[AUDIT_IDLE], 2000000);
    close_world(w);
}

static void deciding(void **unused) {
    static const struct {
        int64_t ns[AUDIT_BUCKETS]; /* host link, network, copies, memory, compute, unknown, idle host, idle */
        audit_verdict verdict;
        audit_bucket biggest;
        int status, above;
    } rows[] = {
        {{60, 0, 0, 0, 40, 0, 0, 0}, AUDIT_WALL_PROVEN, AUDIT_HOST_LINK, 3, 3},
        {{20, 31, 0, 40, 9, 0, 0, 0}, AUDIT_WALL_PROVEN, AUDIT_NETWORK, 3, 3},
        {{0, 10, 0, 41, 49, 0, 0, 0}, AUDIT_WALL_ROOFLINE, AUDIT_MEMORY, 3, 3},
        {{0, 0, 0, 50, 50, 0, 0, 0}, AUDIT_MIXED, AUDIT_MEMORY, 0, 0},
        {{0, 0, 0, 49, 51, 0, 0, 0}, AUDIT_COMPUTE_BOUND, AUDIT_COMPUTE, 0, 0},
        {{0, 0, 0, 40, 40, 20, 0, 0}, AUDIT_UNDECIDED, AUDIT_MEMORY, 4, 0},
        {{49, 0, 0, 0, 0, 0, 51, 0}, AUDIT_LAUNCH_BOUND, AUDIT_HOST_LINK, 0, 0},
        {{20, 0, 0, 0, 20, 0, 20, 40}, AUDIT_MIXED, AUDIT_HOST_LINK, 0, 0},
        {{0, 0, 0, 0, 0, 0, 0, 0}, AUDIT_NO_DEVICE, AUDIT_HOST_LINK, 4, 4},
    };
    (void)unused;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        world *w = open_world();
        memcpy(w->r.bucket_ns, rows[i].ns, sizeof rows[i].ns);
        audit_decide(&w->r);
        assert_int_equal(w->r.verdict, rows[i].verdict);
        assert_int_equal(w->r.biggest, rows[i].biggest);
        assert_int_equal(audit_exit_status(&w->r, -1), rows[i].status);
        assert_int_equal(audit_exit_status(&w->r, 0.5), rows[i].above);
        close_world(w);
    }
}

/* ---- the public traces ---- */

static void public_verdicts(void **unused) {
    static const struct {
        const char *file, *model;
        audit_options o;
        audit_verdict verdict;
        audit_bucket biggest;
        double best_lo, best_hi;
    } rows[] = {
        {"h100x2-offload-nsys.sqlite.gz", NULL, {.device = -1}, AUDIT_WALL_PROVEN, AUDIT_HOST_LINK, 0.95, 1},
        {"a100-recsys-128rank-sampled.json.gz", NULL, {.device = -1}, AUDIT_WALL_PROVEN, AUDIT_NETWORK, 0.61, 1},
        {"mi300x-vllm-gptoss20b-decode.json.gz",
         NULL,
         {.device = -1, .no_annotations = true},
         AUDIT_UNDECIDED,
         AUDIT_UNKNOWN,
         0,
         0.5},
        {"mi300x-vllm-gptoss20b-decode.json.gz",
         NULL,
         {.device = -1, .no_annotations = true, .batch = 32},
         AUDIT_WALL_ROOFLINE,
         AUDIT_MEMORY,
         0.9,
         1},
        {"mi300x-vllm-gptoss20b-decode.json.gz", NULL, {.device = -1}, AUDIT_WALL_ROOFLINE, AUDIT_MEMORY, 0.9, 1},
        {"mi300x-vllm-gptoss20b-decode.json.gz",
         "gpt-oss-20b",
         {.device = -1},
         AUDIT_WALL_ROOFLINE,
         AUDIT_MEMORY,
         0.9,
         1},
        {"h100-qwen1.5-0.5b-prefill-shapes.json.gz",
         NULL,
         {.device = -1},
         AUDIT_WALL_ROOFLINE,
         AUDIT_MEMORY,
         0.62,
         0.70},
        {"mi300x-vllm-gptoss20b-prefill.json.gz",
         "gpt-oss-20b",
         {.device = -1},
         AUDIT_COMPUTE_BOUND,
         AUDIT_COMPUTE,
         0,
         0.2},
        {"b200-vllm-tp8-eager-prefill.json.gz", NULL, {.device = -1}, AUDIT_LAUNCH_BOUND, AUDIT_UNKNOWN, 0, 0.2},
    };
    const char *dir = getenv("INGOT_SHARED");
    char path[512];
    (void)unused;
    snprintf(path, sizeof path, "%s/traces", dir ? dir : "../shared");
    if (!file_exists(path)) {
        printf("the traces are not here: %s\n", path);
        skip();
    }
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        world *w = open_world();
        perf_shape shape;
        audit_options o = rows[i].o;
        if (rows[i].model) {
            if (!perf_shape_load(&shape, w->a, rows[i].model, w->d)) fail_msg("%s", diag_text(w->d));
            o.model = &shape;
        }
        snprintf(path, sizeof path, "%s/traces/%s", dir ? dir : "../shared", rows[i].file);
        judge(w, path, o);
        if (w->r.verdict != rows[i].verdict || w->r.biggest != rows[i].biggest)
            fail_msg("row %zu: %s about %s", i, audit_verdict_name(w->r.verdict), audit_bucket_key(w->r.biggest));
        if (w->r.best < rows[i].best_lo || w->r.best > rows[i].best_hi) fail_msg("row %zu: best %f", i, w->r.best);
        close_world(w);
    }
}

/* The roofline of the linked kernels, as computed by another program: shares within 0.05, sums within 2 %. */
static void public_roofline(void **unused) {
    const char *dir = getenv("INGOT_SHARED");
    char path[512];
    (void)unused;
    snprintf(path, sizeof path, "%s/traces/h100-qwen1.5-0.5b-prefill-shapes.json.gz", dir ? dir : "../shared");
    if (!file_exists(path)) skip();
    world *w = open_world();
    judge(w, path, (audit_options){.device = -1});
    double memory = (double)w->r.bucket_ns[AUDIT_MEMORY], compute = (double)w->r.bucket_ns[AUDIT_COMPUTE];
    assert_true(fabs(memory / (memory + compute) - 0.721) < 0.05);
    assert_true(fabs(w->r.memory_roof_ns / 11630.6e3 - 1) < 0.02);
    assert_true(fabs(w->r.compute_roof_ns / 5573.6e3 - 1) < 0.02);
    close_world(w);
}

/* ---- intervals ---- */

static void interval_sets(void **unused) {
    intervals x = {0}, y = {0};
    (void)unused;
    intervals_add(&x, 0, 10);
    intervals_add(&x, 5, 8);
    intervals_add(&x, 10, 12); /* touches: one interval */
    intervals_add(&x, 20, 20); /* empty */
    intervals_add(&x, 30, 40);
    intervals_add(&y, 11, 35);
    assert_int_equal(x.count, 3);
    assert_int_equal(intervals_length(&x), 22);
    assert_int_equal(intervals_common(&x, &y), 1 + 5);
    intervals_clip(&x, 4, 32);
    assert_int_equal(intervals_length(&x), 8 + 2);
    intervals_free(&x);
    intervals_free(&y);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decimals),
        cmocka_unit_test(odd_files),
        cmocka_unit_test(no_traces),
        cmocka_unit_test(partial),
        cmocka_unit_test(long_events),
        cmocka_unit_test(hostile),
        cmocka_unit_test(gzip),
        cmocka_unit_test(nsys),
        cmocka_unit_test(names),
        cmocka_unit_test(works),
        cmocka_unit_test(steps),
        cmocka_unit_test(empty),
        cmocka_unit_test(processor),
        cmocka_unit_test(windows),
        cmocka_unit_test(annotations),
        cmocka_unit_test(ranks),
        cmocka_unit_test(deciding),
        cmocka_unit_test(interval_sets),
        cmocka_unit_test(public_verdicts),
        cmocka_unit_test(public_roofline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
