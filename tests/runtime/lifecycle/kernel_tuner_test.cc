#include "runtime/lifecycle/kernel_tuner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "kernels/measure/kernel_timer.h"
#include "tests/support/temporary_folder.h"

namespace quantd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Kind = TuningEvent::Kind;

// A process: kernels, threads and a tuner with made-up timings, in which `winner` is fastest.
class Process {
 public:
  Process(const std::string& folder, TuningCacheMode cache, Isa winner)
      : kernels_(std::move(GemmKernels::Create(ProbeHardware(), {})).value()), pool_(1) {
    KernelTuner::Options options;
    options.calibrate = true;
    options.cache = cache;
    options.folder = folder;
    options.version = "1.2.3";
    options.budget = absl::Hours(1);
    options.listener = [this](const TuningEvent& event) { events.push_back(event); };
    options.time = [this, winner](const GemmKernel& kernel, int64_t) {
      ++timed;
      return kernel.isa == winner ? 1.0 : 2.0;
    };
    tuner_ = std::make_unique<KernelTuner>(kernels_, pool_, std::move(options));
  }

  void Load(std::initializer_list<QuantFormat> formats) {
    std::vector<PackedWeight> weights;
    std::vector<const PackedWeight*> pointers;
    for (const QuantFormat& format : formats) weights.push_back(NoiseWeight(format, 32, 256));
    for (const PackedWeight& weight : weights) pointers.push_back(&weight);
    tuner_->Tune(pointers);
  }
  std::string Chosen(const QuantFormat& format) const {
    return kernels_.SelectGemm(format, WeightLayout::kRows32, 1)->name;
  }
  std::vector<Kind> Kinds() const {
    std::vector<Kind> kinds;
    for (const TuningEvent& event : events) kinds.push_back(event.kind);
    return kinds;
  }

  std::vector<TuningEvent> events;
  int timed = 0;

 private:
  GemmKernels kernels_;
  ThreadPool pool_;
  std::unique_ptr<KernelTuner> tuner_;
};

class KernelTunerTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!ProbeHardware().Supports(Isa::kAvx512Vnni)) GTEST_SKIP() << "needs several kernels";
  }
  std::string Folder() const { return folder_.path() + "/cache"; }
  bool Cached() const { return std::filesystem::exists(Folder()); }

  const TemporaryFolder folder_;
};

TEST_F(KernelTunerTest, MeasuresEachFormatOnceAndTheNextProcessReusesIt) {
  Process first(Folder(), TuningCacheMode::kOn, Isa::kAvx2);
  EXPECT_EQ(first.Chosen(kQ4_0), "gemm_q4_0_avx512vnni_decode");
  first.Load({kQ4_0, kQ4_0});
  EXPECT_EQ(first.Chosen(kQ4_0), "gemm_q4_0_avx2_decode");
  EXPECT_EQ(first.Chosen(kQ8_0), "gemm_q8_0_avx512vnni_decode");
  first.Load({kQ4_0, kQ8_0});
  EXPECT_EQ(first.Chosen(kQ8_0), "gemm_q8_0_avx2_decode");
  first.Load({kQ8_0, kQ4_0});
  EXPECT_THAT(first.Kinds(), ElementsAre(Kind::kCalibrated, Kind::kCalibrated));
  EXPECT_THAT(first.events[0].formats, ElementsAre("Q4_0"));
  EXPECT_THAT(first.events[1].formats, ElementsAre("Q8_0"));

  Process second(Folder(), TuningCacheMode::kOn, Isa::kAvx512Vnni);
  second.Load({kQ4_0, kQ8_0});
  EXPECT_THAT(second.Kinds(), ElementsAre(Kind::kReused));
  EXPECT_EQ(second.timed, 0);
  EXPECT_EQ(second.Chosen(kQ4_0), "gemm_q4_0_avx2_decode");
  EXPECT_EQ(second.Chosen(kQ8_0), "gemm_q8_0_avx2_decode");
}

