#pragma once

#include <google/protobuf/descriptor.h>

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace bursar::cli {

// About the first field of `json` that `type` does not have, whichever way it is spelled; empty
// where it has all. `whose` is what people call the type: "a budget".
std::string UnknownField(const nlohmann::json& json, const google::protobuf::Descriptor& type,
                         const std::string& whose);

}  // namespace bursar::cli
