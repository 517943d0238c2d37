#include "src/telemetry_text.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>

namespace bursar::internal {
namespace {

// The bytes of the character that `text` begins with; 0 where it is no UTF-8 (RFC 3629).
size_t CharacterBytes(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  if (first < 0xC2 || first > 0xF4) return 0;
  const size_t bytes = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (text.size() < bytes) return 0;
  for (size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  const bool overlong = (first == 0xE0 && byte(1) < 0xA0) || (first == 0xF0 && byte(1) < 0x90);
  const bool surrogate = first == 0xED && byte(1) > 0x9F;
  const bool too_large = first == 0xF4 && byte(1) > 0x8F;
  return overlong || surrogate || too_large ? 0 : bytes;
}

bool IsControl(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }

std::string Bounded(std::string_view text, size_t bytes_max, bool blank_controls) {
  std::string out;
  while (!text.empty()) {
    const size_t bytes = CharacterBytes(text);
    std::string_view character = text.substr(0, bytes);
    if (bytes == 0) character = "?";
    if (blank_controls && bytes == 1 && IsControl(text.front())) character = " ";
    if (out.size() + character.size() > bytes_max) break;
    out += character;
    text.remove_prefix(bytes == 0 ? 1 : bytes);
  }
  return out;
}

void AppendEscaped(char c, std::string* out) {
  switch (c) {
    case '"':
      *out += "\\\"";
      return;
    case '\\':
      *out += "\\\\";
      return;
    case '\n':
      *out += "\\n";
      return;
    case '\t':
      *out += "\\t";
      return;
    default:
      break;
  }
  if (!IsControl(c)) return out->push_back(c);
  char escaped[8];
  std::snprintf(escaped, sizeof escaped, "\\u%04x", static_cast<unsigned>(c));
  *out += escaped;
}

}  // namespace

std::string Quoted(std::string_view text) {
  std::string out = "\"";
  while (!text.empty()) {
    const size_t bytes = CharacterBytes(text);
    if (bytes == 1) {
      AppendEscaped(text.front(), &out);
    } else {
      out += bytes == 0 ? "\xEF\xBF\xBD" : text.substr(0, bytes);
    }
    text.remove_prefix(bytes == 0 ? 1 : bytes);
  }
  return out + '"';
}

std::string Utf8(std::string_view text, size_t bytes_max) {
  return Bounded(text, bytes_max, false);
}

std::string Printable(std::string_view text, size_t bytes_max) {
  return Bounded(text, bytes_max, true);
}

std::string FormatNumber(double number) {
  if (std::isnan(number)) return "NaN";
  if (std::isinf(number)) return number > 0 ? "Infinity" : "-Infinity";
  std::array<char, 32> text;  // the shortest that reads back the same has at most 24
  const auto end = std::to_chars(text.data(), text.data() + text.size(), number).ptr;
  return {text.data(), end};
}

}  // namespace bursar::internal
