// Reads and validates a safetensors file: header length, JSON header, placement of the tensors.
// All input is untrusted: the header is read as events, so that memory grows only with the tensors
// and metadata that it really describes, and every step is linear (placement sorts the tensors).

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "kernels/base/status_macros.h"
#include "runtime/formats/file_error.h"
#include "runtime/formats/json_events.h"
#include "runtime/formats/safetensors.h"

namespace quantd {

static_assert(std::endian::native == std::endian::little, "numbers are read as they lie");

namespace {

constexpr uint64_t kMaxHeaderBytes = 100'000'000;  // the limit of the format's own library
constexpr size_t kMaxTensors = 1 << 20;            // real models have tens of thousands
constexpr size_t kMaxMetadata = 1 << 16;           // and tens of these
constexpr size_t kMaxDimensions = 8;
constexpr char kMetadataKey[] = "__metadata__";

std::string TensorField(absl::string_view name) { return absl::StrCat("tensor ", Printable(name)); }

}  // namespace

/// Fills one SafetensorsFile from its bytes; it is the handler of its header. Used once, on one
/// thread.
class SafetensorsParser : public JsonHandler {
 public:
  SafetensorsParser(std::string path, absl::Span<const uint8_t> bytes)
      : file_(new SafetensorsFile) {
    file_->path_ = std::move(path);
    file_->bytes_ = bytes;
  }

  absl::StatusOr<std::unique_ptr<SafetensorsFile>> Run(std::unique_ptr<MappedFile> mapping) {
    file_->mapping_ = std::move(mapping);
    QUANTD_RETURN_IF_ERROR(ReadHeader());
    QUANTD_RETURN_IF_ERROR(IndexNames());
    QUANTD_RETURN_IF_ERROR(PlaceTensors());
    QUANTD_RETURN_IF_ERROR(CheckTiling());
    return std::move(file_);
  }

  absl::Status On(const JsonEvent& event) override;
  std::string Field() const override;

 private:
  using Kind = JsonEvent::Kind;
  /// What the next event belongs to.
  enum class Place : uint8_t {
    kHeader,        ///< the object that is the header
    kNames,         ///< a tensor's name or "__metadata__", or the end of the header
    kTensor,        ///< the object behind a tensor's name
    kTensorKeys,    ///< "dtype", "shape", "data_offsets", or the end of the tensor
    kDtype,         ///< the string
    kShape,         ///< the array
    kShapeItems,    ///< its numbers
    kOffsets,       ///< the array
    kOffsetsItems,  ///< its numbers
    kMetadata,      ///< the object
    kMetadataKeys,  ///< a key or the end
    kMetadataText,  ///< the string of a key
  };
  /// What the header says of one tensor, besides what SafetensorsTensor holds.
  struct Extent {
    uint64_t begin = 0, end = 0;
  };

  absl::Status Error(absl::string_view field, absl::string_view what) const {
    return file_->Error(field, what);
  }
  SafetensorsTensor& Tensor() { return file_->tensors_.back(); }

  absl::Status ReadHeader();
  absl::Status Expect(const JsonEvent& event, Kind kind, absl::string_view wanted, Place next);
  absl::Status OnName(const JsonEvent& event);
  absl::Status OnTensorKey(const JsonEvent& event);
  absl::Status OnDtype(const JsonEvent& event);
  absl::Status OnShapeItem(const JsonEvent& event);
  absl::Status OnOffsetsItem(const JsonEvent& event);
  absl::Status OnMetadataKey(const JsonEvent& event);
  absl::Status OnMetadataText(const JsonEvent& event);
  absl::Status EndTensor();
  absl::Status IndexNames();
  absl::Status PlaceTensors();
  absl::Status CheckTiling() const;

