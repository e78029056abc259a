#include "runtime/quantize/inverse_factor.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "kernels/base/check.h"
#include "kernels/base/status_macros.h"
#include "runtime/quantize/add_products.h"

namespace quantd {
namespace {

// Columns that are eliminated together.
constexpr int64_t kPanel = 64;

/// L in place of the lower triangle of a symmetric matrix A = L L^T. What lies above the diagonal
/// is not read and stays.
class Cholesky {
 public:
  Cholesky(std::vector<double>* a, int64_t n, ThreadPool& pool) : a_(*a), n_(n), pool_(pool) {}

  absl::Status Run() {
    for (int64_t begin = 0; begin < n_; begin += kPanel) {
      const int64_t end = std::min(n_, begin + kPanel);
      QUANTD_RETURN_IF_ERROR(FactorDiagonal(begin, end));
      pool_.ParallelFor(n_ - end, 1, [&](int64_t first, int64_t last, int) {
        for (int64_t row = end + first; row < end + last; ++row) SolveRow(row, begin, end);
      });
      Update(begin, end);
    }
    return absl::OkStatus();
  }

 private:
  double* Row(int64_t row) { return a_.data() + row * n_; }

  absl::Status FactorDiagonal(int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      SolveRow(row, begin, row);
      double& pivot = Row(row)[row];
      for (int64_t p = begin; p < row; ++p) pivot -= Row(row)[p] * Row(row)[p];
      if (!(pivot > 0) || !std::isfinite(pivot)) {
        return absl::InvalidArgumentError(
            absl::StrCat("the matrix is not positive definite (pivot ", pivot, ")"));
      }
      pivot = std::sqrt(pivot);
    }
    return absl::OkStatus();
  }

  /// Columns [begin, end) of a row below them.
  void SolveRow(int64_t row, int64_t begin, int64_t end) {
    double* const x = Row(row);
    for (int64_t j = begin; j < end; ++j) {
      const double* const l = Row(j);
      for (int64_t p = begin; p < j; ++p) x[j] -= x[p] * l[p];
      x[j] /= l[j];
    }
  }

  /// Takes what columns [begin, end) account for from the triangle behind them.
  void Update(int64_t begin, int64_t end) {
    const int64_t rest = n_ - end;
    negated_.resize(static_cast<size_t>((end - begin) * rest));
    for (int64_t row = 0; row < rest; ++row) {
      for (int64_t p = begin; p < end; ++p) {
        negated_[(p - begin) * rest + row] = -Row(end + row)[p];
      }
    }
    // Rows grow longer: threads take every so many of them, not a range each.
    const int64_t threads = pool_.size();
    pool_.Run([&](int thread) {
      for (int64_t row = thread; row < rest; row += threads) {
        AddProducts(Row(end + row) + begin, end - begin, negated_.data(), rest, row + 1,
                    Row(end + row) + end);
      }
    });
  }

  std::vector<double>& a_;
  const int64_t n_;
  ThreadPool& pool_;
  std::vector<double> negated_;  // of L, transposed: [panel, rest]
};

}  // namespace

// H^-1 = U^T U means H = R R^T with R = U^-1 upper triangular, which is the Cholesky factor L of H
// with the order of rows and columns reversed, reversed again. So U is L^-1 reversed, and H^-1
// itself is never needed.
absl::StatusOr<std::vector<float>> InverseFactor(std::vector<double> h, int64_t n,
                                                 ThreadPool& pool) {
  QUANTD_CHECK(static_cast<int64_t>(h.size()) == n * n, "H is square");
  std::reverse(h.begin(), h.end());
  QUANTD_RETURN_IF_ERROR(Cholesky(&h, n, pool).Run());
  std::vector<float> u(h.size());
  // Columns of L^-1, some at once: they solve L X = I.
  pool.ParallelFor((n + kProductTile - 1) / kProductTile, 1, [&](int64_t first, int64_t last, int) {
    std::vector<double> x, row(kProductTile), negated(static_cast<size_t>(n));
    for (int64_t tile = first; tile < last; ++tile) {
      const int64_t begin = tile * kProductTile, width = std::min(kProductTile, n - begin);
      x.assign(static_cast<size_t>((n - begin) * kProductTile), 0.0);
      for (int64_t i = begin; i < n; ++i) {
        const double* const l = h.data() + i * n;
        double* const out = x.data() + (i - begin) * kProductTile;
        if (i - begin < width) out[i - begin] = -1;
        AddProducts(l + begin, i - begin, x.data(), kProductTile, kProductTile, out);
        for (int64_t j = 0; j < width; ++j) {
          out[j] /= -l[i];
          u[(n - 1 - i) * n + n - 1 - begin - j] = static_cast<float>(out[j]);
        }
      }
    }
  });
  return u;
}

}  // namespace quantd
