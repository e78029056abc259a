#include "server/version.h"

namespace quantd {

const char* Version() { return QUANTD_VERSION; }

const char* Compiler() {
#if defined(__clang__)
  return "clang " __clang_version__;
#else
  return "gcc " __VERSION__;
#endif
}

}  // namespace quantd
