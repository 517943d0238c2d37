// One target for libFuzzer, named by BURSAR_FUZZ_TARGET. With BURSAR_FUZZ_CORPUS its seeds are
// written into that folder; without a target the names are listed.
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>

#include "fuzz/targets.h"

namespace {

const bursar::fuzz::Target* target = nullptr;

void WriteSeeds(const std::filesystem::path& folder) {
  std::filesystem::create_directories(folder);
  for (size_t i = 0; i < target->seeds.size(); ++i) {
    std::ofstream(folder / ("seed-" + std::to_string(i)), std::ios::binary) << target->seeds[i];
  }
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  const char* name = std::getenv("BURSAR_FUZZ_TARGET");
  for (const auto& each : bursar::fuzz::Targets()) {
    if (name == nullptr) std::cout << each.name << "\n";
    if (name != nullptr && each.name == name) target = &each;
  }
  if (name == nullptr) std::exit(0);
  if (target == nullptr) {
    std::cerr << "BURSAR_FUZZ_TARGET: there is no \"" << name << "\"\n";
    std::exit(2);
  }
  if (const char* corpus = std::getenv("BURSAR_FUZZ_CORPUS")) WriteSeeds(corpus);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  target->run({reinterpret_cast<const char*>(data), size});
  return 0;
}
