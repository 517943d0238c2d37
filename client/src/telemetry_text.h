#pragma once

#include <string>
#include <string_view>

// Texts of an agent's own in lines for people, in JSON, and within the server's bounds.
namespace bursar::internal {

// As a JSON string, quotes included. What is no UTF-8 becomes U+FFFD.
std::string Quoted(std::string_view text);

// At most so many bytes, cut off after a whole character; what is no UTF-8 becomes '?'.
std::string Utf8(std::string_view text, size_t bytes_max);

// The same; control characters become blanks.
std::string Printable(std::string_view text, size_t bytes_max);

// "17", "0.25", "1e+30"; "NaN" and its like for what is no number.
std::string FormatNumber(double number);

}  // namespace bursar::internal
