#ifndef QUANTD_TESTS_SUPPORT_SANITIZERS_H_
#define QUANTD_TESTS_SUPPORT_SANITIZERS_H_

// GCC tells by macros, clang by features.
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define QUANTD_SANITIZED_BUILD
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define QUANTD_SANITIZED_BUILD
#endif

namespace quantd {

/// Whether AddressSanitizer or ThreadSanitizer is built in: everything takes some ten times as long
/// then, and memory is more than the program's. Whoever skips something says why.
#ifdef QUANTD_SANITIZED_BUILD
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

}  // namespace quantd

#undef QUANTD_SANITIZED_BUILD

#endif  // QUANTD_TESTS_SUPPORT_SANITIZERS_H_
