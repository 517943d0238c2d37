#pragma once

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// RETURN_IF_ERROR(expression): leaves the function with the status unless it is OK.
#define RETURN_IF_ERROR(expression)                                         \
  do {                                                                      \
    if (absl::Status status_ = (expression); !status_.ok()) return status_; \
  } while (false)

// ASSIGN_OR_RETURN(auto x, F()): x = the value of F(), or leaves the function with its status.
#define ASSIGN_OR_RETURN(lhs, expression) \
  ASSIGN_OR_RETURN_NAMED_(BURSAR_JOIN_(statusor_, __LINE__), lhs, expression)
#define ASSIGN_OR_RETURN_NAMED_(name, lhs, expression) \
  auto name = (expression);                            \
  if (!name.ok()) return name.status();                \
  lhs = *std::move(name)
#define BURSAR_JOIN_(a, b) BURSAR_JOIN_AGAIN_(a, b)
#define BURSAR_JOIN_AGAIN_(a, b) a##b
