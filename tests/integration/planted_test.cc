// R38: bugs are planted one by one, and the suite must find each. What finds it is named here, so
// that a test that is taken out or blunted shows.
#include <gtest/gtest.h>

#include <fstream>
#include <iostream>

#include "absl/strings/str_cat.h"
#include "support/server_process.h"
#include "support/soak.h"
#include "support/test_database.h"

namespace bursar::testing {
namespace {

struct Bug {
  const char* name;
  const char* program;
  const char* filter;
  bool quick;  // planted in short runs too
};

constexpr Bug kBugs[] = {
    // What Apply does, found without a database.
    {"settle_without_charge", "simulation_tests", "*", true},
    {"overrun_trimmed", "simulation_tests", "*", true},
    {"replay_without_look", "simulation_tests", "*", true},
    {"expiry_of_what_lives", "simulation_tests", "*", true},
    {"first_budget_decides", "simulation_tests", "*", true},
    {"late_settlement_dropped", "simulation_tests", "*", true},
    {"unknown_price_is_free", "unit_tests", "Apply*", true},
    // Two replicas, one after the other.
    {"ignored_rollback", "contract_tests", "SessionCommit.*", true},
    {"stale_budgets", "contract_tests", "LanesTest.*", true},
    {"reservation_version_unchecked", "contract_tests", "LanesTest.*", true},
    {"absent_ids_unchecked", "contract_tests", "LanesTest.*", true},
    // Real servers at once.
    {"answer_before_commit", "integration_tests", "Lifecycle.*", true},
    {"release_forgets_its_state", "integration_tests", "Lifecycle.*", false},
    {"local_clock", "integration_tests", "Lifecycle.*", false},
    {"dropped_tenant_filter", "integration_tests", "LostRaces.AnotherTenants*", true},
    {"check_then_act", "integration_tests", "Race.OtherCrowds*", false},
    {"new_counter_overwrites", "integration_tests", "LostRaces.TheFirst*", false},
    {"expiry_forgets_state", "integration_tests", "*MassExpiry*/ChargedOnExpiry", false},
    {"unsorted_locks", "integration_tests", "Deadlock.Hierarchies*", false},
    {"denial_from_memory", "integration_tests", "Bank.Holds*", false},
    {"observed_held_twice", "integration_tests", "Bank.Holds*", false},
};

class Planted : public ::testing::TestWithParam<Bug> {
 protected:
  static void TearDownTestSuite() {
    if (planted_ > 0) std::cout << "found " << found_ << " of " << planted_ << " planted bugs\n";
  }

  static inline int planted_ = 0, found_ = 0;
};

TEST_P(Planted, IsFound) {
#ifndef BURSAR_FAIL_POINTS
  GTEST_SKIP() << "this build can plant no bugs";
#endif
  const Bug& bug = GetParam();
  if (!bug.quick && !Soaking()) GTEST_SKIP() << "takes a while: BURSAR_SOAK=1 plants it";
  TemporaryFolder folder;
  const std::string fault_log = folder.path() + "/faults";
  // As an environment of its own: `env` gives it to that program alone.
  const Finished run = RunProgram(
      {"/usr/bin/env", absl::StrCat("BURSAR_PLANT=", bug.name), "BURSAR_FAULT_LOG=" + fault_log,
       "BURSAR_SOAK=0", "BURSAR_SIMULATION_OPERATIONS=20000", ProgramPath(bug.program),
       absl::StrCat("--gtest_filter=", bug.filter), "--gtest_fail_fast"});
  ++planted_;
  std::string fired;
  std::ifstream(fault_log) >> fired;
  EXPECT_EQ(fired, bug.name) << "its place must have been reached";
  EXPECT_EQ(run.exit_code, 1) << bug.program << " " << bug.filter << " did not find it";
  EXPECT_NE(run.output.find("[  FAILED  ]"), std::string::npos) << "only a test finds a bug";
  found_ += run.exit_code == 1 && fired == bug.name;
}

INSTANTIATE_TEST_SUITE_P(, Planted, ::testing::ValuesIn(kBugs),
                         [](const auto& bug) { return std::string(bug.param.name); });

}  // namespace
}  // namespace bursar::testing
