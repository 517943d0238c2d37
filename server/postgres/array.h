#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace bursar::postgres {

// Builds a PostgreSQL array literal, `{1,2}` or `{"a","b"}`, element by element: the only place
// that quotes.
class Array {
 public:
  Array& Text(std::string_view value);  // quoted, with " and \ escaped
  template <typename View>              // abseil's own view, where it is not the standard's
  requires std::same_as<View, absl::string_view> Array& Text(const View& value) {
    return Text(std::string_view(value.data(), value.size()));
  }
  Array& Raw(std::string_view value);  // must need no quotes: uuids, booleans
  Array& Int(int64_t value);
  Array& Bool(bool value);
  Array& Time(absl::Time value);  // timestamptz, to the microsecond; infinity as itself
  Array& Null();

  bool empty() const { return literal_.empty(); }
  std::string Literal() const;  // "{}" when nothing was added

 private:
  void Separate();
  std::string literal_;
};

}  // namespace bursar::postgres
