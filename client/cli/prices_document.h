#pragma once

#include <bursar/status.h>

#include <cstddef>
#include <string>

#include "bursar/v1/admin_service.pb.h"

// Documents of prices, as ImportPrices takes them.
namespace bursar::cli {

inline constexpr size_t kPriceDocumentBytesMax = 16 << 20;

// Which format `document` is in, where that is plain: "bursar", "genai-prices" or "litellm". What
// comes after the first sign of one is not looked at.
// Errors: INVALID_ARGUMENT for what is no JSON, or shows no sign of any of them.
StatusOr<std::string> GuessPriceFormat(const std::string& document);

// `price` as the only row of a document in the format "bursar".
// Errors: INVALID_ARGUMENT where a text of it is no UTF-8.
StatusOr<std::string> PriceDocument(const v1::Price& price);

}  // namespace bursar::cli
