#ifndef QUANTD_KERNELS_BASE_HEAP_H_
#define QUANTD_KERNELS_BASE_HEAP_H_

namespace quantd {

/// From now on the allocator keeps little of what is freed: blocks of a megabyte and more are the
/// system's own, and a thread's heap shrinks when a quarter of a megabyte at its end is free. By
/// default both limits grow with the largest block ever freed, and what loading a model took
/// besides its weights stays resident. To be called before other threads start.
void KeepHeapSmall();

/// Gives back what is free amid the heaps of all threads: worth its milliseconds after much was
/// freed. Thread-safe.
void ReturnFreedMemory();

}  // namespace quantd

#endif  // QUANTD_KERNELS_BASE_HEAP_H_
