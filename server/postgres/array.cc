#include "postgres/array.h"

#include "absl/strings/str_cat.h"
#include "postgres/timestamp.h"

namespace bursar::postgres {

Array& Array::Text(std::string_view value) {
  Separate();
  literal_.reserve(literal_.size() + value.size() + 2);
  literal_ += '"';
  while (true) {  // plain stretches whole: nearly every value is one
    const size_t special = value.find_first_of("\"\\");
    literal_.append(value.substr(0, special));
    if (special == std::string_view::npos) break;
    literal_ += '\\';
    literal_ += value[special];
    value.remove_prefix(special + 1);
  }
  literal_ += '"';
  return *this;
}

Array& Array::Raw(std::string_view value) {
  Separate();
  literal_.append(value);
  return *this;
}

Array& Array::Int(int64_t value) {
  Separate();
  absl::StrAppend(&literal_, value);
  return *this;
}

Array& Array::Bool(bool value) { return Raw(value ? "t" : "f"); }

Array& Array::Time(absl::Time value) { return Raw(FormatTimestamp(value)); }

Array& Array::Null() { return Raw("NULL"); }

std::string Array::Literal() const { return absl::StrCat("{", literal_, "}"); }

void Array::Separate() {
  if (!literal_.empty()) literal_ += ',';
}

}  // namespace bursar::postgres
