/* Writes a trace as PyTorch's profiler would, of any size, to measure how `ingot audit` copes (docs/audit.md):
 *
 *     bin/ingot-mktrace 1000000 >trace.json          # device events; with launches, operators and Python frames
 * about 1.2 GB bin/ingot-mktrace 10000000 0 >kernels.json     # 0: device events and launches only
 *
 * Every device event comes with a launch; with frames also with an operator with shapes and that many Python frames.
 * Not in order of time, as in real files. Same arguments, same bytes. */
#include "base/rng.h"
#include <stdio.h>
#include <stdlib.h>

static const char *const kernels[] = {
    "void at::native::vectorized_elementwise_kernel<4, at::native::CUDAFunctor_add<c10::BFloat16>, std::array<char*, "
    "3ul> >(int, at::native::CUDAFunctor_add<c10::BFloat16>)",
    "sm90_xmma_gemm_bf16bf16_bf16f32_f32_tn_n_tilesize128x128x64_warpgroupsize1x1x1_execute_segment_k_off_kernel__5x_"
    "cublas",
    "void pytorch_flash::flash_fwd_kernel<pytorch_flash::Flash_fwd_kernel_traits<64, 128, 128, 4, false, false, "
    "cutlass::bfloat16_t> >(pytorch_flash::Flash_fwd_params)",
    "ncclDevKernel_AllReduce_Sum_bf16_RING_LL(ncclDevKernelArgsStorage<4096ul>)",
};
static const char *const ops[] = {"aten::add", "aten::mm", "aten::_flash_attention_forward", "c10d::allreduce_"};
static const char *const dims[] = {"[[4096, 4096], [4096, 4096], []]", "[[4096, 4096], [4096, 4096]]",
                                   "[[4, 1024, 32, 128], [4, 1024, 32, 128], [4, 1024, 32, 128]]", "[[]]"};
static const char *const types[] = {"[\"c10::BFloat16\", \"c10::BFloat16\", \"Scalar\"]",
                                    "[\"c10::BFloat16\", \"c10::BFloat16\"]",
                                    "[\"c10::BFloat16\", \"c10::BFloat16\", \"c10::BFloat16\"]", "[\"TensorList\"]"};

static void device(unsigned long long i, size_t k, double t, double dur) {
    printf("  {\n    \"ph\": \"X\", \"cat\": \"kernel\", \"name\": \"%s\", \"pid\": 0, \"tid\": 7,\n    \"ts\": %.3f, "
           "\"dur\": %.3f,\n    \"args\": {\n      \"External id\": %llu,"
           "\"queued\": 0, \"device\": 0, \"context\": 1,\n      \"stream\": %d, \"correlation\": %llu,\n      "
           "\"registers per thread\": 32,\n      \"grid\": [4096, 1, 1],\n      \"block\": [128, 1, 1]\n    }\n  },\n",
           kernels[k], t, dur, i, k == 3 ? 20 : 7, i);
}

static void host(unsigned long long i, size_t k, double t, int frames) {
    printf("  {\n    \"ph\": \"X\", \"cat\": \"cuda_runtime\", \"name\": \"cudaLaunchKernel\", \"pid\": 100, \"tid\": "
           "100,\n    \"ts\": %.3f, \"dur\": 4.100,\n    \"args\": {\n      \"External id\": %llu, \"cbid\": 211, "
           "\"correlation\": %llu\n    }\n  },\n",
           t, i, i);
    if (!frames) return;
    printf("  {\n    \"ph\": \"X\", \"cat\": \"cpu_op\", \"name\": \"%s\", \"pid\": 100, \"tid\": 100,\n    \"ts\": "
           "%.3f, \"dur\": 9.500,\n    \"args\": {\n      \"External id\": %llu,\"Record function id\": 0, \"Ev Idx\": "
           "%llu, \"Input Dims\": %s, \"Input type\": %s\n    }\n  },\n",
           ops[k], t - 3, i, i, dims[k], types[k]);
    for (int f = 0; f < frames; f++)
        printf("  {\n    \"ph\": \"X\", \"cat\": \"python_function\", \"name\": \"torch/nn/modules/module.py(%d): "
               "_call_impl\", \"pid\": 100, \"tid\": 100,\n    \"ts\": %.3f, \"dur\": 20.250,\n    \"args\": {\n      "
               "\"Python parent id\": %llu, \"Python id\": %llu, \"Ev Idx\": %llu\n    }\n  },\n",
               1000 + f, t - 5 - f, i, i + 1, i);
}

int main(int argc, char **argv) {
    unsigned long long n = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000;
    int frames = argc > 2 ? atoi(argv[2]) : 3;
    rng r = rng_seed(1);
    double t = 1365627000000.0;
    printf("{\n  \"schemaVersion\": 1,\n  \"deviceProperties\": [{\"id\": 0, \"name\": \"NVIDIA H100 80GB HBM3\", "
           "\"totalGlobalMem\": 85018279936, \"numSms\": 132}],\n  \"traceEvents\": [\n");
    for (unsigned long long i = 1; i <= n; i++) {
        size_t k = (size_t)rng_below(&r, 100);
        double dur = 2 + 200 * rng_f64(&r);
        k = k < 60 ? 0 : k < 90 ? 1 : k < 98 ? 2 : 3;
        host(i, k, t - 50, frames);
        device(i, k, t, dur);
        t += dur + rng_f64(&r);
    }
    printf("  {\"ph\": \"M\", \"name\": \"process_name\", \"pid\": 0, \"args\": {\"name\": \"python\"}}\n  ]\n}\n");
    return ferror(stdout) ? 1 : 0;
}
