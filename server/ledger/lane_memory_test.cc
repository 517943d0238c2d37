#include "ledger/lane_memory.h"

#include <gtest/gtest.h>

namespace bursar::ledger {
namespace {

TEST(Recent, KeepsWhatIsPutAgainAndForgetsTheRest) {
  Recent<int> recent(10);
  recent.Put({0, 0}, 0);
  for (uint64_t i = 1; i <= 100; ++i) {
    recent.Put({1, i}, static_cast<int>(i));
    recent.Put({0, 0}, static_cast<int>(i));
    ASSERT_NE(recent.Find({0, 0}), nullptr) << i;
    EXPECT_EQ(*recent.Find({0, 0}), static_cast<int>(i)) << "an older value came back";
    ASSERT_NE(recent.Find({1, i}), nullptr) << i;
  }
  int kept = 0;
  for (uint64_t i = 1; i <= 100; ++i) kept += recent.Find({1, i}) != nullptr ? 1 : 0;
  EXPECT_GE(kept, 9) << "a generation at least";
  EXPECT_LE(kept, 20) << "two at most";
}

TEST(Recent, WhatIsErasedDoesNotComeBackFromTheOldGeneration) {
  Recent<int> recent(2);
  recent.Put({1, 1}, 1);
  recent.Put({1, 2}, 2);
  recent.Put({1, 3}, 3);  // 1 and 2 are old now
  recent.Put({1, 1}, 4);  // and 1 is young too
  recent.Erase({1, 1});
  EXPECT_EQ(recent.Find({1, 1}), nullptr);
  ASSERT_NE(recent.Find({1, 2}), nullptr);
  recent.Clear();
  EXPECT_EQ(recent.Find({1, 2}), nullptr);
}

}  // namespace
}  // namespace bursar::ledger
