// What llama.cpp rotates, for tools/llama_cpp_rotations.py, which compiles this with a checkout of llama.cpp:
//   rotations headers FOLDER   write the header of a tiny model of each architecture that llama.cpp's own test
//                              (tests/test-llama-archs.cpp) knows; `fixture.inc` is cut from there
//   rotations calls FILE       load a header, build the graph, and print one line for each different rotation
// The linker sends each call of ggml's rope functions through the wrappers below.

#include "ggml-backend.h"
#include "ggml-cpp.h"
#include "ggml.h"
#include "gguf.h"
#include "llama-cpp.h"
#include "llama.h"

#include "../src/llama-arch.h"
#include "../src/llama-hparams.h"
#include "../src/llama-model-saver.h"
#include "../src/llama-model.h"

#include <unistd.h>

#include <cinttypes>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <queue>
#include <set>
#include <string>
#include <vector>

#include "fixture.inc"

namespace {

// The nearest weight of a layer from which a tensor is computed: "blk.3.attn_q.weight".
std::string nearest_weight(const ggml_tensor * tensor) {
    std::queue<std::pair<const ggml_tensor *, int>> waiting;
    std::set<const ggml_tensor *> seen;
    waiting.push({ tensor, 0 });
    while (!waiting.empty()) {
        auto [each, distance] = waiting.front();
        waiting.pop();
        if (each == nullptr || distance > 14 || !seen.insert(each).second) {
            continue;
        }
        const std::string name = each->name;
        if (name.rfind("blk.", 0) == 0 && name.find("norm") == std::string::npos &&
            name.find("rope") == std::string::npos) {
            return name;
        }
        for (int i = 0; i < GGML_MAX_SRC; ++i) {
            waiting.push({ each->src[i], distance + 1 });
        }
        waiting.push({ each->view_src, distance + 1 });
    }
    return "?";
}

void print_call(const ggml_tensor * a, int n_dims, int n_ctx_orig, float base, float scale, float ext, float attn,
                float fast, float slow) {
    static std::set<std::string> printed;
    char line[512];
    snprintf(line, sizeof line, "ROPE\t%s\t%.9g\t%.9g\t%.9g\t%.9g\t%.9g\t%.9g\t%d\t%d", nearest_weight(a).c_str(),
             base, scale, ext, attn, fast, slow, n_dims, n_ctx_orig);
    if (printed.insert(line).second) {
        puts(line);
    }
}

void leave_empty(ggml_tensor *, void *) {}

bool go_on(float, void *) {
    return true;
}

int write_headers(const std::string & folder) {
    for (const llm_arch & arch : llm_arch_all()) {
        if (arch == LLM_ARCH_UNKNOWN || arch == LLM_ARCH_CLIP) {
            continue;
        }
        gguf_context_ptr header = get_gguf_ctx(arch, moe_mandatory(arch));
        gguf_write_to_file(header.get(), (folder + "/" + llm_arch_name(arch) + ".gguf").c_str(), true);
    }
    return 0;
}

int print_calls(const char * path) {
    gguf_context_ptr header(gguf_init_from_file(path, { true, nullptr }));
    llama_model_params model_params = llama_model_default_params();
    ggml_backend_dev_t no_device = nullptr;
    model_params.devices = &no_device;
    model_params.progress_callback = go_on;
    llama_model * model = llama_model_init_from_user(header.get(), leave_empty, nullptr, model_params);
    if (model == nullptr) {
        return 1;
    }
    const llama_hparams & h = model->hparams;
    printf("MODEL\t%u\t%d\t%u\n", h.n_layer(), (int) h.swa_type, h.n_swa);
    for (uint32_t layer = 0; layer < h.n_layer(); ++layer) {
        printf("LAYER\t%d\n", (int) h.is_swa(layer));
    }
    fflush(stdout);
    llama_context_params params = llama_context_default_params();
    params.n_ctx = 0;
    params.n_threads = params.n_threads_batch = 1;
    params.n_ubatch = params.n_batch = 64;
    if (llama_init_from_model(model, params) == nullptr) {
        return 1;
    }
    puts("DONE");
    fflush(stdout);
    _exit(0);
}

}  // namespace

extern "C" {
#define ROPE_ARGUMENTS float base, float scale, float ext, float attn, float fast, float slow
ggml_tensor * __real_ggml_rope_ext(ggml_context *, ggml_tensor *, ggml_tensor *, ggml_tensor *, int, int, int, float,
                                   float, float, float, float, float);
ggml_tensor * __wrap_ggml_rope_ext(ggml_context * ctx, ggml_tensor * a, ggml_tensor * b, ggml_tensor * c, int n_dims,
                                   int mode, int n_ctx_orig, ROPE_ARGUMENTS) {
    print_call(a, n_dims, n_ctx_orig, base, scale, ext, attn, fast, slow);
    return __real_ggml_rope_ext(ctx, a, b, c, n_dims, mode, n_ctx_orig, base, scale, ext, attn, fast, slow);
}

ggml_tensor * __real_ggml_rope_multi(ggml_context *, ggml_tensor *, ggml_tensor *, ggml_tensor *, int, int *, int, int,
                                     float, float, float, float, float, float);
ggml_tensor * __wrap_ggml_rope_multi(ggml_context * ctx, ggml_tensor * a, ggml_tensor * b, ggml_tensor * c, int n_dims,
                                     int * sections, int mode, int n_ctx_orig, ROPE_ARGUMENTS) {
    print_call(a, n_dims, n_ctx_orig, base, scale, ext, attn, fast, slow);
    return __real_ggml_rope_multi(ctx, a, b, c, n_dims, sections, mode, n_ctx_orig, base, scale, ext, attn, fast,
                                  slow);
}

ggml_tensor * __real_ggml_rope(ggml_context *, ggml_tensor *, ggml_tensor *, int, int);
ggml_tensor * __wrap_ggml_rope(ggml_context * ctx, ggml_tensor * a, ggml_tensor * b, int n_dims, int mode) {
    print_call(a, n_dims, 0, 10000.0f, 1.0f, 0.0f, 1.0f, 0.0f, 0.0f);
    return __real_ggml_rope(ctx, a, b, n_dims, mode);
}
}

int main(int argc, char ** argv) {
    llama_log_set(
        [](ggml_log_level level, const char * text, void *) {
            if (level >= GGML_LOG_LEVEL_WARN) {
                fputs(text, stderr);
            }
        },
        nullptr);
    const std::string what = argc == 3 ? argv[1] : "";
    return what == "headers" ? write_headers(argv[2]) : what == "calls" ? print_calls(argv[2]) : 2;
}