  std::unique_ptr<SafetensorsFile> file_;
  uint64_t data_start_ = 0;
  std::vector<Extent> extents_;  ///< of tensors_, relative to data_start_
  // While the header is read:
  Place place_ = Place::kHeader;
  bool has_dtype_ = false, has_shape_ = false, has_metadata_ = false;
  int offsets_ = -1;  ///< numbers of data_offsets seen; -1: not there yet
  absl::flat_hash_set<std::string> metadata_keys_;
};

absl::Status SafetensorsParser::ReadHeader() {
  const absl::Span<const uint8_t> bytes = file_->bytes_;
  uint64_t length = 0;
  if (bytes.size() < sizeof(length)) {
    return Error("header length",
                 absl::StrCat("the file ends at byte ", bytes.size(), "; it is incomplete"));
  }
  std::memcpy(&length, bytes.data(), sizeof(length));
  if (length > kMaxHeaderBytes) {
    return Error("header length", absl::StrCat(length, " exceeds the limit of ", kMaxHeaderBytes,
                                               "; this is no safetensors file, or it is corrupt"));
  }
  if (length > bytes.size() - sizeof(length)) {
    return Error("header length", absl::StrCat(length, ", but only ", bytes.size() - sizeof(length),
                                               " bytes follow; the file is incomplete or corrupt"));
  }
  data_start_ = sizeof(length) + length;
  const absl::string_view header(reinterpret_cast<const char*>(bytes.data()) + sizeof(length),
                                 length);
  if (header.empty() || header[0] != '{') return Error("header", "does not begin with \"{\"");
  return ReadJsonEvents(header, file_->path_, this);
}

std::string SafetensorsParser::Field() const {
  if (place_ >= Place::kMetadata) return kMetadataKey;
  if (place_ <= Place::kNames || file_->tensors_.empty()) return "header";
  const std::string field = TensorField(file_->tensors_.back().name);
  if (place_ == Place::kDtype) return absl::StrCat(field, ": dtype");
  if (place_ == Place::kShape || place_ == Place::kShapeItems) {
    return absl::StrCat(field, ": shape");
  }
  if (place_ == Place::kOffsets || place_ == Place::kOffsetsItems) {
    return absl::StrCat(field, ": data_offsets");
  }
  return field;
}

absl::Status SafetensorsParser::On(const JsonEvent& event) {
  switch (place_) {
    case Place::kHeader:
      return Expect(event, Kind::kObjectBegin, "an object", Place::kNames);
    case Place::kNames:
      return OnName(event);
    case Place::kTensor:
      return Expect(event, Kind::kObjectBegin, "an object", Place::kTensorKeys);
    case Place::kTensorKeys:
      return OnTensorKey(event);
    case Place::kDtype:
      return OnDtype(event);
    case Place::kShape:
      return Expect(event, Kind::kArrayBegin, "an array", Place::kShapeItems);
    case Place::kShapeItems:
      return OnShapeItem(event);
    case Place::kOffsets:
      return Expect(event, Kind::kArrayBegin, "an array", Place::kOffsetsItems);
    case Place::kOffsetsItems:
      return OnOffsetsItem(event);
    case Place::kMetadata:
      return Expect(event, Kind::kObjectBegin, "an object", Place::kMetadataKeys);
    case Place::kMetadataKeys:
      return OnMetadataKey(event);
    case Place::kMetadataText:
      return OnMetadataText(event);
  }
  return absl::OkStatus();
}

absl::Status SafetensorsParser::Expect(const JsonEvent& event, Kind kind, absl::string_view wanted,
                                       Place next) {
  if (event.kind != kind) {
    return Error(Field(), absl::StrCat("expected ", wanted, ", found ", JsonKindName(event.kind)));
  }
  place_ = next;
  return absl::OkStatus();
}

absl::Status SafetensorsParser::OnName(const JsonEvent& event) {
  if (event.kind == Kind::kObjectEnd) return absl::OkStatus();  // no event follows
  if (event.text == kMetadataKey) {
    place_ = Place::kMetadata;
    if (std::exchange(has_metadata_, true)) return Error(kMetadataKey, "the key occurs twice");
    return absl::OkStatus();
  }
  if (file_->tensors_.size() == kMaxTensors) {
    return Error("header", absl::StrCat("more than ", kMaxTensors, " tensors"));
  }
  place_ = Place::kTensor;
  has_dtype_ = has_shape_ = false;
  offsets_ = -1;
  extents_.emplace_back();
  file_->tensors_.emplace_back().name = std::string(event.text);
  return absl::OkStatus();
}

absl::Status SafetensorsParser::OnTensorKey(const JsonEvent& event) {
  if (event.kind == Kind::kObjectEnd) return EndTensor();
  bool twice = false;
  if (event.text == "dtype") {
    place_ = Place::kDtype;
    twice = std::exchange(has_dtype_, true);
  } else if (event.text == "shape") {
    place_ = Place::kShape;
    twice = std::exchange(has_shape_, true);
  } else if (event.text == "data_offsets") {
    place_ = Place::kOffsets;
    twice = std::exchange(offsets_, 0) >= 0;
  } else {
    return Error(Field(), absl::StrCat("unknown key \"", Printable(event.text), "\""));
  }
  return twice ? Error(Field(), "the key occurs twice") : absl::OkStatus();
}

absl::Status SafetensorsParser::OnDtype(const JsonEvent& event) {
  if (event.kind == Kind::kString) {
    const std::optional<Dtype> dtype = FindDtype(event.text);
    if (!dtype) return Error(Field(), absl::StrCat("unknown type \"", Printable(event.text), "\""));
    Tensor().dtype = *dtype;
  }
  return Expect(event, Kind::kString, "a string", Place::kTensorKeys);
}

absl::Status SafetensorsParser::OnShapeItem(const JsonEvent& event) {
  std::vector<int64_t>& shape = Tensor().shape;
  if (event.kind == Kind::kArrayEnd) {
    place_ = Place::kTensorKeys;
    return absl::OkStatus();
  }
  QUANTD_RETURN_IF_ERROR(
      Expect(event, Kind::kInteger, "integers of at least 0", Place::kShapeItems));
  if (event.integer > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
    return Error(Field(), absl::StrCat(event.integer, " is out of range"));
  }
  if (shape.size() == kMaxDimensions) {
    return Error(Field(), absl::StrCat("more than ", kMaxDimensions, " dimensions"));
  }
  shape.push_back(static_cast<int64_t>(event.integer));
  return absl::OkStatus();
}

absl::Status SafetensorsParser::OnOffsetsItem(const JsonEvent& event) {
  if (event.kind == Kind::kArrayEnd) {
    if (offsets_ != 2) return Error(Field(), absl::StrCat("expected 2 numbers, found ", offsets_));
    place_ = Place::kTensorKeys;
    return absl::OkStatus();
  }
  QUANTD_RETURN_IF_ERROR(
      Expect(event, Kind::kInteger, "integers of at least 0", Place::kOffsetsItems));
  if (offsets_ == 2) return Error(Field(), "expected 2 numbers, found more");
  Extent& extent = extents_.back();
  (offsets_++ == 0 ? extent.begin : extent.end) = event.integer;
  return absl::OkStatus();
}

absl::Status SafetensorsParser::OnMetadataKey(const JsonEvent& event) {
  if (event.kind == Kind::kObjectEnd) {
    place_ = Place::kNames;
    return absl::OkStatus();
  }
  if (metadata_keys_.size() == kMaxMetadata) {
    return Error(kMetadataKey, absl::StrCat("more than ", kMaxMetadata, " entries"));
  }
  place_ = Place::kMetadataText;
  if (!metadata_keys_.insert(std::string(event.text)).second) {
    return Error(kMetadataKey,
                 absl::StrCat("the key \"", Printable(event.text), "\" occurs twice"));
  }
  file_->metadata_.emplace_back(event.text, "");
  return absl::OkStatus();
}

absl::Status SafetensorsParser::OnMetadataText(const JsonEvent& event) {
  if (event.kind == Kind::kString) file_->metadata_.back().second = std::string(event.text);
  return Expect(event, Kind::kString, "strings", Place::kMetadataKeys);
}

absl::Status SafetensorsParser::EndTensor() {
  const char* missing = !has_dtype_     ? "dtype"
                        : !has_shape_   ? "shape"
                        : offsets_ != 2 ? "data_offsets"
                                        : nullptr;
  if (missing != nullptr) return Error(Field(), absl::StrCat("the key ", missing, " is missing"));
  SafetensorsTensor& tensor = Tensor();
  const Extent& extent = extents_.back();
  const std::string field = TensorField(tensor.name);
  uint64_t bits = static_cast<uint64_t>(DtypeBits(tensor.dtype));
  for (const int64_t dimension : tensor.shape) {
    if (__builtin_mul_overflow(bits, static_cast<uint64_t>(dimension), &bits)) {
      return Error(
          absl::StrCat(field, ": shape"),
          absl::StrCat("[", absl::StrJoin(tensor.shape, ", "), "] makes the size overflow"));
    }
  }
  if (bits % 8 != 0) {
    return Error(absl::StrCat(field, ": shape"), "is no whole number of bytes");
  }
  tensor.bytes = bits / 8;
  if (extent.begin > extent.end) {
    return Error(absl::StrCat(field, ": data_offsets"),
                 absl::StrCat("begin ", extent.begin, " lies behind end ", extent.end));
  }
  if (extent.end - extent.begin != tensor.bytes) {
    return Error(absl::StrCat(field, ": data_offsets"),
                 absl::StrCat(extent.end - extent.begin, " bytes, but shape [",
                              absl::StrJoin(tensor.shape, ", "), "] of ", DtypeName(tensor.dtype),
                              " takes ", tensor.bytes));
  }
  place_ = Place::kNames;
  return absl::OkStatus();
}

absl::Status SafetensorsParser::IndexNames() {
  file_->index_.reserve(file_->tensors_.size());
  for (size_t i = 0; i < file_->tensors_.size(); ++i) {
    const std::string& name = file_->tensors_[i].name;
    if (!file_->index_.emplace(name, i).second) {
      return Error(TensorField(name), "the name occurs twice");
    }
  }
  return absl::OkStatus();
}

absl::Status SafetensorsParser::PlaceTensors() {
  const uint64_t data_bytes = file_->bytes_.size() - data_start_;
  for (size_t i = 0; i < extents_.size(); ++i) {
    SafetensorsTensor& tensor = file_->tensors_[i];
    if (extents_[i].end > data_bytes) {
      return Error(absl::StrCat(TensorField(tensor.name), ": data_offsets"),
                   absl::StrCat("end ", extents_[i].end, " lies past the ", data_bytes,
                                " bytes of data; the file is incomplete or corrupt"));
    }
    tensor.offset = data_start_ + extents_[i].begin;
    tensor.data = file_->bytes_.data() + tensor.offset;
    tensor.file = file_.get();
  }
  return absl::OkStatus();
}

absl::Status SafetensorsParser::CheckTiling() const {
  std::vector<const SafetensorsTensor*> order;
  order.reserve(file_->tensors_.size());
  for (const SafetensorsTensor& tensor : file_->tensors_) order.push_back(&tensor);
  // An empty tensor lies before the one that begins at the same place.
  std::sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
    return std::pair(a->offset, a->bytes) < std::pair(b->offset, b->bytes);
  });
  uint64_t at = data_start_;
  for (size_t i = 0; i < order.size(); ++i) {
    const SafetensorsTensor& tensor = *order[i];
    const std::string field = absl::StrCat(TensorField(tensor.name), ": data_offsets");
    if (tensor.offset < at) {
      return Error(field,
                   absl::StrCat("its data overlap those of ", TensorField(order[i - 1]->name)));
    }
    if (tensor.offset > at) {
      return Error(field, absl::StrCat("the ", tensor.offset - at,
                                       " bytes before its data belong to no tensor"));
    }
    at += tensor.bytes;
  }
  if (at == file_->bytes_.size()) return absl::OkStatus();
  return Error("data", absl::StrCat("the last ", file_->bytes_.size() - at,
                                    " bytes of the file belong to no tensor"));
}

absl::StatusOr<std::unique_ptr<SafetensorsFile>> SafetensorsFile::Open(const std::string& path) {
  QUANTD_ASSIGN_OR_RETURN(std::unique_ptr<MappedFile> mapping, MappedFile::Open(path));
  const absl::Span<const uint8_t> bytes = mapping->bytes();
  return SafetensorsParser(path, bytes).Run(std::move(mapping));
}

absl::StatusOr<std::unique_ptr<SafetensorsFile>> SafetensorsFile::Parse(
    absl::Span<const uint8_t> bytes, const std::string& name) {
  return SafetensorsParser(name, bytes).Run(nullptr);
}

}  // namespace quantd
