// The few lines of test harness that the native tests need: CHECK with a message, and a summary.
#pragma once
#include <cstdio>
#include <cstdlib>

namespace zeroth::test {
inline int checks = 0;
inline int failures = 0;
inline int summary(const char* name) {
  std::printf("%s: %d checks, %d failed\n", name, checks, failures);
  return failures == 0 && checks > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
}  // namespace zeroth::test

#define CHECK(condition, ...)                                                    \
  do {                                                                           \
    ++zeroth::test::checks;                                                      \
    if (!(condition)) {                                                          \
      ++zeroth::test::failures;                                                  \
      std::fprintf(stderr, "%s:%d: CHECK(%s) ", __FILE__, __LINE__, #condition); \
      std::fprintf(stderr, " " __VA_ARGS__);                                     \
      std::fputc('\n', stderr);                                                  \
    }                                                                            \
  } while (0)
