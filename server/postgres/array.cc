#include "postgres/array.h"

namespace bursar::postgres {
namespace {

constexpr int64_t kUnixSecondsOf2000 = 946684800;  // PostgreSQL counts from 2000-01-01

void PutBigEndian(std::string& out, uint64_t value, int bytes) {
  char big_endian[8];
  for (int i = bytes - 1; i >= 0; --i, value >>= 8) big_endian[i] = static_cast<char>(value);
  out.append(big_endian, static_cast<size_t>(bytes));
}

int64_t MicrosSince2000(absl::Time time) {
  if (time == absl::InfiniteFuture()) return INT64_MAX;
  if (time == absl::InfinitePast()) return INT64_MIN;
  return absl::ToUnixMicros(time) - kUnixSecondsOf2000 * 1'000'000;
}

}  // namespace

void Array::Append(int64_t value, int bytes) {
  PutBigEndian(elements_, static_cast<uint64_t>(bytes), 4);
  PutBigEndian(elements_, static_cast<uint64_t>(value), bytes);
  ++size_;
}

Array& Array::Text(std::string_view value) {
  PutBigEndian(elements_, value.size(), 4);
  elements_.append(value);
  ++size_;
  return *this;
}

Array& Array::Int(int64_t value) {
  Append(value, element_ == Element::kBigint ? 8 : element_ == Element::kInteger ? 4 : 2);
  return *this;
}

Array& Array::Bool(bool value) {
  Append(value ? 1 : 0, 1);
  return *this;
}

Array& Array::Time(absl::Time value) {
  Append(MicrosSince2000(value), 8);
  return *this;
}

Array& Array::Id(const ledger::Id& value) {
  PutBigEndian(elements_, 16, 4);
  PutBigEndian(elements_, value.high, 8);
  PutBigEndian(elements_, value.low, 8);
  ++size_;
  return *this;
}

Array& Array::Null() {
  PutBigEndian(elements_, 0xFFFFFFFF, 4);
  has_null_ = true;
  ++size_;
  return *this;
}

// As array_recv reads it: dimensions, whether there are NULLs, the elements' type, then for the one
// dimension its size and lower bound.
std::string Array::Binary() const {
  std::string binary;
  binary.reserve(20 + elements_.size());
  PutBigEndian(binary, size_ == 0 ? 0 : 1, 4);
  PutBigEndian(binary, has_null_ ? 1 : 0, 4);
  PutBigEndian(binary, static_cast<uint32_t>(element_), 4);
  if (size_ == 0) return binary;
  PutBigEndian(binary, static_cast<uint64_t>(size_), 4);
  PutBigEndian(binary, 1, 4);
  return binary + elements_;
}

std::optional<std::string> Array::Only() const {
  if (has_null_) return std::nullopt;
  return elements_.substr(4);
}

}  // namespace bursar::postgres
