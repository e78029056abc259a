#include "runtime/formats/safetensors_index.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "kernels/base/status_macros.h"
#include "runtime/formats/file_error.h"
#include "runtime/formats/json_events.h"
#include "runtime/formats/model_directory.h"

namespace quantd {
namespace {

constexpr size_t kMaxTensors = 1 << 20;
constexpr size_t kMaxShards = 1024;  // each is an open file
constexpr char kWeightMap[] = "weight_map";

/// Takes "weight_map" and passes over the rest ("metadata" holds a size that writers disagree
/// about). Used for one text.
class IndexReader : public JsonHandler {
 public:
  explicit IndexReader(const std::string& path) : path_(path) {}

  SafetensorsIndex& index() { return index_; }
  bool has_weight_map() const { return has_weight_map_; }

  absl::Status On(const JsonEvent& event) override {
    const bool begins = event.kind == Kind::kObjectBegin || event.kind == Kind::kArrayBegin;
    const bool ends = event.kind == Kind::kObjectEnd || event.kind == Kind::kArrayEnd;
    absl::Status status;
    if (depth_ == 0) {
      status = Expect(event, Kind::kObjectBegin, "an object");
    } else if (depth_ == 1 && event.kind == Kind::kKey) {
      status = OnKey(event.text);
    } else if (in_weight_map_ && depth_ == 1 && !ends) {
      status = Expect(event, Kind::kObjectBegin, "an object");
    } else if (in_weight_map_ && depth_ == 2 && event.kind == Kind::kKey) {
      tensor_ = std::string(event.text);
    } else if (in_weight_map_ && depth_ == 2 && !ends) {
      status = OnShard(event);
    }
    if (begins) ++depth_;
    if (ends) --depth_;
    return status;
  }

  std::string Field() const override {
    if (!in_weight_map_ || depth_ == 0) return "top level";
    return depth_ == 1 ? kWeightMap : absl::StrCat(kWeightMap, ".", Printable(tensor_));
  }

 private:
  using Kind = JsonEvent::Kind;

  absl::Status Expect(const JsonEvent& event, Kind kind, absl::string_view wanted) const {
    if (event.kind == kind) return absl::OkStatus();
    return Error(absl::StrCat("expected ", wanted, ", found ", JsonKindName(event.kind)));
  }
  absl::Status Error(absl::string_view what) const { return FileError(path_, Field(), what); }

  absl::Status OnKey(absl::string_view key) {
    in_weight_map_ = key == kWeightMap;
    if (!in_weight_map_ || !std::exchange(has_weight_map_, true)) return absl::OkStatus();
    return Error("the key occurs twice");
  }

  absl::Status OnShard(const JsonEvent& event) {
    QUANTD_RETURN_IF_ERROR(Expect(event, Kind::kString, "a string"));
    if (const absl::string_view fault = FileNameFault(event.text); !fault.empty()) {
      return Error(absl::StrCat("the file name \"", Printable(event.text), "\" ", fault,
                                "; only files of the model's own folder are read"));
    }
    if (index_.shard_of.size() == kMaxTensors) {
      return Error(absl::StrCat("more than ", kMaxTensors, " tensors"));
    }
    const auto [shard, is_new] = shards_.emplace(event.text, index_.shards.size());
    if (is_new && index_.shards.size() == kMaxShards) {
      return Error(absl::StrCat("more than ", kMaxShards, " files"));
    }
    if (is_new) index_.shards.emplace_back(event.text);
    if (!index_.shard_of.emplace(tensor_, shard->second).second) {
      return Error("the key occurs twice");
    }
    return absl::OkStatus();
  }

  const std::string& path_;
  int depth_ = 0;
  bool in_weight_map_ = false, has_weight_map_ = false;
  std::string tensor_;
  absl::flat_hash_map<std::string, uint32_t> shards_;
  SafetensorsIndex index_;
};

}  // namespace

absl::StatusOr<SafetensorsIndex> ParseSafetensorsIndex(absl::string_view text,
                                                       const std::string& path) {
  IndexReader reader(path);
  QUANTD_RETURN_IF_ERROR(ReadJsonEvents(text, path, &reader));
  if (!reader.has_weight_map()) return FileError(path, kWeightMap, "the key is missing");
  if (reader.index().shards.empty()) return FileError(path, kWeightMap, "lists no tensor");
  return std::move(reader.index());
}

}  // namespace quantd
