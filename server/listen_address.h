#pragma once

#include <charconv>
#include <optional>
#include <string>
#include <string_view>

namespace bursar {

// Where a server listens: "127.0.0.1:50051", "localhost:0" or "[::1]:50051".
struct ListenAddress {
  std::string host;  // without the brackets of IPv6
  int port = 0;      // 0: any free one

  bool IsLoopback() const {
    return host == "localhost" || host == "::1" || host.starts_with("127.");
  }
  std::string ToString() const {
    const bool ipv6 = host.find(':') != std::string::npos;
    return (ipv6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
  }
};

// Nothing if the text is no host:port.
inline std::optional<ListenAddress> ParseListenAddress(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  const bool bracketed = host.starts_with('[') && host.ends_with(']');
  if (bracketed) host = host.substr(1, host.size() - 2);
  if (host.empty() || (!bracketed && host.find(':') != std::string_view::npos)) return std::nullopt;
  if (host.find_first_of(" \t/[]") != std::string_view::npos) return std::nullopt;
  ListenAddress address{std::string(host), 0};
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), address.port);
  if (port.empty() || error != std::errc() || end != port.data() + port.size()) return std::nullopt;
  if (address.port < 0 || address.port > 65535) return std::nullopt;
  return address;
}

}  // namespace bursar
