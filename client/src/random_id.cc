#include "src/random_id.h"

#include <sys/random.h>

#include <array>
#include <stdexcept>

namespace bursar::internal {

namespace {

constexpr char kHex[] = "0123456789abcdef";

// From the kernel each time (a fraction of a microsecond): a generator with state would draw the
// same ids in a child process.
template <size_t size>
std::array<unsigned char, size> RandomBytes() {
  std::array<unsigned char, size> bytes;
  if (getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    throw std::runtime_error("the system has no random numbers (getrandom failed)");
  }
  return bytes;
}

void AppendHex(unsigned char byte, std::string* text) {
  text->push_back(kHex[byte >> 4]);
  text->push_back(kHex[byte & 0x0f]);
}

template <size_t size>
std::string RandomHex() {
  std::string text;
  text.reserve(size * 2);
  for (const unsigned char byte : RandomBytes<size>()) AppendHex(byte, &text);
  return text;
}

}  // namespace

std::string RandomUuid() {
  auto bytes = RandomBytes<16>();
  bytes[6] = static_cast<unsigned char>((bytes[6] & 0x0f) | 0x40);
  bytes[8] = static_cast<unsigned char>((bytes[8] & 0x3f) | 0x80);
  std::string text;
  text.reserve(36);
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text.push_back('-');
    AppendHex(bytes[i], &text);
  }
  return text;
}

// (All zeros, which W3C forbids, is as likely as guessing an id.)
std::string RandomTraceId() { return RandomHex<16>(); }
std::string RandomSpanId() { return RandomHex<8>(); }

}  // namespace bursar::internal
