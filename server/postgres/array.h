#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "ledger/id.h"

namespace bursar::postgres {

// The types of elements, by PostgreSQL's OID of them (pg_type.dat).
enum class Element : uint32_t {
  kBool = 16,
  kBigint = 20,
  kSmallint = 21,
  kInteger = 23,
  kText = 25,
  kTimestamptz = 1184,
  kUuid = 2950,
};

// Builds an array parameter in PostgreSQL's binary form, element by element: no quoting on our
// side, no parsing on the other. Elements must be of the array's type. Times are cut to the
// microsecond; infinity is itself. Pass it with Params::Add; the statement must say the type
// (`$1::uuid[]`).
class Array {
 public:
  explicit Array(Element element) : element_(element) {}

  Array& Text(std::string_view value);
  Array& Int(int64_t value);  // of kBigint, kInteger and kSmallint, which it must fit
  Array& Bool(bool value);
  Array& Time(absl::Time value);
  Array& Id(const ledger::Id& value);
  Array& Null();

  int size() const { return size_; }
  std::string Binary() const;
  std::optional<std::string> Only() const;  // its one element, as a parameter by itself

 private:
  void Append(int64_t value, int bytes);  // with its length before it

  Element element_;
  int size_ = 0;
  bool has_null_ = false;
  std::string elements_;
};

}  // namespace bursar::postgres
