#include "cli/usage_line.h"

#include <google/protobuf/util/json_util.h>
#include <openssl/sha.h>

#include <array>
#include <nlohmann/json.hpp>

#include "cli/unknown_field.h"
#include "src/text.h"

namespace bursar::cli {
namespace {

// A change of this, or of what is hashed, would count every old import twice when it is run again.
constexpr std::string_view kIdScheme = "bursar usage line 1";

// A UUID of version 8 (whose bits are its maker's own).
std::string LineId(std::string_view text, int64_t number, const std::string& import_name) {
  std::string hashed(kIdScheme);
  for (const std::string_view part : {std::string_view(import_name), text}) {
    hashed += '\n' + std::to_string(part.size()) + ' ';
    hashed += part;
  }
  hashed += '\n' + std::to_string(number);
  std::array<unsigned char, SHA256_DIGEST_LENGTH> hash;
  SHA256(reinterpret_cast<const unsigned char*>(hashed.data()), hashed.size(), hash.data());
  hash[6] = static_cast<unsigned char>((hash[6] & 0x0f) | 0x80);
  hash[8] = static_cast<unsigned char>((hash[8] & 0x3f) | 0x80);
  constexpr char kHex[] = "0123456789abcdef";
  std::string id;
  for (size_t i = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) id += '-';
    id += kHex[hash[i] >> 4];
    id += kHex[hash[i] & 0x0f];
  }
  return id;
}

Status Wrong(std::string message) { return {StatusCode::kInvalidArgument, std::move(message)}; }

// What protobuf says of a value: "(tokens.uncached_input_tokens): invalid value "x" for type ...".
std::string ValueText(std::string message) {
  message = message.substr(0, message.find(" for type "));
  return message.substr(0, message.find('\n'));  // behind it comes a piece of the line
}

// Why protobuf could not read it. Looked for only when it is needed: this reads the line again.
Status WhyUnreadable(std::string_view text, const std::string& protobuf_message) {
  const auto json = nlohmann::json::parse(text, nullptr, false);
  if (json.is_discarded() || !json.is_object()) {
    return Wrong(
        "this is no JSON object; {\"usage_id\": \"u-1\", \"cost_nanousd\": \"4200000\"} on one "
        "line would be right");
  }
  const std::string unknown =
      UnknownField(json, *v1::RecordUsageRequest::descriptor(), "a usage record");
  return Wrong(unknown.empty() ? ValueText(protobuf_message) : unknown);
}

}  // namespace

StatusOr<UsageLine> ReadUsageLine(std::string_view text, int64_t number,
                                  const std::string& import_name) {
  text = internal::Trim(text);
  UsageLine line{.number = number};
  const auto read = google::protobuf::util::JsonStringToMessage(
      google::protobuf::StringPiece(text.data(), text.size()), &line.record);
  if (!read.ok()) return WhyUnreadable(text, std::string(read.message()));
  if (text.front() != '{') return WhyUnreadable(text, "");
  line.id_is_own = !line.record.usage_id().empty();
  if (!line.id_is_own) line.record.set_usage_id(LineId(text, number, import_name));
  line.bytes = line.record.ByteSizeLong();
  return line;
}

}  // namespace bursar::cli
