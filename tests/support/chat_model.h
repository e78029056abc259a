#ifndef QUANTD_TESTS_SUPPORT_CHAT_MODEL_H_
#define QUANTD_TESTS_SUPPORT_CHAT_MODEL_H_

#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string>

#include "gtest/gtest.h"
#include "runtime/formats/gguf.h"
#include "runtime/formats/gguf_writer.h"
#include "tests/support/test_data.h"

namespace quantd {

/// A chat template for the demo model, which has none: names like those of a play, each speech
/// ended by the vocabulary's end token. It knows no role "nobody".
inline constexpr char kPlayTemplate[] =
    "{{ bos_token }}{% for m in messages %}"
    "{% if m.role == 'nobody' %}{{ raise_exception('nobody never speaks') }}{% endif %}"
    "{{ m.role | upper }}:\n{{ m.content }}{{ eos_token }}{% endfor %}"
    "{% if tone is defined %}({{ tone }}) {% endif %}"
    "{% if add_generation_prompt %}ROMEO:\n{% endif %}";

/// A file with that template: written once per process, gone at its end.
inline const std::string& PlayTemplateFile() {
  static const auto* const kPath = [] {
    const std::string path = ::testing::TempDir() + "play-" + std::to_string(getpid()) + ".jinja";
    std::ofstream(path, std::ios::binary) << kPlayTemplate;
    std::atexit([] { unlink(PlayTemplateFile().c_str()); });
    return new std::string(path);
  }();
  return *kPath;
}

/// The demo model with that template in its metadata, likewise.
inline const std::string& ChatModel() {
  static const auto* const kPath = [] {
    const std::string path = ::testing::TempDir() + "chat-" + std::to_string(getpid()) + ".gguf";
    const auto demo = GgufFile::Open(SourcePath("config/models/shakespeare-6m-Q8_0.gguf"));
    EXPECT_TRUE(demo.ok()) << demo.status();
    GgufWriter writer;
    for (const GgufKeyValue& entry : (*demo)->metadata()) writer.Copy(entry);
    writer.SetString("tokenizer.chat_template", kPlayTemplate);
    const auto& tensors = (*demo)->tensors();
    for (const GgufTensor& tensor : tensors) {
      writer.AddTensor(tensor.name, tensor.shape, tensor.type);
    }
    const absl::Status written = writer.Write(path, [&](size_t i, std::vector<uint8_t>* bytes) {
      bytes->assign(tensors[i].data, tensors[i].data + tensors[i].bytes);
      return absl::OkStatus();
    });
    EXPECT_TRUE(written.ok()) << written;
    std::atexit([] { unlink(ChatModel().c_str()); });
    return new std::string(path);
  }();
  return *kPath;
}

}  // namespace quantd

#endif  // QUANTD_TESTS_SUPPORT_CHAT_MODEL_H_
