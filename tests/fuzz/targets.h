#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

// What reads bytes of strangers. The same entry points are run by libFuzzer (./dev fuzz) and, with
// mutations of our own and for seconds only, by fuzz_tests.
namespace bursar::fuzz {

struct Target {
  std::string name;
  // Reads the bytes and aborts where what came out breaks a promise; sanitizers see the rest.
  std::function<void(std::string_view bytes)> run;
  std::vector<std::string> seeds;  // what it reads well
};

// usage_json, prices_bursar, prices_genai, prices_litellm, requests, journal_segment,
// journal_frames, journal_record.
const std::vector<Target>& Targets();

// Says what does not hold, and ends the process.
void Expect(bool holds, std::string_view what);

// targets_*.cc
Target UsageJson();
std::vector<Target> PriceFormats();
Target Requests();
std::vector<Target> Journals();

}  // namespace bursar::fuzz
