#pragma once

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "postgres/array.h"
#include "postgres/session.h"

namespace bursar::postgres {

// The parameters of a text that is made for one question: each call adds one and gives what stands
// for it there ("$3"). No value is ever part of the text.
class Placeholders {
 public:
  std::string Text(absl::string_view value) {
    params_.Text(value);
    return Next();
  }
  std::string Int(int64_t value) {
    params_.Int(value);
    return Next();
  }
  std::string Time(absl::Time value) {
    params_.Time(value);
    return Next();
  }
  std::string Add(const Array& value) {
    params_.Add(value);
    return Next();
  }

  Params Take() { return std::move(params_); }

 private:
  std::string Next() { return absl::StrCat("$", ++count_); }

  Params params_;
  int count_ = 0;
};

}  // namespace bursar::postgres