TEST_F(KernelTunerTest, TheModeRulesTheFile) {
  Process off(Folder(), TuningCacheMode::kOff, Isa::kAvx2);
  off.Load({kQ4_0});
  EXPECT_EQ(off.Chosen(kQ4_0), "gemm_q4_0_avx2_decode");
  EXPECT_EQ(off.events[0].path, "");
  EXPECT_FALSE(Cached());
  Process read_only(Folder(), TuningCacheMode::kReadOnly, Isa::kAvx2);
  read_only.Load({kQ4_0});
  EXPECT_FALSE(Cached());
  Process(Folder(), TuningCacheMode::kOn, Isa::kAvx2).Load({kQ4_0});
  EXPECT_TRUE(Cached());
  Process reader(Folder(), TuningCacheMode::kReadOnly, Isa::kAvx512Vnni);
  reader.Load({kQ4_0});
  EXPECT_THAT(reader.Kinds(), ElementsAre(Kind::kReused));
}

TEST_F(KernelTunerTest, AMalformedFileIsReportedAndReplaced) {
  Process first(Folder(), TuningCacheMode::kOn, Isa::kAvx2);
  first.Load({kQ4_0});
  std::ofstream(first.events[0].path) << "{\"quantd_tuning\": true}";
  Process second(Folder(), TuningCacheMode::kOn, Isa::kAvx2);
  second.Load({kQ4_0});
  EXPECT_THAT(second.Kinds(), ElementsAre(Kind::kCacheUnreadable, Kind::kCalibrated));
  const std::string message(second.events[0].status.message());
  EXPECT_THAT(message, HasSubstr(first.events[0].path));
  EXPECT_THAT(message, HasSubstr("quantd_tuning"));
  EXPECT_EQ(second.Chosen(kQ4_0), "gemm_q4_0_avx2_decode");
  Process third(Folder(), TuningCacheMode::kOn, Isa::kAvx2);
  third.Load({kQ4_0});
  EXPECT_THAT(third.Kinds(), ElementsAre(Kind::kReused));
}

TEST_F(KernelTunerTest, AFolderThatCannotBeMadeIsReported) {
  std::ofstream(Folder()) << "no folder";
  Process process(Folder(), TuningCacheMode::kOn, Isa::kAvx2);
  process.Load({kQ4_0});
  EXPECT_EQ(process.Kinds().back(), Kind::kCacheUnwritable);
  EXPECT_EQ(process.Chosen(kQ4_0), "gemm_q4_0_avx2_decode");
}

TEST_F(KernelTunerTest, WithoutCalibrationRankDecides) {
  GemmKernels kernels = std::move(GemmKernels::Create(ProbeHardware(), {})).value();
  ThreadPool pool(1);
  KernelTuner tuner(kernels, pool, {});
  const PackedWeight weight = NoiseWeight(kQ4_0, 32, 256);
  const PackedWeight* const pointer = &weight;
  tuner.Tune({&pointer, 1});
  EXPECT_TRUE(kernels.measured().empty());
}

// With a clock: whatever is chosen, it is a kernel of the format.
TEST_F(KernelTunerTest, TimesRealKernels) {
  GemmKernels kernels = std::move(GemmKernels::Create(ProbeHardware(), {})).value();
  ThreadPool pool(2);
  KernelTuner::Options options;
  options.calibrate = true;
  options.cache = TuningCacheMode::kOff;
  options.budget = absl::Hours(1);
  KernelTuner tuner(kernels, pool, options);
  const PackedWeight weight = NoiseWeight(kQ4_K, 100, 512);
  const PackedWeight* const pointer = &weight;
  tuner.Tune({&pointer, 1});
  EXPECT_EQ(kernels.measured().size(), std::size(kMeasuredM));
  EXPECT_THAT(kernels.SelectGemm(kQ4_K, WeightLayout::kRows32, 1)->name, HasSubstr("gemm_q4_k_"));
}

}  // namespace
}  // namespace quantd
