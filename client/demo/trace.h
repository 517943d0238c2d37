#pragma once

#include <bursar/status.h>

#include <cstdint>
#include <string>
#include <vector>

namespace bursar::demo {

// How big one model call is.
struct RequestSize {
  int64_t context_tokens = 0;
  int64_t generated_tokens = 0;
};

// Reads a CSV with the columns TIMESTAMP,ContextTokens,GeneratedTokens (Azure's published traces of
// LLM inference have this form). Errors: NOT_FOUND for no such file; INVALID_ARGUMENT for a line
// that is none of it, or no line at all.
StatusOr<std::vector<RequestSize>> LoadTrace(const std::string& path);

// Draws sizes of the same shape as Azure's code trace of 2023: long prompts (median about 1,500
// tokens, lognormal, at most 7,500) and short answers (median about 13, at most 2,000).
std::vector<RequestSize> DrawTrace(uint64_t seed, int count);

}  // namespace bursar::demo
