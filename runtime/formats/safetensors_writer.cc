#include "runtime/formats/safetensors_writer.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "kernels/base/check.h"
#include "kernels/base/status_macros.h"
#include "nlohmann/json.hpp"

namespace quantd {
namespace {

using Json = nlohmann::ordered_json;

// The header is filled up with spaces to a multiple of this, so that data are aligned.
constexpr size_t kHeaderAlignment = 8;

bool LiesBefore(const SafetensorsEntry& a, const SafetensorsEntry& b) {
  const int a_bits = DtypeBits(a.dtype), b_bits = DtypeBits(b.dtype);
  return a_bits != b_bits ? a_bits > b_bits : a.name < b.name;
}

std::string Header(const std::vector<SafetensorsEntry>& tensors) {
  Json header = {{"__metadata__", {{"format", "pt"}}}};
  uint64_t offset = 0;
  for (const SafetensorsEntry& tensor : tensors) {
    const uint64_t end = offset + tensor.bytes();
    header[tensor.name] = {{"dtype", DtypeName(tensor.dtype)},
                           {"shape", tensor.shape},
                           {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = header.dump();
  text.resize((text.size() + kHeaderAlignment - 1) / kHeaderAlignment * kHeaderAlignment, ' ');
  const uint64_t length = text.size();
  std::string bytes(sizeof(length), '\0');
  std::memcpy(bytes.data(), &length, sizeof(length));
  return bytes + text;
}

/// Shard of each tensor.
std::vector<size_t> AssignShards(const std::vector<SafetensorsEntry>& tensors,
                                 uint64_t shard_bytes) {
  std::vector<size_t> shards;
  size_t shard = 0;
  uint64_t filled = 0;
  for (const SafetensorsEntry& tensor : tensors) {
    const uint64_t bytes = tensor.bytes();
    if (filled > 0 && filled + bytes > shard_bytes) {
      ++shard;
      filled = 0;
    }
    filled += bytes;
    shards.push_back(shard);
  }
  return shards;
}

}  // namespace

uint64_t SafetensorsEntry::bytes() const {
  uint64_t bytes = static_cast<uint64_t>(DtypeBits(dtype)) / 8;
  for (const int64_t extent : shape) bytes *= static_cast<uint64_t>(extent);
  return bytes;
}

absl::StatusOr<std::unique_ptr<SafetensorsWriter>> SafetensorsWriter::Create(
    const std::string& path, std::vector<SafetensorsEntry> tensors) {
  std::sort(tensors.begin(), tensors.end(), LiesBefore);
  const std::string header = Header(tensors);
  std::unique_ptr<SafetensorsWriter> writer(new SafetensorsWriter(path));
  uint64_t offset = header.size();
  for (const SafetensorsEntry& tensor : tensors) {
    QUANTD_CHECK(DtypeBits(tensor.dtype) % 8 == 0, "offsets are of whole bytes");
    const uint64_t bytes = tensor.bytes();
    const bool is_new = writer->places_.emplace(tensor.name, Place{offset, bytes}).second;
    QUANTD_CHECK(is_new, "a name stands for one tensor");
    offset += bytes;
  }
  QUANTD_RETURN_IF_ERROR(writer->file_.Open());
  QUANTD_RETURN_IF_ERROR(writer->file_.Append(header.data(), header.size()));
  return writer;
}

absl::Status SafetensorsWriter::Write(absl::string_view name, absl::Span<const uint8_t> bytes) {
  const auto found = places_.find(name);
  if (found == places_.end() || found->second.written) {
    return absl::InternalError(
        absl::StrCat("tensor ", name,
                     found == places_.end() ? ": is none of the file" : ": was written already"));
  }
  if (bytes.size() != found->second.bytes) {
    return absl::InternalError(absl::StrCat("tensor ", name, ": expected ", found->second.bytes,
                                            " bytes to write, got ", bytes.size()));
  }
  found->second.written = true;
  return file_.WriteAt(found->second.offset, bytes.data(), bytes.size());
}

absl::Status SafetensorsWriter::Finish() {
  for (const auto& [name, place] : places_) {
    if (!place.written) {
      return absl::InternalError(absl::StrCat("tensor ", name, ": was not written"));
    }
  }
  return file_.Commit();
}

absl::StatusOr<std::unique_ptr<SafetensorsModelWriter>> SafetensorsModelWriter::Create(
    const std::string& folder, const std::vector<SafetensorsEntry>& tensors, uint64_t shard_bytes) {
  std::unique_ptr<SafetensorsModelWriter> writer(new SafetensorsModelWriter);
  writer->folder_ = folder;
  const std::vector<size_t> shards = AssignShards(tensors, shard_bytes);
  const size_t count = shards.empty() ? 1 : shards.back() + 1;
  std::vector<std::vector<SafetensorsEntry>> parts(count);
  for (size_t i = 0; i < tensors.size(); ++i) {
    parts[shards[i]].push_back(tensors[i]);
    writer->shard_of_.emplace(tensors[i].name, shards[i]);
    writer->total_bytes_ += tensors[i].bytes();
  }
  for (size_t i = 0; i < count; ++i) {
    writer->names_.push_back(count == 1
                                 ? "model.safetensors"
                                 : absl::StrFormat("model-%05d-of-%05d.safetensors", i + 1, count));
    QUANTD_ASSIGN_OR_RETURN(writer->shards_.emplace_back(),
                            SafetensorsWriter::Create(absl::StrCat(folder, "/", writer->names_[i]),
                                                      std::move(parts[i])));
  }
  return writer;
}

absl::Status SafetensorsModelWriter::Write(absl::string_view name,
                                           absl::Span<const uint8_t> bytes) {
  const auto found = shard_of_.find(name);
  if (found == shard_of_.end()) {
    return absl::InternalError(absl::StrCat("tensor ", name, ": is none of the model"));
  }
  return shards_[found->second]->Write(name, bytes);
}

absl::Status SafetensorsModelWriter::Finish() {
  for (const auto& shard : shards_) QUANTD_RETURN_IF_ERROR(shard->Finish());
  return shards_.size() == 1 ? absl::OkStatus() : WriteIndex();
}

absl::Status SafetensorsModelWriter::WriteIndex() const {
  nlohmann::json map = nlohmann::json::object();  // ordered by name
  for (const auto& [name, shard] : shard_of_) map[name] = names_[shard];
  const Json index = {{"metadata", {{"total_size", total_bytes_}}}, {"weight_map", map}};
  TemporaryFile file(absl::StrCat(folder_, "/model.safetensors.index.json"));
  QUANTD_RETURN_IF_ERROR(file.Open());
  const std::string text = index.dump(2) + "\n";
  QUANTD_RETURN_IF_ERROR(file.Append(text.data(), text.size()));
  return file.Commit();
}

}  // namespace quantd
