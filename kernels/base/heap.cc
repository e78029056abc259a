#include "kernels/base/heap.h"

#include <malloc.h>

namespace quantd {

// Allocators other than glibc's have rules of their own.
#ifdef __GLIBC__

void KeepHeapSmall() {
  mallopt(M_MMAP_THRESHOLD, 1 << 20);
  mallopt(M_TRIM_THRESHOLD, 1 << 18);
}

void ReturnFreedMemory() { malloc_trim(0); }

#else

void KeepHeapSmall() {}
void ReturnFreedMemory() {}

#endif

}  // namespace quantd
