#ifndef QUANTD_RUNTIME_CONVERT_FOLDER_SCHEMES_H_
#define QUANTD_RUNTIME_CONVERT_FOLDER_SCHEMES_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/formats/hf_packers.h"
#include "runtime/quantize/affine_group.h"

namespace quantd {

/// What may be chosen of a scheme.
struct FolderSettings {
  int bits = 4;              ///< of GPTQ: 2, 3, 4 or 8
  int64_t group = 128;       ///< features along K that share a scale; -1: a whole row
  bool act_order = false;    ///< of GPTQ
  bool zero_points = false;  ///< of GPTQ: else symmetric

  friend bool operator==(const FolderSettings&, const FolderSettings&) = default;
};

/// How weights are put on the grid of a scheme.
enum class RoundingMethod : uint8_t {
  kNf4,      ///< to the nearest value of NF4's table, blocks scaled by their largest weight
  kNearest,  ///< to the nearest code, scales with the least squared error
  kGptq,     ///< so that later weights make up for the errors of earlier ones (GptqSolver)
  kAwq,      ///< to the nearest code, after features of large inputs were scaled up
};

/// A quantization in which folders of Hugging Face are written. ONE row per scheme in the table.
struct FolderScheme {
  const char* name;     ///< "NF4", of the command line
  const char* library;  ///< who else reads it, and what it is
  RoundingMethod method;
  const hf::Packer* packer;
  int bits;         ///< of integer codes; 0: as the settings say
  bool grouped;     ///< settings.group counts; else a scale per row, or blocks of the scheme
  AffineGrid grid;  ///< of integer codes, but for its bits and, of GPTQ, its symmetry
  /// quantization_config of config.json. `skipped` names the linear modules that keep their type.
  std::string (*config)(const FolderSettings& settings, const std::vector<std::string>& skipped,
                        Dtype dtype);

  /// Whether it needs a text, to see what inputs the weights meet.
  bool calibrated() const { return method >= RoundingMethod::kGptq; }
};

/// Every scheme, in the order of messages.
const std::vector<FolderScheme>& FolderSchemes();
/// By name, case-insensitively; null if there is none.
const FolderScheme* FindFolderScheme(absl::string_view name);
/// "NF4, W8A8, ...".
std::string FolderSchemeNames();

/// INVALID_ARGUMENT naming the setting that the scheme has not, or whose value it has not.
absl::Status CheckSettings(const FolderScheme& scheme, const FolderSettings& settings);

/// The grid and what the packer must know, of a weight stored as `dtype`.
AffineGrid GridOf(const FolderScheme& scheme, const FolderSettings& settings, Dtype dtype);
hf::PackOptions PackOptionsOf(const FolderScheme& scheme, const FolderSettings& settings,
                              Dtype dtype);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_CONVERT_FOLDER_SCHEMES_H_
