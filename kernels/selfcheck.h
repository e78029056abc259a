#ifndef QUANTD_KERNELS_SELFCHECK_H_
#define QUANTD_KERNELS_SELFCHECK_H_

#include <string>
#include <vector>

#include "kernels/attention/attention.h"
#include "kernels/ops/ops.h"

namespace quantd {

/// The operations of an OpTable, as the kernel report calls them.
const std::vector<std::string>& OpNames();

/// Name of an operation's line in the kernel report: "<op>_<isa>".
std::string OpKernelName(const std::string& op, Isa isa);

/// Runs every operation of `table` on small problems with tails and extremes (infinities, NaN,
/// overflowing squares, underflowing exponentials) and compares with the scalar reference within
/// 1e-5 of each value; NaN and infinities must be the same. Returns the first operation that
/// disagrees, "" when there is none. `inject_fault` falsifies a result first: of the operation
/// with this OpKernelName, or of the table with this name (tests of quarantine).
std::string DisagreeingOp(const OpTable& table, const std::string& inject_fault);

/// Stores and attends three sequences of scattered KV blocks, one of them longer than a segment,
/// with grouped heads and a head_dim that is no multiple of a vector, and compares with the scalar
/// reference: the stored bytes must be the same, results within 1e-5 of the largest value, also
/// with a window and a soft cap. `spoil` falsifies one result first (tests of quarantine).
bool AgreesWithReference(const AttentionKernel& kernel, bool spoil);

}  // namespace quantd

#endif  // QUANTD_KERNELS_SELFCHECK_H_
