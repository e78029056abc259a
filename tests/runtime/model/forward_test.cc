#include "runtime/model/forward.h"

#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/model/model.h"
#include "tests/runtime/model/model_fixture.h"
#include "tests/runtime/model/tiny_model.h"

namespace quantd {
namespace {

using testing::HasSubstr;

// The forward pass in double precision, straight from the formulas, one token after another.
class DoubleModel {
 public:
  explicit DoubleModel(TinyModel& tiny) : tiny_(tiny), k_(2), v_(2) {}

  std::vector<double> Step(int32_t token) {
    std::vector<double> x(12);
    for (int i = 0; i < 12; ++i) x[i] = At("token_embd.weight", token * 12 + i);
    for (int layer = 0; layer < 2; ++layer) {
      const std::string prefix = layer == 0 ? "blk.0." : "blk.1.";
      std::vector<double> h = Norm(x, prefix + "attn_norm.weight");
      std::vector<double> q = Linear(h, prefix + "attn_q");
      std::vector<double> k = Linear(h, prefix + "attn_k");
      for (int head = 0; head < 3; ++head) Rotate(&q[head * 4]);
      Rotate(k.data());
      k_[layer].push_back(k);
      v_[layer].push_back(Linear(h, prefix + "attn_v"));
      Accumulate(Linear(Attend(q, layer), prefix + "attn_output"), &x);
      h = Norm(x, prefix + "ffn_norm.weight");
      std::vector<double> gate = Linear(h, prefix + "ffn_gate");
      const std::vector<double> up = Linear(h, prefix + "ffn_up");
      for (int i = 0; i < 20; ++i) gate[i] = gate[i] / (1 + std::exp(-gate[i])) * up[i];
      Accumulate(Linear(gate, prefix + "ffn_down"), &x);
    }
    ++position_;
    const bool tied = !Has("output.weight");
    return Linear(Norm(x, "output_norm.weight"), tied ? "token_embd" : "output");
  }

 private:
  bool Has(const std::string& name) const {
    for (const TinyTensor& tensor : tiny_.tensors) {
      if (tensor.name == name) return true;
    }
    return false;
  }
  double At(const std::string& name, int64_t i) const { return tiny_.Tensor(name).value(i); }

  std::vector<double> Linear(const std::vector<double>& x, const std::string& name) const {
    const TinyTensor& weight = tiny_.Tensor(name + ".weight");
    std::vector<double> y(weight.shape[1], 0.0);
    for (size_t n = 0; n < y.size(); ++n) {
      for (size_t i = 0; i < x.size(); ++i) y[n] += x[i] * weight.value(n * x.size() + i);
      if (Has(name + ".bias")) y[n] += At(name + ".bias", n);
    }
    return y;
  }
  std::vector<double> Norm(const std::vector<double>& x, const std::string& name) const {
    double squares = 0;
    for (const double v : x) squares += v * v;
    std::vector<double> y;
    for (size_t i = 0; i < x.size(); ++i) {
      y.push_back(x[i] / std::sqrt(squares / 12 + 1e-5f) * At(name, i));
    }
    return y;
  }
  void Rotate(double* head) const {
    for (int i = 0; i < 2; ++i) {
      const double angle = position_ / std::pow(10000.0, i / 2.0);
      const double a = head[2 * i], b = head[2 * i + 1];
      head[2 * i] = a * std::cos(angle) - b * std::sin(angle);
      head[2 * i + 1] = a * std::sin(angle) + b * std::cos(angle);
    }
  }
  std::vector<double> Attend(const std::vector<double>& q, int layer) const {
    std::vector<double> out(12, 0.0);
    for (int head = 0; head < 3; ++head) {
      double sum = 0;
      for (size_t p = 0; p < k_[layer].size(); ++p) {
        double dot = 0;
        for (int i = 0; i < 4; ++i) dot += q[head * 4 + i] * k_[layer][p][i];
        const double weight = std::exp(dot / 2);
        sum += weight;
        for (int i = 0; i < 4; ++i) out[head * 4 + i] += weight * v_[layer][p][i];
      }
      for (int i = 0; i < 4; ++i) out[head * 4 + i] /= sum;
    }
    return out;
  }
  static void Accumulate(const std::vector<double>& y, std::vector<double>* x) {
    for (size_t i = 0; i < x->size(); ++i) (*x)[i] += y[i];
  }

  TinyModel& tiny_;
  int position_ = 0;
  std::vector<std::vector<std::vector<double>>> k_, v_;  // [layer][position]
};

// Loads what `tiny` writes and compares 40 steps with DoubleModel.
void ExpectForward(TinyModel& tiny) {
  const auto checkpoint = tiny.Open();
  const auto kernels = KernelSet::Create(ProbeHardware(), {});
  ASSERT_TRUE(kernels.ok()) << kernels.status();
  ThreadPool pool(2);
  const auto model = Model::Load(*checkpoint, **kernels, pool, {});
  ASSERT_TRUE(model.ok()) << model.status();
  Sequences sequences(**model, KvType::kF32, 2);
  DoubleModel expected(tiny);
  for (int32_t step = 0; step < 40; ++step) {
    const int32_t token = step * step % 7;
    const std::vector<float> logits = sequences.Step({{0, {token}}})[0];
    const std::vector<double> want = expected.Step(token);
    for (size_t i = 0; i < want.size(); ++i) ASSERT_NEAR(logits[i], want[i], 1e-4) << step;
  }
}

TEST(TinyForwardTest, SeparateOutput) {
  TinyModel tiny;
  ExpectForward(tiny);
}

TEST(TinyForwardTest, TiedOutput) {
  TinyModel tiny;
  tiny.Remove("output.weight");
  ExpectForward(tiny);
}

TEST(TinyForwardTest, BiasesAreAdded) {
  TinyModel tiny;
  for (const std::string layer : {"blk.0.", "blk.1."}) {
    tiny.Add(layer + "attn_q.bias", {12});
    tiny.Add(layer + "attn_k.bias", {4});
    tiny.Add(layer + "attn_v.bias", {4});
    tiny.Add(layer + "attn_output.bias", {12});
    tiny.Add(layer + "ffn_gate.bias", {20});
    tiny.Add(layer + "ffn_up.bias", {20});
    tiny.Add(layer + "ffn_down.bias", {12});
  }
  ExpectForward(tiny);
}

TEST(TinyForwardTest, WeightsThatAreNoNumbersAreRefusedByName) {
  TinyModel tiny;
  tiny.Tensor("blk.1.ffn_up.weight").value = [](int64_t i) {
    return i == 33 ? std::numeric_limits<float>::quiet_NaN() : 1.0f;
  };
  const auto checkpoint = tiny.Open();
  const auto kernels = KernelSet::Create(ProbeHardware(), {});
  ASSERT_TRUE(kernels.ok()) << kernels.status();
  ThreadPool pool(1);
  const auto model = Model::Load(*checkpoint, **kernels, pool, {});
  EXPECT_EQ(model.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(model.status().message()), HasSubstr("blk.1.ffn_up.weight"));
}

}  // namespace
}  // namespace quantd
